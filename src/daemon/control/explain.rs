//! `explain`: the chain that a decision of the log was about, under the generation in force.
use super::context::ControlContext;
use super::past_decision::PastDecision;
use super::refusal::ControlRefusal;
use crate::daemon::Daemon;
use crate::reason::DaemonReason;
use crate::trust::{Explanation, explain, explain_inbound};
use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A decision of the past, and what would be decided about the same chain now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedDecision {
    /// What was decided then.
    pub then: PastDecision,
    /// The same chain under the generation in force, step by step.
    pub now: Explanation,
}

impl ControlContext {
    /// Carries out `explain`.
    pub(super) async fn explain(
        &self,
        decision: &str,
    ) -> Result<Box<ExplainedDecision>, ControlRefusal> {
        let daemon = Arc::clone(&self.daemon);
        let decision = decision.to_owned();
        // Several decisions and one search for the smallest change: not in the thread that feeds the watchdog.
        let explained = tokio::task::spawn_blocking(move || explained(&daemon, &decision)).await;
        match explained {
            Ok(Some(explained)) => Ok(Box::new(explained)),
            Ok(None) => Err(DaemonReason::UnknownDecision.because(
                "no chain of this decision is kept: the latest 1000 accepted and 500 refused ones are, \
                 since the start of this process",
            )),
            Err(error) => Err(DaemonReason::ShardSilent.because(error.to_string())),
        }
    }
}

/// What was decided about a chain, and what would be decided now; `None`: it is not kept any more. The chains are kept in
/// memory only, and the oldest give way.
fn explained(daemon: &Daemon, decision: &str) -> Option<ExplainedDecision> {
    let seen = daemon.edge.seen().find(decision)?;
    let generation = daemon.generation();
    // By the listener as it is now: its rule may have changed since.
    let listener = seen.listener_in(generation.topology());
    let presented = seen.presented_to(&generation);
    // What a client presented is decided by its listener's rule, what a peer presented by the topology's entry for it.
    let now = match listener {
        Some(listener) => explain_inbound(&presented, listener, &generation, UnixTime::now()),
        None => {
            let direction = seen.decision.direction;
            explain(&presented, direction, &generation, UnixTime::now())
        }
    };
    Some(ExplainedDecision {
        then: PastDecision::from(&seen),
        now,
    })
}
