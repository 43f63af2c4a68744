//! `upgrade`: starts a new process, and hands over to it.
use super::context::{ControlContext, SupervisorCommand};
use super::refusal::ControlRefusal;
use crate::daemon::upgrade::Upgraded;
use crate::reason::DaemonReason;
use std::path::PathBuf;
use tokio::sync::oneshot;

impl ControlContext {
    /// Carries out `upgrade`: returns when the new process accepts, or has failed and nothing has changed.
    pub(super) async fn upgrade(
        &self,
        program: Option<PathBuf>,
    ) -> Result<Upgraded, ControlRefusal> {
        // One at a time: a client of the first of three processes would be two steps away from a request at the third.
        if let Some(former) = self.sinks.former.as_ref().filter(|former| former.lives()) {
            let pid = former.pid;
            return Err(DaemonReason::UpgradeRunning.because(format!(
                "process {pid} still lets its clients go, as sipward status shows; kill -TERM {pid} ends it sooner"
            )));
        }
        let (reply, answer) = oneshot::channel();
        let command = SupervisorCommand::Upgrade { program, reply };
        self.hand_over(&self.sinks.commands, command, answer)
            .await?
    }
}
