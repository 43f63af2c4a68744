//! What crosses threads, and the bounded queues that carry it.
use super::admission::Admission;
use super::arrival::Arrival;
use crate::observe::Event;
use crate::proxy::{BindingMessage, BranchKey, CallMessage, LinkEvent, LinkId, Origin};
use crate::reason::DaemonReason;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Messages waiting for one shard. Crossing is rare, so a full queue means that the shard stands still.
const INBOX: usize = 16_384;

/// Work that is done on a shard's thread.
pub(super) type Work<S> = Box<dyn FnOnce(&Rc<S>) + Send>;

/// Questions waiting for one shard: messages that it may know nothing of. They have a queue of their own, so that answers
/// that somebody waits for never stand behind what a stranger makes up, and a short one: what finds no room is lost, as on a
/// lossy path.
const QUESTIONS: usize = 1_024;

/// Connections on their way to one shard: each has a hello that the shard is to answer, and there are few of those at a time.
pub(super) const ARRIVALS: usize = 64;

/// One message to a shard. `S` is the shard's type, which stands above this file.
pub(super) enum ShardMessage<S> {
    /// A message of another shard for a connection of this one.
    Deliver {
        link: LinkId,
        bytes: Box<[u8]>,
        /// Comes back to the sender if the connection is gone.
        branch: Option<BranchKey>,
        from: u8,
    },
    /// A message that this shard waits for: a response to a request of its own, or a request of a client whose leg it has.
    Message {
        origin: Box<Origin>,
        bytes: Box<[u8]>,
    },
    /// Something about a registered client.
    Binding(BindingMessage),
    /// Something about a call that this shard keeps.
    Call(CallMessage),
    /// Something about a connection that another shard owns.
    Link(LinkEvent),
    /// Work for the shard's thread, such as an operator's command: what it does stands with the command.
    Run(Work<S>),
}

/// An accepted connection on its way to its shard.
pub(super) struct Accepted {
    /// Not yet registered with any runtime: it moves to the shard's.
    pub(super) stream: std::net::TcpStream,
    /// Where from, and when.
    pub(super) arrival: Arrival,
    /// What it holds of the node's bounds.
    pub(super) admission: Admission,
}

/// The sending ends of all shards.
pub(super) struct Inboxes<S>(pub(super) Vec<mpsc::Sender<ShardMessage<S>>>);

/// A message whose transaction the shard may hold, or may not.
pub(super) struct CrossQuestion {
    /// Who has sent it, and how many shards have been asked.
    pub(super) origin: Box<Origin>,
    pub(super) bytes: Box<[u8]>,
}

/// The sending ends of all shards' questions.
pub(super) struct Questions(pub(super) Vec<mpsc::Sender<CrossQuestion>>);

impl Questions {
    /// Those of so many shards, and the receiving ends.
    pub(super) fn of(shards: usize) -> (Arc<Self>, Vec<mpsc::Receiver<CrossQuestion>>) {
        let (senders, asked) = (0..shards).map(|_| mpsc::channel(QUESTIONS)).unzip();
        (Arc::new(Self(senders)), asked)
    }

    /// Asks, if there is room.
    pub(super) fn ask(&self, shard: u8, question: CrossQuestion) {
        if let Some(queue) = self.0.get(usize::from(shard)) {
            // Its sender repeats it, or ends its transaction. Nothing is logged: whoever floods would write that line, and
            // the message itself is counted where it was read.
            let _ = queue.try_send(question);
        }
    }
}

impl<S> Inboxes<S> {
    /// Those of so many shards, and the receiving ends.
    pub(super) fn of(shards: usize) -> (Arc<Self>, Vec<mpsc::Receiver<ShardMessage<S>>>) {
        let (senders, receivers) = (0..shards).map(|_| mpsc::channel(INBOX)).unzip();
        (Arc::new(Self(senders)), receivers)
    }

    /// Queues a message without waiting, since the sender is another shard, which must not stand still with it. Returns whether there was room.
    pub(super) fn send(&self, shard: u8, message: ShardMessage<S>, record: &dyn Fn(Event)) -> bool {
        let Some(inbox) = self.0.get(usize::from(shard)) else {
            return false;
        };
        match inbox.try_send(message) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                record(Event::Overloaded {
                    reason: DaemonReason::ShardInboxFull.into(),
                    detail: format!(
                        "shard {shard} does not keep up with what other shards hand to it"
                    ),
                });
                false
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}
