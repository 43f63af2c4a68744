//! The end of a shard: what runs is finished, then every connection is closed.
use super::clock;
use super::shard::Shard;
use crate::reason::ConnectionReason;
use std::rc::Rc;
use std::time::Duration;

impl Shard {
    /// Takes nothing new, waits for what owes an answer until `bound`, and closes every connection. Gives how many
    /// transactions were cut off.
    pub(super) async fn drain(self: &Rc<Self>, bound: Duration) -> usize {
        self.start_draining();
        let end = clock::now() + bound;
        while self.pending() > 0 && clock::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Each of them says that it was cut short.
        let shaking = || self.handshakes.get() + self.dialler.running.get() > 0;
        let end = clock::now() + Duration::from_secs(2);
        while shaking() && clock::now() < end {
            let ended = self.ended.notified();
            if !shaking() {
                break;
            }
            let _ = tokio::time::timeout(Duration::from_millis(100), ended).await;
        }
        let abandoned = self.pending();
        for link in self.all_links() {
            link.close(ConnectionReason::Drain);
        }
        // Each task sends its close_notify and reports its end; none may hold us up for long.
        let end = clock::now() + Duration::from_secs(2);
        while self.live() > 0 && clock::now() < end {
            let ended = self.ended.notified();
            if self.live() == 0 {
                break;
            }
            let _ = tokio::time::timeout(Duration::from_millis(100), ended).await;
        }
        abandoned
    }
}
