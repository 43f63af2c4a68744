//! The task of one connection: it reads, frames, and carries each message through to the outgoing connection's session.
//!
//! No queue lies between a message's arrival and its leaving: the task that has read it feeds the core and writes the
//! outcome itself, so that a message costs one wake-up and no copy beyond those of TLS.
use super::admission::Admission;
use super::clock;
use super::connection::{Connection, Established, Partial, Woken};
use super::deadlines::Due;
use super::ending::Ending;
use super::keep_alive::KeepAliveDue;
use super::opened::Opened;
use super::session::Fill;
use super::shard::Shard;
use super::trace::TraceDirection;
use crate::proxy::LinkEvent;
use crate::reason::ConnectionReason;
use crate::sip::{Framer, LineTable, Phase, Scan};
use std::rc::Rc;
use std::time::Instant;

/// Reads per turn before the other connections get a turn: a peer that sends without end must not starve them.
const READS_PER_TURN: usize = 4;
/// A read buffer that a large message has made larger than the first is cut to the second when little is left in it, or
/// a few large messages would hold their memory until the connection closes.
const LARGE_BUFFER: usize = 64 * 1024;
const SMALL_BUFFER: usize = 16 * 1024;

/// The answer to a ping (RFC 5626 §4.4.1), and what a silent client gets: an empty line that nobody answers. If it
/// is not acknowledged, the kernel ends the connection (TCP_USER_TIMEOUT).
const PONG: &[u8] = b"\r\n";

/// The task's own state.
pub(super) struct Reader {
    connection: Rc<Connection>,
    shard: Rc<Shard>,
    /// What an accepted connection holds of the node's bounds, until it is closed.
    admission: Option<Admission>,
}

/// What the task does after a turn.
enum Turn {
    /// Nothing more waits in the socket.
    Wait,
    /// There may be more, but others get their turn first.
    Again,
    /// The connection is over.
    End(Ending),
}

impl Reader {
    /// Enters a connection that has passed its handshake in its shard, and starts its task. `requests`: whether requests
    /// of this node may be sent on it.
    pub(super) fn start(
        shard: &Rc<Shard>,
        established: Established,
        requests: bool,
        admission: Option<Admission>,
    ) {
        let Some(connection) = shard.enter(established, requests) else {
            return;
        };
        let reader = Self {
            connection,
            shard: Rc::clone(shard),
            admission,
        };
        tokio::task::spawn_local(reader.run());
    }

    /// The whole life of the connection after its handshake.
    async fn run(mut self) {
        // From here to `closed` nothing waits: a close_notify that the socket does not take is not waited
        // for.
        let ending = self.serve().await;
        // Whichever side is the last to close.
        let ending = self.connection.parting().unwrap_or(ending);
        self.connection.finish(&self.shard.buffers);
        let admission = self.admission.take();
        self.shard.closed(&self.connection, ending, admission);
    }

    /// Until the end. One timer serves all deadlines: it is moved when an earlier one comes, and asks for the next when
    /// it fires, since most deadlines are put off by each message.
    async fn serve(&self) -> Ending {
        let connection = &self.connection;
        // Pinned in the future of the task: no allocation of its own.
        let mut sleep = std::pin::pin!(tokio::time::sleep_until(self.next_deadline().into()));
        // What came with the last flight of the handshake is in the session already.
        let mut turn = self.read();
        loop {
            match turn {
                Turn::End(ending) => return ending,
                // More waits in the socket, and stays there.
                Turn::Again if connection.pause.is_on() => {}
                Turn::Again => {
                    // More waits in the socket. What was written so far is flushed behind the tasks that run meanwhile.
                    tokio::task::yield_now().await;
                    turn = self.read();
                    // Not only before it waits: of a queue that fills up the core must hear before the next turn of
                    // a connection that has more to say than anybody reads.
                    self.shard.settle();
                    continue;
                }
                Turn::Wait => {}
            }
            // Asked here and not only when woken: a message of this turn may have closed it.
            if let Some(ending) = connection.closing() {
                return ending;
            }
            if connection.parting().is_some() && connection.parted.get().is_none() {
                self.part();
            }
            // Only an earlier deadline moves the timer: the usual case, one that a message has put off, costs a comparison.
            let deadline = self.next_deadline().into();
            if deadline < sleep.deadline() {
                sleep.as_mut().reset(deadline);
            }
            match connection.woken(sleep.as_mut()).await {
                // The loop's head looks at everything that it may have been asked for.
                Woken::Asked => turn = Turn::Wait,
                // What the messages caused is settled before the task waits again.
                Woken::Readable => {
                    turn = self.read();
                    self.shard.settle();
                }
                // The socket takes more again: what waited goes out, together with what was written
                // meanwhile.
                Woken::Writable => {
                    self.shard.flush(connection);
                    turn = Turn::Wait;
                    self.shard.settle();
                }
                Woken::Broken => turn = Turn::End(Ending::remote(ConnectionReason::IoError)),
                Woken::Due => {
                    // Mostly the deadline was put off since the timer was set, and nothing is due.
                    turn = self.overdue().map_or(Turn::Wait, Turn::End);
                    sleep.as_mut().reset(self.next_deadline().into());
                }
            }
        }
    }

    /// Closes this side. The far end closes when it has read that; until then what comes is carried through as ever.
    fn part(&self) {
        self.connection.stop_writing(&self.shard.buffers);
        let link = self.connection.id;
        self.shard.later(LinkEvent::Leaving { link });
        self.shard.settle();
    }

    /// By the limits of the generation that is current.
    fn next_deadline(&self) -> Instant {
        self.connection.next_deadline(&self.shard.limits())
    }

    /// Acts on the deadlines that have passed; returns the end if one of them is that.
    fn overdue(&self) -> Option<Ending> {
        let (connection, shard) = (&self.connection, &self.shard);
        let (now, limits) = (clock::now(), shard.limits());
        // Several may have passed at once, after the machine slept, say.
        while let Some(due) = connection.due(&limits, now) {
            match due {
                Due::End(ending) => return Some(ending),
                Due::Confirm => shard.confirm(connection),
                Due::Resume => shard.resume(connection, now),
                Due::Nudge => {
                    connection.nudged.set(now);
                    shard.flush_queue.write(connection, PONG, &shard.buffers);
                    shard.flush_soon();
                }
                Due::KeepAlive => match connection.keep_alive.due(now) {
                    KeepAliveDue::Nothing => {}
                    KeepAliveDue::Ping => {
                        shard.flush_queue.ping(connection, &shard.buffers);
                        shard.flush_soon();
                    }
                    KeepAliveDue::Dead => return Some(Ending::local(ConnectionReason::NoPong)),
                },
            }
        }
        None
    }

    /// One turn: reads what has come, frames it, and carries each message through.
    fn read(&self) -> Turn {
        let (connection, shard) = (&self.connection, &self.shard);
        let now = clock::now();
        // One look at the clock serves all messages of the turn.
        let (mut buffer, mut framer) = connection.take_unread();
        if buffer.capacity() == 0 {
            buffer = shard.buffers.take();
        }
        let mut turn = Turn::Again;
        for _ in 0..READS_PER_TURN {
            match connection.fill(&mut buffer, &shard.buffers) {
                Fill::Data => {}
                Fill::Empty => {
                    turn = Turn::Wait;
                    break;
                }
                Fill::End(ending) => {
                    if !buffer.is_empty() {
                        shard.confirm(connection);
                    }
                    // What came before the end counts: a last BYE, say, before the close_notify.
                    self.frames(&mut buffer, &mut framer, now);
                    turn = Turn::End(ending);
                    break;
                }
            }
            // Anything that comes after the handshake, tickets too, proves that the server accepts this node's certificate.
            if !buffer.is_empty() || connection.has_tickets() {
                shard.confirm(connection);
            }
            self.frames(&mut buffer, &mut framer, now);
            // Closed by what was just read, such as a message that breaks the framing.
            if let Some(ending) = connection.closing() {
                turn = Turn::End(ending);
                break;
            }
        }
        if connection.rate.is_due(connection.messages_in.get()) {
            shard.look_at_rate(connection, now);
        }
        shard.flush_soon();
        // No message waits here, but rustls may have an answer of its own, such as to a key update (RFC 8446 §4.6.3).
        if connection.has_unsent_records() {
            shard.flush(connection);
        }
        if connection.keep_unread(buffer, framer, &shard.buffers) {
            shard.look_at_memory(connection);
        }
        turn
    }

    /// Takes every complete message off the front of `buffer`.
    fn frames(&self, buffer: &mut Vec<u8>, framer: &mut Framer, now: Instant) {
        let (connection, shard) = (&self.connection, &self.shard);
        // Copied out once for all messages of the read.
        let mut limits = shard.frame_limits();
        // A whole message may be the body of another one there.
        if connection.is_other_process() {
            limits.body += limits.head;
        }
        // The table of a message's lines is filled anew by each scan, without an allocation of its own.
        let mut table = LineTable::default();
        if !buffer.is_empty() {
            connection.keep_alive.heard(now);
        }
        let mut at = 0;
        // Pings of one read share their answer.
        let mut ponged = false;
        let mut phase = Phase::Idle;
        // A message may close its own connection; what follows it is not read any more.
        while at < buffer.len() && connection.closing().is_none() {
            // The framer knows how far it has scanned an incomplete message, so that a slow one is not
            // scanned twice.
            let rest = buffer.get(at..).unwrap_or_default();
            match framer.scan(rest, &limits, &mut table) {
                Ok(Scan::Message(message)) => {
                    at += message.bytes().len();
                    self.count_message(now);
                    shard.trace(TraceDirection::Received, connection, message.bytes());
                    let origin = connection.origin.borrow();
                    shard.on_message(&origin, &message, now);
                }
                Ok(Scan::Ping(length)) => {
                    at += length;
                    connection.active.set(now);
                    // At most one answer to what came in one read: a flood of pings is no flood of pongs.
                    if !std::mem::replace(&mut ponged, true) {
                        shard.flush_queue.write(connection, PONG, &shard.buffers);
                    }
                }
                // An empty line before a message (RFC 3261 §7.5), or the answer to a ping of this node.
                Ok(Scan::Skip(length)) => {
                    at += length;
                    connection.active.set(now);
                }
                Ok(Scan::Incomplete(reached)) => {
                    phase = reached;
                    break;
                }
                Err(error) => {
                    shard.trace(TraceDirection::Received, connection, rest);
                    let origin = connection.origin.borrow();
                    shard.on_unframed(&origin, &error, rest, now);
                    // Where the next message begins cannot be known.
                    at = buffer.len();
                }
            }
        }
        // One move of what is left, after all messages of the read.
        buffer.drain(..at);
        // Only when little is left: shrinking copies.
        if buffer.capacity() > LARGE_BUFFER && buffer.len() < SMALL_BUFFER {
            buffer.shrink_to(SMALL_BUFFER);
        }
        self.note_partial(phase, at > 0, now);
    }

    /// Counts a message. The first on a dialled connection shows that the peer accepts this node for good.
    fn count_message(&self, now: Instant) {
        let connection = &self.connection;
        let count = connection.messages_in.get() + 1;
        connection.messages_in.set(count);
        connection.active.set(now);
        if count == 1
            && connection.opened == Opened::Dialled
            && let Some(peer) = &connection.peer
        {
            self.shard
                .dialler
                .succeeded(peer, connection.covered_name());
        }
    }

    /// Notes since when a message has been incomplete. A message that stays so keeps its time: bytes that trickle in
    /// must not put its deadline off.
    fn note_partial(&self, phase: Phase, progress: bool, now: Instant) {
        let partial = &self.connection.partial;
        let in_body = match phase {
            // Not even a record is whole, or a handshake message that nobody has reason to send in parts.
            Phase::Idle if self.connection.is_partial() => false,
            Phase::Idle => return partial.set(None),
            Phase::Head => false,
            Phase::Body { .. } => true,
        };
        let since = match partial.get() {
            Some(earlier) if !progress => earlier.since,
            Some(_) | None => now,
        };
        partial.set(Some(Partial { since, in_body }));
    }
}
