//! The chains that were presented lately, accepted and refused, with what was decided about them: bounded, one entry for
//! each decision.
use crate::topology::{Direction, DnsName, Listener, Topology};
use crate::trust::decision::presented::Presented;
use crate::trust::decision::verdict::{Decision, Verdict};
use crate::trust::generation::loaded::Generation;
use rustls_pki_types::{CertificateDer, UnixTime};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bounds of what is kept of one verdict.
///
/// Both are needed: many small chains cost entries, and few large ones bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    pub(crate) entries: usize,
    /// Bytes of the chains.
    pub(crate) bytes: usize,
}

/// Enough for every peer over several generations.
pub(crate) const ACCEPTED: Capacity = Capacity {
    entries: 1000,
    bytes: 8 * 1024 * 1024,
};
/// Strangers choose what comes here, and how large it is: a flood pushes out only other refusals.
pub(crate) const REFUSED: Capacity = Capacity {
    entries: 500,
    bytes: 4 * 1024 * 1024,
};

/// A chain that was presented, with what was decided.
///
/// `explain DECISION` and `plan` work on it: what was presented can be judged again by another generation.
#[derive(Clone, Debug)]
pub struct SeenChain {
    /// The decision at that time.
    pub decision: Arc<Decision>,
    /// Leaf first.
    pub chain: Arc<[CertificateDer<'static>]>,
    /// When it was seen first, Unix seconds.
    pub first: u64,
    /// When it was seen last, Unix seconds.
    pub last: u64,
    /// How often.
    // Counted instead of kept again: a peer that reconnects in a loop is one entry.
    pub times: u64,
}

impl SeenChain {
    /// The chain as it would be presented to another generation.
    ///
    /// Without the stapled response, which was for that handshake.
    pub fn presented_to(&self, generation: &Generation) -> Presented<'_> {
        let peer = self.decision.peer_name.as_deref();
        Presented::again(&self.chain, peer, self.decision.direction, generation)
            .under(self.decision.dialled.as_ref())
            .shown(self.decision.identity.as_deref())
    }

    /// The listener of a topology that it would be presented to again, if it was presented to one.
    ///
    /// By name, since a reload may have moved or removed it.
    pub fn listener_in<'t>(&self, topology: &'t Topology) -> Option<&'t Listener> {
        let name = self.decision.listener.as_deref()?;
        topology.listeners().iter().find(|l| l.name == name)
    }

    /// Who was accepted with it; `None`: no peer.
    pub fn accepted(&self) -> Option<ShownChain<'_>> {
        let name = self.decision.peer_name.as_deref();
        let accepted = self.decision.verdict == Verdict::Accept;
        name.filter(|_| accepted).map(|peer| ShownChain {
            peer,
            name: self.decision.dialled.clone(),
            identity: self.decision.identity.as_deref(),
            direction: self.decision.direction,
            chain: Cow::Borrowed(&self.chain),
        })
    }

    /// Bytes of its certificates.
    pub(crate) fn size(&self) -> usize {
        self.chain.iter().map(|c| c.as_ref().len()).sum()
    }
}

/// A chain that a peer has shown, and was accepted with.
///
/// Borrowed or owned: it comes from this store, or from an inventory that was read from a running daemon.
#[derive(Clone, Debug)]
pub struct ShownChain<'a> {
    /// The peer's name.
    pub peer: &'a str,
    /// The name under which it was dialled, if that is one that its entry covers.
    pub name: Option<DnsName>,
    /// Inbound: the identity that this node showed.
    pub identity: Option<&'a str>,
    /// Which way the connection was made.
    pub direction: Direction,
    /// Leaf first.
    pub chain: Cow<'a, [CertificateDer<'static>]>,
}

/// The store; shared by all shards, and touched once for each handshake with a certificate.
///
/// The lock is held for a few map operations; messages never touch it.
#[derive(Debug, Default)]
pub struct SeenChains {
    by_verdict: Mutex<ByVerdict>,
}

#[derive(Debug, Default)]
struct ByVerdict {
    accepted: ChainsOfVerdict,
    /// Clients' certificates: many phones of one maker must not push out what was refused.
    clients: ChainsOfVerdict,
    refused: ChainsOfVerdict,
}

impl ByVerdict {
    /// The accepted first, the refused last.
    fn each(&self) -> [&ChainsOfVerdict; 3] {
        [&self.accepted, &self.clients, &self.refused]
    }
}

/// Entries of one verdict, by id and by age.
#[derive(Debug, Default)]
struct ChainsOfVerdict {
    by_id: HashMap<String, (u64, SeenChain)>,
    /// The oldest first.
    by_age: BTreeMap<u64, String>,
    bytes: usize,
    /// Counts notes: of two entries that one is older whose last turn is lower. A clock could go backwards.
    turn: u64,
}

impl SeenChains {
    /// Notes a decision and what was presented.
    pub fn note(&self, decision: &Arc<Decision>, chain: &[CertificateDer<'_>], at: UnixTime) {
        // No certificate was presented: there is nothing to explain by it.
        if chain.is_empty() {
            return;
        }
        let mut by_verdict = self.lock();
        let (chains, capacity) = match decision.verdict {
            Verdict::Accept => (&mut by_verdict.accepted, ACCEPTED),
            // Bounded like refusals, because strangers choose them, too.
            Verdict::Client => (&mut by_verdict.clients, REFUSED),
            Verdict::Refuse => (&mut by_verdict.refused, REFUSED),
        };
        chains.note(decision, chain, at.as_secs(), capacity);
    }

    /// The chain that a decision was about.
    pub fn find(&self, decision: &str) -> Option<SeenChain> {
        let by_verdict = self.lock();
        let find = |chains: &ChainsOfVerdict| Some(chains.by_id.get(decision)?.1.clone());
        by_verdict.each().into_iter().find_map(find)
    }

    /// All of them, the accepted first, then those of clients, of each verdict the latest first.
    pub fn all(&self) -> Vec<SeenChain> {
        let by_verdict = self.lock();
        let all = by_verdict.each().into_iter().flat_map(|chains| {
            let ids = chains.by_age.values().rev();
            ids.filter_map(|id| chains.by_id.get(id).map(|(_, seen)| seen.clone()))
        });
        all.collect()
    }

    fn lock(&self) -> MutexGuard<'_, ByVerdict> {
        // Bounds may be off by the entry that a panic cut short; every entry is whole.
        self.by_verdict
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChainsOfVerdict {
    fn note(
        &mut self,
        decision: &Arc<Decision>,
        chain: &[CertificateDer<'_>],
        now: u64,
        capacity: Capacity,
    ) {
        // Each note makes its entry the youngest.
        self.turn += 1;
        let turn = self.turn;
        match self.by_id.get_mut(&decision.id) {
            Some((age, seen)) => {
                self.by_age.remove(age);
                *age = turn;
                seen.last = now;
                seen.times += 1;
            }
            None => {
                let seen = SeenChain {
                    decision: Arc::clone(decision),
                    chain: chain.iter().map(|c| c.clone().into_owned()).collect(),
                    first: now,
                    last: now,
                    times: 1,
                };
                self.bytes += seen.size();
                self.by_id.insert(decision.id.clone(), (turn, seen));
            }
        }
        self.by_age.insert(turn, decision.id.clone());
        // One entry may be larger than what it replaces, hence a loop.
        while self.by_id.len() > capacity.entries || self.bytes > capacity.bytes {
            let Some((_, oldest)) = self.by_age.pop_first() else {
                return;
            };
            if let Some((_, gone)) = self.by_id.remove(&oldest) {
                self.bytes -= gone.size();
            }
        }
    }
}
