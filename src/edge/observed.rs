//! Peers that are observed: what a stricter rule would have refused a connection for is told, and nothing else follows.
use super::shard::Shard;
use crate::observe::Event;
use crate::trust::Decision;
use std::net::SocketAddr;
use std::sync::Arc;

impl Shard {
    /// Tells what the strictest policies and the pins would have refused; no event where they would not.
    pub(super) fn tell_observed(
        &self,
        direction: &'static str,
        remote: SocketAddr,
        decision: &Arc<Decision>,
    ) {
        if decision.would_refuse.is_some() {
            self.log.record(Event::WouldRefuse {
                direction,
                remote,
                decision: Arc::clone(decision),
            });
        }
    }
}
