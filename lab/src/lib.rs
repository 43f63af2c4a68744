//! Throw-away certificates and SIP ends for sipward's demo, tests and benches.
//!
//! This crate knows nothing of sipward and shares no code with it: it parses, frames and routes SIP by
//! itself, so that a fault of sipward's parser cannot hide itself in the test. It is simple where sipward is
//! fast, and it panics nowhere, because the demo is a command for users.
//!
//! An [`End`] is a user agent whose calls read like a message chart; [`Client`] is one with a single TLS
//! connection and no certificate, [`Server`] one that listens with MTLS and dials with its certificate.
//! [`HomeServer`] lets a server answer by itself as registrar and proxy. Every end writes what it sends and
//! receives into one [`Transcript`], from which [`Ladder`] draws. [`NameServer`] answers for their names.
//!
//! [`Conduct`] makes such a server late, silent or wrong, and a [`Relay`] the line to it slow, lossy, cut or dead.
//! [`OwnClock`] and [`OwnDisk`] are what a process has of the machine for itself, to be set and filled.

mod address;
mod answerer;
mod client;
mod conduct;
pub mod der;
mod dialog;
mod draft;
mod end;
mod error;
mod events;
pub mod forge;
mod framing;
mod fresh;
mod home;
mod inbox;
mod ladder;
mod machine;
mod message;
mod name_server;
pub mod ocsp;
pub mod pki;
mod registrar;
mod relay;
mod server;
mod shared;
pub mod site;
mod tls;
mod topology_text;
mod transcript;
mod wire;

pub use answerer::Answerer;
pub use client::{Client, EdgeTarget};
pub use conduct::{Conduct, garbage};
pub use dialog::Dialog;
pub use draft::{Draft, Sent};
pub use error::LabError;
pub use events::{EventLog, LineWriter, LiveLog};
pub use home::HomeServer;
pub use inbox::{End, Received};
pub use ladder::Ladder;
pub use machine::{OwnClock, OwnDisk};
pub use message::SipMessage;
pub use name_server::{Data, NameServer};
pub use registrar::Registrar;
pub use relay::{Line, Relay};
pub use server::{Server, ServerSpec};
pub use tls::trust_only;
pub use transcript::{Transcript, TranscriptEntry};
pub use wire::{Ended, Wire};

#[cfg(test)]
mod tests;
