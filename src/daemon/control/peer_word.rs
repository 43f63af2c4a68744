//! Names of peers as an operator types them: in any case, with the dot of the root, or the FQDN that several entries share.
use super::context::ControlContext;
use super::refusal::ControlRefusal;
use crate::reason::DaemonReason;
use crate::topology::{Topology, printable};

/// As the topology has names of peers: lower case, without the dot of the root.
pub(super) fn normalised(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Why an FQDN means no entry: several have it, and each of them goes by a name of its own. `None`: no entry has it.
pub(super) fn shared_fqdn(name: &str, topology: &Topology) -> Option<ControlRefusal> {
    let same = topology.peers_called(name).iter();
    let same: Vec<&str> = same.map(|it| topology.peer(*it).name.as_str()).collect();
    let what = format!(
        "{name} is the fqdn of {}: name one of them",
        same.join(", ")
    );
    (!same.is_empty()).then(|| DaemonReason::MalformedCommand.because(what))
}

impl ControlContext {
    /// A peer that the topology names: what selects by a slip would wait for nothing.
    pub(super) fn listed_peer(&self, name: &str) -> Result<String, ControlRefusal> {
        let name = normalised(name);
        let generation = self.daemon.generation();
        let topology = generation.topology();
        if topology.peer_by_name(&name).is_some() {
            return Ok(name);
        }
        Err(shared_fqdn(&name, topology).unwrap_or_else(|| {
            let what = format!("the topology names no peer {:?}", printable(&name, 64));
            DaemonReason::MalformedCommand.because(what)
        }))
    }
}
