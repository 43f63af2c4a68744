//! Start-up, generations and reload, drain: the daemon without signals, as the demo and the tests embed it; `service`
//! adds signals, systemd and the [`control`] socket.

mod address_guard;
pub mod control;
mod crl_fetch;
pub mod crl_state;
mod crl_timer;
mod forecast;
mod own_listeners;
mod plan;
mod service;
#[cfg(test)]
mod tests;
mod watch;

use crate::reason::{DaemonReason, Reason};
pub use plan::Plan;
pub use service::serve;

use crate::edge::{BoundListeners, Down, Edge, EdgeError, EdgeStatus, KickTarget, LiveConnections};
use crate::observe::{Event, Log};
use crate::topology::{self, Accept, CrlReason, Fault, Topology};
use crate::trust::{Before, Generation, decide, explain, explain_inbound};
use arc_swap::ArcSwap;
use control::{
    Chains, CrlSeries, ExplainedDecision, Inventory, LastDown, ListenerStatus, LivePeer, Outline,
    PastDecision, PeerStatus, ReloadReport, ReloadResult, SeenNow, ShownByClients, Status,
    Unavailable,
};
use rustls_pki_types::UnixTime;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The topology cannot be used.
    #[error("{}", lines(.0))]
    Topology(Vec<Fault>),
    /// Sockets or threads cannot be had.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// The control socket that the topology names cannot be had.
    #[error(transparent)]
    Control(#[from] Unavailable),
    /// The process has no runtime or signals.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}

/// A running node.
pub struct Daemon {
    path: PathBuf,
    log: Log,
    edge: Edge,
    generation: ArcSwap<Generation>,
    addresses: Vec<(String, SocketAddr)>,
    started: Instant,
    /// The number of the generation that serves, for those who wait for another.
    serving: tokio::sync::watch::Sender<u64>,
    /// Held by the reload that runs: generations follow each other.
    reloading: tokio::sync::Mutex<()>,
    last_reload: Mutex<Option<ReloadReport>>,
}

impl Daemon {
    /// Loads the topology, binds, starts the shards, and says `ready`.
    ///
    /// # Errors
    /// A topology with faults, an address that is taken, a thread that cannot be started. Then nothing runs.
    pub fn start(path: &Path, log: &Log) -> Result<Self, DaemonError> {
        let generation = load(path, 1).map_err(DaemonError::Topology)?;
        Self::start_loaded(path, generation, log)
    }

    /// As [`Self::start`], with the first generation at hand.
    ///
    /// # Errors
    /// An address that is taken, a thread that cannot be started.
    pub fn start_loaded(
        path: &Path,
        generation: Arc<Generation>,
        log: &Log,
    ) -> Result<Self, DaemonError> {
        let topology = generation.topology();
        log.record(Event::Start {
            version: env!("CARGO_PKG_VERSION"),
            topology: path.to_owned(),
            shards: crate::edge::shards(topology),
        });
        warn(&generation, log);
        let bound = BoundListeners::bind(&generation)?;
        let addresses = bound.addresses();
        let edge = Edge::start(Arc::clone(&generation), bound, log.clone())?;
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
        log.record(Event::Ready {
            generation: generation.number(),
        });
        let addresses = addresses
            .into_iter()
            .map(|(name, address, _)| (name, address))
            .collect();
        Ok(Self {
            path: path.to_owned(),
            log: log.clone(),
            edge,
            serving: tokio::sync::watch::Sender::new(generation.number()),
            generation: ArcSwap::new(generation),
            addresses,
            started: now(),
            reloading: tokio::sync::Mutex::new(()),
            last_reload: Mutex::new(None),
        })
    }

    /// Name and bound address of each listener.
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }

    /// The generation that serves.
    pub fn generation(&self) -> Arc<Generation> {
        self.generation.load_full()
    }

    /// Tells when another generation serves.
    fn serving(&self) -> tokio::sync::watch::Receiver<u64> {
        self.serving.subscribe()
    }

    /// Loads the file again: a good one serves from now on, everywhere; a bad one changes nothing. `trigger` says who
    /// asked, for the log. The report tells how it ended and why.
    pub async fn reload(&self, trigger: &'static str) -> ReloadReport {
        let _one_at_a_time = self.reloading.lock().await;
        let started = now();
        let previous = self.generation();
        let path = self.path.clone();
        // Reading files and keys takes a while; the shards are other threads and go on meanwhile.
        let loaded = tokio::task::spawn_blocking(move || load_after(&path, &previous)).await;
        let outcome = match loaded {
            Ok(Ok(generation)) => self.install(generation).await,
            Ok(Err(faults)) => Err(faults.iter().map(line).collect()),
            Err(error) => Err(vec![DaemonError::System(error.into()).to_string()]),
        };
        let mut report = ReloadReport {
            result: ReloadResult::Ok,
            generation: self.generation().number(),
            changes: Vec::new(),
            restart: Vec::new(),
            faults: Vec::new(),
            served: Vec::new(),
            took_us: 0,
        };
        match outcome {
            Ok((changes, restart)) => {
                report.changes = changes;
                report.restart = restart;
                report.served = own_listeners::check(&self.generation(), &self.addresses).await;
            }
            Err(faults) => {
                report.result = ReloadResult::Refused;
                report.faults = faults;
            }
        }
        let took = now().saturating_duration_since(started);
        report.took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.reloaded(&report, trigger, took);
        report
    }

    /// Makes a loaded generation the one that serves; gives what is different and what waits for a restart.
    async fn install(
        &self,
        generation: Arc<Generation>,
    ) -> Result<(Vec<String>, Vec<String>), Vec<String>> {
        self.edge
            .swap(Arc::clone(&generation))
            .await
            .map_err(|error| vec![error.to_string()])?;
        let before = self.generation.swap(Arc::clone(&generation));
        self.serving.send_replace(generation.number());
        self.log.configure(*generation.topology().log());
        // A large file takes a while to compare, and the one before to be taken apart.
        let compare = move || {
            let (old, new) = (before.topology(), generation.topology());
            (old.changes(new), old.restart_needed(new))
        };
        // It serves, whatever becomes of the comparison.
        Ok(tokio::task::spawn_blocking(compare)
            .await
            .unwrap_or_default())
    }

    /// Tells of a reload: in the log, and to whoever asks later.
    fn reloaded(&self, report: &ReloadReport, trigger: &'static str, took: Duration) {
        let restart = report.restart.iter();
        let details = report.changes.iter().chain(&report.faults).cloned();
        self.log.record(Event::Reload {
            generation: report.generation,
            trigger,
            result: report.result.word(),
            details: details
                .chain(restart.map(|what| format!("needs a restart: {what}")))
                .collect(),
            served: report.served.iter().map(ToString::to_string).collect(),
            took,
        });
        for other in report.served.iter().filter(|check| check.is_wrong()) {
            self.log.record(Event::Warning {
                code: DaemonReason::ListenerServesAnotherCertificate.into(),
                what: other.to_string(),
            });
        }
        if report.result == ReloadResult::Ok {
            warn(&self.generation(), &self.log);
        }
        let mut last = self
            .last_reload
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = Some(report.clone());
    }

    /// Figures for an operator; `None` when a shard does not answer within `patience`.
    pub async fn report(&self, patience: Duration) -> Option<Status> {
        let edge = self.status(patience).await?;
        let links = self.edge.connections(patience).await?;
        let generation = self.generation();
        let last = self.last_reload.lock();
        let last_reload = last.unwrap_or_else(PoisonError::into_inner).clone();
        Some(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_s: now().saturating_duration_since(self.started).as_secs(),
            topology: self.path.clone(),
            generation: generation.number(),
            last_reload,
            listeners: self
                .addresses
                .iter()
                .map(|(name, address)| ListenerStatus {
                    name: name.clone(),
                    address: *address,
                })
                .collect(),
            shards: self.edge.shards(),
            clients: edge.clients,
            peers: edge.peers,
            by_peer: by_peer(generation.topology(), &links),
            transactions: edge.transactions,
            contexts: edge.contexts,
            log_lost: self.log.lost(),
        })
    }

    /// Figures; `None` when a shard does not answer within `patience`.
    pub async fn status(&self, patience: Duration) -> Option<EdgeStatus> {
        self.edge.status(patience).await
    }

    /// Closes a connection by its number, or all of a peer by its FQDN; gives how many. `None` when a shard does not answer
    /// within `patience`.
    pub async fn kick(&self, what: &str, patience: Duration) -> Option<usize> {
        let which = match what.parse() {
            Ok(number) => KickTarget::Connection(number),
            Err(_) => KickTarget::Peer(what.trim_end_matches('.').to_ascii_lowercase()),
        };
        self.edge.kick(&which, patience).await
    }

    /// What a new topology would be judged by. `None` when a shard does not answer within `patience`.
    pub async fn inventory(self: Arc<Self>, patience: Duration) -> Option<Inventory> {
        let links = self.edge.connections(patience).await?;
        // Every chain that is kept is judged once: not in the thread that feeds the watchdog.
        tokio::task::spawn_blocking(move || self.take_stock(links))
            .await
            .ok()
    }

    fn take_stock(&self, links: LiveConnections) -> Inventory {
        let generation = self.generation();
        let mut chains = Chains::default();
        let peers = links.peers.into_iter().map(|link| LivePeer {
            connection: link.connection,
            peer: link.peer,
            listener: link.listener,
            remote: link.remote,
            chain: chains.number(&link.chain),
            shown: link.shown.map(|leaf| chains.number(&[leaf])),
        });
        let peers = peers.collect();
        let shown_by_clients = links.shown_by_clients.into_iter();
        let shown_by_clients = shown_by_clients.map(|((listener, chain), count)| ShownByClients {
            listener,
            chain: chains.number(&chain),
            count,
        });
        let shown_by_clients = shown_by_clients.collect();
        let seen = self.edge.seen().all().into_iter().map(|seen| {
            let presented = seen.presented_to(&generation);
            let direction = seen.decision.direction;
            let judged = decide(&presented, direction, &generation, UnixTime::now());
            SeenNow {
                then: PastDecision::from(&seen),
                speaks_for: judged
                    .ok()
                    .and_then(|peer| peer.decision().peer_fqdn.clone()),
                chain: chains.number(&seen.chain),
            }
        });
        let seen = seen.collect();
        Inventory {
            topology: self.path.clone(),
            generation: generation.number(),
            outline: Outline::of(generation.topology()),
            clients: links.clients,
            shown_by_clients,
            peers,
            left_out: links.left_out,
            seen,
            chains: chains.into_all(),
        }
    }

    /// The CRLs that are held.
    pub fn held_crls(&self) -> Vec<CrlSeries> {
        let held = self.generation().held_crls();
        held.iter().map(CrlSeries::of).collect()
    }

    /// What was decided about a chain, and what would be decided now; `None` when it is not kept any more.
    pub fn explain(&self, decision: &str) -> Option<ExplainedDecision> {
        let seen = self.edge.seen().find(decision)?;
        let generation = self.generation();
        let listener = seen.listener_in(generation.topology());
        let now = match listener {
            Some(listener) => explain_inbound(&seen.chain, listener, &generation, UnixTime::now()),
            None => {
                let presented = seen.presented_to(&generation);
                let direction = seen.decision.direction;
                explain(&presented, direction, &generation, UnixTime::now())
            }
        };
        Some(ExplainedDecision {
            then: PastDecision::from(&seen),
            now,
        })
    }

    /// Drains for at most `limits.drain` and ends. Gives the number of transactions that did not finish.
    pub async fn stop(&self) -> usize {
        let bound = self.generation().topology().limits().drain;
        let transactions = self
            .status(Duration::from_secs(1))
            .await
            .map(|s| s.transactions);
        self.log.record(Event::Drain { transactions });
        let abandoned = self.edge.drain(bound).await;
        self.log.record(Event::Stopped { abandoned });
        abandoned
    }
}

/// Reads the generation with which a process starts whole, with the CRLs that the state directory holds; nothing is written
/// there.
///
/// # Errors
/// Every fault at once.
pub fn load(path: &Path, number: u64) -> Result<Arc<Generation>, Vec<Fault>> {
    let at = UnixTime::now();
    let topology = topology::load(path, at)?;
    let directory = crl_state::directory(&topology);
    let kept = directory.as_deref().map(crl_state::read);
    build(topology, kept, |before, topology| {
        Generation::build_at_start(before, number, topology, at)
    })
    .map(Arc::new)
}

/// A generation upon what was kept; `None`: there is no place for it.
fn build(
    topology: Topology,
    kept: Option<crl_state::Kept>,
    make: impl FnOnce(Before<'_>, Topology) -> Result<Generation, Vec<Fault>>,
) -> Result<Generation, Vec<Fault>> {
    let notes = match &kept {
        Some(kept) => kept.notes(&topology),
        None => crl_state::missing(&topology).into_iter().collect(),
    };
    let kept = kept.unwrap_or_default();
    let before = Before {
        ledger: Some(&kept.ledger),
        ..Before::default()
    };
    Ok(make(before, topology)?.with_notes(notes))
}

/// As [`load`], for a command that looks at a file without serving it.
///
/// # Errors
/// Every fault at once.
pub fn look_at(path: &Path, at: UnixTime) -> Result<Generation, Vec<Fault>> {
    let topology = topology::load(path, at)?;
    let directory = crl_state::readable_directory(&topology);
    let kept = directory.as_deref().map(crl_state::read);
    build(topology, kept, |before, topology| {
        Generation::build_after(before, 1, topology, at)
    })
}

/// As [`look_at`] without running the expectations: only for asking what would be decided.
///
/// # Errors
/// Every fault at once.
pub fn prepare(path: &Path, at: UnixTime) -> Result<Generation, Vec<Fault>> {
    let topology = topology::load(path, at)?;
    let directory = crl_state::readable_directory(&topology);
    let kept = directory
        .as_deref()
        .map(crl_state::read)
        .unwrap_or_default();
    let before = Before {
        ledger: Some(&kept.ledger),
        ..Before::default()
    };
    Generation::prepare_after(before, 1, topology, at)
}

/// Reads a generation whole that takes the place of `previous`: no CRL of it is replaced by a worse one.
///
/// # Errors
/// Every fault at once.
pub fn load_after(path: &Path, previous: &Generation) -> Result<Arc<Generation>, Vec<Fault>> {
    let at = UnixTime::now();
    let topology = topology::load(path, at)?;
    let before = Before {
        previous: Some(previous),
        ..Before::default()
    };
    Generation::build_after(before, previous.number() + 1, topology, at).map(Arc::new)
}

/// The topology's peers with their connections.
fn by_peer(topology: &Topology, links: &LiveConnections) -> Vec<PeerStatus> {
    let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
    for link in &links.peers {
        let (inbound, outbound) = counts.entry(&link.peer).or_default();
        match link.listener {
            Some(_) => *inbound += 1,
            None => *outbound += 1,
        }
    }
    // Of each peer the latest: every shard has one of its own.
    let mut downs: HashMap<&str, &Down> = HashMap::new();
    for down in &links.downs {
        let last = downs.entry(&down.peer).or_insert(down);
        if down.ago < last.ago {
            *last = down;
        }
    }
    let peers = topology.peers().iter().map(|peer| {
        let (inbound, outbound) = counts.get(peer.fqdn.as_str()).copied().unwrap_or_default();
        PeerStatus {
            peer: peer.fqdn.to_string(),
            kind: peer.kind.word().to_owned(),
            inbound,
            outbound,
            last_down: downs.get(peer.fqdn.as_str()).map(|down| LastDown {
                reason: down.reason.to_string(),
                ago_s: down.ago.as_secs(),
            }),
        }
    });
    peers.collect()
}

/// What works but will surprise.
fn warn(generation: &Generation, log: &Log) {
    let topology = generation.topology();
    if topology.tokens().keys.is_empty() {
        log.record(Event::TokenKeyRandom);
    }
    for refused in generation.refused_crls() {
        log.record(crl_timer::refused_event(refused));
    }
    // A refused CRL has its own event.
    let reported = |code: Reason| CrlReason::ALL.iter().any(|refusal| code == *refusal);
    let notes = generation
        .notes()
        .iter()
        .filter(|note| !reported(note.code));
    for warning in topology.warnings().iter().chain(notes) {
        log.record(Event::Warning {
            code: warning.code,
            what: line(warning),
        });
    }
}

/// A fault in one line.
fn line(fault: &Fault) -> String {
    let at = fault.line.map(|l| format!(":{l}")).unwrap_or_default();
    format!(
        "{}{at}: {}: {} ({})",
        fault.file.display(),
        fault.code,
        fault.what,
        fault.remedy
    )
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a reload took is for the log only"
)]
fn now() -> Instant {
    Instant::now()
}
