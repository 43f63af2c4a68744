//! What crosses shards, and the bounded queues that carry it.
use super::{EdgeStatus, LiveLinks, Which};
use crate::observe::{Event, Log};
use crate::proxy::{BranchKey, LinkEvent, LinkId, Origin, Tables, TokenKeys};
use crate::reason::DaemonReason;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Messages waiting for one shard. Crossing is rare, so a full queue means that the shard stands still.
pub(super) const INBOX: usize = 16_384;

/// One message to a shard.
pub(super) enum ShardMessage {
    /// A connection from the acceptor.
    Accepted {
        stream: std::net::TcpStream,
        remote: SocketAddr,
        listener: usize,
        started: Instant,
    },
    /// Octets for a link of this shard.
    Deliver {
        link: LinkId,
        octets: Box<[u8]>,
        branch: Option<BranchKey>,
        from: u8,
    },
    /// A message whose transaction this shard may hold.
    Message {
        origin: Box<Origin>,
        octets: Box<[u8]>,
    },
    /// Something about a link that another shard owns.
    Link(LinkEvent),
    /// A new generation.
    Swap {
        tables: Arc<Tables>,
        keys: Arc<TokenKeys>,
        done: oneshot::Sender<()>,
    },
    /// Figures are wanted.
    Status { reply: oneshot::Sender<EdgeStatus> },
    /// What live connections there are.
    Links { reply: oneshot::Sender<LiveLinks> },
    /// Close these connections.
    Kick {
        which: Which,
        reply: oneshot::Sender<usize>,
    },
    /// Finish, and end the thread.
    Drain {
        bound: Duration,
        done: oneshot::Sender<usize>,
    },
}

/// The sending ends of all shards.
pub(super) struct Inboxes(pub(super) Vec<mpsc::Sender<ShardMessage>>);

impl Inboxes {
    /// Queues a message without waiting; gives whether there was room.
    pub(super) fn send(&self, shard: u8, message: ShardMessage, log: &Log) -> bool {
        let Some(inbox) = self.0.get(usize::from(shard)) else {
            return false;
        };
        match inbox.try_send(message) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                log.record(Event::Warning {
                    code: DaemonReason::ShardInboxFull.into(),
                    what: format!(
                        "shard {shard} does not keep up with what other shards hand to it"
                    ),
                });
                false
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}
