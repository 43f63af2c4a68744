//! Dropping what is known of a series of CRLs, for an operator whose CA was restored with lower numbers.
use super::{Timer, read_all, tell_updated};
use crate::daemon::{Daemon, crl_state};
use crate::topology::{Revocation, TrustRef};
use crate::trust::{Ledger, Read, Series, SeriesId};
use rustls_pki_types::UnixTime;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Characters of a series' id that are enough to mean it.
const SHORTEST_ID: usize = 8;

/// An operator's wish to have a series dropped.
pub(in crate::daemon) struct Forget {
    /// Its id, or the beginning of it.
    pub(in crate::daemon) id: String,
    /// What comes of it.
    pub(in crate::daemon) reply: oneshot::Sender<Result<Forgotten, Unforgotten>>,
}

/// A series that was dropped.
pub(in crate::daemon) struct Forgotten {
    pub(in crate::daemon) id: SeriesId,
    pub(in crate::daemon) issuer: String,
    pub(in crate::daemon) number: Option<String>,
    /// The generation that serves without it.
    pub(in crate::daemon) generation: u64,
}

/// Why none was.
#[derive(Debug, thiserror::Error)]
pub(in crate::daemon) enum Unforgotten {
    /// No series has the id.
    #[error("no series of CRLs has this id: sipward crls lists them")]
    Unknown,
    /// Several have it.
    #[error("several series begin like this: name the whole id")]
    Ambiguous,
    /// It is in force no more, but the state directory holds it.
    #[error("what the state directory holds of it cannot be removed: {0}")]
    Kept(std::io::Error),
    /// The shards did not take the new generation.
    #[error("a shard does not answer")]
    NoAnswer,
}

impl Timer {
    /// Drops what is known of a series, and looks at once at what the files and the last fetches hold.
    pub(super) async fn forget(
        &mut self,
        daemon: &Daemon,
        wanted: &str,
    ) -> Result<Forgotten, Unforgotten> {
        let _one_at_a_time = daemon.reloading.lock().await;
        let generation = daemon.generation();
        let series = find(generation.ledger(), wanted)?;
        let id = series.id();
        let number = generation.number() + 1;
        let without = generation
            .forgetting(id, number)
            .ok_or(Unforgotten::Unknown)?;
        let mut due = Vec::new();
        let mut asked = HashSet::new();
        for (reference, set) in (0u32..).map(TrustRef).zip(generation.topology().trusts()) {
            if set.revocation != Revocation::Off {
                due.push((reference, set.crl_sources.clone(), self.fetched_for(set)));
                asked.insert(set.name.clone());
            }
        }
        let looked = tokio::task::spawn_blocking(move || {
            let read = Read {
                crls: read_all(due),
                ..Read::default()
            };
            let mut refreshed = without.refresh(number, read, UnixTime::now());
            let next = refreshed.generation.take().unwrap_or(without);
            refreshed.generation = Some(next);
            refreshed
        });
        let mut refreshed = looked.await.map_err(|_| Unforgotten::NoAnswer)?;
        let next = refreshed.generation.take().map(Arc::new);
        let next = next.ok_or(Unforgotten::NoAnswer)?;
        let updated = std::mem::take(&mut refreshed.updated);
        refreshed.notes = self.unstapled.clone();
        daemon
            .install(next)
            .await
            .map_err(|_| Unforgotten::NoAnswer)?;
        self.apply(refreshed, &asked, daemon).await;
        tell_updated(updated, number, daemon);
        let directory = crl_state::directory(generation.topology());
        self.store
            .forget(directory.as_deref(), id)
            .map_err(Unforgotten::Kept)?;
        Ok(Forgotten {
            id,
            issuer: series.issuer().to_owned(),
            number: series.number_text(),
            generation: number,
        })
    }
}

/// The series that an operator means.
fn find<'l>(ledger: &'l Ledger, wanted: &str) -> Result<&'l Arc<Series>, Unforgotten> {
    let all = ledger.all().into_iter();
    // The beginning of an id is enough, if it is not so short that it was meant otherwise.
    let mut found = all.filter(|series| {
        wanted.len() >= SHORTEST_ID && series.id().to_string().starts_with(wanted)
    });
    match (found.next(), found.next()) {
        (None, _) => Err(Unforgotten::Unknown),
        (Some(series), None) => Ok(series),
        (Some(_), Some(_)) => Err(Unforgotten::Ambiguous),
    }
}
