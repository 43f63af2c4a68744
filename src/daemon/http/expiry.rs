//! When what a generation rests on ends, looked up seldom: it takes a decision on each chain that a
//! peer has shown.
use crate::daemon::Daemon;
use crate::daemon::clock::now;
use crate::trust::{Foreseen, Generation, SeenChain};
use rustls_pki_types::UnixTime;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How old a look may be. Certificates end in weeks; what a peer shows anew may appear a little
/// later.
const FRESH: Duration = Duration::from_secs(600);

/// The latest look.
#[derive(Default)]
pub(super) struct Expiries {
    /// At which generation, and when.
    looked: Option<(u64, Instant)>,
    /// What was found.
    ends: Arc<[Foreseen]>,
}

impl Expiries {
    /// What ends in the generation that serves, the next first, and what has ended already.
    pub(super) async fn of(&mut self, daemon: &Daemon) -> Arc<[Foreseen]> {
        let generation = daemon.generation();
        let number = generation.number();
        let is_fresh = self
            .looked
            .is_some_and(|(of, at)| of == number && now().saturating_duration_since(at) < FRESH);
        if !is_fresh {
            let seen = daemon.edge.seen().all();
            // A thread of its own: other requests are answered meanwhile.
            let look = tokio::task::spawn_blocking(move || ends(&generation, &seen));
            if let Ok(ends) = look.await {
                self.ends = ends.into();
                self.looked = Some((number, now()));
            }
        }
        Arc::clone(&self.ends)
    }
}

/// What the forecast of the log has, once a day, is made of the same parts.
fn ends(generation: &Generation, seen: &[SeenChain]) -> Vec<Foreseen> {
    let shown = seen.iter().filter_map(SeenChain::accepted);
    let mut ends = generation.outlook(shown, UnixTime::now()).ends;
    // From the beginning of time: what has ended and is still in the file is what an operator must
    // see most of all.
    ends.extend(generation.forecast(UnixTime::since_unix_epoch(Duration::ZERO)));
    ends.sort();
    // What a peer shows may be in the file as well.
    ends.dedup();
    ends
}
