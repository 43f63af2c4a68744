//! The ledger: every call that was offered, every fault that was made, and which fault explains which call that failed.
//!
//! A call that fails is explained by a fault that hit one of its parties, and that was there while the step went on at which the
//! call failed, or whose bound for recovery was not over. What no fault explains is a fault of the daemon.
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Who can be hit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Party {
    /// The daemon itself, and so everybody's connection with it.
    Node,
    /// A home server, by its place in the pool.
    Member(usize),
    /// A partner's server.
    Partner(usize),
}

/// A fault that was made.
#[derive(Clone, Debug)]
pub(crate) struct FaultEntry {
    pub(crate) kind: &'static str,
    /// Whom, and how.
    pub(crate) label: String,
    /// None: it excuses nothing.
    pub(crate) hits: Vec<Party>,
    pub(crate) began: Duration,
    pub(crate) ended: Option<Duration>,
    /// How long after its end calls may still fail.
    pub(crate) bound: Duration,
    /// Calls that were up when it began and of which it hit no party.
    pub(crate) up: usize,
    /// From its end to the first call that each party that was hit took part in.
    pub(crate) recovered: Option<Duration>,
}

impl FaultEntry {
    /// Whether it was there, or not yet recovered from, at some time between these.
    fn covers(&self, from: Duration, to: Duration) -> bool {
        self.began <= to && self.ended.is_none_or(|ended| from <= ended + self.bound)
    }

    fn hits_any(&self, parties: &[Party]) -> bool {
        self.hits.iter().any(|hit| parties.contains(hit))
    }
}

/// A call that was refused or lost.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) call: String,
    pub(crate) step: &'static str,
    /// A refusal: its status and its reason.
    pub(crate) refused: Option<String>,
    /// Why it is lost otherwise.
    pub(crate) why: String,
    /// When the step began, and when it failed.
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    /// Since when it was up, if it was.
    pub(crate) up: Option<Duration>,
    /// Whom it may have needed.
    pub(crate) parties: Vec<Party>,
    /// Its messages as its ends saw them.
    pub(crate) messages: Vec<String>,
}

/// What is counted.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) offered: AtomicU64,
    pub(crate) answered: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) finals: AtomicU64,
    /// Requests that were sent again, since their connection was closed before an answer.
    pub(crate) repeated: AtomicU64,
    /// Requests whose answer came over the phone's next connection.
    pub(crate) elsewhere: AtomicU64,
    /// Requests without any answer, because each connection that they were sent on was closed.
    pub(crate) closed: AtomicU64,
    pub(crate) reconnects: AtomicU64,
}

/// The ledger of a run.
pub(crate) struct Ledger {
    began: Instant,
    pub(crate) counts: Counts,
    over: AtomicBool,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    faults: Vec<FaultEntry>,
    failed: Vec<Failed>,
    /// Calls that are up, with their parties.
    up: HashMap<String, Vec<Party>>,
    /// When a party last took part in a call that was answered.
    served: HashMap<Party, Duration>,
    /// What must not be, whatever fault there is.
    wrong: Vec<String>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            began: super::now(),
            counts: Counts::default(),
            over: AtomicBool::default(),
            pages: Mutex::default(),
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since the run began.
    pub(crate) fn now(&self) -> Duration {
        super::now().saturating_duration_since(self.began)
    }

    /// No more phones come back.
    pub(crate) fn close(&self) {
        self.over.store(true, Relaxed);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.over.load(Relaxed)
    }

    /// A fault begins; returns its number.
    pub(crate) fn begin(
        &self,
        (kind, label): (&'static str, String),
        hits: &[Party],
        bound: Duration,
    ) -> usize {
        let began = self.now();
        let mut pages = self.pages();
        let is_hit = |parties: &&Vec<Party>| {
            hits.contains(&Party::Node) || hits.iter().any(|hit| parties.contains(hit))
        };
        let up = pages.up.values().filter(|it| !is_hit(it)).count();
        pages.faults.push(FaultEntry {
            kind,
            label,
            hits: hits.to_vec(),
            began,
            ended: None,
            bound,
            up,
            recovered: None,
        });
        pages.faults.len() - 1
    }

    /// It is over.
    pub(crate) fn end(&self, fault: usize) {
        let now = self.now();
        if let Some(fault) = self.pages().faults.get_mut(fault) {
            fault.ended = Some(now);
        }
    }

    /// It has been recovered from.
    pub(crate) fn recovered(&self, fault: usize, after: Duration) {
        if let Some(fault) = self.pages().faults.get_mut(fault) {
            fault.recovered = Some(after);
        }
    }

    /// Whether another fault still hits this party, or the node.
    pub(crate) fn is_hit_by_another(&self, fault: usize, party: Party) -> bool {
        let now = self.now();
        let pages = self.pages();
        let mut others = pages.faults.iter().enumerate();
        others.any(|(number, other)| {
            number != fault && other.covers(now, now) && other.hits_any(&[party, Party::Node])
        })
    }

    /// When this party last took part in an answered call.
    pub(crate) fn served(&self, party: Party) -> Option<Duration> {
        self.pages().served.get(&party).copied()
    }

    /// A call is answered, and up from now on.
    pub(crate) fn is_up(&self, call: &str, parties: &[Party]) {
        let now = self.now();
        let mut pages = self.pages();
        for party in parties {
            pages.served.insert(*party, now);
        }
        pages.up.insert(call.to_owned(), parties.to_vec());
    }

    /// A call has ended as it should.
    pub(crate) fn done(&self, call: &str) {
        self.counts.answered.fetch_add(1, Relaxed);
        self.pages().up.remove(call);
    }

    /// A call has failed.
    pub(crate) fn failed(&self, failed: Failed) {
        let mut pages = self.pages();
        pages.up.remove(&failed.call);
        pages.failed.push(failed);
    }

    /// Something that no fault excuses.
    pub(crate) fn wrong(&self, what: String) {
        eprintln!("{:.3}: {what}", self.now().as_secs_f64());
        self.pages().wrong.push(what);
    }

    pub(crate) fn faults(&self) -> Vec<FaultEntry> {
        self.pages().faults.clone()
    }

    pub(crate) fn wrongs(&self) -> Vec<String> {
        self.pages().wrong.clone()
    }

    /// Each call that failed, with the fault that explains it.
    pub(crate) fn judged(&self) -> Vec<(Failed, Option<FaultEntry>)> {
        let pages = self.pages();
        let judge = |failed: &Failed| {
            let mut faults = pages.faults.iter();
            faults
                .find(|fault| {
                    fault.covers(failed.from, failed.to) && fault.hits_any(&failed.parties)
                })
                .cloned()
        };
        pages
            .failed
            .iter()
            .map(|it| (it.clone(), judge(it)))
            .collect()
    }

    /// Of the calls that were up when a fault began and of which it hit no party, how many failed while it was there.
    pub(crate) fn lost_beside(&self) -> BTreeMap<&'static str, (usize, usize)> {
        let pages = self.pages();
        let mut rows: BTreeMap<&'static str, (usize, usize)> = BTreeMap::new();
        for fault in &pages.faults {
            let beside = pages.failed.iter().filter(|failed| {
                failed.up.is_some_and(|up| up <= fault.began)
                    && failed.to >= fault.began
                    && fault.covers(failed.to, failed.to)
                    && !fault.hits_any(&failed.parties)
            });
            let row = rows.entry(fault.kind).or_default();
            row.0 += fault.up;
            row.1 += beside.count();
        }
        rows
    }
}
