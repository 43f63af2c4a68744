//! `drain`: stops the daemon as SIGTERM does.
use super::context::{ControlContext, FOR_SHARDS, SupervisorCommand};
use super::refusal::ControlRefusal;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// A drain that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draining {
    /// Transactions that wait for an answer; `None`: a shard did not say in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transactions: Option<usize>,
    /// How long they may take, in milliseconds.
    pub bound_ms: u64,
}

impl ControlContext {
    /// Carries out `drain`: returns when it has begun, since the socket goes with the daemon.
    pub(super) async fn drain(&self) -> Result<Draining, ControlRefusal> {
        let bound = self.daemon.generation().topology().limits().drain;
        let status = self.daemon.status(FOR_SHARDS).await;
        let (reply, begun) = oneshot::channel();
        let command = SupervisorCommand::Drain { reply };
        self.hand_over(&self.sinks.commands, command, begun).await?;
        Ok(Draining {
            transactions: status.map(|status| status.transactions),
            bound_ms: u64::try_from(bound.as_millis()).unwrap_or(u64::MAX),
        })
    }
}
