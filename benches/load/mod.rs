//! A load generator that is cheaper than what it measures: fixed octets with a number patched in, answers found by that
//! number, no message objects.
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::ServerName;
use sipward::lab::pki::Issued;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Why the load cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// A socket or a handshake.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A certificate.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// Anchors.
    #[error(transparent)]
    Anchors(#[from] rustls::server::VerifierBuilderError),
    /// The edge's name.
    #[error(transparent)]
    Name(#[from] rustls_pki_types::InvalidDnsNameError),
}

/// What one phase has seen.
#[derive(Default)]
pub(crate) struct Tally {
    /// Of each answered transaction, in rising order.
    pub(crate) latencies: Vec<Duration>,
    /// Answers other than 200.
    pub(crate) errors: u64,
    /// Transactions that got no answer.
    pub(crate) lost: u64,
}

/// What all clients share; cheap to clone.
#[derive(Clone)]
pub(crate) struct Load {
    shared: Arc<Shared>,
}

struct Shared {
    book: Mutex<Book>,
    answered: Notify,
}

#[derive(Default)]
struct Book {
    /// When transaction `first + index` was due.
    due: Vec<Instant>,
    first: usize,
    answered: usize,
    tally: Tally,
    /// Whether an answer is followed by the next request on the same connection.
    closed_loop: bool,
}

/// One client connection.
pub(crate) struct Client {
    write: Arc<tokio::sync::Mutex<Writer>>,
}

struct Writer {
    stream: WriteHalf<TlsStream<TcpStream>>,
    request: Vec<u8>,
    /// Where the ten digits of the number stand in `request`.
    places: Vec<usize>,
}

/// Ten digits, so that the number can be patched in place.
const BLANK: &str = "##########";
/// In Call-ID, before the number.
const MARK: &[u8] = b"Call-ID: bench-";
/// Octets of the body: a short text.
const BODY: &[u8] = b"The quick brown fox jumps over the lazy dog; sixty-four octets..";
/// How long answers may still come when a phase has ended.
const GRACE: Duration = Duration::from_secs(5);

impl Load {
    pub(crate) fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                book: Mutex::default(),
                answered: Notify::new(),
            }),
        }
    }

    /// Begins a new phase.
    pub(crate) fn reset(&self) {
        self.book(|b| {
            b.first = b.first.saturating_add(b.due.len());
            b.due.clear();
            b.answered = 0;
            b.tally = Tally::default();
        });
    }

    /// Waits for the answers that are still due.
    pub(crate) async fn settled(&self) {
        let all = async {
            loop {
                let answered = self.shared.answered.notified();
                tokio::pin!(answered);
                answered.as_mut().enable();
                if self.book(|b| b.answered >= b.due.len()) {
                    return;
                }
                answered.await;
            }
        };
        // Who is silent for longer is counted as lost.
        let _ = tokio::time::timeout(GRACE, all).await;
    }

    /// The phase's figures.
    pub(crate) fn take(&self) -> Tally {
        self.book(|b| {
            let mut tally = std::mem::take(&mut b.tally);
            tally.lost = b.due.len().saturating_sub(b.answered) as u64;
            tally.latencies.sort_unstable();
            tally
        })
    }

    fn book<T>(&self, f: impl FnOnce(&mut Book) -> T) -> T {
        f(&mut self
            .shared
            .book
            .lock()
            .unwrap_or_else(PoisonError::into_inner))
    }

    /// Enters a transaction that is due at this time.
    fn enter(&self, due: Instant) -> usize {
        self.book(|b| {
            b.due.push(due);
            b.first.saturating_add(b.due.len()).saturating_sub(1)
        })
    }

    /// Enters an answer; whether another request shall follow.
    fn answer(&self, number: usize, ok: bool, now: Instant) -> bool {
        let go_on = self.book(|b| {
            let due = number.checked_sub(b.first).and_then(|at| b.due.get(at));
            if let Some(due) = due {
                b.answered = b.answered.saturating_add(1);
                b.tally.latencies.push(now.saturating_duration_since(*due));
                if !ok {
                    b.tally.errors = b.tally.errors.saturating_add(1);
                }
            }
            b.closed_loop
        });
        self.shared.answered.notify_waiters();
        go_on
    }
}

impl Client {
    pub(crate) async fn connect(
        edge: SocketAddr,
        name: &str,
        roots: &Arc<RootCertStore>,
        number: usize,
        load: &Load,
    ) -> Result<Self, LoadError> {
        let config = ClientConfig::builder()
            .with_root_certificates(Arc::clone(roots))
            .with_no_client_auth();
        let tcp = TcpStream::connect(edge).await?;
        tcp.set_nodelay(true)?;
        let local = tcp.local_addr()?;
        let name = ServerName::try_from(name.to_owned())?;
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await?;
        let (read, stream) = tokio::io::split(stream);
        let request = template(number, local);
        let places = memchr::memmem::find_iter(&request, BLANK).collect();
        let write = Arc::new(tokio::sync::Mutex::new(Writer {
            stream,
            request,
            places,
        }));
        tokio::spawn(read_answers(read, Arc::clone(&write), load.clone()));
        Ok(Self { write })
    }

    async fn send(&self, load: &Load, due: Instant) -> io::Result<()> {
        self.write.lock().await.send(load.enter(due)).await
    }
}

impl Writer {
    async fn send(&mut self, number: usize) -> io::Result<()> {
        let digits = format!("{number:010}");
        for at in &self.places {
            if let Some(place) = self.request.get_mut(*at..at.saturating_add(digits.len())) {
                place.copy_from_slice(digits.as_bytes());
            }
        }
        self.stream.write_all(&self.request).await?;
        self.stream.flush().await
    }
}

fn template(number: usize, local: SocketAddr) -> Vec<u8> {
    let head = format!(
        "MESSAGE sip:bob@contoso.test SIP/2.0\r\n\
         Via: SIP/2.0/TLS {local};rport;branch=z9hG4bK-bench-{BLANK}\r\n\
         Max-Forwards: 70\r\n\
         From: \"Client {number}\" <sip:client{number}@contoso.test>;tag=f{BLANK}\r\n\
         To: <sip:bob@contoso.test>\r\n\
         Call-ID: bench-{BLANK}@client{number}\r\n\
         CSeq: 1 MESSAGE\r\n\
         User-Agent: sipward-bench\r\n\
         Contact: <sip:client{number}@{local};transport=tls>\r\n\
         Content-Type: text/plain\r\n\
         Content-Length: {}\r\n\r\n",
        BODY.len()
    );
    let mut request = head.into_bytes();
    request.extend_from_slice(BODY);
    request
}

async fn read_answers(
    mut read: ReadHalf<TlsStream<TcpStream>>,
    write: Arc<tokio::sync::Mutex<Writer>>,
    load: Load,
) {
    let mut pending = Vec::with_capacity(64 * 1024);
    while matches!(read.read_buf(&mut pending).await, Ok(n) if n > 0) {
        let now = Instant::now();
        let (mut done, mut next) = (0, 0_usize);
        // Every answer ends with its head.
        while let Some(end) = pending
            .get(done..)
            .and_then(|rest| memchr::memmem::find(rest, b"\r\n\r\n"))
        {
            let end = done.saturating_add(end).saturating_add(4);
            let head = pending.get(done..end).unwrap_or_default();
            done = end;
            if head.starts_with(b"SIP/2.0 1") {
                continue;
            }
            if let Some(number) = number_of(head)
                && load.answer(number, head.starts_with(b"SIP/2.0 200"), now)
            {
                next = next.saturating_add(1);
            }
        }
        pending.drain(..done);
        for _ in 0..next {
            let number = load.enter(Instant::now());
            if write.lock().await.send(number).await.is_err() {
                return;
            }
        }
    }
}

fn number_of(head: &[u8]) -> Option<usize> {
    let at = memchr::memmem::find(head, MARK)?.saturating_add(MARK.len());
    let digits = head.get(at..at.saturating_add(BLANK.len()))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Tokio's timer counts milliseconds: a send that is late by no more than this is not late.
const TIMER: Duration = Duration::from_millis(2);

/// Sends at a fixed rate, whatever comes back. A send that this side could not make in time counts from when it was due.
pub(crate) async fn open_loop(
    clients: &[Client],
    load: &Load,
    rate: u64,
    how_long: Duration,
) -> Result<(), LoadError> {
    let began = Instant::now();
    let count = rate.saturating_mul(how_long.as_secs());
    let step = Duration::from_secs(1)
        .checked_div(u32::try_from(rate).unwrap_or(1))
        .unwrap_or_default();
    for (n, client) in (0..count).zip(clients.iter().cycle()) {
        let due = began + step.saturating_mul(u32::try_from(n).unwrap_or(u32::MAX));
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        let now = Instant::now();
        let on_time = now.saturating_duration_since(due) < TIMER;
        client.send(load, if on_time { now } else { due }).await?;
    }
    Ok(())
}

/// Keeps this many transactions open.
pub(crate) async fn closed_loop(
    clients: &[Client],
    load: &Load,
    outstanding: usize,
    how_long: Duration,
) -> Result<(), LoadError> {
    load.book(|b| b.closed_loop = true);
    for (_, client) in (0..outstanding).zip(clients.iter().cycle()) {
        client.send(load, Instant::now()).await?;
    }
    tokio::time::sleep(how_long).await;
    load.book(|b| b.closed_loop = false);
    Ok(())
}

/// A home server on a thread of its own that answers 200 to everything.
pub(crate) fn start_home(
    identity: &Issued,
    roots: &Arc<RootCertStore>,
) -> Result<SocketAddr, LoadError> {
    let verifier = WebPkiClientVerifier::builder(Arc::clone(roots)).build()?;
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::spawn(move || {
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener)?;
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(serve(acceptor.clone(), tcp));
            }
            Ok::<(), io::Error>(())
        })
    });
    Ok(address)
}

async fn serve(acceptor: TlsAcceptor, tcp: TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut stream = acceptor.accept(tcp).await?;
    let (mut pending, mut out) = (Vec::with_capacity(64 * 1024), Vec::with_capacity(64 * 1024));
    while stream.read_buf(&mut pending).await? > 0 {
        let mut done = 0_usize;
        while let Some(length) = pending.get(done..).and_then(|rest| answer(rest, &mut out)) {
            done = done.saturating_add(length);
        }
        pending.drain(..done);
        stream.write_all(&out).await?;
        stream.flush().await?;
        out.clear();
    }
    Ok(())
}

/// Answers the request at the beginning; gives its length, or `None` when it is not complete.
fn answer(octets: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    if octets.starts_with(b"\r\n") {
        return Some(2);
    }
    let head = memchr::memmem::find(octets, b"\r\n\r\n")?;
    let lines = octets.get(..head)?;
    let mut body = 0_usize;
    let mark = out.len();
    out.extend_from_slice(b"SIP/2.0 200 OK\r\n");
    for line in lines.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(value) = line.strip_prefix(b"Content-Length: ") {
            body = std::str::from_utf8(value).ok()?.trim().parse().ok()?;
        }
        let copied: [&[u8]; 5] = [b"Via: ", b"From: ", b"To: ", b"Call-ID: ", b"CSeq: "];
        if copied.iter().any(|name| line.starts_with(name)) {
            out.extend_from_slice(line);
            if line.starts_with(b"To: ") {
                out.extend_from_slice(b";tag=home");
            }
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    let total = head.checked_add(4)?.checked_add(body)?;
    if octets.len() < total {
        out.truncate(mark);
        return None;
    }
    Some(total)
}
