//! A shard's thread: it starts the shard's tasks and serves its inbox until the drain is over.
use super::clock;
use super::connection::Connection;
use super::error::EdgeError;
use super::inbox::{Accepted, CrossQuestion, ShardMessage};
use super::shard::{Shard, ShardSetup};
use super::trace::TraceDirection;
use crate::proxy::{BranchKey, LinkEvent, LinkId, Origin};
use crate::sip::Message;
use std::rc::Rc;
use tokio::sync::mpsc;

/// The shard's thread; it returns after a drain.
///
/// # Errors
/// A runtime that cannot be had, or a certificate that the TLS library refuses.
pub(super) fn run(setup: ShardSetup) -> Result<(), EdgeError> {
    // A local runtime: its tasks need not be `Send`, so that a shard needs no lock and no atomic.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .map_err(EdgeError::Runtime)?;
    setup.shared.load.works_in(runtime.handle());
    // Taken apart before the loop: the inbox is borrowed while the shard is shared.
    let ShardSetup {
        core,
        tables,
        keys,
        mut inbox,
        mut questions,
        mut arrivals,
        shared,
    } = setup;
    let shard = {
        // The resolver's sockets register with the runtime that is entered.
        let _entered = runtime.enter();
        Rc::new(Shard::new(core, tables, keys, shared)?)
    };
    // Everything of the shard runs inside this, until the drain is over.
    runtime.block_on(async move {
        // The standing tasks of the shard; each connection, handshake and connect adds one of its own.
        let tasks = [
            tokio::task::spawn_local(Rc::clone(&shard).run_timers()),
            tokio::task::spawn_local(Rc::clone(&shard).run_flushes()),
            tokio::task::spawn_local(Rc::clone(&shard).run_dials()),
            tokio::task::spawn_local(Rc::clone(&shard).watch_calendar()),
            tokio::task::spawn_local(Rc::clone(&shard).run_sums()),
            tokio::task::spawn_local(Rc::clone(&shard).run_make_room()),
            tokio::task::spawn_local(Rc::clone(&shard).run_relief()),
        ];
        shard.serve(&mut inbox, &mut questions, &mut arrivals).await;
        inbox.close();
        shard.refuse_rest(arrivals);
        // They never end by themselves, and the thread is to end.
        for task in tasks {
            task.abort();
        }
        shard.shared.log.finish();
    });
    Ok(())
}

impl Shard {
    /// Serves the inbox and the arrivals until the drain is over.
    async fn serve(
        self: &Rc<Self>,
        inbox: &mut mpsc::Receiver<ShardMessage<Self>>,
        questions: &mut mpsc::Receiver<CrossQuestion>,
        arrivals: &mut mpsc::Receiver<Accepted>,
    ) {
        loop {
            let message = tokio::select! {
                // The end first: after a drain nothing more is served.
                biased;
                () = self.drained.notified() => return,
                // There are never more than a few, so that they hold up no message.
                Some(accepted) = arrivals.recv() => {
                    self.accept(accepted);
                    continue;
                }
                message = inbox.recv() => match message {
                    Some(message) => message,
                    None => return,
                },
                // Last: whatever comes meanwhile from who waits for it goes before.
                Some(question) = questions.recv() => {
                    self.on_handed_over(&question.origin, &question.bytes);
                    continue;
                }
            };
            match message {
                ShardMessage::Deliver {
                    link,
                    bytes,
                    branch,
                    from,
                } => self.deliver(link, &bytes, branch, from),
                ShardMessage::Message { origin, bytes } => self.on_handed_over(&origin, &bytes),
                ShardMessage::Binding(message) => self.on_binding(message),
                ShardMessage::Call(message) => {
                    let now = clock::now();
                    self.feed(None, |core, out| core.on_call(message, now, out));
                    self.settle();
                }
                ShardMessage::Link(event) => {
                    // The other shard's connection has ended, or a message to it came too late.
                    self.later(event);
                    self.settle();
                }
                // An operator's command, a reload or the drain: short, or it starts a task of its own.
                ShardMessage::Run(work) => work(self),
            }
        }
    }

    /// A message that another shard has read.
    fn on_handed_over(&self, origin: &Origin, bytes: &[u8]) {
        // It was parsed there; the borrow of its bytes could not come along.
        if let Ok(message) = Message::parse(bytes) {
            self.on_message(origin, &message, clock::now());
            self.flush_soon();
        }
    }

    /// A message of another shard for a connection of this one.
    fn deliver(&self, link: LinkId, bytes: &[u8], branch: Option<BranchKey>, from: u8) {
        // A request to a peer goes only where new ones may go; what it runs on is not asked for that.
        let is_refused = |connection: &Rc<Connection>| {
            branch.is_some() && !connection.is_client() && !self.core.borrow().takes_requests(link)
        };
        let connection = self.connection(link).filter(|found| !is_refused(found));
        let connection = connection.filter(|found| found.parted.get().is_none());
        let Some(connection) = connection else {
            // What nobody waits for goes where its receiver is now, if that is known here.
            if branch.is_none() {
                let now = clock::now();
                self.feed(None, |core, out| core.on_late(link, bytes, now, out));
                return self.settle();
            }
            let event = LinkEvent::Undeliverable { link, branch };
            // Without room there the transaction ends by its timer instead.
            self.send_to(from, ShardMessage::Link(event));
            return;
        };
        // At its end that shard must learn of it.
        connection.is_used_by(from);
        let sent = &connection.messages_out;
        sent.set(sent.get() + 1);
        self.trace(TraceDirection::Sent, &connection, bytes);
        // Written like a message of this shard: both leave in one flush.
        self.flush_queue.write(&connection, bytes, &self.buffers);
        self.flush_soon();
    }

    /// Refuses the connections that the acceptor handed out while the last ones closed: each ends in an event too.
    fn refuse_rest(self: &Rc<Self>, mut arrivals: mpsc::Receiver<Accepted>) {
        arrivals.close();
        while let Ok(accepted) = arrivals.try_recv() {
            self.refuse_draining(accepted);
        }
    }
}
