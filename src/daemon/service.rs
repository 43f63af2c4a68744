//! The daemon as a service: signals, commands, and the notifications of systemd (sd_notify(3); `Type=notify` and
//! `notify-reload`).
use super::control::{ControlPlace, ControlServer, Sinks, SupervisorCommand};
use super::error::DaemonError;
use super::loading::load;
use super::node::Daemon;
use super::reload_report::{ReloadReport, ReloadResult};
use super::warnings::line;
use super::watch::watch;
use crate::edge::InheritedSockets;
use crate::observe::{Event, Log, Sink};
use crate::reason::DaemonReason;
use crate::topology::{Limits, LogSettings};
use crate::trust::Generation;
use sd_notify::NotifyState;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Pulses for the watchdog that a reload may send without asking the shards: they answer late while they decide on every
/// connection again. A reload that hangs must not keep the watchdog content for ever.
const PULSES_FOR_RELOAD: u32 = 10;
/// Commands that may wait for the supervisor.
const COMMANDS: usize = 64;
/// Requests to drop a series of CRLs that may wait for the timer.
const FORGETS: usize = 4;
/// Fetched CRLs that may wait for the timer; a fetch waits until there is room.
const FETCHED: usize = 1;
/// How long the end waits for the state directory: a disk that hangs must not hold up a stop.
const LAST_SAVE: Duration = Duration::from_secs(5);

/// Serves the topology until SIGTERM or SIGINT. SIGHUP reloads; a second SIGTERM does not wait for the drain. Whatever
/// happens is in the log on standard error, a start that fails as the event `start_refused`.
///
/// # Errors
/// A topology that cannot be used, or sockets that cannot be had; after the start nothing ends it but a signal.
pub fn serve(path: &Path) -> Result<(), DaemonError> {
    // While there is one thread. What is wrong with them waits for the log, too.
    let inherited = InheritedSockets::from_environment();
    // Before the log: the topology sets how lines look. Faults wait in `generation` until there is a log
    // for them.
    let (settings, queue, generation) = match load(path, 1) {
        Ok(generation) => {
            let topology = generation.topology();
            let (settings, queue) = (*topology.log(), topology.limits().log_queue);
            (settings, queue, Ok(generation))
        }
        // A file with faults does not say how lines look.
        Err(faults) => {
            let (settings, queue) = (LogSettings::default(), Limits::default().log_queue);
            (settings, queue, Err(DaemonError::Topology(faults)))
        }
    };
    // The guard goes last: lines that wait are written before the process ends.
    let (log, _guard) = Log::start(settings, queue, Sink::Stderr);
    // From now on what libraries log comes the same way.
    log.gather_library_logs();
    // One thread: it supervises, and carries no message.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = generation.and_then(|generation| {
        let runtime = runtime?;
        let outcome = runtime.block_on(async {
            // Before anything is promised: a signal that arrives during start-up is not lost.
            let (hang_up, stop) = (signal(SignalKind::hangup())?, Stop::new()?);
            let place = control_socket(&generation, &log)?;
            let daemon = Daemon::start_loaded(path, generation, inherited?, &log)?;
            let daemon = Arc::new(daemon);
            supervise(&daemon, hang_up, stop, place.as_ref()).await;
            Ok(())
        });
        // A file that is still being read, or a shard that a second signal left behind, is not waited for.
        runtime.shutdown_background();
        outcome
    });
    // The exit code is one number; the event has the reasons.
    if let Err(error) = &outcome {
        log.record(refused(path, error));
    }
    outcome
}

/// A start that fails is an event too: systemd's journal is often the only place where anybody looks.
fn refused(path: &Path, error: &DaemonError) -> Event {
    let (reason, details) = match error {
        DaemonError::Topology(faults) => (
            DaemonReason::TopologyFaults,
            faults.iter().map(line).collect(),
        ),
        DaemonError::Control(_) => (DaemonReason::ListenFailed, vec![error.to_string()]),
        DaemonError::Edge(edge) if edge.is_about_sockets() => {
            (DaemonReason::ListenFailed, vec![error.to_string()])
        }
        DaemonError::Edge(_) | DaemonError::System(_) => {
            (DaemonReason::StartFailed, vec![error.to_string()])
        }
    };
    Event::StartRefused {
        topology: path.to_owned(),
        reason: reason.into(),
        details,
    }
}

/// Takes the place for the control socket. One that the topology names must be had; the default one need not.
fn control_socket(generation: &Generation, log: &Log) -> Result<Option<ControlPlace>, DaemonError> {
    let topology = generation.topology();
    match ControlPlace::take(topology) {
        Ok(place) => Ok(Some(place)),
        // A socket that somebody asked for is a promise; without one the daemon still relays.
        Err(error) if topology.admin().socket.is_some() => Err(error.into()),
        Err(error) => {
            log.record(error.event());
            Ok(None)
        }
    }
}

/// From ready to stopped: one loop, so that reloads, an end and the watchdog's pulses are never at odds.
async fn supervise(
    daemon: &Arc<Daemon>,
    mut hang_up: Signal,
    mut stop: Stop,
    place: Option<&ControlPlace>,
) {
    // First, since the interval runs from here.
    let mut pulse = Pulse::new();
    let (sender, mut commands) = mpsc::channel(COMMANDS);
    // Beside the loop: what they do may take long, and the loop must serve signals and the watchdog.
    let mut tasks = JoinSet::new();
    // Each task ends with the set, when this function returns.
    tasks.spawn(watch(Arc::clone(daemon), sender.clone()));
    // Fetched CRLs go to the timer, which holds them to the rules of files.
    let (fetched, crls) = mpsc::channel(FETCHED);
    let (forget, forgets) = mpsc::channel(FORGETS);
    let end = CancellationToken::new();
    let timer = super::crl_timer::run(Arc::clone(daemon), crls, forgets, end.clone());
    let timer = tokio::spawn(timer);
    tasks.spawn(super::crl_fetch::run(Arc::clone(daemon), fetched));
    tasks.spawn(super::forecast::run(Arc::clone(daemon)));
    // A sender stays here even without a socket: a closed channel would wake the loop without end.
    let to = Sinks {
        commands: sender.clone(),
        forgets: forget,
    };
    // Last, so that whoever reaches the socket finds a daemon that serves.
    if let Some(place) = place {
        listen(daemon, to.clone(), place, &mut tasks);
    }
    notify(&[NotifyState::Ready, NotifyState::Status(&serving(daemon))]);
    loop {
        let first = tokio::select! {
            () = stop.recv() => break,
            _ = hang_up.recv() => SupervisorCommand::reload("signal"),
            Some(command) = commands.recv() => command,
            () = pulse.tick() => {
                // Silence of one shard is what the watchdog is for. Without an answer there is no
                // pulse, and systemd restarts the process.
                if daemon.status(pulse.patience).await.is_some() {
                    notify(&[NotifyState::Watchdog]);
                }
                continue;
            }
        };
        let Some((trigger, waiters)) = reload_asked_by(first, &mut commands) else {
            break;
        };
        // A signal to stop does not wait for the end of a reload.
        let Some(report) = reload(daemon, trigger, &mut stop, &mut pulse).await else {
            break;
        };
        // Everybody who asked while the files were read has the same answer.
        for waiter in waiters {
            // Who asked may have gone.
            let _ = waiter.send(report.clone());
        }
    }
    drain(daemon, stop, pulse).await;
    // A CRL that came into force a moment ago must be in force after the restart as well.
    end.cancel();
    let _ = tokio::time::timeout(LAST_SAVE, timer).await;
}

/// Starts the control socket's server.
fn listen(daemon: &Arc<Daemon>, to: Sinks, place: &ControlPlace, tasks: &mut JoinSet<()>) {
    match place.listener() {
        Ok(socket) => {
            let path = place.path().to_owned();
            tasks.spawn(ControlServer::new(Arc::clone(daemon), to, place).serve(socket));
            daemon.log.record(Event::ControlListening { path });
        }
        Err(error) => daemon.log.record(error.event()),
    }
}

/// Who asks for a reload, and those who wait for its report; `None`: an end is asked for. All commands that wait behind the
/// first belong to it: reloads that are asked for before the files are read are one, and an end is an end.
fn reload_asked_by(
    first: SupervisorCommand,
    commands: &mut mpsc::Receiver<SupervisorCommand>,
) -> Option<(&'static str, Vec<oneshot::Sender<ReloadReport>>)> {
    let mut asked = None;
    let waiting = std::iter::from_fn(|| commands.try_recv().ok());
    for command in std::iter::once(first).chain(waiting) {
        match command {
            SupervisorCommand::Reload { trigger, reply } => {
                let (_, waiters) = asked.get_or_insert_with(|| (trigger, Vec::new()));
                waiters.extend(reply);
            }
            SupervisorCommand::Drain { reply } => {
                let _ = reply.send(());
                return None;
            }
        }
    }
    asked
}

/// Reloads; `None` when a signal to stop came, which does not wait for a reload. SIGHUPs that come meanwhile are one more
/// reload afterwards, since a signal's stream remembers only that there was one; so are commands.
async fn reload(
    daemon: &Daemon,
    trigger: &'static str,
    stop: &mut Stop,
    pulse: &mut Pulse,
) -> Option<ReloadReport> {
    let mut state = vec![NotifyState::Reloading];
    // notify-reload takes a reload for begun only with the time that belongs to it.
    state.extend(NotifyState::monotonic_usec_now());
    notify(&state);
    // The watchdog is served meanwhile, for a while.
    let report = {
        let mut reload = pin!(daemon.reload(trigger));
        let mut pulses = 0;
        loop {
            tokio::select! {
                report = &mut reload => break report,
                () = stop.recv() => return None,
                () = pulse.tick(), if pulses < PULSES_FOR_RELOAD => {
                    pulses += 1;
                    notify(&[NotifyState::Watchdog]);
                }
            }
        }
    };
    // Why it was refused is in the log; a refused file leaves everything as it was.
    let refused = if report.result == ReloadResult::Refused {
        "; the last reload was refused, see the log"
    } else {
        ""
    };
    // Shown by systemctl beside the unit: a refused reload is easily overlooked.
    let status = format!("{}{refused}", serving(daemon));
    notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
    Some(report)
}

/// Drains, with systemd's patience stretched to the configured bound; a second signal ends it at once.
async fn drain(daemon: &Daemon, mut again: Stop, mut pulse: Pulse) {
    let bound = daemon.generation().topology().limits().drain + Duration::from_secs(10);
    // More than 71 minutes is more than systemd's field holds.
    let micros = u32::try_from(bound.as_micros()).unwrap_or(u32::MAX);
    notify(&[
        NotifyState::Stopping,
        NotifyState::ExtendTimeoutUsec(micros),
        NotifyState::Status("draining"),
    ]);
    // Pulses go on: systemd must not kill a drain that is within its bound.
    let mut stop = pin!(daemon.stop());
    loop {
        tokio::select! {
            _ = &mut stop => return,
            () = again.recv() => return,
            () = pulse.tick() => notify(&[NotifyState::Watchdog]),
        }
    }
}

/// What `systemctl status` shows.
fn serving(daemon: &Daemon) -> String {
    // Addresses, since ports may have been chosen by the system.
    let addresses = daemon.addresses().iter();
    let addresses: Vec<_> = addresses.map(|(_, it)| it.to_string()).collect();
    let (number, addresses) = (daemon.generation().number(), addresses.join(", "));
    format!("serving generation {number} on {addresses}")
}

/// SIGTERM and SIGINT: the end. A second one does not wait for the drain.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Installs the handlers: from here on neither signal ends the process by itself.
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for either.
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Half the watchdog's interval, when systemd watches.
struct Pulse {
    /// `None`: systemd does not watch.
    interval: Option<Interval>,
    /// How long a shard may take to answer.
    patience: Duration,
}

impl Pulse {
    /// By the watchdog's interval in the environment; without one it never ticks.
    fn new() -> Self {
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
    async fn tick(&mut self) {
        match &mut self.interval {
            Some(interval) => {
                interval.tick().await;
            }
            None => std::future::pending().await,
        }
    }
}

/// Notifies systemd, if the process has a socket of it; a failure has nobody to be reported to.
fn notify(state: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(state);
}
