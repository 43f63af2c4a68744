//! The start of the daemon as a service, alone or after another process, and what is logged when it fails.
use super::allocator;
use super::confinement::{Outside, confine};
use super::control::ControlPlace;
use super::error::DaemonError;
use super::last_words;
use super::loading::load;
use super::log_file;
use super::node::Daemon;
use super::signals::Stop;
use super::supervisor::{Started, supervise};
use super::upgrade::{self, Former};
use super::warnings::line;
use crate::edge::{FormerProcess, Inherited, InheritedSockets};
use crate::observe::{Event, Log, Sink};
use crate::reason::DaemonReason;
use crate::topology::{Limits, LogSettings};
use crate::trust::Generation;
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

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
