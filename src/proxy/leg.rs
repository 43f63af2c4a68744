//! The two ends of what passes through this node: a peer of the topology, a client's connection or
//! the binding of a registered client, and nothing else.
use super::binding::BindingId;
use super::calls::CallClient;
use super::interface::RemoteIdentity;
use super::link_id::LinkId;
use super::process::VouchedSender;
use smallvec::SmallVec;

/// A peer by name: the same number in every node, generation and run, so that tokens outlive a
/// reload and links that were judged under an earlier generation keep their peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(crate) struct PeerKey(pub(crate) u64);

impl PeerKey {
    /// From the name of its entry. Unkeyed on purpose: nodes must agree, and only the operator chooses
    /// these names.
    pub(crate) fn of(fqdn: &str) -> Self {
        use std::hash::Hasher as _;
        let mut hasher = siphasher::sip::SipHasher24::new();
        hasher.write(fqdn.as_bytes());
        Self(hasher.finish())
    }

    /// The other process of this node while one hands over to the other: no name has this number but by a chance of 2^-64.
    pub(crate) const OTHER_PROCESS: Self = Self(u64::MAX);

    /// As tokens have the node that has made them.
    pub(crate) fn node(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// One leg of a request: where it came from, where it may go, or what a token stands for.
///
/// No address, host or URI can be written here, so nothing but a peer of the topology and a client
/// that has connected can be reached. Which kind of peer it is (home, federated) is no part of it: a
/// reload may change that, and the listing of the current generation knows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Leg {
    /// A peer of the topology.
    Peer(PeerKey),
    /// A client by its connection: who a message comes from, and in a token a client without a
    /// registration.
    Client(LinkId),
    /// A registered client, whatever connection it has: only tokens and targets name it so.
    Binding(BindingId),
}

impl Leg {
    /// The client of a call that it is, if it is one.
    pub(crate) fn call_client(self) -> Option<CallClient> {
        match self {
            Self::Peer(_) => None,
            Self::Client(link) => Some(CallClient::Link(link)),
            Self::Binding(id) => Some(CallClient::Binding(id)),
        }
    }

    /// As a kind and a number.
    pub(crate) fn packed(self) -> (u8, u64) {
        match self {
            Self::Peer(key) => (0, key.0),
            Self::Client(link) => (1, link.as_u64()),
            Self::Binding(id) => (2, id.as_u64()),
        }
    }

    /// Undoes [`Self::packed`].
    pub(crate) fn unpacked(kind: u8, number: u64) -> Self {
        match kind {
            0 => Self::Peer(PeerKey(number)),
            1 => Self::Client(LinkId::from_u64(number)),
            _ => Self::Binding(BindingId::from_u64(number)),
        }
    }
}

/// How well it is known which server is at the far end of a connection, where the certificate names several.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Certainty {
    /// The certificate names no other, or the connection comes from the address of this one.
    Shown,
    /// Requests that came on it name this one.
    Claimed,
    /// It is taken for the first, and may be any of them.
    Open,
}

impl Certainty {
    /// Whether this one is known, and not only taken for another.
    pub(crate) fn is_known(self) -> bool {
        match self {
            Self::Shown | Self::Claimed => true,
            Self::Open => false,
        }
    }
}

impl Leg {
    /// Who is at the far end of a link. `None`: a certificate that was accepted for no entry, which
    /// `decide` never returns.
    pub(crate) fn of(link: LinkId, identity: &RemoteIdentity) -> Option<Self> {
        Some(match identity {
            RemoteIdentity::Client => Self::Client(link),
            RemoteIdentity::OtherProcess => Self::Peer(PeerKey::OTHER_PROCESS),
            RemoteIdentity::Vouched(VouchedSender::Client(_)) => Self::Client(link),
            RemoteIdentity::Vouched(VouchedSender::Peer(key)) => Self::Peer(PeerKey(*key)),
            RemoteIdentity::Peer(id) => {
                Self::Peer(PeerKey::of(id.decision().peer_name.as_deref()?))
            }
        })
    }

    /// The peer, if it is one.
    pub(crate) fn peer(self) -> Option<PeerKey> {
        match self {
            Self::Peer(key) => Some(key),
            Self::Client(_) | Self::Binding(_) => None,
        }
    }

    /// Whether it is a client, registered or not.
    pub(crate) fn is_client(self) -> bool {
        self.peer().is_none()
    }

    /// As one number, for keyed hashes.
    pub(crate) fn as_u64(self) -> u64 {
        match self {
            Self::Peer(key) => key.0,
            Self::Client(link) => link.as_u64(),
            Self::Binding(id) => id.as_u64(),
        }
    }
}

/// The target set of RFC 3261 §16.5, in the order in which its members are tried. Most pools have
/// at most three servers, which need no allocation.
pub(crate) type TargetSet = SmallVec<[Leg; 3]>;
