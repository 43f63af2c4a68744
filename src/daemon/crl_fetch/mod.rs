//! Fetches CRLs from http:// distribution points for the trust sets that want it: in the background, within bounds.
//!
//! What comes goes to the timer of CRLs, which holds it to the same rules as a file. No handshake waits for any of it, and no
//! trust set for another one's servers.

mod failure;
mod get;
mod points;
mod run;

pub(super) use run::{Fetched, run};
