//! How busy each shard was lately: the next connection goes where there is time for its messages.
//!
//! A core that is asked for nothing more than it does is not full, however many connections it has; and ten connections of
//! partners can fill one. So it is the time that a shard worked that counts, as its runtime measures it.
use super::admission::ShardLoad;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Over so long a time a shard's work is looked at, at least: a burst of some milliseconds is no load.
const LOOK: Duration = Duration::from_secs(1);
/// A shard that works for more than this part of the time, in hundredths, has little room for what a new connection brings.
const LOADED: u32 = 50;
/// What all shards do anyhow differs by this much, in hundredths, from one second to the next.
const ALIKE: u32 = 20;

/// The work of all shards, as the acceptor has seen it.
pub(super) struct ShardWork {
    /// When it was looked at last, and how long each shard had worked by then.
    since: Instant,
    worked: Vec<Duration>,
    /// The part of the time before, in hundredths, that each shard worked.
    shares: Vec<u32>,
}

impl ShardWork {
    /// Of so many shards that have done nothing yet.
    pub(super) fn new(shards: usize, now: Instant) -> Self {
        Self {
            since: now,
            worked: vec![Duration::ZERO; shards],
            shares: vec![0; shards],
        }
    }

    /// Looks at the shards, if it is time to. Where nobody came for long, the share is that of this long time: the first who
    /// comes is placed by it, and who comes a second later by what is then.
    pub(super) fn look(&mut self, loads: &[Arc<ShardLoad>], now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        if passed < LOOK {
            return;
        }
        let each = self.shares.iter_mut().zip(&mut self.worked).zip(loads);
        for ((share, before), load) in each {
            let worked = load.worked();
            let done = worked.saturating_sub(*before).as_millis() * 100;
            *share = u32::try_from(done / passed.as_millis().max(1)).unwrap_or(u32::MAX);
            *before = worked;
        }
        self.since = now;
    }

    /// Whether a shard is passed over: it is loaded, and another one clearly less. Where all are alike, connections are counted.
    pub(super) fn passes_over(&self, shard: usize) -> bool {
        let least = self.shares.iter().min().copied().unwrap_or_default();
        let share = self.shares.get(shard).copied().unwrap_or_default();
        share > LOADED && share > least.saturating_add(ALIKE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(shares: &[u32]) -> Vec<bool> {
        let mut work = ShardWork::new(shares.len(), super::super::clock::now());
        work.shares = shares.to_vec();
        (0..shares.len()).map(|at| work.passes_over(at)).collect()
    }

    #[test]
    fn only_a_loaded_shard_beside_a_less_loaded_one_is_passed_over() {
        assert_eq!(with(&[40, 0]), [false, false]);
        assert_eq!(with(&[90, 10]), [true, false]);
        assert_eq!(with(&[90, 80]), [false, false]);
        assert_eq!(with(&[60, 55, 100]), [false, false, true]);
        assert_eq!(with(&[100]), [false]);
        assert_eq!(with(&[]), [] as [bool; 0]);
    }

    #[test]
    fn the_share_is_that_of_the_time_since_the_last_look() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let loads = [Arc::<ShardLoad>::default(), Arc::default()];
        loads[0].works_in(runtime.handle());
        let began = super::super::clock::now();
        let mut work = ShardWork::new(2, began);
        // It works all the time that the look spans, however long this machine takes for it.
        runtime.block_on(async {
            tokio::spawn(async { std::thread::sleep(LOOK / 10) })
                .await
                .unwrap();
        });
        assert!(loads[0].worked() >= LOOK / 10);
        assert_eq!(loads[1].worked(), Duration::ZERO, "it runs nowhere yet");
        work.look(&loads, began + LOOK / 2);
        assert_eq!(work.shares, [0, 0], "too soon");
        work.look(&loads, began + LOOK);
        assert!(work.shares[0] >= 10, "{:?}", work.shares);
        let at = began + LOOK + loads[0].worked().max(LOOK);
        work.look(&loads, at);
        assert_eq!(work.shares, [0, 0], "nothing since");
    }
}
