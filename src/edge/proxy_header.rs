//! The header that a layer-4 balancer sends before anything else (PROXY protocol, versions 1 and 2): who has connected to it.
//!
//! Its length is known only from what it says, and behind its last byte TLS begins, which is another reader's: each read asks
//! for no more than surely belongs to the header.
use super::failed::HandshakeFailure;
use crate::reason::ConnectionReason;
use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use std::io;
use std::net::SocketAddr;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// How version 1 begins.
const V1: &[u8] = b"PROXY ";
/// How version 2 begins.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// What every header has at least: `PROXY UNKNOWN` with its line's end, one less than version 2 without addresses.
const LEAST: usize = 15;
/// Version 2 up to its length, which counts what follows.
const V2_HEAD: usize = 16;
/// The longest line of version 1, by its specification.
const V1_MOST: usize = 107;
/// The longest header of version 2 that is read: what the specification wants to fit into the smallest segment. It leaves
/// some hundred bytes for what a balancer adds to the addresses, all of which is passed over.
const V2_MOST: usize = 536;

/// What a header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Announced {
    /// Somebody connected to the balancer.
    Proxied {
        /// From there.
        source: SocketAddr,
        /// To this address of the balancer, which is one of this node for whoever uses it.
        destination: SocketAddr,
    },
    /// The balancer speaks for itself (LOCAL, and UNKNOWN of version 1): a health check.
    Balancer,
}

/// What has to be read next.
enum HeaderStep {
    /// At most so many bytes, all of which belong to the header.
    Bytes(usize),
    /// What is left of a line that has at most so many more bytes.
    Line(usize),
    /// Nothing.
    Whole,
}

/// Where a header comes from: what has come can be seen before it is taken.
#[expect(async_fn_in_trait, reason = "nobody sends these futures anywhere")]
pub trait HeaderSource {
    /// Sees bytes that have come, as many as there is room for, and leaves them there; 0: it has ended.
    ///
    /// # Errors
    /// The system's.
    async fn see(&mut self, room: &mut [u8]) -> io::Result<usize>;

    /// Takes at most so many bytes, and puts them behind the header's; 0: it has ended.
    ///
    /// # Errors
    /// The system's.
    async fn pull(&mut self, most: usize, header: &mut Vec<u8>) -> io::Result<usize>;
}

impl HeaderSource for TcpStream {
    async fn see(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.peek(room).await
    }

    async fn pull(&mut self, most: usize, header: &mut Vec<u8>) -> io::Result<usize> {
        (&mut *self).take(most as u64).read_buf(header).await
    }
}

/// Reads a header from the beginning of a connection, and not one byte more. The caller bounds its time.
///
/// # Errors
/// It is no header, or the connection has ended: `closed` or `reset` if not even its first byte came.
pub async fn read(source: &mut impl HeaderSource) -> Result<Announced, HandshakeFailure> {
    let mut header = Vec::with_capacity(V1_MOST);
    loop {
        let most = match step(&header).map_err(HandshakeFailure::refused)? {
            HeaderStep::Whole => return meaning(&header).map_err(HandshakeFailure::refused),
            HeaderStep::Bytes(most) => most,
            // What has arrived is looked at, and taken up to the end of the line.
            HeaderStep::Line(most) => {
                let mut seen = [0; V1_MOST];
                let seen = seen.get_mut(..most).unwrap_or_default();
                let came = source.see(seen).await.map_err(|e| broken(&e, &header))?;
                let seen = seen.get(..came).unwrap_or_default();
                memchr::memchr(b'\n', seen).map_or(came, |end| end + 1)
            }
        };
        let came = source.pull(most, &mut header).await;
        if came.map_err(|e| broken(&e, &header))? == 0 {
            return Err(ended(&header));
        }
    }
}

/// What follows what has come so far.
fn step(header: &[u8]) -> Result<HeaderStep, ConnectionReason> {
    let begins = |greeting: &[u8]| header.iter().zip(greeting).all(|(a, b)| a == b);
    let (v1, v2) = (begins(V1), begins(V2));
    if !v1 && !v2 {
        return Err(ConnectionReason::ProxyHeaderMissing);
    }
    let length = header.len();
    // A line that is too short to be one: what is read at once may hold more than it.
    if v1 && memchr::memchr(b'\n', header).is_some_and(|end| end + 1 < LEAST) {
        return Err(ConnectionReason::ProxyHeaderMalformed);
    }
    let least = if v2 && length >= LEAST {
        V2_HEAD
    } else {
        LEAST
    };
    if length < least {
        return Ok(HeaderStep::Bytes(least - length));
    }
    if v1 {
        return match header.last() {
            Some(b'\n') => Ok(HeaderStep::Whole),
            _ if length >= V1_MOST => Err(ConnectionReason::ProxyHeaderTooLong),
            _ => Ok(HeaderStep::Line(V1_MOST - length)),
        };
    }
    let counted = header.get(V2_HEAD - 2..V2_HEAD);
    let counted = counted.and_then(|two| two.try_into().ok());
    let whole = V2_HEAD + usize::from(u16::from_be_bytes(counted.unwrap_or_default()));
    if whole > V2_MOST {
        return Err(ConnectionReason::ProxyHeaderTooLong);
    }
    Ok(match whole.saturating_sub(length) {
        0 => HeaderStep::Whole,
        missing => HeaderStep::Bytes(missing),
    })
}

/// What a whole header says.
fn meaning(header: &[u8]) -> Result<Announced, ConnectionReason> {
    // What a balancer adds may be wrong in whatever way: nobody reads it.
    let config = ParseConfig {
        include_tlvs: false,
        ..ParseConfig::default()
    };
    let (parsed, length) =
        ProxyHeader::parse(header, config).map_err(|_| ConnectionReason::ProxyHeaderMalformed)?;
    if length != header.len() {
        return Err(ConnectionReason::ProxyHeaderMalformed);
    }
    match parsed.proxied_address() {
        Some(proxied) if proxied.protocol == Protocol::Stream => Ok(Announced::Proxied {
            source: proxied.source,
            destination: proxied.destination,
        }),
        // For somebody, but over no TCP connection that has an address: nothing could be counted for it.
        None if header.starts_with(V2) && header.get(V2.len()) != Some(&0x20) => {
            Err(ConnectionReason::ProxyHeaderUnsupported)
        }
        Some(_) => Err(ConnectionReason::ProxyHeaderUnsupported),
        None => Ok(Announced::Balancer),
    }
}

/// Whether bytes that are no TLS are a header, or begin like one.
pub(super) fn is_header(bytes: &[u8]) -> bool {
    bytes.starts_with(V1) || bytes.starts_with(V2)
}

/// What this node sends where it is a balancer itself: when it looks at its own listeners.
pub(super) fn local() -> [u8; V2_HEAD] {
    let mut header = [0; V2_HEAD];
    // It fits: there are no addresses in it.
    let _ = ProxyHeader::with_local().encode_to_slice_v2(&mut header);
    header
}

/// The connection has ended in the header, or before it.
fn ended(header: &[u8]) -> HandshakeFailure {
    HandshakeFailure::aborted(if header.is_empty() {
        ConnectionReason::Closed
    } else {
        ConnectionReason::ProxyHeaderTruncated
    })
}

/// The same with an error of the system.
fn broken(error: &io::Error, header: &[u8]) -> HandshakeFailure {
    if header.is_empty() {
        HandshakeFailure::from_io(error)
    } else {
        ended(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    /// A header of version 2: command, family and protocol, addresses and additions.
    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [V2, &[command, family], &length, rest].concat()
    }

    const V4_ADDRESSES: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0x13, 0xc5];

    fn proxied(source: &str, destination: &str) -> Result<Announced, &'static str> {
        Ok(Announced::Proxied {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        })
    }

    /// What is read of a connection, in pieces of `size` bytes each with the next when the last one was taken, and what is
    /// left of it for TLS.
    async fn read_in_pieces(
        bytes: &[u8],
        size: usize,
    ) -> (Result<Announced, &'static str>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test's own listener")]
        let connected = TcpStream::connect(listener.local_addr().unwrap()).await;
        let mut remote = connected.unwrap();
        remote.set_nodelay(true).unwrap();
        let (mut tcp, _) = listener.accept().await.unwrap();
        let sent = bytes.to_vec();
        let writer = tokio::spawn(async move {
            for piece in sent.chunks(size) {
                // A reader that is done leaves the rest unread.
                if remote.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let _ = remote.shutdown().await;
            remote
        });
        let read = read(&mut tcp).await.map_err(|f| f.reason().code());
        let mut left = Vec::new();
        // The end of what was sent.
        let _ = tcp.read_to_end(&mut left).await;
        let _remote = writer.await.unwrap();
        (read, left)
    }

    #[tokio::test]
    async fn a_header_is_read_to_its_last_byte_and_not_one_further_however_it_comes() {
        let v6: Vec<u8> = [
            &"2001:db8::7"
                .parse::<std::net::Ipv6Addr>()
                .unwrap()
                .octets()[..],
            &"2001:db8::1"
                .parse::<std::net::Ipv6Addr>()
                .unwrap()
                .octets()[..],
            &[0x30, 0x39, 0x13, 0xc5],
        ]
        .concat();
        let with_additions = [&V4_ADDRESSES[..], &[0xee; 400]].concat();
        let (source, destination) = ("192.0.2.7:12345", "10.0.0.1:5061");
        let v4 = proxied(source, destination);
        for (header, says) in [
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 5061\r\n".to_vec(), v4),
            (
                b"PROXY TCP6 2001:db8::7 2001:db8::1 12345 5061\r\n".to_vec(),
                proxied("[2001:db8::7]:12345", "[2001:db8::1]:5061"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), Ok(Announced::Balancer)),
            (
                b"PROXY UNKNOWN what it says is passed over\r\n".to_vec(),
                Ok(Announced::Balancer),
            ),
            (v2(0x21, 0x11, &V4_ADDRESSES), v4),
            (v2(0x21, 0x11, &with_additions), v4),
            (
                v2(0x21, 0x21, &v6),
                proxied("[2001:db8::7]:12345", "[2001:db8::1]:5061"),
            ),
            (local().to_vec(), Ok(Announced::Balancer)),
            (v2(0x20, 0x11, &V4_ADDRESSES), Ok(Announced::Balancer)),
        ] {
            // As TLS begins, with a byte that could end a line of version 1.
            let tls = [22, 3, 1, b'\n', b'\r', b'\n'];
            let bytes = [&header[..], &tls].concat();
            for size in [1, 7, bytes.len()] {
                let (read, left) = read_in_pieces(&bytes, size).await;
                assert_eq!((read, &left[..]), (says, &tls[..]), "{header:?} by {size}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_header_has_a_reason_of_its_own() {
        let long = [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat();
        for (bytes, reason) in [
            (&b""[..], "closed"),
            (b"PROXY TCP4 192.0.2.7", "proxy_header_truncated"),
            (b"\r\n\r\n", "proxy_header_truncated"),
            (
                &v2(0x21, 0x11, &V4_ADDRESSES)[..20],
                "proxy_header_truncated",
            ),
            (&[22, 3, 1, 2, 0, 1, 0, 1, 252], "proxy_header_missing"),
            (b"PROX Y", "proxy_header_missing"),
            (b"OPTIONS sip:edge SIP/2.0\r\n", "proxy_header_missing"),
            (
                b"PROXY TCP4 192.0.2.7 10.0.0.1 12345\r\n",
                "proxy_header_malformed",
            ),
            (
                b"PROXY TCP4 192.0.2.256 10.0.0.1 1 2\r\n",
                "proxy_header_malformed",
            ),
            (
                b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
                "proxy_header_malformed",
            ),
            (
                b"PROXY TCP4 192.0.2.7 10.0.0.1 1 65536\r\n",
                "proxy_header_malformed",
            ),
            (b"PROXY x\r\n", "proxy_header_malformed"),
            (b"PROXY UDP4\r\nabc", "proxy_header_malformed"),
            (
                b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n",
                "proxy_header_malformed",
            ),
            (
                b"PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n",
                "proxy_header_malformed",
            ),
            (&v2(0x31, 0x11, &V4_ADDRESSES), "proxy_header_malformed"),
            (&v2(0x22, 0x11, &V4_ADDRESSES), "proxy_header_malformed"),
            (&v2(0x21, 0x41, &V4_ADDRESSES), "proxy_header_malformed"),
            (
                &v2(0x21, 0x11, &V4_ADDRESSES[..8]),
                "proxy_header_malformed",
            ),
            (&v2(0x21, 0x21, &V4_ADDRESSES), "proxy_header_malformed"),
            (&v2(0x21, 0x12, &V4_ADDRESSES), "proxy_header_unsupported"),
            (&v2(0x21, 0x00, &[]), "proxy_header_unsupported"),
            (&v2(0x21, 0x31, &[0; 216]), "proxy_header_unsupported"),
            (&long, "proxy_header_too_long"),
            (&v2(0x21, 0x11, &[0; 600]), "proxy_header_too_long"),
        ] {
            for size in [1, bytes.len().max(1)] {
                let (read, _) = read_in_pieces(bytes, size).await;
                assert_eq!(read, Err(reason), "{bytes:?} by {size}");
            }
        }
    }
}
