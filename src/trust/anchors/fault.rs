//! Faults and notes about a trust set, at its line of the topology file.
use crate::reason::Reason;
use crate::topology::{Fault, Topology, TrustSet};

/// A fault or note at the line of a trust set.
///
/// All of them are found at the set's own line: an anchor in a PEM file has no line in the topology.
pub(crate) fn fault(
    set: &TrustSet,
    topology: &Topology,
    code: impl Into<Reason>,
    what: &str,
    remedy: &str,
) -> Fault {
    Fault {
        file: topology.path().to_owned(),
        line: Some(set.line),
        code: code.into(),
        what: format!("trust set {}: {what}", set.name),
        remedy: remedy.to_owned(),
    }
}
