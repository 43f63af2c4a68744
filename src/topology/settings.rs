//! What a loaded topology sets for the daemon itself: DNS, log, token keys, bounds and the way in for an operator.
use ipnet::IpNet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// `[dns]`: who is asked for addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsSettings {
    /// Name servers; empty: the system's.
    pub servers: Vec<SocketAddr>,
    /// How long one question may take.
    pub timeout: Duration,
    /// How long an answer past its TTL serves while no name server answers.
    pub stale: Duration,
}

/// `[tokens]`: the keys that sign Record-Route and Path URIs.
///
/// The keys are read with the topology, so that a rotation is a reload like any other.
#[derive(Clone, Debug, Default)]
pub struct TokenSettings {
    /// The key file as written and resolved against the topology file; `None`: a random key for this run.
    pub key_file: Option<PathBuf>,
    /// Its keys as (id, key): the first signs, all verify. At most two.
    pub keys: Vec<(u8, [u8; 32])>,
}

/// `[admin]`: how an operator reaches the running daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminSettings {
    /// The control socket; `None`: in the runtime directory, if there is one.
    pub socket: Option<PathBuf>,
    /// How often the topology and its files are looked at for a change that nobody announced; `None`: never.
    pub watch: Option<Duration>,
}

/// `[http]`: where monitoring and browsers look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpSettings {
    /// Where it is served; `None`: nowhere.
    pub address: Option<SocketAddr>,
    /// Names and IP addresses by which it may be asked beside those that need not be named, in lower case.
    pub hosts: Vec<String>,
}

/// `[hep]`: which collector gets copies of which messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HepSettings {
    /// Where it listens, by UDP; `None`: nothing is sent.
    pub address: Option<SocketAddr>,
    /// The number by which it knows this node.
    pub capture_id: usize,
    /// Where its password stands.
    pub password_file: Option<PathBuf>,
    /// Its password.
    pub password: Option<HepPassword>,
    /// Only messages with these peers, by their names, and with `clients`; both empty: all.
    pub peers: Vec<String>,
    /// Only messages with clients from there, and with `peers`.
    pub clients: Vec<IpNet>,
}

/// The password of a collector.
///
/// Nothing shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct HepPassword(pub Box<[u8]>);

impl fmt::Debug for HepPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HepPassword")
    }
}
