//! Refusing parties at an operator's word: the connections that are there end, and no more come.
//!
//! Two steps, and the denial first: what comes between them is refused, and what was in its handshake meanwhile is looked
//! at once more at the end of that.
use super::denials::{Denial, unix};
use super::handle::Edge;
use super::kick::KickTarget;
use super::shard::Shard;
use crate::proxy::NamedParty;
use crate::reason::ConnectionReason;
use std::time::Duration;

impl Edge {
    /// Refuses a party from now on; returns the denial. `None`: there are too many.
    ///
    /// What is connected stays until [`Edge::kick`]. One denial of a party replaces another.
    pub fn deny(
        &self,
        party: NamedParty,
        time: Duration,
        reason: Option<String>,
    ) -> Option<Denial> {
        let denial = Denial {
            party,
            // A part of a second more: one of no length would be over at once.
            until: Some(unix().saturating_add(time.as_secs()).saturating_add(1)),
            reason,
        };
        self.denials.add(denial.clone()).then_some(denial)
    }

    /// Takes over a denial of another process of this node; `false`: there are too many.
    pub fn share_denial(&self, denial: Denial) -> bool {
        self.denials.add(denial)
    }

    /// Ends a denial that [`Self::deny`] has made; `false`: there is none.
    pub fn admit_again(&self, party: &NamedParty) -> bool {
        self.denials.remove(party)
    }

    /// These are what operators have denied, and nobody else.
    pub fn restore_denials(&self, denials: Vec<Denial>) {
        self.denials.restore(denials);
    }

    /// Every denial, those of the topology file last.
    pub fn denials(&self) -> Vec<Denial> {
        self.denials.all()
    }
}

impl KickTarget {
    /// The connections of a party that a denial of it refuses.
    pub fn of(party: &NamedParty) -> Self {
        match party {
            NamedParty::Network(network) => Self::From(*network),
            NamedParty::Peer(peer) => Self::Peer(peer.clone()),
            NamedParty::User(user) => Self::User(user.clone()),
        }
    }
}

impl Shard {
    /// Closes what came from an address that is refused by now: a reload may have brought a network.
    pub(super) fn close_denied(&self) {
        for connection in self.all_connections() {
            // What this node dialled, the topology names.
            let is_inbound =
                connection.opened.listener().is_some() && !connection.is_other_process();
            if is_inbound
                && self
                    .shared
                    .denials
                    .refuses_address(connection.remote().ip())
            {
                connection.close(ConnectionReason::Denied);
            }
        }
    }
}
