//! A shard's core: each input is fed to it, and what it asks for is carried out before the next input.
//!
//! The core decides and never waits; here is the only place where its actions become bytes on connections, messages to
//! other shards, dialling and log lines.
use super::clock;
use super::connection::{Connection, Flushed};
use super::inbox::{CrossQuestion, ShardMessage};
use super::priority::Priority;
use super::shard::Shard;
use super::trace::TraceDirection;
use crate::proxy::{
    Action, Actions, BindingMessage, BranchKey, Core, Envelope, LinkEvent, LinkId, Origin,
    RemoteIdentity,
};
use crate::reason::ConnectionReason;
use crate::sip::{FrameError, Message};
use std::time::{Duration, Instant};

/// A deadline of the core that comes sooner than the armed one by less than this waits for that one: moving the timer
/// costs more than a retransmission gains from being so exact.
const SLACK: Duration = Duration::from_millis(20);
/// What the actions' buffer may keep: one large message must not hold its memory for ever.
const ACTION_BYTES: usize = 256 * 1024;

impl Shard {
    /// A framed message, carried through to the outgoing connections' sessions.
    pub(super) fn on_message(&self, origin: &Origin, message: &Message<'_>, now: Instant) {
        if matches!(origin.identity, RemoteIdentity::OtherProcess)
            && let Some(envelope) = Envelope::read(message)
        {
            return self.on_envelope(origin.link, &envelope, message.body(), now);
        }
        self.feed(Some((origin, message.bytes())), |core, out| {
            core.on_message(origin, message, now, out)
        });
    }

    /// A message that the other process of this node hands over.
    ///
    /// Opened here and not in the core: another shard may have its transaction, and is handed the message and not the envelope.
    fn on_envelope(&self, link: LinkId, envelope: &Envelope, bytes: &[u8], now: Instant) {
        if *envelope == Envelope::Ends {
            // Nothing more leaves here, so that it may end when it has read all; what it still sends is read.
            if let Some(connection) = self.connection(link) {
                connection.part(ConnectionReason::Drain);
            }
            return;
        }
        let Some(origin) = Origin::vouched(envelope, link.shard()) else {
            return self.feed(None, |core, out| {
                core.on_envelope(envelope, bytes, now, out)
            });
        };
        // As if it had been read here, from a connection that nothing can be sent on.
        if let Ok(message) = Message::parse(bytes) {
            self.on_message(&origin, &message, now);
        }
    }

    /// Bytes that are no message.
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

    /// Queues an event for the core, which may be in the middle of an input; [`Self::settle`] feeds it.
    pub(super) fn later(&self, event: LinkEvent) {
        self.later.borrow_mut().push_back(event);
    }

    /// Feeds what [`Self::later`] has queued; what it writes is flushed soon. Every task calls it before it waits.
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

    /// What another shard tells about a client.
    pub(super) fn on_binding(&self, message: BindingMessage) {
        let now = clock::now();
        self.feed(None, |core, out| core.on_binding(message, now, out));
        self.settle();
    }

    /// One input of the core and all that it asks for. `message` is the input if it is one, for another shard's core.
    pub(super) fn feed(
        &self,
        message: Option<(&Origin, &[u8])>,
        input: impl FnOnce(&mut Core, &mut Actions),
    ) {
        // Taken and put back for its memory. While it is out, an input inside an input would find an empty one: there is
        // none, since everything that happens meanwhile is queued by `later`.
        let mut actions = self.actions.take();
        // The only borrow of the core that can last: nothing in it calls back.
        input(&mut self.core.borrow_mut(), &mut actions);
        for action in actions.list.drain(..) {
            if let Action::Send {
                link,
                bytes,
                branch,
            } = action
            {
                let bytes = actions.bytes.get(bytes).unwrap_or_default();
                self.send(link, bytes, branch);
            } else {
                self.carry_out(action, message);
            }
        }
        if actions.bytes.capacity() > ACTION_BYTES {
            actions.bytes = Vec::new();
        }
        // The next input begins with empty actions and their memory.
        actions.clear();
        self.actions.set(actions);
        self.was_fed.set(true);
        self.close_finished();
    }

    /// Sets the timer to the core's next deadline, once for all inputs of a turn.
    fn arm(&self) {
        // Only an earlier deadline wakes the timer task: most inputs set timers that end long after the armed one.
        let next = self.core.borrow().next_deadline();
        if let Some(next) = next
            && self.armed.get().is_none_or(|armed| next + SLACK < armed)
        {
            self.armed.set(Some(next));
            self.rearm.notify();
        }
    }

    /// Writes one message to a link.
    fn send(&self, link: LinkId, bytes: &[u8], branch: Option<BranchKey>) {
        if link.shard() == self.shared.index {
            // One that has gone meanwhile is no fault: its end is queued for the core already.
            if let Some(connection) = self.connections.borrow().get(link) {
                let sent = &connection.messages_out;
                sent.set(sent.get() + 1);
                self.trace(TraceDirection::Sent, connection, bytes);
                self.flush_queue.write(connection, bytes, &self.buffers);
            }
            return;
        }
        // Another shard owns the connection: the bytes are copied to it, and come back as undeliverable if it is gone.
        let deliver = ShardMessage::Deliver {
            link,
            bytes: bytes.into(),
            branch,
            from: self.shared.index,
        };
        // That shard stands still: the core tries another target.
        if !self.send_to(link.shard(), deliver) {
            self.later(LinkEvent::Undeliverable { link, branch });
        }
    }

    /// One action besides those that send, which nearly every input has and [`Self::feed`] carries out itself.
    fn carry_out(&self, action: Action, message: Option<(&Origin, &[u8])>) {
        match action {
            // Is none of these.
            Action::Send { .. } => {}
            // Only noted here: the dialling task starts it, and answers with an event.
            // A process that leaves its peers would have to leave this connection as well.
            Action::Connect { peer, name, .. } if self.leaves_peers.get() => {
                self.later(LinkEvent::ConnectFailed {
                    peer,
                    name,
                    reason: ConnectionReason::BackingOff.into(),
                    retry_at: clock::now() + Duration::from_secs(1),
                });
            }
            Action::Connect { peer, name, urgent } => self.dialler.want(peer, name, urgent),
            // What is queued on it is sent first.
            Action::Close { link, reason } => {
                if let Some(connection) = self.connections.borrow().get(link) {
                    connection.close(reason);
                }
            }
            Action::Tell { shard, message } => {
                let question = message.question();
                // Without room it is lost: who waits for an answer learns that, and the next registration enters what is missing.
                if !self.send_to(shard, ShardMessage::Binding(message))
                    && let Some(branch) = question
                {
                    self.later(LinkEvent::Unasked { branch });
                }
            }
            Action::TellOfCall { shard, message } => {
                // Without room it is lost: the call is not kept, or ends by its time.
                self.send_to(shard, ShardMessage::Call(message));
            }
            Action::Keep { link, until } => {
                if let Some(connection) = self.connections.borrow().get(link) {
                    connection.keep(until);
                    if until.is_some() {
                        let source = connection.remote().ip();
                        self.shared.known.saw(source, Priority::Known, clock::now());
                    }
                }
            }
            Action::Pause {
                link,
                until,
                reason,
            } => {
                if let Some(connection) = self.connections.borrow().get(link) {
                    self.pause(connection, until, reason);
                }
            }
            Action::HandOver {
                shard,
                is_question,
                asked,
                held,
            } => {
                if let Some((origin, bytes)) = message {
                    // At the connection's end that shard must learn of it, even if it never sends there.
                    if let Some(connection) = self.connections.borrow().get(origin.link) {
                        connection.is_used_by(shard);
                    }
                    let origin = || {
                        Box::new(Origin {
                            asked,
                            held,
                            ..origin.clone()
                        })
                    };
                    if is_question {
                        let question = CrossQuestion {
                            origin: origin(),
                            bytes: bytes.into(),
                        };
                        self.tally.hand_over();
                        return self.shared.questions.ask(shard, question);
                    }
                    let handed = ShardMessage::Message {
                        origin: origin(),
                        bytes: bytes.into(),
                    };
                    // Without room nobody else would answer it.
                    if !self.send_to(shard, handed) {
                        self.later(LinkEvent::NotHandedOver {
                            origin: origin(),
                            bytes: bytes.into(),
                        });
                    }
                }
            }
            Action::Event(event) => self.record(event),
            Action::Count(event) => self.shared.log.count(event, None),
            Action::Suppress(event) => self.shared.log.suppress(event),
        }
    }

    /// Hands something to another shard; returns whether it had room.
    pub(super) fn send_to(&self, shard: u8, message: ShardMessage<Self>) -> bool {
        let record = |event| self.shared.log.record(event);
        self.tally.hand_over();
        self.shared.inboxes.send(shard, message, &record)
    }

    /// Closes the connections without trust on which nothing runs any more.
    fn close_finished(&self) {
        // The usual case, at every input: nobody has lost trust.
        if self.withdrawn.borrow().is_empty() {
            return;
        }
        self.withdrawn.borrow_mut().retain(|id| {
            let Some(connection) = self.connection(*id) else {
                return false;
            };
            // What other shards have under way on it only they know: it stays until the bound of its withdrawal.
            if connection.used_by.get() != 0 || !self.core.borrow().is_idle(*id) {
                return true;
            }
            connection.close(ConnectionReason::TrustWithdrawn);
            false
        });
    }

    // ---- what leaves ----

    /// The end of a turn: every task calls it before it waits. Arms the timer for what was fed, and has what was written
    /// sent once every connection that is readable now was read. Cheap when nothing was written.
    pub(super) fn flush_soon(&self) {
        if self.was_fed.take() {
            self.arm();
        }
        self.ask_for_relief();
        if self.flush_queue.request() {
            self.flush_all();
        }
    }

    /// One write to each connection that something was sent to.
    pub(super) fn flush_all(&self) {
        while let Some(connection) = self.flush_queue.pop() {
            self.flush(&connection);
        }
    }

    /// One write to one connection; the core hears when its queue fills up or empties.
    pub(super) fn flush(&self, connection: &Connection) {
        let link = connection.id;
        match connection.flush(&self.buffers, self.send_queue()) {
            Flushed::Full => {
                self.later(LinkEvent::Full { link });
                self.look_at_memory(connection);
            }
            Flushed::Clear => self.later(LinkEvent::Clear { link }),
            // The connection's own task waits for the socket, or ends.
            Flushed::Blocked => self.look_at_memory(connection),
            Flushed::Done | Flushed::Gone => {}
        }
    }
}
