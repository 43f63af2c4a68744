//! Which requests of one peer or client have a line for a while, whatever `[log] requests` says, at an operator's word.
use super::leg::{Leg, PeerKey};
use super::link_id::LinkId;
use super::links::Links;
use super::named_party::NamedParty;
use crate::topology::LogRequests;
use std::net::SocketAddr;
use std::sync::Arc;

/// One party's level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevel {
    /// Whose requests.
    pub party: NamedParty,
    /// Which of them have a line.
    pub requests: LogRequests,
}

/// The levels of one shard. Nearly always there is none, and then a request costs one comparison.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogLevels(Arc<[LogLevel]>);

impl LogLevels {
    /// From now on these.
    pub(crate) fn set(&mut self, levels: Arc<[LogLevel]>) {
        self.0 = levels;
    }

    /// Which requests from there, and to there, have a line; `None`: those of the settings.
    pub(crate) fn of(
        &self,
        (from, link, remote): (Leg, LinkId, SocketAddr),
        target: Option<Leg>,
        links: &Links,
    ) -> Option<LogRequests> {
        let mut levels = self.0.iter();
        let level = levels.find(|level| match &level.party {
            NamedParty::Peer(fqdn) => {
                let key = Some(PeerKey::of(fqdn));
                from.peer() == key || target.and_then(Leg::peer) == key
            }
            NamedParty::Network(network) => {
                from.is_client() && network.contains(&remote.ip().to_canonical())
            }
            NamedParty::User(user) => {
                let link = links.get(link);
                link.is_some_and(|link| link.users.iter().any(|it| it.is_called(user)))
            }
        });
        level.map(|level| level.requests)
    }
}
