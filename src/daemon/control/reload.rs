//! `reload`: loads the topology again.
use super::context::{ControlContext, SupervisorCommand};
use super::refusal::ControlRefusal;
use crate::daemon::reload_report::ReloadReport;
use tokio::sync::oneshot;

impl ControlContext {
    /// Carries out `reload`: returns when the new generation serves or is refused.
    pub(super) async fn reload(&self) -> Result<ReloadReport, ControlRefusal> {
        let (reply, report) = oneshot::channel();
        let command = SupervisorCommand::Reload {
            trigger: "control",
            reply: Some(reply),
        };
        self.hand_over(&self.sinks.commands, command, report).await
    }
}
