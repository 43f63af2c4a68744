//! One shard: a single-threaded runtime that owns its connections and one proxy core, and shares nothing on the way of a
//! message.
use super::buffers::Buffers;
use super::failed::Failure;
use super::handshake::Greeting;
use super::inbox::{Inboxes, ShardMessage};
use super::inventory::Downs;
use super::judge::Docket;
use super::link::{Ending, Link};
use super::outbound::Dialler;
use super::resolver::Names;
use super::signal::Signal;
use super::slots::Slots;
use super::tally::Tally;
use super::tls::TlsConfigs;
use super::{EdgeError, EdgeStatus, clock};
use crate::observe::{Event, Log};
use crate::proxy::{
    Action, Actions, Core, CoreSetup, LinkEvent, LinkId, Origin, Tables, TokenKeys,
};
use crate::reason::{ConnectionReason, DaemonReason, Reason};
use crate::sip::{FrameError, FrameLimits, Message};
use crate::topology::Limits;
use crate::trust::SeenChains;
use std::cell::{Cell, Ref, RefCell, RefMut};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

/// Octets that may gather in all links before they are written although other connections wait to be read.
const GATHERED: usize = 64 * 1024;
/// A core deadline that comes sooner than the armed one by less than this waits for it.
const SLACK: Duration = Duration::from_millis(20);

/// What a shard's thread is born with.
pub(super) struct ShardSetup {
    pub(super) index: u8,
    pub(super) core: CoreSetup,
    pub(super) tables: Arc<Tables>,
    pub(super) keys: Arc<TokenKeys>,
    pub(super) log: Log,
    pub(super) tally: Arc<Tally>,
    pub(super) inboxes: Arc<Inboxes>,
    pub(super) inbox: mpsc::Receiver<ShardMessage>,
    /// Inbound connections in this shard, for the acceptor's choice.
    pub(super) load: Arc<AtomicUsize>,
    pub(super) sources: Arc<super::sources::Sources>,
    /// The bound listeners' names, in the order of their sockets.
    pub(super) listeners: Arc<[String]>,
    pub(super) seen: Arc<SeenChains>,
}

/// One shard.
pub(super) struct Shard {
    pub(super) index: u8,
    pub(super) log: Log,
    inboxes: Arc<Inboxes>,
    core: RefCell<Core>,
    actions: Cell<Actions>,
    later: RefCell<VecDeque<LinkEvent>>,
    links: RefCell<Slots>,
    /// Links that something was written to since the last flush, how many octets in all, and what wakes the flush.
    dirty: RefCell<Vec<Rc<Link>>>,
    gathered: Cell<usize>,
    flush: Signal,
    buffers: Buffers,
    tls: RefCell<Rc<TlsConfigs>>,
    limits: RefCell<Rc<Limits>>,
    pub(super) dialler: Dialler,
    pub(super) docket: Docket,
    names: RefCell<Rc<Names>>,
    /// Live links by peer, for up and down.
    peers: RefCell<HashMap<Rc<str>, usize>>,
    armed: Cell<Option<Instant>>,
    rearm: Signal,
    pub(super) handshakes: Cell<usize>,
    pub(super) load: Arc<AtomicUsize>,
    pub(super) sources: Arc<super::sources::Sources>,
    /// No new connections: the node drains.
    pub(super) stop: CancellationToken,
    pub(super) tally: Arc<Tally>,
    pub(super) listeners: Arc<[String]>,
    seen: Arc<SeenChains>,
    /// A connection or a handshake has ended.
    pub(super) ended: Notify,
    drained: Notify,
    pub(super) downs: Downs,
    numbers: Cell<u64>,
}

impl Shard {
    /// The shard's thread: runs until a `Stop` arrives.
    pub(super) fn run(setup: ShardSetup) -> Result<(), EdgeError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default())
            .map_err(EdgeError::Runtime)?;
        let generation = setup.tables.generation();
        let tls = TlsConfigs::build(generation, &setup.listeners, &setup.seen)?;
        let limits = generation.topology().limits().clone();
        let names = {
            let _entered = runtime.enter();
            Names::new(generation.topology().dns())
        };
        let ShardSetup {
            index,
            core,
            tables,
            keys,
            log,
            tally,
            inboxes,
            inbox,
            load,
            sources,
            listeners,
            seen,
        } = setup;
        let shard = Rc::new(Self {
            index,
            log,
            inboxes,
            core: RefCell::new(Core::new(core, tables, keys)),
            actions: Cell::default(),
            later: RefCell::default(),
            links: RefCell::default(),
            dirty: RefCell::default(),
            gathered: Cell::new(0),
            flush: Signal::default(),
            buffers: Buffers::default(),
            tls: RefCell::new(Rc::new(tls)),
            limits: RefCell::new(Rc::new(limits)),
            dialler: Dialler::default(),
            docket: Docket::default(),
            names: RefCell::new(Rc::new(names)),
            peers: RefCell::default(),
            armed: Cell::new(None),
            rearm: Signal::default(),
            handshakes: Cell::new(0),
            load,
            sources,
            stop: CancellationToken::new(),
            tally,
            listeners,
            seen,
            ended: Notify::new(),
            drained: Notify::new(),
            downs: Downs::default(),
            numbers: Cell::new(0),
        });
        // Pings are due before anything has come in.
        shard.armed.set(shard.core.borrow().next_deadline());
        runtime.block_on(async move {
            let clockwork = tokio::task::spawn_local(Self::clockwork(Rc::clone(&shard)));
            let flushing = tokio::task::spawn_local(Self::flush_loop(Rc::clone(&shard)));
            let dialling = tokio::task::spawn_local(Self::dial_loop(Rc::clone(&shard)));
            let calendar = tokio::task::spawn_local(Self::watch_calendar(Rc::clone(&shard)));
            Rc::clone(&shard).serve(inbox).await;
            clockwork.abort();
            flushing.abort();
            calendar.abort();
            dialling.abort();
        });
        Ok(())
    }

    async fn serve(self: Rc<Self>, mut inbox: mpsc::Receiver<ShardMessage>) {
        self.take_messages(&mut inbox).await;
        // What was handed out while the last connection closed.
        inbox.close();
        while let Ok(message) = inbox.try_recv() {
            if let ShardMessage::Accepted {
                remote, listener, ..
            } = message
            {
                let failure = Failure::refused(ConnectionReason::Draining);
                self.failed_inbound(remote, listener, Greeting::default(), failure);
            }
        }
    }

    async fn take_messages(self: &Rc<Self>, inbox: &mut mpsc::Receiver<ShardMessage>) {
        loop {
            let message = tokio::select! {
                biased;
                () = self.drained.notified() => return,
                message = inbox.recv() => match message {
                    Some(message) => message,
                    None => return,
                },
            };
            match message {
                ShardMessage::Accepted {
                    stream,
                    remote,
                    listener,
                    started,
                } => {
                    self.accepted(stream, remote, listener, started);
                }
                ShardMessage::Deliver {
                    link,
                    octets,
                    branch,
                    from,
                } => {
                    let mut sent = false;
                    if let Some(found) = self.link(link) {
                        *found.lent.borrow_mut() |= 1 << (from & 63);
                        found.messages_out.set(found.messages_out.get() + 1);
                        if found.write(&octets, self) {
                            self.dirty.borrow_mut().push(found);
                        }
                        sent = true;
                    }
                    if sent {
                        self.flush_soon();
                    } else {
                        self.inboxes.send(
                            from,
                            ShardMessage::Link(LinkEvent::Undeliverable { link, branch }),
                            &self.log,
                        );
                    }
                }
                ShardMessage::Message { origin, octets } => {
                    if let Some(message) = super::link::reparse(&octets) {
                        self.on_message(&origin, &message, clock::now());
                        self.flush_soon();
                    }
                }
                ShardMessage::Link(event) => {
                    self.later(event);
                    self.settle();
                }
                ShardMessage::Swap { tables, keys, done } => {
                    self.swap(tables, keys);
                    let _ = done.send(());
                }
                ShardMessage::Status { reply } => {
                    let _ = reply.send(self.status());
                }
                ShardMessage::Links { reply } => {
                    let _ = reply.send(self.live_links());
                }
                ShardMessage::Kick { which, reply } => {
                    let _ = reply.send(self.kick(&which));
                }
                ShardMessage::Drain { bound, done } => {
                    // Beside the inbox: what other shards hand over is part of what must finish.
                    let shard = Rc::clone(self);
                    tokio::task::spawn_local(async move {
                        let abandoned = shard.drain(bound).await;
                        let _ = done.send(abandoned);
                        shard.drained.notify_one();
                    });
                }
            }
        }
    }

    // ---- the core ----

    /// A framed message, carried through to the outgoing sockets' sessions.
    pub(super) fn on_message(&self, origin: &Origin, message: &Message<'_>, now: Instant) {
        self.feed(Some((origin, message.bytes())), |core, out| {
            core.on_message(origin, message, now, out)
        });
    }

    pub(super) fn on_unframed(
        &self,
        origin: &Origin,
        error: &FrameError,
        head: &[u8],
        now: Instant,
    ) {
        self.feed(None, |core, out| {
            core.on_unframed(origin, error, head, now, out)
        });
    }

    /// Queues a link event; it is fed when the current input has been carried out.
    pub(super) fn later(&self, event: LinkEvent) {
        self.later.borrow_mut().push_back(event);
    }

    /// Feeds what [`Self::later`] has queued; what it writes is flushed soon.
    pub(super) fn settle(&self) {
        loop {
            let Some(event) = self.later.borrow_mut().pop_front() else {
                break;
            };
            let now = clock::now();
            self.feed(None, |core, out| core.on_link(event, now, out));
        }
        self.flush_soon();
    }

    fn feed(&self, given: Option<(&Origin, &[u8])>, input: impl FnOnce(&mut Core, &mut Actions)) {
        let mut actions = self.actions.take();
        input(&mut self.core.borrow_mut(), &mut actions);
        for action in actions.list.drain(..) {
            match action {
                Action::Send {
                    link,
                    bytes,
                    branch,
                } => {
                    let octets = actions.bytes.get(bytes).unwrap_or_default();
                    if link.shard() == self.index {
                        if let Some(link) = self.links.borrow().get(link) {
                            link.messages_out.set(link.messages_out.get() + 1);
                            if link.write(octets, self) {
                                self.dirty.borrow_mut().push(Rc::clone(link));
                            }
                        }
                    } else {
                        let message = ShardMessage::Deliver {
                            link,
                            octets: octets.into(),
                            branch,
                            from: self.index,
                        };
                        if !self.inboxes.send(link.shard(), message, &self.log) {
                            self.later(LinkEvent::Undeliverable { link, branch });
                        }
                    }
                }
                Action::Connect { peer } => self.dialler.want(peer),
                Action::Close { link, reason } => {
                    if let Some(link) = self.links.borrow().get(link) {
                        link.close(reason);
                    }
                }
                Action::HandOver { shard, asked } => {
                    if let Some((origin, octets)) = given {
                        let origin = Box::new(Origin {
                            asked,
                            ..origin.clone()
                        });
                        self.inboxes.send(
                            shard,
                            ShardMessage::Message {
                                origin,
                                octets: octets.into(),
                            },
                            &self.log,
                        );
                    }
                }
                Action::Event(event) => self.log.record(event),
            }
        }
        // One large message must not keep its room for ever.
        if actions.bytes.capacity() > 256 * 1024 {
            actions.bytes = Vec::new();
        }
        actions.clear();
        self.actions.set(actions);
        let next = self.core.borrow().next_deadline();
        if let Some(next) = next
            && self.armed.get().is_none_or(|armed| next + SLACK < armed)
        {
            self.armed.set(Some(next));
            self.rearm.give();
        }
        self.close_finished();
    }

    /// Whether nothing of this shard's core runs on the link.
    pub(super) fn is_idle(&self, link: LinkId) -> bool {
        self.core.borrow().is_idle(link)
    }

    /// Fires the core's timers.
    async fn clockwork(self: Rc<Self>) {
        loop {
            match self.armed.get() {
                None => self.rearm.given().await,
                Some(at) => {
                    tokio::select! {
                        biased;
                        () = self.rearm.given() => continue,
                        () = tokio::time::sleep_until(at.into()) => {}
                    }
                    self.armed.set(None);
                    let now = clock::now();
                    self.feed(None, |core, out| core.on_deadline(now, out));
                    self.settle();
                    if self.armed.get().is_none() {
                        self.armed.set(self.core.borrow().next_deadline());
                    }
                }
            }
        }
    }

    // ---- connections ----

    pub(super) fn link(&self, id: LinkId) -> Option<Rc<Link>> {
        self.links.borrow().get(id).cloned()
    }

    pub(super) fn all_links(&self) -> Vec<Rc<Link>> {
        self.links.borrow().iter().cloned().collect()
    }

    pub(super) fn live(&self) -> usize {
        self.links.borrow().live()
    }

    /// A number for the log: shard and count, so that shards need not agree.
    pub(super) fn number(&self) -> u64 {
        self.numbers.set(self.numbers.get() + 1);
        u64::from(self.index) << 48 | self.numbers.get()
    }

    /// A connection has passed its handshake: enters it, and starts its task.
    pub(super) fn enter(self: &Rc<Self>, make: impl FnOnce(LinkId) -> Link, requests: bool) {
        let Some((slot, serial)) = self.links.borrow_mut().reserve() else {
            return;
        };
        let id = LinkId::new(self.index, slot, serial);
        let link = Rc::new(make(id));
        self.links.borrow_mut().occupy(Rc::clone(&link));
        if link.unconfirmed.borrow().is_none() {
            self.count_peer_up(&link);
        } else {
            link.ping(self);
            self.dirty.borrow_mut().push(Rc::clone(&link));
        }
        self.note_end(&link);
        let identity = link.origin.borrow().identity.clone();
        self.later(LinkEvent::Up {
            link: id,
            identity,
            requests,
        });
        self.settle();
        tokio::task::spawn_local(link.run(Rc::clone(self)));
    }

    /// A peer's connection counts from now on.
    pub(super) fn count_peer_up(&self, link: &Link) {
        let Some(peer) = &link.peer else { return };
        let mut peers = self.peers.borrow_mut();
        let count = peers.entry(Rc::clone(peer)).or_insert(0);
        *count += 1;
        if *count == 1 {
            self.log.record(Event::PeerUp {
                peer: peer.to_string(),
                shard: u16::from(self.index),
            });
        }
    }

    /// A peer's connection counts no more.
    fn count_peer_down(&self, peer: &Rc<str>, reason: Reason) {
        let mut peers = self.peers.borrow_mut();
        let Some(count) = peers.get_mut(peer) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            peers.remove(peer);
            self.peer_down(peer.to_string(), reason, None);
        }
    }

    /// A connection's task is over.
    pub(super) fn link_ended(self: &Rc<Self>, link: &Link, ending: Ending) {
        self.links.borrow_mut().vacate(link.id);
        let now = clock::now();
        let unconfirmed = link.unconfirmed.take();
        if let Some(reason) = unconfirmed.and_then(|u| self.failed_late(link, ending, *u)) {
            let peer = link.peer.as_deref().unwrap_or_default();
            let retry_at = self.dialler.failed(peer, &self.limits(), now);
            self.peer_down(
                peer.to_owned(),
                reason,
                Some(retry_at.saturating_duration_since(now)),
            );
        } else {
            self.tally.tell(Event::ConnectionClosed {
                connection: link.number,
                remote: link.remote(),
                peer: link.peer.as_deref().map(str::to_owned),
                by: ending.by,
                reason: ending.reason,
                trust_reason: link.withdrawn.get().map(|(_, why)| why),
                messages_in: link.messages_in.get(),
                messages_out: link.messages_out.get(),
                open: now.saturating_duration_since(link.opened()),
            });
            if let Some(peer) = &link.peer {
                self.count_peer_down(peer, ending.reason);
            }
        }
        if matches!(link.via, super::link::Via::Listener(_)) {
            self.load.fetch_sub(1, Ordering::Relaxed);
            self.sources.leave(link.remote().ip());
        }
        let lent = *link.lent.borrow();
        for shard in (0..64u8).filter(|s| lent & (1 << s) != 0 && *s != self.index) {
            self.inboxes.send(
                shard,
                ShardMessage::Link(LinkEvent::Gone { link: link.id }),
                &self.log,
            );
        }
        self.later(LinkEvent::Gone { link: link.id });
        self.settle();
        self.ended.notify_waiters();
    }

    pub(super) fn mark_dirty(&self, id: LinkId) {
        if let Some(link) = self.link(id) {
            self.dirty.borrow_mut().push(link);
        }
    }

    /// Octets wait in a link for the next flush.
    pub(super) fn gathered(&self, octets: usize) {
        self.gathered.set(self.gathered.get() + octets);
    }

    /// Has what was written sent once every connection that is readable now was read: the more of it goes to one
    /// connection, the fewer records and system calls it takes.
    pub(super) fn flush_soon(&self) {
        if self.gathered.get() >= GATHERED {
            self.flush_dirty();
        } else if !self.dirty.borrow().is_empty() {
            self.flush.give();
        }
    }

    /// Runs behind the connections' tasks that woke together with the one that has written.
    async fn flush_loop(self: Rc<Self>) {
        loop {
            self.flush.given().await;
            self.flush_dirty();
            self.settle();
        }
    }

    /// One write to each connection that something was sent to.
    fn flush_dirty(&self) {
        self.gathered.set(0);
        loop {
            let Some(link) = self.dirty.borrow_mut().pop() else {
                break;
            };
            link.flush(self);
        }
    }

    /// An empty buffer.
    pub(super) fn take_buffer(&self) -> Vec<u8> {
        self.buffers.take()
    }

    /// The room for one read.
    pub(super) fn wire(&self) -> RefMut<'_, Box<[u8]>> {
        self.buffers.wire()
    }

    /// Takes a buffer back.
    pub(super) fn give_buffer(&self, buffer: Vec<u8>) {
        self.buffers.give(buffer);
    }

    // ---- settings ----

    pub(super) fn tls(&self) -> Rc<TlsConfigs> {
        Rc::clone(&self.tls.borrow())
    }

    pub(super) fn names(&self) -> Rc<Names> {
        Rc::clone(&self.names.borrow())
    }

    pub(super) fn limits(&self) -> Rc<Limits> {
        Rc::clone(&self.limits.borrow())
    }

    pub(super) fn send_queue(&self) -> usize {
        self.limits.borrow().send_queue
    }

    pub(super) fn frame_limits(&self) -> FrameLimits {
        let limits: Ref<'_, Rc<Limits>> = self.limits.borrow();
        FrameLimits {
            head: limits.head_bytes,
            body: limits.body_bytes,
        }
    }

    /// A new generation: everything that can fail was tried before it was announced.
    fn swap(self: &Rc<Self>, tables: Arc<Tables>, keys: Arc<TokenKeys>) {
        let generation = Arc::clone(tables.generation());
        let tls = match TlsConfigs::build(&generation, &self.listeners, &self.seen) {
            Ok(tls) => Rc::new(tls),
            Err(error) => {
                // `Edge::swap` has built the same configurations from the same generation.
                self.log.record(Event::Warning {
                    code: DaemonReason::ShardKeptGeneration.into(),
                    what: error.to_string(),
                });
                return;
            }
        };
        *self.limits.borrow_mut() = Rc::new(generation.topology().limits().clone());
        *self.tls.borrow_mut() = tls;
        let names = self.names().renewed(generation.topology().dns());
        *self.names.borrow_mut() = Rc::new(names);
        self.dialler.forget();
        let now = clock::now();
        self.feed(None, |core, out| core.on_generation(tables, keys, now, out));
        self.judge_all();
        self.settle();
    }

    fn status(&self) -> EdgeStatus {
        let links = self.links.borrow();
        let peers = links.iter().filter(|l| !l.is_client()).count();
        EdgeStatus {
            clients: links.live() - peers,
            peers,
            transactions: self.core.borrow().pending(),
            contexts: self.core.borrow().transactions(),
        }
    }

    /// From now on the core takes nothing new.
    pub(super) fn start_draining(&self) {
        self.stop.cancel();
        self.core.borrow_mut().start_draining();
    }

    /// Transactions that still owe an answer.
    pub(super) fn pending(&self) -> usize {
        self.core.borrow().pending()
    }
}
