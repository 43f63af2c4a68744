//! Expectations, the unit tests of a policy: a generation is built whole only if the decisions are the expected ones.
use crate::reason::{DaemonReason, TrustReason};
use crate::topology::{Direction, Expectation, Fault, Topology, did_you_mean};
use crate::trust::decision::{decide::decide, presented::Presented};
use crate::trust::generation::loaded::{Before, Generation};
use rustls_pki_types::UnixTime;
use std::sync::Arc;

impl Generation {
    /// Prepares anchors and CRLs, and runs the expectations at `at`.
    ///
    /// # Errors
    /// Every anchor that cannot be used (`anchor_malformed`) and every expectation that
    /// fails (`expectation_failed`), each with file, line and what to do.
    ///
    /// An expectation that fails keeps the topology from serving: it is the operator's own statement of what
    /// must hold.
    pub fn build(number: u64, topology: Topology, at: UnixTime) -> Result<Self, Vec<Fault>> {
        Self::build_after(Before::default(), number, topology, at)
    }

    /// As [`Self::build`], with what is known of CRLs: one that is worse than one that was proven before does not come into
    /// force, and the one held stays ([`Self::refused_crls`]).
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_after(
        before: Before<'_>,
        number: u64,
        topology: Topology,
        at: UnixTime,
    ) -> Result<Self, Vec<Fault>> {
        let generation = Self::prepare_after(before, number, topology, at)?;
        let faults = generation.unmet_expectations(at, |_| true);
        generation.ready(faults)
    }

    /// As [`Self::build_after`], for a process that starts: an expectation that somebody is accepted and that fails is a note
    /// here. A partner's certificate that ended or was revoked since the file was checked must not keep the node from
    /// starting; who gets in against an expectation must.
    ///
    /// # Errors
    /// As [`Self::build_after`].
    pub fn build_at_start(
        before: Before<'_>,
        number: u64,
        topology: Topology,
        at: UnixTime,
    ) -> Result<Self, Vec<Fault>> {
        let generation = Self::prepare_after(before, number, topology, at)?;
        let faults = generation.unmet_expectations(at, |expectation| !expectation.accept);
        let notes = generation.unmet_expectations(at, |expectation| expectation.accept);
        generation.with_notes(notes).ready(faults)
    }

    /// Itself, unless there are faults.
    fn ready(self, faults: Vec<Fault>) -> Result<Self, Vec<Fault>> {
        if !faults.is_empty() {
            return Err(faults);
        }
        // Not in the first handshake that asks.
        self.topology_names();
        Ok(self)
    }

    /// How those expectations that are asked for are not met.
    fn unmet_expectations(&self, at: UnixTime, which: impl Fn(&Expectation) -> bool) -> Vec<Fault> {
        let expectations = self.topology().expectations();
        expectations
            .iter()
            .filter(|e| which(e))
            .filter_map(|e| self.unmet(e, at))
            .collect()
    }

    /// The fault that reports how an expectation is not met.
    ///
    /// Through [`decide`] and nothing else, so that an expectation tests what a handshake would do.
    fn unmet(&self, expectation: &Expectation, at: UnixTime) -> Option<Fault> {
        let outbound = expectation.direction == Direction::Outbound;
        let presented = Presented {
            expected: expectation.peer.filter(|_| outbound),
            name: expectation.name.as_ref().filter(|_| outbound),
            identity: expectation
                .identity
                .map(|own| self.topology().identity(own).name.as_str()),
            ..Presented::inbound(&expectation.chain)
        };
        // A file may state what must hold at another time, such as after a CA's change of keys.
        let at = expectation.at.unwrap_or(at);
        let decision = match decide(&presented, expectation.direction, self, at) {
            Ok(peer) => Arc::clone(peer.decision()),
            Err(decision) => decision,
        };
        let accepted = decision.reason == TrustReason::Accepted;
        let wanted = expectation.reason.as_deref();
        // Accepted as another peer is not what was expected.
        let is_meant = |peer| !accepted || decision.peer == Some(peer);
        let meant = expectation.peer.is_none_or(is_meant)
            && wanted.is_none_or(|wanted| wanted == decision.reason.code());
        if meant && accepted == expectation.accept {
            return None;
        }
        let fault = |what: String, remedy: &str| Fault {
            file: self.topology().path().to_owned(),
            line: Some(expectation.line),
            code: DaemonReason::ExpectationFailed.into(),
            what,
            remedy: remedy.to_owned(),
        };
        // A misspelt code would otherwise just look like another decision.
        if let Some(word) = wanted
            && TrustReason::from_code(word).is_none()
        {
            let known = TrustReason::ALL.iter().map(|reason| reason.code());
            let what = format!("`{word}` is no reason code{}", did_you_mean(word, known));
            return Some(fault(what, "docs/reasons.md lists them all"));
        }
        let way = expectation.direction.word();
        let verdict = match expectation.accept {
            true => "accept",
            false => "refuse",
        };
        let detail = decision.detail.as_deref().unwrap_or("no further detail");
        let what = format!(
            "{} as {way} shall be: {verdict}{}; the decision is {}{} ({}; {detail})",
            expectation.certificate.display(),
            wanted.map_or_else(String::new, |w| format!(" {w}")),
            decision.reason,
            match &decision.peer_name {
                Some(peer) if accepted => format!(" for {peer}"),
                Some(_) | None => String::new(),
            },
            decision.reason.what(),
        );
        let remedy = "fix the topology, or the expectation if the new behaviour is wanted";
        Some(fault(what, remedy))
    }
}
