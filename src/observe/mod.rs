//! Events: what an operator sees, and how lines leave the message path.
//!
//! A caller fills an [`Event`] with values and hands it to [`Log::record`] or [`ShardLog::record`], which counts it, asks
//! the limits whether it may have a line, queues it and returns. One writer thread turns queued events into lines: JSON, or
//! text for a terminal. What each event is called, how serious it is, who can cause it and which fields it has stands in one
//! table (`event`).
//!
//! Events do not travel through `tracing`'s macros: these want their field set at compile time, format on the caller's
//! thread and would be a second table beside this one. What libraries report through `tracing` or `log` is gathered by a
//! `tracing-subscriber` layer ([`Log::gather_library_logs`]), becomes the event `library` and takes the same way, so that
//! there is one writer, one format and one bound.

mod call_record;
mod counters;
mod event;
mod groups;
mod human;
mod journal;
mod json;
mod keys;
mod library;
mod limits;
mod line;
mod log;
mod memory;
pub mod metrics;
mod prefix;
mod queue;
mod refusals;
mod request_lines;
mod requests;
mod sink;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod traffic;
mod value;
mod writer;

pub use call_record::{CallRecord, DecisionId, EndedBy, Parties};
pub use counters::Counts;
pub use event::{ClosedBy, Event, EventKind};
pub use groups::{HandshakeSides, PresentedChain, RequestOutcome};
pub use journal::Journal;
pub use json::event_as_json;
pub use keys::{ALL_KEYS, FieldKey};
pub(crate) use limits::window_at;
pub use log::{Log, ShardLog};
pub use memory::MemoryLog;
pub use queue::LogGuard;
pub use refusals::RefusalRing;
pub(crate) use request_lines::RequestLines;
pub use sink::Sink;
pub use table::{EventRow, Limited};
pub(crate) use traffic::CountedRequest;
pub use traffic::{RequestCount, RequestTally, RequestTimes, RequestTotals, TrafficEnd};
pub use value::{EventField, FieldType};
