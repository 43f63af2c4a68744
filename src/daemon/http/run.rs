//! Takes the address that the topology names, and lets go of it when a reload names another one or
//! none.
use super::server::{HttpServer, serve};
use super::socket::serves;
use crate::daemon::Daemon;
use crate::daemon::upgrade::FormerHandle;
use crate::edge::BACKLOG;
use crate::observe::Event;
use crate::reason::DaemonReason;
use socket2::SockRef;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

/// From one try to have an address to the next, which somebody else may still have;
/// and from one look whether this one has handed over to the next.
const RETRY: Duration = Duration::from_secs(2);

/// How long what was asked before the end is still answered.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// Serves `[http]` of whichever generation is in force. It ends with the daemon's runtime, and the
/// thread with it.
///
/// `inherited`: the socket of the process before this one, of which `former` is left for a while.
pub(in crate::daemon) async fn run(
    daemon: Arc<Daemon>,
    mut inherited: Option<TcpListener>,
    former: Option<FormerHandle>,
) {
    let mut reloads = daemon.serving();
    // Dropping the guard ends the thread that serves.
    let mut served: Option<(SocketAddr, DropGuard)> = None;
    // The address that the log has as one that cannot be had.
    let mut reported = None;
    loop {
        // A process that has handed over leaves the socket to its successor.
        let is_retired = daemon.retired.load(Ordering::Relaxed);
        let wanted = daemon.generation().topology().http().address;
        let wanted = wanted.filter(|_| !is_retired);
        if served.as_ref().map(|(address, _)| *address) != wanted {
            // First: two addresses may be one to the system, such as 0.0.0.0:9464 and
            // 127.0.0.1:9464.
            drop(served.take());
            daemon.http.set(None);
        }
        if let Some(address) = wanted.filter(|_| served.is_none()) {
            // Only once: whatever is bound later is this process's own.
            let socket = inherited.take().filter(|socket| serves(socket, address));
            match begin(&daemon, address, socket, former.clone()).await {
                Ok((bound, guard)) => {
                    served = Some((address, guard));
                    reported = None;
                    daemon.log.record(Event::HttpListening { address: bound });
                }
                // Once, however often it is tried.
                Err(error) if reported != Some(address) => {
                    reported = Some(address);
                    daemon.log.record(Event::HttpUnavailable {
                        address,
                        reason: DaemonReason::HttpUnavailable.into(),
                        detail: error.to_string(),
                    });
                }
                Err(_) => {}
            }
        }
        tokio::select! {
            changed = reloads.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

/// Binds the address and starts the thread; returns the address as bound.
async fn begin(
    daemon: &Arc<Daemon>,
    address: SocketAddr,
    inherited: Option<TcpListener>,
    former: Option<FormerHandle>,
) -> io::Result<(SocketAddr, DropGuard)> {
    let socket = match inherited {
        Some(socket) => socket,
        None => {
            // A port that nobody knew of when this process dropped binding.
            let bind = move || TcpListener::bind(address);
            daemon.outside.run(bind).await??
        }
    };
    socket.set_nonblocking(true)?;
    // The library has the kernel hold 128 that wait: where many connect at once, monitoring would try again after a second.
    SockRef::from(&socket).listen(BACKLOG)?;
    let kept = socket.try_clone()?;
    // Port 0 has become a real one.
    let bound = socket.local_addr()?;
    // Here, so that a system that has none left is reported to the operator and not to a thread
    // that ends in silence.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // The thread is not joined: it may be in the middle of a text, and nobody should wait for that.
    let end = CancellationToken::new();
    let ended = end.clone();
    let server = HttpServer::new(Arc::clone(daemon), former);
    std::thread::Builder::new()
        .name("sipward-http".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = ended.cancelled() => {}
                    () = serve(server, socket) => {}
                }
                // Who has connected has its answer; who connects now finds the process that accepts.
                tokio::time::sleep(LAST_ANSWERS).await;
            });
            // Who has not taken a whole answer by now does not get the rest.
            runtime.shutdown_background();
        })?;
    daemon.http.set(Some(kept));
    Ok((bound, end.drop_guard()))
}
