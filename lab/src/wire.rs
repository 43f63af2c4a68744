//! One TLS connection of an end: framing by Content-Length (RFC 3261 §18.3), keep-alives (RFC 5626 §4.4.1),
//! raw bytes.
use super::framing::{FrameKind, next_frame};
use super::shared::lock;
use super::{LabError, SipMessage};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsStream;
use tokio_util::sync::CancellationToken;

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The other side sent close_notify.
    CloseNotify,
    /// The other side cut it, or sent an alert; with the TLS library's or the system's error.
    Cut(String),
    /// This end ended it.
    Here,
}

/// A live or ended connection; cheap to clone.
#[derive(Clone)]
pub struct Wire {
    state: Arc<WireState>,
}

struct WireState {
    party: String,
    local: SocketAddr,
    remote: SocketAddr,
    /// To the task that writes.
    out: mpsc::Sender<Out>,
    stop: CancellationToken,
    /// How it ended, once it has.
    ended: watch::Receiver<Option<Ended>>,
    /// What came, before framing; the oldest goes first when it is too much.
    raw: Mutex<Vec<u8>>,
    /// Keep-alive pings that came.
    pings: AtomicUsize,
    /// Pings are counted and not answered.
    mute: AtomicBool,
    /// Pongs that came; watched, because [`Wire::ping`] waits for the next.
    pongs: watch::Sender<usize>,
}

enum Out {
    Bytes(Vec<u8>),
    Close,
}

/// Of the received bytes this many are kept for [`Wire::raw`], and twice as many at most.
const RAW_KEPT: usize = 4 * 1024 * 1024;
/// Messages or segments that wait for the socket: enough for every test that sends faster than the edge
/// reads.
const OUT_QUEUE: usize = 4096;

impl Wire {
    /// Starts to read and write; `deliver` gets each message with its bytes.
    pub(super) fn start(
        party: &str,
        stream: TlsStream<TcpStream>,
        stop: CancellationToken,
        deliver: impl Fn(&Self, SipMessage, Vec<u8>) + Send + 'static,
    ) -> io::Result<Self> {
        let (tcp, _) = stream.get_ref();
        let (local, remote) = (tcp.local_addr()?, tcp.peer_addr()?);
        let (out, queue) = mpsc::channel(OUT_QUEUE);
        let (ended_in, ended) = watch::channel(None);
        let wire = Self {
            state: Arc::new(WireState {
                party: party.to_owned(),
                local,
                remote,
                out,
                stop: stop.clone(),
                ended,
                raw: Mutex::default(),
                pings: AtomicUsize::new(0),
                mute: AtomicBool::new(false),
                pongs: watch::channel(0).0,
            }),
        };
        // Two tasks, so that an end that does not read can still write, and the other way round.
        let (read, write) = tokio::io::split(stream);
        tokio::spawn(write_queue(write, queue, stop.clone()));
        let reader = wire.clone();
        tokio::spawn(async move {
            let how = tokio::select! {
                how = reader.read_all(read, deliver) => how,
                () = stop.cancelled() => Ended::Here,
            };
            ended_in.send_replace(Some(how));
            stop.cancel();
        });
        Ok(wire)
    }

    /// Reads until the connection ends, and returns how it did.
    async fn read_all(
        &self,
        mut read: ReadHalf<TlsStream<TcpStream>>,
        deliver: impl Fn(&Self, SipMessage, Vec<u8>),
    ) -> Ended {
        let mut pending = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        loop {
            match read.read(&mut chunk).await {
                Ok(0) => return Ended::CloseNotify,
                Ok(n) => {
                    let got = chunk.get(..n).unwrap_or_default();
                    self.keep_raw(got);
                    pending.extend_from_slice(got);
                }
                Err(e) => return Ended::Cut(e.to_string()),
            }
            while let Some((kind, length)) = next_frame(&pending) {
                let frame: Vec<u8> = pending.drain(..length).collect();
                match kind {
                    FrameKind::Ping => {
                        self.state.pings.fetch_add(1, Ordering::Relaxed);
                        if !self.state.mute.load(Ordering::Relaxed) {
                            let _ = self.state.out.try_send(Out::Bytes(b"\r\n".to_vec()));
                        }
                    }
                    FrameKind::Pong => self.state.pongs.send_modify(|n| *n = n.saturating_add(1)),
                    FrameKind::Message => match SipMessage::parse(&frame) {
                        Some(message) => deliver(self, message, frame),
                        // An edge that sends such a thing is broken: the test must not go on.
                        None => return Ended::Cut("what came is not SIP".to_owned()),
                    },
                }
            }
        }
    }

    fn keep_raw(&self, got: &[u8]) {
        let mut raw = lock(&self.state.raw);
        raw.extend_from_slice(got);
        // Seldom, since all that is kept moves: a connection that carries thousands of messages a second does nothing else otherwise.
        if raw.len() > 2 * RAW_KEPT {
            let excess = raw.len().saturating_sub(RAW_KEPT);
            raw.drain(..excess);
        }
    }

    /// Whether nobody has ended it yet.
    pub fn is_live(&self) -> bool {
        self.state.ended.borrow().is_none() && !self.state.stop.is_cancelled()
    }

    /// This end's address.
    pub fn local(&self) -> SocketAddr {
        self.state.local
    }

    /// The other side's address.
    pub fn remote(&self) -> SocketAddr {
        self.state.remote
    }

    /// The bytes received so far (the last few megabytes).
    pub fn raw(&self) -> Vec<u8> {
        lock(&self.state.raw).clone()
    }

    /// From now on answers no keep-alive ping.
    pub fn ignore_pings(&self) {
        self.state.mute.store(true, Ordering::Relaxed);
    }

    /// How many keep-alive pings came from the other side (each was answered, unless [`Self::ignore_pings`]
    /// was called).
    pub fn pings(&self) -> usize {
        self.state.pings.load(Ordering::Relaxed)
    }

    /// How many pongs came.
    pub fn pongs(&self) -> usize {
        *self.state.pongs.borrow()
    }

    /// Queues bytes as one write, and so one TLS record as long as they fit (16 kB).
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn send_raw(&self, bytes: &[u8]) -> Result<(), LabError> {
        self.queue(Out::Bytes(bytes.to_vec())).await
    }

    /// Queues bytes in `parts` writes of about equal length, each flushed by itself.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn send_in_segments(&self, bytes: &[u8], parts: usize) -> Result<(), LabError> {
        let size = bytes.len().div_ceil(parts.max(1)).max(1);
        for segment in bytes.chunks(size) {
            self.send_raw(segment).await?;
        }
        Ok(())
    }

    /// Queues without waiting, for answers of the transaction layer.
    pub(super) fn send_now(&self, bytes: Vec<u8>) {
        let _ = self.state.out.try_send(Out::Bytes(bytes));
    }

    /// Sends a keep-alive ping and waits for its pong.
    ///
    /// # Errors
    /// No pong within `patience`, or the connection has ended.
    pub async fn ping(&self, patience: Duration) -> Result<(), LabError> {
        let mut pongs = self.state.pongs.subscribe();
        let before = *pongs.borrow_and_update();
        self.send_raw(b"\r\n\r\n").await?;
        match tokio::time::timeout(patience, pongs.wait_for(|n| *n > before)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(self.timeout("a pong", patience)),
        }
    }

    /// Sends what is queued, then close_notify.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn close(&self) -> Result<(), LabError> {
        self.queue(Out::Close).await
    }

    /// Drops the connection without close_notify.
    pub fn cut(&self) {
        self.state.stop.cancel();
    }

    /// Waits for the end of the connection and returns how it came.
    ///
    /// # Errors
    /// It is still open after `patience`.
    pub async fn ended(&self, patience: Duration) -> Result<Ended, LabError> {
        let mut ended = self.state.ended.clone();
        match tokio::time::timeout(patience, ended.wait_for(Option::is_some)).await {
            Ok(Ok(how)) => Ok(how.clone().unwrap_or(Ended::Here)),
            Ok(Err(_)) => Ok(Ended::Here),
            Err(_) => Err(self.timeout("the end of the connection", patience)),
        }
    }

    /// Hands something to the writing task, and waits while its queue is full.
    async fn queue(&self, what: Out) -> Result<(), LabError> {
        if !self.is_live() || self.state.out.send(what).await.is_err() {
            return Err(LabError::NoConnection {
                end: self.state.party.clone(),
                transcript: String::new(),
            });
        }
        Ok(())
    }

    /// The error of a wait on this connection, which has no transcript at hand.
    fn timeout(&self, awaited: &str, patience: Duration) -> LabError {
        LabError::timeout(
            &self.state.party,
            awaited.to_owned(),
            patience,
            String::new(),
        )
    }
}

/// Writes what is queued, one flush for each element: an element is one TLS record while it fits.
async fn write_queue(
    mut write: WriteHalf<TlsStream<TcpStream>>,
    mut queue: mpsc::Receiver<Out>,
    stop: CancellationToken,
) {
    let work = async {
        while let Some(next) = queue.recv().await {
            match next {
                Out::Bytes(bytes) => {
                    write.write_all(&bytes).await?;
                    write.flush().await?;
                }
                Out::Close => {
                    write.shutdown().await?;
                    return Ok(());
                }
            }
        }
        Ok::<(), io::Error>(())
    };
    tokio::select! {
        // A write error shows at the reader, too, which keeps how the connection ended.
        _ = work => {}
        () = stop.cancelled() => {}
    }
}
