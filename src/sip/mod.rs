//! SIP on the wire: framing, the lazy message view, URIs, edits over received bytes, and answers; no policy, no I/O.

mod address;
mod digits;
pub mod edit;
pub mod framing;
mod grammar;
mod header;
mod host;
mod index;
mod list;
mod message;
mod params;
pub mod reply;
mod rule;
mod splice;
mod stamp;
mod start_line;
mod status;
mod tel;
#[cfg(test)]
mod tests;
mod uri;
mod via;

pub use address::Address;
pub(crate) use digits::{write_decimal, write_ip};
pub use edit::{Edits, ViaParams};
pub use framing::{FrameError, FrameLimits, Framer, Phase, Scan};
pub use header::{HeaderName, HeaderSet};
pub use host::Host;
pub use index::LineTable;
pub use message::{CSeq, HeaderLine, Malformed, Message};
pub use reply::{Derived, Extra, write_ack, write_cancel, write_reply, write_unframed_reply};
pub use rule::Rule;
pub use splice::Splices;
pub use start_line::{Method, StartLine};
pub use status::phrase;
pub use uri::{Scheme, Uri, plain_user};
pub use via::Via;
