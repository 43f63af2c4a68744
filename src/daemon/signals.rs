//! What the service manager says to the process, and what it hears: signals, the watchdog's pulses, notifications.
use sd_notify::NotifyState;
use std::io;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// SIGTERM and SIGINT: the end. A second one does not wait for the drain.
pub(super) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Installs the handlers: from here on neither signal ends the process by itself.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for either.
    pub(super) async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Half the watchdog's interval, when systemd watches.
pub(super) struct Pulse {
    /// `None`: systemd does not watch.
    interval: Option<Interval>,
    /// How long a shard may take to answer.
    pub(super) patience: Duration,
}

impl Pulse {
    /// By the watchdog's interval in the environment; without one it never ticks.
    pub(super) fn new() -> Self {
        let half = sd_notify::watchdog_enabled().map(|whole| whole / 2);
        // Twice in each interval, as sd_watchdog_enabled(3) advises.
        let half = half.filter(|half| !half.is_zero());
        Self {
            interval: half.map(|half| {
                let mut interval = interval(half);
                // After a long reload one pulse is enough.
                interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
                interval
            }),
            patience: half.unwrap_or_default() / 2,
        }
    }

    /// Waits for the next pulse; without a watchdog for ever.
    pub(super) async fn tick(&mut self) {
        match &mut self.interval {
            Some(interval) => {
                interval.tick().await;
            }
            None => std::future::pending().await,
        }
    }
}

/// Notifies systemd, if the process has a socket of it; a failure has nobody to be reported to.
pub(super) fn notify(state: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(state);
}
