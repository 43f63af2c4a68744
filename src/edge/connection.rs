//! One live connection: its state and its write side. It returns what happened and leaves to its shard what follows.
use super::buffers::Buffers;
use super::clock;
use super::ending::Ending;
use super::handshake_socket::is_gone;
use super::keep_alive::KeepAlive;
use super::layer::TlsOrPlain;
use super::opened::Opened;
use super::pause::Pause;
use super::rate::MessageRate;
use super::records::Records;
use super::session::{Fill, Session};
use super::signal::Signal;
use super::unconfirmed::{PING, Unconfirmed};
use crate::proxy::{Account, Hold, LinkId, OTHER_PROCESS, Origin, Party, RemoteIdentity};
use crate::reason::{ConnectionReason, Reason};
use crate::sip::Framer;
use crate::topology::{DnsName, IdentityRef};
use crate::trust::ClientId;
use rustls_pki_types::CertificateDer;
use socket2::SockRef;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// One live connection, from the end of its handshake to its close. Only its own task reads; everything in the shard
/// may write. All of it runs on the shard's thread, hence cells and no locks.
pub(super) struct Connection {
    /// How the core and other shards name it.
    pub(super) id: LinkId,
    /// For the log and for an operator: no other connection has it, in later runs neither.
    pub(super) number: u64,
    /// What the core is given with each message from here; the identity in it changes when a reload confirms it.
    pub(super) origin: RefCell<Origin>,
    /// Name of the peer; `None`: a client.
    pub(super) peer: Option<Rc<str>>,
    /// The decision on the certificate that a client has presented.
    pub(super) client: RefCell<Option<ClientId>>,
    /// The listener is the index of its bound socket.
    pub(super) opened: Opened<usize>,
    /// Which identity of this node was shown to a server, with its leaf: when that is replaced, the connection is too.
    pub(super) shown: Option<(IdentityRef, CertificateDer<'static>)>,
    /// A balancer's health check: its end has no line in the log.
    pub(super) is_check: bool,
    tcp: TcpStream,
    session: RefCell<Session>,
    /// Wakes its task: to close, to wait for the socket, or to look at its deadlines again.
    wake: Signal,
    /// The socket takes no more: its task waits until it does.
    blocked: Cell<bool>,
    /// Something was written since the last flush.
    unflushed: Cell<bool>,
    /// The core has heard that the send queue is full.
    full: Cell<bool>,
    /// When the socket last took something of a full queue.
    taken: Cell<Option<Instant>>,
    /// When a write found the remote side gone. Its last bytes, an alert maybe, are still read; nothing more is written.
    pub(super) remote_gone: Cell<Option<Instant>>,
    /// The end that its task should make.
    closing: Cell<Option<Ending>>,
    /// The end that its task should make when the far end has closed as well, or has had the time to.
    parting: Cell<Option<Ending>>,
    /// Since when nothing more is written for that.
    pub(super) parted: Cell<Option<Instant>>,
    /// Trust was withdrawn, for the reason given: it closes when nothing runs on it any more, or at that instant.
    pub(super) withdrawn: Cell<Option<(Instant, Reason)>>,
    /// The shards that have sent to it or got a message of it, a bit for each: they must learn of its end.
    pub(super) used_by: Cell<u64>,
    /// Framed messages that came, for the log and the first-message timeout.
    pub(super) messages_in: Cell<u64>,
    /// Messages that were written to it.
    pub(super) messages_out: Cell<u64>,
    /// The end of its handshake.
    pub(super) since: Instant,
    /// When a message or a ping last came; an idle client is closed by it.
    pub(super) active: Cell<Instant>,
    /// A client whose bindings end then: until then its silence does not end it.
    pub(super) kept_until: Cell<Option<Instant>>,
    /// When this node last sent such a client an empty line.
    pub(super) nudged: Cell<Instant>,
    /// A message, or what TLS makes data of, of which only a part has come.
    pub(super) partial: Cell<Option<Partial>>,
    /// The server's verdict on this node's certificate is still out.
    pub(super) unconfirmed: RefCell<Option<Box<Unconfirmed>>>,
    /// The pings that this node sends, where the topology asks for them.
    pub(super) keep_alive: KeepAlive,
    /// How many messages it has sent in a time.
    pub(super) rate: MessageRate,
    /// While its remote side sends too much.
    pub(super) pause: Pause,
    /// What it takes as long as it lives, in bytes.
    own: usize,
    /// That, what waits in its session, and the account for both.
    memory: RefCell<Option<(Hold, Hold, Rc<Account>)>>,
}

/// A server that has taken something of its full queue in this time reads, if slowly.
const READS: Duration = Duration::from_secs(2);
/// What a connection takes when it is idle and nothing was presented, in bytes: its session, its task and its places in
/// tables (measured by `cargo bench --bench load -- memory`).
const OWN: usize = 10 * 1024;

/// A finished handshake: what a connection begins with.
pub(super) struct Established {
    /// For the log.
    pub(super) number: u64,
    /// Who is there, by the decision.
    pub(super) identity: RemoteIdentity,
    pub(super) client: Option<ClientId>,
    /// Which side connected.
    pub(super) opened: Opened<usize>,
    /// What this node presented to a server.
    pub(super) shown: Option<(IdentityRef, CertificateDer<'static>)>,
    /// The socket, without a half-written record in it.
    pub(super) tcp: TcpStream,
    /// How far the handshake has read.
    pub(super) records: Records,
    /// The session, which may hold messages already that came with the last flight.
    pub(super) tls: TlsOrPlain,
    /// The remote address.
    pub(super) remote: SocketAddr,
    /// The local address, by which the core knows the listener that a client came through.
    pub(super) local: SocketAddr,
    /// A balancer's health check, by which nothing is logged.
    pub(super) is_check: bool,
    /// What is logged once the server has accepted this node's certificate.
    pub(super) unconfirmed: Option<Box<Unconfirmed>>,
    /// How often this node pings on it.
    pub(super) keep_alive: Option<Duration>,
}

/// What TLS keeps of what was presented, in bytes, for as long as the connection lives.
fn chain_bytes(layer: &TlsOrPlain) -> usize {
    let TlsOrPlain::Tls(tls) = layer else {
        return 0;
    };
    let chain = tls.peer_certificates().unwrap_or_default().iter();
    chain.map(|der| size_of_val(der) + der.len()).sum()
}

/// Since when a message has been incomplete. Head and body have bounds of their own: a head comes in one piece or
/// somebody is slow on purpose, a large body takes its time.
#[derive(Clone, Copy)]
pub(super) struct Partial {
    /// When its first byte came.
    pub(super) since: Instant,
    /// Whether its head is complete.
    pub(super) in_body: bool,
}

/// What a flush came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flushed {
    /// The socket has taken everything.
    Done,
    /// It has not; the connection's task goes on when it takes more.
    Blocked,
    /// More than the send queue's bound has gathered since the last flush: the core should choose other targets.
    Full,
    /// The queue is down to half its bound after it was full.
    Clear,
    /// Nothing more will be sent: the remote side is gone, or so far behind that the connection ends.
    Gone,
}

/// What a connection's task was woken for.
pub(super) enum Woken {
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

impl Connection {
    /// A connection that has just finished its handshake.
    pub(super) fn new(id: LinkId, established: Established, now: Instant) -> Self {
        let keep_alive = KeepAlive::new(now);
        keep_alive.start(established.keep_alive, established.number);
        let peer = match &established.identity {
            RemoteIdentity::Peer(id) => id.decision().peer_name.as_deref().map(Rc::from),
            RemoteIdentity::Client | RemoteIdentity::Vouched(_) => None,
            RemoteIdentity::OtherProcess => Some(Rc::from(OTHER_PROCESS)),
        };
        Self {
            id,
            number: established.number,
            origin: RefCell::new(Origin {
                link: id,
                identity: established.identity,
                remote: established.remote,
                local: established.local,
                asked: 0,
                held: None,
                number: established.number,
            }),
            peer,
            client: RefCell::new(established.client),
            opened: established.opened,
            shown: established.shown,
            is_check: established.is_check,
            own: OWN + chain_bytes(&established.tls),
            tcp: established.tcp,
            session: RefCell::new(Session::new(established.tls, established.records)),
            wake: Signal::default(),
            blocked: Cell::new(false),
            unflushed: Cell::new(false),
            full: Cell::new(false),
            taken: Cell::new(None),
            remote_gone: Cell::new(None),
            closing: Cell::new(None),
            parting: Cell::new(None),
            parted: Cell::new(None),
            withdrawn: Cell::new(None),
            used_by: Cell::new(0),
            messages_in: Cell::new(0),
            messages_out: Cell::new(0),
            since: now,
            active: Cell::new(now),
            kept_until: Cell::new(None),
            nudged: Cell::new(now),
            partial: Cell::new(None),
            unconfirmed: RefCell::new(established.unconfirmed),
            keep_alive,
            rate: MessageRate::new(now),
            pause: Pause::default(),
            memory: RefCell::default(),
        }
    }

    /// The address of the remote side.
    pub(super) fn remote(&self) -> SocketAddr {
        self.origin.borrow().remote
    }

    /// Looks at the TLS session, and at how many bytes wait for the socket, for an operator; `None`: there is no TLS.
    pub(super) fn session_state<T>(
        &self,
        look: impl FnOnce(&rustls::Connection, usize) -> T,
    ) -> Option<T> {
        let session = self.session.borrow();
        Some(look(session.tls()?, session.unsent()))
    }

    /// What the remote side presented, leaf first, to be decided on again; empty: nothing. A copy of what TLS keeps: one that
    /// each connection had would take twice the memory.
    pub(super) fn chain(&self) -> Vec<CertificateDer<'static>> {
        let chain = self.session_state(|tls, _| tls.peer_certificates().map(<[_]>::to_vec));
        chain.flatten().unwrap_or_default()
    }

    /// Whether the remote side has presented anything.
    pub(super) fn has_chain(&self) -> bool {
        self.own > OWN
    }

    /// Whether TLS has a part of a record, or of a handshake message that nobody has reason to send in parts.
    pub(super) fn is_partial(&self) -> bool {
        self.session.borrow().is_partial()
    }

    /// Whether the other process of this node is there.
    pub(super) fn is_other_process(&self) -> bool {
        matches!(self.origin.borrow().identity, RemoteIdentity::OtherProcess)
    }

    /// The name under which its peer was dialled, if that is one that the entry covers.
    pub(super) fn covered_name(&self) -> Option<DnsName> {
        match &self.origin.borrow().identity {
            RemoteIdentity::Peer(peer) => peer.name().cloned(),
            RemoteIdentity::Client | RemoteIdentity::OtherProcess | RemoteIdentity::Vouched(_) => {
                None
            }
        }
    }

    /// The identity of this node that was shown to who came in with a certificate.
    pub(super) fn identity(&self) -> Option<String> {
        match &self.origin.borrow().identity {
            RemoteIdentity::Peer(peer) => peer.decision().identity.clone(),
            RemoteIdentity::Client => {
                let client = self.client.borrow();
                client.as_ref().and_then(|c| c.decision().identity.clone())
            }
            RemoteIdentity::OtherProcess | RemoteIdentity::Vouched(_) => None,
        }
    }

    /// Whether nobody of the topology is there.
    pub(super) fn is_client(&self) -> bool {
        self.peer.is_none()
    }

    /// The first second in which its decision is no longer valid; `None`: it has no end.
    pub(super) fn decision_ends(&self) -> Option<u64> {
        let valid_until = match &self.origin.borrow().identity {
            RemoteIdentity::Peer(peer) => peer.decision().valid_until,
            RemoteIdentity::Client => {
                let client = self.client.borrow();
                client.as_ref().and_then(|c| c.decision().valid_until)
            }
            RemoteIdentity::OtherProcess | RemoteIdentity::Vouched(_) => None,
        };
        valid_until.map(|last| last.saturating_add(1))
    }

    /// Another shard has sent to it, or was handed a message of it: at its end that shard must learn of it.
    pub(super) fn is_used_by(&self, shard: u8) {
        self.used_by.set(self.used_by.get() | 1 << (shard & 63));
    }

    /// Whether it is a client that holds a binding, and until when; its task looks at its deadlines anew.
    pub(super) fn keep(&self, until: Option<Instant>) {
        self.kept_until.set(until);
        self.wake.notify();
    }

    // ---- its end ----

    /// Closes it from this side: what is queued is sent first, if the socket takes it. The first reason stays.
    pub(super) fn close(&self, reason: impl Into<Reason>) {
        self.end(Ending::local(reason));
    }

    /// Closes it from this side in the same way, but reads what its far end has sent before it knew.
    ///
    /// Nobody repeats an ACK, and few a BYE: over a connection that was merely closed they would be lost where both sides are
    /// well. The far end closes as soon as it has read the close_notify, so that this takes no longer than a round trip.
    pub(super) fn part(&self, reason: impl Into<Reason>) {
        if self.parting.get().is_none() {
            self.parting.set(Some(Ending::local(reason)));
            self.wake.notify();
        }
    }

    /// The end that was begun by [`Self::part`].
    pub(super) fn parting(&self) -> Option<Ending> {
        self.parting.get()
    }

    /// Whether it is closed from this side, or is about to be.
    pub(super) fn is_ending(&self) -> bool {
        self.closing.get().is_some() || self.parting.get().is_some()
    }

    /// From now on it is only read. A far end that goes on writing has [`super::deadlines`] end it.
    pub(super) fn stop_writing(&self, buffers: &Buffers) {
        self.finish(buffers);
        self.blocked.set(false);
        self.parted.set(Some(clock::now()));
        // One that is gone is found to be by the next read.
        let _ = SockRef::from(&self.tcp).shutdown(Shutdown::Write);
    }

    /// Notes the end and wakes its task; the first end stays.
    fn end(&self, ending: Ending) {
        if self.closing.get().is_none() {
            self.closing.set(Some(ending));
            self.wake.notify();
        }
    }

    /// The end that its task should make now.
    pub(super) fn closing(&self) -> Option<Ending> {
        self.closing.get()
    }

    /// Wakes its task, so that it looks at its deadlines again.
    pub(super) fn wake(&self) {
        self.wake.notify();
    }

    // ---- what it sends ----

    /// Takes one message; it leaves with the next flush. Returns whether it is the first since the last flush.
    pub(super) fn write(&self, bytes: &[u8], buffers: &Buffers) -> bool {
        self.session.borrow_mut().gather(bytes, buffers);
        !self.unflushed.replace(true)
    }

    /// Takes a ping; it leaves with the next flush, and what answers it is no ping of the remote side. Returns as
    /// [`Self::write`] does.
    pub(super) fn ping(&self, buffers: &Buffers) -> bool {
        let first = self.write(PING, buffers);
        let mut session = self.session.borrow_mut();
        // Tools that decode captured traffic look for a message at the beginning of a record.
        session.encrypt(buffers);
        session.framer.expect_pong();
        first
    }

    /// Sends what was written, as far as the socket takes it. `bound` is `limits.send_queue`, in bytes.
    pub(super) fn flush(&self, buffers: &Buffers, bound: usize) -> Flushed {
        self.unflushed.set(false);
        let mut session = self.session.borrow_mut();
        if self.remote_gone.get().is_some() || self.parted.get().is_some() {
            session.discard(buffers);
            return Flushed::Gone;
        }
        session.encrypt(buffers);
        let before = session.queued();
        let blocked = match session.send(&self.tcp) {
            Ok(blocked) => blocked,
            Err(error) => {
                if is_gone(&error) {
                    // An alert or messages may lie in the socket: the reading task ends the connection after them.
                    self.remote_gone.set(Some(clock::now()));
                    self.blocked.set(false);
                    self.wake.notify();
                } else {
                    self.end(Ending::remote(ConnectionReason::IoError));
                }
                return Flushed::Gone;
            }
        };
        // The task must wait for the socket from now on, and knows of it only when it is woken.
        if !self.blocked.replace(blocked) && blocked {
            self.wake.notify();
        }
        self.count_memory(&session);
        let queued = session.queued();
        let is_long = queued > bound;
        // A server is given the time to read: much may have gathered since the last flush.
        if is_long && (queued < before || !self.full.get()) {
            self.taken.set(Some(clock::now()));
        }
        if queued > bound * 2 && !self.is_behind() {
            // Full was reported long ago; who still reads nothing is not worth the memory.
            self.end(Ending::local(ConnectionReason::SendQueueFull));
            Flushed::Gone
        } else if is_long && !self.full.replace(true) {
            Flushed::Full
        } else if queued <= bound / 2 && self.full.replace(false) {
            Flushed::Clear
        } else if blocked {
            Flushed::Blocked
        } else {
            Flushed::Done
        }
    }

    /// Whether the remote is a server that still reads.
    ///
    /// Its connection carries the calls of many, and what is not refused to it while its queue is long are the answers that it
    /// has asked for. What that may come to is bounded by what is kept for a peer.
    fn is_behind(&self) -> bool {
        let reads = |at| clock::now().saturating_duration_since(at) < READS;
        !self.is_client() && self.taken.get().is_some_and(reads)
    }

    /// Whether the session itself has something to send, such as the answer to a key update, that no flush is due for.
    pub(super) fn has_unsent_records(&self) -> bool {
        !self.blocked.get() && self.parted.get().is_none() && self.session.borrow().wants_write()
    }

    /// Sends what is left and a close_notify (RFC 8446 §6.1).
    pub(super) fn finish(&self, buffers: &Buffers) {
        self.session.borrow_mut().finish(&self.tcp, buffers);
    }

    // ---- what its task reads ----

    /// What happens next. Written by hand and not as `select!` over `ready`: those enter and leave a locked list of
    /// waiters at each message.
    pub(super) async fn woken(&self, mut sleep: Pin<&mut Sleep>) -> Woken {
        poll_fn(|context| {
            if self.wake.poll(context).is_ready() {
                return Poll::Ready(Woken::Asked);
            }
            if self.blocked.get()
                && let Poll::Ready(ready) = self.tcp.poll_write_ready(context)
            {
                return Poll::Ready(ready.map_or(Woken::Broken, |()| Woken::Writable));
            }
            if !self.pause.is_on()
                && let Poll::Ready(ready) = self.tcp.poll_read_ready(context)
            {
                return Poll::Ready(ready.map_or(Woken::Broken, |()| Woken::Readable));
            }
            sleep.as_mut().poll(context).map(|()| Woken::Due)
        })
        .await
    }

    /// The incomplete message from the last read and how far it was scanned. The session is then free for what the
    /// messages of this read make others write to it.
    pub(super) fn take_unread(&self) -> (Vec<u8>, Framer) {
        let mut session = self.session.borrow_mut();
        (std::mem::take(&mut session.buffer), session.framer)
    }

    /// Keeps what [`Self::take_unread`] should return next time, and returns whether that or TLS has a part of anything; a
    /// buffer with nothing in it goes back to the shard's.
    pub(super) fn keep_unread(&self, buffer: Vec<u8>, framer: Framer, buffers: &Buffers) -> bool {
        let mut session = self.session.borrow_mut();
        let is_empty = buffer.is_empty();
        if !is_empty {
            session.buffer = buffer;
        } else {
            buffers.put_back(buffer);
        }
        session.framer = framer;
        self.count_memory(&session);
        !is_empty || session.is_partial()
    }

    // ---- what is kept for it ----

    /// From now on it counts for the party of this account.
    pub(super) fn count_for(&self, account: &Rc<Account>) {
        let own = account.beside().hold(self.own);
        let mut memory = self.memory.borrow_mut();
        *memory = Some((own, account.hold(0), Rc::clone(account)));
    }

    /// What waits in its session.
    fn count_memory(&self, session: &Session) {
        if let Some((_, waiting, _)) = &mut *self.memory.borrow_mut() {
            waiting.resize(session.memory());
        }
    }

    /// Whose it is, and what all of that party holds.
    pub(super) fn party(&self) -> Option<(Party, usize)> {
        let memory = self.memory.borrow();
        let (_, _, account) = memory.as_ref()?;
        Some((account.party(), account.party_bytes()))
    }

    /// What would be free without it, its requests included.
    pub(super) fn memory(&self) -> usize {
        let memory = self.memory.borrow();
        memory
            .as_ref()
            .map_or(0, |(_, _, account)| self.own + account.bytes())
    }

    /// One read from the socket, decrypted into `buffer`.
    pub(super) fn fill(&self, buffer: &mut Vec<u8>, buffers: &Buffers) -> Fill {
        let remote_gone = self.remote_gone.get().is_some();
        let mut session = self.session.borrow_mut();
        session.fill(&self.tcp, buffer, buffers, remote_gone)
    }

    /// Whether the server has sent session tickets, which follow its look at the certificate (RFC 8446 §4.6.1).
    pub(super) fn has_tickets(&self) -> bool {
        self.unconfirmed.borrow().is_some() && self.session.borrow().has_tickets()
    }
}

#[cfg(test)]
mod tests;
