//! The commands; each is a type with `run`, and this is where the command line becomes one of them.

pub mod check;
pub mod demo;
pub mod run;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// How a command ends when it does not end well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// A topology is refused, a check or the demo failed: 1.
    Refused,
    /// A listener's address cannot be had: 3.
    CannotListen,
    /// Something that should not happen: 70 (EX_SOFTWARE).
    Internal,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Refused => 1,
            Exit::CannotListen => 3,
            Exit::Internal => 70,
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
        #[arg(default_value = "/etc/sipward/topology.toml")]
        file: PathBuf,
    },
    /// Load a topology and show every fault, or the policy that results
    Check {
        /// The topology file
        file: PathBuf,
    },
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
        Command::Check { file } => checked(check::Check { file }),
        Command::Demo { stay } => demo::Demo { stay }.run(),
    };
    outcome.map_or_else(ExitCode::from, |()| ExitCode::SUCCESS)
}

fn checked(check: check::Check) -> Result<(), Exit> {
    let mut out = std::io::stdout().lock();
    match check.run(rustls_pki_types::UnixTime::now(), &mut out) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Exit::Refused),
        // Whoever read us has gone: nothing to say, nobody to say it to.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => {
            eprintln!("sipward: cannot write: {error}");
            Err(Exit::Internal)
        }
    }
}
