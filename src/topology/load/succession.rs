//! Whether every listener and peer has an identity to show at any time.
use super::loading::Loading;
use crate::topology::moment::show_moment;
use crate::topology::{Topology, TopologyReason};
use rustls_pki_types::UnixTime;
use std::collections::HashSet;
use std::time::Duration;

/// Reports every identity that a listener or peer names and that would have nobody in its place at some time.
///
/// Windows change which identity is shown without a reload, at a time when nobody looks; so it is found
/// out at loading whether there is one at any time from now on.
pub(super) fn check(topology: &Topology, loading: &mut Loading<'_, '_>) {
    let now = u64::try_from(loading.at).unwrap_or(0);
    let windows = topology.identities.iter().map(|identity| identity.window);
    // Between two ends of windows nothing changes, so only the turns themselves have to be looked at. A
    // window includes its last second.
    let turns = windows.flat_map(|w| [w.not_before, w.not_after.map(|end| end.saturating_add(1))]);
    let mut turns: Vec<u64> = turns.flatten().filter(|turn| *turn > now).collect();
    turns.push(now);
    turns.sort_unstable();
    let listeners = topology.listeners.iter();
    let listeners = listeners.map(|l| (l.identity, "listener", l.name.as_str()));
    let peers = topology.peers.iter();
    let peers = peers.map(|p| (p.identity, "peer", p.name.as_str()));
    let mut looked_at = HashSet::new();
    for (named, kind, name) in listeners.chain(peers) {
        // One report for an identity, with the first that names it: the remedy is about the identity.
        if !looked_at.insert(named) {
            continue;
        }
        // Turns are seconds, as windows are.
        let at = |turn| UnixTime::since_unix_epoch(Duration::from_secs(turn));
        let gap = turns
            .iter()
            .find(|turn| topology.shown_at(named, at(**turn)).is_none());
        let Some(gap) = gap else {
            continue;
        };
        let identity = topology.identity(named);
        let what = format!(
            "from {} on {kind} \"{name}\" has no identity to show: \"{}\" is shown {}, and none with its names takes over",
            show_moment(*gap),
            identity.name,
            identity.window
        );
        let remedy = "let the not_before of an identity with the same names be no later than the not_after of this one, or remove the not_after";
        loading.add(TopologyReason::IdentityGap, identity.line, what, remedy);
    }
}
