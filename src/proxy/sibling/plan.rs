//! What a request needs to be handed over: its token, its sender, and the siblings in their order.
use super::origin::{self, Addressee, OriginText};
use crate::proxy::binding::{BindingId, WAIT};
use crate::proxy::environment::Environment;
use crate::proxy::health::Fitness;
use crate::proxy::inbound::{InboundRequest, Routed};
use crate::proxy::leg::{Leg, PeerKey, TargetSet};
use crate::proxy::same_party::{OtherEntries, other_entries};
use crate::sip::Message;
use smallvec::SmallVec;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The most siblings that a request asks in one round.
const MOST_ASKED: usize = 8;

/// How a request for a binding is handed over, if this node does not hold that.
#[derive(Clone, Debug)]
pub(crate) struct SiblingPlan {
    pub(crate) id: BindingId,
    /// The token's text, which goes back into the route. It is the one that came: a sibling with the keys takes it as this node
    /// has, and a dialog's is bound to the Call-ID already.
    token: Box<[u8]>,
    /// The sibling that the token names: there the client was when it was made.
    pub(crate) named: Option<PeerKey>,
    /// It came from another node: only the other process of this one is asked.
    within_node: bool,
    /// The sender's entries, the one that it is taken for first. Names and not rights: those are the sibling's to grant.
    sender: OtherEntries,
    /// Number and remote address of its connection, which the other process of this node shows to operators.
    at: (u64, SocketAddr),
}

impl SiblingPlan {
    /// Made once for a request: failover and repetitions ask the same siblings, under the token that it came with.
    ///
    /// Of a request that policy lets pass to these targets; `None`: it is for no binding, or may go nowhere else.
    pub(crate) fn of(
        request: &InboundRequest<'_, '_>,
        routed: &Routed<'_>,
        targets: &TargetSet,
        env: &Environment,
    ) -> Option<Box<Self>> {
        let siblings = env.routing().siblings();
        let other_process = env.links.other_process();
        if siblings.is_empty() && other_process.is_none() {
            return None;
        }
        // A loop ends here: what came from a sibling goes to none. Two processes of this node are one for the others.
        let from_this_node = request.inbound.leg == Leg::Peer(PeerKey::OTHER_PROCESS);
        if request.handed.is_some() && (from_this_node || other_process.is_none()) {
            return None;
        }
        let (Some(Leg::Binding(id)), Leg::Peer(own)) = (targets.first(), request.sender()) else {
            return None;
        };
        // Without one it was the contact that a registrar keeps which has named the binding.
        let maker = routed.token_text.and_then(|token| env.tokens.maker(token));
        let token: Box<[u8]> = match (routed.token_text, request.contact_of) {
            (Some(token), _) => token.into(),
            (None, Some(client)) => env.tokens.binding(client)[..].into(),
            (None, None) => return None,
        };
        let mut sender: OtherEntries = SmallVec::new();
        sender.push(own);
        match &request.handed {
            Some(handed) => sender.extend(handed.also(env.routing())),
            None => sender.extend(other_entries(request.inbound.origin, request.inbound.leg)),
        }
        let is_own = maker == Some(env.tokens.own_node().node());
        let named = siblings.iter().copied();
        let named = named.chain(other_process).find(|key| match *key {
            PeerKey::OTHER_PROCESS => is_own,
            key => Some(key.node()) == maker,
        });
        Some(Box::new(Self {
            id: *id,
            token,
            named: named.filter(|key| request.handed.is_none() || Some(*key) == other_process),
            within_node: request.handed.is_some(),
            sender,
            at: (request.inbound.origin.number, request.inbound.origin.remote),
        }))
    }

    /// Whether it may go to this sibling.
    pub(crate) fn asks(&self, key: PeerKey) -> bool {
        !self.within_node || key == PeerKey::OTHER_PROCESS
    }

    /// The route back to the binding, at the name that all nodes share, so that one form serves whichever sibling it goes to.
    pub(crate) fn route(&self, env: &Environment) -> Vec<u8> {
        let mut uri = b"sip:".to_vec();
        uri.extend_from_slice(&self.token);
        uri.push(b'@');
        uri.extend_from_slice(env.names.peers.as_bytes());
        uri.extend_from_slice(b";lr");
        uri
    }

    /// Who has sent it, signed now for this sibling: a request that waited for its client is handed over later than it came.
    pub(crate) fn origin(
        &self,
        node: PeerKey,
        message: &Message<'_>,
        env: &Environment,
    ) -> Option<OriginText> {
        // Both processes of a node go by its name.
        let is_own = node == PeerKey::OTHER_PROCESS;
        let node = match is_own {
            true => env.tokens.own_node(),
            false => node,
        };
        let token = &self.token;
        let to = Addressee { node, token };
        let mut text = origin::sign(&env.tokens, &self.sender, message, to, env.unix())?;
        if is_own {
            let (number, remote) = self.at;
            origin::push_connection(&mut text, number, remote);
        }
        Some(text)
    }

    /// The siblings in the order in which they are asked: the one that the token names, the other process of this node, then
    /// the others as the file has them; none that is known to be down. One that asked for a pause, as a node does that goes
    /// away, keeps its place for what belongs to a dialog (RFC 3261 §21.5.4), and is the last resort for what begins: its
    /// phones are there until it is gone.
    pub(crate) fn order(
        &self,
        in_dialog: bool,
        now: Instant,
        env: &Environment,
    ) -> SmallVec<[PeerKey; 4]> {
        let others = env.routing().siblings().iter().copied();
        let others = env.links.other_process().into_iter().chain(others);
        let others = others.filter(|key| Some(*key) != self.named);
        let mut held: SmallVec<[PeerKey; 4]> = SmallVec::new();
        let mut order: SmallVec<[PeerKey; 4]> = SmallVec::new();
        for key in self.named.into_iter().chain(others) {
            if !self.asks(key) {
                continue;
            }
            let is_named = Some(key) == self.named;
            let peer = env.links.peer(key);
            let fitness = peer.map(|peer| peer.health.fitness(now, Duration::ZERO));
            let list = match fitness {
                Some(Fitness::Up | Fitness::Returning) => &mut order,
                // Pings have not seen it yet since it came back.
                Some(Fitness::Down)
                    if is_named && peer.is_some_and(|peer| peer.health.has_come_back()) =>
                {
                    &mut order
                }
                Some(Fitness::Held) if in_dialog => &mut order,
                Some(Fitness::Held) => &mut held,
                Some(Fitness::Down) | None => continue,
            };
            // Another shard may be connected where this one has failed a moment ago.
            let is_live = peer.is_some_and(|peer| peer.health.is_connected());
            // Gone a moment ago: a connect may hang, and nobody is there yet.
            let is_gone = lost_at(key, env).is_some_and(|at| now < at + WAIT);
            if is_live || !is_gone && !env.links.is_cut_off(key, now) {
                list.push(key);
            }
        }
        order.append(&mut held);
        order.truncate(MOST_ASKED);
        order
    }

    /// Nobody waits at a node that is gone, so that this one does it in its place.
    ///
    /// Until when the client may come here from a node that was lost a moment ago, or hangs since then. From any of them: a
    /// dialog's token names the node that the call began at, and the client may have been at another one.
    pub(crate) fn expected(&self, env: &Environment) -> Option<Instant> {
        let siblings = env.routing().siblings().iter().copied();
        // The other process of this node only if the client was there: it ends when its last client has gone.
        let siblings = siblings.chain(self.named);
        let away = siblings.filter(|key| self.asks(*key)).filter_map(|key| {
            let health = &env.links.peer(key)?.health;
            health.lost_at().max(health.down_since())
        });
        away.max()
            .map(|away| away + WAIT)
            .filter(|at| *at > env.now)
    }
}

/// When the last connection to this sibling ended, if none has come up since.
fn lost_at(key: PeerKey, env: &Environment) -> Option<Instant> {
    env.links.peer(key)?.health.lost_at()
}
