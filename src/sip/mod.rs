//! SIP on the wire: framing, the lazy message view, URIs, edits over received bytes, and responses; no policy, no I/O.
//!
//! The way of a message through this folder, and where to look for what:
//!
//! * `framing` finds a message in the bytes of a connection; `index` (with `controls` and `header_lookup`) reads its head
//!   once and notes where each header line stands.
//! * `message` is the view that all other code reads; `fields` parses a field when somebody asks for it, by `address`,
//!   `uri`, `host`, `via`, `cseq`, `list` and `params`, all of them made of `cursor` and `grammar`, which look
//!   at 16 bytes at a step (`block`).
//! * `edit` plans what a proxy changes and writes it in one pass over the received bytes (`new_text`, `remainder`, `stamp`);
//!   `splice` does so for topology hiding.
//! * `reply` and `derived` make the messages of this node's own.
//!
//! Two rules hold everywhere. What is not used is not checked, so that unknown extensions pass; what is used is read in the
//! one way that all parsers agree on, or refused. And no input can panic: slices are taken by `get` or `grammar::cut`.

mod address;
mod block;
mod controls;
mod cseq;
mod cursor;
mod derived;
mod digits;
mod edit;
mod escape;
mod fields;
mod framing;
mod grammar;
mod header;
mod header_lookup;
mod header_set;
mod host;
mod index;
mod list;
mod malformed;
mod message;
mod method;
mod name_rules;
mod new_text;
mod options;
mod params;
mod remainder;
mod reply;
mod same_uri;
mod splice;
mod stamp;
mod start_line;
mod status;
mod tel;
#[cfg(test)]
mod tests;
mod uri;
mod via;
mod words;

pub use crate::reason::Rule;
pub use address::Address;
pub use cseq::CSeq;
pub use derived::{Derived, write_ack, write_cancel};
pub(crate) use digits::{write_decimal, write_ip};
pub use edit::Edits;
pub use escape::plain_user;
pub(crate) use escape::unescape;
pub use framing::{FrameError, FrameLimits, Framer, Phase, Scan};
pub use header::HeaderName;
pub use header_set::HeaderSet;
pub use host::Host;
pub use index::LineTable;
pub use malformed::Malformed;
pub use message::{HeaderLine, Message};
pub use method::Method;
pub use name_rules::{NameRules, ProductTexts};
pub use new_text::ViaParams;
pub use options::OptionsRequest;
pub use reply::{Extra, write_reply, write_unframed_reply};
pub use splice::Splices;
pub use start_line::StartLine;
pub use status::phrase;
pub use uri::{Scheme, Uri};
pub use via::Via;
pub(crate) use words::{find, find_either};
