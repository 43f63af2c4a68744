//! One reading of the daemon: its figures, and the connections that are listed.
//!
//! Three questions, one after the other, so the parts are some milliseconds apart. No more than the rows that were asked for is
//! ever held, and the socket's own bound is below that of any reply (docs/control.md).
use crate::cli::target::{Target, Unanswered};
use crate::daemon::control::{DaemonFigures, ListedConnection, Reply, Request};
use crate::edge::{ConnectionRole, RowPage};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long the daemon may take for each question; the view shows meanwhile what it has.
const PATIENCE: Duration = Duration::from_secs(15);

/// What the daemon has answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct DaemonReading {
    /// Counters and gauges.
    pub(super) figures: DaemonFigures,
    /// Connections with peers. Apart from the clients', so that these leave no peer off.
    pub(super) peers: RowPage<ListedConnection>,
    /// Connections of clients.
    pub(super) clients: RowPage<ListedConnection>,
}

/// A reading, or why there is none.
pub(super) type ReadingAnswer = Result<Box<DaemonReading>, String>;

/// What is read, and how often.
///
/// Of the command line what the readings need, so that who reads knows nothing of the command.
#[derive(Clone)]
pub(super) struct WatchedDaemon {
    /// The daemon.
    pub(super) target: Target,
    /// At most so many rows of each kind.
    pub(super) limit: usize,
    /// The time between two readings.
    pub(super) interval: Duration,
}

impl WatchedDaemon {
    /// Asks for a reading.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn read(&self) -> Result<DaemonReading, Unanswered> {
        let limit = self.limit;
        let ask = |request| self.target.try_ask(&request, PATIENCE);
        let Reply::Figures(figures) = ask(Request::Figures { limit })? else {
            return Err(Unanswered::Unexpected);
        };
        // By number and from the first one on: the same connections in each reading, so that rates can be made.
        let listed = |role| {
            let request = Request::Connections {
                role: Some(role),
                user: None,
                limit,
                after: 0,
            };
            let Reply::Connections(page) = ask(request)? else {
                return Err(Unanswered::Unexpected);
            };
            Ok(page)
        };
        Ok(DaemonReading {
            figures: *figures,
            peers: listed(ConnectionRole::Peer)?,
            clients: listed(ConnectionRole::Client)?,
        })
    }
}

impl DaemonReading {
    /// Whether the counters of `older` go on in this one.
    pub(super) fn goes_on_from(&self, older: &Self) -> bool {
        let (new, old) = (&self.figures, &older.figures);
        new.pid == old.pid && new.uptime_ms > old.uptime_ms
    }
}
