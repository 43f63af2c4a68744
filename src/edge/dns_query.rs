//! One DNS question and its answer, through the resolver library: nothing of the library shows outside this file but its
//! handle.
use super::addresses::Service;
use crate::topology::DnsSettings;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use std::net::IpAddr;
use std::time::Duration;

/// A "no such name" is believed for as long as its zone asks (RFC 2308 §5), at most so long: a peer that was just entered
/// in DNS must not stay unreachable for a day.
const NEGATIVE_TTL: Duration = Duration::from_secs(30);

/// What is asked.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum DnsQuestion {
    /// The SRV records of a name.
    Service(String),
    /// The addresses of a host, of one family.
    Host(String, Family),
}

/// A or AAAA.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Family {
    V4,
    V6,
}

/// What was answered; empty: there is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum DnsAnswer {
    /// In the order of the answer; which is tried first is decided by weight.
    Services(Vec<Service>),
    /// Of one family.
    Addresses(Vec<IpAddr>),
}

/// The library's resolver, by the topology's name servers or else the system's.
pub(super) fn build(settings: &DnsSettings) -> Result<TokioResolver, NetError> {
    // Without servers in the topology those of the system, from /etc/resolv.conf.
    let mut builder = if settings.servers.is_empty() {
        Resolver::builder_tokio()?
    } else {
        let servers = settings.servers.iter().map(|address| {
            let port = |mut connection: ConnectionConfig| {
                connection.port = address.port();
                connection
            };
            // UDP first, and TCP for what does not fit (RFC 7766).
            let connections = vec![port(ConnectionConfig::udp()), port(ConnectionConfig::tcp())];
            NameServerConfig::new(address.ip(), true, connections)
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        Resolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    // The rest of the options are the library's.
    let options = builder.options_mut();
    // The first try and one repetition, as a lost datagram needs; the whole is bounded where it is asked.
    options.timeout = settings.timeout / 2;
    options.attempts = 2;
    // The answers are kept here, where the last good one outlives its TTL.
    options.cache_size = 0;
    builder.build()
}

/// What a name server answers, and for how long that holds; `None`: none answers. "No such name" is an answer.
pub(super) async fn query(
    resolver: &TokioResolver,
    question: &DnsQuestion,
) -> Option<(DnsAnswer, Duration)> {
    let (name, kind) = match question {
        DnsQuestion::Service(name) => (name, RecordType::SRV),
        DnsQuestion::Host(name, Family::V4) => (name, RecordType::A),
        DnsQuestion::Host(name, Family::V6) => (name, RecordType::AAAA),
    };
    // AddressResolver of the topology are whole; a single label is the local domain's.
    let name = if name.contains('.') {
        format!("{name}.")
    } else {
        name.clone()
    };
    // A negative answer is an answer; any other error means that no name server sent one.
    let records = match resolver.lookup(name, kind).await {
        Ok(lookup) => lookup,
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
            let ttl = none.negative_ttl.map(|s| Duration::from_secs(u64::from(s)));
            let nothing = match question {
                DnsQuestion::Service(_) => DnsAnswer::Services(Vec::new()),
                DnsQuestion::Host(..) => DnsAnswer::Addresses(Vec::new()),
            };
            return Some((nothing, ttl.unwrap_or(NEGATIVE_TTL).min(NEGATIVE_TTL)));
        }
        Err(_) => return None,
    };
    let answers = records.answers();
    // The shortest TTL of them: the answer as a whole holds no longer.
    let ttl = answers.iter().map(|record| record.ttl).min().unwrap_or(0);
    // CNAMEs and others that stand beside the records are passed over.
    let answer = match question {
        DnsQuestion::Service(_) => DnsAnswer::Services(services(answers.iter().map(|r| &r.data))),
        DnsQuestion::Host(..) => DnsAnswer::Addresses(addresses(answers.iter().map(|r| &r.data))),
    };
    Some((answer, Duration::from_secs(u64::from(ttl))))
}

/// The SRV records of an answer.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a CNAME may stand among them"
)]
fn services<'r>(records: impl Iterator<Item = &'r RData>) -> Vec<Service> {
    records
        .filter_map(|data| match data {
            RData::SRV(srv) => Some(Service {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv.target.to_ascii().trim_end_matches('.').to_owned(),
            }),
            _ => None,
        })
        .collect()
}

/// The addresses of an answer.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a CNAME may stand among them"
)]
fn addresses<'r>(records: impl Iterator<Item = &'r RData>) -> Vec<IpAddr> {
    records
        .filter_map(|data| match data {
            RData::A(a) => Some(IpAddr::V4(a.0)),
            RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
            _ => None,
        })
        .collect()
}
