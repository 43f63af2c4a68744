//! A reload: the topology is read again, and serves if it is good; a bad one changes nothing.
use super::clock::now;
use super::error::DaemonError;
use super::loading::load_after;
use super::node::Daemon;
use super::own_listeners;
use super::reload_report::{ReloadReport, ReloadResult};
use super::warnings::{line, log_warnings};
use crate::observe::Event;
use crate::reason::DaemonReason;
use crate::trust::Generation;
use rustls_pki_types::UnixTime;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

impl Daemon {
    /// Loads the file again: a good one serves from now on, everywhere; a bad one changes nothing. `trigger` is who asked,
    /// for the log. The report has how it ended and why.
    pub async fn reload(&self, trigger: &'static str) -> ReloadReport {
        // The next one compares with what this one has made.
        let _one_at_a_time = self.reloading.lock().await;
        let started = now();
        let previous = self.generation();
        let path = self.path.clone();
        // Reading files and keys takes a while; the shards are other threads and go on meanwhile.
        let loaded = tokio::task::spawn_blocking(move || load_after(&path, &previous)).await;
        let outcome = match loaded {
            Ok(Ok(generation)) => self.install(generation).await,
            Ok(Err(faults)) => Err(faults.iter().map(line).collect()),
            // The task has panicked, or the process ends.
            Err(error) => Err(vec![DaemonError::System(error.into()).to_string()]),
        };
        // The report of a success without changes, which the outcome fills in.
        let mut report = ReloadReport {
            result: ReloadResult::Ok,
            generation: self.generation().number(),
            changes: Vec::new(),
            restart: Vec::new(),
            faults: Vec::new(),
            served: Vec::new(),
            took_us: 0,
            former: None,
        };
        match outcome {
            Ok((changes, restart)) => {
                report.changes = changes;
                report.restart = restart;
                // The files may be right and another process on the port: only a handshake shows what is served.
                report.served =
                    own_listeners::check(&self.generation(), &self.addresses, &self.edge).await;
            }
            Err(faults) => {
                report.result = ReloadResult::Refused;
                report.faults = faults;
            }
        }
        // Handshakes with the listeners included: that is when who asked may rely on it.
        let took = now().saturating_duration_since(started);
        report.took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.reloaded(&report, trigger, took);
        report
    }

    /// Makes a loaded generation the one that serves; returns what is different, and what waits for a restart since the
    /// daemon has run.
    ///
    /// # Errors
    /// The edge does not take it; then the one before goes on in every shard.
    pub(super) async fn install(
        &self,
        generation: Arc<Generation>,
    ) -> Result<(Vec<String>, Vec<String>), Vec<String>> {
        // The edge first: it can refuse. What follows cannot fail.
        self.edge
            .swap(Arc::clone(&generation))
            .await
            .map_err(|error| vec![error.to_string()])?;
        let before = self.serve_generation(&generation);
        self.log.configure(generation.topology().log());
        // A large file takes a while to compare, and the one before to be taken apart.
        // After it serves: the comparison is for the report only.
        let at_start = self.at_start.clone();
        let compare = move || {
            let (old, new) = (before.topology(), generation.topology());
            (old.changes(new), at_start.changes(&new.restart_settings()))
        };
        // It serves, whatever becomes of the comparison.
        Ok(tokio::task::spawn_blocking(compare)
            .await
            .unwrap_or_default())
    }

    /// Reports a reload: in the log, and to whoever asks for the status later.
    fn reloaded(&self, report: &ReloadReport, trigger: &'static str, took: Duration) {
        let restart = report.restart.iter();
        // Changes, faults and what needs a restart in one list: a person reads the line from its beginning.
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
        // A warning of its own, since the reload itself has succeeded.
        for other in report.served.iter().filter(|check| check.is_wrong()) {
            self.log.record(Event::Warning {
                reason: DaemonReason::ListenerServesAnotherCertificate.into(),
                detail: other.to_string(),
            });
        }
        // Of a refused file the faults are in the event; warnings are about what serves.
        if report.result == ReloadResult::Ok {
            log_warnings(&self.generation(), &self.log);
        }
        let mut tally = self.reloads.lock().unwrap_or_else(PoisonError::into_inner);
        tally.add(report.result, UnixTime::now().as_secs());
        drop(tally);
        let mut last = self
            .last_reload
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = Some(report.clone());
    }
}
