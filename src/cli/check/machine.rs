//! What of this machine does not fit the file: descriptors, and files that the daemon's user may not read.
use super::service_user::ServiceUser;
use crate::edge::{DescriptorRoom, raise_descriptors};
use crate::reason::{DaemonReason, Reason};
use crate::topology::{Fault, Topology};

/// The warnings, the machine's first; `user` is who will serve the file, if it is not who checks it.
pub(super) fn warnings(topology: &Topology, user: Option<&ServiceUser>) -> Vec<Fault> {
    let mut found = Vec::new();
    let mut warn = |code: Reason, what: String, remedy: String| {
        found.push(Fault {
            file: topology.path().to_owned(),
            line: None,
            code,
            what,
            remedy,
        });
    };
    // As the daemon does when it starts.
    raise_descriptors();
    if let Some(shortage) = DescriptorRoom::of(topology).shortage() {
        let what = format!("of a daemon that is started from here {shortage}");
        let remedy = "raise LimitNOFILE of the unit (config/sipward.service sets it, and then this is no concern of the service) or ulimit -n, or lower limits.connections";
        warn(
            DaemonReason::DescriptorsShort.into(),
            what,
            remedy.to_owned(),
        );
    }
    for closed in user
        .into_iter()
        .flat_map(|user| user.closed_files(topology))
    {
        warn(
            DaemonReason::ClosedToService.into(),
            closed.what,
            closed.remedy,
        );
    }
    found
}
