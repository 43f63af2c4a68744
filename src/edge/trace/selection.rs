//! Which messages a trace is about.
//!
//! Decided for each message by itself: what a peer or a client sends and receives is one hop of a call, and `user` and
//! `call_id` show all hops of it. A refusal is matched by what its event says, which is less than a message does.
use crate::observe::Event;
use crate::proxy::RegisteredUser;
use crate::sip::{Address, Message, Uri};
use ipnet::IpNet;
use std::fmt;
use std::net::SocketAddr;

/// Which messages and refusals are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceSelection {
    /// All of them.
    All,
    /// On connections with this peer, by its name.
    Peer(String),
    /// On connections of clients from there.
    Network(IpNet),
    /// On connections that hold a binding of this user: `alice` or `alice@contoso.test`.
    Client(String),
    /// On whatever connection: from or to this user.
    User(String),
    /// On the connection with this number.
    Connection(u64),
    /// With this Call-ID.
    CallId(String),
    /// On connections with any of these peers, and of clients from any of these networks.
    Parties {
        /// By their names.
        peers: Vec<String>,
        /// Addresses and networks.
        networks: Vec<IpNet>,
    },
}

impl fmt::Display for TraceSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("everything"),
            Self::Peer(name) => write!(f, "peer {name}"),
            Self::Network(network) => write!(f, "clients from {network}"),
            Self::Client(user) => write!(f, "clients of {user}"),
            Self::User(user) => write!(f, "user {user}"),
            Self::Connection(number) => write!(f, "connection {number}"),
            Self::CallId(id) => write!(f, "call {id}"),
            Self::Parties { peers, networks } => {
                write!(f, "{} peers and {} networks", peers.len(), networks.len())
            }
        }
    }
}

/// The connection that a message is on.
pub(super) struct TracePlace<'c> {
    pub(super) number: u64,
    pub(super) peer: Option<&'c str>,
    pub(super) remote: SocketAddr,
    /// Whether it holds a binding of this user.
    pub(super) holds: &'c dyn Fn(&str) -> bool,
}

impl TraceSelection {
    /// Whether a message is taken. One that cannot be read has neither Call-ID nor users.
    pub(super) fn takes(&self, on: &TracePlace<'_>, message: Option<&Message<'_>>) -> bool {
        match self {
            Self::All => true,
            Self::Peer(name) => on.peer == Some(name),
            // A peer is found by its name, whatever its address is.
            Self::Network(network) => {
                on.peer.is_none() && network.contains(&on.remote.ip().to_canonical())
            }
            Self::Client(user) => (on.holds)(user),
            Self::User(user) => (on.holds)(user) || message.is_some_and(|it| names(it, user)),
            Self::Connection(number) => on.number == *number,
            Self::CallId(id) => {
                let own = message.and_then(|message| message.call_id().ok());
                own == Some(id.as_bytes())
            }
            Self::Parties { peers, networks } => match on.peer {
                Some(name) => peers.iter().any(|it| it == name),
                None => {
                    let remote = on.remote.ip().to_canonical();
                    networks.iter().any(|it| it.contains(&remote))
                }
            },
        }
    }

    /// The same of a refusal, by what its event says.
    pub(super) fn takes_event(&self, event: &Event) -> bool {
        let Some(of) = Refused::of(event) else {
            return false;
        };
        let is_called = |uri: &[u8], user: &str| {
            Uri::parse(uri).is_ok_and(|uri| RegisteredUser::of(&uri).is_called(user))
        };
        match self {
            Self::All => true,
            Self::Peer(name) => event.peer() == Some(name),
            Self::Network(network) => {
                let remote = of.remote.map(|remote| remote.ip().to_canonical());
                event.peer().is_none() && remote.is_some_and(|ip| network.contains(&ip))
            }
            // Whose connection it was an event does not say: the names in it are what there is.
            Self::Client(user) | Self::User(user) => {
                is_called(of.from, user) || is_called(of.to, user)
            }
            Self::Connection(number) => of.connection == Some(*number),
            Self::CallId(id) => of.call_id == id.as_bytes(),
            // A collector takes messages, and their answers say what was refused.
            Self::Parties { .. } => false,
        }
    }
}

/// Whether From or To of a message is this user.
fn names(message: &Message<'_>, user: &str) -> bool {
    let is = |address: Result<Address<'_>, _>| {
        let uri = address.ok().and_then(|it| it.parse_uri().ok());
        uri.is_some_and(|uri| RegisteredUser::of(&uri).is_called(user))
    };
    is(message.from()) || is(message.to())
}

/// The end of a connection is among them: it is what becomes of bytes that are no message.
///
/// What an event says of whom it has refused, as far as traces ask; `None`: it is no refusal.
pub(super) struct Refused<'e> {
    connection: Option<u64>,
    remote: Option<SocketAddr>,
    pub(super) call_id: &'e [u8],
    from: &'e [u8],
    to: &'e [u8],
}

impl<'e> Refused<'e> {
    pub(super) fn of(event: &'e Event) -> Option<Self> {
        let bare = |connection, remote| Self {
            connection,
            remote,
            call_id: b"",
            from: b"",
            to: b"",
        };
        // Others happen beside a call, and would only stand between its messages.
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "a new event is no refusal unless it is named here"
        )]
        match event {
            Event::RequestRefused { request, .. } => Some(Self {
                connection: Some(request.connection),
                remote: Some(request.remote),
                call_id: request.parties.call_id(),
                from: request.parties.from(),
                to: request.parties.to(),
            }),
            Event::HandshakeRefused { sides, .. } | Event::HandshakeRefusedByPeer { sides, .. } => {
                Some(bare(None, Some(sides.remote)))
            }
            Event::BindingRefused { remote, .. } | Event::MessageDropped { remote, .. } => {
                Some(bare(None, *remote))
            }
            Event::ConnectionClosed {
                connection, remote, ..
            } => Some(bare(Some(*connection), Some(*remote))),
            _ => None,
        }
    }
}
