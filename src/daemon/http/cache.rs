//! One look at the daemon for all who ask within a second, and one text of each kind made from it.
//!
//! So whoever reaches the address costs the shards one short question a second at most, and never
//! two texts at a time.
use super::metrics;
use super::page;
use super::request::Resource;
use super::snapshot::{Gatherer, Snapshot};
use crate::daemon::Daemon;
use crate::daemon::clock::now;
use hyper::StatusCode;
use hyper::body::Bytes;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// For how long a look counts.
const FRESH: Duration = Duration::from_secs(1);

/// An answer, ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Rendered {
    /// The status line.
    pub(super) status: StatusCode,
    /// What the body is.
    pub(super) content_type: &'static str,
    /// Shared, not copied, by all who get it.
    pub(super) body: Bytes,
}

impl Rendered {
    /// Text for people.
    pub(super) fn plain(status: StatusCode, text: String) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: text.into(),
        }
    }
}

/// The latest look, and what was made from it.
pub(super) struct Cache {
    /// For what is asked for at once.
    daemon: Arc<Daemon>,
    latest: Mutex<Latest>,
}

/// Behind one lock, which is held while the shards are asked: whoever comes meanwhile waits for the
/// same answer.
struct Latest {
    /// Who looks.
    gatherer: Gatherer,
    /// The latest look and when it ended.
    snapshot: Option<(Instant, Snapshot)>,
    /// What was made from it: as many texts as there are resources.
    texts: HashMap<Resource, Rendered>,
}

impl Cache {
    /// Nothing yet.
    pub(super) fn new(daemon: Arc<Daemon>) -> Self {
        Self {
            latest: Mutex::new(Latest {
                gatherer: Gatherer::new(Arc::clone(&daemon)),
                snapshot: None,
                texts: HashMap::new(),
            }),
            daemon,
        }
    }

    /// What is asked for. Who comes while somebody else is answered waits and shares the look.
    pub(super) async fn rendered(&self, wanted: Resource) -> Rendered {
        // Asked at once and of nobody: a balancer must not be sent to a node that has begun to stop
        // a moment ago, nor wait for a shard.
        if wanted == Resource::Ready {
            return ready(self.daemon.is_draining());
        }
        let mut latest = self.latest.lock().await;
        let Latest {
            gatherer,
            snapshot,
            texts,
        } = &mut *latest;
        let is_fresh = |at: Instant| now().saturating_duration_since(at) < FRESH;
        if !snapshot.as_ref().is_some_and(|(at, _)| is_fresh(*at)) {
            texts.clear();
            let gathered = gatherer.gather().await;
            // From its end: a shard that stands still makes a look long, and who waited meanwhile
            // shares it.
            *snapshot = Some((now(), gathered));
        }
        // It has just been put there.
        let Some((_, snapshot)) = snapshot else {
            return Rendered::plain(StatusCode::SERVICE_UNAVAILABLE, String::new());
        };
        let text = texts.entry(wanted);
        text.or_insert_with(|| render(wanted, snapshot)).clone()
    }
}

/// A text from a look. It takes milliseconds where there are thousands of peers, of this thread
/// alone.
fn render(wanted: Resource, snapshot: &Snapshot) -> Rendered {
    match wanted {
        Resource::Metrics(dialect) => Rendered {
            status: StatusCode::OK,
            content_type: dialect.content_type(),
            body: metrics::text(snapshot, dialect).into(),
        },
        Resource::Page => Rendered {
            status: StatusCode::OK,
            content_type: "text/html; charset=utf-8",
            body: page::html(snapshot).into(),
        },
        Resource::Health => {
            let silent = snapshot.shards.answers.iter().position(|answers| !answers);
            match silent {
                None => Rendered::plain(StatusCode::OK, "ok\n".to_owned()),
                Some(shard) => unavailable(format!("shard {shard} does not answer\n")),
            }
        }
        Resource::Ready => ready(snapshot.draining),
    }
}

/// Whether balancers may send somebody here. A node that has not begun to serve has no address yet.
fn ready(draining: bool) -> Rendered {
    match draining {
        true => unavailable("draining\n".to_owned()),
        false => Rendered::plain(StatusCode::OK, "ready\n".to_owned()),
    }
}

fn unavailable(text: String) -> Rendered {
    Rendered::plain(StatusCode::SERVICE_UNAVAILABLE, text)
}
