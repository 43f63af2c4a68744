//! A running node: its edge, the generation that serves, and what reloads have brought.
use super::clock::now;
use super::confinement::Outside;
use super::error::DaemonError;
use super::http::HttpSocket;
use super::letting_go::LettingGo;
use super::loading::load;
use super::log_level_list::LogLevelList;
use super::own_listeners;
use super::reload_report::{ReloadReport, ReloadTally, ServedResult};
use super::warnings::log_warnings;
use super::{crl_state, denial_state};
use crate::edge::{
    BoundListeners, Denial, Edge, EdgeStatus, Inheritance, InheritedSockets, raise_descriptors,
};
use crate::observe::{Event, Log};
use crate::reason::DaemonReason;
use crate::topology::{Accept, RestartSettings, Topology};
use crate::trust::Generation;
use arc_swap::ArcSwap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A running node.
pub struct Daemon {
    /// The topology file, which a reload reads again.
    pub(super) path: PathBuf,
    /// The one log of the process.
    pub(super) log: Log,
    /// The shards and listeners.
    pub(super) edge: Edge,
    /// Exchanged whole by a reload.
    generation: ArcSwap<Generation>,
    /// Name and bound address of each listener: bound once, whatever a reload brings.
    pub(super) addresses: Vec<(String, SocketAddr)>,
    /// For the uptime.
    pub(super) started: Instant,
    /// What sockets and threads were made from: a reload changes the file, and these only at the next start.
    pub(super) at_start: RestartSettings,
    /// The number of the generation that serves, for those who wait for another.
    serving: tokio::sync::watch::Sender<u64>,
    /// Held by the reload that runs, and by the CRL timer's: generations follow each other.
    pub(super) reloading: tokio::sync::Mutex<()>,
    /// Held by who writes the denials into the state directory; why that could not be done the last time.
    pub(super) keeping_denials: tokio::sync::Mutex<Option<String>>,
    /// For `status`.
    pub(super) last_reload: Mutex<Option<ReloadReport>>,
    /// Another process of this node has the listeners, and keeps the state directory.
    pub(super) retired: AtomicBool,
    /// Clients that are let go for maintenance.
    pub(super) letting_go: Mutex<Option<LettingGo>>,
    /// For metrics.
    pub(super) reloads: Mutex<ReloadTally>,
    /// Parties whose requests have other lines for a while.
    pub(super) log_levels: Mutex<LogLevelList>,
    /// Where what the process dropped is done.
    pub(super) outside: Outside,
    /// Where it answers monitoring.
    pub(super) http: HttpSocket,
    /// It has begun to stop.
    draining: AtomicBool,
}

impl Daemon {
    /// Loads the topology, binds, starts the shards, and logs `ready`.
    ///
    /// # Errors
    /// A topology with faults, an address that is taken, a thread that cannot be started. Then nothing runs.
    pub fn start(path: &Path, log: &Log) -> Result<Self, DaemonError> {
        let generation = load(path, 1).map_err(DaemonError::Topology)?;
        Self::start_loaded(path, generation, InheritedSockets::default(), log)
    }

    /// As [`Self::start`], with the first generation at hand, and listening sockets that were handed over.
    ///
    /// # Errors
    /// An address that is taken, a thread that cannot be started.
    pub fn start_loaded(
        path: &Path,
        generation: Arc<Generation>,
        inherited: InheritedSockets,
        log: &Log,
    ) -> Result<Self, DaemonError> {
        let daemon = Self::begin(path, generation, inherited, None, log)?;
        daemon.announce();
        Ok(daemon)
    }

    /// As [`Self::start_loaded`], after another process of this node: it accepts nothing yet, and does not log `ready`.
    ///
    /// # Errors
    /// An address that is taken, a thread that cannot be started.
    pub(super) fn start_after(
        path: &Path,
        generation: Arc<Generation>,
        inherited: InheritedSockets,
        inheritance: &Inheritance,
        log: &Log,
    ) -> Result<Self, DaemonError> {
        Self::begin(path, generation, inherited, Some(inheritance), log)
    }

    fn begin(
        path: &Path,
        generation: Arc<Generation>,
        inherited: InheritedSockets,
        inheritance: Option<&Inheritance>,
        log: &Log,
    ) -> Result<Self, DaemonError> {
        let topology = generation.topology();
        // Before the first of them is used, and before the warnings, which say what is missing.
        raise_descriptors();
        log.record(Event::Start {
            version: env!("CARGO_PKG_VERSION"),
            topology: path.to_owned(),
            shards: crate::edge::shards(topology),
        });
        log_warnings(&generation, log);
        // Before anything else can fail: a second daemon on the same ports ends here.
        let bound = BoundListeners::bind(&generation, inherited)?;
        let addresses = bound.addresses();
        let denied = denied_before(topology, log).unwrap_or_default();
        let edge = Edge::start(
            Arc::clone(&generation),
            bound,
            inheritance,
            denied,
            log.clone(),
        )?;
        for (listener, address, accept) in &addresses {
            let accept = match accept {
                Accept::Clients => "clients",
                Accept::Peers => "peers",
                Accept::Both => "both",
            };
            log.record(Event::Listening {
                listener: listener.clone(),
                address: *address,
                accept,
            });
        }
        // Who may come in was for the log only.
        let addresses = addresses
            .into_iter()
            .map(|(name, address, _)| (name, address))
            .collect();
        Ok(Self {
            // Absolute: commands come from other directories, and a new process may be started in another one.
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            log: log.clone(),
            edge,
            serving: tokio::sync::watch::Sender::new(generation.number()),
            at_start: generation.topology().restart_settings(),
            generation: ArcSwap::new(generation),
            addresses,
            started: now(),
            reloading: tokio::sync::Mutex::new(()),
            keeping_denials: tokio::sync::Mutex::default(),
            log_levels: Mutex::default(),
            last_reload: Mutex::new(None),
            retired: AtomicBool::new(false),
            letting_go: Mutex::new(None),
            reloads: Mutex::default(),
            outside: Outside::default(),
            http: HttpSocket::default(),
            draining: AtomicBool::new(false),
        })
    }

    /// From here on connections are served: supervisors and tests wait for this line.
    pub(super) fn announce(&self) {
        self.log.record(Event::Ready {
            generation: self.generation().number(),
        });
    }

    /// Shakes hands with each listener before anything is accepted there.
    ///
    /// # Errors
    /// One does not show the certificate that the topology says.
    pub(super) async fn try_listeners(&self) -> Result<(), DaemonError> {
        let addresses = self.edge.trial_addresses();
        // As after a reload, by the certificates and not by what was loaded.
        let served = own_listeners::check(&self.generation(), &addresses, &self.edge).await;
        let wrong = served.iter().find(|it| it.result != ServedResult::Expected);
        wrong.map_or(Ok(()), |it| Err(DaemonError::Trial(it.to_string())))
    }

    /// Makes a generation the one that serves; returns the one before.
    pub(super) fn serve_generation(&self, generation: &Arc<Generation>) -> Arc<Generation> {
        let before = self.generation.swap(Arc::clone(generation));
        self.serving.send_replace(generation.number());
        before
    }

    /// Name and bound address of each listener.
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }

    /// The generation that serves.
    pub fn generation(&self) -> Arc<Generation> {
        self.generation.load_full()
    }

    /// Another process of this node has the listeners from now on, or no longer: who waits for another generation looks.
    pub(super) fn retire(&self, is_retired: bool) {
        self.retired.store(is_retired, Ordering::Relaxed);
        self.serving.send_replace(self.generation().number());
    }

    /// Wakes who waits for another generation to serve.
    pub(super) fn serving(&self) -> tokio::sync::watch::Receiver<u64> {
        self.serving.subscribe()
    }

    /// Figures; `None` when a shard does not answer within `patience`.
    pub async fn status(&self, patience: Duration) -> Option<EdgeStatus> {
        self.edge.status(patience).await
    }

    /// Whether it takes nothing new: it has begun to stop, or lets its clients go.
    pub(super) fn is_draining(&self) -> bool {
        let letting_go = self.letting_go.lock();
        let lets_go = letting_go.unwrap_or_else(PoisonError::into_inner).is_some();
        self.draining.load(Ordering::Relaxed) || lets_go
    }

    /// How the reloads of this run ended.
    pub(super) fn reload_tally(&self) -> ReloadTally {
        *self.reloads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drains for at most `limits.drain` and ends. Returns the number of transactions that did not finish.
    pub async fn stop(&self) -> usize {
        // First: a balancer that looks now must send nobody here any more.
        self.draining.store(true, Ordering::Relaxed);
        let bound = self.generation().topology().limits().drain;
        // Only for the log: a shard that stands still does not delay the drain by more than this.
        let transactions = self
            .status(Duration::from_secs(1))
            .await
            .map(|s| s.transactions);
        self.log.record(Event::Drain { transactions });
        let abandoned = self.edge.drain(bound).await;
        self.log.record(Event::Stopped { abandoned });
        abandoned
    }

    /// Takes over whom an operator had the process before this one refuse, or admit again, while this one began.
    pub(super) fn take_over_denials(&self) {
        let denied = denied_before(self.generation().topology(), &self.log);
        if let Some(denied) = denied {
            self.edge.restore_denials(denied);
        }
    }
}

/// Whom an operator had an earlier process refuse; `None`: that is not known. What cannot be read is no reason not to start:
/// an operator learns of it and denies again.
fn denied_before(topology: &Topology, log: &Log) -> Option<Vec<Denial>> {
    let directory = crl_state::directory(topology)?;
    let denied = denial_state::read(&directory);
    let note = |error: &std::io::Error| {
        let path = denial_state::path_in(&directory);
        log.record(Event::Warning {
            reason: DaemonReason::StateDamaged.into(),
            detail: format!("what {} holds is not used: {error}", path.display()),
        });
    };
    denied.inspect_err(note).ok()
}
