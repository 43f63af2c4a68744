//! The forecast: once a day the log has what will break and when, of this node's certificates and CRLs and of what peers
//! have presented.
use super::node::Daemon;
use crate::observe::Event;
use crate::trust::{Foreseen, Generation, SeenChain};
use rustls_pki_types::UnixTime;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// From one forecast to the next.
const EVERY: Duration = Duration::from_secs(86_400);
/// What ends within this many seconds makes it a warning: time enough to renew by hand, and to have partners renew.
const SOON: u64 = 30 * 86_400;

/// Runs until the daemon's runtime ends; the first forecast comes at once.
pub(super) async fn run(daemon: Arc<Daemon>) {
    let mut days = interval(EVERY);
    days.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        days.tick().await;
        daemon.forecast().await;
    }
}

impl Daemon {
    /// Writes the event `forecast`. Deciding on all that was seen takes a while, so another thread does it.
    pub(super) async fn forecast(&self) {
        let (generation, seen) = (self.generation(), self.edge.seen().all());
        let foresee = move || foresee(&generation, &seen, UnixTime::now());
        if let Ok(event) = tokio::task::spawn_blocking(foresee).await {
            self.log.record(event);
        }
    }
}

/// The forecast of a generation, with the chains that were seen, the latest first.
fn foresee(generation: &Generation, seen: &[SeenChain], now: UnixTime) -> Event {
    let outlook = generation.outlook(seen.iter().filter_map(SeenChain::accepted), now);
    let mut ends = generation.forecast(now);
    // One list by date, whoever has to act.
    ends.extend(outlook.ends);
    ends.sort();
    // A CRL ends every few days by its nature; when it does so unrenewed, `crl_stale_soon` reports it.
    let lasting = ends.iter().find(|end| end.kind != "crl");
    Event::Forecast {
        generation: generation.number(),
        soon: lasting.is_some_and(|end| end.at <= now.as_secs().saturating_add(SOON)),
        ends_at: lasting.map(|end| end.at),
        relaxed: outlook.relaxed,
        details: ends.iter().map(Foreseen::to_string).collect(),
    }
}
