//! `kick`: closes connections, and refuses whose they are for a time.
//!
//! An operator types what a log line or a listing shows; what it is, is found out here, in one order, so that a word never
//! means two things.
use super::context::{ControlContext, FOR_SHARDS};
use super::deny::{DENIAL_TIME, LONGEST};
use super::peer_word::{normalised, shared_fqdn, user};
use super::refusal::{ControlRefusal, no_answer};
use crate::edge::{Denial, KickTarget, ListedConnection, Selection};
use crate::proxy::NamedParty;
use crate::reason::{ConnectionReason, DaemonReason};
use crate::topology::network;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a `kick` has closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kicked {
    /// How many connections.
    pub connections: usize,
    /// Who is refused from now on, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied: Option<Denial>,
}

impl ControlContext {
    /// Carries out `kick`: a connection by its number or its remote address and port, or all of an address, a network,
    /// a peer or a user. `time`: refuses whose they are for so long.
    pub(super) async fn kick(
        &self,
        what: &str,
        time: Option<Duration>,
        uid: Option<u32>,
    ) -> Result<Kicked, ControlRefusal> {
        // Before anything is looked for: who is not there is denied all the same.
        if time.is_some_and(|time| time.is_zero() || time > LONGEST) {
            return Err(DaemonReason::MalformedCommand.because(DENIAL_TIME));
        }
        let target = self.target_of(what).await?;
        // Of a connection it must be known before it is closed.
        let party = match time {
            Some(_) => self.party_of(&target).await?,
            None => None,
        };
        // First of all: whoever is closed may be back at once.
        let denied = match (party, time) {
            (Some(party), Some(time)) => Some(self.enter_denial(party, time, None, uid).await?),
            _ => None,
        };
        let edge = &self.daemon.edge;
        let closed = edge.kick(&target, ConnectionReason::Kicked, FOR_SHARDS);
        let connections = closed.await.ok_or_else(no_answer)?;
        Ok(Kicked {
            connections,
            denied,
        })
    }

    /// What an operator means. A name without `@` is a peer's if the topology or a connection knows it as one, else a
    /// user's.
    async fn target_of(&self, what: &str) -> Result<KickTarget, ControlRefusal> {
        // Before users: a number is what the log has. A telephone number is written as `sip:1001`.
        if let Ok(number) = what.parse() {
            return Ok(KickTarget::Connection(number));
        }
        if let Some(network) = network(what) {
            return Ok(KickTarget::Network(network));
        }
        if let Ok(address) = what.parse() {
            return Ok(KickTarget::Address(address));
        }
        let name = normalised(what);
        let generation = self.daemon.generation();
        let topology = generation.topology();
        // `teams-a` or `edge.fabrikam.test` may be a peer that a reload has removed, and that has connections still.
        if topology.peer_by_name(&name).is_some() || self.has_connections(&name).await? {
            return Ok(KickTarget::Peer(name));
        }
        // A denial of a name that nobody has would look like one that holds.
        if let Some(refusal) = shared_fqdn(&name, topology) {
            return Err(refusal);
        }
        // `alice` and `sip:alice` are no host names.
        let is_user = what.contains(['@', ':']) || !name.contains('.');
        Ok(if is_user {
            KickTarget::User(user(what)?)
        } else {
            KickTarget::Peer(name)
        })
    }

    /// Whether a live connection is with a peer of this name, whatever the topology says by now.
    async fn has_connections(&self, name: &str) -> Result<bool, ControlRefusal> {
        let live = self.daemon.edge.connections(FOR_SHARDS).await;
        let live = live.ok_or_else(no_answer)?;
        Ok(live.peers.iter().any(|connection| connection.peer == name))
    }

    /// Whom a denial of this target is about; `None`: there is no such connection.
    async fn party_of(&self, target: &KickTarget) -> Result<Option<NamedParty>, ControlRefusal> {
        Ok(match target {
            KickTarget::Peer(peer) => Some(NamedParty::Peer(peer.clone())),
            KickTarget::Network(network) | KickTarget::From(network) => {
                Some(NamedParty::Network(*network))
            }
            KickTarget::Address(address) => {
                Some(NamedParty::Network(address.ip().to_canonical().into()))
            }
            KickTarget::User(user) => Some(NamedParty::User(user.clone())),
            KickTarget::Connection(number) => self.party_at(*number).await?,
        })
    }

    /// The peer at this connection, or the address of its client.
    ///
    /// Not the user: a client may be several, or none yet.
    async fn party_at(&self, number: u64) -> Result<Option<NamedParty>, ControlRefusal> {
        // The listing knows it, whatever shard it lies in.
        let selection = Selection {
            limit: 1,
            after: number.saturating_sub(1),
            ..Selection::default()
        };
        let found = self.connections(&selection).await?;
        let row = found.rows.into_iter().find(|row| row.connection == number);
        Ok(row.map(|ListedConnection { peer, remote, .. }| match peer {
            Some(peer) => NamedParty::Peer(peer),
            None => NamedParty::Network(remote.ip().to_canonical().into()),
        }))
    }
}
