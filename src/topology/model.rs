//! What a loaded topology holds: this node, identities, trust sets, listeners, and expectations.
use super::keys::words;
use super::{CrlSource, DnsName, Domain, HeldCrl, IdentityRef, PeerRef, TrustRef, Window};
use ipnet::IpNet;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The most shards that run: a branch and a connection's bit set can name no more.
pub(crate) const MOST_SHARDS: u16 = 64;

/// `[node]`: this daemon.
#[derive(Clone, Debug)]
pub struct Node {
    /// This node's own name.
    pub fqdn: DnsName,
    /// The name in Via, Record-Route and Path, if it is another: one that several nodes share.
    pub advertise: Option<DnsName>,
    /// The home SIP domains.
    pub domains: Vec<Domain>,
    /// Further names and addresses under which clients or peers address this node.
    pub aliases: Vec<Domain>,
    /// The port to announce instead of the listener's (behind a translating balancer).
    pub advertise_port: Option<u16>,
    /// How many shards to run; `None`: one for each core.
    pub shards: Option<u16>,
    /// How the kernel schedules the shards' threads.
    pub scheduling: Scheduling,
    /// What the process drops before it serves.
    pub confinement: Confinement,
    /// Where the newest CRLs are kept across restarts; `None`: where systemd has put it, if it has.
    pub state: Option<PathBuf>,
}

impl Node {
    /// The name in Via, Record-Route and Path, where a listener has no other; tokens are bound to it.
    pub fn advertised(&self) -> &DnsName {
        self.advertise.as_ref().unwrap_or(&self.fqdn)
    }
}

words! {
    /// `[node] scheduling` (sched(7)).
    pub enum Scheduling {
        /// SCHED_BATCH, unless the daemon was started with a policy of the operator's own.
        Batch = "batch",
        /// As the daemon was started.
        Inherit = "inherit",
    }
}

words! {
    /// `[node] confinement` (landlock(7)).
    pub enum Confinement {
        /// As much as the kernel's Landlock forbids.
        Landlock = "landlock",
        /// Nothing.
        Off = "off",
    }
}

/// A certificate chain with its private key.
///
/// No `Debug`: a key must not end up in a log by way of a derived one.
pub struct KeyPair {
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
}

impl Clone for KeyPair {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

/// `[[identity]] ocsp`: a file with an OCSP response.
#[derive(Clone)]
pub struct Staple {
    /// The file.
    pub file: PathBuf,
    /// Line in the topology file, from 1.
    pub line: u32,
    /// The response as DER; in a generation `None` when it may not be stapled.
    pub response: Option<Vec<u8>>,
}

/// `[[identity]]`: a certificate of this node.
#[derive(Clone)]
pub struct Identity {
    /// Its name in the file.
    pub name: String,
    /// What is shown as a server.
    pub server: KeyPair,
    /// What is shown when connecting out, if it differs.
    pub client: Option<KeyPair>,
    /// The OCSP response that goes with the server certificate.
    pub staple: Option<Staple>,
    /// The dNSName and sip-URI host names that the server certificate carries.
    pub names: Vec<DnsName>,
    /// When it is shown.
    pub window: Window,
    /// Line in the file, from 1.
    pub line: u32,
}

/// How a trust set treats revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// A current CRL for each certificate in scope.
    Require,
    /// As `Require`, but a CRL serves for this long after its nextUpdate.
    Grace(Duration),
    /// No CRL is consulted.
    Off,
}

words! {
    /// Which certificates of a chain need a CRL.
    pub enum RevocationScope {
        /// The leaf and the intermediates.
        Chain = "chain",
        /// The leaf only.
        Leaf = "leaf",
    }
}

/// `[[trust]]`: anchors and CRLs that may vouch for the peers that name this set.
#[derive(Clone)]
pub struct TrustSet {
    /// Its name in the file.
    pub name: String,
    /// The certificates of the anchors file.
    pub anchors: Vec<CertificateDer<'static>>,
    /// Whether each of them is an anchor, not only those that signed themselves.
    pub partial_chain: bool,
    /// Where the CRLs are.
    pub crl_sources: Vec<CrlSource>,
    /// The CRLs as they were read; in a generation, those in force.
    pub crls: Vec<HeldCrl>,
    /// How often the sources are read again; `None`: at a reload only.
    pub crl_refresh: Option<Duration>,
    /// Whether CRLs are fetched from the http:// distribution points of the set's own CAs, too.
    pub crl_fetch: bool,
    /// Hosts of distribution points that may have loopback, link-local or other special addresses: names or addresses in
    /// lower case, without brackets.
    pub crl_fetch_local: Vec<String>,
    /// Policy for CRLs.
    pub revocation: Revocation,
    /// Scope of that policy.
    pub scope: RevocationScope,
    /// When it counts.
    pub window: Window,
    /// Line in the file, from 1.
    pub line: u32,
}

impl TrustSet {
    /// Seconds for which a CRL serves after its nextUpdate; `None`: the set does not ask for CRLs.
    ///
    /// The one place that reads the policy as a number: the check and the forecast mean the same by it.
    pub(crate) fn grace(&self) -> Option<u64> {
        match self.revocation {
            Revocation::Off => None,
            Revocation::Require => Some(0),
            Revocation::Grace(grace) => Some(grace.as_secs()),
        }
    }

    /// The same set under the strictest revocation policy.
    pub(crate) fn strictest(&self) -> Self {
        Self {
            revocation: Revocation::Require,
            scope: RevocationScope::Chain,
            ..self.clone()
        }
    }
}

/// Who may come in through a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// Clients only.
    Clients,
    /// Listed servers only.
    Peers,
    /// Both; the certificate decides.
    Both,
}

// The two questions that are asked of a listener; nobody else needs to know its three cases.
impl Accept {
    /// Whether clients may stay.
    pub fn clients(self) -> bool {
        matches!(self, Self::Clients | Self::Both)
    }
    /// Whether a peer may stay.
    pub fn peers(self) -> bool {
        matches!(self, Self::Peers | Self::Both)
    }
}

/// `[[listener]] client_certificates`: what a certificate means there that speaks for no peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Whoever shows one is refused.
    Refuse,
    /// It is passed over if it has to do with nobody that the topology names; else it is refused.
    Ignore,
    /// Clients must show one that these sets vouch for.
    Require(Vec<TrustRef>),
}

impl ClientCertificates {
    /// The word in the topology file.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Ignore => "ignore",
            Self::Require(_) => "require",
        }
    }
    /// The sets that may vouch for clients.
    pub fn trust(&self) -> &[TrustRef] {
        match self {
            Self::Refuse | Self::Ignore => &[],
            Self::Require(sets) => sets,
        }
    }
    /// Whether a client must show a certificate.
    pub fn are_required(&self) -> bool {
        matches!(self, Self::Require(_))
    }
}

/// `[[listener]]`.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its name in the file.
    pub name: String,
    /// Where to listen; port 0 lets the system choose.
    pub address: SocketAddr,
    /// The identity shown without SNI or when no other identity carries the name.
    pub identity: IdentityRef,
    /// Further identities, chosen by SNI.
    pub sni: Vec<IdentityRef>,
    /// Who may come in.
    pub accept: Accept,
    /// What a certificate means that speaks for no peer.
    pub client_certificates: ClientCertificates,
    /// The balancers that say first whom a connection is from (PROXY protocol).
    ///
    /// Networks without bits behind their prefix; IPv4 is never in IPv6's notation here.
    pub proxy_protocol: Vec<IpNet>,
    /// The name in Via, Record-Route and Path for whom it serves, if it is not the node's.
    pub advertise: Option<DnsName>,
    /// Line in the file, from 1.
    pub line: u32,
}

impl Listener {
    /// Whether a connection without a certificate may stay.
    pub fn takes_clients_without_certificate(&self) -> bool {
        self.accept.clients() && !self.client_certificates.are_required()
    }
    /// Whether the other side is asked for a certificate.
    pub fn asks_for_certificates(&self) -> bool {
        self.accept.peers() || self.client_certificates.are_required()
    }
}

words! {
    /// Which way a connection was made.
    pub enum Direction {
        /// The remote connected to this node.
        Inbound = "inbound",
        /// This node connected to the remote.
        Outbound = "outbound",
    }
}

/// `[[expect]]`: a unit test of the policy.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The time for which to judge; `None`: when it runs.
    pub at: Option<UnixTime>,
    /// The peer that is dialled (outbound), or for which the chain must speak (inbound); `None`: any.
    pub peer: Option<PeerRef>,
    /// The name of its `covers` under which it is dialled, if that is another than its own.
    pub name: Option<DnsName>,
    /// Inbound: the identity that this node shows; `None`: nothing is known of it.
    pub identity: Option<IdentityRef>,
    /// The certificate chain to judge.
    pub chain: Vec<CertificateDer<'static>>,
    /// The file it came from.
    pub certificate: PathBuf,
    /// As what it is presented.
    pub direction: Direction,
    /// Whether it shall be accepted.
    pub accept: bool,
    /// The reason code that it shall have, if given.
    pub reason: Option<String>,
    /// Line in the file, from 1.
    pub line: u32,
}
