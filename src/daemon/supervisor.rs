//! From ready to stopped: signals, commands, upgrades, and the notifications of systemd (sd_notify(3); `Type=notify` and
//! `notify-reload`).
use super::allocator;
use super::control::{
    ControlContext, ControlPlace, ControlRefusal, ControlServer, Reply, Request, Sinks,
    SupervisorCommand,
};
use super::node::Daemon;
use super::reload_report::{ReloadReport, ReloadResult};
use super::signals::{Pulse, Stop, notify};
use super::upgrade::{self, FormerHandle, Retired, Successor, Upgraded};
use super::watch::watch;
use crate::observe::Event;
use crate::reason::DaemonReason;
use sd_notify::NotifyState;
use std::net::TcpListener;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::Signal;
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
