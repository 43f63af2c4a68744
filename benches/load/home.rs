//! The home server behind the program under load: MTLS, 200 to everything, 180 first to an INVITE, and nothing
//! more where `ring` is asked for.
use super::{Outcome, tls};
use memchr::memmem;
use sipward_lab::site::Site;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Longer than a registration takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Starts it on a thread of its own.
pub(crate) fn start(site: &Site) -> Outcome<SocketAddr> {
    Ok(start_registrar(site)?.0)
}

/// The same, with the Path of each REGISTER (RFC 3327 §5.2) in the order in which they came.
pub(crate) fn start_registrar(site: &Site) -> Outcome<(SocketAddr, Receiver<String>)> {
    let (paths, taken) = mpsc::channel();
    let acceptor = TlsAcceptor::from(tls::home_config(site)?);
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let contact = format!("Contact: <sip:home@{address};transport=tls>\r\n");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::spawn(move || {
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener)?;
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, contact) = (acceptor.clone(), contact.clone());
                let paths = paths.clone();
                tokio::spawn(async move {
                    tcp.set_nodelay(true)?;
                    let mut stream = acceptor.accept(tcp).await?;
                    serve(&mut stream, contact.as_bytes(), Some(&paths)).await
                });
            }
            Ok::<(), io::Error>(())
        })
    });
    Ok((address, taken))
}

/// Answers what comes until the connection ends; `contact` is the header line of who answers.
pub(crate) async fn serve(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    contact: &[u8],
    paths: Option<&Sender<String>>,
) -> io::Result<()> {
    let (mut pending, mut out) = (Vec::new(), Vec::new());
    while stream.read_buf(&mut pending).await? > 0 {
        let mut done = 0_usize;
        while let Some(length) = pending
            .get(done..)
            .and_then(|rest| answer(rest, contact, paths, &mut out))
        {
            done = done.saturating_add(length);
        }
        pending.drain(..done);
        if !out.is_empty() {
            stream.write_all(&out).await?;
            stream.flush().await?;
            out.clear();
        }
        if pending.is_empty() {
            // An idle connection should weigh nothing here either.
            pending = Vec::new();
        }
    }
    Ok(())
}

/// Answers the request at the beginning; gives its length, or `None` when it is not complete.
fn answer(
    octets: &[u8],
    contact: &[u8],
    paths: Option<&Sender<String>>,
    out: &mut Vec<u8>,
) -> Option<usize> {
    if octets.starts_with(b"\r\n\r\n") {
        out.extend_from_slice(b"\r\n");
        return Some(4);
    }
    if octets.starts_with(b"\r\n") {
        // Half a keep-alive, or the end of one.
        return (octets.len() > 2).then_some(2);
    }
    let head = memmem::find(octets, b"\r\n\r\n")?.checked_add(4)?;
    let lines = octets.get(..head)?;
    let total = head.checked_add(body_length(lines))?;
    if octets.len() < total {
        return None;
    }
    if lines.starts_with(b"INVITE ") {
        reply(lines, b"SIP/2.0 180 Ringing\r\n", contact, out);
        if !lines.starts_with(b"INVITE sip:ring@") {
            reply(lines, b"SIP/2.0 200 OK\r\n", contact, out);
        }
    } else if lines.starts_with(b"REGISTER ") {
        // What is registered is the sender's own address (RFC 3261 §10.3).
        let own = value(lines, b"\nContact: ").unwrap_or_default();
        let bound = [b"Contact: ", own, b";expires=3600\r\n"].concat();
        reply(lines, b"SIP/2.0 200 OK\r\n", &bound, out);
        if let Some((paths, path)) = paths.zip(value(lines, b"\nPath: ")) {
            // Who does not measure registered clients does not take it.
            let _ = paths.send(String::from_utf8_lossy(path).into_owned());
        }
    } else if !lines.starts_with(b"ACK ") {
        reply(lines, b"SIP/2.0 200 OK\r\n", contact, out);
    }
    Some(total)
}

/// What stands behind a header name, which is written with the line's end before it.
fn value<'a>(lines: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let begin = memmem::find(lines, name)?.checked_add(name.len())?;
    lines.get(begin..)?.split(|byte| *byte == b'\r').next()
}

fn body_length(lines: &[u8]) -> usize {
    memmem::find(lines, b"\nContent-Length: ")
        .and_then(|at| lines.get(at.saturating_add(17)..))
        .map_or(0, |digits| {
            digits
                .iter()
                .take_while(|d| d.is_ascii_digit())
                .fold(0, |n: usize, d| {
                    n.saturating_mul(10).saturating_add(usize::from(d & 15))
                })
        })
}

fn reply(lines: &[u8], status: &[u8], contact: &[u8], out: &mut Vec<u8>) {
    const COPIED: [&[u8]; 6] = [
        b"Via: ",
        b"From: ",
        b"To: ",
        b"Call-ID: ",
        b"CSeq: ",
        b"Record-Route: ",
    ];
    out.extend_from_slice(status);
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', lines) {
        let line = lines.get(start..=end).unwrap_or_default();
        start = end.saturating_add(1);
        if !COPIED.iter().any(|name| line.starts_with(name)) {
            continue;
        }
        if line.starts_with(b"To: ") && memmem::find(line, b";tag=").is_none() {
            out.extend_from_slice(line.trim_ascii_end());
            out.extend_from_slice(b";tag=home\r\n");
        } else {
            out.extend_from_slice(line);
        }
    }
    out.extend_from_slice(contact);
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
}
