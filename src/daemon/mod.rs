//! Start-up, generations and reload, drain: the daemon without signals, as the demo and the tests embed it; `service`
//! starts it with signals, systemd and the [`control`] socket, and `supervisor` serves these until it has stopped.
//!
//! [`Daemon`] is the node itself (`node`, `loading`, `reload`); around it run the tasks that look after files, CRLs and
//! what will end soon (`watch`, `crl_timer`, `crl_fetch`, `forecast`), and beside it the thread that monitoring asks (`http`).

mod address_guard;
mod allocator;
mod attended;
mod clock;
mod confinement;
pub mod control;
mod crl_fetch;
pub mod crl_state;
mod crl_timer;
mod denial_state;
mod error;
mod forecast;
mod hep;
mod http;
mod kept_denials;
mod last_words;
mod letting_go;
mod loading;
mod log_file;
mod log_level_list;
mod maintenance;
mod named_path;
mod node;
mod own_listeners;
mod plan;
mod reload;
mod reload_report;
mod service;
mod signals;
mod supervisor;
#[cfg(test)]
mod tests;
mod trace;
mod upgrade;
mod warnings;
mod watch;

pub use attended::AttendedDaemon;
pub use error::DaemonError;
pub use http::{HostRules, Resource, wanted_of};
pub use loading::{load, load_after, look_at, prepare, prepare_with};
pub use named_path::named_path;
pub use node::Daemon;
pub use plan::{ChainOutcome, Dropped, Joined, Moved, PlanEffects};
pub use service::serve;
