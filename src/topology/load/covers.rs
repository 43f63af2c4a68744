//! `[[peer]] covers`: names besides its own under which a partner's entry is dialled, and that they are nobody else's.
use super::loading::Loading;
use crate::topology::keys::peer::RawPeer;
use crate::topology::{Domain, Peer, PeerKind, PeerTerms, TopologyReason, above};
use std::collections::HashMap;

/// The names of one entry.
///
/// A name of the home side is not covered: a request that a partner's Route leads there would be sent to the home side in
/// the partner's place.
pub(super) fn load(raw: &RawPeer, place: &str, loading: &mut Loading<'_, '_>) -> Vec<Domain> {
    let covers = loading.patterns(&raw.covers, &format!("{place} covers"));
    let Some(first) = raw.covers.first() else {
        return covers;
    };
    let line = loading.line(first);
    if raw.kind.is_some_and(|kind| kind != PeerKind::Federated) {
        let what = format!("{place} covers names, but is a home server");
        let remedy =
            "remove the key: each home server has an entry of its own, and a pool holds them";
        loading.add(TopologyReason::CoversNotPermitted, line, what, remedy);
    }
    for name in &covers {
        let is_short = name.below().is_some_and(|rest| !rest.contains('.'));
        if name.is_address() || is_short {
            let what = format!("{place}: {name} cannot be covered");
            let remedy = "write a host name, or `*.` with a name of two labels or more: what answers must prove it";
            loading.add(TopologyReason::CoversNotPermitted, line, what, remedy);
        }
        let is_home = loading.home.contains(name)
            || loading.own.contains(name)
            || loading.home_servers.contains(name)
            || name
                .below()
                .is_some_and(|rest| loading.above_home.contains(rest));
        if is_home {
            let what =
                format!("{place}: {name} is or covers a home domain, a home server or this node");
            let remedy = "list the partner's names one by one, or those below a longer name";
            loading.add(TopologyReason::CoversNotPermitted, line, what, remedy);
        }
    }
    covers
}

/// A name that two entries list or cover must mean the same party: a dialog of one would go on with the other.
///
/// Each name is looked up with the names above it, so that many entries are not held against each other.
pub(super) fn check(peers: &[Option<Peer>], loading: &mut Loading<'_, '_>) {
    let covering = || {
        let peers = peers.iter().flatten();
        peers.flat_map(|peer| peer.covers.iter().map(move |name| (peer, name)))
    };
    let mut owners: HashMap<&str, (&Peer, PeerTerms)> = HashMap::new();
    for (peer, name) in covering() {
        let owner = owners.entry(name.as_str());
        owner.or_insert_with(|| (peer, peer.partner_terms()));
    }
    if owners.is_empty() {
        return;
    }
    let mut conflicts: Vec<(&Peer, &Peer, &str)> = Vec::new();
    let listed = peers.iter().flatten();
    let listed = listed.map(|peer| (peer, peer.fqdn.as_str()));
    for (peer, name) in listed.chain(covering().map(|(peer, name)| (peer, name.as_str()))) {
        let stars = above(name).map(|rest| format!("*.{rest}"));
        for meant in std::iter::once(name.to_owned()).chain(stars) {
            if let Some((owner, terms)) = owners.get(&*meant)
                && owner.name != peer.name
                && peer.partner_terms() != *terms
            {
                conflicts.push((owner, peer, name));
                break;
            }
        }
    }
    for (owner, peer, name) in conflicts {
        let what = format!(
            "peer \"{}\" covers {name}, which peer \"{}\" lists or covers, and they grant different things",
            owner.name, peer.name
        );
        let remedy =
            "let one entry cover the name, or give both the same kind, domains, trust and policies";
        loading.add(TopologyReason::CoversNotPermitted, owner.line, what, remedy);
    }
}
