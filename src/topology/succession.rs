//! Which identity is shown when: one outside its window gives way to another one that carries its names, so that a renewed
//! certificate can be staged.
use super::TopologyReason;
use super::context::Context;
use super::window::show_moment;
use super::{Identity, IdentityRef, Topology};
use rustls_pki_types::UnixTime;
use std::collections::HashSet;
use std::time::Duration;

impl Topology {
    /// An identity, and after it, in the order of the file, those that can take its place: they carry all its names.
    pub fn succession(&self, r: IdentityRef) -> impl Iterator<Item = IdentityRef> {
        let own = self.identity(r);
        let all = (0u32..).map(IdentityRef).zip(&self.identities);
        let others = all.filter(move |(other, identity)| *other != r && takes_over(identity, own));
        std::iter::once(r).chain(others.map(|(other, _)| other))
    }

    /// The identity that is shown at a time where `r` is named. Loading has seen to it that there is one from then on; for
    /// a time before, it is `r` itself.
    pub fn identity_at(&self, r: IdentityRef, at: UnixTime) -> IdentityRef {
        self.shown_at(r, at).unwrap_or(r)
    }

    fn shown_at(&self, r: IdentityRef, at: UnixTime) -> Option<IdentityRef> {
        self.succession(r)
            .find(|other| self.identity(*other).window.is_open(at))
    }
}

fn takes_over(identity: &Identity, from: &Identity) -> bool {
    !from.names.is_empty() && from.names.iter().all(|name| identity.names.contains(name))
}

/// Reports every identity that a listener or peer names and that would have nobody in its place at some time.
pub(super) fn check(topology: &Topology, context: &mut Context<'_, '_>) {
    let now = u64::try_from(context.at).unwrap_or(0);
    let windows = topology.identities.iter().map(|identity| identity.window);
    let turns = windows.flat_map(|w| [w.not_before, w.not_after.map(|end| end.saturating_add(1))]);
    let mut turns: Vec<u64> = turns.flatten().filter(|turn| *turn > now).collect();
    turns.push(now);
    turns.sort_unstable();
    let listeners = topology.listeners.iter();
    let listeners = listeners.map(|l| (l.identity, "listener", l.name.as_str()));
    let peers = topology.peers.iter();
    let peers = peers.map(|p| (p.identity, "peer", p.fqdn.as_str()));
    let mut looked_at = HashSet::new();
    for (named, kind, name) in listeners.chain(peers) {
        if !looked_at.insert(named) {
            continue;
        }
        let at = |turn| UnixTime::since_unix_epoch(Duration::from_secs(turn));
        let gap = turns
            .iter()
            .find(|turn| topology.shown_at(named, at(**turn)).is_none());
        let Some(gap) = gap else {
            continue;
        };
        let identity = topology.identity(named);
        context.add(
            TopologyReason::IdentityGap,
            identity.line,
            format!(
                "from {} on {kind} \"{name}\" has no identity to show: \"{}\" is shown {}, and none with its names takes over",
                show_moment(*gap),
                identity.name,
                identity.window
            ),
            "let the not_before of an identity with the same names be no later than the not_after of this one, or take the not_after out",
        );
    }
}
