//! A name server for tests (RFC 1035 §4): SRV, A and AAAA from a zone that may change while it runs, over UDP on loopback.
use super::LabError;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

const HEADER: usize = 12;
const SRV: u16 = 33;
const A: u16 = 1;
const AAAA: u16 = 28;
const IN: u16 = 1;

/// A record's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// A or AAAA.
    Address(IpAddr),
    /// Priority, weight, port and target (`.`: the service is not there).
    Service(u16, u16, u16, String),
}

#[derive(Default)]
struct Zone {
    records: HashMap<String, Vec<(u32, Data)>>,
    /// Names that were asked for, in order, with the type's number.
    asked: Vec<(String, u16)>,
    silent: bool,
}

/// Answers until it is dropped. Names without a record of any kind do not exist.
pub struct NameServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    stop: Arc<AtomicBool>,
}

fn lock(zone: &Mutex<Zone>) -> MutexGuard<'_, Zone> {
    zone.lock().unwrap_or_else(PoisonError::into_inner)
}

impl NameServer {
    /// Starts one with an empty zone on a free port.
    ///
    /// # Errors
    /// No port of the loopback.
    pub fn start() -> Result<Self, LabError> {
        let failed = |source| LabError::Io {
            end: "name server".to_owned(),
            what: "listen",
            source,
        };
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let server = Self {
            address: socket.local_addr().map_err(failed)?,
            zone: Arc::default(),
            stop: Arc::default(),
        };
        let (zone, stop) = (Arc::clone(&server.zone), Arc::clone(&server.stop));
        thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let query = buffer.get(..length).unwrap_or_default();
                if let Some(reply) = reply(query, &mut lock(&zone)) {
                    let _sent = socket.send_to(&reply, from);
                }
            }
        });
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces the records of a name; none: it exists no more.
    pub fn set(&self, name: &str, ttl: u32, records: &[Data]) {
        let records: Vec<(u32, Data)> = records.iter().map(|data| (ttl, data.clone())).collect();
        let mut zone = lock(&self.zone);
        if records.is_empty() {
            zone.records.remove(name);
        } else {
            zone.records.insert(name.to_owned(), records);
        }
    }

    /// Whether it leaves every question without an answer.
    pub fn set_silent(&self, silent: bool) {
        lock(&self.zone).silent = silent;
    }

    /// How often a name was asked for, whatever the type.
    pub fn asked(&self, name: &str) -> usize {
        let zone = lock(&self.zone);
        zone.asked.iter().filter(|(asked, _)| asked == name).count()
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

/// The answer to a query: the records of the type, none of them, or "no such name".
fn reply(query: &[u8], zone: &mut Zone) -> Option<Vec<u8>> {
    let question = query.get(HEADER..)?;
    let (name, end) = read_name(question)?;
    let kind = u16::from_be_bytes(question.get(end..end + 2)?.try_into().ok()?);
    zone.asked.push((name.clone(), kind));
    if zone.silent {
        return None;
    }
    let known = zone.records.get(&name);
    let answers: Vec<Vec<u8>> = known
        .into_iter()
        .flatten()
        .filter_map(|(ttl, data)| record(*ttl, data, kind))
        .collect();
    let mut out = query.get(..2)?.to_vec();
    // QR, AA, RD, RA; the code is 3 (no such name) or 0.
    out.extend_from_slice(&[0x85, if known.is_some() { 0x80 } else { 0x83 }]);
    for count in [1, u16::try_from(answers.len()).ok()?, 0, 0] {
        out.extend_from_slice(&count.to_be_bytes());
    }
    out.extend_from_slice(question.get(..end + 4)?);
    for answer in answers {
        out.extend_from_slice(&answer);
    }
    Some(out)
}

/// A record for the question's name, if its data are of this type.
fn record(ttl: u32, data: &Data, kind: u16) -> Option<Vec<u8>> {
    let octets = match (data, kind) {
        (Data::Address(IpAddr::V4(ip)), A) => ip.octets().to_vec(),
        (Data::Address(IpAddr::V6(ip)), AAAA) => ip.octets().to_vec(),
        (Data::Service(priority, weight, port, target), SRV) => {
            let mut out = Vec::new();
            for number in [priority, weight, port] {
                out.extend_from_slice(&number.to_be_bytes());
            }
            for label in target.split('.').filter(|label| !label.is_empty()) {
                out.push(u8::try_from(label.len()).ok()?);
                out.extend_from_slice(label.as_bytes());
            }
            out.push(0);
            out
        }
        (Data::Address(_) | Data::Service(..), _) => return None,
    };
    // The name is the one at offset 12.
    let mut out = vec![0xc0, 0x0c];
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&IN.to_be_bytes());
    out.extend_from_slice(&ttl.to_be_bytes());
    out.extend_from_slice(&u16::try_from(octets.len()).ok()?.to_be_bytes());
    out.extend_from_slice(&octets);
    Some(out)
}

/// The name at the front, in lower case without its final dot, and the octets that it takes.
fn read_name(octets: &[u8]) -> Option<(String, usize)> {
    let (mut name, mut at) = (String::new(), 0);
    loop {
        let length = usize::from(*octets.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        if !name.is_empty() {
            name.push('.');
        }
        let label = octets.get(at..at + length)?;
        name.push_str(&String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
}
