//! The rustls session of one connection, between its socket and the octets that are framed or written.
use super::link::{Ending, refused_by_alert, theirs};
use super::shard::Shard;
use crate::reason::ConnectionReason;
use crate::sip::Framer;
use std::io;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// One connection's session, and what waits in front of it and behind it.
pub(super) struct Session {
    tls: rustls::Connection,
    pub(super) framer: Framer,
    /// An incomplete message; empty and without memory while the connection is idle.
    pub(super) buffer: Vec<u8>,
    /// Messages that leave with the next flush, in one TLS record where they fit; without memory in between.
    outgoing: Vec<u8>,
    /// Octets handed to the session and not yet to the socket, roughly.
    queued: usize,
}

/// Outcome of one read.
pub(super) enum Fill {
    Data,
    Empty,
    End(Ending),
}

impl Session {
    /// The session of a finished handshake.
    pub(super) fn new(mut tls: rustls::Connection) -> Self {
        // The bound on what waits is ours (limits.send_queue): half a message in the session would be a torn stream.
        tls.set_buffer_limit(None);
        Self {
            tls,
            framer: Framer::default(),
            buffer: Vec::new(),
            outgoing: Vec::new(),
            queued: 0,
        }
    }

    /// Takes octets for the next flush.
    pub(super) fn gather(&mut self, octets: &[u8], shard: &Shard) {
        if self.outgoing.capacity() == 0 {
            self.outgoing = shard.take_buffer();
        }
        self.outgoing.extend_from_slice(octets);
    }

    /// Drops what was written since the last flush: nobody is there to read it.
    pub(super) fn forget(&mut self, shard: &Shard) {
        shard.give_buffer(std::mem::take(&mut self.outgoing));
    }

    /// What was written since the last flush becomes records: together, since each costs a seal here and one there.
    pub(super) fn encrypt(&mut self, shard: &Shard) {
        if self.outgoing.is_empty() {
            return;
        }
        let octets = std::mem::take(&mut self.outgoing);
        // Without a buffer limit the writer takes everything, and the session lives in memory: this cannot fail.
        if io::Write::write_all(&mut self.tls.writer(), &octets).is_ok() {
            self.queued += octets.len();
        }
        shard.give_buffer(octets);
    }

    /// Hands the records to the socket, as far as that takes them. Gives whether some are left.
    pub(super) fn send(&mut self, tcp: &TcpStream) -> io::Result<bool> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Socket(tcp)) {
                Ok(0) => break,
                Ok(sent) => self.queued = self.queued.saturating_sub(sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let blocked = self.tls.wants_write();
        if !blocked {
            self.queued = 0;
        }
        Ok(blocked)
    }

    /// Whether there are records for the socket.
    pub(super) fn wants_write(&self) -> bool {
        self.tls.wants_write()
    }

    /// Octets that the socket has not taken yet, roughly.
    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    /// One read from the socket into `buffer`; `deaf`: a write has found the other side gone.
    pub(super) fn fill(
        &mut self,
        tcp: &TcpStream,
        buffer: &mut Vec<u8>,
        shard: &Shard,
        deaf: bool,
    ) -> Fill {
        let tls = &mut self.tls;
        let before = buffer.len();
        drain_plaintext(tls, buffer);
        if buffer.len() > before {
            return Fill::Data;
        }
        // The session takes 4 KiB at a time: the shard's buffer between it and the socket saves reads.
        let mut wire = shard.wire();
        let came = match tcp.try_read(&mut wire) {
            Ok(0) if deaf => return Fill::End(theirs(ConnectionReason::IoError)),
            Ok(0) => return Fill::End(theirs(ConnectionReason::EofWithoutCloseNotify)),
            Ok(came) => came,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Fill::Empty,
            Err(_) => return Fill::End(theirs(ConnectionReason::IoError)),
        };
        if came < wire.len() {
            // A short read has emptied the socket. Told so, Tokio waits for its next event instead of letting us ask
            // the kernel a second time for every message.
            let empty = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            let _ = tcp.try_io(Interest::READABLE, empty);
        }
        let mut rest = wire.get(..came).unwrap_or_default();
        while !rest.is_empty() {
            if !matches!(tls.read_tls(&mut rest), Ok(taken) if taken > 0) {
                return Fill::End(theirs(ConnectionReason::TlsError));
            }
            match tls.process_new_packets() {
                Ok(state) => {
                    drain_plaintext(tls, buffer);
                    if state.peer_has_closed() {
                        return Fill::End(theirs(ConnectionReason::CloseNotify));
                    }
                }
                Err(rustls::Error::AlertReceived(alert)) => {
                    return Fill::End(refused_by_alert(alert));
                }
                Err(_) => {
                    // The alert that rustls has queued tells them why.
                    let _ = tls.write_tls(&mut Socket(tcp));
                    return Fill::End(Ending {
                        by: "us",
                        reason: ConnectionReason::TlsError.into(),
                        alert: None,
                    });
                }
            }
        }
        Fill::Data
    }

    /// Whether session tickets came from a server.
    pub(super) fn has_tickets(&self) -> bool {
        match &self.tls {
            rustls::Connection::Client(client) => client.tls13_tickets_received() > 0,
            rustls::Connection::Server(_) => false,
        }
    }

    /// Sends what is queued and a close_notify, if the socket takes them.
    pub(super) fn finish(&mut self, tcp: &TcpStream, shard: &Shard) {
        self.encrypt(shard);
        self.tls.send_close_notify();
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Socket(tcp)) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    }
}

fn drain_plaintext(tls: &mut rustls::Connection, buffer: &mut Vec<u8>) {
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

/// The non-blocking socket in the form that rustls writes to.
struct Socket<'a>(&'a TcpStream);

impl io::Write for Socket<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.try_write(octets)
    }
    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
