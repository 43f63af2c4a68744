//! The session of one connection: between its socket and the bytes that are framed or written.
use super::buffers::Buffers;
use super::ending::Ending;
use super::layer::{self, TlsOrPlain};
use super::pending::Pending;
use super::records::Records;
use crate::reason::ConnectionReason;
use crate::sip::Framer;
use std::io;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// One connection's session, and what waits before it and behind it.
pub(super) struct Session {
    /// What is between it and the socket.
    layer: TlsOrPlain,
    /// Which of its records is being received.
    records: Records,
    /// What came of records and led to no data yet.
    pending: Pending,
    /// How far the message in `buffer` has been scanned.
    pub(super) framer: Framer,
    /// An incomplete message; without memory while the connection is idle.
    pub(super) buffer: Vec<u8>,
    /// Messages that leave with the next flush, in one TLS record where they fit; without memory in between.
    outgoing: Vec<u8>,
    /// Bytes handed to rustls and not yet to the socket, roughly.
    queued: usize,
}

/// Outcome of one read.
pub(super) enum Fill {
    /// Something came; maybe no plaintext, such as a part of a record.
    Data,
    /// Nothing waits in the socket.
    Empty,
    /// The connection ends; what came before the end is in the buffer.
    End(Ending),
}

impl Session {
    /// The session of a finished handshake, which has read so far.
    pub(super) fn new(layer: TlsOrPlain, records: Records) -> Self {
        Self {
            layer,
            pending: Pending::after(&records),
            records,
            framer: Framer::default(),
            buffer: Vec::new(),
            outgoing: Vec::new(),
            queued: 0,
        }
    }

    /// Takes bytes for the next flush.
    pub(super) fn gather(&mut self, bytes: &[u8], buffers: &Buffers) {
        if self.outgoing.capacity() == 0 {
            self.outgoing = buffers.take();
        }
        self.outgoing.extend_from_slice(bytes);
    }

    /// Drops what was written since the last flush: the remote side is gone, and nobody would read it.
    pub(super) fn discard(&mut self, buffers: &Buffers) {
        buffers.put_back(std::mem::take(&mut self.outgoing));
    }

    /// Encrypts what was written since the last flush. All of it shares records, since each record costs one AEAD
    /// operation on this side and one on the other.
    pub(super) fn encrypt(&mut self, buffers: &Buffers) {
        if self.outgoing.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.outgoing);
        self.layer.take(&bytes);
        self.queued += bytes.len();
        buffers.put_back(bytes);
    }

    /// Writes the records to the socket, as far as it takes them. Returns whether some are left.
    ///
    /// # Errors
    /// The socket's; what was not written stays queued.
    pub(super) fn send(&mut self, tcp: &TcpStream) -> io::Result<bool> {
        while self.layer.wants_write() {
            match self.layer.write_to(&mut Socket(tcp)) {
                Ok(0) => break,
                Ok(sent) => self.queued = self.queued.saturating_sub(sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let blocked = self.layer.wants_write();
        // Records are longer than what they carry, so that the running sum is only rough; an empty session is exact.
        if !blocked {
            self.queued = 0;
        }
        Ok(blocked)
    }

    /// Whether there are records for the socket, such as the answer to a key update (RFC 8446 §4.6.3).
    pub(super) fn wants_write(&self) -> bool {
        self.layer.wants_write()
    }

    /// What TLS is in, for an operator; `None`: there is none.
    pub(super) fn tls(&self) -> Option<&rustls::Connection> {
        match &self.layer {
            TlsOrPlain::Tls(tls) => Some(tls),
            TlsOrPlain::Plain(_) => None,
        }
    }

    /// As [`Self::queued`], with what the next flush will encrypt.
    pub(super) fn unsent(&self) -> usize {
        self.queued + self.outgoing.len()
    }

    /// What it takes beyond an idle connection's: a message of which a part has come, what TLS has made no data of yet, and
    /// what the socket has not taken.
    pub(super) fn memory(&self) -> usize {
        self.buffer.capacity() + self.pending.memory() + self.unsent()
    }

    /// Whether TLS has a part of what would lead to data, or should.
    pub(super) fn is_partial(&self) -> bool {
        let tls = self.tls();
        tls.is_some_and(|tls| self.pending.is_partial(tls, &self.records))
    }

    /// Bytes that the socket has not taken yet, roughly.
    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    /// One read from the socket, decrypted into `buffer`. `remote_gone`: a write has failed since the remote side is
    /// gone, so that the end of the stream is no close of its own.
    pub(super) fn fill(
        &mut self,
        tcp: &TcpStream,
        buffer: &mut Vec<u8>,
        buffers: &Buffers,
        remote_gone: bool,
    ) -> Fill {
        let before = buffer.len();
        // What came with the last flight of the handshake is in the session already.
        self.layer.drain_into(buffer);
        if buffer.len() > before {
            return Fill::Data;
        }
        // rustls takes 4 KiB at a time: the shard's buffer between it and the socket saves system calls, and shows where
        // records end.
        let mut wire = buffers.wire();
        let came = match tcp.try_read(&mut wire) {
            Ok(0) if remote_gone => return Fill::End(Ending::remote(ConnectionReason::IoError)),
            Ok(0) => return Fill::End(Ending::remote(ConnectionReason::EofWithoutCloseNotify)),
            Ok(came) => came,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Fill::Empty,
            Err(_) => return Fill::End(Ending::remote(ConnectionReason::IoError)),
        };
        if came < wire.len() {
            // A short read has emptied the socket. An operation that reports WouldBlock makes Tokio wait for the next
            // event of the kernel; without it each message would cost a second read that returns nothing.
            let empty = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            let _ = tcp.try_io(Interest::READABLE, empty);
        }
        let mut rest = wire.get(..came).unwrap_or_default();
        let TlsOrPlain::Tls(tls) = &mut self.layer else {
            buffer.extend_from_slice(rest);
            return Fill::Data;
        };
        while !rest.is_empty() {
            let portion = self.records.portion(rest);
            let (portion, behind) = rest.split_at_checked(portion).unwrap_or((rest, b""));
            rest = behind;
            if let Err(ending) = decrypt(tls, portion, tcp, (buffer, &mut self.pending)) {
                return Fill::End(ending);
            }
        }
        self.pending.release(tls);
        Fill::Data
    }

    /// Whether session tickets came. A TLS 1.3 server sends them after it has verified the client's certificate.
    pub(super) fn has_tickets(&self) -> bool {
        match &self.layer {
            TlsOrPlain::Tls(rustls::Connection::Client(client)) => {
                client.tls13_tickets_received() > 0
            }
            TlsOrPlain::Tls(rustls::Connection::Server(_)) | TlsOrPlain::Plain(_) => false,
        }
    }

    /// Sends what is queued and a close_notify, as far as the socket takes them at once: a remote side that does not
    /// read must not hold the shard up.
    pub(super) fn finish(&mut self, tcp: &TcpStream, buffers: &Buffers) {
        self.encrypt(buffers);
        self.layer.end();
        while self.layer.wants_write() {
            match self.layer.write_to(&mut Socket(tcp)) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    }
}

/// Hands some bytes to TLS, and what they hold to `buffer`.
///
/// # Errors
/// The connection ends; what came before the end is in the buffer.
fn decrypt(
    tls: &mut rustls::Connection,
    mut bytes: &[u8],
    tcp: &TcpStream,
    (buffer, pending): (&mut Vec<u8>, &mut Pending),
) -> Result<(), Ending> {
    while !bytes.is_empty() {
        match tls.read_tls(&mut bytes) {
            Ok(taken) if taken > 0 => pending.add(taken),
            Ok(_) | Err(_) => return Err(Ending::remote(ConnectionReason::TlsError)),
        }
        let before = buffer.len();
        match tls.process_new_packets() {
            Ok(state) => {
                let is_closed = state.peer_has_closed();
                layer::drain(tls, buffer);
                if is_closed {
                    return Err(Ending::remote(ConnectionReason::CloseNotify));
                }
                pending.settle(tls, buffer.len() > before);
                if pending.is_too_much(tls) {
                    return Err(Ending::local(ConnectionReason::TlsWithoutData));
                }
            }
            Err(rustls::Error::AlertReceived(received)) => return Err(Ending::Alert(received)),
            Err(_) => {
                // rustls has queued the alert that names the fault: it goes out before the close.
                let _ = tls.write_tls(&mut Socket(tcp));
                return Err(Ending::local(ConnectionReason::TlsError));
            }
        }
    }
    Ok(())
}

/// The non-blocking socket in the form that rustls writes to: Tokio's own needs `&mut` and a task to wake.
struct Socket<'a>(&'a TcpStream);

// `try_write` clears Tokio's readiness when the socket is full, so that the task is woken when it takes more.
impl io::Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }
    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
