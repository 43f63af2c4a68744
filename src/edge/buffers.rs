//! The buffers that the connections of a shard share and use again.
use std::cell::{RefCell, RefMut};

/// Read buffers kept for reuse, and the largest that is worth keeping.
const SPARE_BUFFERS: usize = 32;
const SPARE_BUFFER_BYTES: usize = 64 * 1024;
/// Octets that one read may take off a socket.
const WIRE: usize = 32 * 1024;

/// A shard's buffers.
pub(super) struct Buffers {
    spare: RefCell<Vec<Vec<u8>>>,
    /// What a read takes off a socket, before the session decrypts it: one for all connections, since none waits with
    /// octets in it.
    wire: RefCell<Box<[u8]>>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            spare: RefCell::default(),
            wire: RefCell::new(vec![0; WIRE].into_boxed_slice()),
        }
    }
}

impl Buffers {
    /// An empty buffer.
    pub(super) fn take(&self) -> Vec<u8> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub(super) fn give(&self, mut buffer: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if buffer.capacity() <= SPARE_BUFFER_BYTES && spare.len() < SPARE_BUFFERS {
            buffer.clear();
            spare.push(buffer);
        }
    }

    /// The room for one read.
    pub(super) fn wire(&self) -> RefMut<'_, Box<[u8]>> {
        self.wire.borrow_mut()
    }
}
