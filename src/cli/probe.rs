//! `sipward probe`: the handshake that the daemon would make with a peer, and an OPTIONS, shown address by address.
use super::Exit;
use crate::daemon;
use crate::edge::{ProbeAttempt, ProbeVerdict, probe};
use crate::observe::Shown;
use crate::topology::{Fault, Peer};
use crate::trust::{Decision, Generation};
use rustls_pki_types::UnixTime;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What `sipward probe` is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Probe {
    /// The peer's fqdn, as in its [[peer]]
    #[arg(value_name = "PEER")]
    pub peer: String,
    /// The topology file
    #[arg(long, default_value = super::target::DEFAULT_TOPOLOGY)]
    pub config: PathBuf,
    /// Seconds for each address: connect, handshake and the OPTIONS' answer
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub timeout: u64,
    /// One line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Why a peer cannot be probed; exit code 2, so that it is never taken for its fault.
#[derive(Debug, thiserror::Error)]
enum ProbeError {
    /// The topology has faults.
    #[error("the topology cannot be used:\n{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Topology(Vec<Fault>),
    /// The peer is not in it.
    #[error("{0}: no [[peer]] of the topology has this fqdn")]
    UnknownPeer(String),
}

impl Probe {
    /// Probes and writes what came of it to `out`.
    ///
    /// # Errors
    /// [`Exit::Refused`] when any address fails or none is found, [`Exit::Usage`] when it cannot be tried.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Exit> {
        let usage = |error: ProbeError| {
            eprintln!("sipward: {error}");
            Exit::Usage
        };
        let generation = self.generation().map_err(usage)?;
        let topology = generation.topology();
        let fqdn = self.peer.trim_end_matches('.').to_ascii_lowercase();
        let peer = topology
            .peer_by_fqdn(&fqdn)
            .ok_or_else(|| usage(ProbeError::UnknownPeer(self.peer.clone())))?;
        let internal = |error: &dyn std::fmt::Display| {
            eprintln!("sipward: {error}");
            Exit::Internal
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| internal(&e))?;
        let attempts = runtime
            .block_on(probe(&generation, peer, Duration::from_secs(self.timeout)))
            .map_err(|e| internal(&e))?;
        let listed = topology.peer(peer);
        let shown = topology.identity_at(listed.identity, UnixTime::now());
        let identity = &topology.identity(shown).name;
        if self.json {
            writeln!(out, "{}", to_json(listed, identity, &attempts))?;
        } else {
            show(listed, identity, &attempts, out)?;
        }
        if is_good(&attempts) {
            Ok(())
        } else {
            Err(Exit::Refused)
        }
    }

    fn generation(&self) -> Result<Arc<Generation>, ProbeError> {
        let now = UnixTime::now();
        // An expectation that fails is no reason not to look.
        let generation = daemon::prepare(&self.config, now).map_err(ProbeError::Topology)?;
        Ok(Arc::new(generation))
    }
}

fn is_good(attempts: &[ProbeAttempt]) -> bool {
    !attempts.is_empty() && attempts.iter().all(|a| a.verdict == ProbeVerdict::Good)
}

/// Who refused whom, in one word.
fn word(verdict: &ProbeVerdict) -> &'static str {
    match verdict {
        ProbeVerdict::Good => "good",
        ProbeVerdict::RefusedByUs(..) => "refused_by_us",
        ProbeVerdict::RefusedByThem { .. } => "refused_by_them",
        ProbeVerdict::Failed(..) => "failed",
    }
}

fn to_json(peer: &Peer, identity: &str, attempts: &[ProbeAttempt]) -> Value {
    json!({
        "peer": peer.fqdn.as_str(),
        "identity": identity,
        "good": is_good(attempts),
        "addresses": attempts.iter().map(attempt_json).collect::<Vec<_>>(),
    })
}

fn attempt_json(attempt: &ProbeAttempt) -> Value {
    let mut value = json!({
        "address": attempt.address.to_string(),
        "verdict": word(&attempt.verdict),
        "took_ms": u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX),
    });
    let mut put = |key: &str, held: Value| {
        if let Some(object) = value.as_object_mut() {
            object.insert(key.to_owned(), held);
        }
    };
    match &attempt.verdict {
        ProbeVerdict::Good => {}
        ProbeVerdict::RefusedByUs(reason, detail) | ProbeVerdict::Failed(reason, detail) => {
            put("reason", json!(reason));
            put("detail", json!(detail));
        }
        ProbeVerdict::RefusedByThem {
            reason,
            alert,
            meaning,
            late,
        } => {
            put("reason", json!(reason));
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
    if let Some(decision) = &attempt.decision {
        put(
            "they_showed",
            json!({
                "subjects": decision.subjects,
                "names": decision.names,
                "fingerprints": decision.fingerprints,
            }),
        );
        put(
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
    put(
        "we_showed",
        attempt.shown.as_deref().map_or(Value::Null, shown_json),
    );
    if let Some(explanation) = &attempt.explanation {
        put("explanation", json!(explanation));
    }
    if let Some((status, phrase)) = &attempt.answer {
        put("options", json!({ "status": status, "phrase": phrase }));
    }
    value
}

fn shown_json(shown: &Shown) -> Value {
    json!({
        "identity": shown.identity,
        "subjects": shown.subjects,
        "fingerprints": shown.fingerprints,
    })
}

fn show(
    peer: &Peer,
    identity: &str,
    attempts: &[ProbeAttempt],
    out: &mut dyn Write,
) -> io::Result<()> {
    let kind = peer.kind.word();
    writeln!(
        out,
        "{} ({kind}), to be shown identity {identity}",
        peer.fqdn
    )?;
    if attempts.is_empty() {
        return writeln!(out, "  no address was found");
    }
    attempts.iter().try_for_each(|a| show_attempt(a, out))
}

fn show_attempt(attempt: &ProbeAttempt, out: &mut dyn Write) -> io::Result<()> {
    let verdict = match &attempt.verdict {
        ProbeVerdict::Good => "good".to_owned(),
        ProbeVerdict::RefusedByUs(reason, _) => format!("we refuse them: {reason}"),
        ProbeVerdict::RefusedByThem { reason, late, .. } => {
            let when = if *late { ", after the handshake" } else { "" };
            format!("they refuse us: {reason}{when}")
        }
        ProbeVerdict::Failed(reason, _) => format!("failed: {reason}"),
    };
    let took = attempt.took.as_millis();
    writeln!(out, "\n  {}  {verdict} ({took} ms)", attempt.address)?;
    let mut field = |name: &str, value: &str| writeln!(out, "    {name:<14}  {}", plain(value));
    if let Some(tls) = &attempt.negotiated {
        let agreed = format!("{}, {}, {}", tls.version, tls.cipher, tls.group);
        field("TLS", &agreed)?;
    }
    if let Some(decision) = &attempt.decision {
        show_decision(decision, &mut field)?;
    }
    match &attempt.shown {
        Some(shown) => {
            chain(
                "we showed",
                &shown.subjects,
                &shown.fingerprints,
                &mut field,
            )?;
            field("identity", &shown.identity)?;
        }
        None if attempt.negotiated.is_some() => {
            field("we showed", "nothing: they did not ask for our certificate")?;
        }
        None => {}
    }
    match &attempt.verdict {
        ProbeVerdict::Good => {}
        ProbeVerdict::RefusedByUs(_, detail) | ProbeVerdict::Failed(_, detail) => {
            if let Some(detail) = detail {
                field("detail", detail)?;
            }
        }
        ProbeVerdict::RefusedByThem { alert, meaning, .. } => {
            field("alert", &format!("{alert}: {meaning}"))?;
        }
    }
    if let Some((status, phrase)) = &attempt.answer {
        field("OPTIONS", &format!("{status} {phrase}"))?;
    }
    if let Some(explanation) = &attempt.explanation {
        for line in explanation.to_string().lines() {
            writeln!(out, "    {}", plain(line))?;
        }
    }
    Ok(())
}

/// Writes one field of an attempt.
type Field<'a> = dyn FnMut(&str, &str) -> io::Result<()> + 'a;

fn show_decision(decision: &Decision, field: &mut Field<'_>) -> io::Result<()> {
    chain(
        "they showed",
        &decision.subjects,
        &decision.fingerprints,
        field,
    )?;
    field("names", &decision.names.join(", "))?;
    let reason = decision.reason;
    field("decision", &format!("{reason} ({})", reason.what()))?;
    if let Some((trust, anchor)) = &decision.anchor {
        field("vouched for by", &format!("{trust}: {anchor}"))?;
    }
    if reason != crate::trust::TrustReason::Accepted {
        field("what to do", reason.remedy())?;
    }
    Ok(())
}

fn chain(
    name: &str,
    subjects: &[String],
    fingerprints: &[String],
    field: &mut Field<'_>,
) -> io::Result<()> {
    let mut name = name;
    for (at, fingerprint) in fingerprints.iter().enumerate() {
        let subject = subjects.get(at).map_or("(cannot be read)", String::as_str);
        field(name, &format!("{subject}  sha256 {fingerprint}"))?;
        name = "";
    }
    Ok(())
}

/// What strangers chose, in a form that does not talk to the terminal.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
