//! `kick`: closes connections.
use super::context::{ControlContext, FOR_SHARDS};
use super::refusal::{ControlRefusal, no_answer};
use crate::edge::KickTarget;
use serde::{Deserialize, Serialize};

/// What a `kick` has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kicked {
    /// How many connections.
    pub connections: usize,
}

impl ControlContext {
    /// Carries out `kick`: a connection by its number, or all of a peer by its FQDN.
    pub(super) async fn kick(&self, what: &str) -> Result<Kicked, ControlRefusal> {
        let target = match what.parse() {
            Ok(number) => KickTarget::Connection(number),
            // As the topology writes FQDNs: lower case, without the dot of the root.
            Err(_) => KickTarget::Peer(what.trim_end_matches('.').to_ascii_lowercase()),
        };
        let closed = self.daemon.edge.kick(&target, FOR_SHARDS).await;
        let connections = closed.ok_or_else(no_answer)?;
        Ok(Kicked { connections })
    }
}
