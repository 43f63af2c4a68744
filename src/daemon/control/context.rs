//! What a command over the control socket works with: the daemon, and those who do what it cannot do itself.
use super::refusal::{ControlRefusal, busy, stopping};
use crate::daemon::Daemon;
use crate::daemon::crl_timer::Forget;
use crate::daemon::reload_report::ReloadReport;
use crate::daemon::upgrade::{FormerHandle, Upgraded};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

/// What a shard gets to answer: far longer than any turn of its tasks.
pub(super) const FOR_SHARDS: Duration = Duration::from_secs(5);

/// What only the supervisor does: one thing after the other, since the service manager hears of each.
pub(in crate::daemon) enum SupervisorCommand {
    /// Reload; several that wait are one.
    Reload {
        trigger: &'static str,
        /// Who waits for the end.
        reply: Option<oneshot::Sender<ReloadReport>>,
    },
    /// Start a new process, and hand over to it.
    Upgrade {
        /// `None`: the program of this one.
        program: Option<PathBuf>,
        reply: oneshot::Sender<Result<Upgraded, ControlRefusal>>,
    },
    /// Drain and end.
    Drain { reply: oneshot::Sender<()> },
}

impl SupervisorCommand {
    /// A reload whose end nobody waits for.
    pub(in crate::daemon) fn reload(trigger: &'static str) -> Self {
        Self::Reload {
            trigger,
            reply: None,
        }
    }
}

/// Where goes what the server cannot do itself.
#[derive(Clone)]
pub(in crate::daemon) struct Sinks {
    /// The supervisor.
    pub(in crate::daemon) commands: mpsc::Sender<SupervisorCommand>,
    /// The timer of CRLs.
    pub(in crate::daemon) forgets: mpsc::Sender<Forget>,
    /// The process before this one, while it lets its clients go.
    pub(in crate::daemon) former: Option<FormerHandle>,
}

/// The commands' own view. Each command is a method in a file of its own, beside the type of its reply.
pub(in crate::daemon) struct ControlContext {
    /// What is asked for.
    pub(super) daemon: Arc<Daemon>,
    /// Who does the rest.
    pub(super) sinks: Sinks,
}

impl ControlContext {
    /// For this daemon.
    pub(in crate::daemon) fn new(daemon: Arc<Daemon>, sinks: Sinks) -> Self {
        Self { daemon, sinks }
    }

    /// Hands a command to whoever does it and waits for what comes of it.
    pub(super) async fn hand_over<C, T>(
        &self,
        to: &mpsc::Sender<C>,
        command: C,
        answer: oneshot::Receiver<T>,
    ) -> Result<T, ControlRefusal> {
        to.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => busy(),
            TrySendError::Closed(_) => stopping(),
        })?;
        answer.await.map_err(|_| stopping())
    }
}
