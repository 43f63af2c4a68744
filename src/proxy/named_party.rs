//! Whom an operator names: a network, a peer or a user; for a denial as for a level of the log.
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whom an operator names.
///
/// The words are those of the control socket and of `denials.json`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedParty {
    /// Who connects from there. An address is a network of its own.
    Network(IpNet),
    /// This peer, by its name.
    Peer(String),
    /// The clients of this user: `alice` in whatever domain, or `alice@contoso.test`.
    User(String),
}

impl fmt::Display for NamedParty {
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
