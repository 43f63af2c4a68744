//! A home server that refuses calls with 407 and registrations with 403, answers one sender's texts, and is silent to everything else.
use super::Outcome;
use super::daemon::Daemon;
use rustls::ServerConfig;
use sipward_lab::site::HOME;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// It has its address before the daemon is started, and its certificate after that.
pub(crate) struct SilentHome {
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

impl SilentHome {
    pub(crate) fn bind() -> Outcome<Self> {
        Self::bind_to(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// At an address that was its own before.
    pub(crate) fn bind_to(address: SocketAddr) -> Outcome<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { address, listener })
    }

    /// Serves on a thread of its own until the program ends: floods must not wait for their own answers. Returns the number
    /// of registrations that have reached it.
    pub(crate) fn serve(self, daemon: &Daemon) -> Outcome<Arc<AtomicUsize>> {
        let issued = daemon.site.enterprise.server(&format!("fe01.{HOME}"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(issued.chain.clone(), issued.key.clone_key())?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let registrations = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&registrations);
        std::thread::spawn(move || -> Outcome<()> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(self.listener)?;
                loop {
                    let (tcp, _) = listener.accept().await?;
                    let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
                    tokio::spawn(async move { answer_all(&acceptor, tcp, &counted).await });
                }
            })
        });
        Ok(registrations)
    }
}

/// One connection of the daemon.
async fn answer_all(
    acceptor: &TlsAcceptor,
    tcp: TcpStream,
    registrations: &AtomicUsize,
) -> Outcome<()> {
    let mut tls = acceptor.accept(tcp).await?;
    let mut buffer = Vec::new();
    while tls.read_buf(&mut buffer).await? > 0 {
        let mut answers = Vec::new();
        while let Some((length, answer)) = first(&buffer) {
            let is_registration = buffer.starts_with(b"REGISTER ");
            registrations.fetch_add(usize::from(is_registration), Ordering::Relaxed);
            buffer.drain(..length);
            answers.extend_from_slice(answer.as_bytes());
        }
        if buffer.starts_with(b"\r\n\r\n") {
            buffer.drain(..4);
            answers.extend_from_slice(b"\r\n");
        }
        tls.write_all(&answers).await?;
        tls.flush().await?;
    }
    Ok(())
}

/// The length of the first message, if all of it is there, and what it is answered.
fn first(buffer: &[u8]) -> Option<(usize, String)> {
    let head = buffer.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(buffer.get(..head)?).ok()?;
    let is_field = |line: &&str, name: &str| {
        let found = line.split_once(':').map(|(found, _)| found);
        found.is_some_and(|found| found.eq_ignore_ascii_case(name))
    };
    let length = text.lines().find(|line| is_field(line, "content-length"))?;
    let body: usize = length.split_once(':')?.1.trim().parse().ok()?;
    let whole = head + body;
    buffer.get(..whole)?;
    let status = match text.split(' ').next()? {
        "INVITE" => "407 Proxy Authentication Required",
        "REGISTER" => "403 Forbidden",
        "OPTIONS" => "200 OK",
        "MESSAGE" if text.contains("sip:honest@") => "200 OK",
        _ => return Some((whole, String::new())),
    };
    let mut answer = format!("SIP/2.0 {status}\r\n");
    for line in text.lines().skip(1) {
        let names = ["via", "from", "to", "call-id", "cseq", "record-route"];
        if !names.iter().any(|name| is_field(&line, name)) {
            continue;
        }
        answer.push_str(line);
        if is_field(&line, "to") && !line.contains(";tag=") {
            answer.push_str(";tag=home");
        }
        answer.push_str("\r\n");
    }
    answer.push_str("Content-Length: 0\r\n\r\n");
    Some((whole, answer))
}
