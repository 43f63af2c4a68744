//! What lies between the bytes of a connection and its socket: TLS, or nothing on the way to the other process of this node.
use super::pending::release_room;
use std::io;

/// How a connection's bytes look on its socket.
#[expect(
    clippy::large_enum_variant,
    reason = "all but a few are TLS, which a box would put one step away from every message"
)]
pub(super) enum TlsOrPlain {
    /// Records of TLS, with the state of the protocol.
    Tls(rustls::Connection),
    /// As they are, over a pair of sockets that only the two processes of this node have; the bytes that wait for it.
    Plain(Vec<u8>),
}

impl From<rustls::Connection> for TlsOrPlain {
    fn from(mut tls: rustls::Connection) -> Self {
        // The connection bounds what waits (`limits.send_queue`). A bound inside rustls would take half a message and
        // leave a torn stream.
        tls.set_buffer_limit(None);
        // That of a long certificate chain.
        release_room(&mut tls);
        Self::Tls(tls)
    }
}

impl TlsOrPlain {
    /// Takes bytes that are to be sent.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        match self {
            // Without a buffer limit the writer takes everything and only copies memory: this cannot fail.
            Self::Tls(tls) => drop(io::Write::write_all(&mut tls.writer(), bytes)),
            Self::Plain(waiting) => waiting.extend_from_slice(bytes),
        }
    }

    /// Whether there is something for the socket, such as the answer to a key update (RFC 8446 §4.6.3).
    pub(super) fn wants_write(&self) -> bool {
        match self {
            Self::Tls(tls) => tls.wants_write(),
            Self::Plain(waiting) => !waiting.is_empty(),
        }
    }

    /// One write to the socket; returns how many bytes it took.
    ///
    /// # Errors
    /// The socket's.
    pub(super) fn write_to(&mut self, socket: &mut dyn io::Write) -> io::Result<usize> {
        match self {
            Self::Tls(tls) => tls.write_tls(socket),
            Self::Plain(waiting) => {
                let sent = socket.write(waiting)?;
                waiting.drain(..sent);
                Ok(sent)
            }
        }
    }

    /// Queues the end of what is sent (RFC 8446 §6.1); without TLS the close of the socket is that.
    pub(super) fn end(&mut self) {
        if let Self::Tls(tls) = self {
            tls.send_close_notify();
        }
    }

    /// Moves what was received already into `buffer`.
    pub(super) fn drain_into(&mut self, buffer: &mut Vec<u8>) {
        if let Self::Tls(tls) = self {
            drain(tls, buffer);
        }
    }
}

/// Moves what TLS has decrypted into `buffer`, without a zeroed buffer between the two.
pub(super) fn drain(tls: &mut rustls::Connection, buffer: &mut Vec<u8>) {
    use io::BufRead as _;
    let mut reader = tls.reader();
    while let Ok(chunk) = reader.fill_buf() {
        let length = chunk.len();
        if length == 0 {
            break;
        }
        buffer.extend_from_slice(chunk);
        reader.consume(length);
    }
}
