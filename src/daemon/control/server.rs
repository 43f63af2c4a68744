//! The daemon's side: a bounded number of connections, each with one request, one reply and a deadline.
use super::crls::ForgottenCrls;
use super::place::Place;
use super::protocol::{
    Draining, Kicked, LONGEST_REPLY, LONGEST_REQUEST, ReloadReport, Reply, Request,
};
use crate::daemon::Daemon;
use crate::daemon::crl_timer::{Forget, Forgotten, Unforgotten};
use crate::observe::Event;
use crate::reason::{DaemonReason, Reason};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

/// Connections at a time; more wait in the kernel.
const CONNECTIONS: usize = 16;
/// From connecting to the end of the request line.
const FOR_REQUEST: Duration = Duration::from_secs(5);
/// From the request to the reply: a reload reads files and asks every shard.
const FOR_REPLY: Duration = Duration::from_secs(120);
/// From the reply to its last octet taken.
const FOR_WRITING: Duration = Duration::from_secs(10);
/// What a shard gets to answer.
const FOR_SHARDS: Duration = Duration::from_secs(5);
/// Pause when the process has no descriptors left.
const STARVED: Duration = Duration::from_millis(100);

/// What only the supervisor does: one thing after the other, with the service manager told.
pub(in crate::daemon) enum Command {
    /// Reload; several that wait are one.
    Reload {
        trigger: &'static str,
        /// Who waits for the end.
        reply: Option<oneshot::Sender<ReloadReport>>,
    },
    /// Drain and end.
    Drain { reply: oneshot::Sender<()> },
}

impl Command {
    /// A reload whose end nobody waits for.
    pub(in crate::daemon) fn reload(trigger: &'static str) -> Self {
        Self::Reload {
            trigger,
            reply: None,
        }
    }
}

/// Where goes what the server cannot do itself.
#[derive(Clone)]
pub(in crate::daemon) struct Sinks {
    /// The supervisor.
    pub(in crate::daemon) commands: mpsc::Sender<Command>,
    /// The timer of CRLs.
    pub(in crate::daemon) forgets: mpsc::Sender<Forget>,
}

/// The socket's server.
pub(in crate::daemon) struct Server {
    daemon: Arc<Daemon>,
    to: Sinks,
    owner: u32,
}

impl Server {
    /// For this daemon.
    pub(in crate::daemon) fn new(daemon: Arc<Daemon>, to: Sinks, place: &Place) -> Self {
        Self {
            daemon,
            to,
            owner: place.owner,
        }
    }

    /// Accepts until it is dropped.
    pub(in crate::daemon) async fn serve(self, socket: tokio::net::UnixListener) {
        let this = Arc::new(self);
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut tasks = tokio::task::JoinSet::new();
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            match socket.accept().await {
                Ok((stream, _)) => {
                    tasks.spawn(Arc::clone(&this).attend(stream, permit));
                }
                Err(_) => tokio::time::sleep(STARVED).await,
            }
            while tasks.try_join_next().is_some() {}
        }
    }

    async fn attend(self: Arc<Self>, mut stream: UnixStream, permit: OwnedSemaphorePermit) {
        let reply = self.reply_to(&mut stream).await;
        let mut line = serde_json::to_vec(&reply).unwrap_or_default();
        if line.len() > LONGEST_REPLY {
            let what = format!("{} octets, at most {LONGEST_REPLY}", line.len());
            line =
                serde_json::to_vec(&DaemonReason::ReplyTooLarge.because(what)).unwrap_or_default();
        }
        line.push(b'\n');
        // Whoever does not read has what he wants.
        let _ = timeout(FOR_WRITING, async {
            stream.write_all(&line).await?;
            stream.shutdown().await
        })
        .await;
        drop(permit);
    }

    async fn reply_to(&self, stream: &mut UnixStream) -> Reply {
        let user = match stream.peer_cred() {
            Ok(user) => user,
            Err(error) => return DaemonReason::NotPermitted.because(error.to_string()),
        };
        if !may_command(user.uid(), self.owner) {
            self.note("none", user, Some(DaemonReason::NotPermitted.into()));
            return DaemonReason::NotPermitted
                .because("only the user that the daemon runs as, and root, may command it");
        }
        let request = match timeout(FOR_REQUEST, request(stream)).await {
            Ok(Ok(request)) => request,
            Ok(Err(error)) => return DaemonReason::MalformedCommand.because(error.to_string()),
            Err(_) => return DaemonReason::CommandTimeout.because("no request came"),
        };
        let reply = match timeout(FOR_REPLY, self.carry_out(&request)).await {
            Ok(reply) => reply,
            Err(_) => DaemonReason::CommandTimeout
                .because("it takes longer; the log will say how it ends"),
        };
        if let Reply::CrlsForget(forgotten) = &reply {
            self.daemon.log.record(Event::CrlForgotten {
                series: forgotten.id.clone(),
                issuer: forgotten.issuer.clone(),
                number: forgotten.number.clone(),
                uid: user.uid(),
                pid: user.pid().and_then(|pid| u32::try_from(pid).ok()),
                generation: forgotten.generation,
            });
        }
        if request.changes_something() {
            let refused = if let Reply::Error(refusal) = &reply {
                Some(refusal.code.into())
            } else {
                None
            };
            self.note(request.word(), user, refused);
        }
        reply
    }

    async fn carry_out(&self, request: &Request) -> Reply {
        match request {
            Request::Status {} => match self.daemon.report(FOR_SHARDS).await {
                Some(status) => Reply::Status(Box::new(status)),
                None => DaemonReason::ShardSilent.because("a shard does not answer"),
            },
            Request::Explain { decision } => self.explain(decision).await,
            Request::Drain {} => self.drain().await,
            Request::Kick { what } => match self.daemon.kick(what, FOR_SHARDS).await {
                Some(connections) => Reply::Kick(Kicked { connections }),
                None => DaemonReason::ShardSilent.because("a shard does not answer"),
            },
            Request::Inventory {} => match Arc::clone(&self.daemon).inventory(FOR_SHARDS).await {
                Some(held) => Reply::Inventory(Box::new(held)),
                None => DaemonReason::ShardSilent.because("a shard does not answer"),
            },
            Request::Crls {} => Reply::Crls(self.daemon.held_crls()),
            Request::CrlsForget { id } => self.forget(id).await,
            Request::Reload {} => {
                let (reply, answer) = oneshot::channel();
                let command = Command::Reload {
                    trigger: "control",
                    reply: Some(reply),
                };
                self.command(command, answer)
                    .await
                    .map_or_else(|refused| refused, Reply::Reload)
            }
        }
    }

    async fn drain(&self) -> Reply {
        let bound = self.daemon.generation().topology().limits().drain;
        let transactions = self.daemon.status(FOR_SHARDS).await;
        let (reply, begun) = oneshot::channel();
        self.command(Command::Drain { reply }, begun)
            .await
            .map_or_else(
                |refused| refused,
                |()| {
                    Reply::Drain(Draining {
                        transactions: transactions.map(|status| status.transactions),
                        bound_ms: u64::try_from(bound.as_millis()).unwrap_or(u64::MAX),
                    })
                },
            )
    }

    /// Has a series of CRLs dropped.
    async fn forget(&self, id: &str) -> Reply {
        let (reply, answer) = oneshot::channel();
        let wish = Forget {
            id: id.to_owned(),
            reply,
        };
        let stopping = || DaemonReason::Stopping.because("the daemon ends");
        match self.to.forgets.try_send(wish) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                return DaemonReason::Busy.because("too many commands wait");
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return stopping(),
        }
        let Ok(outcome) = answer.await else {
            return stopping();
        };
        match outcome {
            Ok(Forgotten {
                id,
                issuer,
                number,
                generation,
            }) => Reply::CrlsForget(ForgottenCrls {
                id: id.to_string(),
                issuer,
                number,
                generation,
            }),
            Err(error @ (Unforgotten::Unknown | Unforgotten::Ambiguous)) => {
                DaemonReason::UnknownCrls.because(error.to_string())
            }
            Err(error @ (Unforgotten::Kept(_) | Unforgotten::NoAnswer)) => {
                DaemonReason::ShardSilent.because(error.to_string())
            }
        }
    }

    /// Several decisions and one search for the smallest change: not in the thread that feeds the watchdog.
    async fn explain(&self, decision: &str) -> Reply {
        let daemon = Arc::clone(&self.daemon);
        let wanted = decision.to_owned();
        let explained = tokio::task::spawn_blocking(move || daemon.explain(&wanted)).await;
        match explained {
            Ok(Some(explained)) => Reply::Explain(Box::new(explained)),
            Ok(None) => DaemonReason::UnknownDecision.because(
                "no chain of this decision is kept: the latest 1000 accepted and 500 refused ones are, \
                 since the start of this process",
            ),
            Err(error) => DaemonReason::ShardSilent.because(error.to_string()),
        }
    }

    /// Hands a command to the supervisor and waits for what comes of it.
    async fn command<T>(&self, command: Command, answer: oneshot::Receiver<T>) -> Result<T, Reply> {
        match self.to.commands.try_send(command) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                return Err(DaemonReason::Busy.because("too many commands wait"));
            }
            Err(mpsc::error::TrySendError::Closed(_)) => {
                return Err(DaemonReason::Stopping.because("the daemon ends"));
            }
        }
        answer
            .await
            .map_err(|_| DaemonReason::Stopping.because("the daemon ends"))
    }

    fn note(&self, command: &'static str, user: tokio::net::unix::UCred, refused: Option<Reason>) {
        self.daemon.log.record(Event::ControlRequest {
            command,
            uid: user.uid(),
            reason: refused,
        });
    }
}

/// The daemon's own user, and root.
fn may_command(user: u32, owner: u32) -> bool {
    user == owner || user == 0
}

impl Request {
    /// Whether the log tells who asked.
    fn changes_something(&self) -> bool {
        match self {
            Self::Status {} | Self::Explain { .. } | Self::Inventory {} | Self::Crls {} => false,
            Self::Reload {} | Self::Drain {} | Self::Kick { .. } | Self::CrlsForget { .. } => true,
        }
    }
}

/// Reads one line, or what comes before the end.
async fn request(stream: &mut UnixStream) -> io::Result<Request> {
    let mut line = Vec::new();
    let bound = LONGEST_REQUEST as u64 + 1;
    BufReader::new(stream.take(bound))
        .read_until(b'\n', &mut line)
        .await?;
    if line.len() > LONGEST_REQUEST {
        let what = format!("a request has at most {LONGEST_REQUEST} octets");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    serde_json::from_slice(&line).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_daemons_user_and_root_may_command() {
        assert!(may_command(1000, 1000) && may_command(0, 1000) && may_command(0, 0));
        assert!(!may_command(1001, 1000) && !may_command(1000, 0));
    }

    #[tokio::test]
    async fn a_request_is_one_line_within_its_bound() {
        let said = async |octets: Vec<u8>| {
            let (mut ours, mut theirs) = UnixStream::pair().unwrap();
            let sender = tokio::spawn(async move {
                let _ = ours.write_all(&octets).await;
            });
            let request = request(&mut theirs).await;
            drop(theirs);
            sender.await.unwrap();
            request
        };
        let status = b"{\"command\":\"status\"}";
        assert_eq!(said(status.to_vec()).await.unwrap(), Request::Status {});
        let line = [&status[..], b"\nwhatever follows"].concat();
        assert_eq!(said(line).await.unwrap(), Request::Status {});
        assert!(said(vec![b' '; LONGEST_REQUEST * 4]).await.is_err());
        assert!(said(b"\xff\n".to_vec()).await.is_err());
        assert!(said(Vec::new()).await.is_err());
    }
}
