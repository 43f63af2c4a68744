//! The commands; each is a type with `run`.

pub mod check;
mod command_line;
pub mod crls;
#[cfg(feature = "demo")]
pub mod demo;
pub mod drain;
mod exit;
pub mod explain;
#[cfg(test)]
mod growth;
pub mod kick;
mod output;
pub mod plan;
pub mod probe;
pub mod reasons;
pub mod reload;
pub mod run;
pub mod status;
pub mod target;

pub use command_line::main;
pub use exit::Exit;
use output::write_json;
