//! The connections that wait for their next flush, so that one flush follows all tasks that woke together.
use super::buffers::Buffers;
use super::connection::Connection;
use super::signal::Signal;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Bytes that may gather in all connections before they are sent although other connections wait to be read: beyond
/// this, larger batches save nothing and only add delay.
const GATHERED: usize = 64 * 1024;

/// What was written since the last flush. The more of it goes to one connection, the fewer records and system calls it
/// takes; so nothing is sent until every connection that is readable now was read.
#[derive(Default)]
pub(super) struct FlushQueue {
    /// Each once: a connection enters with its first write after a flush.
    connections: RefCell<Vec<Rc<Connection>>>,
    /// What has gathered in all of them.
    bytes: Cell<usize>,
    /// Wakes the flush task, which the runtime puts behind the tasks that are awake already.
    wake: Signal,
}

impl FlushQueue {
    /// Writes a message to a connection; it leaves with the next flush.
    pub(super) fn write(&self, connection: &Rc<Connection>, message: &[u8], buffers: &Buffers) {
        self.bytes.set(self.bytes.get() + message.len());
        if connection.write(message, buffers) {
            self.connections.borrow_mut().push(Rc::clone(connection));
        }
    }

    /// Writes a ping of this node.
    pub(super) fn ping(&self, connection: &Rc<Connection>, buffers: &Buffers) {
        if connection.ping(buffers) {
            self.connections.borrow_mut().push(Rc::clone(connection));
        }
    }

    /// Wakes the flush task if there is something to send. Returns true instead if so much has gathered that the caller
    /// must flush at once.
    pub(super) fn request(&self) -> bool {
        if self.bytes.get() >= GATHERED {
            return true;
        }
        if !self.connections.borrow().is_empty() {
            self.wake.notify();
        }
        false
    }

    /// Waits until a flush was requested.
    pub(super) async fn requested(&self) {
        self.wake.notified().await;
    }

    /// Takes the next connection that must be flushed.
    pub(super) fn pop(&self) -> Option<Rc<Connection>> {
        let next = self.connections.borrow_mut().pop();
        if next.is_none() {
            self.bytes.set(0);
        }
        next
    }
}
