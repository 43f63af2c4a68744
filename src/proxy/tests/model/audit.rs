//! Whether the core's tables agree with each other, and whether anything is left in them.
use crate::proxy::Core;
use crate::proxy::context::CurrentBranch;
use std::collections::HashMap;

impl Core {
    /// Every link counts exactly the transactions that came from it, and lists exactly the branches that run on it.
    #[track_caller]
    pub(in crate::proxy::tests) fn audit(&self) {
        let mut in_flight = HashMap::new();
        let mut branches: HashMap<_, Vec<u32>> = HashMap::new();
        let mut waiting = 0;
        for context in self.contexts.all() {
            assert!(context.pending(), "what is answered is a record");
            if context.pending() {
                *in_flight.entry(context.upstream.link).or_insert(0) += 1;
                match context.branch {
                    CurrentBranch::Sent { link, .. } => {
                        branches.entry(link).or_default().push(context.slot)
                    }
                    CurrentBranch::Waiting(_) if !context.waits_for_client() => waiting += 1,
                    // The directory of some shard knows, or the timer ends it.
                    CurrentBranch::Waiting(_) | CurrentBranch::Rejoining { .. } => {}
                    CurrentBranch::None => panic!("a request that nothing is done for"),
                }
            }
        }
        for (id, link) in self.env.links.all() {
            assert_eq!(
                link.in_flight,
                in_flight.get(&id).copied().unwrap_or(0),
                "transactions from {id:?}"
            );
            let mut listed = link.branches.clone();
            listed.sort_unstable();
            let mut sent = branches.remove(&id).unwrap_or_default();
            sent.sort_unstable();
            assert_eq!(listed, sent, "branches on {id:?}");
        }
        let queued: usize = self.env.links.all_peers().map(|p| p.waiting.len()).sum();
        assert!(waiting <= queued, "a request waits, and no queue knows");
        for peer in self.env.links.all_peers() {
            let lives = peer.links.iter().all(|l| self.env.links.get(*l).is_some());
            assert!(lives, "a peer keeps a connection that is gone");
        }
    }

    /// Nothing is kept that a request left behind.
    #[track_caller]
    pub(super) fn assert_idle(&self) {
        if let Some(context) = self.contexts.all().next() {
            panic!(
                "{} is left: {:?} {:?} {:?}",
                context.slot, context.server, context.branch, context.deadlines
            );
        }
        assert_eq!(self.env.answered, 0, "an answered INVITE is left");
        for peer in self.env.links.all_peers() {
            assert!(
                peer.waiting.is_empty(),
                "{} is waited for",
                peer.listed.fqdn
            );
            assert!(
                peer.queued.is_empty(),
                "mail for {} is left",
                peer.listed.fqdn
            );
        }
        let timers = (self.env.wheel.next(), self.pings.next());
        assert_eq!(timers, (None, None), "a timer is left");
    }
}
