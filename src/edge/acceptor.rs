//! The acceptor: takes connections off all listeners on a thread of its own and gives each to the shard with the fewest,
//! so that neither a busy shard nor a flood of connects holds up the other.
use super::bind::Bound;
use super::clock;
use super::failed::Failure;
use super::inbox::{Inboxes, ShardMessage};
use super::sources::Sources;
use super::tally::Tally;
use crate::observe::{Event, Log};
use crate::topology::Limits;
use socket2::SockRef;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Unanswered octets for this long mean that the other side is gone.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause when the process has no descriptors left: retrying at once would only burn the core.
const STARVED: Duration = Duration::from_millis(100);

/// What the acceptor needs.
pub(super) struct Acceptor {
    pub(super) inboxes: Arc<Inboxes>,
    pub(super) loads: Vec<Arc<AtomicUsize>>,
    pub(super) sources: Arc<Sources>,
    pub(super) limits: Arc<arc_swap::ArcSwap<Limits>>,
    pub(super) log: Log,
    pub(super) tally: Arc<Tally>,
    pub(super) stop: CancellationToken,
}

impl Acceptor {
    /// The acceptor's thread.
    pub(super) fn run(self, bound: Bound) {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
        else {
            return;
        };
        let this = Arc::new(self);
        runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for (index, listener) in bound.sockets.into_iter().enumerate() {
                let this = Arc::clone(&this);
                tasks.spawn(async move {
                    if let Ok(socket) = tokio::net::TcpListener::from_std(listener.socket) {
                        this.listen(index, listener.name, socket).await;
                    }
                });
            }
            let (tally, stop) = (Arc::clone(&this.tally), this.stop.clone());
            tasks.spawn(async move { tally.run(&stop).await });
            while tasks.join_next().await.is_some() {}
        });
    }

    async fn listen(&self, index: usize, name: String, socket: tokio::net::TcpListener) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, remote)) => {
                    if let Ok(stream) = stream.into_std() {
                        self.hand_out(stream, remote, index, &name);
                    }
                }
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    self.log.emit(Event::Warning {
                        code: "accept_failed",
                        what: format!(
                            "listener {name}: {error}; accepting pauses for {} ms",
                            STARVED.as_millis()
                        ),
                    });
                    tokio::time::sleep(STARVED).await;
                }
            }
        }
    }

    fn hand_out(
        &self,
        stream: std::net::TcpStream,
        remote: SocketAddr,
        listener: usize,
        name: &str,
    ) {
        let refuse = |reason| {
            let failure = Failure::refused(reason);
            let event = failure.event("inbound", remote, name.to_owned(), None, None);
            self.tally.tell(event);
        };
        if !self
            .sources
            .enter(remote.ip(), self.limits.load().connections_per_source)
        {
            return refuse("too_many_from_source");
        }
        prepare(&SockRef::from(&stream));
        let least = self
            .loads
            .iter()
            .enumerate()
            .min_by_key(|(_, load)| load.load(Ordering::Relaxed));
        let Some((shard, load)) = least else { return };
        load.fetch_add(1, Ordering::Relaxed);
        let message = ShardMessage::Accepted {
            stream,
            remote,
            listener,
            started: clock::now(),
        };
        if !self.inboxes.send(shard as u8, message, &self.log) {
            load.fetch_sub(1, Ordering::Relaxed);
            self.sources.leave(remote.ip());
            refuse("shard_busy");
        }
    }
}

/// Options of every connection.
pub(super) fn prepare(socket: &SockRef<'_>) {
    // None of these is vital: a socket without them works, only later or longer.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_keepalive(true);
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
}

/// Errors that concern the connection that was about to be accepted, not the listener.
fn is_about_one_connection(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::ConnectionAborted
            | std::io::ErrorKind::ConnectionReset
            | std::io::ErrorKind::ConnectionRefused
            | std::io::ErrorKind::Interrupted
    )
}
