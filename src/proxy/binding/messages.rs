//! What shards tell each other about bindings, and about legs that have moved.
//!
//! Each question goes to the one shard that knows: the number of a binding names its shard, as does that of a connection.
//! None of these can be asked for by a message from outside: a registration that a home server has granted, a connection
//! that has ended, or a request with a signed token stands behind each.
use super::id::{BindingId, Owner};
use super::registration::ContactMarks;
use crate::proxy::branch::BranchKey;
use crate::proxy::link_id::LinkId;
use crate::reason::MessageReason;
use smallvec::SmallVec;
use std::net::SocketAddr;
use std::time::Instant;

/// What a client leg names, as far as it must be looked up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// Whatever connection holds this binding.
    Binding(BindingId),
    /// The same for what belongs to a dialog: if the registration has ended since, the connection that held it, while
    /// that lives.
    Dialog(BindingId),
    /// The connection that an unregistered client's leg of one dialog has moved to. `call` is a hash of its Call-ID.
    Moved {
        /// The connection that the token names.
        link: LinkId,
        /// Keyed, the same in all shards.
        call: u64,
    },
}

impl Place {
    /// The shard that knows.
    pub(crate) fn shard(self, shards: u8) -> u8 {
        match self {
            Self::Binding(id) | Self::Dialog(id) => id.shard(shards),
            Self::Moved { link, .. } => link.shard(),
        }
    }

    /// The binding, if it is one.
    pub(crate) fn binding(self) -> Option<BindingId> {
        match self {
            Self::Binding(id) | Self::Dialog(id) => Some(id),
            Self::Moved { .. } => None,
        }
    }
}

/// What is asked of the directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Where {
    /// What is looked for.
    pub place: Place,
    /// A connection that was found to be closed already.
    pub gone: Option<LinkId>,
    /// Until when a client that is not known may come here: the node where it was is gone.
    pub expected: Option<Instant>,
    /// Whether the asker waits for a client that may come; else it only learns that.
    pub waits: bool,
}

/// A request that waits for its client in this shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asker {
    /// Where the answer goes.
    pub shard: u8,
    /// The branch that waits.
    pub branch: BranchKey,
}

/// A binding on a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holding {
    /// Which.
    pub id: BindingId,
    /// The connection.
    pub link: LinkId,
    /// Whose address of record.
    pub(crate) owner: Owner,
    /// When it ends unless it is renewed.
    pub until: Instant,
    /// When the REGISTER came.
    pub since: Instant,
    /// The client's address, for the log; not known after a reload.
    pub remote: Option<SocketAddr>,
    /// The binding stands already, under a number of another token key: this one needs no room.
    pub renumbered: bool,
}

/// What a user has unregistered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unregistered {
    /// Which; `None`: all of the user's.
    pub(crate) id: Option<BindingId>,
    /// Whose.
    pub(crate) owner: Owner,
    /// The connection that it was unregistered over, which knows.
    pub(crate) by: LinkId,
    /// When that REGISTER came: what was bound by a later one stays.
    pub(crate) since: Instant,
    /// A binding that leads to another contact than these stays, if there are any.
    pub(crate) contacts: ContactMarks,
}

/// The answer of a directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// This connection leads there now.
    At(LinkId),
    /// This connection holds it, and the asker learns when that changes.
    Holds(LinkId),
    /// None does, but one may soon: another answer follows if so.
    WaitUntil(Instant),
    /// None does.
    Gone,
}

impl BindingMessage {
    /// The request that waits for the answer, if it is a question.
    pub fn question(&self) -> Option<BranchKey> {
        // Of all others nobody hears what has become of them.
        let Self::Where { asker, .. } = self else {
            return None;
        };
        Some(asker.branch)
    }
}

/// One shard tells another.
#[derive(Clone, Debug)]
pub enum BindingMessage {
    /// To the directory: these are held by their connection from now on, or still.
    Hold(SmallVec<[Holding; 1]>),
    /// To the directory: these connections no longer hold these, since they were unregistered or the key of the number
    /// is gone.
    End(SmallVec<[(BindingId, LinkId); 1]>),
    /// To the directory: the registration has ended, and the connection lives.
    Unregistered {
        /// The binding.
        id: BindingId,
        /// The connection that held it.
        link: LinkId,
    },
    /// From the directory: its time is over.
    Expired {
        /// The binding.
        id: BindingId,
        /// The connection that holds it.
        link: LinkId,
    },
    /// To the directory: the user has unregistered what other connections than that hold.
    Elsewhere(Unregistered),
    /// From the directory, to the shard of the connection: that is so, and this is one of them.
    Revoked {
        /// The binding.
        id: BindingId,
        /// The connection that holds it.
        link: LinkId,
        /// What was unregistered.
        what: Box<Unregistered>,
    },
    /// To the directory: the connection is closed.
    Lost {
        /// The binding.
        id: BindingId,
        /// The connection that held it.
        link: LinkId,
    },
    /// To the directory: which connection leads there?
    Where {
        /// What is looked for.
        question: Where,
        /// Who waits for the answer.
        asker: Asker,
    },
    /// The answer to that.
    Located {
        /// Who asked.
        asker: Asker,
        /// Where it is.
        answer: Answer,
    },
    /// To the directory: send this there.
    Pass {
        /// Where to.
        place: Place,
        /// One message as it is sent.
        bytes: Box<[u8]>,
        /// Until when a client that is not known here is waited for: another process has let it go a moment ago.
        until: Option<Instant>,
        /// A request that waits to learn that it was not delivered: one of this process if that
        /// hands over, else of the other.
        asker: Option<Asker>,
    },
    /// To the shard of a request that another process or shard was to send: it was not delivered.
    Undelivered {
        /// The request.
        asker: Asker,
        /// Why.
        reason: MessageReason,
    },
    /// To the directory: it is at the other process of this node.
    HeldElsewhere(BindingId),
    /// To the shard of a connection: send this there, else to the peer as such; nobody waits for an
    /// answer.
    Over {
        /// The connection of a partner that a dialog runs on.
        link: LinkId,
        /// The partner's server, by the number of its name.
        peer: u64,
        /// One message as it is sent.
        bytes: Box<[u8]>,
    },
    /// To the directory: a sibling has taken a request for this binding.
    Taken {
        /// The binding.
        id: BindingId,
        /// The sibling, by the number of its name.
        by: u64,
        /// The request, which waits for nobody any more.
        asker: Asker,
    },
    /// To all shards: a sibling that no shard was connected to has come up in one of them. By the number of its name.
    SiblingFound(u64),
    /// To all shards: the last connection to a sibling is gone, and what it was handed is answered no more.
    SiblingLost(u64),
    /// From the directory, to the shard of the connection and to those that have asked: it is no longer there.
    Displaced {
        /// The binding.
        id: BindingId,
        /// The connection that held it.
        link: LinkId,
    },
    /// From the directory, to the shards that have asked for it: what it has answered counts no longer.
    Forget(BindingId),
    /// From the directory, to the shard of the connection: there is no room for this number.
    Refused {
        /// The number; the binding may have others, which stay.
        id: BindingId,
        /// The connection that was to hold it.
        link: LinkId,
    },
}
