//! What a balancer sends first (PROXY protocol), as any octets in any pieces: what it says, and that not one byte more is read.
use sipward::edge::{Announced, HeaderSource, read_proxy_header};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest header of version 2 that is read, and of version 1.
const MOST: usize = 536;
const LONGEST_LINE: usize = 107;

/// A connection of which so many bytes more have come whenever there are none.
struct Pieces<'b> {
    bytes: &'b [u8],
    size: usize,
    taken: usize,
    come: usize,
}

impl Pieces<'_> {
    fn here(&mut self, most: usize) -> &[u8] {
        if self.come == self.taken {
            self.come = self.bytes.len().min(self.come + self.size);
        }
        &self.bytes[self.taken..self.come.min(self.taken + most)]
    }
}

impl HeaderSource for Pieces<'_> {
    async fn see(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let here = self.here(room.len());
        room[..here.len()].copy_from_slice(here);
        Ok(here.len())
    }

    async fn pull(&mut self, most: usize, header: &mut Vec<u8>) -> io::Result<usize> {
        assert!(
            most > 0 || self.taken == self.bytes.len(),
            "asks for nothing"
        );
        let here = self.here(most);
        header.extend_from_slice(here);
        let length = here.len();
        self.taken += length;
        Ok(length)
    }
}

/// What the reader makes of it, and how many bytes it has taken.
fn read(bytes: &[u8], size: usize) -> (Result<Announced, &'static str>, usize) {
    let mut pieces = Pieces {
        bytes,
        size,
        taken: 0,
        come: 0,
    };
    let read = {
        let mut reading = pin!(read_proxy_header(&mut pieces));
        let mut context = Context::from_waker(Waker::noop());
        match reading.as_mut().poll(&mut context) {
            Poll::Ready(read) => read,
            Poll::Pending => panic!("it waits for what is there"),
        }
    };
    let read = read.map_err(|failure| failure.reason().code());
    (read, pieces.taken)
}

/// The first octet says in which pieces the others come.
pub fn proxied(data: &[u8]) {
    let Some((first, bytes)) = data.split_first() else {
        return;
    };
    let (says, taken) = read(bytes, usize::MAX / 2);
    for size in [1, usize::from(*first) + 1] {
        let (again, _) = read(bytes, size);
        assert_eq!(again, says, "in pieces of {size}");
    }
    let expected = usual(bytes);
    if let Some((expected, length)) = expected {
        assert_eq!((says, taken), (Ok(expected), length));
    }
    let Ok(says) = says else {
        return;
    };
    // Whatever is taken for a header reads so to somebody else as well.
    let header = &bytes[..taken];
    if header.starts_with(V2) {
        let length = u16::from_be_bytes([header[14], header[15]]);
        assert_eq!(taken, 16 + usize::from(length));
        match says {
            Announced::Proxied { .. } => assert_eq!(expected, Some((says, taken))),
            Announced::Balancer => assert_eq!(header[12], 0x20, "a client without an address"),
        }
    } else {
        // Behind UNKNOWN whatever stands there is passed over.
        let line = String::from_utf8_lossy(header);
        let line = line.strip_prefix("PROXY ").unwrap();
        let line = line.strip_suffix("\r\n").unwrap();
        assert!(!line.contains('\n') && taken <= LONGEST_LINE);
        match says {
            Announced::Proxied {
                source,
                destination,
            } => {
                let words: Vec<&str> = line.split(' ').collect();
                let [_, from, to, from_port, to_port] = words[..] else {
                    panic!("{line}");
                };
                let at = |ip: &str, port: &str| {
                    let ip: IpAddr = ip.parse().unwrap();
                    SocketAddr::new(ip, port.parse().unwrap())
                };
                assert_eq!(source, at(from, from_port));
                assert_eq!(destination, at(to, to_port));
            }
            Announced::Balancer => assert!(line.starts_with("UNKNOWN"), "{line}"),
        }
    }
}

/// What a header says that is written as balancers write it, and its length.
fn usual(bytes: &[u8]) -> Option<(Announced, usize)> {
    if bytes.starts_with(V2) {
        let length = 16 + usize::from(u16::from_be_bytes([*bytes.get(14)?, *bytes.get(15)?]));
        let header = bytes.get(..length).filter(|_| length <= MOST)?;
        let port = |at: usize| Some(u16::from_be_bytes([*header.get(at)?, *header.get(at + 1)?]));
        let (source, destination) = match (header[12], header[13]) {
            (0x20, 0) if length == 16 => return Some((Announced::Balancer, length)),
            (0x21, 0x11) => {
                let ip = |at: usize| {
                    let octets: [u8; 4] = header.get(at..at + 4)?.try_into().ok()?;
                    Some(IpAddr::V4(Ipv4Addr::from(octets)))
                };
                (
                    SocketAddr::new(ip(16)?, port(24)?),
                    SocketAddr::new(ip(20)?, port(26)?),
                )
            }
            (0x21, 0x21) => {
                let ip = |at: usize| {
                    let octets: [u8; 16] = header.get(at..at + 16)?.try_into().ok()?;
                    Some(IpAddr::V6(Ipv6Addr::from(octets)))
                };
                (
                    SocketAddr::new(ip(16)?, port(48)?),
                    SocketAddr::new(ip(32)?, port(50)?),
                )
            }
            _ => return None,
        };
        let says = Announced::Proxied {
            source,
            destination,
        };
        return Some((says, length));
    }
    let end = bytes.iter().take(LONGEST_LINE).position(|b| *b == b'\n')?;
    let line = std::str::from_utf8(&bytes[..=end]).ok()?;
    let words: Vec<&str> = line.trim_end().split(' ').collect();
    let [_, family, from, to, from_port, to_port] = words[..] else {
        return None;
    };
    let at = |ip: &str, port: &str| Some(SocketAddr::new(ip.parse().ok()?, port.parse().ok()?));
    let (source, destination) = (at(from, from_port)?, at(to, to_port)?);
    let of = match (source, destination) {
        (SocketAddr::V4(_), SocketAddr::V4(_)) => "TCP4",
        (SocketAddr::V6(_), SocketAddr::V6(_)) => "TCP6",
        _ => return None,
    };
    let written = format!(
        "PROXY {of} {} {} {} {}\r\n",
        source.ip(),
        destination.ip(),
        source.port(),
        destination.port()
    );
    let says = Announced::Proxied {
        source,
        destination,
    };
    (family == of && written == line).then_some((says, end + 1))
}
