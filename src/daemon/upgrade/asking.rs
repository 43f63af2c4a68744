//! What the former process is asked, and answers, as the control socket has it.
use super::former::FormerHandle;
use crate::daemon::control::{Reply, Request};

impl FormerHandle {
    /// Has it carry out a request as well.
    ///
    /// `None`: it is gone, does not answer in time, or answers what this version does not understand. Then the node is what this
    /// process knows of it.
    pub(in crate::daemon) async fn carry_out(&self, request: &Request) -> Option<Reply> {
        // These read files, which takes as long as the disk does.
        let reads_files = matches!(request, Request::Reload {} | Request::CrlsForget { .. });
        let request = serde_json::to_value(request).ok()?;
        let reply = self.ask(request, reads_files).await?;
        serde_json::from_value(reply).ok()
    }
}
