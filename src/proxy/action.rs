//! What goes into the core and what comes out of it: origins, links, link events and actions (no address among them).
use crate::observe::Event;
use crate::reason::Reason;
use crate::topology::PeerRef;
use crate::trust::PeerId;
use std::net::SocketAddr;
use std::ops::Range;

/// One live, validated connection: which shard owns it, its slot there, and a use count of that slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct LinkId(u64);

impl LinkId {
    /// `serial` distinguishes successive users of one slot.
    pub fn new(shard: u8, slot: u32, serial: u32) -> Self {
        // 8 bits shard, 24 bits slot, 32 bits serial: 16 million connections in a shard.
        Self(u64::from(shard) << 56 | u64::from(slot & 0x00ff_ffff) << 32 | u64::from(serial))
    }
    /// The owning shard.
    pub fn shard(self) -> u8 {
        (self.0 >> 56) as u8
    }
    /// The slot in its shard's connection table.
    pub fn slot(self) -> u32 {
        (self.0 >> 32) as u32 & 0x00ff_ffff
    }
    /// The use count of the slot.
    pub fn serial(self) -> u32 {
        self.0 as u32
    }
    /// As one number, for tokens.
    pub fn as_u64(self) -> u64 {
        self.0
    }
    /// From a verified token.
    pub fn from_u64(value: u64) -> Self {
        Self(value)
    }
}

/// Who is at the other end of a link: the only identity that policy trusts.
#[derive(Clone, Debug)]
pub enum Identity {
    /// A listed server whose chain passed `trust::decide`.
    Peer(PeerId),
    /// A connection without a certificate; the link is its flow (RFC 5626).
    Client,
}

/// Where a message came from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The connection it was read from.
    pub link: LinkId,
    /// Who that is.
    pub identity: Identity,
    /// The other side's address.
    pub remote: SocketAddr,
    /// Our address on that connection.
    pub local: SocketAddr,
    /// How many shards have looked for this message's transaction in vain (0 when read from the wire).
    pub asked: u8,
}

/// The names and ports that this node announces in Via, Record-Route and Path; the port is left out when it is 5061.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faces {
    /// `fqdn[:port]` of the listener that peers use.
    pub peers: String,
    /// `fqdn[:port]` of the listener that clients use; equal to `peers` when one listener serves both.
    pub clients: String,
    /// Every bound listener address.
    pub addresses: Vec<SocketAddr>,
}

/// Names one client transaction of one shard, for feedback about a message handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BranchKey {
    /// Slot in the core's table of response contexts.
    pub slot: u32,
    /// The unguessable number in the branch.
    pub nonce: u64,
}

/// What happened to connections.
#[derive(Clone, Debug)]
pub enum LinkEvent {
    /// Handshake done (either direction): the link may carry messages from now on.
    Up {
        /// The link.
        link: LinkId,
        /// Who is there.
        identity: Identity,
        /// Whether our own requests may be sent on it: always for a client's flow and for a connection that we made;
        /// for one that a peer made only if its certificate would also pass as a server's (RFC 5923 §8.1).
        requests: bool,
    },
    /// The link is closed; nothing can be sent on it any more. May also name a link of another shard, to which this
    /// shard has sent messages.
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
        identity: Identity,
        /// As in `Up`.
        requests: bool,
    },
    /// No connection to the peer could be made; what waits for it fails over or is answered.
    ConnectFailed {
        /// The peer.
        peer: PeerRef,
        /// Reason code, for the request's event.
        reason: Reason,
        /// Until when no new connect will be tried.
        retry_at: std::time::Instant,
    },
    /// More than `send_queue` octets wait for its socket: no new requests to it.
    Full {
        /// The link.
        link: LinkId,
    },
    /// The queue is short again.
    Clear {
        /// The link.
        link: LinkId,
    },
    /// A message for a link of another shard found it gone.
    Undeliverable {
        /// The link that is gone.
        link: LinkId,
        /// The client transaction that the message belonged to.
        branch: Option<BranchKey>,
    },
}

/// What the shell shall do. Byte ranges lie in [`Actions::bytes`].
#[derive(Clone, Debug)]
pub enum Action {
    /// Write these octets to the link. The link may be another shard's: then hand the octets over to it.
    Send {
        /// A live link.
        link: LinkId,
        /// The octets of one message.
        bytes: Range<usize>,
        /// For [`LinkEvent::Undeliverable`].
        branch: Option<BranchKey>,
    },
    /// Make a connection to this peer; answer with [`LinkEvent::Up`] or [`LinkEvent::ConnectFailed`].
    Connect {
        /// The peer.
        peer: PeerRef,
    },
    /// Send what is queued, then close the link.
    Close {
        /// The link.
        link: LinkId,
        /// Reason code.
        reason: Reason,
    },
    /// Hand the message that was just given to `on_message` to this shard's core, with `asked` in its origin.
    HandOver {
        /// The shard whose core shall see it.
        shard: u8,
        /// For [`Origin::asked`].
        asked: u8,
    },
    /// Write this to the log.
    Event(Event),
}

/// The actions of one input, and the octets that they send; the shell clears it after carrying them out.
#[derive(Default)]
pub struct Actions {
    /// Octets of all messages to send.
    pub bytes: Vec<u8>,
    /// In the order in which they shall be carried out.
    pub list: Vec<Action>,
}

impl Actions {
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.list.clear();
    }
}
