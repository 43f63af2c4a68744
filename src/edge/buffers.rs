//! The byte buffers that the connections of a shard share, so that an idle connection holds no memory for them.
use std::cell::{RefCell, RefMut};

/// How many buffers are kept for the next use. More than this are in use only while many connections are in the middle
/// of a message at once; what is beyond it goes back to the allocator.
const SPARE_BUFFERS: usize = 32;
/// The largest buffer that is kept: one that a large message has made bigger would pin its memory.
const SPARE_BUFFER_BYTES: usize = 64 * 1024;
/// Bytes that one read may take from a socket: two full TLS records, which rustls would otherwise read 4 KiB at a time.
const WIRE: usize = 32 * 1024;

/// A shard's buffers. One thread uses them, so `RefCell` is enough; no borrow is held across an await.
pub(super) struct Buffers {
    /// Empty buffers with memory, at most [`SPARE_BUFFERS`].
    spare: RefCell<Vec<Vec<u8>>>,
    /// What a read takes from a socket, before the session decrypts it: one for all connections, since a read hands on
    /// all that came before it returns.
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
    /// An empty buffer, if possible one that has memory already.
    pub(super) fn take(&self) -> Vec<u8> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps a buffer for the next [`Self::take`], or drops it.
    pub(super) fn put_back(&self, mut buffer: Vec<u8>) {
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
