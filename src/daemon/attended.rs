//! A daemon within another program that is to be operated as the service is: by signals, and at the control socket.
use super::control::ControlPlace;
use super::error::DaemonError;
use super::node::Daemon;
use super::signals::Stop;
use super::supervisor::{Started, supervise};
use super::upgrade::own_program;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A running daemon that has a place for commands, and answers none yet.
pub struct AttendedDaemon {
    daemon: Arc<Daemon>,
    place: ControlPlace,
    signals: (Signal, Stop),
}

impl AttendedDaemon {
    /// Takes the control socket's place, that of `[admin] socket` or a default one, and installs the handlers of signals. What
    /// connects from now on is answered as soon as [`Self::serve`] runs.
    ///
    /// # Errors
    /// The place cannot be had, or a handler not be installed; the daemon serves on without commands.
    pub fn begin(daemon: Arc<Daemon>) -> Result<Self, DaemonError> {
        let place = ControlPlace::take(daemon.generation().topology())?;
        let signals = (signal(SignalKind::hangup())?, Stop::new()?);
        Ok(Self {
            daemon,
            place,
            signals,
        })
    }

    /// Where commands reach it.
    pub fn socket(&self) -> &Path {
        self.place.path()
    }

    /// Serves signals and commands until the daemon has stopped; whether another process is the node from now on, by an
    /// upgrade.
    pub async fn serve(self) -> bool {
        let started = Started {
            daemon: Arc::clone(&self.daemon),
            place: Some(self.place),
            former: None,
            http: None,
        };
        supervise(started, self.signals, own_program()).await;
        self.daemon.retired.load(Ordering::Relaxed)
    }
}
