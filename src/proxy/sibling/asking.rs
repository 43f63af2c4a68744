//! A request whose client is not here asks the siblings, and waits here meanwhile if the client was lost a moment ago.
//!
//! Phones that have lost their connection are back within seconds, at any node. So the siblings are asked at once, and
//! again in between, as long as the client is waited for. A sibling answers 430 at once and waits for nobody: each node
//! waits for its own requests. One whose connection comes up meanwhile is asked at once, however late
//! that is.
use crate::proxy::binding::WAIT;
use crate::proxy::context::{CurrentBranch, NextStep, ResponseContext};
use crate::proxy::environment::Environment;
use crate::proxy::leg::{Leg, PeerKey, TargetSet};
use crate::reason::MessageReason;
use crate::sip::{HeaderName, Message};
use std::time::{Duration, Instant};

/// How long is waited here before the siblings are asked again; the last wait takes what is left. Phones are back within
/// one to six seconds, so the first pauses are short.
const PAUSES: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(6)];
/// The most siblings that a later round asks, in turns. With eight in the first round these are 20 requests in all, each of
/// which costs a 430, and an INVITE an ACK: at most 60 messages in 30 seconds.
const MOST_AGAIN: usize = 4;
/// How often a request asks a sibling because it has come up: eight that restart together, or one whose connection flaps.
const MOST_OUT_OF_TURN: u8 = 8;

impl ResponseContext {
    /// The binding is not here, but may come until then. Returns until when is waited here first; `None`: the next
    /// target has its turn, which is a sibling if there are any.
    pub(crate) fn ask_around(
        &mut self,
        until: Option<Instant>,
        now: Instant,
        env: &Environment,
    ) -> Option<Instant> {
        // The node that has handed it over waits, and asks again.
        let is_new = !matches!(self.branch, CurrentBranch::Rejoining { .. });
        let waits_there = self.plan.handed_over && is_new;
        self.is_away |= waits_there && until.is_some();
        let until = until.filter(|_| !waits_there);
        let Some(plan) = &self.plan.siblings else {
            return until;
        };
        let (id, round) = (plan.id, usize::from(self.rounds));
        match self.next_round {
            // One of them was asked in between: the others have their turn when they would have had it.
            Some(next) if now < next => return until.map(|until| until.min(next)),
            // All that this round asks have answered.
            None if let Some(before) = round.checked_sub(1) => {
                let until = until?;
                if before > PAUSES.len() {
                    return Some(until);
                }
                let pause = PAUSES.get(before).map(|pause| now + *pause);
                let next = pause.map_or(until, |pause| pause.min(until));
                self.next_round = Some(next);
                self.targets.push(Leg::Binding(id));
                return Some(next);
            }
            // The first round costs no time: most phones are where the token says.
            Some(_) | None => {}
        }
        // Those that live now: one may have come up in another shard during the pause.
        let order = plan.order(self.plan.in_dialog, now, env);
        self.rounds += 1;
        self.next_round = None;
        self.targets.extend(of_round(&order, round).map(Leg::Peer));
        // Then it is this node's turn again, until the wait is over.
        if until.is_some_and(|until| now < until) {
            self.targets.push(Leg::Binding(id));
        }
        None
    }

    /// Whether this sibling may have the client that is waited for here.
    pub(crate) fn may_ask(&self, key: PeerKey) -> bool {
        let plan = self.plan.siblings.as_ref();
        plan.is_some_and(|plan| plan.asks(key))
            && self.pending()
            && !self.cancel_wanted
            // A directory has said that it is not here.
            && self.rounds > 0
            && self.waits_for_client()
            && self.out_of_turn < MOST_OUT_OF_TURN
    }

    /// It has just come up, and is asked at once; then the client is waited for again.
    pub(crate) fn ask_out_of_turn(&mut self, key: PeerKey) -> NextStep {
        let Some(plan) = &self.plan.siblings else {
            return NextStep::Keep;
        };
        self.out_of_turn += 1;
        let turns = [Leg::Peer(key), Leg::Binding(plan.id)];
        let at = self.tried.min(self.targets.len());
        self.targets.insert_many(at, turns);
        NextStep::TryNext
    }

    /// A sibling has answered that the client is not there. If it was a moment ago, it may come here next: phones that are let
    /// go, or have lost their network, connect where DNS leads them.
    pub(crate) fn heed_away(&mut self, response: &Message<'_>, now: Instant) {
        if !response.has(HeaderName::RetryAfter) {
            return;
        }
        self.is_away |= self.plan.handed_over;
        if let (None, Some(plan), false) =
            (self.expected, &self.plan.siblings, self.plan.handed_over)
        {
            let id = plan.id;
            self.expected = Some(self.bounded(now + WAIT, now));
            self.targets.push(Leg::Binding(id));
        }
    }

    /// Whether a sibling has it and owes an answer, over no connection any more.
    pub(crate) fn was_handed_to(&self, key: PeerKey) -> bool {
        let CurrentBranch::Sent { target, link, .. } = self.branch else {
            return false;
        };
        target == Leg::Peer(key) && link.is_none() && self.is_sibling(target) && self.pending()
    }

    /// The sibling that has it is gone, and with it the transaction that it had there (RFC 3261 §16.9), whatever it has answered
    /// provisionally: the next one has its turn.
    pub(crate) fn leave_lost_sibling(&mut self, now: Instant, env: &Environment) -> NextStep {
        self.failure = Some(MessageReason::PeerUnreachable);
        self.wait_for_lost(now, env);
        NextStep::TryNext
    }

    /// The connection of the sibling that has it is gone. Its client comes back here or to another node, if it does: it is
    /// waited for when all others have not got it.
    ///
    /// Other shards may not have seen yet that the sibling is gone, so that it is not asked whether it is.
    pub(crate) fn wait_for_lost(&mut self, now: Instant, env: &Environment) {
        let target = self.branch.target();
        let Some(plan) = self.plan.siblings.as_ref() else {
            return;
        };
        if !target.is_some_and(|target| self.is_sibling(target)) {
            return;
        }
        // The node that has handed it over waits.
        self.is_away |= self.plan.handed_over;
        if !self.plan.handed_over {
            // Those that have come up since the others were chosen.
            let order = plan.order(self.plan.in_dialog, now, env);
            let order = order.into_iter().map(Leg::Peer);
            let further: TargetSet = order.filter(|leg| !self.targets.contains(leg)).collect();
            let at = self.tried.min(self.targets.len());
            self.targets.insert_many(at, further);
            self.targets.push(Leg::Binding(plan.id));
            self.expected = self.expected.max(Some(self.bounded(now + WAIT, now)));
        }
    }

    /// No target is left, and a sibling was lost or has hung meanwhile: its client is waited for.
    pub(crate) fn waits_again(&mut self, env: &Environment) -> bool {
        let is_open = self.pending() && !self.cancel_wanted && !self.plan.handed_over;
        let Some(id) = self.plan.siblings.as_ref().map(|plan| plan.id) else {
            return false;
        };
        let waits = is_open && self.expects_more(env);
        if waits {
            self.targets.push(Leg::Binding(id));
        }
        waits
    }

    /// Whether a target is a sibling.
    pub(crate) fn is_sibling(&self, target: Leg) -> bool {
        self.plan.siblings.is_some() && matches!(target, Leg::Peer(_))
    }
}

/// Those of the siblings that this round asks: all at once, then some in turns, so that each is asked again.
fn of_round(order: &[PeerKey], round: usize) -> impl Iterator<Item = PeerKey> {
    let again = round.checked_sub(1);
    let (first, most) = again.map_or((0, order.len()), |again| (again * MOST_AGAIN, MOST_AGAIN));
    let turns = order.iter().cycle().skip(first % order.len().max(1));
    turns.take(most.min(order.len())).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_asks_so_many_times_at_most_and_every_sibling_more_than_once() {
        for count in 0..=8 {
            let order: Vec<PeerKey> = (0..count).map(PeerKey).collect();
            let rounds = (0..=PAUSES.len() + 1).flat_map(|round| of_round(&order, round));
            let asked: Vec<PeerKey> = rounds.collect();
            assert!(asked.len() <= 20, "{}", asked.len());
            for one in order {
                let times = asked.iter().filter(|key| **key == one).count();
                assert!((2..=4).contains(&times), "{count}: {times}");
            }
        }
    }
}
