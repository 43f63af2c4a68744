//! The daemon's end of the control socket: a bounded number of connections, each with one request, one reply and a deadline.
use super::context::ControlContext;
use super::place::ControlPlace;
use super::protocol::{LONGEST_REPLY, LONGEST_REQUEST, Reply, Request};
use super::refusal::ControlRefusal;
use super::trace::{HANDED_OVER, TraceEnd, TraceLine, TraceRequest};
use super::trace_source::TraceSource;
use crate::observe::Event;
use crate::reason::{DaemonReason, Reason};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::UCred;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Connections at a time; more wait in the kernel. Those that say nothing cost next to nothing.
const CONNECTIONS: usize = 256;
/// Commands at a time; more wait. An operator has one, a monitoring system a few.
const COMMANDS: usize = 16;
/// Traces at a time: each copies messages in every shard.
const TRACES: usize = 4;
/// Bytes that are read and thrown away behind a request.
const MOST_UNREAD: u64 = 1024 * 1024;
/// What somebody who may not command the daemon gets to write his request before he is refused.
const FOR_STRANGERS: Duration = Duration::from_millis(100);
/// From connecting to the end of the request line.
const FOR_REQUEST: Duration = Duration::from_secs(5);
/// From the request to the reply: a reload reads files and asks every shard.
const FOR_REPLY: Duration = Duration::from_secs(120);
/// From the reply to its last byte taken.
const FOR_WRITING: Duration = Duration::from_secs(10);
/// Pause when the process has no descriptors left: the socket stays readable, and trying at once would burn the core.
const STARVED: Duration = Duration::from_millis(100);

/// The socket's server.
pub(in crate::daemon) struct ControlServer {
    /// What the commands work with.
    context: ControlContext,
    /// The user id that the daemon runs as.
    owner: u32,
    /// Room for [`COMMANDS`].
    commands: Semaphore,
    /// Room for [`TRACES`].
    traces: Semaphore,
    /// It ends, or another process goes on.
    end: CancellationToken,
}

impl ControlServer {
    /// For this daemon.
    pub(in crate::daemon) fn new(
        context: ControlContext,
        place: &ControlPlace,
        end: CancellationToken,
    ) -> Self {
        Self {
            context,
            owner: place.owner,
            commands: Semaphore::new(COMMANDS),
            traces: Semaphore::new(TRACES),
            end,
        }
    }

    /// Accepts until `end`, and then answers who has connected. A permit for each connection: without one left nothing more is
    /// accepted.
    pub(in crate::daemon) async fn serve(self, socket: tokio::net::UnixListener) {
        // Shared by the tasks of its connections.
        let this = Arc::new(self);
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut tasks = tokio::task::JoinSet::new();
        loop {
            // Before the accept: what finds no permit waits in the kernel.
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                biased;
                () = this.end.cancelled() => break,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                // The address of a Unix client is nothing; its credentials are read from the stream.
                Ok((stream, _)) => {
                    tasks.spawn(Arc::clone(&this).attend(stream, permit));
                }
                Err(_) => tokio::time::sleep(STARVED).await,
            }
            // What has ended is taken away, or the set would grow with each command.
            while tasks.try_join_next().is_some() {}
        }
        // What comes from now on is another process's, or the next server's.
        drop(socket);
        while tasks.join_next().await.is_some() {}
    }

    /// One connection: its request, its reply, its end.
    async fn attend(self: Arc<Self>, mut stream: UnixStream, permit: OwnedSemaphorePermit) {
        let asked = self.asked(&mut stream).await;
        if let Ok((Request::Trace(request), user)) = &asked {
            self.stream_trace(&mut stream, request, *user).await;
            return drop(permit);
        }
        if let Err(refusal) = &asked
            && refusal.code == DaemonReason::NotPermitted
        {
            turn_away(&mut stream, refusal).await;
            return drop(permit);
        }
        // Only now: who says nothing keeps nobody waiting.
        let command = self.commands.acquire().await;
        let reply = match asked {
            Ok((request, user)) => self.reply_to(&request, user).await,
            Err(refusal) => Err(refusal),
        };
        let reply = reply.unwrap_or_else(Reply::Error);
        // Types of this crate: that they can be written is tested.
        let mut line = serde_json::to_vec(&reply).unwrap_or_default();
        // A client reads no more than this; half a line of JSON would be no reply at all.
        if line.len() > LONGEST_REPLY {
            let what = format!("{} bytes, at most {LONGEST_REPLY}", line.len());
            let refusal = Reply::Error(DaemonReason::ReplyTooLarge.because(what));
            line = serde_json::to_vec(&refusal).unwrap_or_default();
        }
        line.push(b'\n');
        // Who does not read must not hold one of the few connections for ever.
        let _ = timeout(FOR_WRITING, async {
            stream.write_all(&line).await?;
            stream.shutdown().await?;
            drop(command);
            // To close over bytes that nobody has read is a reset, which may take the reply along.
            tokio::io::copy(&mut stream.take(MOST_UNREAD), &mut tokio::io::sink()).await
        })
        .await;
        drop(permit);
    }

    /// Writes a trace, line after line.
    async fn stream_trace(&self, stream: &mut UnixStream, request: &TraceRequest, user: UCred) {
        let begun = match self.traces.try_acquire() {
            Ok(room) => self.context.begin_trace(request).await.map(|it| (it, room)),
            Err(_) => Err(DaemonReason::Busy.because("as many traces run as there is room for")),
        };
        let ((selection, feed), room) = match begun {
            Ok(begun) => begun,
            Err(refusal) => {
                let _ = put(stream, &TraceLine::Error(refusal)).await;
                return;
            }
        };
        let daemon = &self.context.daemon;
        let time = Duration::from_secs(request.for_s);
        // Before it is said that it has begun: from then on nothing is missed.
        let former = self.context.trace_of_former(request).await;
        let mut source = TraceSource::new(feed, request.shown, former);
        let begun = self.context.trace_begun(&selection, request);
        let (until, selected) = (begun.until, begun.selected.clone());
        daemon.log.record(Event::TraceStarted {
            selected: selected.clone(),
            until,
            detail: request.shown.words(),
            uid: user.uid(),
            pid: user.pid().and_then(|pid| u32::try_from(pid).ok()),
        });
        let first = TraceLine::Trace(begun);
        // From here on every end passes the last line and the event.
        let mut lines = 0;
        let mut unread = [0];
        let over = tokio::time::sleep(time);
        tokio::pin!(over);
        let mut because = "unread";
        let mut is_read = put(stream, &first).await.is_ok();
        while is_read {
            let line = tokio::select! {
                biased;
                () = self.end.cancelled() => {
                    because = HANDED_OVER;
                    break;
                }
                () = &mut over => {
                    because = "time";
                    break;
                }
                // Nothing more is said to it: this is the end of who reads.
                _ = stream.read(&mut unread) => break,
                line = source.next() => line,
            };
            let Some(line) = line else { break };
            is_read = put(stream, &line).await.is_ok();
            lines += u64::from(is_read);
            if lines >= request.limit {
                because = "limit";
                break;
            }
        }
        // Before the last line: what comes meanwhile is no part of it.
        let mut dropped = source.dropped();
        if !is_read {
            // With the line that was not taken.
            dropped += 1 + source.waiting();
        }
        drop(source);
        drop(room);
        let end = TraceEnd {
            because: because.to_owned(),
            lines,
            dropped,
        };
        // Who has not read what came before does not read this.
        if is_read {
            let _ = put(stream, &TraceLine::End(end)).await;
        }
        daemon.log.record(Event::TraceEnded {
            selected,
            count: lines,
            dropped,
            uid: user.uid(),
        });
    }

    /// Reads one request, and who asks.
    async fn asked(&self, stream: &mut UnixStream) -> Result<(Request, UCred), ControlRefusal> {
        let user = stream
            .peer_cred()
            .map_err(|error| DaemonReason::NotPermitted.because(error.to_string()))?;
        if !may_command(user.uid(), self.owner) {
            self.context.daemon.log.record(Event::ControlRefused {
                uid: user.uid(),
                reason: DaemonReason::NotPermitted.into(),
            });
            return Err(DaemonReason::NotPermitted
                .because("only the user that the daemon runs as, and root, may command it"));
        }
        // In time, so that a client which sends nothing does not hold one of the few connections.
        let request = timeout(FOR_REQUEST, request(stream))
            .await
            .map_err(|_| DaemonReason::CommandTimeout.because("no request came"))?
            .map_err(|error| DaemonReason::MalformedCommand.because(error.to_string()))?;
        Ok((request, user))
    }

    /// Carries out one request, and logs who asked if it changes something.
    async fn reply_to(&self, request: &Request, user: UCred) -> Result<Reply, ControlRefusal> {
        // The command goes on if it takes longer: a reload that has begun ends by itself, in the log.
        let reply = timeout(FOR_REPLY, self.context.carry_out(request, Some(user.uid())))
            .await
            .unwrap_or_else(|_| {
                let what = "it takes longer; the log will say how it ends";
                Err(DaemonReason::CommandTimeout.because(what))
            });
        // Here and not in the command: only the socket knows who has asked.
        if let Ok(Reply::CrlsForget(forgotten)) = &reply {
            self.context.daemon.log.record(Event::CrlForgotten {
                series: forgotten.id.clone(),
                issuer: forgotten.issuer.clone(),
                number: forgotten.number.clone(),
                uid: user.uid(),
                pid: user.pid().and_then(|pid| u32::try_from(pid).ok()),
                generation: forgotten.generation,
            });
        }
        // Who has looked is nobody's business, who has changed something is everybody's.
        if request.changes_something() {
            let refused = reply.as_ref().err().map(|refusal| refusal.code.into());
            self.note(request.word(), user, refused);
        }
        reply
    }

    /// Logs who has asked for what.
    fn note(&self, command: &'static str, user: UCred, refused: Option<Reason>) {
        self.context.daemon.log.record(Event::ControlRequest {
            command,
            uid: user.uid(),
            reason: refused,
        });
    }
}

/// The daemon's own user, and root, by the credentials that the kernel vouches for: the mode of the socket's file may be
/// anything.
fn may_command(user: u32, owner: u32) -> bool {
    user == owner || user == 0
}

/// Answers somebody who may not command the daemon, at once: he keeps no operator out.
async fn turn_away(stream: &mut UnixStream, refusal: &ControlRefusal) {
    let mut line = serde_json::to_vec(&Reply::Error(refusal.clone())).unwrap_or_default();
    line.push(b'\n');
    // To close over bytes that nobody has read is a reset, which may take the reply along.
    let _ = timeout(FOR_STRANGERS, stream.readable()).await;
    let _ = stream.try_read(&mut [0; 1024]);
    // It fits into an empty buffer.
    let _ = stream.try_write(&line);
    let _ = stream.shutdown().await;
}

/// Writes one line, in time: who does not read must not keep a trace running.
async fn put(stream: &mut UnixStream, line: &TraceLine) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    let written = timeout(FOR_WRITING, stream.write_all(&text)).await;
    written.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Reads one line, or what comes before the end.
async fn request(stream: &mut UnixStream) -> io::Result<Request> {
    // Until the line ends or the bound is reached.
    let mut line = Vec::new();
    // One byte more than allowed shows that it is longer.
    let bound = LONGEST_REQUEST as u64 + 1;
    BufReader::new(stream.take(bound))
        .read_until(b'\n', &mut line)
        .await?;
    if line.len() > LONGEST_REQUEST {
        let what = format!("a request has at most {LONGEST_REQUEST} bytes");
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
        let said = async |bytes: Vec<u8>| {
            let (mut ours, mut theirs) = UnixStream::pair().unwrap();
            let sender = tokio::spawn(async move {
                let _ = ours.write_all(&bytes).await;
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
