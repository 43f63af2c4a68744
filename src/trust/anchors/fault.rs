//! Faults and notes about a trust set, at its line of the topology file.
use crate::reason::Reason;
use crate::topology::{Fault, Topology, TrustSet};

/// A fault or note at the line of a trust set.
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
