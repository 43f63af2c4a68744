//! The handshakes that this node makes with its own listeners: by their source the end that is accepted knows them, so that a
//! look at the own certificate is no refused stranger in the log or in a counter.
use super::clock;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// For so long a source stands here at most: what has not arrived by then went to another process, and its port may be another
/// program's soon.
const KEPT: Duration = Duration::from_secs(30);

/// The sources of the node's own handshakes that are under way.
#[derive(Debug, Default)]
pub struct OwnChecks {
    /// How many there are: nearly always none, and then no handshake takes the lock.
    count: AtomicUsize,
    sources: Mutex<HashMap<SocketAddr, Instant>>,
}

impl OwnChecks {
    /// One begins from this address: to be called before its first byte leaves.
    pub(super) fn enter(&self, source: SocketAddr) {
        let now = clock::now();
        let mut sources = self.sources();
        sources.retain(|_, begun| now.saturating_duration_since(*begun) < KEPT);
        sources.insert(canonical(source), now);
        self.count.store(sources.len(), Ordering::Release);
    }

    /// Whether a handshake that ends came from the node itself; asked once for each.
    pub(super) fn take(&self, source: SocketAddr) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let mut sources = self.sources();
        let begun = sources.remove(&canonical(source));
        self.count.store(sources.len(), Ordering::Release);
        begun.is_some_and(|begun| clock::now().saturating_duration_since(begun) < KEPT)
    }

    fn sources(&self) -> MutexGuard<'_, HashMap<SocketAddr, Instant>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A dual-stack listener sees an IPv4 address as one of IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_the_nodes_own_once_and_in_either_notation() {
        let checks = OwnChecks::default();
        let (v4, mapped) = ("127.0.0.1:40000", "[::ffff:127.0.0.1]:40000");
        let (v4, mapped) = (v4.parse().unwrap(), mapped.parse().unwrap());
        assert!(!checks.take(v4));
        checks.enter(v4);
        assert!(!checks.take("127.0.0.1:40001".parse().unwrap()));
        assert!(checks.take(mapped) && !checks.take(v4));
        assert_eq!(checks.count.load(Ordering::Acquire), 0);
    }
}
