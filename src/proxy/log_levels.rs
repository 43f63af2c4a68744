//! Which requests of one peer or client have a line for a while, whatever `[log] requests` says, at an operator's word.
use super::leg::{Leg, PeerKey};
use super::link_id::LinkId;
use super::links::Links;
use crate::topology::LogRequests;
use ipnet::IpNet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Whose requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoggedParty {
    /// What this peer sends and receives, by its FQDN.
    Peer(String),
    /// What clients from there send.
    Network(IpNet),
    /// What clients send whose connection holds a binding of this user: `alice` or `alice@contoso.test`.
    User(String),
}

impl fmt::Display for LoggedParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A single address is written as one.
            Self::Network(network) if network.prefix_len() == network.max_prefix_len() => {
                network.addr().fmt(f)
            }
            Self::Network(network) => network.fmt(f),
            Self::Peer(name) | Self::User(name) => f.write_str(name),
        }
    }
}

/// One party's level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevel {
    /// Whose requests.
    pub party: LoggedParty,
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
            LoggedParty::Peer(fqdn) => {
                let key = Some(PeerKey::of(fqdn));
                from.peer() == key || target.and_then(Leg::peer) == key
            }
            LoggedParty::Network(network) => {
                from.is_client() && network.contains(&remote.ip().to_canonical())
            }
            LoggedParty::User(user) => {
                let link = links.get(link);
                link.is_some_and(|link| link.users.iter().any(|it| it.is_called(user)))
            }
        });
        level.map(|level| level.requests)
    }
}
