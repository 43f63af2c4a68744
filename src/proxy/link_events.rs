//! Connections that come, go, fill up or lose their trust, and what that means for the requests on them (RFC 3261 §16.9).
use super::context::Attempt;
use super::leg::{Leg, PeerKey};
use super::links::{Pick, Sense};
use super::{Action, Actions, Core, Identity, LinkEvent, LinkId, MessageReason, Tables, TokenKeys};
use crate::reason::{ConnectionReason, HealthReason, Reason};
use crate::topology::PeerRef;
use std::sync::Arc;
use std::time::Instant;

impl Core {
    /// Something happened to a connection.
    pub fn on_link(&mut self, event: LinkEvent, now: Instant, out: &mut Actions) {
        // A connect that was asked for ends with `Up` or `ConnectFailed`; what befalls other links does not end it.
        let is_new = matches!(event, LinkEvent::Up { .. });
        match event {
            LinkEvent::Up {
                link,
                identity,
                requests,
            }
            | LinkEvent::Confirmed {
                link,
                identity,
                requests,
            } => {
                let Some(leg) = Leg::of(link, &identity) else {
                    return;
                };
                // A certificate that names several servers does not say which of them has connected, and so not which of
                // them is well again.
                let certain = match &identity {
                    Identity::Peer(id) => id.also().is_empty(),
                    Identity::Client => true,
                };
                self.links.up(link, leg, requests, certain);
                if is_new
                    && let Leg::Peer(key) = leg
                    && let Some(peer) = self.links.active_mut(key)
                {
                    peer.connecting = false;
                }
                if let Leg::Peer(key) = leg {
                    if certain {
                        self.peer_answered(key, now, out);
                    }
                    self.flush_ping(key, out);
                    self.flush(key, now, out);
                }
            }
            LinkEvent::Gone { link } => self.link_gone(link, now, out),
            LinkEvent::Withdrawn { link } => {
                if let Some(link) = self.links.get_mut(link) {
                    link.trusted = false;
                }
            }
            LinkEvent::ConnectFailed {
                peer,
                reason,
                retry_at,
            } => self.connect_failed(peer, reason, retry_at, now, out),
            LinkEvent::Full { link } => {
                if let Some(link) = self.links.get_mut(link) {
                    link.full = true;
                }
            }
            LinkEvent::Clear { link } => {
                if let Some(found) = self.links.get_mut(link) {
                    found.full = false;
                    if let Leg::Peer(key) = found.leg {
                        self.flush(key, now, out);
                    }
                }
            }
            LinkEvent::Undeliverable { link, branch } => {
                let Some(branch) = branch else { return };
                let Some(context) = self.contexts.by_branch(branch) else {
                    return;
                };
                if matches!(context.attempt, Attempt::Sent { link: sent, .. } if sent == link) {
                    context.failure = Some(MessageReason::FlowGone);
                    self.attempt(branch.slot, now, out);
                }
            }
        }
    }

    /// A reload: from now on these tables judge and route. The shell follows up with `Confirmed` or `Withdrawn` for every
    /// link, and gives up the connects of the old generation: the core asks again for those it needs.
    pub fn on_generation(
        &mut self,
        tables: Arc<Tables>,
        keys: Arc<TokenKeys>,
        now: Instant,
        out: &mut Actions,
    ) {
        self.limits = tables.generation.topology().limits().clone();
        self.tokens.set_keys(keys);
        self.links.relist(&tables.listing);
        self.tables = tables;
        self.list_pings(now);
        for key in self.links.active_keys() {
            let Some(peer) = self.links.active_mut(key) else {
                continue;
            };
            peer.connecting = false;
            peer.down_until = None;
            match peer.listed.current {
                None => self.fail_waiting(key, MessageReason::PeerWithdrawn, now, out),
                Some(reference) if !peer.waiting.is_empty() || !peer.mail.is_empty() => {
                    peer.connecting = true;
                    out.list.push(Action::Connect { peer: reference });
                }
                Some(_) => {}
            }
        }
        self.links.forget_idle_peers();
    }

    /// Sends what waited for a connection to the peer.
    fn flush(&mut self, key: PeerKey, now: Instant, out: &mut Actions) {
        if let Some(link) = self.links.any_link(key) {
            let mail = self
                .links
                .active_mut(key)
                .map(|p| std::mem::take(&mut p.mail))
                .unwrap_or_default();
            for letter in mail {
                if !self.makes_sense(letter.sense) {
                    continue;
                }
                let start = out.bytes.len();
                out.bytes.extend_from_slice(&letter.octets);
                out.list.push(Action::Send {
                    link,
                    bytes: start..out.bytes.len(),
                    branch: None,
                });
            }
        }
        while let Pick::Link(link) = self.links.for_requests(key, 0) {
            let Some(branch) = self
                .links
                .active_mut(key)
                .and_then(|p| p.waiting.pop_front())
            else {
                return;
            };
            // The number tells whether it still waits: a timer or a CANCEL may have ended that.
            let waits = self
                .contexts
                .by_branch(branch)
                .is_some_and(|c| c.pending() && matches!(c.attempt, Attempt::Waiting(_)));
            if waits {
                self.resume(branch.slot, Leg::Peer(key), link, now, out);
            }
        }
        // What still waits (its links are full, or serve no requests) needs a connection of its own.
        if let Some(peer) = self.links.active_mut(key)
            && !peer.waiting.is_empty()
            && !peer.connecting
            && let Some(reference) = peer.listed.current
        {
            peer.connecting = true;
            out.list.push(Action::Connect { peer: reference });
        }
    }

    /// Whether what waited for a connection shall still be sent: time has passed, and answers may have come elsewhere.
    fn makes_sense(&mut self, sense: Sense) -> bool {
        match sense {
            Sense::Always => true,
            Sense::WhilePending(branch) => self
                .contexts
                .by_branch(branch)
                .is_some_and(|c| c.pending() && matches!(c.attempt, Attempt::Sent { .. })),
        }
    }

    fn connect_failed(
        &mut self,
        peer: PeerRef,
        reason: Reason,
        retry_at: Instant,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(key) = self.tables.listing.by_reference(peer).map(|p| p.key) else {
            return;
        };
        let Some(peer) = self.links.active_mut(key) else {
            return;
        };
        peer.connecting = false;
        peer.down_until = Some(retry_at);
        // A shard that only waits for its own pause has learned nothing new.
        if reason != ConnectionReason::BackingOff {
            self.peer_failed(key, HealthReason::ConnectFailed, retry_at, now, out);
        }
        self.ping_lost(key, None, now, out);
        self.fail_waiting(key, MessageReason::PeerUnreachable, now, out);
    }

    /// What waits for the peer moves on to its next target.
    fn fail_waiting(
        &mut self,
        key: PeerKey,
        reason: MessageReason,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(peer) = self.links.active_mut(key) else {
            return;
        };
        let waiting = std::mem::take(&mut peer.waiting);
        peer.mail.clear();
        for branch in waiting {
            if let Some(context) = self.contexts.by_branch(branch)
                && context.pending()
                && matches!(context.attempt, Attempt::Waiting(_))
            {
                context.failure = Some(reason);
                self.attempt(branch.slot, now, out);
            }
        }
    }

    /// RFC 3261 §16.9: a broken connection counts as 503 for the branches on it, as 430 for a client's flow (RFC 5626
    /// §5.3). A server that has already answered provisionally keeps its branch: it can come back with the final
    /// response on another connection of the same identity.
    fn link_gone(&mut self, link: LinkId, now: Instant, out: &mut Actions) {
        let Some(gone) = self.links.gone(link) else {
            return;
        };
        if let Leg::Peer(key) = gone.leg {
            self.ping_lost(key, Some(link), now, out);
        }
        for slot in gone.branches {
            let Some(context) = self.contexts.get_mut(slot) else {
                continue;
            };
            let Attempt::Sent {
                target,
                link: sent,
                client,
            } = context.attempt
            else {
                continue;
            };
            if sent != link || !context.pending() {
                continue;
            }
            match target {
                Leg::Client(_) => {
                    context.failure = Some(MessageReason::FlowGone);
                    self.attempt(slot, now, out);
                }
                Leg::Peer(_) if client.silent() => {
                    context.failure = Some(MessageReason::PeerUnreachable);
                    self.attempt(slot, now, out);
                }
                Leg::Peer(_) => {}
            }
        }
    }
}
