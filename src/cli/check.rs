//! `sipward check FILE`: every fault of a topology at once, or the policy that results from it.
mod outlook;

use super::target::Target;
use crate::proxy::{FAILOVER_SILENCE, REST};
use crate::sip::{HeaderName, HeaderSet};
use crate::topology::{
    Accept, CertificateFacts, ClientCertificates, Domain, Fault, FieldRules, FieldTrust, Health,
    Identity, KeyPair, Lookup, NamePolicy, Peer, PeerKind, PeerRef, Pool, PurposePolicy,
    Revocation, RevocationScope, Stage, Strategy, Topology, TrustSet, Window, limits,
    show_duration, show_time,
};
use crate::trust::{Foreseen, Generation};
use outlook::PeersSeen;
use rustls_pki_types::UnixTime;
use serde::Serialize;
use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The command with its arguments.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Check {
    /// The topology file
    pub file: PathBuf,
    /// The control socket of the daemon that is asked what peers have shown, if not the one that the file names
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// What was found, for programs.
#[derive(Serialize)]
struct Found<'a> {
    file: &'a Path,
    good: bool,
    /// Why it would not be loaded.
    faults: &'a [Fault],
    /// What works but will surprise.
    warnings: Vec<&'a Fault>,
    /// What ends of the file itself, the next first.
    forecast: Vec<Foreseen>,
    /// `None`: the file has faults.
    peers_seen: Option<PeersSeen>,
}

impl Check {
    /// Loads the topology as `run` would, and writes its faults or its policy to `out`; whether it is good. A daemon that
    /// runs is asked what peers have shown; that none does is told, and is no fault.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn run(self, at: UnixTime, out: &mut dyn Write) -> io::Result<bool> {
        let generation = crate::daemon::look_at(&self.file, at);
        match &generation {
            Ok(generation) => {
                let target = Target {
                    socket: self.socket,
                    config: Some(self.file.clone()),
                };
                let peers_seen = PeersSeen::ask(&target, generation, at);
                if self.json {
                    let found = Found {
                        file: &self.file,
                        good: true,
                        faults: &[],
                        warnings: warnings(generation).collect(),
                        forecast: generation.forecast(at),
                        peers_seen: Some(peers_seen),
                    };
                    super::write_json(&found, out)?;
                } else {
                    policy(generation, &peers_seen, at, out)?;
                }
            }
            Err(faults) if self.json => {
                let found = Found {
                    file: &self.file,
                    good: false,
                    faults,
                    warnings: Vec::new(),
                    forecast: Vec::new(),
                    peers_seen: None,
                };
                super::write_json(&found, out)?;
            }
            Err(faults) => {
                print_faults(faults, out)?;
                let count = counted(faults.len(), "fault");
                writeln!(
                    out,
                    "{}: {count}; nothing would be loaded",
                    self.file.display()
                )?;
            }
        }
        Ok(generation.is_ok())
    }
}

fn warnings(generation: &Generation) -> impl Iterator<Item = &Fault> {
    let topology = generation.topology();
    topology.warnings().iter().chain(generation.notes())
}

pub(super) fn print_faults<'a>(
    faults: impl IntoIterator<Item = &'a Fault>,
    out: &mut dyn Write,
) -> io::Result<()> {
    for fault in faults {
        writeln!(out, "{fault}")?;
    }
    Ok(())
}

fn counted(count: usize, noun: &str) -> String {
    match count {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

/// The policy of a good topology, for an operator to read.
fn policy(
    generation: &Generation,
    peers_seen: &PeersSeen,
    at: UnixTime,
    out: &mut dyn Write,
) -> io::Result<()> {
    let topology = generation.topology();
    let mut page = Page {
        out,
        now: i64::try_from(at.as_secs()).unwrap_or(i64::MAX),
    };
    let warned = warnings(generation).count();
    writeln!(
        page.out,
        "{}: good, {}",
        topology.path().display(),
        counted(warned, "warning")
    )?;
    node(topology, &mut page)?;
    identities(topology, &mut page)?;
    listeners(topology, &mut page)?;
    peers(topology, &mut page)?;
    domains(topology, &mut page)?;
    pools(topology, &mut page)?;
    clients(topology, &mut page)?;
    boundary(topology, &mut page)?;
    settings(topology, &mut page)?;
    outlook::of_the_file(&generation.forecast(at), &mut page)?;
    peers_seen.show(topology, &mut page)?;
    if warned > 0 {
        page.title("Warnings")?;
        print_faults(warnings(generation), page.out)?;
    }
    Ok(())
}

/// Titles, items and aligned fields.
struct Page<'a> {
    out: &'a mut dyn Write,
    now: i64,
}

impl Page<'_> {
    fn title(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "\n{text}")
    }
    fn item(&mut self, name: &str, remark: &str) -> io::Result<()> {
        writeln!(self.out, "  {}", format!("{name}  {remark}").trim_end())
    }
    fn field(&mut self, name: &str, value: &str) -> io::Result<()> {
        writeln!(self.out, "    {name:<18}  {value}")
    }
    /// Several values under one name.
    fn fields(&mut self, name: &str, values: &[String]) -> io::Result<()> {
        let names = std::iter::once(name).chain(std::iter::repeat(""));
        names
            .zip(values)
            .try_for_each(|(name, value)| self.field(name, value))
    }
    /// A time with its distance from now.
    fn until(&self, time: i64) -> String {
        let days = time.saturating_sub(self.now) / 86_400;
        match time - self.now {
            left if left < 0 => format!("{} (past)", show_time(time)),
            _ if days == 0 => format!("{} (today or tomorrow)", show_time(time)),
            _ => format!(
                "{} (in {})",
                show_time(time),
                counted(usize::try_from(days).unwrap_or(0), "day")
            ),
        }
    }
}

/// A list for one line.
fn listed<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() {
        "none".to_owned()
    } else {
        items.join(", ")
    }
}

fn node(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    let node = topology.node();
    page.title("Node")?;
    page.item(node.fqdn.as_str(), "")?;
    page.field("home domains", &listed(&node.domains))?;
    if !node.aliases.is_empty() {
        page.field("also addressed as", &listed(&node.aliases))?;
    }
    if let Some(port) = node.advertise_port {
        page.field("announced port", &port.to_string())?;
    }
    let shards = node
        .shards
        .map_or("one for each core".to_owned(), |n| n.to_string());
    page.field("shards", &shards)?;
    let tokens = topology.tokens();
    let keys = match (tokens.keys.first(), &tokens.key_file) {
        (Some((id, _)), Some(file)) => format!(
            "{} from {}; key {id} signs",
            counted(tokens.keys.len(), "key"),
            file.display()
        ),
        _ => "a random key of this run".to_owned(),
    };
    page.field("route tokens", &keys)
}

fn identities(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    page.title("Identities: what we show")?;
    for identity in topology.identities() {
        page.item(&identity.name, &subject(&identity.server))?;
        page.field("names", &listed(&identity.names))?;
        if identity.window != Window::default() {
            page.field("shown", &identity.window.to_string())?;
        }
        validity(&identity.server, page)?;
        if let Some(client) = &identity.client {
            page.field("connecting out", &subject(client))?;
            validity(client, page)?;
        }
    }
    Ok(())
}

fn leaf(pair: &KeyPair) -> Option<CertificateFacts> {
    pair.chain
        .first()
        .and_then(|der| CertificateFacts::read(der))
}

fn subject(pair: &KeyPair) -> String {
    leaf(pair).map_or(String::new(), |facts| named(&facts.subject))
}

/// A distinguished name; an empty one says so.
fn named(name: &str) -> String {
    if name.is_empty() {
        "(empty subject)".to_owned()
    } else {
        name.to_owned()
    }
}

fn validity(pair: &KeyPair, page: &mut Page<'_>) -> io::Result<()> {
    let Some(facts) = leaf(pair) else {
        return Ok(());
    };
    page.field("issued by", &named(&facts.issuer))?;
    let until = page.until(facts.not_after);
    page.field("valid until", &until)
}

fn listeners(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    page.title("Listeners: where we may be reached")?;
    for listener in topology.listeners() {
        page.item(&listener.name, &listener.address.to_string())?;
        let who = match listener.accept {
            Accept::Clients => "clients (TLS)",
            Accept::Peers => "the peers below (MTLS); no certificate, no entry",
            Accept::Both => "clients (TLS) and the peers below (MTLS)",
        };
        page.field("may connect", who)?;
        if listener.accept.clients() {
            let sets = listener.client_certificates.trust().iter();
            let sets = listed(sets.map(|r| &topology.trust(*r).name));
            let meaning = match (&listener.client_certificates, listener.accept.peers()) {
                (ClientCertificates::Require(_), _) => {
                    format!("must show a certificate that {sets} vouches for")
                }
                (ClientCertificates::Ignore | ClientCertificates::Refuse, false) => {
                    "are not asked for a certificate".to_owned()
                }
                (ClientCertificates::Ignore, true) => {
                    "show none, or one that leads to no CA and has no name of this file".to_owned()
                }
                (ClientCertificates::Refuse, true) => "show no certificate".to_owned(),
            };
            page.field("clients", &meaning)?;
        }
        let name = |r| -> &Identity { topology.identity(r) };
        let mut shown = name(listener.identity).name.clone();
        if !listener.sni.is_empty() {
            let others = listener.sni.iter().map(|r| &name(*r).name);
            shown = format!("{shown}; by SNI also {}", listed(others));
        }
        page.field("shows identity", &shown)?;
    }
    Ok(())
}

fn peers(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    page.title("Peers: servers that may connect and be connected to")?;
    // A set is read once, however many peers it vouches for.
    let mut sets: Vec<Option<Vec<u8>>> = vec![None; topology.trusts().len()];
    for peer in topology.peers() {
        page.item(peer.fqdn.as_str(), peer.kind.word())?;
        for reference in &peer.trust {
            let Some(told) = sets.get_mut(reference.index()) else {
                continue;
            };
            if told.is_none() {
                let mut out = Vec::new();
                let now = page.now;
                vouching(topology.trust(*reference), &mut Page { out: &mut out, now })?;
                *told = Some(out);
            }
            page.out.write_all(told.as_deref().unwrap_or_default())?;
        }
        self::peer(topology, peer, page)?;
    }
    Ok(())
}

fn peer(topology: &Topology, peer: &Peer, page: &mut Page<'_>) -> io::Result<()> {
    let mut name = match peer.names {
        NamePolicy::Exact => format!("{} exactly", peer.fqdn),
        NamePolicy::OneLabelWildcard => format!("{}, or a wildcard for its first label", peer.fqdn),
    };
    if peer.common_name {
        name.push_str("; as CN too, if there is no subjectAltName");
    }
    page.field("name shown", &name)?;
    let purpose = match peer.purpose {
        PurposePolicy::ServerOrClient => {
            "connecting to us: server or client; when we connect: server"
        }
        PurposePolicy::Strict => "strict: connecting to us: client; when we connect: server",
    };
    page.field("purpose", purpose)?;
    if peer.window != Window::default() {
        page.field("counts", &peer.window.to_string())?;
    }
    if !peer.pins.is_empty() {
        let pins: Vec<String> = peer.pins.iter().map(ToString::to_string).collect();
        page.fields("one key among", &pins)?;
    }
    if peer.stage == Stage::Observe {
        page.field(
            "stage",
            "observed: pins and the strictest policies refuse nobody",
        )?;
    }
    let from = match peer.kind {
        PeerKind::Home => "any domain".to_owned(),
        PeerKind::Federated => {
            let mut from = listed(&peer.domains);
            if peer.boundary.anonymous.is_some() {
                from.push_str(", nobody (below .invalid)");
            }
            if peer.assert_identity {
                from.push_str(", a number (tel) that is global or of these domains");
            }
            from
        }
    };
    page.field("From may name", &from)?;
    page.field("asserted identity", asserted(peer))?;
    let rules = &peer.boundary.fields;
    if !rules.require_in.is_empty() {
        page.field("fields it owes", &fields(rules.require_in))?;
    }
    if !peer.boundary.deny.is_empty() {
        page.field("may not name", &listed(&peer.boundary.deny))?;
    }
    if peer.boundary.hide_topology {
        page.field("topology", "hidden from it")?;
    }
    if !peer.boundary.sips {
        page.field("sips URIs", "never sent to it")?;
    }
    let addresses = if peer.addresses.is_empty() {
        by_dns(peer)
    } else {
        listed(&peer.addresses)
    };
    page.field("dialled at", &addresses)?;
    if peer.connections > 1 {
        page.field(
            "connections",
            &format!("up to {} from each shard", peer.connections),
        )?;
    }
    page.field("we show", &topology.identity(peer.identity).name)
}

/// What becomes of the fields in which it says who somebody is.
fn asserted(peer: &Peer) -> &'static str {
    let field = HeaderName::PAssertedIdentity;
    let of_anonymous = peer.boundary.anonymous;
    match (peer.kind, peer.boundary.fields.strip_in.has(field)) {
        (PeerKind::Home, false) => "believed and passed on",
        (PeerKind::Federated, false) => {
            "believed and passed on, never for a name of the home side; of an anonymous caller or a number only what From may name"
        }
        (PeerKind::Federated, true) if of_anonymous.is_some_and(|strip| !strip.has(field)) => {
            "stripped; of an anonymous caller numbers and names within its domains pass"
        }
        (PeerKind::Home | PeerKind::Federated, true) => "stripped",
    }
}

/// What is asked of DNS for a peer without `address`.
fn by_dns(peer: &Peer) -> String {
    let host = format!("A/AAAA of {}, port 5061", peer.fqdn);
    match peer.dns {
        Lookup::Sip => format!("SRV _sips._tcp.{}, else {host}", peer.fqdn),
        Lookup::Federation if !peer.domains.is_empty() => {
            let names = peer
                .domains
                .iter()
                .map(|domain| format!("_sipfederationtls._tcp.{domain}"));
            format!("SRV {}, else {host}", listed(names))
        }
        Lookup::Federation | Lookup::Address => host,
    }
}

/// Which anchors may vouch, until when, and what of revocation.
fn vouching(trust: &TrustSet, page: &mut Page<'_>) -> io::Result<()> {
    let anchors: Vec<String> = trust
        .anchors
        .iter()
        .filter_map(|der| CertificateFacts::read(der))
        .map(|facts| {
            let until = page.until(facts.not_after);
            let window = match trust.window {
                window if window == Window::default() => String::new(),
                window => format!(" (the set counts {window})"),
            };
            format!(
                "{}: {}, until {until}{window}",
                trust.name,
                named(&facts.subject)
            )
        })
        .collect();
    page.fields("vouched for by", &anchors)?;
    let scope = match trust.scope {
        RevocationScope::Chain => "for the whole chain",
        RevocationScope::Leaf => "for the leaf only",
    };
    let policy = match trust.revocation {
        Revocation::Require => format!("a current CRL {scope}"),
        Revocation::Grace(grace) => {
            format!(
                "a CRL {scope}, up to {} past its next update",
                show_duration(grace)
            )
        }
        Revocation::Off => "not checked".to_owned(),
    };
    page.field("revocation", &policy)?;
    if trust.revocation == Revocation::Off {
        return Ok(());
    }
    let crls: Vec<String> = trust
        .crls
        .iter()
        .map(|crl| {
            let next = page.until(i64::try_from(crl.next_update()).unwrap_or(i64::MAX));
            format!(
                "of {}: {} revoked, next update {next}",
                named(crl.issuer()),
                crl.revoked()
            )
        })
        .collect();
    page.fields("CRL", &crls)
}

/// The names of a set of fields.
fn fields(set: HeaderSet) -> String {
    listed(set.names().map(HeaderName::as_str))
}

/// What nobody may name, and who is told whom.
fn boundary(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    let boundary = topology.boundary();
    page.title("Boundary: what crosses between the trust domain and the rest")?;
    let role = |of: &FieldRules, page: &mut Page<'_>| -> io::Result<()> {
        page.field("stripped from", &fields(of.strip_in))?;
        page.field("stripped towards", &fields(of.strip_out))?;
        page.field("for Privacy: id", &fields(of.strip_private))?;
        page.field("for Privacy: history", &fields(of.strip_history))?;
        if of.require_in.is_empty() {
            return Ok(());
        }
        page.field("fields they owe", &fields(of.require_in))
    };
    page.item("clients", "")?;
    role(&boundary.clients, page)?;
    for peer in topology
        .peers()
        .iter()
        .filter(|peer| peer.boundary.fields != FieldRules::standard(FieldTrust::Inside))
    {
        page.item(peer.fqdn.as_str(), peer.kind.word())?;
        role(&peer.boundary.fields, page)?;
        if let Some(strip) = peer.boundary.anonymous
            && strip != peer.boundary.fields.strip_in
        {
            page.field("where anonymous", &fields(strip))?;
        }
    }
    page.item("all", "")?;
    page.field("denied domains", &listed(&boundary.deny_domains))?;
    let told = if boundary.peer_name {
        "home servers, in X-Sipward-Peer"
    } else {
        "nobody"
    };
    page.field("told the sender", told)
}

fn domains(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    page.title("Domains: where requests go")?;
    let width = topology
        .pools()
        .iter()
        .flat_map(|pool| &pool.domains)
        .map(|domain| domain.as_str().len())
        .max()
        .unwrap_or(0);
    let home: HashSet<&Domain> = topology.node().domains.iter().collect();
    for pool in topology.pools() {
        let members = members(topology, pool);
        for domain in &pool.domains {
            let home = home.contains(domain);
            let kind = if home { "home     " } else { "federated" };
            let line = format!("{:<width$}", domain.as_str());
            page.item(&line, &format!("{kind}  pool {}: {members}", pool.name))?;
        }
    }
    Ok(())
}

/// How soon a dead member is noticed, and who is out of service.
fn pools(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    page.title("Pools: how a dead member is noticed")?;
    for pool in topology.pools() {
        page.item(&pool.name, "")?;
        let Some(health) = pool.health else {
            page.field(
                "no pings",
                &format!(
                    "by a failed connect, until the next try; by {} in a row without any answer \
                     (an INVITE: {} each), for {}",
                    counted(usize::from(Health::default().down_after), "request"),
                    show_duration(FAILOVER_SILENCE),
                    show_duration(REST),
                ),
            )?;
            continue;
        };
        page.field(
            "OPTIONS",
            &format!(
                "every {}, {} to answer, down after {}, back after {}",
                show_duration(health.options_every),
                show_duration(health.timeout),
                counted(usize::from(health.down_after), "failure"),
                counted(usize::from(health.up_after), "answer"),
            ),
        )?;
        page.field(
            "passed over",
            &format!(
                "at most {} after its death",
                show_duration(health.detection())
            ),
        )?;
        page.field(
            "first choice again",
            &format!(
                "at most {} after its revival",
                show_duration(health.recovery())
            ),
        )?;
    }
    Ok(())
}

fn members(topology: &Topology, pool: &Pool) -> String {
    let weighted = pool.strategy == Strategy::Weighted;
    let groups = pool
        .priorities
        .iter()
        .map(Some)
        .chain(std::iter::repeat(None));
    let drained: HashSet<PeerRef> = pool.drain.iter().copied().collect();
    let members = listed(pool.peers.iter().zip(groups).map(|((r, weight), group)| {
        let mut remarks = Vec::new();
        if let Some(group) = group {
            remarks.push(format!("group {group}"));
        }
        if weighted || *weight != 1 {
            remarks.push(format!("weight {weight}"));
        }
        if drained.contains(r) {
            remarks.push("drains".to_owned());
        }
        let fqdn = &topology.peer(*r).fqdn;
        if remarks.is_empty() {
            fqdn.to_string()
        } else {
            format!("{fqdn} ({})", remarks.join(", "))
        }
    }));
    if pool.peers.len() == 1 {
        members
    } else {
        format!("{members}; {}", pool.strategy.word())
    }
}

fn clients(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    page.title("Clients: connections that are no peer's")?;
    let through: Vec<&str> = topology
        .listeners()
        .iter()
        .filter(|listener| listener.accept.clients())
        .map(|listener| listener.name.as_str())
        .collect();
    if through.is_empty() {
        return page.item("none may connect", "");
    }
    page.field("enter through", &listed(through))?;
    page.field(
        "From may name",
        &format!(
            "{}, nobody (below .invalid)",
            listed(&topology.node().domains)
        ),
    )?;
    page.field(
        "requests go to",
        "the home pool, whatever the Request-URI says",
    )?;
    page.field("in a dialog", "where the Route that we signed says")
}

fn settings(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    page.title("Limits that differ from their default")?;
    let mut same = true;
    for limit in limits::shown(topology.limits()) {
        if limit.value != limit.default {
            same = false;
            let value = format!("{} (default {})", limit.value, limit.default);
            page.item(&format!("{:<24}", limit.key), &value)?;
        }
    }
    if same {
        page.item("none", "")?;
    }
    let expectations = topology.expectations().len();
    if expectations > 0 {
        page.title("Expectations")?;
        page.item(
            &format!("{} held", counted(expectations, "expectation")),
            "",
        )?;
    }
    Ok(())
}
