//! What leaves the node of a traced message: secrets masked, whoever reads it.
//!
//! Masking is done here, by the thread that serves the reader, and not in the shards: these copy bytes and go on.

mod hep3;
mod mask;

pub(super) use hep3::HepSender;
pub use mask::{Shown, masked};
