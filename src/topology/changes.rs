//! The difference between two topologies in words, for the log of a reload.
use super::{
    Boundary, CertificateFacts, Identity, KeyPair, Listener, Peer, Pool, Topology, TrustSet,
    limits, show_duration, show_time,
};
use std::collections::{HashMap, HashSet};

impl Topology {
    /// What a reload from this topology to `newer` changes, one line each; empty when nothing does.
    pub fn changes(&self, newer: &Self) -> Vec<String> {
        let mut said = Vec::new();
        node(self, newer, &mut said);
        let by = |identity: &Identity| identity.name.clone();
        compare(
            "identity",
            &self.identities,
            &newer.identities,
            by,
            &mut said,
            identity,
        );
        compare(
            "trust",
            &self.trusts,
            &newer.trusts,
            |t: &TrustSet| t.name.clone(),
            &mut said,
            trust,
        );
        compare(
            "listener",
            &self.listeners,
            &newer.listeners,
            |l: &Listener| l.name.clone(),
            &mut said,
            |a, b| listener((self, a), (newer, b)),
        );
        compare(
            "peer",
            &self.peers,
            &newer.peers,
            |p: &Peer| p.fqdn.to_string(),
            &mut said,
            |a, b| peer((self, a), (newer, b)),
        );
        compare(
            "pool",
            &self.pools,
            &newer.pools,
            |p: &Pool| p.name.clone(),
            &mut said,
            |a, b| pool((self, a), (newer, b)),
        );
        for (old, new) in limits::shown(&self.limits)
            .iter()
            .zip(limits::shown(&newer.limits))
        {
            if old.value != new.value {
                said.push(format!(
                    "limit {} changed from {} to {}",
                    old.key, old.value, new.value
                ));
            }
        }
        if self.dns != newer.dns {
            let mut parts = Vec::new();
            lists(
                &mut parts,
                "servers",
                &texts(&self.dns.servers),
                &texts(&newer.dns.servers),
            );
            differs(&mut parts, "timeout", self.dns.timeout, newer.dns.timeout);
            differs(&mut parts, "stale", self.dns.stale, newer.dns.stale);
            said.push(format!("dns changed: {}", parts.join(", ")));
        }
        boundary(&self.boundary, &newer.boundary, &mut said);
        settings(self, newer, &mut said);
        said
    }
}

/// Compares two lists by key; `parts` says what differs between two of one key.
fn compare<T>(
    kind: &str,
    old: &[T],
    new: &[T],
    key: impl Fn(&T) -> String,
    said: &mut Vec<String>,
    parts: impl Fn(&T, &T) -> Vec<String>,
) {
    let newer: HashSet<String> = new.iter().map(&key).collect();
    let mut older: HashMap<String, &T> = HashMap::with_capacity(old.len());
    for item in old {
        let name = key(item);
        if !newer.contains(&name) {
            said.push(format!("{kind} {name} removed"));
        }
        older.entry(name).or_insert(item);
    }
    for item in new {
        let name = key(item);
        let Some(before) = older.get(&name) else {
            said.push(format!("{kind} {name} added"));
            continue;
        };
        let parts = parts(before, item);
        if !parts.is_empty() {
            said.push(format!("{kind} {name} changed: {}", parts.join(", ")));
        }
    }
}

fn differ<T: PartialEq + std::fmt::Display>(parts: &mut Vec<String>, what: &str, old: &T, new: &T) {
    if old != new {
        parts.push(format!("{what} {old} becomes {new}"));
    }
}

/// Says that a part differs when showing the two values would help nobody.
fn differs<T: PartialEq>(parts: &mut Vec<String>, what: &str, old: T, new: T) {
    if old != new {
        parts.push(what.to_owned());
    }
}

/// `+a -b` for what came and went in a list, or the order when nothing did.
fn lists(parts: &mut Vec<String>, what: &str, old: &[String], new: &[String]) {
    if old == new {
        return;
    }
    let (older, newer): (HashSet<&String>, HashSet<&String>) =
        (old.iter().collect(), new.iter().collect());
    let came = new.iter().filter(|n| !older.contains(n));
    let went = old.iter().filter(|o| !newer.contains(o));
    let (came, went) = (came.map(|n| format!("+{n}")), went.map(|o| format!("-{o}")));
    let mut signed: Vec<String> = came.chain(went).collect();
    if signed.is_empty() {
        signed.push("order".to_owned());
    }
    parts.push(format!("{what} {}", signed.join(" ")));
}

fn texts<T: std::fmt::Display>(list: &[T]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn node(old: &Topology, new: &Topology, said: &mut Vec<String>) {
    let mut parts = Vec::new();
    let (old, new) = (&old.node, &new.node);
    differ(&mut parts, "fqdn", &old.fqdn, &new.fqdn);
    lists(
        &mut parts,
        "domains",
        &texts(&old.domains),
        &texts(&new.domains),
    );
    lists(
        &mut parts,
        "aliases",
        &texts(&old.aliases),
        &texts(&new.aliases),
    );
    differs(
        &mut parts,
        "advertise_port",
        old.advertise_port,
        new.advertise_port,
    );
    differs(&mut parts, "shards", old.shards, new.shards);
    differs(&mut parts, "scheduling", old.scheduling, new.scheduling);
    if old.state != new.state {
        parts.push("state moved to another directory".to_owned());
    }
    if !parts.is_empty() {
        said.push(format!("node changed: {}", parts.join(", ")));
    }
}

fn identity(old: &Identity, new: &Identity) -> Vec<String> {
    let mut parts = Vec::new();
    let leaf = |pair: &KeyPair| {
        pair.chain
            .first()
            .and_then(|der| CertificateFacts::read(der))
    };
    let until = |pair: &KeyPair| {
        leaf(pair).map_or(String::new(), |f| {
            format!(", valid until {}", show_time(f.not_after))
        })
    };
    if old.server.chain != new.server.chain {
        parts.push(format!("certificate renewed{}", until(&new.server)));
    }
    let response = |i: &Identity| i.staple.as_ref().and_then(|s| s.response.clone());
    differs(&mut parts, "ocsp", response(old), response(new));
    let client = |i: &Identity| i.client.as_ref().map(|pair| pair.chain.clone());
    if client(old) != client(new) {
        let shown = new.client.as_ref().map_or(" removed".to_owned(), |pair| {
            format!(" renewed{}", until(pair))
        });
        parts.push(format!("client certificate{shown}"));
    }
    differ(&mut parts, "shown", &old.window, &new.window);
    parts
}

fn trust(old: &TrustSet, new: &TrustSet) -> Vec<String> {
    let mut parts = Vec::new();
    let anchors = |t: &TrustSet| -> Vec<String> {
        let facts = t.anchors.iter().map(|der| CertificateFacts::read(der));
        facts
            .map(|f| f.map_or(String::new(), |f| format!("\"{}\"", f.subject)))
            .collect()
    };
    if old.anchors != new.anchors {
        let before = parts.len();
        lists(&mut parts, "anchors", &anchors(old), &anchors(new));
        if parts.len() == before {
            parts.push("anchors renewed under the same names".to_owned());
        }
    }
    let digests = |t: &TrustSet| -> Vec<[u8; 32]> { t.crls.iter().map(|c| *c.digest()).collect() };
    if digests(old) != digests(new) {
        parts.push(format!(
            "CRLs replaced ({} before, {} now)",
            old.crls.len(),
            new.crls.len()
        ));
    }
    differs(&mut parts, "crl_refresh", old.crl_refresh, new.crl_refresh);
    differ(&mut parts, "crl_fetch", &old.crl_fetch, &new.crl_fetch);
    lists(
        &mut parts,
        "crl_fetch_local",
        &old.crl_fetch_local,
        &new.crl_fetch_local,
    );
    differs(&mut parts, "revocation", old.revocation, new.revocation);
    differ(&mut parts, "scope", &old.scope.word(), &new.scope.word());
    differ(&mut parts, "counts", &old.window, &new.window);
    parts
}

fn listener(
    (before, old): (&Topology, &Listener),
    (after, new): (&Topology, &Listener),
) -> Vec<String> {
    let mut parts = Vec::new();
    differ(&mut parts, "address", &old.address, &new.address);
    differ(
        &mut parts,
        "identity",
        &before.identity(old.identity).name,
        &after.identity(new.identity).name,
    );
    let sni = |t: &Topology, l: &Listener| -> Vec<String> {
        l.sni.iter().map(|r| t.identity(*r).name.clone()).collect()
    };
    lists(&mut parts, "sni", &sni(before, old), &sni(after, new));
    differs(&mut parts, "accept", old.accept, new.accept);
    differ(
        &mut parts,
        "client_certificates",
        &old.client_certificates.word(),
        &new.client_certificates.word(),
    );
    let trust = |t: &Topology, l: &Listener| -> Vec<String> {
        let sets = l.client_certificates.trust().iter();
        sets.map(|r| t.trust(*r).name.clone()).collect()
    };
    lists(
        &mut parts,
        "client_trust",
        &trust(before, old),
        &trust(after, new),
    );
    parts
}

fn peer((before, old): (&Topology, &Peer), (after, new): (&Topology, &Peer)) -> Vec<String> {
    let mut parts = Vec::new();
    differ(&mut parts, "kind", &old.kind.word(), &new.kind.word());
    lists(
        &mut parts,
        "domains",
        &texts(&old.domains),
        &texts(&new.domains),
    );
    let trust = |t: &Topology, p: &Peer| -> Vec<String> {
        p.trust.iter().map(|r| t.trust(*r).name.clone()).collect()
    };
    lists(&mut parts, "trust", &trust(before, old), &trust(after, new));
    lists(
        &mut parts,
        "address",
        &texts(&old.addresses),
        &texts(&new.addresses),
    );
    differ(&mut parts, "names", &old.names.word(), &new.names.word());
    differ(
        &mut parts,
        "common_name",
        &old.common_name,
        &new.common_name,
    );
    differ(
        &mut parts,
        "purpose",
        &old.purpose.word(),
        &new.purpose.word(),
    );
    differ(
        &mut parts,
        "assert_identity",
        &old.assert_identity,
        &new.assert_identity,
    );
    differ(
        &mut parts,
        "anonymous",
        &old.boundary.anonymous.is_some(),
        &new.boundary.anonymous.is_some(),
    );
    differ(
        &mut parts,
        "identity",
        &before.identity(old.identity).name,
        &after.identity(new.identity).name,
    );
    staging(&mut parts, old, new);
    differ(&mut parts, "dns", &old.dns.word(), &new.dns.word());
    differs(&mut parts, "keepalive", old.keepalive, new.keepalive);
    differ(
        &mut parts,
        "connections",
        &old.connections,
        &new.connections,
    );
    let (old, new) = (&old.boundary, &new.boundary);
    differs(&mut parts, "fields", old.fields, new.fields);
    lists(&mut parts, "deny", &texts(&old.deny), &texts(&new.deny));
    differ(&mut parts, "sips", &old.sips, &new.sips);
    differ(
        &mut parts,
        "hide_topology",
        &old.hide_topology,
        &new.hide_topology,
    );
    parts
}

fn boundary(old: &Boundary, new: &Boundary, said: &mut Vec<String>) {
    let mut parts = Vec::new();
    differs(&mut parts, "clients", old.clients, new.clients);
    lists(
        &mut parts,
        "deny_domains",
        &texts(&old.deny_domains),
        &texts(&new.deny_domains),
    );
    differ(&mut parts, "peer_name", &old.peer_name, &new.peer_name);
    if !parts.is_empty() {
        said.push(format!("boundary changed: {}", parts.join(", ")));
    }
}

fn staging(parts: &mut Vec<String>, old: &Peer, new: &Peer) {
    differ(parts, "counts", &old.window, &new.window);
    differ(parts, "stage", &old.stage.word(), &new.stage.word());
    lists(parts, "pins", &texts(&old.pins), &texts(&new.pins));
}

fn pool((before, old): (&Topology, &Pool), (after, new): (&Topology, &Pool)) -> Vec<String> {
    let mut parts = Vec::new();
    lists(
        &mut parts,
        "domains",
        &texts(&old.domains),
        &texts(&new.domains),
    );
    let members = |t: &Topology, p: &Pool| -> Vec<String> {
        p.peers
            .iter()
            .map(|(r, _)| t.peer(*r).fqdn.to_string())
            .collect()
    };
    let (was, is) = (members(before, old), members(after, new));
    lists(&mut parts, "peers", &was, &is);
    let weights = |p: &Pool| -> Vec<u16> { p.peers.iter().map(|(_, weight)| *weight).collect() };
    if was == is {
        differs(&mut parts, "weights", weights(old), weights(new));
    }
    differ(
        &mut parts,
        "strategy",
        &old.strategy.word(),
        &new.strategy.word(),
    );
    let drained = |t: &Topology, p: &Pool| -> Vec<String> {
        p.drain
            .iter()
            .map(|r| t.peer(*r).fqdn.to_string())
            .collect()
    };
    lists(
        &mut parts,
        "drain",
        &drained(before, old),
        &drained(after, new),
    );
    if was == is {
        differs(&mut parts, "priorities", &old.priorities, &new.priorities);
    }
    differs(&mut parts, "health", old.health, new.health);
    parts
}

fn settings(old: &Topology, new: &Topology, said: &mut Vec<String>) {
    let mut parts = Vec::new();
    differ(
        &mut parts,
        "requests",
        &old.log.requests.word(),
        &new.log.requests.word(),
    );
    differ(
        &mut parts,
        "format",
        &old.log.format.word(),
        &new.log.format.word(),
    );
    if !parts.is_empty() {
        said.push(format!("log changed: {}", parts.join(", ")));
    }
    let ids = |t: &Topology| -> Vec<String> {
        t.tokens.keys.iter().map(|(id, _)| id.to_string()).collect()
    };
    if old.tokens.keys != new.tokens.keys {
        // Ids only: a key is never shown.
        let show = |ids: Vec<String>| {
            if ids.is_empty() {
                "none".to_owned()
            } else {
                ids.join(", ")
            }
        };
        said.push(format!(
            "token keys changed: ids {} become {}",
            show(ids(old)),
            show(ids(new))
        ));
    }
    if old.admin.watch != new.admin.watch {
        let show = |t: &Topology| t.admin.watch.map_or("off".to_owned(), show_duration);
        said.push(format!(
            "admin changed: watch {} becomes {}",
            show(old),
            show(new)
        ));
    }
    if old.expectations.len() != new.expectations.len() {
        said.push(format!(
            "expectations changed: {} before, {} now",
            old.expectations.len(),
            new.expectations.len()
        ));
    }
}
