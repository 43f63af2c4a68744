//! What works, but probably not as intended, logged at the start and after each reload; and faults in one line.
use crate::edge::DescriptorRoom;
use crate::observe::{Event, Log};
use crate::reason::{DaemonReason, Reason};
use crate::topology::{CrlReason, Fault};
use crate::trust::{Generation, RefusedCrl};

/// Logs what works, but probably not as intended.
pub(super) fn log_warnings(generation: &Generation, log: &Log) {
    let topology = generation.topology();
    // With a key of its own for this run, dialogs do not outlive a restart and no second node can take them over.
    if topology.tokens().keys.is_empty() {
        log.record(Event::TokenKeyRandom {});
    }
    // Not refused: a node that takes fewer connections is better than none, and the operator may know that so many never
    // come.
    if let Some(detail) = DescriptorRoom::of(topology).shortage() {
        log.record(Event::Warning {
            reason: DaemonReason::DescriptorsShort.into(),
            detail,
        });
    }
    // Each CRL that was not taken, with its reason.
    for refused in generation.refused_crls() {
        log.record(crl_refused(refused));
    }
    // A refused CRL has an event of its own; its note would say the same again.
    let has_event = |code: Reason| CrlReason::ALL.iter().any(|refusal| code == *refusal);
    let notes = generation
        .notes()
        .iter()
        .filter(|note| !has_event(note.code));
    // The warnings of the topology, and the notes on CRLs and on the state directory.
    for warning in topology.warnings().iter().chain(notes) {
        log.record(Event::Warning {
            reason: warning.code,
            detail: line(warning),
        });
    }
}

/// A fault in one line: where, what, and what to do, as `sipward check` prints it too.
pub(super) fn line(fault: &Fault) -> String {
    let at = fault.line.map(|l| format!(":{l}")).unwrap_or_default();
    let (file, code) = (fault.file.display(), fault.code);
    format!("{file}{at}: {code}: {} ({})", fault.what, fault.remedy)
}

/// Several faults, a line each.
pub(super) fn lines(faults: &[Fault]) -> String {
    faults.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The event of a CRL that was not taken.
pub(super) fn crl_refused(refused: &RefusedCrl) -> Event {
    Event::CrlRefused {
        trust: refused.trust.clone(),
        file: refused.file.to_path_buf(),
        issuer: refused.issuer.clone(),
        reason: refused.refusal.into(),
        detail: refused.detail.clone(),
    }
}
