//! The socket of a handshake: a failed write does not hide the alert that the remote side sent before it closed.
//!
//! A server that refuses a certificate sends its alert and closes. This side is often still writing its last flight then,
//! meets a reset, and would report "connection reset" while the reason lies unread in its own receive buffer.
use super::records::Records;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Whether an error of a write means that the remote side is gone, while what it sent before can still be read. Other
/// errors are of the local system, and nothing more will come.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
    )
}

/// The socket of a handshake. A write that finds the remote side gone counts as done, so that the TLS library goes on to
/// read; the error comes when there is nothing left to read.
pub(super) struct HandshakeSocket {
    tcp: TcpStream,
    /// The error of the write that failed; from then on nothing more is written.
    failed: Option<io::Error>,
    /// What the first read brought, as far as it is kept: bytes that are no TLS may tell what they are.
    first: Option<[u8; FIRST]>,
    /// How far the records have been read.
    records: Records,
}

/// As much of the first read as tells a balancer's header.
pub(super) const FIRST: usize = 12;

impl HandshakeSocket {
    /// Over a connected socket.
    pub(super) fn new(tcp: TcpStream) -> Self {
        Self {
            tcp,
            failed: None,
            first: None,
            records: Records::default(),
        }
    }

    /// The socket, how far its records were read, and the error of a write that has not been returned yet: the handshake
    /// may have finished without another read.
    pub(super) fn into_parts(self) -> (TcpStream, Records, Option<io::Error>) {
        (self.tcp, self.records, self.failed)
    }

    /// How the remote side began; zeros stand for what its first segment did not have.
    pub(super) fn first(&self) -> [u8; FIRST] {
        self.first.unwrap_or_default()
    }

    /// What a write returns: an error that means "gone" is kept for later.
    fn written(
        &mut self,
        polled: Poll<io::Result<usize>>,
        offered: usize,
    ) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Ready(Err(error)) if is_gone(&error) => {
                self.failed = Some(error);
                Poll::Ready(Ok(offered))
            }
            Poll::Ready(_) | Poll::Pending => polled,
        }
    }
}

// Read errors that come of themselves pass as they are: only the end of the stream is replaced.
impl AsyncRead for HandshakeSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // To see whether this read has brought anything.
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.tcp).poll_read(context, buffer));
        if self.first.is_none() {
            let mut first = [0; FIRST];
            for (kept, byte) in first.iter_mut().zip(buffer.filled()) {
                *kept = *byte;
            }
            self.first = Some(first);
        }
        let came = buffer.filled().get(before..).unwrap_or_default();
        self.records.skip(came);
        // The end of the stream: all that the remote side sent was read. What ended it was the failed write.
        if came.is_empty()
            && let Some(error) = self.failed.take()
        {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(read)
    }
}

// After the first failure everything counts as written, so that the library turns to reading.
impl AsyncWrite for HandshakeSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.failed.is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
        // Until a write fails everything goes straight to the socket.
        let polled = Pin::new(&mut self.tcp).poll_write(context, bytes);
        self.written(polled, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // All of it counts as written after a failure.
        let offered = slices.iter().map(|slice| slice.len()).sum();
        if self.failed.is_some() {
            return Poll::Ready(Ok(offered));
        }
        let polled = Pin::new(&mut self.tcp).poll_write_vectored(context, slices);
        self.written(polled, offered)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::net::TcpListener;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// A connection whose remote side has written this and is gone with a reset before anything is written here.
    async fn reset_after(sent: &[u8]) -> HandshakeSocket {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut remote, _) = listener.accept().unwrap();
        remote.write_all(sent).unwrap();
        socket2::SockRef::from(&remote)
            .set_linger(Some(std::time::Duration::ZERO))
            .unwrap();
        drop(remote);
        local.set_nonblocking(true).unwrap();
        let local = TcpStream::from_std(local).unwrap();
        // The reset is there as soon as a write fails; what is written before it finds no reader.
        HandshakeSocket::new(local)
    }

    #[tokio::test]
    async fn an_alert_is_heard_although_the_write_before_it_fails() {
        // A fatal alert, unknown_ca, before any encryption (RFC 8446 §5.1 and §6).
        let alert = [21, 3, 3, 0, 2, 2, 48];
        let socket = reset_after(&alert).await;
        let roots = std::sync::Arc::new(rustls::RootCertStore::empty());
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = rustls_pki_types::ServerName::try_from("fe01.contoso.test").unwrap();
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
        let error = connector.connect(name, socket).await.err().unwrap();
        let failure = crate::edge::failed::HandshakeFailure::from_io(&error);
        assert_eq!(failure.reason(), "alert_unknown_ca");
    }

    #[tokio::test]
    async fn when_nothing_was_said_the_error_of_the_write_is_what_comes() {
        let mut socket = reset_after(b"x").await;
        assert_eq!(socket.write(b"hello").await.unwrap(), 5);
        assert_eq!(socket.write(b"hello").await.unwrap(), 5);
        assert_eq!(socket.read_u8().await.unwrap(), b'x');
        let mut buffer = [0];
        let error = socket.read(&mut buffer).await.unwrap_err();
        assert!(is_gone(&error), "{error}");
        let (_tcp, _, failed) = socket.into_parts();
        assert!(failed.is_none());
    }
}
