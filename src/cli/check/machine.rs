//! What of this machine does not fit the file: descriptors, and files that the daemon's user may not read.
//!
//! Warnings of `check` alone. The daemon reports the first of them by itself when it starts, with the limit that it then has; the
//! second it cannot know before it fails, because by then it is that user.
use super::service_user::ServiceUser;
use crate::edge::{DescriptorRoom, raise_descriptors};
use crate::reason::{DaemonReason, Reason};
use crate::topology::{Fault, Topology};

/// The warnings, the machine's first; `user` is who will serve the file, if it is not who checks it.
pub(super) fn warnings(topology: &Topology, user: Option<&ServiceUser>) -> Vec<Fault> {
    let mut found = Vec::new();
    // None has a line: nothing in the file is wrong, and nothing in it need change.
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
        // The unit of the packages has a limit that is enough, and the shell of this command another.
        let remedy = "raise LimitNOFILE of the unit (config/sipward.service sets it, and then this is no concern of the service) or ulimit -n, or lower limits.connections";
        warn(
            DaemonReason::DescriptorsShort.into(),
            what,
            remedy.to_owned(),
        );
    }
    // None where root checks nobody's file, or the user is the one who checks: then loading has found out.
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
