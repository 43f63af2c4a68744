//! Dropping what is known of a series of CRLs, for an operator whose CA was restored with lower numbers.
use super::forget_request::{ForgottenCrls, Unforgotten};
use super::reports::log_updated;
use super::timer::{Timer, read_all};
use crate::daemon::crl_state;
use crate::daemon::node::Daemon;
use crate::topology::{Revocation, TrustRef};
use crate::trust::{Ledger, Read, Series};
use rustls_pki_types::UnixTime;
use std::collections::HashSet;
use std::sync::Arc;

/// Characters of a series' id that are enough to mean it.
const SHORTEST_ID: usize = 8;

impl Timer {
    /// Drops what is known of a series, and looks at once at what the files and the last fetches hold.
    pub(super) async fn forget(
        &mut self,
        daemon: &Daemon,
        wanted: &str,
    ) -> Result<ForgottenCrls, Unforgotten> {
        let _one_at_a_time = daemon.reloading.lock().await;
        let generation = daemon.generation();
        // Everything below refers to the generation that serves now, which the lock keeps in place.
        let series = find(generation.ledger(), wanted)?;
        let id = series.id();
        let number = generation.number() + 1;
        // A ledger without the series: its next CRL is taken whatever its number is.
        let without = generation
            .forgetting(id, number)
            .ok_or(Unforgotten::Unknown)?;
        // Every set is read again at once, or the files' older CRL would be missed until its next turn.
        let mut due = Vec::new();
        let mut asked = HashSet::new();
        for (reference, set) in (0u32..).map(TrustRef).zip(generation.topology().trusts()) {
            // Sets that ask for no CRLs have none to be read.
            if set.revocation != Revocation::Off {
                due.push((reference, set.crl_sources.clone(), self.fetched.of_set(set)));
                asked.insert(set.name.clone());
            }
        }
        let looked = tokio::task::spawn_blocking(move || {
            let read = Read {
                crls: read_all(due),
                ..Read::default()
            };
            let mut refreshed = without.refresh(number, read, UnixTime::now());
            // Without anything new in the files the generation without the series is the next one.
            let next = refreshed.generation.take().unwrap_or(without);
            refreshed.generation = Some(next);
            refreshed
        });
        // The task has panicked or the process ends: nothing has changed.
        let mut refreshed = looked.await.map_err(|_| Unforgotten::NoAnswer)?;
        let next = refreshed.generation.take().map(Arc::new);
        let next = next.ok_or(Unforgotten::NoAnswer)?;
        // Reported after the generation serves, as at every other look.
        let updated = std::mem::take(&mut refreshed.updated);
        // OCSP responses were not read: what was logged of them stands.
        refreshed.notes = self.unstapled.clone();
        daemon
            .install(next)
            .await
            .map_err(|_| Unforgotten::NoAnswer)?;
        self.apply(refreshed, &asked, daemon).await;
        log_updated(updated, number, daemon);
        // Last: what is in force must not depend on whether the directory can be written.
        let directory = crl_state::directory(generation.topology());
        self.store
            // A file that stays would bring the old number back at the next start.
            .forget(directory.as_deref(), id)
            .map_err(Unforgotten::Kept)?;
        Ok(ForgottenCrls {
            id: id.to_string(),
            issuer: series.issuer().to_owned(),
            number: series.number_text(),
            generation: number,
        })
    }
}

/// The series that an operator means, if it is one.
fn find<'l>(ledger: &'l Ledger, wanted: &str) -> Result<&'l Arc<Series>, Unforgotten> {
    // The beginning of an id is enough, if it is not so short that it was meant otherwise.
    if wanted.len() < SHORTEST_ID {
        return Err(Unforgotten::TooShort);
    }
    let all = ledger.all().into_iter();
    let mut found = all.filter(|series| series.id().to_string().starts_with(wanted));
    match (found.next(), found.next()) {
        (None, _) => Err(Unforgotten::Unknown),
        (Some(series), None) => Ok(series),
        (Some(_), Some(_)) => Err(Unforgotten::Ambiguous),
    }
}
