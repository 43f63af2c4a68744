//! The explanation of a decision: every step that [`crate::trust::decide`] took, and the smallest change that would turn it.
use crate::reason::TrustReason;
use crate::topology::{ClientCertificates, Direction, Listener, show_moment};
use crate::trust::certificate::chain::Chain;
use crate::trust::decision::client_rule::{conclude_inbound, is_nobody_listed};
use crate::trust::decision::verdict::{Decision, Verdict};
use crate::trust::decision::{decide::decision_on, presented::Presented, question::TrustQuestion};
use crate::trust::explain::smallest_change::{SmallestChange, smallest_change};
use crate::trust::generation::loaded::Generation;
use crate::trust::trace::recorder::Trace;
use crate::trust::trace::step::{ExplainedStep, StepOutcome};
use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Why a chain is accepted or refused, as data (serialises to JSON and back) and as text (`Display`: a tree).
///
/// Its JSON is what the control socket and `explain --json` return, so that names of fields are stable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// `accept`, `client` or `refuse`.
    // Text and not the enum: an explanation is read back from a daemon that may be newer.
    pub verdict: String,
    /// The reason code.
    pub reason: String,
    /// The reason in a sentence.
    pub sentence: String,
    /// What makes the reason understandable: which certificate, CRL or other peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// `inbound` or `outbound`.
    // Of the connection, as in the log.
    pub direction: String,
    /// The listener that it is presented to, if its `client_certificates` was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
    /// Name of the peer entry, when one was found or dialled.
    pub peer: Option<String>,
    /// The time for which it was decided, RFC 3339.
    pub at: String,
    /// The topology file.
    pub topology: String,
    /// The line of that file which decided.
    pub line: Option<u32>,
    /// The generation that decided.
    pub generation: u64,
    /// The decision's id, as in the log.
    pub decision: String,
    /// Each step in its order, with the steps that it is made of.
    // Only those that were taken: a refusal ends the list where it arose.
    pub steps: Vec<ExplainedStep>,
    /// What would turn a refusal; `None` for an accepted chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    // Absent in JSON for an accepted chain, so that a reader need not know the field.
    pub change: Option<SmallestChange>,
}

/// Decides as [`crate::trust::decide`] does, and explains how. `presented.expected` must be a peer of `generation`.
///
/// Asks for several decisions, which share the budget of one: not for the message path, nor for every handshake.
///
/// The same [`conclude`] with the trace on: an explanation cannot differ from the decision.
pub fn explain(
    presented: &Presented<'_>,
    direction: Direction,
    generation: &Generation,
    at: UnixTime,
) -> Explanation {
    let question = TrustQuestion {
        presented,
        chain: &Chain::parse(presented.chain),
        direction,
        generation,
        at,
    };
    let trace = Trace::on();
    let decision = decision_on(&question, &trace);
    explanation(&question, None, &decision, trace)
}

/// As [`explain`], for a chain that is presented to a listener: what [`crate::trust::decide_inbound`] would do.
pub fn explain_inbound(
    presented: &Presented<'_>,
    listener: &Listener,
    generation: &Generation,
    at: UnixTime,
) -> Explanation {
    let question = TrustQuestion {
        presented,
        chain: &Chain::parse(presented.chain),
        direction: Direction::Inbound,
        generation,
        at,
    };
    let trace = Trace::on();
    let decision = match conclude_inbound(&question, listener, &trace) {
        Ok(admitted) => Arc::clone(admitted.decision()),
        Err(decision) => decision,
    };
    explanation(&question, Some(listener), &decision, trace)
}

/// Both kinds of decisions end in the same form; only a listener may offer another way in.
fn explanation(
    question: &TrustQuestion<'_>,
    listener: Option<&Listener>,
    decision: &Decision,
    trace: Trace,
) -> Explanation {
    let generation = question.generation;
    let mut change = smallest_change(question, decision);
    // If it is a phone's, no change of the peers is what the operator wants.
    if let (Some(change), Some(listener)) = (&mut change, listener)
        && listener.accept.clients()
        && listener.client_certificates == ClientCertificates::Refuse
        // Only for a certificate that `ignore` would really pass over.
        && is_nobody_listed(question.chain, generation).is_ok()
    {
        change.or = Some(format!(
            "if it is a client's: client_certificates = \"ignore\" at listener {} (line {})",
            listener.name, listener.line
        ));
    }
    Explanation {
        // Everything is copied into text: the explanation outlives the generation it speaks of.
        verdict: decision.verdict.word().to_owned(),
        reason: decision.reason.code().to_owned(),
        sentence: decision.reason.what().to_owned(),
        detail: decision.detail.clone(),
        direction: decision.direction.word().to_owned(),
        listener: listener.map(|listener| listener.name.clone()),
        peer: decision.peer_name.clone(),
        at: show_moment(question.at.as_secs()),
        topology: generation.topology().path().display().to_string(),
        line: decision.line,
        generation: decision.generation,
        decision: decision.id.clone(),
        steps: trace.into_steps(),
        change,
    }
}

impl Explanation {
    /// Whether the chain is accepted as a peer's.
    ///
    /// `explain` ends with an exit code that depends on it.
    pub fn is_accepted(&self) -> bool {
        self.verdict == Verdict::Accept.word()
    }

    /// Whether a connection with this chain comes to be, be it a client's.
    pub fn is_let_in(&self) -> bool {
        self.is_accepted() || self.verdict == Verdict::Client.word()
    }

    /// The explanation as JSON on one line.
    pub fn to_json(&self) -> String {
        // Strings and numbers only: nothing of it can fail to be JSON.
        serde_json::to_string(self).unwrap_or_default()
    }
}

// Written for people: the verdict in the first line, then each step where it was taken, then what to do.
impl fmt::Display for Explanation {
    /// A tree of lines, the verdict first and last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No entry was found: what the connection would be is said instead.
        let nobody = if self.verdict == Verdict::Client.word() {
            "a client"
        } else {
            "nobody listed"
        };
        let peer = self.peer.as_deref().unwrap_or(nobody);
        let way = match self.direction.as_str() {
            "inbound" => "inbound",
            _ => "outbound",
        };
        let outcome = outcome_words(&self.verdict, &self.reason);
        let (peer, at) = (safe(peer), &self.at);
        writeln!(f, "{outcome} ({way}, as {peer}, at {at})")?;
        // The last step has no line going down, unless the suggested change follows.
        for (step, last) in with_last(&self.steps) {
            branch(step, last && self.change.is_none(), "", f)?;
        }
        if let Some(change) = &self.change {
            writeln!(f, "└─ smallest change")?;
            let mut lines: Vec<String> = change.edits.clone();
            lines.extend(change.elsewhere.clone());
            lines.extend(change.or.clone());
            // An edit was really judged, and its outcome is shown; what must be done elsewhere could not be
            // tried.
            lines.push(match change.edits.len() {
                0 => "not tried here: it is made outside this topology".to_owned(),
                _ => format!("tried: leads to {}", change.leads_to),
            });
            for (line, last) in with_last(&lines) {
                writeln!(f, "   {} {}", if last { "└─" } else { "├─" }, safe(line))?;
            }
        }
        writeln!(f, "verdict   {outcome}")?;
        // The detail can hold names of a stranger's certificate.
        let detail = self.detail.as_deref().map(|d| format!(" ({})", safe(d)));
        let detail = detail.unwrap_or_default();
        writeln!(f, "because   {}{detail}", self.sentence)?;
        // File and line in the form that editors can jump to.
        match self.line {
            Some(line) => writeln!(f, "decided   {}:{line}", safe(&self.topology))?,
            None => writeln!(f, "decided   {}, no line of it", safe(&self.topology))?,
        }
        let (id, generation) = (&self.decision, self.generation);
        writeln!(f, "decision  {id} of generation {generation}")
    }
}

/// Verdict and reason code, as people read them: `refuse expired`, and `accepted` once, since a peer is accepted for one
/// reason only.
pub fn outcome_words(verdict: &str, reason: &str) -> String {
    if reason == TrustReason::Accepted.code() {
        reason.to_owned()
    } else {
        format!("{verdict} {reason}")
    }
}

/// One step with everything below it.
fn branch(
    step: &ExplainedStep,
    last: bool,
    indent: &str,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    // Two letters each, so that the column stays straight in any font of fixed width.
    let mark = match step.outcome {
        StepOutcome::Passed => "ok",
        StepOutcome::Failed => "NO",
        StepOutcome::Noted => "--",
    };
    let corner = if last { "└─" } else { "├─" };
    let (name, text) = (&step.step, safe(&step.text));
    writeln!(f, "{indent}{corner} {mark} {name}: {text}")?;
    // A line goes down along the siblings that are still to come.
    let indent = format!("{indent}{}", if last { "   " } else { "│  " });
    for (below, last) in with_last(&step.below) {
        branch(below, last, &indent, f)?;
    }
    Ok(())
}

/// Each item with whether it is the last.
///
/// For the corners of the tree.
fn with_last<T>(items: &[T]) -> impl Iterator<Item = (&T, bool)> {
    let (count, numbered) = (items.len(), items.iter().zip(1..));
    numbered.map(move |(item, n)| (item, n == count))
}

/// What a stranger wrote into a certificate must not steer the terminal that shows it.
///
/// Applied where text is printed and not where it is stored: JSON escapes by itself.
fn safe(text: &str) -> String {
    // Besides control characters those that reorder or hide text: a certificate can hold any of Unicode.
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars()
        .map(|c| if steers(c) { '?' } else { c })
        .collect()
}
