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
use crate::daemon::upgrade::FormerHandle;
use hyper::StatusCode;
use hyper::body::Bytes;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

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
    /// The process before this one, while it is there.
    former: Option<FormerHandle>,
    latest: Mutex<Latest>,
}

/// Who has looked, when it ended and what it was.
type TimedSnapshot = (Gatherer, Instant, Snapshot);

/// Behind one lock, which is held while the shards are asked: whoever comes meanwhile waits for the
/// same answer.
struct Latest {
    /// Who looks, unless it does just now.
    gatherer: Option<Gatherer>,
    /// The look that is under way.
    looking: Option<JoinHandle<TimedSnapshot>>,
    /// The latest look and when it ended.
    snapshot: Option<(Instant, Snapshot)>,
    /// What was made from it: as many texts as there are resources.
    texts: HashMap<Resource, Rendered>,
}

impl Cache {
    /// Nothing yet.
    pub(super) fn new(daemon: Arc<Daemon>, former: Option<FormerHandle>) -> Self {
        Self {
            latest: Mutex::new(Latest {
                gatherer: None,
                looking: None,
                snapshot: None,
                texts: HashMap::new(),
            }),
            daemon,
            former,
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
            looking,
            snapshot,
            texts,
        } = &mut *latest;
        let is_fresh = |at: Instant| now().saturating_duration_since(at) < FRESH;
        while !snapshot.as_ref().is_some_and(|(at, _)| is_fresh(*at)) {
            // A task of its own: who asks may be gone before it ends, and then the next one takes over what has
            // begun. Else whoever comes and goes fast enough has the shards asked without end.
            let look = looking.get_or_insert_with(|| {
                let new = || Gatherer::new(Arc::clone(&self.daemon), self.former.clone());
                tokio::spawn(look(gatherer.take().unwrap_or_else(new)))
            });
            let looked = look.await;
            *looking = None;
            // The other outcome is a runtime that ends.
            let Ok((who, at, gathered)) = looked else {
                break;
            };
            *gatherer = Some(who);
            texts.clear();
            *snapshot = Some((at, gathered));
        }
        // It has just been put there.
        let Some((_, snapshot)) = snapshot else {
            return Rendered::plain(StatusCode::SERVICE_UNAVAILABLE, String::new());
        };
        let text = texts.entry(wanted);
        text.or_insert_with(|| render(wanted, snapshot)).clone()
    }
}

/// Looks. It counts from its end: a shard that stands still makes a look long, and who waited meanwhile shares it.
async fn look(mut gatherer: Gatherer) -> TimedSnapshot {
    let gathered = gatherer.gather().await;
    (gatherer, now(), gathered)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Log;
    use sipward_lab::site::Site;
    use std::pin::pin;
    use std::task::{Context, Waker};

    #[tokio::test]
    async fn who_asks_and_goes_away_has_the_shards_asked_no_more_often() {
        let site = Site::new().unwrap();
        let nobody = ([127, 0, 0, 1], 9).into();
        let text = site.topology(&[("fe01.contoso.test", nobody)], None);
        let file = site.write("topology.toml", &text.to_toml()).unwrap();
        let (log, _events) = Log::memory();
        let daemon = Arc::new(Daemon::start(&file, &log).unwrap());
        let cache = Cache::new(Arc::clone(&daemon), None);
        let mut looks = Vec::new();
        for _ in 0..100 {
            {
                let asked = pin!(cache.rendered(Resource::Health));
                let mut nobody = Context::from_waker(Waker::noop());
                assert!(asked.poll(&mut nobody).is_pending());
            }
            // It is gone now, as one is that the server has closed for another.
            let latest = cache.latest.try_lock().unwrap();
            looks.push(latest.looking.as_ref().map(JoinHandle::id));
        }
        looks.dedup();
        assert_eq!(looks.len(), 1);
        let answer = cache.rendered(Resource::Health).await;
        assert_eq!(answer.status, StatusCode::OK);
        daemon.stop().await;
    }
}
