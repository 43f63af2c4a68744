//! A name server that knows a few names, all at one address (RFC 1035 §4), for programs that do not ask the system.
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const A: u16 = 1;
const IN: u16 = 1;
/// Type and class behind a question's name.
const QUESTION_TAIL: usize = 4;
const HEADER: usize = 12;

/// Answers until it is dropped.
pub(crate) struct NameServer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl NameServer {
    /// Starts one on a port of loopback; `at` is what it answers for these names.
    pub(crate) fn start(names: &[&str], at: Ipv4Addr) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let server = Self {
            address: socket.local_addr().unwrap(),
            stop: Arc::new(AtomicBool::new(false)),
        };
        let names: Vec<Vec<u8>> = names.iter().map(|name| wire(name)).collect();
        let stop = Arc::clone(&server.stop);
        thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                if let Some(answer) = buffer
                    .get(..length)
                    .and_then(|query| answer(query, &names, at))
                {
                    let _sent = socket.send_to(&answer, from);
                }
            }
        });
        server
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread, which sees that it is over.
        if let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) {
            let _sent = socket.send_to(&[], self.address);
        }
    }
}

/// A name as labels with their lengths, in lower case.
fn wire(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.') {
        out.push(u8::try_from(label.len()).unwrap());
        out.extend_from_slice(label.to_ascii_lowercase().as_bytes());
    }
    out.push(0);
    out
}

/// The address for an A question of a known name, an empty answer for its other types, and "no such name" otherwise.
fn answer(query: &[u8], names: &[Vec<u8>], at: Ipv4Addr) -> Option<Vec<u8>> {
    let rest = query.get(HEADER..)?;
    let end = rest.iter().position(|octet| *octet == 0)? + 1;
    let name = rest.get(..end)?.to_ascii_lowercase();
    let question = rest.get(..end + QUESTION_TAIL)?;
    let kind = u16::from_be_bytes(question.get(end..end + 2)?.try_into().ok()?);
    let known = names.contains(&name);
    let address = known && kind == A;
    let mut out = query.get(..2)?.to_vec();
    // QR, AA, RD, RA; the code is 3 (no such name) or 0.
    out.extend_from_slice(&[0x85, if known { 0x80 } else { 0x83 }]);
    for count in [1, u16::from(address), 0, 0] {
        out.extend_from_slice(&u16::to_be_bytes(count));
    }
    out.extend_from_slice(question);
    if address {
        // The name is the one at offset 12.
        out.extend_from_slice(&[0xc0, 0x0c]);
        for part in [A, IN, 0, 60, 4] {
            out.extend_from_slice(&u16::to_be_bytes(part));
        }
        out.extend_from_slice(&at.octets());
    }
    Some(out)
}
