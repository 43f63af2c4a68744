//! The peers of one generation, as the proxy sees them: made once for all shards, outside of them.
//!
//! Entries of the topology file become what a message needs: the peer's key, its kind, what passes
//! to and from it, and the health that all shards share. Policy, boundary and routing look a peer
//! up here and nowhere else.
use super::health::{HealthBoard, PeerHealth};
use super::interface::{Actions, AdvertisedNames, RemoteIdentity};
use super::leg::PeerKey;
use crate::observe::Event;
use crate::reason::HealthReason;
use crate::sip::{HeaderName, HeaderSet, Message};
use crate::topology::{
    DnsName, DomainList, FastMap, FieldRules, FieldTrust, Health, NamedFields, PeerKind, PeerRef,
    Topology,
};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What events call the other process of this node; no name has a blank.
pub const OTHER_PROCESS: &str = "the other process";

/// The peers of one generation.
#[derive(Default)]
pub(crate) struct Listing {
    by_key: FastMap<PeerKey, Arc<ListedPeer>>,
    /// In the order of their references: a reference belongs to one generation, a key to all.
    all: Vec<Arc<ListedPeer>>,
    /// Those that are pinged.
    pinged: Vec<Arc<ListedPeer>>,
    /// Whether any peer knows this node by a name of its own.
    pub(crate) advertises: bool,
    /// Those from which the home side is hidden.
    pub(crate) hidden_from: HashSet<PeerKey>,
    /// Whether any peer wants more than one connection.
    pub(crate) several: bool,
}

/// One peer of the topology, with all that a message needs to know of it. Kept behind an `Arc`: a
/// peer that a reload removes lives on with its connections.
#[derive(Clone)]
pub(crate) struct ListedPeer {
    pub(crate) key: PeerKey,
    /// In the current generation; `None`: the topology no longer lists it.
    pub(crate) current: Option<PeerRef>,
    /// What the log calls it.
    pub(crate) name: Arc<str>,
    /// What its requests call it.
    pub(crate) fqdn: Arc<str>,
    pub(crate) kind: PeerKind,
    pub(crate) assert_identity: bool,
    /// What all shards know of its health.
    pub(crate) health: Arc<PeerHealth>,
    /// How it is pinged; `None`: it is not.
    pub(crate) policy: Option<Health>,
    /// Connections that each shard should have to it.
    pub(crate) wanted: u8,
    /// INVITEs without a final answer from all connections with it, in each shard.
    pub(crate) invites: u32,
    /// Requests a second that they may begin, in each shard.
    pub(crate) rate: u32,
    pub(crate) fields: FieldRules,
    /// What is done with other fields.
    pub(crate) named: Arc<NamedFields>,
    /// Whether it takes sips URIs.
    pub(crate) sips: bool,
    /// Whether the home side is hidden from it.
    pub(crate) hide_topology: bool,
    /// What it knows this node by, with the port; `None`: as all peers do.
    pub(crate) sent_by: Option<Arc<str>>,
    /// What is taken out of its anonymous requests; `None`: there may be none.
    pub(crate) anonymous: Option<HeaderSet>,
    /// The names that its entry covers; `None`: there are none.
    covers: Option<Arc<DomainList>>,
    /// It stands for its entry under one of these.
    pub(crate) under: Option<UnderName>,
}

/// A name that an entry covers, as a next hop of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct UnderName {
    /// The entry.
    pub(crate) peer: PeerKey,
    /// One of its names, in lower case.
    pub(crate) name: DnsName,
}

impl UnderName {
    /// The name that a connection was dialled under, if that is not its peer's own.
    pub(crate) fn of(identity: &RemoteIdentity) -> Option<Self> {
        let RemoteIdentity::Peer(id) = identity else {
            return None;
        };
        let name = id.name()?.clone();
        let peer = PeerKey::of(id.decision().peer_name.as_deref()?);
        Some(Self { peer, name })
    }

    /// What its connections and what waits for one are kept under.
    pub(crate) fn key(&self) -> PeerKey {
        PeerKey::of(&format!("{:x} {}", self.peer.0, self.name.as_str()))
    }
}

impl ListedPeer {
    /// The other process of this node: what crosses to it has a sender and a receiver of its own, whose rules hold. Nobody
    /// can connect to it, so that it has no reference.
    fn other_process(board: &HealthBoard) -> Self {
        Self {
            key: PeerKey::OTHER_PROCESS,
            current: None,
            name: Arc::from(OTHER_PROCESS),
            fqdn: Arc::from(OTHER_PROCESS),
            kind: PeerKind::Sibling,
            assert_identity: true,
            health: board.of(PeerKey::OTHER_PROCESS),
            policy: None,
            wanted: 1,
            invites: u32::MAX,
            rate: u32::MAX,
            fields: FieldRules::standard(FieldTrust::Inside),
            named: Arc::default(),
            sips: true,
            hide_topology: false,
            sent_by: None,
            anonymous: None,
            covers: None,
            under: None,
        }
    }

    /// Whether its entry covers this name; in lower case.
    pub(crate) fn covers(&self, name: &str) -> bool {
        let covers = self.covers.as_ref();
        covers.is_some_and(|covers| covers.covers(name))
    }

    /// Whether its entry covers any.
    pub(crate) fn covers_any(&self) -> bool {
        self.covers.is_some()
    }

    /// Its entry under a name that it covers. It has a health of its own, which says nothing of the
    /// peer's; nobody pings it.
    pub(crate) fn under(&self, under: &UnderName, health: Arc<PeerHealth>) -> Option<Self> {
        self.covers(under.name.as_str()).then(|| Self {
            key: under.key(),
            name: Arc::clone(&under.name.0),
            fqdn: Arc::clone(&under.name.0),
            health,
            policy: None,
            wanted: 1,
            covers: None,
            under: Some(under.clone()),
            ..self.clone()
        })
    }

    /// The key of its entry.
    pub(crate) fn entry(&self) -> PeerKey {
        self.under.as_ref().map_or(self.key, |under| under.peer)
    }

    /// Whether it is one of the home servers.
    pub(crate) fn is_home(&self) -> bool {
        match self.kind {
            PeerKind::Home => true,
            PeerKind::Federated | PeerKind::Sibling => false,
        }
    }
}

/// What messages and connections show of its health. Pings have a count of their own (`ping`).
impl ListedPeer {
    /// It answered a request, or a connection to it came up: a peer that requests took down is well
    /// again. Costs two loads while all is well, which is the case on the way of nearly every
    /// response.
    pub(crate) fn note_answer(&self, now: Instant, out: &mut Actions) {
        if self.health.is_troubled()
            && let Some(down) = self.health.answered(now)
        {
            out.record(Event::PeerAvailable {
                peer: self.name.to_string(),
                down,
            });
        }
    }

    /// A connect to it failed. A peer without pings
    /// comes back by itself at `until`; one with pings when they are answered.
    pub(crate) fn note_failure(
        &self,
        reason: HealthReason,
        until: Instant,
        now: Instant,
        out: &mut Actions,
    ) {
        let after = self.policy.unwrap_or_default().down_after;
        self.count_failure(after, reason, until, now, out);
    }

    /// A request got no answer at all from it. `at_once`: nothing else has come from it either, and
    /// another one lives, so that one such request is enough.
    pub(crate) fn note_silence(
        &self,
        at_once: bool,
        until: Instant,
        now: Instant,
        out: &mut Actions,
    ) {
        let after = match at_once {
            true => 1,
            false => self.policy.unwrap_or_default().down_after,
        };
        self.count_failure(after, HealthReason::Silence, until, now, out);
    }

    /// So many failures in a row take it down.
    fn count_failure(
        &self,
        after: u8,
        reason: HealthReason,
        until: Instant,
        now: Instant,
        out: &mut Actions,
    ) {
        // Where pings watch it, they bring it back.
        let until = self.policy.is_none().then_some(until);
        if self.health.failed(after, until, now) {
            self.health.because(reason);
            out.record(Event::PeerUnavailable {
                peer: self.name.to_string(),
                reason: reason.into(),
                retry_in: until.map(|at| at.saturating_duration_since(now)),
            });
        }
    }

    /// RFC 3261 §21.5.4: a 503 with Retry-After keeps requests away for that time, one without
    /// concerns this request only.
    pub(crate) fn heed_retry_after(&self, response: &Message<'_>, now: Instant, out: &mut Actions) {
        let Some(time) = response.first(HeaderName::RetryAfter).and_then(seconds) else {
            return;
        };
        let granted = self.health.hold(time, now);
        out.record(Event::PeerUnavailable {
            peer: self.name.to_string(),
            reason: HealthReason::RetryAfter.into(),
            retry_in: Some(granted),
        });
    }
}

impl Listing {
    pub(crate) fn new(topology: &Topology, names: &AdvertisedNames, board: &HealthBoard) -> Self {
        let policies = policies(topology);
        let listed = topology.peer_refs().zip(policies);
        let all: Vec<Arc<ListedPeer>> = listed
            .map(|((reference, peer), policy)| {
                let key = PeerKey::of(peer.name.as_str());
                Arc::new(ListedPeer {
                    key,
                    current: Some(reference),
                    name: peer.name.shared(),
                    fqdn: Arc::clone(&peer.fqdn.0),
                    kind: peer.kind,
                    assert_identity: peer.assert_identity,
                    health: board.of(key),
                    policy,
                    wanted: peer.connections,
                    invites: u32::try_from(peer.invites).unwrap_or(u32::MAX),
                    rate: u32::try_from(peer.rate).unwrap_or(u32::MAX),
                    fields: peer.boundary.fields,
                    named: Arc::new(peer.boundary.named.clone()),
                    sips: peer.boundary.sips,
                    hide_topology: peer.boundary.hide_topology,
                    sent_by: peer
                        .advertise
                        .as_ref()
                        .map(|name| names.as_known_by(name).into()),
                    anonymous: peer.boundary.anonymous,
                    covers: (!peer.covers.is_empty())
                        .then(|| Arc::new(peer.covers.iter().collect())),
                    under: None,
                })
            })
            .collect();
        let other_process = Arc::new(ListedPeer::other_process(board));
        let listed = all.iter().chain([&other_process]);
        let by_key = listed.map(|peer| (peer.key, Arc::clone(peer)));
        let pinged = all.iter().filter(|peer| peer.policy.is_some());
        let hidden_from = all.iter().filter(|peer| peer.hide_topology);
        Self {
            by_key: by_key.collect(),
            pinged: pinged.cloned().collect(),
            advertises: all.iter().any(|peer| peer.sent_by.is_some()),
            hidden_from: hidden_from.map(|peer| peer.key).collect(),
            several: all.iter().any(|peer| peer.wanted > 1),
            all,
        }
    }

    /// The peer of this key.
    pub(crate) fn get(&self, key: PeerKey) -> Option<&Arc<ListedPeer>> {
        self.by_key.get(&key)
    }

    /// The peer of this reference, unless that is of another generation.
    pub(crate) fn by_reference(&self, reference: PeerRef) -> Option<&ListedPeer> {
        let listed = self.all.get(reference.index())?;
        (listed.current == Some(reference)).then_some(listed)
    }

    /// Those that are pinged, each with how.
    pub(crate) fn pinged(&self) -> impl Iterator<Item = (&Arc<ListedPeer>, Health)> {
        let pinged = self.pinged.iter();
        pinged.filter_map(|peer| Some((peer, peer.policy?)))
    }
}

/// How each peer's health is watched, by its reference: the strictest of its pools that have
/// `health`.
fn policies(topology: &Topology) -> Vec<Option<Health>> {
    let mut policies: Vec<Option<Health>> = vec![None; topology.peers().len()];
    // Whether a sibling lives must be known before a request is for it.
    for (reference, _) in topology
        .peer_refs()
        .filter(|(_, peer)| peer.kind == PeerKind::Sibling)
    {
        if let Some(policy) = policies.get_mut(reference.index()) {
            *policy = Some(Health::default());
        }
    }
    for pool in topology.pools() {
        let Some(health) = pool.health else { continue };
        for (member, _) in &pool.peers {
            if let Some(policy) = policies.get_mut(member.index()) {
                *policy = Some(policy.map_or(health, |other| stricter(other, health)));
            }
        }
    }
    policies
}

fn stricter(a: Health, b: Health) -> Health {
    Health {
        options_every: a.options_every.min(b.options_every),
        timeout: a.timeout.min(b.timeout),
        down_after: a.down_after.min(b.down_after),
        up_after: a.up_after.max(b.up_after),
        fail_back: a.fail_back.max(b.fail_back),
    }
}

/// The delta-seconds of a Retry-After (RFC 3261 §20.33); a comment or parameters may follow. 0 asks
/// for nothing.
fn seconds(value: &[u8]) -> Option<Duration> {
    let end = value
        .iter()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(value.len());
    let digits = std::str::from_utf8(value.get(..end)?).ok()?;
    if digits.is_empty() {
        return None;
    }
    // More digits than a u32 holds are a long time all the same.
    let number = digits.parse::<u32>().unwrap_or(u32::MAX);
    (number > 0).then(|| Duration::from_secs(u64::from(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_up_to_its_comment_or_parameters() {
        let read = |text: &str| seconds(text.as_bytes()).map(|d| d.as_secs());
        assert_eq!(read("120"), Some(120));
        assert_eq!(read("18000;duration=3600"), Some(18_000));
        assert_eq!(read("120 (I'm in a meeting)"), Some(120));
        assert_eq!(read("99999999999999999999"), Some(u64::from(u32::MAX)));
        for text in ["0", "", "soon", "-5"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
