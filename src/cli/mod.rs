//! The commands; each is a type with `run`.
//!
//! A command is made of its arguments (clap fills it), does its work in `run`, and writes to the `out` that it is given, so
//! that tests need no process. It returns an [`Exit`] instead of ending the process; only [`main`] makes an exit code of
//! it. What goes wrong is printed to standard error, so that standard output is the answer or nothing.

pub mod bindings;
pub mod calls;
pub mod check;
mod command_line;
mod complaint;
pub mod connections;
pub mod crls;
#[cfg(feature = "demo")]
pub mod demo;
pub mod deny;
pub mod drain;
mod exit;
pub mod explain;
pub mod init;
pub mod kick;
mod ladder;
pub mod ladder_log;
pub mod limits;
mod listing;
pub mod log_level;
#[cfg(feature = "man")]
pub mod manual;
mod message_selection;
pub mod names;
mod newcomer;
mod output;
mod pcapng;
pub mod plan;
pub mod pools;
pub mod probe;
pub mod reasons;
pub mod refusals;
pub mod reload;
pub mod run;
pub mod status;
mod table;
pub mod target;
#[cfg(test)]
mod tests;
pub mod top;
pub mod trace;
pub mod upgrade;

pub use command_line::main;
pub use exit::Exit;
use output::write_json;
