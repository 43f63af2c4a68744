//! The scenarios in which sipward refuses, each with its reason code.
//!
//! A refusal counts only when three things agree: what the refused end sees, the reason in the log, and that
//! nothing went on to where it must not. `sipward explain CODE` describes each reason.
use super::calls::logged;
use super::failure::ScenarioFailure;
use super::scenario::{Scenario, Steps, titled};
use super::setup::{DemoSetup, SPARE};
use crate::reason::{MessageReason, TrustReason};
use sipward_lab::pki::Issued;
use sipward_lab::site::EDGE;
use sipward_lab::{Draft, End, Ended};
use std::io;
use std::time::Duration;

/// The columns of a refused handshake: it gets no further than the edge.
const STRANGER: &[&str] = &["stranger", "edge"];
/// Far longer than any refusal takes: only a fault of sipward makes a scenario wait for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// None of them depends on another, nor on what the calls have left.
pub(super) const SCENARIOS: &[Scenario] = &[
    titled("Refused: a server of the home CA that the topology omits").among(STRANGER, unlisted),
    titled("Refused: a listed server, certificate revoked").among(STRANGER, revoked),
    titled("Refused: a listed server, certificate expired").among(STRANGER, expired),
    titled("Refused: the partner's CA vouches for fe01").among(STRANGER, foreign_anchor),
    titled("Refused: the partner asserts a home user in From")
        .among(&["partner", "edge", "fe02", "bob"], foreign_from),
    titled("Refused: a client's Route to a third party")
        .among(&["alice", "edge", "fe02"], relay_by_route),
    titled("Refused: a client's Request-URI at a third party")
        .among(&["alice", "edge", "fe02"], relay_by_request_uri),
    titled("Refused: the partner wants a third domain")
        .among(&["partner", "edge", "fe02"], relay_by_partner),
];

/// A sound certificate of the right CA is not enough: the topology must name the server.
fn unlisted(setup: &mut DemoSetup) -> Steps<'_> {
    Box::pin(async move {
        // The home CA issues it, as an enterprise CA issues for every machine that it manages.
        let fqdn = "rogue.contoso.test";
        let identity = setup.site.enterprise.server(fqdn)?;
        refused_handshake(setup, fqdn, &identity, TrustReason::NotInTopology).await
    })
}

/// The CRL that the setup wrote lists this certificate.
fn revoked(setup: &mut DemoSetup) -> Steps<'_> {
    // The name is listed and the CA is the right one: nothing but the CRL speaks against it.
    Box::pin(
        async move { refused_handshake(setup, SPARE, &setup.revoked, TrustReason::Revoked).await },
    )
}

/// Everything else about this certificate is in order.
fn expired(setup: &mut DemoSetup) -> Steps<'_> {
    Box::pin(async move {
        let identity = setup.expired()?;
        refused_handshake(setup, SPARE, &identity, TrustReason::Expired).await
    })
}

/// The partner's CA is trusted for the partner's names only, so it cannot make a home server.
fn foreign_anchor(setup: &mut DemoSetup) -> Steps<'_> {
    Box::pin(async move {
        // A name that the topology has, so that only the anchor is at fault.
        let fqdn = "fe01.contoso.test";
        let identity = setup.site.fabrikam.server(fqdn)?;
        refused_handshake(setup, fqdn, &identity, TrustReason::AnchorNotForPeer).await
    })
}

/// A partner may assert its own domains and nobody else's.
fn foreign_from(setup: &mut DemoSetup) -> Steps<'_> {
    Box::pin(async move {
        let draft = setup
            .partner
            .message("sip:bob@contoso.test", "I am Alice")
            // Who is let in as fabrikam.test must not be able to call bob in the name of his colleague.
            .from("sip:alice@contoso.test");
        refused_request(setup, &setup.partner, draft, MessageReason::FromNotAllowed).await
    })
}

/// A Route value that the edge did not sign leads nowhere, wherever it points.
fn relay_by_route(setup: &mut DemoSetup) -> Steps<'_> {
    Box::pin(async move {
        let third = setup.third.local_addr()?;
        let draft = setup
            .alice
            .message(&format!("sip:victim@{third}"), "via you")
            // A loose route (RFC 3261 §16.12), which a proxy without a policy would follow.
            .header("Route", &format!("<sip:{third};transport=tls;lr>"));
        refused_request(setup, &setup.alice, draft, MessageReason::RouteNotPermitted).await
    })
}

/// A Request-URI is no address: what the home pool does not know has no route.
fn relay_by_request_uri(setup: &mut DemoSetup) -> Steps<'_> {
    Box::pin(async move {
        let third = setup.third.local_addr()?;
        let draft = setup
            .alice
            .message(&format!("sip:victim@{third}"), "via you");
        // It does reach the home pool, which sends it back; there the edge finds no peer for it.
        refused_request(setup, &setup.alice, draft, MessageReason::NoRoute).await
    })
}

/// A partner is let in for the home domains and not as a way to others.
fn relay_by_partner(setup: &mut DemoSetup) -> Steps<'_> {
    Box::pin(async move {
        let draft = setup
            .partner
            // Neither a home domain nor one that any partner serves.
            .message("sip:victim@elsewhere.test", "via you");
        refused_request(setup, &setup.partner, draft, MessageReason::NotHomeDomain).await
    })
}

/// The handshake of a server that must not come in; the log must name this reason.
async fn refused_handshake(
    setup: &DemoSetup,
    fqdn: &str,
    identity: &Issued,
    reason: TrustReason,
) -> Result<String, ScenarioFailure> {
    // Only what is logged from here on counts, because several scenarios have the same event.
    let mark = setup.log.mark();
    let stranger = setup.stranger(fqdn, identity).await?;
    setup
        .transcript
        .note("stranger", &format!("connects as {fqdn}"));
    // With TLS 1.3 the refusal comes after the stranger's own handshake has ended.
    let word = match stranger.dial(setup.edge, EDGE).await {
        Ok(wire) => match wire.ended(PATIENCE).await? {
            // The TLS library's words for the alert, which is all that a stranger sees.
            Ended::Cut(word) => word,
            // An orderly end is no refusal: the edge would have taken the connection first.
            Ended::CloseNotify | Ended::Here => {
                return Err(ScenarioFailure::NotRefused { what: "the server" });
            }
        },
        // With TLS 1.2 the alert comes within the handshake.
        Err(e) => e.to_string(),
    };
    setup.transcript.note("stranger", &word);
    logged(
        &setup.log,
        mark,
        "handshake_refused",
        "reason",
        reason.code(),
    )
    .await?;
    Ok(format!("{reason}; the stranger sees: {word}"))
}

/// A request that must be refused for this reason, without a connection to the third party.
async fn refused_request(
    setup: &DemoSetup,
    from: &End,
    draft: Draft<'_>,
    reason: MessageReason,
) -> Result<String, ScenarioFailure> {
    let mark = setup.log.mark();
    // The edge answers by itself: no home server and no client may see the request first.
    let sent = draft.send().await?;
    let answer = from.final_answer(&sent).await?;
    let status = answer.message.status().unwrap_or_default();
    // A 3xx would be let through as well: it is an answer of somebody behind the edge.
    if status < 400 {
        return Err(ScenarioFailure::NotRefused {
            what: "the request",
        });
    }
    logged(&setup.log, mark, "request_refused", "reason", reason.code()).await?;
    // The listener does not block, and the refusal came before this: a connection would be waiting already.
    match setup.third.accept() {
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
            Ok(format!("{reason}; the sender sees: {status}"))
        }
        Ok(_) | Err(_) => Err(ScenarioFailure::ThirdPartyReached),
    }
}
