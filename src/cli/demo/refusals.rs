//! The scenes in which sipward refuses, each with its reason code.
use super::failure::SceneFailure;
use super::scene::{Play, Scene};
use super::stage::{SPARE, Stage};
use sipward_lab::pki::Issued;
use sipward_lab::site::EDGE;
use sipward_lab::{End, Ended, SipMessage};
use std::io;
use std::time::Duration;

const STRANGER: &[&str] = &["stranger", "edge"];
/// Longer than any refusal takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// None of them depends on another.
pub(super) const SCENES: &[Scene] = &[
    Scene {
        title: "Refused: a server of our CA that the topology omits",
        columns: STRANGER,
        play: unlisted,
    },
    Scene {
        title: "Refused: a listed server, certificate revoked",
        columns: STRANGER,
        play: revoked,
    },
    Scene {
        title: "Refused: a listed server, certificate expired",
        columns: STRANGER,
        play: expired,
    },
    Scene {
        title: "Refused: the partner's CA vouches for fe01",
        columns: STRANGER,
        play: foreign_anchor,
    },
    Scene {
        title: "Refused: the partner asserts a home user in From",
        columns: &["partner", "edge", "fe02", "bob"],
        play: foreign_from,
    },
    Scene {
        title: "Refused: a client's Route to a third party",
        columns: &["alice", "edge", "fe02"],
        play: relay_by_route,
    },
    Scene {
        title: "Refused: a client's Request-URI at a third party",
        columns: &["alice", "edge", "fe02"],
        play: relay_by_request_uri,
    },
    Scene {
        title: "Refused: the partner wants a third domain",
        columns: &["partner", "edge", "fe02"],
        play: relay_by_partner,
    },
];

fn unlisted(stage: &mut Stage) -> Play<'_> {
    Box::pin(async move {
        let fqdn = "rogue.contoso.test";
        let identity = stage.site.enterprise.server(fqdn)?;
        refused_handshake(stage, fqdn, &identity, "not_in_topology").await
    })
}

fn revoked(stage: &mut Stage) -> Play<'_> {
    Box::pin(async move { refused_handshake(stage, SPARE, &stage.revoked, "revoked").await })
}

fn expired(stage: &mut Stage) -> Play<'_> {
    Box::pin(async move {
        let identity = stage.expired()?;
        refused_handshake(stage, SPARE, &identity, "expired").await
    })
}

fn foreign_anchor(stage: &mut Stage) -> Play<'_> {
    Box::pin(async move {
        let fqdn = "fe01.contoso.test";
        let identity = stage.site.fabrikam.server(fqdn)?;
        refused_handshake(stage, fqdn, &identity, "anchor_not_for_peer").await
    })
}

fn foreign_from(stage: &mut Stage) -> Play<'_> {
    Box::pin(async move {
        let draft = stage
            .partner
            .message("sip:bob@contoso.test", "I am Alice")
            .from("sip:alice@contoso.test");
        refused_request(stage, &stage.partner, draft.build(), "from_not_allowed").await
    })
}

fn relay_by_route(stage: &mut Stage) -> Play<'_> {
    Box::pin(async move {
        let third = stage.third.local_addr()?;
        let draft = stage
            .alice
            .message(&format!("sip:victim@{third}"), "via you")
            .header("Route", &format!("<sip:{third};transport=tls;lr>"));
        refused_request(stage, &stage.alice, draft.build(), "route_not_permitted").await
    })
}

fn relay_by_request_uri(stage: &mut Stage) -> Play<'_> {
    Box::pin(async move {
        let third = stage.third.local_addr()?;
        let draft = stage
            .alice
            .message(&format!("sip:victim@{third}"), "via you");
        // It does reach the home pool, which sends it back; there the edge finds no peer for it.
        refused_request(stage, &stage.alice, draft.build(), "no_route").await
    })
}

fn relay_by_partner(stage: &mut Stage) -> Play<'_> {
    Box::pin(async move {
        let draft = stage
            .partner
            .message("sip:victim@elsewhere.test", "via you");
        refused_request(stage, &stage.partner, draft.build(), "not_home_domain").await
    })
}

/// The handshake of a server that must not come in.
async fn refused_handshake(
    stage: &Stage,
    fqdn: &str,
    identity: &Issued,
    reason: &'static str,
) -> Result<String, SceneFailure> {
    let mark = stage.log.mark();
    let stranger = stage.stranger(fqdn, identity).await?;
    stage
        .transcript
        .note("stranger", &format!("connects as {fqdn}"));
    // With TLS 1.3 the refusal comes after the stranger's own handshake has ended.
    let word = match stranger.dial(stage.edge, EDGE).await {
        Ok(wire) => match wire.ended(PATIENCE).await? {
            Ended::Cut(word) => word,
            Ended::CloseNotify | Ended::Here => {
                return Err(SceneFailure::NotRefused { what: "the server" });
            }
        },
        Err(e) => e.to_string(),
    };
    stage.transcript.note("stranger", &word);
    stage
        .log
        .wait_after(mark, "handshake_refused", |e| has(e, "reason", reason))
        .await?;
    Ok(format!("{reason}; the stranger is told: {word}"))
}

/// A request that must be refused, and must not have been tried at the third party.
async fn refused_request(
    stage: &Stage,
    from: &End,
    request: SipMessage,
    reason: &'static str,
) -> Result<String, SceneFailure> {
    let mark = stage.log.mark();
    let sent = from.draft(request).send().await?;
    let answer = from.final_answer(&sent).await?;
    let status = answer.message.status().unwrap_or_default();
    if status < 400 {
        return Err(SceneFailure::NotRefused {
            what: "the request",
        });
    }
    stage
        .log
        .wait_after(mark, "request_refused", |e| has(e, "reason", reason))
        .await?;
    match stage.third.accept() {
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
            Ok(format!("{reason}; the sender is told: {status}"))
        }
        Ok(_) | Err(_) => Err(SceneFailure::ThirdPartyReached),
    }
}

fn has(event: &serde_json::Value, key: &str, value: &str) -> bool {
    event.get(key).is_some_and(|v| v == value)
}
