//! What a topology grants, as facts that can be compared: whatever is less in another one may keep something from working
//! that works now. Key by key of the file; what cannot be known from a file (another address, other name servers, another
//! strategy) is no fact here.
use super::{
    ClientCertificates, Domain, FieldRules, FieldTrust, Limits, NamePolicy, NamedFields, Peer,
    PeerKind, PurposePolicy, Revocation, RevocationScope, Stage, Topology, TrustSet, Window,
    show_duration, show_moment,
};
use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// Facts by what they are about.
///
/// Serialised for `sipward plan`: the running daemon sends its own, and they are compared with those of
/// the new file, without either topology leaving its process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grants(BTreeMap<String, Facts>);

/// The facts about one listener, peer, trust set ...
///
/// Sentences, and not settings: two settings that grant the same have equal facts, and a difference is
/// readable as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Facts {
    /// What is granted: harm is what goes.
    #[serde(rename = "gives", skip_serializing_if = "BTreeSet::is_empty")]
    granted: BTreeSet<String>,
    /// What is demanded: harm is what comes.
    #[serde(rename = "asks", skip_serializing_if = "BTreeSet::is_empty")]
    demanded: BTreeSet<String>,
    /// Bounds, as a number and as shown: harm is a smaller one. One that is not here is no bound.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    bounds: BTreeMap<String, (u64, String)>,
}

impl Grants {
    /// What is less in `newer`, one line each. Peers that are gone are reported elsewhere.
    ///
    /// Only in one direction. What a new file grants in addition breaks nothing.
    pub fn narrowed(&self, newer: &Self) -> Vec<String> {
        // In the order of names, so that the report is the same each time.
        let mut lines = Vec::new();
        for (who, old) in &self.0 {
            match newer.0.get(who) {
                Some(new) => old.narrowed(new, who, &mut lines),
                // A plan lists removed peers with their live connections; here they would be reported
                // twice.
                None if who.starts_with("peer ") => {}
                None => lines.push(format!("{who} is gone")),
            }
        }
        lines
    }

    fn of(&mut self, who: String) -> &mut Facts {
        self.0.entry(who).or_default()
    }
}

impl Facts {
    fn narrowed(&self, newer: &Self, who: &str, lines: &mut Vec<String>) {
        // What was granted and is not any more, then what is demanded and was not.
        let gone = self.granted.difference(&newer.granted);
        lines.extend(gone.map(|what| format!("{who}: no longer {what}")));
        let came = newer.demanded.difference(&self.demanded);
        lines.extend(came.map(|what| format!("{who}: from now on {what}")));
        // A bound that was not there before is a narrowing, too: nothing was bounded.
        for (what, (new, shown)) in &newer.bounds {
            match self.bounds.get(what) {
                Some((old, _)) if old <= new => {}
                Some((_, before)) => lines.push(format!("{who}: {what} {before} becomes {shown}")),
                None => lines.push(format!("{who}: {what} {shown}")),
            }
        }
    }

    /// Something that may be relied on.
    fn grant(&mut self, what: impl Into<String>) {
        self.granted.insert(what.into());
    }

    fn grant_if(&mut self, given: bool, what: &str) {
        if given {
            self.grant(what);
        }
    }

    /// Something that is demanded from now on.
    fn demand(&mut self, what: impl Into<String>) {
        self.demanded.insert(what.into());
    }

    /// As a number for the comparison and as text for the report.
    fn bound(&mut self, what: &str, value: u64, shown: String) {
        self.bounds.insert(what.to_owned(), (value, shown));
    }

    /// Within this window alone.
    ///
    /// A window that ends is a bound: an earlier end is less.
    fn within(&mut self, window: Window) {
        // Compared as seconds, shown as RFC 3339.
        if let Some(end) = window.not_after {
            self.bound("counts until", end, show_moment(end));
        }
        if let Some(begin) = window.not_before {
            // A later one is a smaller window.
            self.bound("counts from", u64::MAX - begin, show_moment(begin));
        }
    }

    /// Where the fields that pass differ from what is usual for such a party.
    ///
    /// Only where they differ from the default of such a party: with thousands of peers the usual must
    /// cost nothing.
    fn fields(&mut self, (rules, named): (&FieldRules, &NamedFields), usual: FieldTrust) {
        // The same defaults from which loading starts.
        let usual = FieldRules::standard(usual);
        for (way, set, usual) in [
            ("from it", rules.strip_in, usual.strip_in),
            ("to it", rules.strip_out, usual.strip_out),
        ] {
            for field in set.without(usual).names() {
                self.demand(format!(
                    "{} is removed from what goes {way}",
                    field.as_str()
                ));
            }
            for field in usual.without(set).names() {
                self.grant(format!("{} is left in what goes {way}", field.as_str()));
            }
        }
        for (way, rules) in [("from it", &named.strip_in), ("to it", &named.strip_out)] {
            for (name, strips) in rules.shown() {
                match strips {
                    true => self.demand(format!("{name} is removed from what goes {way}")),
                    false => self.grant(format!("{name} is left in what goes {way}")),
                }
            }
        }
        // No party owes a field by default.
        for field in rules.require_in.names() {
            self.demand(format!("it owes {}", field.as_str()));
        }
    }
}

impl Topology {
    /// What it grants apart from vouching, which is judged by chains where there are any.
    ///
    /// Walks the topology once; the facts about a peer do not depend on other peers.
    pub fn grants(&self) -> Grants {
        let mut grants = Grants::default();
        let node = grants.of("node".to_owned());
        // A home domain that goes takes its users along, which a plan reports on its own as well.
        for domain in &self.node.domains {
            node.grant(format!("serves the home domain {domain}"));
        }
        // Clients may have the old name in their routes.
        for alias in &self.node.aliases {
            node.grant(format!("is addressed as {alias}"));
        }
        bounds(&self.limits, grants.of("limits".to_owned()));
        self.listener_grants(&mut grants);
        // By name: the order of peers grants nothing.
        for peer in &self.peers {
            peer_grants(peer, grants.of(format!("peer {}", peer.name)));
        }
        // One fact that is always there, so that the entry exists in both files and only its
        // differences are reported.
        let clients = grants.of("clients".to_owned());
        clients.grant("are known by their connection");
        let fields = (&self.boundary.clients, &self.boundary.named_of_clients);
        clients.fields(fields, FieldTrust::Client);
        let all = grants.of("boundary".to_owned());
        for domain in &self.boundary.deny_domains {
            all.demand(format!("nobody may name {domain}"));
        }
        all.grant_if(
            self.boundary.peer_name,
            "sends home servers the name of the sender",
        );
        all.grant_if(
            self.boundary.client_address,
            "sends home servers the address of the client",
        );
        self.token_grants(&mut grants);
        grants
    }

    /// Also the names that it shows, since a client checks for them.
    fn listener_grants(&self, grants: &mut Grants) {
        for listener in &self.listeners {
            let facts = grants.of(format!("listener {}", listener.name));
            facts.grant(format!("is at {}", listener.address));
            facts.grant_if(listener.accept.clients(), "takes clients");
            facts.grant_if(listener.accept.peers(), "takes peers");
            match &listener.client_certificates {
                ClientCertificates::Refuse if listener.accept.clients() => {
                    facts.demand("clients may show no certificate");
                }
                ClientCertificates::Refuse | ClientCertificates::Ignore => {}
                ClientCertificates::Require(sets) => {
                    facts.demand("clients need a certificate");
                    for set in sets {
                        let name = &self.trust(*set).name;
                        facts.grant(format!("takes clients that {name} vouches for"));
                    }
                }
            }
            // Both ways can harm: a balancer that is not listed is refused with its header, one that is without.
            for network in &listener.proxy_protocol {
                facts.grant(format!("takes the PROXY protocol from {network}"));
                facts.demand(format!("{network} must send the PROXY protocol"));
            }
            // By name and not by identity: another certificate for the same name is as good.
            for identity in std::iter::once(&listener.identity).chain(&listener.sni) {
                for name in &self.identity(*identity).names {
                    facts.grant(format!("shows a certificate for {name}"));
                }
            }
        }
    }

    /// A key that is gone makes every route invalid that it signed.
    fn token_grants(&self, grants: &mut Grants) {
        let facts = grants.of("tokens".to_owned());
        for (id, key) in &self.tokens.keys {
            // Enough to tell keys apart, and nothing of the key.
            facts.grant(format!("know key {id} ({})", short_digest(key)));
        }
        facts.grant_if(
            self.tokens.keys.is_empty(),
            "know the random key of the run",
        );
    }

    /// Which sets may vouch for which peers, and what a chain must be like.
    ///
    /// Apart from the other facts, because a plan judges the chains of live connections instead, where
    /// there are any. What is left for this are peers that are not connected at the moment.
    pub fn vouching(&self) -> Grants {
        let mut grants = Grants::default();
        for set in &self.trusts {
            set_grants(set, grants.of(format!("trust {}", set.name)));
        }
        for peer in &self.peers {
            let facts = grants.of(format!("peer {}", peer.name));
            for set in &peer.trust {
                facts.grant(format!("is vouched for by {}", self.trust(*set).name));
            }
            let wildcard = peer.names == NamePolicy::OneLabelWildcard;
            facts.grant_if(wildcard, "is named by a wildcard");
            facts.grant_if(peer.common_name, "is named by a CN");
            if peer.purpose == PurposePolicy::Strict {
                facts.demand("it needs more than serverAuth to connect");
            }
            facts.within(peer.window);
            if !peer.pins.is_empty() && peer.stage == Stage::Enforce {
                facts.demand("needs a pinned key");
                for pin in &peer.pins {
                    facts.grant(format!("has the pin {pin}"));
                }
            }
        }
        grants
    }
}

/// Limits that refuse nothing.
const NO_BOUNDS: [&str; 5] = [
    "gather",
    "ping_clients",
    "backoff_min",
    "backoff_max",
    "log_queue",
];

/// Every limit that refuses what is above it.
///
/// For all of them a larger number allows more.
fn bounds(of: &Limits, facts: &mut Facts) {
    facts.grant("are set");
    for network in of.deny.0.iter() {
        facts.demand(format!("refuse what comes from {network}"));
    }
    for limit in of.all() {
        // More is not better there, or it takes a restart, which is reported on its own.
        if !NO_BOUNDS.contains(&limit.key.name) {
            facts.bound(limit.key.name, limit.number, limit.shown);
        }
    }
}

/// What concerns messages; what concerns the handshake is in [`Topology::vouching`].
fn peer_grants(peer: &Peer, facts: &mut Facts) {
    match peer.kind {
        PeerKind::Home => facts.grant("is a home server"),
        // What it may assert and what is routed to it is one list.
        PeerKind::Federated => {
            facts.grant("is a partner's server");
            for domain in &peer.domains {
                facts.grant(format!("speaks for {domain}"));
            }
        }
        PeerKind::Sibling => facts.grant("is a sibling"),
    }
    for name in &peer.covers {
        facts.grant(format!("goes on with dialogs as {name}"));
    }
    facts.grant_if(peer.assert_identity, "is believed what it asserts");
    if let Some(name) = &peer.advertise {
        facts.grant(format!("knows this node as {name}"));
    }
    if !peer.to_domains.is_empty() {
        let domains: Vec<&str> = peer.to_domains.iter().map(Domain::as_str).collect();
        facts.demand(format!("it reaches no domain but {}", domains.join(", ")));
    }
    // What is usual is no fact: there may be very many peers.
    if !peer.boundary.sips {
        facts.demand("it takes no sips URIs");
    }
    facts.fields(
        (&peer.boundary.fields, &peer.boundary.named),
        FieldTrust::of_peer(peer.assert_identity),
    );
    // Each one apart, so that one more domain is one more line.
    for domain in &peer.boundary.deny {
        facts.demand(format!("it may not name {domain}"));
    }
    if peer.keepalive.is_some() {
        facts.demand("it must answer keep-alives");
    }
    // One fact for each, so that fewer connections show as less.
    for connection in 2..=peer.connections {
        facts.grant(format!("has a connection {connection} of each shard"));
    }
}

/// Anchors by subject and key: a renewed certificate for the same key vouches for the same peers.
fn set_grants(set: &TrustSet, facts: &mut Facts) {
    for anchor in &set.anchors {
        // One that cannot be parsed vouches for nobody.
        if let Ok((_, read)) = X509Certificate::from_der(anchor) {
            let key = short_digest(read.public_key().raw);
            facts.grant(format!("has the anchor {} ({key})", read.subject()));
        }
    }
    facts.within(set.window);
    match set.revocation {
        // No revocation demands nothing; any policy after it is a narrowing.
        Revocation::Off => return,
        Revocation::Require => facts.bound("revocation", 0, "\"require\"".to_owned()),
        Revocation::Grace(grace) => {
            facts.bound("revocation", grace.as_secs(), show_duration(grace));
        }
    }
    if set.scope == RevocationScope::Chain {
        facts.demand("intermediates need a CRL, too");
    }
    facts.grant_if(set.crl_fetch, "fetches CRLs");
    // A file that is no longer read may have been the only one for an issuer.
    for source in &set.crl_sources {
        facts.grant(format!("reads CRLs from {}", source.path.display()));
    }
}

/// Four bytes are enough to keep the handful of keys of one file apart.
fn short_digest(octets: &[u8]) -> String {
    let digest = digest(&SHA256, octets);
    let short = digest.as_ref().iter().take(4);
    short.map(|octet| format!("{octet:02x}")).collect()
}
