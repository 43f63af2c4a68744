//! The outcome of a probe for programs. Its keys are stable.
//!
//! The object is built key by key instead of being derived from the types of the edge: those may change, the keys may not.
//! A script that watches partners reads `verdict`, `reason` and `alert`; the rest is for whoever then looks closer.
use crate::edge::{ProbeAttempt, ProbeVerdict};
use crate::observe::PresentedChain;
use crate::topology::{DnsName, Peer, PeerName};
use serde_json::{Value, json};

/// Who refused whom, in one word. These words and the keys below were published with the first version; scripts read them.
fn word(verdict: &ProbeVerdict) -> &'static str {
    match verdict {
        ProbeVerdict::Good => "good",
        ProbeVerdict::RefusedLocally(..) => "refused_by_us",
        ProbeVerdict::RefusedByPeer { .. } => "refused_by_them",
        ProbeVerdict::Failed(..) => "failed",
    }
}

/// One object for the peer, with one for each address that was tried.
pub(super) fn to_json(
    (peer, name): (&Peer, Option<&DnsName>),
    others: &[&PeerName],
    identity: &str,
    good: bool,
    attempts: &[ProbeAttempt],
) -> Value {
    let mut value = json!({
        "peer": peer.name.as_str(),
        // What the server was asked for, and must prove.
        "sni": name.unwrap_or(&peer.fqdn).as_str(),
        "identity": identity,
        "good": good,
        "addresses": attempts.iter().map(attempt_json).collect::<Vec<_>>(),
    });
    // Only where there was a choice.
    if let Some(object) = value.as_object_mut().filter(|_| !others.is_empty()) {
        let others: Vec<&str> = others.iter().map(|other| other.as_str()).collect();
        object.insert("also_covered_by".to_owned(), json!(others));
    }
    value
}

/// One address. A key that does not apply is left out, except `we_showed`, whose `null` is a finding.
fn attempt_json(attempt: &ProbeAttempt) -> Value {
    let mut value = json!({
        "address": attempt.address.to_string(),
        "verdict": word(&attempt.verdict),
        "took_ms": u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX),
    });
    // `json!` has made an object, so this never does nothing.
    let mut put = |key: &str, held: Value| {
        if let Some(object) = value.as_object_mut() {
            object.insert(key.to_owned(), held);
        }
    };
    if let Some(reason) = attempt.verdict.reason() {
        put("reason", json!(reason));
        put("remedy", json!(reason.remedy()));
    }
    match &attempt.verdict {
        // Whoever refused, `reason` and `detail` explain it, so that a script needs one look.
        ProbeVerdict::Good => {}
        ProbeVerdict::RefusedLocally(_, detail) | ProbeVerdict::Failed(_, detail) => {
            put("detail", json!(detail));
        }
        ProbeVerdict::RefusedByPeer {
            alert,
            meaning,
            late,
            ..
        } => {
            put("alert", json!(alert));
            put("detail", json!(meaning));
            put("late", json!(late));
        }
    }
    if let Some(tls) = &attempt.negotiated {
        put("version", json!(tls.version));
        put("cipher", json!(tls.cipher));
        put("group", json!(tls.group));
    }
    // There is a decision whenever the peer has shown a certificate, whoever refused in the end.
    if let Some(decision) = &attempt.decision {
        put(
            // Enough to find the certificate in a PKI; the certificate itself is not repeated.
            "they_showed",
            json!({
                "subjects": decision.subjects,
                "names": decision.names,
                "fingerprints": decision.fingerprints,
            }),
        );
        put(
            // The id is the one that the daemon would log for this chain.
            "decision",
            json!({
                "id": decision.id,
                "reason": decision.reason.code(),
                "sentence": decision.reason.what(),
                "remedy": decision.reason.remedy(),
                "detail": decision.detail,
                "matched": decision.matched.as_ref().map(|(name, _)| name),
                "trust": decision.anchor.as_ref().map(|(trust, _)| trust),
                "anchor": decision.anchor.as_ref().map(|(_, anchor)| anchor),
                "valid_until": decision.valid_until,
                "line": decision.line,
            }),
        );
    }
    let shown = attempt.shown.as_deref();
    put("we_showed", shown.map_or(Value::Null, shown_json));
    if let Some(explanation) = &attempt.explanation {
        put("explanation", json!(explanation));
    }
    // Only after a good handshake; a SIP server that is up but answers 404 is still reachable.
    if let Some((status, phrase)) = &attempt.answer {
        put("options", json!({ "status": status, "phrase": phrase }));
    }
    value
}

/// The certificate that this node has shown.
fn shown_json(shown: &PresentedChain) -> Value {
    json!({
        "identity": shown.identity,
        "subjects": shown.subjects,
        "fingerprints": shown.fingerprints,
    })
}
