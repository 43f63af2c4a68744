//! Traced messages as a capture that Wireshark and its like open: pcapng with raw IP packets.
//!
//! Messages came over TLS, so there are no packets to copy: each message becomes one UDP datagram between the two
//! addresses of its connection, which every dissector reads without a key and without a stream to put together.
//! Three kinds of blocks are all that is needed (draft-ietf-opsawg-pcapng), and no crate for them is kept up.
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

/// LINKTYPE_RAW: a packet begins with its IP header.
const RAW_IP: u16 = 101;
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
/// Option codes: a comment, the program that has written it, which way a packet went, the end of options.
const COMMENT: u16 = 1;
const PROGRAM: u16 = 4;
const FLAGS: u16 = 2;
const END_OF_OPTIONS: u16 = 0;
/// The number of UDP.
const UDP: u8 = 17;
/// What one datagram holds: 65,535 bytes less the headers of IPv6 and UDP. A longer message is cut, and marked as cut.
const MOST: usize = 65_535 - 40 - 8;

/// A packet to be written.
pub(super) struct CapturedMessage<'m> {
    /// In microseconds since 1970.
    pub(super) at_us: u64,
    /// From where to where.
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    /// Whether this node received it.
    pub(super) received: bool,
    /// Shown by Wireshark beside it.
    pub(super) comment: String,
    pub(super) bytes: &'m [u8],
}

/// Writes what stands at the beginning of a capture.
pub(super) fn begin(out: &mut dyn Write) -> io::Result<()> {
    let mut section = Vec::new();
    section.extend_from_slice(&0x1a2b_3c4d_u32.to_le_bytes());
    // Version 1.0, and a length that is not known yet.
    section.extend_from_slice(&[1, 0, 0, 0]);
    section.extend_from_slice(&u64::MAX.to_le_bytes());
    let program = concat!("sipward ", env!("CARGO_PKG_VERSION"));
    option(&mut section, PROGRAM, program.as_bytes());
    option(&mut section, END_OF_OPTIONS, b"");
    block(SECTION, &section, out)?;
    let mut interface = Vec::new();
    interface.extend_from_slice(&u32::from(RAW_IP).to_le_bytes());
    // No bound on a packet; times are in microseconds unless an option says otherwise.
    interface.extend_from_slice(&0_u32.to_le_bytes());
    block(INTERFACE, &interface, out)
}

/// Writes one message.
pub(super) fn packet(message: &CapturedMessage<'_>, out: &mut dyn Write) -> io::Result<()> {
    // Bodies were asked for, and one of them is as long as a file: the beginning says what it is.
    let kept = message.bytes.get(..MOST).unwrap_or(message.bytes);
    let packet = datagram(message.from, message.to, kept);
    let original = packet.len() + message.bytes.len() - kept.len();
    let mut body = Vec::with_capacity(packet.len() + 128);
    // Of interface 0, the only one; the time in two halves, the upper one first.
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    body.extend_from_slice(&0_u32.to_le_bytes());
    body.extend_from_slice(&((message.at_us >> 32) as u32).to_le_bytes());
    body.extend_from_slice(&(message.at_us as u32).to_le_bytes());
    body.extend_from_slice(&length(packet.len()));
    body.extend_from_slice(&length(original));
    padded(&mut body, &packet);
    let direction: u32 = if message.received { 1 } else { 2 };
    option(&mut body, FLAGS, &direction.to_le_bytes());
    let comment = message.comment.as_bytes();
    option(&mut body, COMMENT, comment.get(..1_000).unwrap_or(comment));
    option(&mut body, END_OF_OPTIONS, b"");
    block(ENHANCED_PACKET, &body, out)
}

/// One block: its length stands on both sides of it.
fn block(kind: u32, body: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let length = u32::try_from(body.len() + 12).unwrap_or(u32::MAX);
    // In this machine's usual order of bytes, which the magic number of the section says.
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(body)?;
    out.write_all(&length.to_le_bytes())
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend_from_slice(&code.to_le_bytes());
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    padded(out, value);
}

/// Up to a whole number of four bytes.
fn padded(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
    let missing = bytes.len().wrapping_neg() % 4;
    out.resize(out.len() + missing, 0);
}

/// An IP packet with one UDP datagram.
fn datagram(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    // What is longer was cut before.
    let length = u16::try_from(payload.len() + 8).unwrap_or(u16::MAX);
    let mut packet = match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = vec![0x45, 0];
            header.extend_from_slice(&length.saturating_add(20).to_be_bytes());
            // No identification, not to be fragmented, the usual number of hops; the checksum follows.
            header.extend_from_slice(&[0, 0, 0x40, 0, 64, UDP, 0, 0]);
            header.extend_from_slice(&from.octets());
            header.extend_from_slice(&to.octets());
            let sum = checksum(&header).to_be_bytes();
            header.splice(10..12, sum);
            header
        }
        // A balancer may name an IPv6 client over IPv4.
        (from, to) => {
            let mapped = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            };
            // Version 6, no traffic class, no flow.
            let mut header = vec![0x60, 0, 0, 0];
            header.extend_from_slice(&length.to_be_bytes());
            header.extend_from_slice(&[UDP, 64]);
            header.extend_from_slice(&mapped(from).octets());
            header.extend_from_slice(&mapped(to).octets());
            header
        }
    };
    packet.extend_from_slice(&from.port().to_be_bytes());
    packet.extend_from_slice(&to.port().to_be_bytes());
    packet.extend_from_slice(&length.to_be_bytes());
    // No checksum: nothing was transmitted (RFC 768).
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(payload);
    packet
}

/// RFC 1071.
fn checksum(header: &[u8]) -> u16 {
    let words = header.chunks(2).map(|pair| {
        let [high, low] = [pair.first(), pair.get(1)].map(|b| b.copied().unwrap_or_default());
        u32::from(u16::from_be_bytes([high, low]))
    });
    // Twenty bytes: the sum never leaves 32 bits.
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_as_their_standards_have_them() {
        // The example of RFC 1071 §3, and a header of a capture.
        assert_eq!(checksum(&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        let from: SocketAddr = "192.0.2.1:5061".parse().unwrap();
        let to: SocketAddr = "[::ffff:192.0.2.2]:40000".parse().unwrap();
        let packet = datagram(from, to, b"x");
        assert_eq!(
            (packet.len(), packet[0], checksum(&packet[..20])),
            (29, 0x45, 0)
        );
        let six = datagram("[2001:db8::1]:1".parse().unwrap(), from, b"xy");
        assert_eq!((six.len(), six[0], six[5]), (50, 0x60, 10));
    }

    #[test]
    fn blocks_are_whole_words_and_a_long_message_is_marked_as_cut() {
        let mut out = Vec::new();
        begin(&mut out).unwrap();
        let begun = out.len();
        let message = CapturedMessage {
            at_us: 1 << 33,
            from: "192.0.2.1:5061".parse().unwrap(),
            to: "192.0.2.2:40000".parse().unwrap(),
            received: true,
            comment: "connection 7".to_owned(),
            bytes: &[b'x'; 70_001],
        };
        packet(&message, &mut out).unwrap();
        assert!(begun % 4 == 0 && out.len() % 4 == 0);
        let word = |at: usize| {
            let bytes = out[begun + at..begun + at + 4].try_into().unwrap();
            u32::from_le_bytes(bytes) as usize
        };
        assert_eq!((word(0), word(4)), (6, out.len() - begun));
        assert_eq!((word(12), word(16)), (2, 0), "the time");
        assert_eq!(word(24) - word(20), 70_001 - MOST);
    }
}
