//! Where the state directory of a topology is.
use crate::daemon::named_path::named_path;
use crate::reason::DaemonReason;
use crate::topology::{Fault, Revocation, Topology};
use std::path::{Path, PathBuf};

/// The variable in which systemd names the service's state directory.
const ENV_STATE: &str = "STATE_DIRECTORY";
/// The state directory of the service, for commands that systemd does not start.
const OF_SERVICE: &str = "/var/lib/sipward";
/// Where the daemon of a topology keeps its state; `None`: nowhere.
pub fn directory(topology: &Topology) -> Option<PathBuf> {
    if let Some(named) = &topology.node().state {
        return Some(named.clone());
    }
    given()
}

/// As [`directory`], for a command that only reads: the service's own is tried as well.
pub fn readable_directory(topology: &Topology) -> Option<PathBuf> {
    directory(topology).or_else(of_service)
}

/// The directory that systemd has made for the service.
fn given() -> Option<PathBuf> {
    // Several directories are separated by colons; the first is the service's own.
    std::env::split_paths(&std::env::var_os(ENV_STATE)?).next()
}

/// The service's own directory, where it exists.
fn of_service() -> Option<PathBuf> {
    let path = PathBuf::from(OF_SERVICE);
    path.is_dir().then_some(path)
}

/// As [`readable_directory`], of a topology file that may have faults.
pub fn directory_of(topology: &Path) -> Option<PathBuf> {
    named_path(topology, "node", "state")
        .or_else(given)
        .or_else(of_service)
}

/// The note of a topology that asks for CRLs and has no place to keep them.
pub fn missing(topology: &Topology) -> Option<Fault> {
    let asks = topology.trusts().iter();
    let mut asks = asks.filter(|set| set.revocation != Revocation::Off);
    let set = asks.next()?;
    Some(Fault {
        file: topology.path().to_owned(),
        line: None,
        code: DaemonReason::StateMissing.into(),
        what: format!(
            "no state directory is known: after a restart an older CRL of trust set {} would be taken for the newest",
            set.name
        ),
        remedy: "run under a unit with StateDirectory=sipward, or name a directory in [node] state"
            .to_owned(),
    })
}
