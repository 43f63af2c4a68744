//! Emptied buffers of requests and responses, kept for the next ones.

/// The most buffers that are kept, and the most bytes of each: at most 1 MiB in a shard at rest.
const MOST: usize = 256;
const LARGEST: usize = 4096;

/// A transaction copies its request once, since failover and CANCEL need it after the read buffer
/// is gone. Taking that copy's memory from here keeps the allocator off the path of a message.
#[derive(Default)]
pub(crate) struct SpareBuffers(Vec<Vec<u8>>);

impl SpareBuffers {
    /// An empty buffer.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    /// Takes a buffer back. One that grew large is freed, so that a single large body does not keep
    /// its room.
    pub(crate) fn put_back(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > 0 && buffer.capacity() <= LARGEST && self.0.len() < MOST {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}
