//! What goes into the core and what comes out of it: origins, link events and actions. No address,
//! host or URI is among them that a connection could be made to, so that an open relay cannot be
//! written.
use super::binding::{BindingId, BindingMessage};
use super::branch::BranchKey;
use super::calls::CallMessage;
use super::link_id::LinkId;
use super::process::VouchedSender;
use crate::observe::{Event, EventKind};
use crate::reason::Reason;
use crate::sip::Via;
use crate::topology::{DnsName, PeerRef};
use crate::trust::PeerId;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;

/// Who is at the other end of a link: the only identity that policy trusts.
#[derive(Clone, Debug)]
pub enum RemoteIdentity {
    /// A listed server whose chain passed `trust::decide`.
    Peer(PeerId),
    /// A connection without a certificate; the link is its flow (RFC 5626).
    Client,
    /// The other process of this node, which has the other end of an inherited pair of sockets: a sibling, and nothing else.
    OtherProcess,
    /// Somebody at the other process of this node, which has handed the message over.
    Vouched(VouchedSender),
}

/// Where a message came from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The connection it was read from.
    pub link: LinkId,
    /// Who that is.
    pub identity: RemoteIdentity,
    /// The other side's address.
    pub remote: SocketAddr,
    /// This node's address on that connection: a URI that names it names this node.
    pub local: SocketAddr,
    /// How many shards have looked for this message's transaction in vain (0 when read from the
    /// wire).
    pub asked: u8,
    /// The binding that its connection holds, where another shard has handed the message over.
    pub held: Option<BindingId>,
    /// The connection's number in the log.
    pub number: u64,
}

/// The names and ports that this node announces in Via, Record-Route and Path; the port is left out
/// when it is 5061.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvertisedNames {
    /// `name[:port]` of the listener that peers use.
    pub peers: String,
    /// `name[:port]` of the listener that clients use; equal to `peers` when one listener serves
    /// both.
    pub clients: String,
    /// Every bound listener address.
    pub addresses: Vec<SocketAddr>,
}

impl AdvertisedNames {
    /// The name that peers know this node by, without the port.
    pub(crate) fn for_peers(&self) -> &str {
        without_port(&self.peers)
    }

    /// The name that clients know this node by, without the port.
    pub(crate) fn for_clients(&self) -> &str {
        without_port(&self.clients)
    }

    /// Whether a Via's sent-by is one of them, with white space, case and the default port as the
    /// grammar allows them (RFC 3261 §18.1.2: a response whose topmost Via is not this node's is
    /// discarded).
    pub(crate) fn is_sent_by(&self, via: &Via<'_>) -> bool {
        let mut names = [&self.peers, &self.clients].into_iter();
        names.any(|name| is_sent_by(name, via))
    }

    /// `name[:port]` of the listener that peers use, with another name.
    pub(crate) fn as_known_by(&self, name: &DnsName) -> String {
        let port = self.peers.get(self.for_peers().len()..).unwrap_or_default();
        format!("{name}{port}")
    }
}

/// Whether a Via's sent-by is this name, with a port unless that is the default one.
pub(crate) fn is_sent_by(name: &str, via: &Via<'_>) -> bool {
    if via.sent_by.eq_ignore_ascii_case(name.as_bytes()) {
        return true;
    }
    let host = without_port(name);
    let port = name.get(host.len() + 1..).map_or(Ok(5061), str::parse);
    let port = port.unwrap_or(5061);
    via.host.is_name(host) && via.port.unwrap_or(5061) == port
}

/// These are host names: the only colon is that of the port.
pub(crate) fn without_port(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(host, _)| host)
}

/// What happened to connections.
#[derive(Clone, Debug)]
pub enum LinkEvent {
    /// Handshake done (either direction): the link may carry messages from now on.
    Up {
        /// The link.
        link: LinkId,
        /// Who is there.
        identity: RemoteIdentity,
        /// The other side's address: of several servers with one certificate it may tell which one it is.
        remote: SocketAddr,
        /// Whether requests of this node may be sent on it: always for a client's flow and for a
        /// connection that it made; for one that a peer made only if its certificate would also
        /// pass as a server's (RFC 5923 §8.1).
        requests: bool,
    },
    /// The link is closed; nothing can be sent on it any more. May also name a link of another
    /// shard, to which this shard has sent messages.
    Gone {
        /// The link.
        link: LinkId,
    },
    /// Its identity no longer stands: it gets no new requests; its transactions may finish.
    Withdrawn {
        /// The link.
        link: LinkId,
    },
    /// After a reload its decision was made anew and stands.
    Confirmed {
        /// The link.
        link: LinkId,
        /// The identity under the new generation.
        identity: RemoteIdentity,
        /// As in `Up`.
        remote: SocketAddr,
        /// As in `Up`.
        requests: bool,
    },
    /// It is being closed from this side: nothing more is sent on it, and what still comes was sent before its far end knew.
    Leaving {
        /// The link.
        link: LinkId,
    },
    /// No connection to the peer could be made; what waits for it fails over or is answered.
    ConnectFailed {
        /// The peer.
        peer: PeerRef,
        /// The name that it was to be dialled under, as in [`Action::Connect`].
        name: Option<DnsName>,
        /// For the log, and for the answer to what waits.
        reason: Reason,
        /// Until when no new connect will be tried.
        retry_at: Instant,
    },
    /// More than `send_queue` bytes wait for its socket: no new requests to it.
    Full {
        /// The link.
        link: LinkId,
    },
    /// The queue is short again.
    Clear {
        /// The link.
        link: LinkId,
    },
    /// The question of this request where its client is found no room at the shard that knows.
    Unasked {
        /// The client transaction that waits for the answer.
        branch: BranchKey,
    },
    /// What [`Action::HandOver`] was to hand to another shard found no room there, and that shard
    /// will never hear of it.
    NotHandedOver {
        /// Where it came from.
        origin: Box<Origin>,
        /// The message.
        bytes: Box<[u8]>,
    },
    /// A message for a link of another shard found it gone.
    Undeliverable {
        /// The link that is gone.
        link: LinkId,
        /// The client transaction that the message belonged to.
        branch: Option<BranchKey>,
    },
}

/// What the shell should do. Byte ranges lie in [`Actions::bytes`].
#[derive(Clone, Debug)]
pub enum Action {
    /// Write these bytes to the link. The link may be another shard's: then hand the bytes over to
    /// it.
    Send {
        /// A live link.
        link: LinkId,
        /// The bytes of one message.
        bytes: Range<usize>,
        /// For [`LinkEvent::Undeliverable`].
        branch: Option<BranchKey>,
    },
    /// Make a connection to this peer, unless one is being made; answer with [`LinkEvent::Up`] or
    /// [`LinkEvent::ConnectFailed`].
    Connect {
        /// The peer.
        peer: PeerRef,
        /// What asks for it has nowhere else to go: the pause after a failed connect is cut short.
        urgent: bool,
        /// A name of its entry's `covers` that it is dialled under, on the entry's port; `None`: its own.
        name: Option<DnsName>,
    },
    /// Send what is queued, then close the link.
    Close {
        /// The link.
        link: LinkId,
        /// For the log.
        reason: Reason,
    },
    /// Hand the message that was just given to `on_message` to this shard's core, with `asked` in
    /// its origin. That core may keep something for the connection, such as a leg that has moved to
    /// it, and hears of its end from then on.
    ///
    /// What finds no room there comes back as [`LinkEvent::NotHandedOver`]; a question is lost, since
    /// whoever floods with such must not cause more work by that.
    HandOver {
        /// The shard whose core should see it.
        shard: u8,
        /// Whether that shard may know nothing of it either: such a message must not be in the way of
        /// those that it waits for.
        is_question: bool,
        /// For [`Origin::asked`].
        asked: u8,
        /// For [`Origin::held`].
        held: Option<BindingId>,
    },
    /// Read nothing from the link until then.
    Pause {
        /// A link of this shard.
        link: LinkId,
        /// At most a second from now.
        until: Instant,
        /// For the log.
        reason: Reason,
    },
    /// Hand this to the core of another shard, by `on_binding`.
    Tell {
        /// Never the core's own.
        shard: u8,
        /// About a binding.
        message: BindingMessage,
    },
    /// Hand this to the core of another shard, by `on_call`.
    TellOfCall {
        /// Never the core's own.
        shard: u8,
        /// About a call that it keeps.
        message: CallMessage,
    },
    /// A client connection holds bindings until then, so that its silence is no reason to close it;
    /// `None`: it holds none any more.
    Keep {
        /// A link of this shard.
        link: LinkId,
        /// When the last of them ends.
        until: Option<Instant>,
    },
    /// Record this: it is counted, and written unless there are too many of its kind.
    Event(Event),
    /// Count this event, of which the settings want no line.
    Count(EventKind),
    /// Count this event, which has no line because there are too many of its kind.
    Suppress(EventKind),
}

/// The actions of one input, and the bytes that they send; the shell clears it after carrying them
/// out.
#[derive(Default)]
pub struct Actions {
    /// Bytes of all messages to send.
    pub bytes: Vec<u8>,
    /// In the order in which they should be carried out.
    pub list: Vec<Action>,
}

impl Actions {
    /// Sends what was written to [`Self::bytes`] from `start` on; `branch` lets the shell report
    /// that it could not.
    pub(crate) fn send(&mut self, link: LinkId, start: usize, branch: Option<BranchKey>) {
        let bytes = start..self.bytes.len();
        self.list.push(Action::Send {
            link,
            bytes,
            branch,
        });
    }

    /// Writes a line to the log.
    pub(crate) fn record(&mut self, event: Event) {
        self.list.push(Action::Event(event));
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.list.clear();
    }
}
