//! Where the lines of a trace come from: this process, and the one before it while that still serves clients.
use super::context::ControlContext;
use super::protocol::Request;
use super::trace::{TraceLine, TraceRequest};
use crate::daemon::clock::now;
use crate::daemon::trace::Shown;
use crate::daemon::upgrade::FormerTrace;
use crate::edge::TraceFeed;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a line is kept back while there are two processes, so that those of both come in the order in which things happened.
const HOLD: Duration = Duration::from_millis(100);
/// Lines that are kept back at most; more are shown sooner.
const MOST: usize = 4_096;

/// A running trace of one process or of two.
pub(super) struct TraceSource {
    feed: TraceFeed,
    shown: Shown,
    former: Option<FormerTrace>,
    /// What the former process has lost, also after its end.
    lost: u64,
    order: TraceOrder,
}

/// Lines of two processes that are being put into one order.
#[derive(Default)]
struct TraceOrder {
    /// By when it happened, and then as it came.
    lines: BTreeMap<(u64, u64), (TraceLine, Instant)>,
    count: u64,
}

impl ControlContext {
    /// Has the process before this one trace as well.
    ///
    /// `None`: there is none, or it does not. Then the trace is of this process alone, which is better than none.
    pub(super) async fn trace_of_former(&self, request: &TraceRequest) -> Option<FormerTrace> {
        let former = self.sinks.former.as_ref().filter(|former| former.lives())?;
        // As any request, but that the answer has many lines.
        let request = serde_json::to_value(Request::Trace(request.clone())).ok()?;
        former.trace(request).await
    }
}

impl TraceOrder {
    /// One more, which has come at this time.
    fn enter(&mut self, line: TraceLine, at: Instant) {
        self.count += 1;
        self.lines
            .insert((line.at_us(), self.count), (line, at + HOLD));
    }

    /// When the first may go; `None`: there is none.
    fn due(&self) -> Option<Instant> {
        let (_, (_, due)) = self.lines.first_key_value()?;
        Some(*due)
    }

    /// The first, due or not.
    fn take(&mut self) -> Option<TraceLine> {
        self.lines.pop_first().map(|(_, (line, _))| line)
    }
}

impl TraceSource {
    /// Of this process, and of the former one if that traces too.
    pub(super) fn new(feed: TraceFeed, shown: Shown, former: Option<FormerTrace>) -> Self {
        Self {
            feed,
            shown,
            former,
            lost: 0,
            order: TraceOrder::default(),
        }
    }

    /// Waits for the next line; `None`: the trace is over.
    pub(super) async fn next(&mut self) -> Option<TraceLine> {
        loop {
            let due = self.order.due();
            if self.order.lines.len() >= MOST || due.is_some_and(|due| due <= now()) {
                return self.order.take();
            }
            // The usual case: there is one process.
            if self.former.is_none() && due.is_none() {
                let record = self.feed.next().await?;
                return Some(TraceLine::of(record, self.shown));
            }
            let of_former = async {
                match &mut self.former {
                    Some(former) => former.next().await.map(|line| (line, former.pid)),
                    None => std::future::pending().await,
                }
            };
            // Whoever is silent must not keep the other's lines back.
            let held = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                record = self.feed.next() => {
                    let line = TraceLine::of(record?, self.shown);
                    self.order.enter(line, now());
                }
                // It carries its own time, whatever time its way has taken.
                line = of_former => match line {
                    // One of another version that this one does not know is left out.
                    Some((line, pid)) => if let Ok(line) = serde_json::from_value(line) {
                        self.order.enter(TraceLine::of_process(line, pid), now());
                    },
                    // It has ended, and this process is all.
                    None => {
                        self.lost = self.lost();
                        self.former = None;
                    }
                },
                () = held => {}
            }
        }
    }

    /// How many were lost since nobody read them in time.
    pub(super) fn dropped(&self) -> u64 {
        self.feed.dropped() + self.lost()
    }

    /// How many nobody has read yet.
    pub(super) fn waiting(&self) -> u64 {
        (self.feed.waiting() + self.order.lines.len()) as u64
    }

    /// What the former process and its way here have lost.
    fn lost(&self) -> u64 {
        self.former.as_ref().map_or(self.lost, FormerTrace::lost)
    }
}

impl TraceLine {
    /// When what it shows happened.
    fn at_us(&self) -> u64 {
        match self {
            Self::Message(message) => message.at_us,
            Self::Refusal { at_us, .. } => *at_us,
            Self::Trace(_) | Self::End(_) | Self::Error(_) => 0,
        }
    }

    /// The same of another process.
    fn of_process(mut self, pid: u32) -> Self {
        if let Self::Message(message) = &mut self {
            message.process = Some(pid);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn line(at_us: u64) -> TraceLine {
        let line = Value::from(at_us);
        TraceLine::Refusal { at_us, line }
    }

    #[test]
    fn lines_of_two_processes_come_in_the_order_in_which_things_happened() {
        let (began, mut order) = (now(), TraceOrder::default());
        for (at, ms) in [(30, 0), (10, 5), (20, 7), (20, 8)] {
            order.enter(line(at), began + Duration::from_millis(ms));
        }
        assert_eq!(order.due(), Some(began + Duration::from_millis(5) + HOLD));
        let taken = std::iter::from_fn(|| order.take());
        let times: Vec<u64> = taken.map(|line| line.at_us()).collect();
        assert_eq!(times, [10, 20, 20, 30]);
        assert_eq!(order.due(), None);
    }
}
