//! Start-up, generations and reload, drain: the daemon without signals, as the demo and the tests embed it; `service`
//! adds signals and systemd.

mod service;

pub use service::serve;

use crate::edge::{Bound, Edge, EdgeError, EdgeStatus};
use crate::observe::{Event, Log};
use crate::topology::{self, Accept, Fault};
use crate::trust::Generation;
use rustls_pki_types::UnixTime;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
    /// The process has no runtime or signals.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}

/// A running node.
pub struct Daemon {
    path: PathBuf,
    log: Log,
    edge: Edge,
    generation: Arc<Generation>,
    addresses: Vec<(String, SocketAddr)>,
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
        log.emit(Event::Start {
            version: env!("CARGO_PKG_VERSION"),
            topology: path.to_owned(),
            shards: crate::edge::shards(topology),
        });
        warn(&generation, log);
        let bound = Bound::bind(&generation)?;
        let addresses = bound.addresses();
        let edge = Edge::start(Arc::clone(&generation), bound, log.clone())?;
        for (listener, address, accept) in &addresses {
            let accept = match accept {
                Accept::Clients => "clients",
                Accept::Peers => "peers",
                Accept::Both => "both",
            };
            log.emit(Event::Listening {
                listener: listener.clone(),
                address: *address,
                accept,
            });
        }
        log.emit(Event::Ready {
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
            generation,
            addresses,
        })
    }

    /// Name and bound address of each listener.
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }

    /// The generation that serves.
    pub fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// Loads the file again: a good one serves from now on, everywhere; a bad one changes nothing.
    ///
    /// # Errors
    /// The faults; the old generation goes on.
    pub async fn reload(&mut self) -> Result<(), DaemonError> {
        let started = now();
        let number = self.generation.number() + 1;
        let path = self.path.clone();
        // Reading files and keys takes a while; the shards are other threads and go on meanwhile.
        let loaded = tokio::task::spawn_blocking(move || load(&path, number)).await;
        let loaded = loaded.map_err(|e| DaemonError::System(std::io::Error::other(e)))?;
        let outcome = match loaded {
            Ok(generation) => match self.edge.swap(Arc::clone(&generation)).await {
                Ok(()) => Ok(generation),
                Err(error) => Err(DaemonError::Edge(error)),
            },
            Err(faults) => Err(DaemonError::Topology(faults)),
        };
        match outcome {
            Ok(generation) => {
                let (old, new) = (self.generation.topology(), generation.topology());
                let mut details = old.changes(new);
                details.extend(
                    old.restart_needed(new)
                        .into_iter()
                        .map(|what| format!("needs a restart: {what}")),
                );
                self.log.configure(*new.log());
                self.generation = generation;
                self.reloaded("ok", details, started);
                warn(&self.generation, &self.log);
                Ok(())
            }
            Err(error) => {
                let details = match &error {
                    DaemonError::Topology(faults) => faults.iter().map(line).collect(),
                    DaemonError::Edge(_) | DaemonError::System(_) => vec![error.to_string()],
                };
                self.reloaded("refused", details, started);
                Err(error)
            }
        }
    }

    fn reloaded(&self, result: &'static str, details: Vec<String>, started: Instant) {
        self.log.emit(Event::Reload {
            generation: self.generation.number(),
            result,
            details,
            took: now().saturating_duration_since(started),
        });
    }

    /// Figures; `None` when a shard does not answer within `patience`.
    pub async fn status(&self, patience: Duration) -> Option<EdgeStatus> {
        self.edge.status(patience).await
    }

    /// Drains for at most `limits.drain` and ends. Gives the number of transactions that did not finish.
    pub async fn stop(self) -> usize {
        let bound = self.generation.topology().limits().drain;
        let transactions = self
            .status(Duration::from_secs(1))
            .await
            .map_or(0, |s| s.transactions);
        self.log.emit(Event::Drain { transactions });
        let abandoned = self.edge.drain(bound).await;
        self.log.emit(Event::Stopped { abandoned });
        abandoned
    }
}

/// Reads a generation whole.
///
/// # Errors
/// Every fault at once.
pub fn load(path: &Path, number: u64) -> Result<Arc<Generation>, Vec<Fault>> {
    let at = UnixTime::now();
    let topology = topology::load(path, at)?;
    Generation::build(number, topology, at).map(Arc::new)
}

/// What works but will surprise.
fn warn(generation: &Generation, log: &Log) {
    let topology = generation.topology();
    if topology.tokens().keys.is_empty() {
        log.emit(Event::TokenKeyRandom);
    }
    for warning in topology.warnings().iter().chain(generation.notes()) {
        log.emit(Event::Warning {
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
