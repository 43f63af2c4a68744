//! What operators have denied, kept in the state directory as it is at the moment; what a full disk did not take is written
//! as soon as there is room, by the process that takes over as well.
use super::node::Daemon;
use super::{crl_state, denial_state};
use crate::edge::Denial;
use crate::observe::Event;
use crate::reason::DaemonReason;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Daemon {
    /// Writes them into the state directory, if there is one. Where it cannot be written, the CRL timer tries again.
    pub(super) async fn keep_denials(&self) {
        // One writer at a time: each writes all of them, so that the last one is right.
        let mut hindered = self.keeping_denials.lock().await;
        *hindered = self.write_denials().await;
        if let Some(detail) = &*hindered {
            self.log.record(Event::Warning {
                reason: DaemonReason::StateUnwritable.into(),
                detail: format!("{detail}; until it can be, denials end with this process"),
            });
        }
    }

    /// The same if they could not be written the last time. That has been logged once, which is enough.
    pub(super) async fn keep_denials_again(&self) {
        let mut hindered = self.keeping_denials.lock().await;
        if hindered.is_some() {
            *hindered = self.write_denials().await;
        }
    }

    /// Takes over whom operators have the process before this one refuse, and writes what that could not write.
    ///
    /// It could be that its disk was full: what this process has read at its start is then not what is in force. Nobody is waited
    /// for, since a disk may hang.
    pub(super) fn inherit_denials(self: &Arc<Self>, denials: Vec<Denial>) {
        let before = self.made_denials();
        self.edge.restore_denials(denials);
        if self.made_denials() != before {
            let daemon = Arc::clone(self);
            tokio::spawn(async move { daemon.keep_denials().await });
        }
    }

    /// Those of operators; those of the topology file stand there.
    fn made_denials(&self) -> Vec<Denial> {
        let mut made = self.edge.denials();
        made.retain(|denial| denial.until.is_some());
        made
    }

    /// Returns what has hindered it.
    async fn write_denials(&self) -> Option<String> {
        // Another process of this node keeps the state directory.
        if self.retired.load(Ordering::Relaxed) {
            return None;
        }
        let directory = crl_state::directory(self.generation().topology())?;
        let made = self.made_denials();
        let path = denial_state::path_in(&directory);
        // A disk that hangs must not hold up the thread that feeds the watchdog.
        let write = move || denial_state::write(&directory, &made);
        let written = tokio::task::spawn_blocking(write).await;
        // The other failure is a runtime that ends.
        let error = written.ok()?.err()?;
        Some(format!("{}: {error}", path.display()))
    }
}
