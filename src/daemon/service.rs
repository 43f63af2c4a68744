//! The daemon as a service: signals, commands, and the notifications of systemd (sd_notify(3); `Type=notify` and
//! `notify-reload`).
use super::allocator;
use super::confinement::{Outside, confine};
use super::control::{
    ControlContext, ControlPlace, ControlRefusal, ControlServer, Reply, Request, Sinks,
    SupervisorCommand,
};
use super::error::DaemonError;
use super::last_words;
use super::loading::load;
use super::log_file;
use super::node::Daemon;
use super::reload_report::{ReloadReport, ReloadResult};
use super::signals::{Pulse, Stop, notify};
use super::upgrade::{self, Former, FormerHandle, Retired, Successor, Upgraded};
use super::warnings::line;
use super::watch::watch;
use crate::edge::{FormerProcess, Inherited, InheritedSockets};
use crate::observe::{Event, Log, Sink};
use crate::reason::DaemonReason;
use crate::topology::{Limits, LogSettings};
use crate::trust::Generation;
use sd_notify::NotifyState;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
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
/// What a shard gets to answer: far longer than any turn of its tasks.
const FOR_SHARDS: Duration = Duration::from_secs(5);
/// How long the end waits for the state directory: a disk that hangs must not hold up a stop.
const LAST_SAVE: Duration = Duration::from_secs(5);

/// Serves the topology until SIGTERM or SIGINT. SIGHUP reloads, SIGUSR1 opens the log's file anew; a second SIGTERM does
/// not wait for the drain. Whatever happens is in the log, a start that fails as the event `start_refused`.
///
/// # Errors
/// A topology that cannot be used, or sockets that cannot be had; after the start nothing ends it but a signal.
pub fn serve(path: &Path) -> Result<(), DaemonError> {
    // While there is one thread. What is wrong with them waits for the log, too.
    let inherited = Inherited::from_environment();
    // A package may replace the file while this process runs.
    let program = upgrade::own_program();
    // Before the log: the topology sets how lines look. Faults wait in `generation` until there is a log
    // for them.
    let (settings, queue, generation) = match load(path, 1) {
        Ok(generation) => {
            let topology = generation.topology();
            let (settings, queue) = (topology.log().clone(), topology.limits().log_queue);
            (settings, queue, Ok(generation))
        }
        // A file with faults does not say how lines look.
        Err(faults) => {
            let (settings, queue) = (LogSettings::default(), Limits::default().log_queue);
            (settings, queue, Err(DaemonError::Topology(faults)))
        }
    };
    // The guard goes last: lines that wait are written before the process ends.
    let (sink, generation) = match log_file::sink(&settings) {
        Ok(sink) => (sink, generation),
        // Why it does not start must be said somewhere.
        Err(error) => (Sink::standard(), generation.and(Err(error.into()))),
    };
    // Before any thread is started, since it binds those that come after.
    let (outside, confined) = match &generation {
        Ok(generation) => confine(generation.topology()),
        Err(_) => (Outside::default(), None),
    };
    allocator::return_what_is_free();
    let (log, _guard) = Log::start(&settings, queue, sink);
    // From now on what libraries log comes the same way.
    log.gather_library_logs();
    last_words::on_panic(&log);
    // One thread: it supervises, and carries no message.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let (sockets, former) = match inherited {
        Ok(Inherited { sockets, former }) => (Ok(sockets), former),
        Err(error) => (Err(error), None),
    };
    // Kept apart: whatever fails, the former process must hear of it.
    let tells = former
        .as_ref()
        .and_then(|it| it.conversation.try_clone().ok());
    let outcome = generation.and_then(|generation| {
        let runtime = runtime?;
        let outcome = runtime.block_on(async {
            // Before anything is promised: a signal that arrives during start-up is not lost.
            let signals = (signal(SignalKind::hangup())?, Stop::new()?);
            let reopen = signal(SignalKind::user_defined1())?;
            let started = match former {
                Some(former) => {
                    take_over(path, generation, sockets?, former, outside, &log).await?
                }
                None => start(path, generation, sockets?, outside, &log)?,
            };
            if let Some(confined) = confined {
                log.record(confined);
            }
            let former = started.former.clone();
            tokio::spawn(log_file::reopen_at(
                reopen,
                settings.file,
                former,
                log.clone(),
            ));
            supervise(started, signals, program).await;
            Ok(())
        });
        // A file that is still being read, or a shard that a second signal left behind, is not waited for.
        runtime.shutdown_background();
        outcome
    });
    // The exit code is one number; the event has the reasons.
    if let Err(error) = &outcome {
        log.record(refused(path, error));
        if let Some(former) = &tells {
            upgrade::tell_failure(former, error.to_string());
        }
    }
    outcome
}

/// A daemon that serves, and what goes with it.
pub(super) struct Started {
    /// The node itself.
    pub(super) daemon: Arc<Daemon>,
    /// Where commands reach it; `None`: nowhere.
    pub(super) place: Option<ControlPlace>,
    /// The process before this one, while it lets its clients go.
    pub(super) former: Option<FormerHandle>,
    /// Where that has answered monitoring.
    pub(super) http: Option<TcpListener>,
}

/// The usual start.
fn start(
    path: &Path,
    generation: Arc<Generation>,
    sockets: InheritedSockets,
    outside: Outside,
    log: &Log,
) -> Result<Started, DaemonError> {
    // Before the listeners: without a socket that the topology names nothing is to be promised.
    let place = control_socket(&generation, log)?;
    let mut daemon = Daemon::start_loaded(path, generation, sockets, log)?;
    daemon.outside = outside;
    Ok(Started {
        daemon: Arc::new(daemon),
        place,
        former: None,
        http: None,
    })
}

/// The start of a process that takes over from another one. Until that has said `go` nothing here is accepted, and whatever
/// fails leaves the other one as it is.
async fn take_over(
    path: &Path,
    generation: Arc<Generation>,
    sockets: InheritedSockets,
    process: FormerProcess,
    outside: Outside,
    log: &Log,
) -> Result<Started, DaemonError> {
    // What it says first is needed for everything else.
    let mut former = Former::meet(process.conversation).await?;
    // Where the other one listens; a place of its own if the topology names another.
    let inherited = process.control.map(ControlPlace::inherited).transpose();
    let inherited = inherited?.filter(|place| place.is_of(generation.topology()));
    let place = match inherited {
        Some(place) => Some(place),
        None => control_socket(&generation, log)?,
    };
    // As many shards as there are ends, at most.
    let inheritance = former.inheritance(process.links.len());
    let mut daemon = Daemon::start_after(path, generation, sockets, &inheritance, log)?;
    daemon.outside = outside;
    // The same that is looked at after a reload, but here a listener that shows something else is a reason not to go on.
    daemon.try_listeners().await?;
    // From its return on the other one accepts nothing.
    let (denials, levels) = former.ready().await?;
    let daemon = Arc::new(daemon);
    // Before anybody is let in. An earlier version does not say whom it refuses: then the state directory may.
    match denials {
        Some(denials) => daemon.inherit_denials(denials),
        None => daemon.take_over_denials(),
    }
    daemon.take_over_log_levels(levels).await;
    // Before the first request: it may be for a client that the other one has.
    daemon.edge.connect_process(process.links).await;
    daemon.edge.accept(true);
    // Its file is this process's to remove from now on.
    if let Some(place) = &place {
        place.leave(false);
    }
    daemon.announce();
    Ok(Started {
        daemon,
        place,
        former: Some(former.attend(log.clone())),
        http: process.http,
    })
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
        DaemonError::Edge(_) | DaemonError::Trial(_) | DaemonError::System(_) => {
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

/// From ready to stopped: one loop, so that reloads, upgrades, an end and the watchdog's pulses are never at odds.
pub(super) async fn supervise(
    started: Started,
    (mut hang_up, mut stop): (Signal, Stop),
    program: Option<PathBuf>,
) {
    let Started {
        daemon,
        place,
        former,
        http,
    } = started;
    // First, since the interval runs from here.
    let mut pulse = Pulse::new();
    let (sender, mut commands) = mpsc::channel(COMMANDS);
    // Beside the loop: what they do may take long, and the loop must serve signals and the watchdog.
    let mut tasks = JoinSet::new();
    // Each task ends with the set, when this function returns.
    tasks.spawn(watch(Arc::clone(&daemon), sender.clone()));
    // Fetched CRLs go to the timer, which holds them to the rules of files.
    let (fetched, crls) = mpsc::channel(FETCHED);
    let (forget, forgets) = mpsc::channel(FORGETS);
    let end = CancellationToken::new();
    let timer = super::crl_timer::run(Arc::clone(&daemon), crls, forgets, end.clone());
    let timer = tokio::spawn(timer);
    tasks.spawn(super::crl_fetch::run(Arc::clone(&daemon), fetched));
    tasks.spawn(super::forecast::run(Arc::clone(&daemon)));
    tasks.spawn(allocator::run(Arc::clone(&daemon)));
    // It goes on while the node drains, and shows that.
    tasks.spawn(super::http::run(Arc::clone(&daemon), http, former.clone()));
    tasks.spawn(super::hep::run(Arc::clone(&daemon)));
    // A sender stays here even without a socket: a closed channel would wake the loop without end.
    let to = Sinks {
        commands: sender.clone(),
        forgets: forget,
        former: former.clone(),
    };
    // Ends the control socket's server.
    let mut listening: Option<CancellationToken> = None;
    loop {
        // Last, so that whoever reaches the socket finds a daemon that serves.
        if listening.is_none() {
            let end = listening.insert(CancellationToken::new()).clone();
            if let Some(place) = &place {
                listen(&daemon, to.clone(), place, end, &mut tasks);
            }
            notify(&[NotifyState::Ready, NotifyState::Status(&serving(&daemon))]);
        }
        let asked = serve_on(
            &daemon,
            (&mut hang_up, &mut stop, &mut pulse),
            &mut commands,
            former.as_ref(),
        );
        let Some(upgrade) = asked.await else {
            close(&mut commands);
            break drain(&daemon, former.as_ref(), stop, pulse).await;
        };
        // What the operator names counts, else what was started.
        let program = upgrade.program.or_else(|| program.clone());
        let began = begin_upgrade(&daemon, place.as_ref(), program, &mut stop, &mut pulse).await;
        let mut successor = match began {
            Some(Ok(successor)) => successor,
            Some(Err(refusal)) => {
                refuse_upgrade(&daemon, refusal, upgrade.reply);
                continue;
            }
            None => {
                close(&mut commands);
                break drain(&daemon, former.as_ref(), stop, pulse).await;
            }
        };
        // From here on this process takes nothing new. The server answers who has connected already.
        if let Some(server) = listening.take() {
            server.cancel();
        }
        let outcome = hand_over(&daemon, place.as_ref(), &mut successor).await;
        // Who asked may have lost patience; the upgrade stands.
        let _ = upgrade.reply.send(Ok(outcome));
        // What the new process is asked comes here over the conversation, and is carried out as over the socket.
        let context = Arc::new(ControlContext::new(Arc::clone(&daemon), to.clone()));
        let signals = (&mut hang_up, &mut stop);
        match upgrade::retire(&daemon, context, &mut successor, &mut commands, signals).await {
            Retired::Gone => break,
            // The loop begins anew, with a control socket of its own.
            Retired::Alone => take_up(&daemon, place.as_ref(), successor).await,
        }
    }
    // A CRL that came into force a moment ago must be in force after the restart as well.
    end.cancel();
    let _ = tokio::time::timeout(LAST_SAVE, timer).await;
}

/// Takes no command any more: who has asked for one, or does so now, learns that the daemon stops.
fn close(commands: &mut mpsc::Receiver<SupervisorCommand>) {
    commands.close();
    while commands.try_recv().is_ok() {}
}

/// Serves until an upgrade is asked for; `None`: an end is.
async fn serve_on(
    daemon: &Daemon,
    (hang_up, stop, pulse): (&mut Signal, &mut Stop, &mut Pulse),
    commands: &mut mpsc::Receiver<SupervisorCommand>,
    former: Option<&FormerHandle>,
) -> Option<AskedUpgrade> {
    loop {
        let first = tokio::select! {
            () = stop.recv() => return None,
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
        let asked = Asked::of(first, commands)?;
        // First: an upgrade that was asked for together with it begins with the new file.
        if let Some((trigger, waiters)) = asked.reload {
            // A signal to stop does not wait for the end of a reload.
            let mut report = reload(daemon, trigger, stop, pulse).await?;
            // In that order: it must not take what this process refuses.
            if let Some(former) = former {
                report.former = reload_of(former, &report, stop, pulse).await?;
            }
            // Everybody who asked while the files were read has the same answer.
            for waiter in waiters {
                // Who asked may have gone.
                let _ = waiter.send(report.clone());
            }
        }
        if asked.upgrade.is_some() {
            return asked.upgrade;
        }
    }
}

/// Has the former process load the file as well, and returns its report if there is one: what this process has refused, it would
/// refuse. `None`: a signal to stop came, which does not wait for it; neither does the watchdog.
async fn reload_of(
    former: &FormerHandle,
    own: &ReloadReport,
    stop: &mut Stop,
    pulse: &mut Pulse,
) -> Option<Option<Box<ReloadReport>>> {
    if own.result == ReloadResult::Refused {
        return Some(None);
    }
    let mut asked = pin!(former.carry_out(&Request::Reload {}));
    loop {
        tokio::select! {
            reply = &mut asked => return Some(match reply {
                Some(Reply::Reload(report)) => Some(Box::new(report)),
                Some(_) | None => None,
            }),
            () = stop.recv() => return None,
            () = pulse.tick() => notify(&[NotifyState::Watchdog]),
        }
    }
}

/// Starts the new process; `None`: a signal to stop came, which does not wait for that.
async fn begin_upgrade(
    daemon: &Daemon,
    place: Option<&ControlPlace>,
    program: Option<PathBuf>,
    stop: &mut Stop,
    pulse: &mut Pulse,
) -> Option<Result<Successor, ControlRefusal>> {
    // A new process would not know of it, and take what is to go elsewhere.
    if daemon.lets_go_for().is_some() {
        return Some(Err(ControlRefusal {
            code: DaemonReason::UpgradeFailed,
            what:
                "the node lets its clients go (sipward drain --clients); end that first (--cancel)"
                    .to_owned(),
        }));
    }
    // The command has come over the socket, so that there is a place; a program without a path cannot be found again.
    let (Some(place), Some(program)) = (place, program) else {
        return Some(Err(ControlRefusal {
            code: DaemonReason::UpgradeFailed,
            what: "the path of the program is not known: name it".to_owned(),
        }));
    };
    let mut start = pin!(upgrade::start(daemon, place, &program));
    loop {
        tokio::select! {
            outcome = &mut start => return Some(outcome),
            // What was started ends with its conversation.
            () = stop.recv() => return None,
            () = pulse.tick() => notify(&[NotifyState::Watchdog]),
        }
    }
}

/// Nothing has changed; who has asked learns why.
fn refuse_upgrade(
    daemon: &Daemon,
    refusal: ControlRefusal,
    reply: oneshot::Sender<Result<Upgraded, ControlRefusal>>,
) {
    daemon.log.record(Event::UpgradeFailed {
        reason: refusal.code.into(),
        detail: refusal.what.clone(),
    });
    let _ = reply.send(Err(refusal));
}

/// The new process accepts from now on, and this one no longer.
async fn hand_over(
    daemon: &Daemon,
    place: Option<&ControlPlace>,
    successor: &mut Successor,
) -> Upgraded {
    // First of all: what comes from now on waits in the kernel for the new process.
    daemon.edge.accept(false);
    // The file of the socket, and the state directory, are the new one's.
    if let Some(place) = place {
        place.leave(true);
    }
    daemon.retire(true);
    // Both ends are there before the first request crosses.
    let links = std::mem::take(&mut successor.links);
    daemon.edge.connect_process(links).await;
    // Before it speaks itself: systemd heeds the main process.
    notify(&[NotifyState::MainPid(successor.pid)]);
    // One that is gone by now is noticed as such.
    let _ = successor
        .go(daemon.edge.denials(), daemon.running_log_levels())
        .await;
    let over = daemon.generation().topology().limits().handover;
    // New requests go on: who is connected here is served here until it is let go.
    let clients = daemon.edge.let_clients_go(over, false, FOR_SHARDS).await;
    // A shard that does not answer in time begins later; the number is only for people.
    let clients = clients.unwrap_or_default();
    daemon.log.record(Event::Upgraded {
        version: successor.version.clone(),
        pid: successor.pid,
        clients,
        over,
    });
    Upgraded {
        pid: successor.pid,
        version: successor.version.clone(),
        clients,
        over_ms: u64::try_from(over.as_millis()).unwrap_or(u64::MAX),
    }
}

/// The new process is gone before its time: this one serves as before.
async fn take_up(daemon: &Daemon, place: Option<&ControlPlace>, successor: Successor) {
    // In the reverse order: what has waited in the kernel since is served first.
    daemon.edge.accept(true);
    daemon.edge.keep_clients(FOR_SHARDS).await;
    daemon.retire(false);
    if let Some(place) = place {
        place.leave(false);
    }
    // systemd would otherwise take the unit for ended.
    notify(&[NotifyState::MainPid(std::process::id())]);
    let pid = successor.pid;
    let detail = successor.end().await;
    daemon.log.record(Event::UpgradeUndone { pid, detail });
    // What was denied meanwhile the other one was to write.
    daemon.keep_denials().await;
}

/// Starts the control socket's server, until `end`.
fn listen(
    daemon: &Arc<Daemon>,
    to: Sinks,
    place: &ControlPlace,
    end: CancellationToken,
    tasks: &mut JoinSet<()>,
) {
    match place.listener() {
        Ok(socket) => {
            let path = place.path().to_owned();
            let context = ControlContext::new(Arc::clone(daemon), to);
            tasks.spawn(ControlServer::new(context, place, end).serve(socket));
            daemon.log.record(Event::ControlListening { path });
        }
        Err(error) => daemon.log.record(error.event()),
    }
}

/// An upgrade that an operator asks for.
struct AskedUpgrade {
    /// The program; `None`: that of this process.
    program: Option<PathBuf>,
    reply: oneshot::Sender<Result<Upgraded, ControlRefusal>>,
}

/// What is asked for at once.
#[derive(Default)]
struct Asked {
    /// Who asks for a reload, and those who wait for its report.
    reload: Option<(&'static str, Vec<oneshot::Sender<ReloadReport>>)>,
    upgrade: Option<AskedUpgrade>,
}

impl Asked {
    /// `None`: an end is asked for. All commands that wait behind the first belong to it: reloads that are asked for before the
    /// files are read are one, and an end is an end.
    fn of(
        first: SupervisorCommand,
        commands: &mut mpsc::Receiver<SupervisorCommand>,
    ) -> Option<Self> {
        let mut asked = Self::default();
        let waiting = std::iter::from_fn(|| commands.try_recv().ok());
        for command in std::iter::once(first).chain(waiting) {
            match command {
                SupervisorCommand::Reload { trigger, reply } => {
                    let (_, waiters) = asked.reload.get_or_insert_with(|| (trigger, Vec::new()));
                    waiters.extend(reply);
                }
                SupervisorCommand::Upgrade { program, reply } => match asked.upgrade {
                    None => asked.upgrade = Some(AskedUpgrade { program, reply }),
                    // Of two that come at once one is made.
                    Some(_) => {
                        let _ = reply.send(Err(ControlRefusal {
                            code: DaemonReason::UpgradeRunning,
                            what: "another upgrade was asked for at the same time".to_owned(),
                        }));
                    }
                },
                SupervisorCommand::Drain { reply } => {
                    let _ = reply.send(());
                    return None;
                }
            }
        }
        Some(asked)
    }
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

/// Drains, with systemd's patience stretched to the configured bound; a second signal ends it at once. A former process that
/// still has clients drains as well.
async fn drain(daemon: &Daemon, former: Option<&FormerHandle>, mut again: Stop, mut pulse: Pulse) {
    let bound = daemon.generation().topology().limits().drain + Duration::from_secs(10);
    // More than 71 minutes is more than systemd's field holds.
    let micros = u32::try_from(bound.as_micros()).unwrap_or(u32::MAX);
    notify(&[
        NotifyState::Stopping,
        NotifyState::ExtendTimeoutUsec(micros),
        NotifyState::Status("draining"),
    ]);
    // Pulses go on: systemd must not kill a drain that is within its bound.
    let mut stop = pin!(async {
        let former = async {
            if let Some(former) = former
                && former.carry_out(&Request::Drain {}).await.is_some()
            {
                // systemd would end it at once when the main process is gone.
                former.ended().await;
            }
        };
        // One that does not answer, or does not end, is not waited for beyond its time.
        let former = tokio::time::timeout(bound, former);
        tokio::join!(daemon.stop(), former)
    });
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
