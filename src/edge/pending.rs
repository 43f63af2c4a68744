//! What a TLS session has taken from its socket and has made no data of: a part of a record, or of a handshake message that
//! came after the handshake.
//!
//! It lies in rustls, which has it grow up to 64 KiB and does not say how much it is.
use super::records::{LONGEST, ROOM, Records};
use std::io;

/// What may come on an accepted connection before data comes: the longest record, behind more messages about keys
/// (RFC 8446 §4.6.3) than rustls takes in a row, which are 32 of 30 bytes.
const MOST_PENDING: usize = LONGEST + 2048;
/// More than these are is a handshake message that is not whole.
const MESSAGES_ABOUT_KEYS: usize = 2048;

/// The bytes that one session has made no data of.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Since data came last.
    bytes: usize,
    /// They took more room than rustls has for an idle connection.
    has_grown: bool,
    /// Tickets that a server has sent (RFC 8446 §4.6.1).
    tickets: u32,
}

impl Pending {
    /// After a handshake that has read so far.
    pub(super) fn after(records: &Records) -> Self {
        Self {
            bytes: records.unfinished(),
            ..Self::default()
        }
    }

    /// The session has taken so many bytes.
    pub(super) fn add(&mut self, bytes: usize) {
        self.has_grown |= self.bytes > 0;
        self.bytes += bytes;
    }

    /// It has looked at them; `has_data`: they held data. A ticket is as good: it is whole, and may be long.
    pub(super) fn settle(&mut self, tls: &rustls::Connection, has_data: bool) {
        if has_data {
            self.bytes = 0;
        } else if let rustls::Connection::Client(client) = tls {
            let before = std::mem::replace(&mut self.tickets, client.tls13_tickets_received());
            if before != self.tickets {
                self.bytes = 0;
            }
        }
    }

    /// Whether an accepted connection has sent more without data than anybody has reason to. What this node dials are its
    /// peers: their tickets may be as long as rustls allows.
    pub(super) fn is_too_much(&self, tls: &rustls::Connection) -> bool {
        self.bytes > MOST_PENDING && is_accepted(tls)
    }

    /// Whether a record, or a handshake message of a client, is there in part. Of a short one of the second kind that
    /// cannot be said.
    pub(super) fn is_partial(&self, tls: &rustls::Connection, records: &Records) -> bool {
        records.unfinished() > 0 || (self.bytes > MESSAGES_ABOUT_KEYS && is_accepted(tls))
    }

    /// What they take beyond the room that each session has: its buffer doubles when it must grow.
    pub(super) fn memory(&self) -> usize {
        (self.bytes + ROOM).next_power_of_two() - ROOM
    }

    /// Has rustls return room that is not needed any more. It does so by itself when it reads next, which for an idle
    /// connection may be hours later.
    pub(super) fn release(&mut self, tls: &mut rustls::Connection) {
        if self.has_grown && self.bytes == 0 {
            self.has_grown = false;
            release_room(tls);
        }
    }
}

/// Has rustls return what its buffer has beyond an idle connection's: it looks at that before each read.
pub(super) fn release_room(tls: &mut rustls::Connection) {
    // No read of zero bytes, which would be the end of the stream.
    struct Nothing;
    impl io::Read for Nothing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }
    let _ = tls.read_tls(&mut Nothing);
}

/// Whether the remote side has connected.
fn is_accepted(tls: &rustls::Connection) -> bool {
    matches!(tls, rustls::Connection::Server(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pending_counts_with_the_room_that_it_takes() {
        let mut pending = Pending::default();
        assert_eq!(pending.memory(), 0);
        pending.add(30);
        assert_eq!(pending.memory(), ROOM);
        pending.add(16_000);
        assert_eq!(pending.memory(), 32_768 - ROOM);
    }
}
