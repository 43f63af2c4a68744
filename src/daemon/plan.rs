//! The plan: what a new topology would do to a running daemon, or what differs between two files; decided by the same
//! [`crate::trust::decide`] as everything else.
use super::control::{Inventory, LivePeer, Outline, Route, SeenNow};
use crate::edge::{Evidence, Opened};
use crate::reason::{ConnectionReason, TrustReason};
use crate::topology::{CertificateFacts, Direction, DnsName, Listener, Topology};
use crate::trust::{Decision, Generation, Presented, decide};
use rustls_pki_types::UnixTime;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What would happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PlanEffects {
    /// Whether a running daemon's connections and chains were decided on; else only the files were compared.
    pub live: bool,
    /// Live connections with peers that would be closed.
    pub dropped: Vec<Dropped>,
    /// Live clients that would be closed, by listener.
    pub dropped_clients: BTreeMap<String, usize>,
    /// Peers whose certificates serve now and would be refused.
    pub refused: Vec<ChainOutcome>,
    /// Certificates that are refused now and would be let in.
    pub admitted: Vec<ChainOutcome>,
    /// Peers that the new file no longer names.
    pub removed_peers: Vec<String>,
    /// Peers that only the new file names.
    pub added_peers: Vec<String>,
    /// Domains whose requests would find no target.
    pub lost_domains: Vec<String>,
    /// What the new file grants no more: a listener for clients, a domain, room ...
    pub narrowed: Vec<String>,
    /// Domains that would go to another pool.
    pub moved_domains: Vec<Moved>,
    /// Peers that would be sent requests for a domain that others serve alone now.
    pub joined: Vec<Joined>,
    /// Peers that only the new file names, and of which no certificate was seen that it accepts.
    pub untried: Vec<String>,
    /// What would wait for a restart.
    pub restart: Vec<String>,
}

/// A connection that would be closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Its number in the log.
    pub connection: u64,
    /// The peer.
    pub peer: String,
    /// Who connected.
    pub direction: &'static str,
    /// The remote address.
    pub remote: std::net::SocketAddr,
    /// The reason code that `trust_withdrawn` would have.
    pub reason: String,
    /// What makes it understandable.
    pub detail: Option<String>,
    /// The line of the new file that would decide.
    pub line: Option<u32>,
}

/// What would be decided about a chain that was seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ChainOutcome {
    /// The peer that it speaks for now (refused) or would speak for (admitted).
    pub peer: String,
    /// Who connects.
    pub direction: &'static str,
    /// The new decision's reason code.
    pub reason: String,
    /// What makes it understandable.
    pub detail: Option<String>,
    /// The line of the new file that would decide.
    pub line: Option<u32>,
    /// The decision of the log that the chain was last seen with.
    pub seen_as: String,
    /// The end of its first certificate, Unix seconds.
    pub not_after: Option<i64>,
}

/// A domain that would go elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The domain.
    pub domain: String,
    /// The pool now.
    pub from: String,
    /// The pool then.
    pub to: String,
}

/// A peer that would serve a domain with others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Joined {
    /// The peer.
    pub peer: String,
    /// The domain.
    pub domain: String,
    /// The pool that it would be in.
    pub pool: String,
    /// How that orders its members for a request.
    pub strategy: String,
    /// Who serves the domain now, and would go on to.
    pub beside: Vec<String>,
}

impl PlanEffects {
    /// Compares two topologies.
    pub fn between(old: &Topology, new: &Generation) -> Self {
        let mut plan = Self::default();
        let (before, then) = (Outline::of(old), Outline::of(new.topology()));
        plan.compare(&before, &then);
        // Without live chains it is not known whether that matters. The trust sets: narrower ones
        // close connections only if a chain needs them.
        let vouching = old.vouching().narrowed(&new.topology().vouching());
        plan.narrowed.extend(vouching);
        plan.lose_domains(&before, &then, &BTreeSet::new());
        plan
    }

    /// Decides on what a running daemon holds as if the new topology served.
    pub fn of(held: &Inventory, new: &Generation, at: UnixTime) -> Self {
        let mut plan = Self {
            live: true,
            ..Self::default()
        };
        let then = Outline::of(new.topology());
        plan.compare(&held.outline, &then);
        plan.drop_connections(held, new, at);
        plan.drop_clients(held, new, at);
        let unusable = plan.judge_seen(held, new, at);
        plan.lose_domains(&held.outline, &then, &unusable);
        plan
    }

    /// Whether something that works now would not work then.
    pub fn is_harmful(&self) -> bool {
        !(self.dropped.is_empty()
            && self.dropped_clients.is_empty()
            && self.refused.is_empty()
            && self.removed_peers.is_empty()
            && self.narrowed.is_empty()
            && self.lost_domains.is_empty())
    }

    /// What the two files alone show.
    fn compare(&mut self, old: &Outline, newer: &Outline) {
        let only = |these: &Outline, those: &Outline| -> Vec<String> {
            let those: HashSet<&String> = those.peers.iter().collect();
            let only = these.peers.iter().filter(|p| !those.contains(p));
            only.cloned().collect()
        };
        self.removed_peers = only(old, newer);
        self.added_peers = only(newer, old);
        self.narrowed = old.grants.narrowed(&newer.grants);
        // Listed apart: it is in the file and not in force.
        self.restart = old.restart_settings.changes(&newer.restart_settings);
        for (domain, route) in &old.routes {
            let Some(then) = newer.routes.get(domain) else {
                continue;
            };
            if then.pool != route.pool {
                self.moved_domains.push(Moved {
                    domain: domain.clone(),
                    from: route.pool.clone(),
                    to: then.pool.clone(),
                });
            }
            self.joined.extend(joined(domain, route, then));
        }
    }

    /// Live connections with peers that a reload would withdraw trust from.
    fn drop_connections(&mut self, held: &Inventory, new: &Generation, at: UnixTime) {
        for live in &held.peers {
            // By number: many connections share a chain, and the inventory has it once.
            let chain = held.chain(live.chain);
            let shown = live.shown.map(|index| held.chain(index));
            let (opened, direction) = opened(live, new.topology());
            let name = covered(live.name.as_deref());
            let evidence = Evidence {
                opened,
                peer: Some(&live.peer),
                name: name.as_ref(),
                identity: live.identity.as_deref(),
                chain: &chain,
                shown: shown.as_ref().and_then(|chain| chain.first()),
            };
            let Some((reason, decision)) = evidence.reevaluate(new, at).end() else {
                continue;
            };
            // With the line of the new file that decides: that is what is to be changed.
            self.dropped.push(Dropped {
                connection: live.connection,
                peer: live.peer.clone(),
                direction: direction.word(),
                remote: live.remote,
                reason: reason.to_string(),
                detail: decision.as_deref().and_then(|d| detail(d, live)),
                line: decision.and_then(|decision| decision.line),
            });
        }
    }

    /// Live clients that would be closed, counted by listener: they are many, and have no names.
    fn drop_clients(&mut self, held: &Inventory, new: &Generation, at: UnixTime) {
        // By name, as a reload finds them.
        let there = |name: &String| new.topology().listeners().iter().find(|l| l.name == *name);
        let mut lost: BTreeMap<&String, usize> = BTreeMap::new();
        let mut shown: BTreeMap<&String, usize> = BTreeMap::new();
        for clients in &held.shown_by_clients {
            *shown.entry(&clients.listener).or_default() += clients.count;
            let chain = held.chain(clients.chain);
            let evidence = Evidence {
                opened: Opened::Accepted(there(&clients.listener)),
                peer: None,
                name: None,
                identity: None,
                chain: &chain,
                shown: None,
            };
            if evidence.reevaluate(new, at).end().is_some() {
                *lost.entry(&clients.listener).or_default() += clients.count;
            }
        }
        // Clients without a certificate: their listener alone decides.
        for (listener, count) in &held.clients {
            if !there(listener).is_some_and(Listener::takes_clients_without_certificate) {
                let without = count.saturating_sub(shown.get(listener).copied().unwrap_or(0));
                *lost.entry(listener).or_default() += without;
            }
        }
        self.dropped_clients = lost
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(listener, count)| (listener.clone(), count))
            .collect();
    }

    /// Returns the peers of which every certificate that serves now would be refused.
    fn judge_seen(&mut self, held: &Inventory, new: &Generation, at: UnixTime) -> BTreeSet<String> {
        let (mut good, mut bad) = (BTreeSet::new(), BTreeSet::new());
        let (mut refused, mut admitted) = (BTreeMap::new(), BTreeMap::new());
        for seen in &held.seen {
            let verdict = judge(seen, held, new, at);
            // The same peer, direction and reason once: clusters present many certificates of one kind.
            let key = (
                verdict.peer.clone(),
                verdict.direction,
                verdict.reason.clone(),
            );
            match (
                seen.speaks_for.is_some(),
                verdict.reason == TrustReason::Accepted.code(),
            ) {
                (true, true) => {
                    good.insert(verdict.peer);
                }
                (true, false) => {
                    bad.insert(verdict.peer.clone());
                    refused.entry(key).or_insert(verdict);
                }
                (false, true) => {
                    good.insert(verdict.peer.clone());
                    admitted.entry(key).or_insert(verdict);
                }
                (false, false) => {}
            }
        }
        let is_untried = |peer: &&String| !good.contains(*peer);
        self.untried = self
            .added_peers
            .iter()
            .filter(is_untried)
            .cloned()
            .collect();
        self.refused = refused.into_values().collect();
        self.admitted = admitted.into_values().collect();
        bad.difference(&good).cloned().collect()
    }

    /// Domains without a usable target: one peer with one good certificate is enough to keep a domain.
    fn lose_domains(&mut self, old: &Outline, newer: &Outline, unusable: &BTreeSet<String>) {
        // Domains that are new cannot be lost.
        for domain in old.routes.keys() {
            let targets = newer.routes.get(domain).map(|route| &route.targets);
            // Unknown certificates count as good: the plan warns of what is known to break.
            let left = targets.is_some_and(|t| t.iter().any(|peer| !unusable.contains(peer)));
            if !left {
                self.lost_domains.push(domain.clone());
            }
        }
    }
}

/// Who would be new among the targets of a domain, where somebody of now goes on to be one: an entry that is added for its
/// trust alone takes a share of the domain's calls as well.
fn joined(domain: &str, now: &Route, then: &Route) -> Vec<Joined> {
    let stay: Vec<String> = now
        .targets
        .iter()
        .filter(|peer| then.targets.contains(peer))
        .cloned()
        .collect();
    if stay.is_empty() {
        return Vec::new();
    }
    let new = then
        .targets
        .iter()
        .filter(|peer| !now.targets.contains(peer));
    let joined = new.map(|peer| Joined {
        peer: peer.clone(),
        domain: domain.to_owned(),
        pool: then.pool.clone(),
        strategy: then.strategy.clone(),
        beside: stay.clone(),
    });
    joined.collect()
}

/// A name that an entry covers, as an inventory has it.
fn covered(name: Option<&str>) -> Option<DnsName> {
    DnsName::parse(name?).ok()
}

fn opened<'t>(live: &LivePeer, new: &'t Topology) -> (Opened<Option<&'t Listener>>, Direction) {
    match &live.listener {
        Some(name) => {
            let there = new.listeners().iter().find(|l| l.name == *name);
            (Opened::Accepted(there), Direction::Inbound)
        }
        None => (Opened::Dialled, Direction::Outbound),
    }
}

/// The decision's own detail, unless it accepts the chain as somebody else.
fn detail(decision: &Decision, live: &LivePeer) -> Option<String> {
    match &decision.peer_name {
        Some(other) if *other != live.peer => Some(format!("it would speak for {other}")),
        Some(_) | None => decision.detail.clone(),
    }
}

/// What the new generation would decide about a chain that was seen.
fn judge(seen: &SeenNow, held: &Inventory, new: &Generation, at: UnixTime) -> ChainOutcome {
    let chain = held.chain(seen.chain);
    let direction = seen.then.direction();
    let name = covered(seen.then.dialled.as_deref());
    let presented = Presented::again(&chain, seen.then.peer.as_deref(), direction, new);
    let presented = presented
        .under(name.as_ref())
        .shown(seen.then.identity.as_deref());
    let decision = match decide(&presented, direction, new, at) {
        Ok(peer) => std::sync::Arc::clone(peer.decision()),
        Err(decision) => decision,
    };
    let now = seen.speaks_for.as_deref();
    let then = decision.peer_name.as_deref();
    // Accepted, but as another peer: for the one that it serves now it is lost.
    let (reason, detail) = match (now, then) {
        (Some(now), Some(then)) if now != then => (
            ConnectionReason::IdentityChanged.code(),
            Some(format!("it would speak for {then}, no longer for {now}")),
        ),
        _ => (decision.reason.code(), decision.detail.clone()),
    };
    ChainOutcome {
        peer: now.or(then).unwrap_or("nobody listed").to_owned(),
        direction: direction.word(),
        reason: reason.to_string(),
        detail,
        line: decision.line,
        seen_as: seen.then.decision.clone(),
        not_after: chain
            .first()
            .and_then(|leaf| CertificateFacts::read(leaf))
            .map(|facts| facts.not_after),
    }
}
