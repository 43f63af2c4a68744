//! `drain`: stops the daemon as SIGTERM does; `drain_clients`: lets the clients go, and serves on.
use super::context::{ControlContext, FOR_SHARDS, SupervisorCommand};
use super::refusal::{ControlRefusal, no_answer};
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

/// Clients that are let go, or stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainingClients {
    /// How many there are.
    pub clients: usize,
    /// Over which time they go, in milliseconds; `None`: they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_ms: Option<u64>,
}

impl ControlContext {
    /// Carries out `drain_clients`; `cancel` ends it.
    pub(super) async fn drain_clients(
        &self,
        cancel: bool,
    ) -> Result<DrainingClients, ControlRefusal> {
        if cancel {
            let clients = self.daemon.keep_clients().await.ok_or_else(no_answer)?;
            let over_ms = None;
            return Ok(DrainingClients { clients, over_ms });
        }
        let begun = self.daemon.let_clients_go().await;
        let (clients, over) = begun.ok_or_else(no_answer)?;
        Ok(DrainingClients {
            clients,
            over_ms: Some(u64::try_from(over.as_millis()).unwrap_or(u64::MAX)),
        })
    }

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
