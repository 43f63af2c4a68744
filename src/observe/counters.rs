//! How often each event happened, and for which reason: one array for each shard, bumped before any filter.
use super::event::EventKind;
use crate::reason::Reason;
use std::sync::atomic::{AtomicU64, Ordering};

/// Cells of one event: one for each reason, and one before them for events that have none.
const CELLS_PER_EVENT: usize = Reason::COUNT + 1;

/// The counters of one writer: of a shard, or of everything that is no shard.
///
/// Only its owner adds to it, and anybody may read. So a plain store is enough to add, which is an ordinary instruction
/// and no locked one, and two shards never write to one cache line.
#[derive(Debug)]
pub(super) struct Counters {
    cells: Box<[AtomicU64]>,
}

impl Default for Counters {
    fn default() -> Self {
        // Some 80 KiB. Pages of it that nothing is counted in are never touched, and the system never provides them.
        let cells = EventKind::ALL.len() * CELLS_PER_EVENT;
        Self {
            cells: std::iter::repeat_with(AtomicU64::default)
                .take(cells)
                .collect(),
        }
    }
}

impl Counters {
    /// One more. There must be no other thread that adds at the same time: it would be lost, not wrong otherwise.
    pub(super) fn add(&self, event: EventKind, reason: Option<Reason>) {
        // There is a cell for each pair, so this always finds one; no input can make it miss.
        if let Some(cell) = self.cells.get(cell(event, reason)) {
            cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }
}

/// Where the count of an event for a reason stands.
fn cell(event: EventKind, reason: Option<Reason>) -> usize {
    event as usize * CELLS_PER_EVENT + reason.map_or(0, |reason| reason.index() + 1)
}

/// The sums over all writers at one time. A reader that comes while a shard counts sees each cell before or after, so sums
/// of different cells may be one apart.
#[derive(Clone, Debug)]
pub struct Counts {
    cells: Vec<u64>,
}

impl Counts {
    pub(super) fn sum<'c>(counters: impl IntoIterator<Item = &'c Counters>) -> Self {
        let mut cells = vec![0; EventKind::ALL.len() * CELLS_PER_EVENT];
        // Each cell is one load. There is no moment at which all of them are read, and none is needed: counters only grow.
        for of_one in counters {
            for (sum, cell) in cells.iter_mut().zip(&of_one.cells) {
                *sum += cell.load(Ordering::Relaxed);
            }
        }
        Self { cells }
    }

    /// How often the event happened, for whatever reason.
    pub fn of(&self, event: EventKind) -> u64 {
        let start = cell(event, None);
        let cells = self.cells.get(start..start + CELLS_PER_EVENT);
        cells.unwrap_or_default().iter().sum()
    }

    /// How often anything happened for this reason.
    pub fn of_reason(&self, reason: Reason) -> u64 {
        let events = EventKind::ALL.iter();
        events
            .map(|event| self.for_reason(*event, Some(reason)))
            .sum()
    }

    /// What has happened at all, by event and reason, in the order of the documentation.
    pub fn iter(&self) -> impl Iterator<Item = (EventKind, Option<Reason>, u64)> + '_ {
        EventKind::ALL.iter().flat_map(move |event| {
            let reasons = std::iter::once(None).chain(Reason::all().map(Some));
            let counts =
                reasons.map(move |reason| (*event, reason, self.for_reason(*event, reason)));
            counts.filter(|(_, _, count)| *count > 0)
        })
    }

    /// How often it happened for this reason; `None`: without one.
    pub fn for_reason(&self, event: EventKind, reason: Option<Reason>) -> u64 {
        let count = self.cells.get(cell(event, reason));
        count.copied().unwrap_or_default()
    }
}
