//! The outcome of a probe for people: who refuses whom, what either side showed, and why.
//!
//! It is written to be sent to the administrator of the other side: both chains with their fingerprints, the alert in words,
//! and the remedy. Everything that the peer has chosen goes through `plain`, so that no certificate can write to the
//! terminal.
use crate::cli::output::{listed, plain};
use crate::edge::{ProbeAttempt, ProbeVerdict};
use crate::topology::{DnsName, Peer, PeerName};
use crate::trust::Decision;
use std::io::{self, Write};

/// The peer, and each address that was tried.
pub(super) fn show(
    (peer, name): (&Peer, Option<&DnsName>),
    others: &[&PeerName],
    identity: &str,
    attempts: &[ProbeAttempt],
    out: &mut dyn Write,
) -> io::Result<()> {
    let (entry, kind) = (&peer.name, peer.kind.word());
    // The entry is named first: its keys decide, whatever name was dialled.
    let covered = name.map_or(String::new(), |name| format!(" as {name}, which it covers"));
    writeln!(
        out,
        "{entry} ({kind}){covered}, which is shown identity {identity}"
    )?;
    // Which entry it is decides what identity is shown, so the choice is not left to the order of the file without a word.
    if !others.is_empty() {
        let others = listed(others);
        writeln!(out, "  covered by {others}, too: --peer NAME names another")?;
    }
    // DNS has no address, or the name servers did not answer: the handshake could not even begin.
    if attempts.is_empty() {
        return writeln!(out, "  no address was found");
    }
    attempts.iter().try_for_each(|a| show_attempt(a, out))
}

/// One address of a server that is not listed: whether it can be reached, and what TLS came to.
pub(super) fn show_briefly(attempt: &ProbeAttempt, out: &mut dyn Write) -> io::Result<()> {
    // Nothing to propose from: then all that is known of the failure is shown.
    if attempt.chain.is_none() {
        return show_attempt(attempt, out);
    }
    // That it is refused is no news; the proposal has what follows from its chain.
    let (address, took) = (attempt.address, attempt.took.as_millis());
    writeln!(
        out,
        "\n  {address}  reached, and it shows a certificate ({took} ms)"
    )
}

/// One address: the verdict first, then what either side showed, then why.
fn show_attempt(attempt: &ProbeAttempt, out: &mut dyn Write) -> io::Result<()> {
    // In TLS 1.3 a server judges the certificate after the handshake (RFC 8446 §4.4.3), so its refusal may come late.
    let verdict = match &attempt.verdict {
        ProbeVerdict::Good => "good".to_owned(),
        ProbeVerdict::RefusedLocally(reason, _) => format!("refused by this node: {reason}"),
        ProbeVerdict::RefusedByPeer { reason, late, .. } => {
            let when = if *late { ", after the handshake" } else { "" };
            format!("refused by the peer: {reason}{when}")
        }
        ProbeVerdict::Failed(reason, _) => format!("failed: {reason}"),
    };
    let took = attempt.took.as_millis();
    writeln!(out, "\n  {}  {verdict} ({took} ms)", attempt.address)?;
    // Subjects, names and alert texts are the peer's words.
    let mut field = |name: &str, value: &str| writeln!(out, "    {name:<14}  {}", plain(value));
    if let Some(tls) = &attempt.negotiated {
        let agreed = format!("{}, {}, {}", tls.version, tls.cipher, tls.group);
        field("TLS", &agreed)?;
    }
    if let Some(decision) = &attempt.decision {
        show_decision(decision, &mut field)?;
    }
    // A server that does not ask for a certificate cannot know who connects: the usual reason why a partner treats this
    // node as a client.
    match &attempt.shown {
        Some(shown) => {
            let (subjects, fingerprints) = (&shown.subjects, &shown.fingerprints);
            chain("this node's", subjects, fingerprints, &mut field)?;
            field("identity", &shown.identity)?;
        }
        None if attempt.negotiated.is_some() => {
            let none = "none: the peer did not ask for a certificate";
            field("this node's", none)?;
        }
        None => {}
    }
    match &attempt.verdict {
        ProbeVerdict::RefusedLocally(_, Some(detail)) | ProbeVerdict::Failed(_, Some(detail)) => {
            field("detail", detail)?;
        }
        ProbeVerdict::Good | ProbeVerdict::RefusedLocally(..) | ProbeVerdict::Failed(..) => {}
        ProbeVerdict::RefusedByPeer { alert, meaning, .. } => {
            field("alert", &format!("{alert}: {meaning}"))?;
        }
    }
    if let Some(reason) = attempt.verdict.reason() {
        field("how to check", reason.check())?;
        field("what to do", reason.remedy())?;
    }
    // Any final response shows that SIP works on this connection, a 404 too.
    if let Some((status, phrase)) = &attempt.answer {
        field("OPTIONS", &format!("{status} {phrase}"))?;
    }
    // Step by step only where this node refuses: for the peer's refusal there is nothing but its alert.
    if let Some(explanation) = &attempt.explanation {
        for line in explanation.to_string().lines() {
            writeln!(out, "    {}", plain(line))?;
        }
    }
    Ok(())
}

/// Writes one field of an attempt, free of control characters.
type WriteField<'a> = dyn FnMut(&str, &str) -> io::Result<()> + 'a;

/// What the peer showed, and the decision about it.
fn show_decision(decision: &Decision, field: &mut WriteField<'_>) -> io::Result<()> {
    chain("peer's", &decision.subjects, &decision.fingerprints, field)?;
    field("names", &decision.names.join(", "))?;
    // The code for searching, the sentence for reading.
    let reason = decision.reason;
    field("decision", &format!("{reason} ({})", reason.what()))?;
    if let Some((trust, anchor)) = &decision.anchor {
        field("vouched for by", &format!("{trust}: {anchor}"))?;
    }
    Ok(())
}

/// A chain from the leaf up. Fingerprints are whole: they are compared with those that a partner has sent.
fn chain(
    name: &str,
    subjects: &[String],
    fingerprints: &[String],
    field: &mut WriteField<'_>,
) -> io::Result<()> {
    let mut name = name;
    for (at, fingerprint) in fingerprints.iter().enumerate() {
        let subject = subjects.get(at).map_or("(cannot be read)", String::as_str);
        field(name, &format!("{subject}  sha256 {fingerprint}"))?;
        name = "";
    }
    Ok(())
}
