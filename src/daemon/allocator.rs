//! Returns to the system what the allocator keeps free.
//!
//! jemalloc's own threads do most of it. Without them it does so while it is asked for memory, and a flood that ends leaves
//! nobody who asks: what it has taken would stay until the next one. Two things they leave: what each thread keeps for its next
//! requests, which holds the pages around it, and what they think is little, four megabytes in each arena. A sweep now and then
//! returns both.
use super::node::Daemon;
use std::sync::Arc;
use std::time::Duration;
use tikv_jemalloc_ctl::{Access as _, AsName as _, arenas, background_thread};

/// For how long a free page stays with the allocator, in milliseconds. In the ten seconds that are usual, a client that sends
/// large requests could fill as much again as its bound lets it keep.
const DECAY: isize = 1_000;
/// How often what is left is returned.
const SWEEP: Duration = Duration::from_secs(15);
/// How long a shard is waited for; one that has more to do is left alone.
const PATIENCE: Duration = Duration::from_secs(1);

/// Starts its threads. To be called by a thread that is confined already, since they are confined as it is.
///
/// Nothing depends on it but how soon memory is returned, so that a failure is none of the daemon's.
pub(super) fn return_what_is_free() {
    let _ = background_thread::write(true);
    // Of arenas that come later, and of those that are there.
    let _ = b"arenas.dirty_decay_ms\0"[..].name().write(DECAY);
    set_decay(DECAY);
}

/// Returns now and then what its threads have left.
pub(super) async fn run(daemon: Arc<Daemon>) {
    let mut sweeps = tokio::time::interval(SWEEP);
    loop {
        sweeps.tick().await;
        daemon.edge.on_each_shard(forget_spare, PATIENCE).await;
        // Without any time, every free page is returned at once.
        set_decay(0);
        set_decay(DECAY);
    }
}

/// Empties what this thread keeps for its next requests. It has that again after some tens of microseconds.
fn forget_spare() {
    let cache = b"thread.tcache.enabled\0"[..].name();
    // To end it empties it.
    let _ = cache.write(false);
    let _ = cache.write(true);
}

/// Sets the time of the arenas that there are.
fn set_decay(milliseconds: isize) {
    for arena in 0..arenas::narenas::read().unwrap_or_default() {
        let name = format!("arena.{arena}.dirty_decay_ms\0");
        // One that nobody uses is none.
        let _ = name.as_bytes().name().write(milliseconds);
    }
}
