//! HEPv3, by which collectors take copies of SIP messages (the HEP/EEP specification of sipcapture.org, revision 12).
//!
//! A packet is a length and chunks, each with a vendor, a type, a length and a value; all numbers have the highest byte
//! first. Chunks of other types are optional; collectors find the Call-ID in the message.
use crate::edge::{TraceDirection, TracedMessage};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The types of chunks.
const FAMILY: u16 = 1;
const PROTOCOL: u16 = 2;
const FROM_V4: u16 = 3;
const TO_V4: u16 = 4;
const FROM_V6: u16 = 5;
const TO_V6: u16 = 6;
const FROM_PORT: u16 = 7;
const TO_PORT: u16 = 8;
const SECONDS: u16 = 9;
const MICROSECONDS: u16 = 10;
const KIND: u16 = 11;
const CAPTURE_ID: u16 = 12;
const PASSWORD: u16 = 14;
const PAYLOAD: u16 = 15;
/// The value of [`KIND`] that stands for SIP.
const SIP: u8 = 1;
/// AF_INET and AF_INET6, as Linux numbers them.
const INET: u8 = 2;
const INET6: u8 = 10;
/// What the messages came over, below TLS.
const TCP: u8 = 6;
/// A packet is one UDP datagram.
const LONGEST: usize = 65_000;

/// Who sends, as the collector knows it.
#[derive(Clone, Debug)]
pub(in crate::daemon) struct HepSender {
    /// Its number.
    pub(in crate::daemon) capture_id: u32,
    /// Its password.
    pub(in crate::daemon) password: Option<Box<[u8]>>,
}

impl HepSender {
    /// The packet of a message that was traced at that time; `payload` is what is shown of it.
    pub(in crate::daemon) fn packet(
        &self,
        at: Duration,
        message: &TracedMessage,
        payload: &[u8],
    ) -> Vec<u8> {
        let (from, to) = match message.direction {
            TraceDirection::Received => (message.remote, message.local),
            TraceDirection::Sent => (message.local, message.remote),
        };
        // The length comes last.
        let mut packet = b"HEP3\0\0".to_vec();
        addresses(from, to, &mut packet);
        chunk(PROTOCOL, &[TCP], &mut packet);
        chunk(FROM_PORT, &from.port().to_be_bytes(), &mut packet);
        chunk(TO_PORT, &to.port().to_be_bytes(), &mut packet);
        // Until 2106, as the specification has it.
        let seconds = u32::try_from(at.as_secs()).unwrap_or(u32::MAX);
        chunk(SECONDS, &seconds.to_be_bytes(), &mut packet);
        chunk(MICROSECONDS, &at.subsec_micros().to_be_bytes(), &mut packet);
        chunk(KIND, &[SIP], &mut packet);
        chunk(CAPTURE_ID, &self.capture_id.to_be_bytes(), &mut packet);
        if let Some(password) = &self.password {
            chunk(PASSWORD, password, &mut packet);
        }
        // A head is at most a megabyte where the topology allows it; what is cut still begins a call.
        let room = LONGEST.saturating_sub(packet.len());
        chunk(PAYLOAD, payload.get(..room).unwrap_or(payload), &mut packet);
        let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
        packet.splice(4..6, length.to_be_bytes());
        packet
    }
}

/// Both addresses in one family: a balancer may name an IPv6 client over IPv4.
fn addresses(from: SocketAddr, to: SocketAddr, packet: &mut Vec<u8>) {
    match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            chunk(FAMILY, &[INET], packet);
            chunk(FROM_V4, &from.octets(), packet);
            chunk(TO_V4, &to.octets(), packet);
        }
        (from, to) => {
            let mapped = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            chunk(FAMILY, &[INET6], packet);
            chunk(FROM_V6, &mapped(from), packet);
            chunk(TO_V6, &mapped(to), packet);
        }
    }
}

/// One chunk of the vendor 0: the length is that of the whole chunk.
fn chunk(kind: u16, value: &[u8], packet: &mut Vec<u8>) {
    let length = u16::try_from(value.len() + 6).unwrap_or(u16::MAX);
    // Vendor 0 is the specification itself.
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(&kind.to_be_bytes());
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn message(remote: &str) -> TracedMessage {
        TracedMessage {
            direction: TraceDirection::Sent,
            connection: 7,
            peer: None,
            remote: remote.parse().unwrap(),
            local: "192.0.2.1:5061".parse().unwrap(),
            shard: 0,
            bytes: Box::default(),
            body: 0,
            is_framed: true,
        }
    }

    /// The chunks of a packet, read by their lengths as a collector does.
    fn chunks(packet: &[u8]) -> BTreeMap<u16, Vec<u8>> {
        assert_eq!(&packet[..4], b"HEP3");
        let number = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        assert_eq!(usize::from(number(4)), packet.len());
        let (mut at, mut chunks) = (6, BTreeMap::new());
        while at < packet.len() {
            let end = at + usize::from(number(at + 4));
            chunks.insert(number(at + 2), packet[at + 6..end].to_vec());
            at = end;
        }
        chunks
    }

    #[test]
    fn a_packet_has_the_chunks_of_the_specification() {
        let sender = HepSender {
            capture_id: 2001,
            password: Some(b"secret"[..].into()),
        };
        let at = Duration::from_micros(1_795_891_402_457_290);
        let read = chunks(&sender.packet(at, &message("192.0.2.7:40000"), b"OPTIONS"));
        assert_eq!(
            (&read[&1][..], &read[&2][..], &read[&11][..]),
            (&[2][..], &[6][..], &[1][..])
        );
        assert_eq!(
            (&read[&3][..], &read[&4][..]),
            (&[192, 0, 2, 1][..], &[192, 0, 2, 7][..])
        );
        assert_eq!(read[&8], 40_000_u16.to_be_bytes());
        assert_eq!(read[&9], 1_795_891_402_u32.to_be_bytes());
        assert_eq!(read[&10], 457_290_u32.to_be_bytes());
        assert_eq!(
            (&read[&14][..], &read[&15][..]),
            (&b"secret"[..], &b"OPTIONS"[..])
        );
    }

    #[test]
    fn addresses_are_of_one_family_and_a_packet_is_a_datagram() {
        let sender = HepSender {
            capture_id: 1,
            password: None,
        };
        let packet = sender.packet(
            Duration::ZERO,
            &message("[2001:db8::1]:1"),
            &[b'x'; 100_000],
        );
        assert!(packet.len() <= LONGEST + 6);
        let read = chunks(&packet);
        assert_eq!((read[&1][0], read[&5].len(), read[&6].len()), (10, 16, 16));
        assert!(!read.contains_key(&14));
    }
}
