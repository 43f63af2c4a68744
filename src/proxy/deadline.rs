//! Timers that fire: the 100, and B, C, F, H, L and the wait after a CANCEL (RFC 3261 §16.8, §17; RFC 6026; RFC 4320).
use super::context::Attempt;
use super::health::REST;
use super::leg::Leg;
use super::transaction::{InviteServer, Letter, Server, T64};
use super::{Actions, Core, MessageReason};
use crate::reason::HealthReason;
use std::time::Instant;

impl Core {
    /// `next_deadline` has come.
    pub fn on_deadline(&mut self, now: Instant, out: &mut Actions) {
        self.on_ping_deadline(now, out);
        while let Some(slot) = self.wheel.pop_due(now) {
            let Some(context) = self.contexts.get(slot) else {
                continue;
            };
            let deadlines = context.deadlines;
            if deadlines.at <= now {
                self.on_letter(slot, deadlines.letter, now, out);
                continue;
            }
            if deadlines.trying.is_some_and(|t| t <= now) {
                self.send_trying(slot, out);
            }
            if let Some(context) = self.contexts.get(slot) {
                let next = context.deadlines.next();
                self.wheel.arm(slot, next);
            }
        }
    }

    fn on_letter(&mut self, slot: u32, letter: Letter, now: Instant, out: &mut Actions) {
        let Some(context) = self.contexts.get_mut(slot) else {
            return;
        };
        match letter {
            Letter::B => {
                context.failure = Some(MessageReason::NoAnswer);
                self.note_silence(slot, now, out);
                let Some(context) = self.contexts.get_mut(slot) else {
                    return;
                };
                if context.cancel_wanted {
                    self.finish(slot, MessageReason::Cancelled, now, out);
                } else {
                    self.attempt(slot, now, out);
                }
            }
            // RFC 3261 §16.8: cancel, and let the 487 answer; a branch that ignores that is ended below.
            Letter::C => {
                context.failure = Some(MessageReason::NoAnswer);
                context.cancel_wanted = true;
                self.send_cancel(slot, now, out);
            }
            Letter::F => {
                self.note_silence(slot, now, out);
                let Some(context) = self.contexts.get_mut(slot) else {
                    return;
                };
                let silent = match context.attempt {
                    Attempt::Sent { client, .. } => client.silent(),
                    Attempt::None | Attempt::Waiting(_) => true,
                };
                context.failure = Some(MessageReason::NoAnswer);
                if silent && now < context.received + T64 {
                    self.attempt(slot, now, out);
                } else {
                    self.finish(slot, MessageReason::NoAnswer, now, out);
                }
            }
            // RFC 3261 §9.1: 64 × T1 after the CANCEL the branch counts as ended.
            Letter::Cancelled => self.finish(slot, MessageReason::Cancelled, now, out),
            Letter::H | Letter::L => {
                debug_assert!(matches!(
                    context.server,
                    Server::Invite(InviteServer::Completed | InviteServer::Accepted)
                ));
                self.close_context(slot);
            }
        }
    }

    /// A peer that was asked has said nothing at all in its time.
    ///
    /// An INVITE gets a 100 from whoever lives. What else is asked may stay without an answer although the next element
    /// lives, since a proxy says nothing for a user agent that is silent (RFC 4320 §4.2): then it counts only if nothing
    /// else came on that connection either.
    fn note_silence(&mut self, slot: u32, now: Instant, out: &mut Actions) {
        if let Some(context) = self.contexts.get(slot)
            && let Attempt::Sent {
                target: Leg::Peer(key),
                link,
                client,
            } = context.attempt
            && client.silent()
            && (matches!(context.server, Server::Invite(_))
                || self
                    .links
                    .get(link)
                    .is_none_or(|l| l.heard < Some(context.received)))
        {
            self.peer_failed(key, HealthReason::Silence, now + REST, now, out);
        }
    }
}
