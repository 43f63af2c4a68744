//! The commands; each is a type with `run`, and this is where the command line becomes one of them.

pub mod check;
pub mod crls;
#[cfg(feature = "demo")]
pub mod demo;
pub mod drain;
pub mod explain;
#[cfg(test)]
mod growth;
pub mod kick;
pub mod plan;
pub mod probe;
pub mod reasons;
pub mod reload;
pub mod run;
pub mod status;
pub mod target;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// How a command ends when it does not end well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// A topology is refused, a check or the demo failed: 1.
    Refused,
    /// The question makes no sense, or cannot be asked: 2, as for a wrong command line.
    Usage,
    /// A plan finds that something which works now would not: 4.
    Harmful,
    /// A listener's address cannot be had: 3.
    CannotListen,
    /// No running daemon answers: 69 (EX_UNAVAILABLE).
    NoDaemon,
    /// Something that should not happen: 70 (EX_SOFTWARE).
    Internal,
    /// Whoever reads our output has gone: nothing to say, nobody to say it to; 0.
    Unread,
}

impl From<std::io::Error> for Exit {
    /// An output that cannot be written to.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::Unread;
        }
        eprintln!("sipward: cannot write: {error}");
        Self::Internal
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Refused => 1,
            Exit::Usage => 2,
            Exit::CannotListen => 3,
            Exit::Harmful => 4,
            Exit::NoDaemon => 69,
            Exit::Internal => 70,
            Exit::Unread => 0,
        })
    }
}

/// A mutual-TLS SIP proxy daemon: trust decided in one place, from one topology file.
#[derive(Parser)]
#[command(name = "sipward", version, about)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a topology in the foreground (SIGHUP reloads, SIGTERM drains)
    Run {
        /// The topology file
        #[arg(default_value = target::DEFAULT_TOPOLOGY)]
        file: PathBuf,
    },
    /// Load a topology and show every fault, or the policy that results and what will end when
    Check(check::Check),
    /// Show figures of the running daemon
    Status {
        #[command(flatten)]
        target: target::Target,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make the running daemon load its topology again, and say what came of it
    Reload {
        #[command(flatten)]
        target: target::Target,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Say step by step why a certificate is accepted (exit code 0) or refused (1), or what a reason code means
    Explain(explain::Explain),
    /// Shake hands with a peer as the daemon would, send an OPTIONS, and show who refuses whom (1) or that all is good (0)
    Probe(probe::Probe),
    /// Say what a new topology would do to the running daemon, or what differs between two files
    Plan(plan::Plan),
    /// Make the running daemon stop: no new connections, transactions may finish
    Drain {
        #[command(flatten)]
        target: target::Target,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// List the CRLs that are held and where they came from, or drop what is known of one
    Crls(crls::Crls),
    /// Close a connection of the running daemon by its number, or all of a peer by its FQDN
    Kick {
        /// A connection's number as in the log, or a peer's FQDN
        #[arg(value_name = "CONNECTION|PEER")]
        what: String,
        #[command(flatten)]
        target: target::Target,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    #[cfg(feature = "demo")]
    /// Show on loopback what is relayed and what is refused, with throw-away certificates
    Demo {
        /// Leave it up afterwards, and say how to point other programs at it
        #[arg(long)]
        stay: bool,
    },
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let outcome = match CommandLine::parse().command {
        Command::Run { file } => run::Run { file }.run(),
        Command::Check(check) => checked(check),
        Command::Status { target, json } => in_one(|out| status::Status { target, json }.run(out)),
        Command::Reload { target, json } => {
            reload::Reload { target, json }.run(&mut std::io::stdout().lock())
        }
        Command::Explain(explain) => in_one(|out| explain.run(out)),
        Command::Probe(probe) => probe.run(&mut std::io::stdout().lock()),
        Command::Crls(crls) => in_one(|out| crls.run(out)),
        Command::Plan(plan) => in_one(|out| plan.run(out)),
        Command::Drain { target, json } => {
            drain::Drain { target, json }.run(&mut std::io::stdout().lock())
        }
        Command::Kick { what, target, json } => {
            kick::Kick { what, target, json }.run(&mut std::io::stdout().lock())
        }
        #[cfg(feature = "demo")]
        Command::Demo { stay } => demo::Demo { stay }.run(),
    };
    outcome.map_or_else(ExitCode::from, |()| ExitCode::SUCCESS)
}

fn checked(check: check::Check) -> Result<(), Exit> {
    in_one(
        |out| match check.run(rustls_pki_types::UnixTime::now(), out) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Exit::Refused),
            Err(error) => Err(error.into()),
        },
    )
}

/// Runs a command whose output is written when it is whole: what comes piece by piece costs a system call for each piece,
/// and a large topology has hundreds of thousands.
fn in_one(
    command: impl FnOnce(&mut std::io::BufWriter<std::io::StdoutLock<'_>>) -> Result<(), Exit>,
) -> Result<(), Exit> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let outcome = command(&mut out);
    match std::io::Write::flush(&mut out) {
        Err(error) if outcome.is_ok() => Err(error.into()),
        _ => outcome,
    }
}

/// Writes a value as JSON for people and programs.
fn write_json<T: serde::Serialize>(value: &T, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}
