//! The latest refusals of each recorder, kept for an operator who asks: those whose line a limit has suppressed too.
use super::event::{Event, EventKind};
use super::json;
use serde_json::Value;
use std::collections::VecDeque;
use std::time::SystemTime;

/// How many each recorder keeps, and how many an operator sees of all.
const KEPT: usize = 200;

/// What a recorder has refused lately, the oldest first.
///
/// It belongs to its recorder: who asks a shard gets a copy, made on the shard's thread.
#[derive(Clone, Debug, Default)]
pub struct RefusalRing(VecDeque<(SystemTime, Event)>);

/// Whether an event is the refusal of something that came in, or of this node by a remote: a phone that does not take the
/// certificate is looked for in the same place.
pub(super) fn is_refusal(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::HandshakeRefused
            | EventKind::HandshakeRefusedByPeer
            | EventKind::RequestRefused
            | EventKind::BindingRefused
    )
}

impl RefusalRing {
    /// Keeps one; the oldest makes room.
    pub(super) fn keep(&mut self, at: SystemTime, event: Event) {
        // Never more, so that a flood costs no memory.
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back((at, event));
    }

    /// The latest of several recorders as their lines in JSON, the newest first.
    pub fn latest(rings: impl IntoIterator<Item = Self>) -> Vec<Value> {
        let mut all: Vec<_> = rings.into_iter().flat_map(|ring| ring.0).collect();
        all.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        all.truncate(KEPT);
        let lines = all
            .iter()
            .map(|(at, event)| json::event_as_json(*at, event));
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Log;
    use crate::reason::MessageReason;
    use std::net::SocketAddr;

    #[test]
    fn the_latest_are_kept_whether_they_had_a_line_or_not_and_the_newest_comes_first() {
        let (log, memory) = Log::memory();
        let shard = log.for_shard();
        for number in 0..1_000u16 {
            let event = Event::BindingRefused {
                reason: MessageReason::BindingsFull.into(),
                remote: Some(SocketAddr::from(([192, 0, 2, 1], number))),
            };
            if number % 2 == 0 {
                shard.record(event)
            } else {
                log.record(event)
            }
        }
        let latest = RefusalRing::latest([shard.refusals(), log.refusals()]);
        assert_eq!(latest.len(), KEPT);
        assert!(memory.events().len() < KEPT, "limited");
        assert_eq!(latest[0]["event"], "binding_refused");
        assert_eq!(latest[0]["reason"], "bindings_full");
        let ports: Vec<&str> = latest
            .iter()
            .map(|it| it["remote"].as_str().unwrap())
            .collect();
        assert!(ports.contains(&"192.0.2.1:999") && ports.contains(&"192.0.2.1:998"));
        assert!(!ports.contains(&"192.0.2.1:500"));
    }
}
