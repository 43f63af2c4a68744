//! Live connections decided on by a generation before it is current, in a thread that serves nobody: a decision takes some
//! tenths of a millisecond, and a shard that decides on a thousand of them relays nothing meanwhile.
use super::clock;
use super::connection::Connection;
use super::evidence::{Evidence, Reevaluation};
use super::handle::Edge;
use super::inbound_identity::passes_as_server;
use super::opened::Opened;
use crate::proxy::LinkId;
use crate::topology::{DnsName, Listener};
use crate::trust::Generation;
use rustls_pki_types::{CertificateDer, UnixTime};
use std::collections::HashMap;
use std::sync::Arc;

/// What is known of a live connection, to take to another thread. Of a client without a certificate nothing is allocated.
pub(super) struct HeldEvidence {
    /// The listener by the index of its socket: what stands behind that the generation says that decides.
    opened: Opened<usize>,
    /// Name of the peer; `None`: a client.
    peer: Option<Box<str>>,
    /// The covered name under which that was dialled.
    name: Option<DnsName>,
    /// The identity that was shown to who came in.
    identity: Option<String>,
    /// What the remote side presented.
    chain: Vec<CertificateDer<'static>>,
    shown: Option<CertificateDer<'static>>,
}

/// What was decided on a connection.
#[derive(Clone, Debug)]
pub(super) struct Judgement {
    /// Whether it stays, and as whose.
    pub(super) outcome: Reevaluation,
    /// Whether requests may be sent on it: what a peer presented as a client may pass as a server's now, or no longer
    /// (RFC 5923 §8.1).
    pub(super) takes_requests: bool,
}

/// What was decided on the connections of all shards.
pub(super) struct Judgements {
    /// When: what turns after it is not in them.
    pub(super) at: UnixTime,
    pub(super) by_link: HashMap<LinkId, Judgement>,
}

impl HeldEvidence {
    /// Of a connection as it is now.
    pub(super) fn of(connection: &Connection) -> Self {
        Self {
            opened: connection.opened,
            peer: connection.peer.as_deref().map(Box::from),
            // It was proven under this one, and must be again.
            name: connection.covered_name(),
            identity: connection.identity(),
            chain: connection.chain(),
            shown: connection.shown.as_ref().map(|(_, leaf)| leaf.clone()),
        }
    }

    /// Whether there is a certificate to decide on; without one the listener's rule is all there is.
    fn is_costly(&self) -> bool {
        !self.chain.is_empty()
    }

    /// Decides on it, by the rule and on the evidence of `sipward plan`. `listener` finds one by the index of its socket: a
    /// reload may have changed or removed it.
    pub(super) fn judge<'l>(
        &self,
        listener: impl Fn(usize) -> Option<&'l Listener>,
        generation: &Arc<Generation>,
        at: UnixTime,
    ) -> Judgement {
        let evidence = Evidence {
            opened: self.opened.map(listener),
            peer: self.peer.as_deref(),
            name: self.name.as_ref(),
            identity: self.identity.as_deref(),
            chain: &self.chain,
            shown: self.shown.as_ref(),
        };
        let outcome = evidence.reevaluate(generation, at);
        let takes_requests = match &outcome {
            Reevaluation::Peer(peer) => {
                self.opened == Opened::Dialled
                    || passes_as_server(&self.chain, peer, generation, at)
            }
            Reevaluation::Outdated(_) => false,
            Reevaluation::Client(_) | Reevaluation::Withdrawn(..) => true,
        };
        Judgement {
            outcome,
            takes_requests,
        }
    }
}

impl Edge {
    /// Decides on every live connection that has presented a certificate. One that comes later is decided on by its shard
    /// when the generation becomes current.
    pub(super) async fn judge(&self, generation: &Arc<Generation>) -> Arc<Judgements> {
        let held = self.each_to_the_end(|shard, done| {
            let connections = shard.connections.borrow();
            // The other process's end is nobody's whom the topology names.
            let connections = connections.iter().filter(|c| !c.is_other_process());
            let held = connections.map(|c| (c.id, HeldEvidence::of(c)));
            let held: Vec<_> = held.filter(|(_, held)| held.is_costly()).collect();
            let _ = done.send(held);
        });
        let held = held.await;
        let (generation, names) = (Arc::clone(generation), Arc::clone(&self.listeners));
        let at = clock::unix();
        let judged = tokio::task::spawn_blocking(move || {
            let listeners = generation.topology().listeners();
            let listener = |index: usize| {
                let name = names.get(index)?;
                listeners.iter().find(|listener| listener.name == *name)
            };
            let held = held.into_iter().flatten();
            held.map(|(link, held)| (link, held.judge(listener, &generation, at)))
                .collect()
        });
        // A runtime that is going away takes no more work; then the shards decide for themselves.
        let by_link = judged.await.unwrap_or_default();
        Arc::new(Judgements { at, by_link })
    }
}
