//! A TCP relay on loopback between two programs: it can cut their connections, and keeps what went over them as a capture
//! file that tshark reads.
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What a capture says the server's port is, so that tshark takes it for SIP over TLS.
const SIPS: u16 = 5061;
/// The first port that a capture gives to a client.
const FIRST_CLIENT: u16 = 40_000;
/// Octets of a segment in a capture.
const SEGMENT: usize = 16 * 1024;

/// A running relay.
pub(crate) struct Relay {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    open: Vec<TcpStream>,
    connections: u16,
    /// Connection, whether from the client, octets.
    passed: Vec<(u16, bool, Vec<u8>)>,
}

impl Relay {
    /// Starts one in front of a port of loopback.
    pub(crate) fn start(target: u16) -> Self {
        Self::of(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), target)
    }

    /// As [`Relay::start`], at the same port of another address of loopback, which is returned.
    ///
    /// Another test may have that port at any address, so several are tried.
    pub(crate) fn beside(target: u16) -> (Self, Ipv4Addr) {
        let tried = (2..=200).map(|last| Ipv4Addr::new(127, 0, 77, last));
        let mut bound = tried.filter_map(|way| Some((TcpListener::bind((way, target)).ok()?, way)));
        let (listener, way) = bound.next().unwrap();
        (Self::of(listener, target), way)
    }

    fn of(listener: TcpListener, target: u16) -> Self {
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else {
                    continue;
                };
                let (Ok(c), Ok(s)) = (client.try_clone(), server.try_clone()) else {
                    continue;
                };
                let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                let number = state.connections;
                state.connections += 1;
                state.open.extend([c, s]);
                drop(state);
                let ways = [
                    (client.try_clone(), server.try_clone(), true),
                    (server.try_clone(), client.try_clone(), false),
                ];
                for (from, to, upward) in ways {
                    if let (Ok(from), Ok(to)) = (from, to) {
                        let shared = Arc::clone(&shared);
                        thread::spawn(move || pass(from, to, number, upward, &shared));
                    }
                }
            }
        });
        Self { port, state }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Breaks every connection that runs over it; new ones may come.
    pub(crate) fn cut(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in state.open.drain(..) {
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }

    /// Writes what has passed so far as a capture of IPv4 packets.
    pub(crate) fn write_capture(&self, file: &Path) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = Vec::new();
        // pcap 2.4, microseconds, LINKTYPE_RAW.
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0x0004_0000, 101] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        let mut clock = 0;
        let mut sent = vec![[1_u32, 1]; usize::from(state.connections)];
        for number in 0..state.connections {
            for (upward, flags, seq, ack) in
                [(true, 0x02, 0, 0), (false, 0x12, 0, 1), (true, 0x10, 1, 1)]
            {
                packet(&mut out, &mut clock, number, upward, flags, seq, ack, &[]);
            }
        }
        for (number, upward, octets) in &state.passed {
            for part in octets.chunks(SEGMENT) {
                let counts = sent.get_mut(usize::from(*number)).unwrap();
                let (own, other) = if *upward { (0, 1) } else { (1, 0) };
                let (seq, ack) = (counts[own], counts[other]);
                packet(&mut out, &mut clock, *number, *upward, 0x18, seq, ack, part);
                counts[own] += u32::try_from(part.len()).unwrap();
            }
        }
        fs::write(file, out).unwrap();
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, number: u16, upward: bool, shared: &Mutex<State>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let octets = buffer.get(..length).unwrap_or_default();
        let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
        state.passed.push((number, upward, octets.to_vec()));
        drop(state);
        if to.write_all(octets).is_err() {
            break;
        }
    }
    let _gone = to.shutdown(Shutdown::Both);
    let _gone = from.shutdown(Shutdown::Both);
}

/// One packet of a TCP connection; checksums are left out, which tshark does not mind.
#[expect(clippy::too_many_arguments, reason = "each is a field of the packet")]
fn packet(
    out: &mut Vec<u8>,
    clock: &mut u32,
    number: u16,
    upward: bool,
    flags: u8,
    seq: u32,
    ack: u32,
    data: &[u8],
) {
    let client = ([10, 0, 0, 1], FIRST_CLIENT + number);
    let server = ([10, 0, 0, 2], SIPS);
    let (from, to) = if upward {
        (client, server)
    } else {
        (server, client)
    };
    let length = u16::try_from(40 + data.len()).unwrap();
    *clock += 1;
    for word in [1, *clock, u32::from(length), u32::from(length)] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&[0x45, 0]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
    out.extend_from_slice(&from.0);
    out.extend_from_slice(&to.0);
    out.extend_from_slice(&from.1.to_be_bytes());
    out.extend_from_slice(&to.1.to_be_bytes());
    out.extend_from_slice(&seq.to_be_bytes());
    out.extend_from_slice(&ack.to_be_bytes());
    out.extend_from_slice(&[0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    out.extend_from_slice(data);
}
