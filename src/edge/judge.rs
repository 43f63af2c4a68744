//! Live connections judged again: after a reload each keeps its place only if `decide` still accepts what it presented.
use super::clock;
use super::link::{Link, Via};
use super::shard::Shard;
use crate::proxy::{Identity, LinkEvent};
use crate::topology::Direction;
use crate::trust::{PeerId, Presented, decide};
use rustls_pki_types::CertificateDer;
use std::rc::Rc;

/// What becomes of a link.
enum Judgement {
    Stands(Identity, bool),
    Withdrawn(&'static str),
}

impl Shard {
    /// Whether a chain that a peer showed as a client also passes as the server that we would dial.
    pub(super) fn passes_as_server(&self, chain: &[CertificateDer<'_>], peer: &PeerId) -> bool {
        let tls = self.tls();
        let presented = Presented {
            chain,
            expected: Some(peer.peer()),
        };
        decide(
            &presented,
            Direction::Outbound,
            tls.generation(),
            clock::unix(),
        )
        .is_ok()
    }

    /// Judges every link by the generation that is current now.
    pub(super) fn judge_all(self: &Rc<Self>) {
        let end = clock::now() + self.limits().drain;
        for link in self.all_links() {
            match self.judge(&link) {
                Judgement::Stands(identity, requests) => {
                    link.origin.borrow_mut().identity = identity.clone();
                    self.later(LinkEvent::Confirmed {
                        link: link.id,
                        identity,
                        requests,
                    });
                }
                Judgement::Withdrawn(reason) => {
                    self.later(LinkEvent::Withdrawn { link: link.id });
                    // Its transactions may finish; nothing new comes, so the bound of a drain serves here too.
                    link.withdrawn.set(Some((end, reason)));
                    link.nudge();
                }
            }
        }
    }

    fn judge(&self, link: &Link) -> Judgement {
        let tls = self.tls();
        let generation = tls.generation();
        let topology = generation.topology();
        let accept = match link.via {
            Via::Listener(index) => match tls.listener(index) {
                Some(listener) => Some(listener.accept),
                None => return Judgement::Withdrawn("listener_removed"),
            },
            Via::Dialled => None,
        };
        let Some(fqdn) = &link.peer else {
            return match accept {
                Some(accept) if accept.clients() => Judgement::Stands(Identity::Client, true),
                Some(_) | None => Judgement::Withdrawn("client_not_accepted"),
            };
        };
        if accept.is_some_and(|a| !a.peers()) {
            return Judgement::Withdrawn("peer_not_accepted");
        }
        let expected = match link.via {
            Via::Listener(_) => None,
            Via::Dialled => match topology.peer_by_fqdn(fqdn) {
                Some(peer) => Some(peer),
                None => return Judgement::Withdrawn("trust_withdrawn"),
            },
        };
        let presented = Presented {
            chain: &link.chain,
            expected,
        };
        let Ok(identity) = decide(&presented, link.direction(), generation, clock::unix()) else {
            return Judgement::Withdrawn("trust_withdrawn");
        };
        // It stands, but for somebody else: what runs on it was somebody else's.
        if identity.decision().peer_fqdn.as_deref() != Some(&**fqdn) {
            return Judgement::Withdrawn("trust_withdrawn");
        }
        if let (Some((_, shown)), Some(peer)) = (&link.shown, expected) {
            let ours = topology.identity(topology.peer(peer).identity);
            let now_shown = ours.client.as_ref().unwrap_or(&ours.server).chain.first();
            if now_shown != Some(shown) {
                return Judgement::Withdrawn("own_certificate_replaced");
            }
        }
        let requests = link.via == Via::Dialled || self.passes_as_server(&link.chain, &identity);
        Judgement::Stands(Identity::Peer(identity), requests)
    }
}
