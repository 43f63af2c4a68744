//! One live connection, from the end of its handshake to its close: its own task reads, anyone in the shard may write.
use super::alert::alert_reason;
use super::keep_alive::{Due, KeepAlive};
use super::last_word::is_gone;
use super::late::{PING, Unconfirmed};
use super::session::{Fill, Session};
use super::shard::Shard;
use super::signal::Signal;
use crate::proxy::{Identity, LinkEvent, LinkId, Origin};
use crate::reason::{ConnectionReason, Reason};
use crate::sip::{Framer, LineTable, Message, Phase, Scan};
use crate::topology::{Direction, IdentityRef};
use crate::trust::ClientId;
use rustls::AlertDescription;
use rustls_pki_types::CertificateDer;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// Reads per turn before other connections get theirs.
const READS_PER_TURN: usize = 4;

/// From a write that found nobody to the end: the reader learns of a reset in the next turn of the runtime.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Why a connection ends, and by whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ending {
    pub(super) by: &'static str,
    pub(super) reason: Reason,
    /// The alert that the other side sent, if that ended it.
    pub(super) alert: Option<AlertDescription>,
}

/// Where a connection came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Via {
    /// The listener with this index.
    Listener(usize),
    /// We dialled.
    Dialled,
}

/// One live connection.
pub(super) struct Link {
    pub(super) id: LinkId,
    /// For the log: unique in this run.
    pub(super) number: u64,
    pub(super) origin: RefCell<Origin>,
    /// FQDN of the peer; `None`: a client.
    pub(super) peer: Option<Rc<str>>,
    /// What is made of the certificate that a client has shown.
    pub(super) client: RefCell<Option<ClientId>>,
    pub(super) via: Via,
    /// What they presented, to be judged again after a reload.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// Which of our identities was shown (dialled), with its leaf.
    pub(super) shown: Option<(IdentityRef, CertificateDer<'static>)>,
    tcp: TcpStream,
    session: RefCell<Session>,
    /// Wakes its task: to close, or to wait for the socket.
    wake: Signal,
    blocked: Cell<bool>,
    dirty: Cell<bool>,
    full: Cell<bool>,
    /// A write has found the other side gone, at this instant: what it said last is still read, nothing more is written.
    deaf: Cell<Option<Instant>>,
    /// Ended by us when what is queued has been sent.
    closing: Cell<Option<Ending>>,
    /// Withdrawn: closed when nothing runs on it any more, or at the instant given; with the reason of the trust.
    pub(super) withdrawn: Cell<Option<(Instant, Reason)>>,
    /// Other shards that have sent to it.
    pub(super) lent: RefCell<u64>,
    pub(super) messages_in: Cell<u64>,
    pub(super) messages_out: Cell<u64>,
    opened: Instant,
    active: Cell<Instant>,
    partial: Cell<Option<(Instant, bool)>>,
    /// We dialled, and their verdict on our certificate is still out.
    pub(super) unconfirmed: RefCell<Option<Box<Unconfirmed>>>,
    /// Pings that we send, where the topology asks for them.
    pub(super) keep_alive: KeepAlive,
}

/// A finished handshake: what a connection begins with.
pub(super) struct Arrival {
    /// For the log.
    pub(super) number: u64,
    pub(super) identity: Identity,
    pub(super) client: Option<ClientId>,
    pub(super) via: Via,
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) shown: Option<(IdentityRef, CertificateDer<'static>)>,
    pub(super) tcp: TcpStream,
    pub(super) tls: rustls::Connection,
    pub(super) remote: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) unconfirmed: Option<Box<Unconfirmed>>,
}

/// What becomes of the connection's task after a turn.
enum Turn {
    Wait,
    Again,
    End(Ending),
}

/// What a connection's task was woken for.
enum Woken {
    /// By the shard: to close, or to look at its deadlines and at what blocks it.
    Asked,
    Readable,
    /// While something waits to be sent.
    Writable,
    /// The socket is beyond use.
    Broken,
    /// A deadline has come.
    Due,
}

impl Link {
    pub(super) fn new(id: LinkId, arrival: Arrival, now: Instant) -> Self {
        let Arrival {
            number,
            identity,
            client,
            via,
            chain,
            shown,
            tcp,
            tls,
            remote,
            local,
            unconfirmed,
        } = arrival;
        let peer = match &identity {
            Identity::Peer(id) => id.decision().peer_fqdn.as_deref().map(Rc::from),
            Identity::Client => None,
        };
        Self {
            id,
            number,
            origin: RefCell::new(Origin {
                link: id,
                identity,
                remote,
                local,
                asked: 0,
            }),
            peer,
            client: RefCell::new(client),
            via,
            chain,
            shown,
            tcp,
            session: RefCell::new(Session::new(tls)),
            wake: Signal::default(),
            blocked: Cell::new(false),
            dirty: Cell::new(false),
            full: Cell::new(false),
            deaf: Cell::new(None),
            closing: Cell::new(None),
            withdrawn: Cell::new(None),
            lent: RefCell::new(0),
            messages_in: Cell::new(0),
            messages_out: Cell::new(0),
            opened: now,
            active: Cell::new(now),
            partial: Cell::new(None),
            unconfirmed: RefCell::new(unconfirmed),
            keep_alive: KeepAlive::new(now),
        }
    }

    pub(super) fn remote(&self) -> SocketAddr {
        self.origin.borrow().remote
    }

    pub(super) fn direction(&self) -> Direction {
        match self.via {
            Via::Listener(_) => Direction::Inbound,
            Via::Dialled => Direction::Outbound,
        }
    }

    pub(super) fn is_client(&self) -> bool {
        self.peer.is_none()
    }

    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    /// Ends the connection from our side, once: what is queued is sent first, if the socket takes it.
    pub(super) fn close(&self, reason: impl Into<Reason>) {
        if self.closing.get().is_none() {
            self.closing.set(Some(ours(reason)));
            self.wake.give();
        }
    }

    /// Wakes the task so that it looks at its deadlines again.
    pub(super) fn nudge(&self) {
        self.wake.give();
    }

    /// Queues one message; it leaves with the next flush. Gives whether the link must be flushed.
    pub(super) fn write(&self, octets: &[u8], shard: &Shard) -> bool {
        self.session.borrow_mut().gather(octets, shard);
        shard.gathered(octets.len());
        !self.dirty.replace(true)
    }

    /// What was written so far shares no TLS record with what follows; it still leaves with the next flush.
    pub(super) fn end_record(&self, shard: &Shard) {
        self.session.borrow_mut().encrypt(shard);
    }

    /// Queues a ping; it leaves with the next flush, and the answer is no ping of theirs.
    pub(super) fn ping(&self, shard: &Shard) {
        self.write(PING, shard);
        // Tools that decode what we send look for a message at a record's beginning.
        self.end_record(shard);
        self.session.borrow_mut().framer.expect_pong();
    }

    /// Hands what the session holds to the socket, as far as that takes it.
    pub(super) fn flush(&self, shard: &Shard) {
        self.dirty.set(false);
        let mut session = self.session.borrow_mut();
        if self.deaf.get().is_some() {
            return session.forget(shard);
        }
        session.encrypt(shard);
        let blocked = match session.send(&self.tcp) {
            Ok(blocked) => blocked,
            Err(error) if is_gone(&error) => {
                // Their alert, or messages, may lie in the socket: the reader ends the connection.
                self.deaf.set(Some(super::clock::now()));
                self.blocked.set(false);
                self.wake.give();
                return;
            }
            Err(_) => {
                if self.closing.get().is_none() {
                    self.closing.set(Some(theirs(ConnectionReason::IoError)));
                }
                self.wake.give();
                return;
            }
        };
        if self.blocked.replace(blocked) != blocked && blocked {
            self.wake.give();
        }
        let bound = shard.send_queue();
        if session.queued() > bound * 2 {
            if self.closing.get().is_none() {
                self.closing
                    .set(Some(ours(ConnectionReason::SendQueueFull)));
                self.wake.give();
            }
        } else if session.queued() > bound && !self.full.replace(true) {
            shard.later(LinkEvent::Full { link: self.id });
        } else if session.queued() <= bound / 2 && self.full.replace(false) {
            shard.later(LinkEvent::Clear { link: self.id });
        }
    }

    /// The connection's own task: from the end of the handshake to the close.
    pub(super) async fn run(self: Rc<Self>, shard: Rc<Shard>) {
        let ending = self.serve(&shard).await;
        self.finish(&shard, ending);
    }

    async fn serve(&self, shard: &Rc<Shard>) -> Ending {
        let mut sleep = std::pin::pin!(tokio::time::sleep_until(self.deadline(shard).into()));
        // What came with the last handshake flight is in the session already.
        let mut turn = self.read(shard);
        loop {
            match turn {
                Turn::End(ending) => return ending,
                Turn::Again => {
                    tokio::task::yield_now().await;
                    turn = self.read(shard);
                    continue;
                }
                Turn::Wait => {}
            }
            if let Some(ending) = self.closing.get() {
                return ending;
            }
            let deadline = self.deadline(shard).into();
            if deadline < sleep.deadline() {
                sleep.as_mut().reset(deadline);
            }
            match self.woken(sleep.as_mut()).await {
                Woken::Asked => turn = Turn::Wait,
                Woken::Readable => {
                    turn = self.read(shard);
                    shard.settle();
                }
                Woken::Writable => {
                    self.flush(shard);
                    turn = Turn::Wait;
                    shard.settle();
                }
                Woken::Broken => turn = Turn::End(theirs(ConnectionReason::IoError)),
                Woken::Due => {
                    turn = match self.overdue(shard) {
                        _ if self.unheard() => Turn::End(theirs(ConnectionReason::IoError)),
                        Some(reason) => Turn::End(ours(reason)),
                        None => Turn::Wait,
                    };
                    sleep.as_mut().reset(self.deadline(shard).into());
                }
            }
        }
    }

    /// What happens next. By hand and not by `select!` over `ready`: those enter and leave a locked list of waiters at
    /// each message.
    async fn woken(&self, mut sleep: Pin<&mut Sleep>) -> Woken {
        poll_fn(|context| {
            if self.wake.poll(context).is_ready() {
                return Poll::Ready(Woken::Asked);
            }
            if self.blocked.get()
                && let Poll::Ready(ready) = self.tcp.poll_write_ready(context)
            {
                return Poll::Ready(ready.map_or(Woken::Broken, |()| Woken::Writable));
            }
            if let Poll::Ready(ready) = self.tcp.poll_read_ready(context) {
                return Poll::Ready(ready.map_or(Woken::Broken, |()| Woken::Readable));
            }
            sleep.as_mut().poll(context).map(|()| Woken::Due)
        })
        .await
    }

    /// Reads what has come, frames it, and carries each message through to its outgoing socket.
    fn read(&self, shard: &Rc<Shard>) -> Turn {
        let now = super::clock::now();
        let (mut buffer, mut framer) = {
            let mut session = self.session.borrow_mut();
            (std::mem::take(&mut session.buffer), session.framer)
        };
        if buffer.capacity() == 0 {
            buffer = shard.take_buffer();
        }
        let mut turn = Turn::Again;
        for _ in 0..READS_PER_TURN {
            match self.fill(&mut buffer, shard) {
                Fill::Data => {}
                Fill::Empty => {
                    turn = Turn::Wait;
                    break;
                }
                Fill::End(ending) => {
                    if !buffer.is_empty() {
                        self.confirm(shard);
                    }
                    self.frames(&mut buffer, &mut framer, now, shard);
                    turn = Turn::End(ending);
                    break;
                }
            }
            if !buffer.is_empty() || self.has_tickets() {
                self.confirm(shard);
            }
            self.frames(&mut buffer, &mut framer, now, shard);
            if let Some(ending) = self.closing.get() {
                turn = Turn::End(ending);
                break;
            }
        }
        shard.flush_soon();
        // Nothing of ours, but the session may have something to say (a key update's answer).
        if !self.blocked.get() && self.session.borrow().wants_write() {
            self.flush(shard);
        }
        if buffer.is_empty() {
            shard.give_buffer(buffer);
        } else {
            self.session.borrow_mut().buffer = buffer;
        }
        self.session.borrow_mut().framer = framer;
        turn
    }

    /// One read from the socket through the session into `buffer`.
    fn fill(&self, buffer: &mut Vec<u8>, shard: &Shard) -> Fill {
        let deaf = self.deaf.get().is_some();
        self.session
            .borrow_mut()
            .fill(&self.tcp, buffer, shard, deaf)
    }

    /// They have sent something after the handshake, or been silent for long enough: our certificate was accepted.
    fn confirm(&self, shard: &Shard) {
        if let Some(unconfirmed) = self.unconfirmed.take() {
            shard.confirmed(self, *unconfirmed);
        }
    }

    /// Whether session tickets came: they follow the server's look at our certificate (RFC 8446 §4.6.1).
    fn has_tickets(&self) -> bool {
        self.unconfirmed.borrow().is_some() && self.session.borrow().has_tickets()
    }

    /// Takes every complete message off the front of `buffer`.
    fn frames(&self, buffer: &mut Vec<u8>, framer: &mut Framer, now: Instant, shard: &Rc<Shard>) {
        let limits = shard.frame_limits();
        let mut table = LineTable::default();
        if !buffer.is_empty() {
            self.keep_alive.heard(now);
        }
        let mut at = 0;
        let mut ponged = false;
        let mut phase = Phase::Idle;
        while at < buffer.len() && self.closing.get().is_none() {
            let rest = buffer.get(at..).unwrap_or_default();
            match framer.scan(rest, &limits, &mut table) {
                Ok(Scan::Message(message)) => {
                    at += message.bytes().len();
                    self.messages_in.set(self.messages_in.get() + 1);
                    self.active.set(now);
                    if self.messages_in.get() == 1
                        && self.via == Via::Dialled
                        && let Some(peer) = &self.peer
                    {
                        shard.dialled_well(peer);
                    }
                    let origin = self.origin.borrow();
                    shard.on_message(&origin, &message, now);
                }
                Ok(Scan::Ping(length)) => {
                    at += length;
                    self.active.set(now);
                    // RFC 5626 §4.4.1; at most one answer to what came in one read.
                    if !std::mem::replace(&mut ponged, true) && self.write(b"\r\n", shard) {
                        shard.mark_dirty(self.id);
                    }
                }
                Ok(Scan::Skip(length)) => {
                    at += length;
                    self.active.set(now);
                }
                Ok(Scan::Incomplete(reached)) => {
                    phase = reached;
                    break;
                }
                Err(error) => {
                    let origin = self.origin.borrow();
                    shard.on_unframed(&origin, &error, rest, now);
                    at = buffer.len();
                }
            }
        }
        buffer.drain(..at);
        if buffer.capacity() > 64 * 1024 && buffer.len() < 16 * 1024 {
            buffer.shrink_to(16 * 1024);
        }
        let body = match phase {
            Phase::Idle => return self.partial.set(None),
            Phase::Head => false,
            Phase::Body { .. } => true,
        };
        let since = match self.partial.get() {
            Some((since, _)) if at == 0 => since,
            Some(_) | None => now,
        };
        self.partial.set(Some((since, body)));
    }

    /// When this connection must be looked at again.
    fn deadline(&self, shard: &Shard) -> Instant {
        let limits = shard.limits();
        let mut deadline = self.opened + Duration::from_secs(86_400 * 365);
        if self.is_client() {
            deadline = if self.messages_in.get() == 0 {
                self.opened + limits.first_message
            } else {
                self.active.get() + limits.client_idle
            };
        }
        if let Some((since, body)) = self.partial.get() {
            deadline = deadline.min(
                since
                    + if body {
                        limits.body_timeout
                    } else {
                        limits.head_timeout
                    },
            );
        }
        if let Some((until, _)) = self.withdrawn.get() {
            deadline = deadline.min(until);
        }
        if let Some(unconfirmed) = &*self.unconfirmed.borrow() {
            deadline = deadline.min(unconfirmed.until);
        }
        if let Some(next) = self.keep_alive.next() {
            deadline = deadline.min(next);
        }
        if let Some(since) = self.deaf.get() {
            deadline = deadline.min(since + LAST_WORD);
        }
        deadline
    }

    /// Whether the other side is gone and the system has had its time to say so to the reader as well.
    fn unheard(&self) -> bool {
        let since = self.deaf.get();
        since.is_some_and(|since| super::clock::now() >= since + LAST_WORD)
    }

    /// The reason to close now, if a deadline has passed.
    fn overdue(&self, shard: &Shard) -> Option<ConnectionReason> {
        let now = super::clock::now();
        let limits = shard.limits();
        match self.keep_alive.due(now) {
            Due::Nothing => {}
            Due::Ask => {
                self.ping(shard);
                self.flush(shard);
            }
            Due::Dead => return Some(ConnectionReason::NoPong),
        }
        if self
            .unconfirmed
            .borrow()
            .as_ref()
            .is_some_and(|u| now >= u.until)
        {
            self.confirm(shard);
        }
        if let Some((since, body)) = self.partial.get() {
            let (bound, reason) = if body {
                (limits.body_timeout, ConnectionReason::BodyTimeout)
            } else {
                (limits.head_timeout, ConnectionReason::HeadTimeout)
            };
            if now >= since + bound {
                return Some(reason);
            }
        }
        if let Some((until, _)) = self.withdrawn.get()
            && now >= until
        {
            return Some(ConnectionReason::TrustWithdrawn);
        }
        if self.is_client() {
            if self.messages_in.get() == 0 {
                return (now >= self.opened + limits.first_message)
                    .then_some(ConnectionReason::NoFirstMessage);
            }
            return (now >= self.active.get() + limits.client_idle)
                .then_some(ConnectionReason::Idle);
        }
        None
    }

    fn finish(&self, shard: &Rc<Shard>, ending: Ending) {
        self.session.borrow_mut().finish(&self.tcp, shard);
        shard.link_ended(self, ending);
    }
}

/// An end that the other side has made.
pub(super) fn theirs(reason: impl Into<Reason>) -> Ending {
    Ending {
        by: "them",
        reason: reason.into(),
        alert: None,
    }
}

/// An end that the other side announced with a TLS alert.
pub(super) fn refused_by_alert(alert: AlertDescription) -> Ending {
    Ending {
        by: "them",
        reason: alert_reason(alert).into(),
        alert: Some(alert),
    }
}

/// An end that this side decided on.
fn ours(reason: impl Into<Reason>) -> Ending {
    Ending {
        by: "us",
        reason: reason.into(),
        alert: None,
    }
}

/// Parses a frame that another shard has handed over.
pub(super) fn reparse(octets: &[u8]) -> Option<Message<'_>> {
    Message::parse(octets).ok()
}
