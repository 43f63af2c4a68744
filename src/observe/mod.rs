//! Events: what an operator sees, and how lines leave the message path.
//!
//! A caller fills an [`Event`] with values and hands it to [`Log::record`], which takes the time, queues and returns. One
//! writer thread turns queued events into lines: [`table`] says what each event is called, how serious it is and which
//! fields it has, `line` writes it as JSON or for a terminal.
//!
//! Events do not travel through `tracing`'s macros: these want their field set at compile time, format on the caller's
//! thread and would be a second table beside ours. What libraries say through `tracing` or `log` is gathered by a
//! `tracing-subscriber` layer ([`Log::gather_library_logs`]), becomes the event `library` and takes the same queue, so
//! that there is one writer, one format and one bound.

mod event;
mod fields;
mod library;
mod line;
mod log;
mod memory;
mod requests;
pub mod table;
#[cfg(test)]
mod tests;
mod text;

pub use event::{Event, RequestEvent, Shown};
pub use fields::Value;
pub use log::{Log, LogGuard, Sink};
pub use memory::MemoryLog;
