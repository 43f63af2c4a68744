//! Traces: copies of the messages of one party or call, for an operator who looks at them while they pass.
//!
//! A received message is taken where it was framed, before the core sees it; a sent one where it is written to its
//! connection; a refusal where its event is recorded. So a reader has all three in the order in which they happened.
//! Each shard has a tap for each trace (`tap`). It copies what is selected into the trace's bounded queue and goes on: what
//! finds no room is counted and lost. Who traces has the other end (`feed`); when that is dropped, the taps go.
//!
//! While nobody traces, a message costs one look at a plain flag of its shard.

mod feed;
mod record;
mod selection;
mod tap;

pub use feed::{TraceFeed, TraceGuard};
pub use record::{TraceDirection, TraceRecord, TracedItem, TracedMessage};
pub use selection::TraceSelection;
pub(super) use tap::TraceTaps;
