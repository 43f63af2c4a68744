//! How many requests came and went and how long they took: arrays of one shard, which only it adds to and anybody reads.
use crate::sip::Method;
use crate::topology::PeerKind;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a request comes from or goes to, as far as figures tell it apart: never a name, so that their number is fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrafficEnd {
    /// A client.
    Client,
    /// A home server.
    Home,
    /// A partner's server.
    Federated,
    /// Another node of this site.
    Sibling,
    /// This node: it answers, and nobody else.
    Node,
}

impl TrafficEnd {
    const ALL: [Self; 5] = [
        Self::Client,
        Self::Home,
        Self::Federated,
        Self::Sibling,
        Self::Node,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Home => "home",
            Self::Federated => "federated",
            Self::Sibling => "sibling",
            Self::Node => "node",
        }
    }
}

impl From<PeerKind> for TrafficEnd {
    fn from(kind: PeerKind) -> Self {
        match kind {
            PeerKind::Home => Self::Home,
            PeerKind::Federated => Self::Federated,
            PeerKind::Sibling => Self::Sibling,
        }
    }
}

/// A request that is over, or that nobody answers and that has been passed on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CountedRequest<'a> {
    pub(crate) from: TrafficEnd,
    pub(crate) to: TrafficEnd,
    pub(crate) method: Method<'a>,
    /// The first final answer; `None`: none.
    pub(crate) status: Option<u16>,
    /// From receipt to that.
    pub(crate) took: Duration,
}

/// The methods of their own, and all others as one: a stranger must not be able to add a figure.
const METHODS: usize = Method::KNOWN.len() + 1;
/// Classes of the final status, and none.
const CLASSES: [&str; 6] = ["none", "2xx", "3xx", "4xx", "5xx", "6xx"];
const ENDS: usize = TrafficEnd::ALL.len();
const DIRECTIONS: usize = ENDS * ENDS;
/// RFC 3261 §17 knows two kinds of transactions: an INVITE waits for a person.
const KINDS: [&str; 2] = ["non_invite", "invite"];

const MS: u64 = 1_000_000;
/// Upper ends of the buckets, in nanoseconds: from a server next door to a call that rings for as long as Timer C lets it.
const BUCKETS: [u64; 16] = [
    MS,
    5 * MS / 2,
    5 * MS,
    10 * MS,
    25 * MS,
    50 * MS,
    100 * MS,
    250 * MS,
    500 * MS,
    1_000 * MS,
    2_500 * MS,
    5_000 * MS,
    10_000 * MS,
    30_000 * MS,
    60_000 * MS,
    180_000 * MS,
];
/// The buckets, what is beyond them, and the sum.
const TIMES: usize = BUCKETS.len() + 2;
const REQUESTS: usize = DIRECTIONS * METHODS * CLASSES.len();
const CELLS: usize = REQUESTS + DIRECTIONS * KINDS.len() * TIMES;

/// The figures of one shard.
///
/// As with the counters of events: one owner adds with a plain store, and a reader needs no answer of the shard.
#[derive(Debug)]
pub struct RequestTally {
    cells: Box<[AtomicU64]>,
    /// What the shard has handed to others.
    handed_over: AtomicU64,
}

impl Default for RequestTally {
    fn default() -> Self {
        let cells = std::iter::repeat_with(AtomicU64::default);
        Self {
            cells: cells.take(CELLS).collect(),
            handed_over: AtomicU64::new(0),
        }
    }
}

impl RequestTally {
    /// One more request. It is on the path of every message: no division, no allocation, no lock.
    pub(crate) fn add(&self, request: &CountedRequest<'_>) {
        let direction = request.from as usize * ENDS + request.to as usize;
        let method = request.method.index();
        let class = request.status.map_or(0, class);
        self.raise((direction * METHODS + method) * CLASSES.len() + class, 1);
        // What this node answers by itself takes no time, and would make every other figure look better than it is.
        if request.to == TrafficEnd::Node || request.status.is_none() {
            return;
        }
        let kind = usize::from(request.method == Method::Invite);
        let nanos = u64::try_from(request.took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.iter().position(|end| nanos <= *end);
        let times = REQUESTS + (direction * KINDS.len() + kind) * TIMES;
        self.raise(times + bucket.unwrap_or(BUCKETS.len()), 1);
        self.raise(times + BUCKETS.len() + 1, nanos);
    }

    /// One more message, answer or question for another shard.
    pub(crate) fn hand_over(&self) {
        add(&self.handed_over, 1);
    }

    fn raise(&self, cell: usize, by: u64) {
        // Every index lies in the array: it is made of numbers that enums have.
        if let Some(cell) = self.cells.get(cell) {
            add(cell, by);
        }
    }
}

/// A plain store suffices: there is one who adds.
fn add(cell: &AtomicU64, by: u64) {
    let sum = cell.load(Ordering::Relaxed).wrapping_add(by);
    cell.store(sum, Ordering::Relaxed);
}

/// The place of a final status among the classes.
fn class(status: u16) -> usize {
    match status {
        0..300 => 1,
        300..400 => 2,
        400..500 => 3,
        500..600 => 4,
        600.. => 5,
    }
}

/// The sums over all shards.
#[derive(Clone, Debug)]
pub struct RequestTotals {
    cells: Vec<u64>,
    handed_over: u64,
}

/// How often something happened that has a direction: who asked, and who was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCount {
    /// As in `client_to_home`.
    pub direction: String,
    /// The method, or `other`.
    pub method: String,
    /// The class of the final status: `2xx`, or `none`.
    pub class: String,
    /// How often.
    pub count: u64,
}

/// How long requests took, of one direction and kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestTimes {
    /// As in `client_to_home`.
    pub direction: String,
    /// `invite` or `non_invite`.
    pub kind: String,
    /// The upper ends of the buckets, in seconds, each with the number of requests that took no longer.
    pub buckets: Vec<(f64, u64)>,
    /// All of them.
    pub count: u64,
    /// Of their times, in seconds.
    pub sum: f64,
}

impl RequestTotals {
    /// Sums them up. Cells are read one after the other; sums of different cells may be one apart.
    pub fn of(tallies: &[Arc<RequestTally>]) -> Self {
        let mut cells = vec![0_u64; CELLS];
        for tally in tallies {
            for (sum, cell) in cells.iter_mut().zip(&tally.cells) {
                *sum = sum.wrapping_add(cell.load(Ordering::Relaxed));
            }
        }
        let handed_over = tallies
            .iter()
            .map(|tally| tally.handed_over.load(Ordering::Relaxed));
        Self {
            cells,
            handed_over: handed_over.fold(0, u64::wrapping_add),
        }
    }

    /// Messages, answers and questions that went from one shard to another.
    pub fn handed_over(&self) -> u64 {
        self.handed_over
    }

    /// What has happened at all.
    pub fn counts(&self) -> Vec<RequestCount> {
        let requests = self.cells.iter().take(REQUESTS).enumerate();
        let requests = requests.filter(|(_, count)| **count > 0);
        let counts = requests.map(|(at, count)| {
            let (rest, class) = (at / CLASSES.len(), at % CLASSES.len());
            RequestCount {
                direction: direction(rest / METHODS),
                method: word(Method::KNOWN, rest % METHODS, "other"),
                class: word(&CLASSES, class, "none"),
                count: *count,
            }
        });
        counts.collect()
    }

    /// The times of the directions in which anything was answered.
    pub fn times(&self) -> Vec<RequestTimes> {
        let cells = self.cells.get(REQUESTS..).unwrap_or_default();
        let all = cells.chunks_exact(TIMES).enumerate();
        let times = all.filter_map(|(at, cells)| {
            let (nanos, counts) = cells.split_last()?;
            let count: u64 = counts.iter().sum();
            let mut below = 0;
            let buckets = BUCKETS.iter().zip(counts).map(|(end, count)| {
                below += count;
                (*end as f64 / 1e9, below)
            });
            let times = RequestTimes {
                direction: direction(at / KINDS.len()),
                kind: word(&KINDS, at % KINDS.len(), "non_invite"),
                buckets: buckets.collect(),
                count,
                sum: *nanos as f64 / 1e9,
            };
            (count > 0).then_some(times)
        });
        times.collect()
    }
}

impl RequestCount {
    /// Whether both count the same kind of request.
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.direction, &self.method, &self.class)
            == (&other.direction, &other.method, &other.class)
    }
}

impl RequestTimes {
    /// Whether both are about the same kind of request.
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.direction, &self.kind) == (&other.direction, &other.kind)
    }

    /// Adds what another process of this node has counted.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        // Of another version there may be other buckets: what does not fit is left out.
        for ((end, own), (other_end, other)) in self.buckets.iter_mut().zip(&other.buckets) {
            if end == other_end {
                *own += other;
            }
        }
    }
}

/// A word of a list, by its place.
fn word(words: &[&str], at: usize, otherwise: &str) -> String {
    words.get(at).copied().unwrap_or(otherwise).to_owned()
}

/// As the label has it.
fn direction(index: usize) -> String {
    let word = |end: usize| TrafficEnd::ALL.get(end).map_or("", |end| end.word());
    format!("{}_to_{}", word(index / ENDS), word(index % ENDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &[u8], status: Option<u16>, millis: u64) -> CountedRequest<'_> {
        CountedRequest {
            from: TrafficEnd::Client,
            to: TrafficEnd::Home,
            method: Method::from_bytes(method),
            status,
            took: Duration::from_millis(millis),
        }
    }

    #[test]
    fn requests_are_counted_by_method_direction_and_class_over_all_shards() {
        let tallies = [Arc::<RequestTally>::default(), Arc::default()];
        tallies[0].add(&request(b"INVITE", Some(200), 3));
        tallies[1].add(&request(b"INVITE", Some(299), 3));
        tallies[1].add(&request(b"x-made-up", Some(404), 3));
        tallies[1].add(&request(b"invite", Some(404), 3));
        tallies[0].add(&request(b"ACK", None, 0));
        let counts = RequestTotals::of(&tallies).counts();
        let shown: Vec<_> = counts
            .iter()
            .map(|it| (it.method.as_str(), it.class.as_str(), it.count))
            .collect();
        assert_eq!(
            shown,
            [
                ("INVITE", "2xx", 2),
                ("ACK", "none", 1),
                ("other", "4xx", 2)
            ]
        );
        assert!(counts.iter().all(|it| it.direction == "client_to_home"));
    }

    #[test]
    fn times_fall_into_buckets_that_hold_their_upper_end_and_sum_up() {
        let tally = Arc::<RequestTally>::default();
        for millis in [1, 2, 200_000] {
            tally.add(&request(b"INVITE", Some(200), millis));
        }
        tally.add(&request(b"BYE", Some(200), 7));
        tally.add(&CountedRequest {
            to: TrafficEnd::Node,
            ..request(b"BYE", Some(403), 0)
        });
        let times = RequestTotals::of(&[tally]).times();
        assert_eq!(times.len(), 2, "{times:?}");
        let invite = times.iter().find(|it| it.kind == "invite").unwrap();
        assert_eq!((invite.count, invite.sum), (3, 200.003));
        assert_eq!(invite.buckets[0], (0.001, 1));
        assert_eq!(invite.buckets[1], (0.0025, 2));
        assert_eq!(invite.buckets.last(), Some(&(180.0, 2)));
    }

    #[test]
    fn every_final_status_has_a_class() {
        for (status, named) in [
            (200, "2xx"),
            (302, "3xx"),
            (487, "4xx"),
            (503, "5xx"),
            (699, "6xx"),
        ] {
            assert_eq!(CLASSES[class(status)], named);
        }
    }

    #[test]
    fn the_ends_stand_in_their_order() {
        for (at, end) in TrafficEnd::ALL.into_iter().enumerate() {
            assert_eq!(end as usize, at);
        }
    }
}
