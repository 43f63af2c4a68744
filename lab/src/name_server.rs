//! A name server for tests (RFC 1035 §4): SRV, A and AAAA from a zone that may change while it runs, over UDP
//! on loopback.
//!
//! It counts what it is asked, so that a test can see what sipward keeps and for how long, and it can fall
//! silent.
use super::LabError;
use super::shared::lock;
use hickory_proto::op::{Message, Metadata, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, SRV};
use hickory_proto::rr::{Name, RData, Record};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A record's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// A or AAAA.
    Address(IpAddr),
    /// Priority, weight, port and target (`.`: the service is not there).
    Service(u16, u16, u16, String),
}

/// What the thread that answers shares with the test.
#[derive(Default)]
struct Zone {
    /// By name, in lower case and without the final dot.
    records: HashMap<String, Vec<(u32, Data)>>,
    /// Names that were asked for, in order, one entry for each query.
    asked: Vec<String>,
    /// Queries are counted and not answered, as behind a firewall.
    silent: bool,
}

/// Answers until it is dropped. Names without a record of any kind do not exist.
pub struct NameServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    stop: Arc<AtomicBool>,
}

impl NameServer {
    /// Starts one with an empty zone on a free port.
    ///
    /// # Errors
    /// No port of the loopback.
    pub fn start() -> Result<Self, LabError> {
        let failed = || LabError::io("name server", "listen");
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed())?;
        let server = Self {
            address: socket.local_addr().map_err(failed())?,
            zone: Arc::default(),
            stop: Arc::default(),
        };
        let (zone, stop) = (Arc::clone(&server.zone), Arc::clone(&server.stop));
        // A thread and no task: the test may block its runtime while it resolves.
        thread::spawn(move || {
            // No query is longer than a UDP packet; the resolver offers EDNS, but asks short questions.
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
        // No records of any type is "no such name", an empty list of one type is "no data": resolvers treat
        // them apart.
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
        zone.asked.iter().filter(|asked| *asked == name).count()
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

/// The answer to a query: the records of the type, none of them, or "no such name"; no answer to what is no
/// query.
fn reply(query: &[u8], zone: &mut Zone) -> Option<Vec<u8>> {
    let query = Message::from_vec(query).ok()?;
    let question = query.queries.first()?.clone();
    let name = question.name.to_lowercase().to_ascii();
    let name = name.trim_end_matches('.');
    zone.asked.push(name.to_owned());
    if zone.silent {
        return None;
    }
    let known = zone.records.get(name);
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.metadata = Metadata::response_from_request(&query.metadata);
    reply.metadata.authoritative = true;
    reply.metadata.recursion_available = true;
    if known.is_none() {
        reply.metadata.response_code = ResponseCode::NXDomain;
    }
    for (ttl, data) in known.into_iter().flatten() {
        let record = Record::from_rdata(question.name.clone(), *ttl, data.to_rdata()?);
        // No additional section: whoever wants the addresses of an SRV target asks for them.
        if record.record_type() == question.query_type {
            reply.add_answer(record);
        }
    }
    reply.add_query(question);
    reply.to_vec().ok()
}

impl Data {
    /// As the library writes it; `None` for a target that is no name.
    fn to_rdata(&self) -> Option<RData> {
        Some(match self {
            Self::Address(IpAddr::V4(ip)) => RData::A(A(*ip)),
            Self::Address(IpAddr::V6(ip)) => RData::AAAA(AAAA(*ip)),
            Self::Service(priority, weight, port, target) => {
                let target = Name::from_ascii(target).ok()?;
                RData::SRV(SRV::new(*priority, *weight, *port, target))
            }
        })
    }
}
