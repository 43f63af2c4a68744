//! The difference between two topologies in words, for the log of a reload: each section by the rows of its keys.
use super::keys::admin::RawAdmin;
use super::keys::boundary::RawBoundary;
use super::keys::dns::RawDns;
use super::keys::hep::RawHep;
use super::keys::http::RawHttp;
use super::keys::identity::RawIdentity;
use super::keys::listener::RawListener;
use super::keys::log::RawLog;
use super::keys::node::RawNode;
use super::keys::peer::RawPeer;
use super::keys::pool::RawPool;
use super::keys::trust::RawTrust;
use super::keys::{Compared, differences};
use super::{PeerRef, Topology};
use rustls_pki_types::UnixTime;
use std::collections::{HashMap, HashSet};

// The words of one key are made where the key is declared. What is here is the walk: which sections
// there are, how two entries are matched, and what a line looks like.
impl Topology {
    /// What a reload from this topology to `newer` changes, one line each; empty when nothing does.
    ///
    /// Called after a reload has been decided, with both generations at hand: it must not fail and must
    /// not take long, since the new generation serves already.
    /// The order is that of the docs, whatever the order of the file, so that two reloads can be
    /// compared by eye.
    pub fn changes(&self, newer: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        // One line for a section, with all that differs in it: an operator who changed three keys
        // expects one line and not three.
        lines.extend(changed::<RawNode>("node", &self.node, &newer.node));
        // Sections that may come several times are matched by name. Their order is a change of its own
        // only where it has a meaning, which the keys that list them show.
        let mut entries = Entries {
            old: self,
            new: newer,
            lines: &mut lines,
        };
        // Names of identities, trust sets and pools are compared as written, those of peers in
        // normalised form.
        entries.compare::<RawIdentity>("identity", |t| &t.identities, |i| i.name.clone());
        entries.compare::<RawTrust>("trust", |t| &t.trusts, |t| t.name.clone());
        entries.compare::<RawListener>("listener", |t| &t.listeners, |l| l.name.clone());
        entries.compare::<RawPeer>("peer", |t| &t.peers, |p| p.name.to_string());
        entries.compare::<RawPool>("pool", |t| &t.pools, |p| p.name.clone());
        lines.extend(self.limits.changes(&newer.limits));
        lines.extend(changed::<RawDns>("dns", &self.dns, &newer.dns));
        // What the section changes for home and federated peers shows at each peer that it concerns.
        let (old, new) = (&self.boundary, &newer.boundary);
        lines.extend(changed::<RawBoundary>("boundary", old, new));
        lines.extend(changed::<RawLog>("log", &self.log, &newer.log));
        // Not from the rows: the key of the section is a path, and what matters is what the file holds.
        lines.extend(token_keys(self, newer));
        lines.extend(changed::<RawAdmin>("admin", &self.admin, &newer.admin));
        lines.extend(changed::<RawHttp>("http", &self.http, &newer.http));
        lines.extend(changed::<RawHep>("hep", &self.hep, &newer.hep));
        // Expectations have no effect on what runs, so their number is enough to show that the file was
        // read.
        let (before, now) = (self.expectations.len(), newer.expectations.len());
        if before != now {
            lines.push(format!("expectations changed: {before} before, {now} now"));
        }
        lines
    }
}

impl Topology {
    /// This peer in `newer`, if it would be connected to there as it is here: by the same entry, at the same addresses, with the
    /// same certificate of this node, and with the same trust. `None`: something differs, or it is not listed there.
    pub(crate) fn dialled_alike(
        &self,
        newer: &Self,
        peer: PeerRef,
        at: UnixTime,
    ) -> Option<PeerRef> {
        let old = self.find_peer(peer)?;
        let reference = newer.peer_by_name(old.name.as_str())?;
        let new = newer.peer(reference);
        // Trust sets and identities are named there; what they hold may have changed under the same names.
        let is_entry = differences::<RawPeer>((self, old), (newer, new)).is_empty();
        let sets = old.trust.iter().zip(&new.trust);
        let mut sets = sets.map(|(old, new)| (self.trust(*old), newer.trust(*new)));
        let is_trust = sets.all(|(old, new)| {
            old.name == new.name && differences::<RawTrust>((self, old), (newer, new)).is_empty()
        });
        let own = self.identity(self.identity_at(old.identity, at));
        let own_now = newer.identity(newer.identity_at(new.identity, at));
        let is_identity = own.name == own_now.name
            && differences::<RawIdentity>((self, own), (newer, own_now)).is_empty();
        let asks_dns = differences::<RawDns>((&(), &self.dns), (&(), &newer.dns));
        let is_alike = is_entry && is_trust && is_identity && asks_dns.is_empty();
        is_alike.then_some(reference)
    }
}

/// What differs in a section that comes once.
fn changed<K: Compared<Context = ()>>(name: &str, old: &K::Item, new: &K::Item) -> Option<String> {
    let parts = differences::<K>((&(), old), (&(), new));
    (!parts.is_empty()).then(|| format!("{name} changed: {}", parts.join(", ")))
}

/// Compares sections that may come several times.
///
/// Both topologies at once, because a reference of an entry leads into its own topology.
struct Entries<'a> {
    old: &'a Topology,
    new: &'a Topology,
    lines: &'a mut Vec<String>,
}

impl Entries<'_> {
    /// Compares the entries of one kind by name: what went, what came, and what differs between two of one name.
    ///
    /// Linear in the number of entries: names are looked up in tables, and of an entry that is the same
    /// in both nothing is kept.
    fn compare<K: Compared<Context = Topology>>(
        &mut self,
        kind: &str,
        entries: fn(&Topology) -> &[K::Item],
        name: fn(&K::Item) -> String,
    ) {
        let (old, new) = (entries(self.old), entries(self.new));
        // Names as text, since identities, trust sets and pools have names that are no host names.
        // Two passes: what went can only be known when all new names are.
        let newer: HashSet<String> = new.iter().map(name).collect();
        let mut older: HashMap<String, &K::Item> = HashMap::with_capacity(old.len());
        // What went is reported first, in the order of the old file; what came and what changed follows
        // in the order of the new one.
        for entry in old {
            let name = name(entry);
            if !newer.contains(&name) {
                self.lines.push(format!("{kind} {name} removed"));
            }
            // Of two with one name the first counts, as it does for references.
            older.entry(name).or_insert(entry);
        }
        for entry in new {
            let name = name(entry);
            // A renamed entry is one that went and one that came: nothing shows that the two are the
            // same server.
            let Some(before) = older.get(&name) else {
                self.lines.push(format!("{kind} {name} added"));
                continue;
            };
            // Nothing is allocated for an entry whose values are equal except the values themselves.
            let parts = differences::<K>((self.old, *before), (self.new, entry));
            if !parts.is_empty() {
                self.lines
                    .push(format!("{kind} {name} changed: {}", parts.join(", ")));
            }
        }
    }
}

/// Ids only: a key is never shown.
///
/// Two files with the same ids and other keys count as changed as well, although the line then shows
/// the same ids twice: whoever rotates keys that way should see it.
fn token_keys(old: &Topology, new: &Topology) -> Option<String> {
    // Ids in the order of the file: the first one signs.
    let show = |topology: &Topology| {
        let ids: Vec<String> = topology
            .tokens
            .keys
            .iter()
            .map(|(id, _)| id.to_string())
            .collect();
        if ids.is_empty() {
            "none".to_owned()
        } else {
            ids.join(", ")
        }
    };
    (old.tokens.keys != new.tokens.keys)
        .then(|| format!("token keys changed: ids {} become {}", show(old), show(new)))
}
