//! Bounds of a peer's entry that can never be reached, since those of `[limits]` on what it has in all are smaller.
//!
//! As the pairs within `[limits]`: warned of is only what the file sets.
use super::loading::Loading;
use crate::topology::{Peer, Topology, TopologyReason};

/// Warns of each entry whose `invites` can never bite.
pub(super) fn check(topology: &Topology, loading: &mut Loading<'_, '_>) {
    let limits = &topology.limits;
    let whole = limits.transactions_per_peer.min(limits.transactions);
    for peer in &topology.peers {
        // An INVITE of one connection is a transaction of its peer in its shard.
        if peer.invites < whole || peer.invites == Peer::INVITES {
            continue;
        }
        let what = format!(
            "invites of \"{}\" can never be reached: limits allow it {whole} transactions in a shard",
            peer.name
        );
        let remedy = "make it smaller than limits.transactions_per_peer and limits.transactions";
        let code = TopologyReason::BoundNeverReached;
        loading.found.add(code, peer.line, what, remedy);
    }
}
