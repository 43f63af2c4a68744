//! The command line: which arguments there are, and the command that they become.
use super::complaint::complain_of_arguments;
#[cfg(feature = "demo")]
use super::demo;
#[cfg(feature = "man")]
use super::manual;
use super::output::in_one;
use super::{
    Exit, bindings, calls, check, connections, crls, deny, drain, explain, init, kick, ladder_log,
    limits, log_level, plan, pools, probe, refusals, reload, run, status, top, trace, upgrade,
};
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use rustls_pki_types::UnixTime;
use std::process::ExitCode;

/// A mutual-TLS SIP proxy daemon: trust decided in one place, from one topology file.
#[derive(Parser)]
#[command(name = "sipward", version, about)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

// The doc comments below are what `sipward help` prints.
#[derive(Subcommand)]
enum Command {
    /// Serve a topology in the foreground (SIGHUP reloads, SIGTERM drains)
    Run(run::RunCommand),
    /// Write a first topology and token keys, and show what is still missing
    Init(init::InitCommand),
    /// Load a topology and show every fault, or the policy that results and what will end when
    Check(check::CheckCommand),
    /// Show figures of the running daemon
    Status(status::StatusCommand),
    /// List the live connections of the running daemon
    Connections(connections::ConnectionsCommand),
    /// List the calls that are up or ring in the running daemon
    Calls(calls::CallsCommand),
    /// List the pools of the running daemon: their members, up or down, since when and why
    Pools(pools::PoolsCommand),
    /// List each bound of the running daemon, how much of it is taken, and how often it bit
    Limits(limits::LimitsCommand),
    /// Watch the running daemon: connections, peers, rates, latency and refusals, live
    Top(top::TopCommand),
    /// Give the requests of one peer or client other lines in the log for a while
    LogLevel(log_level::LogLevelCommand),
    /// Show messages of the running daemon while they pass: of one call, user, client, peer or connection, or all
    Trace(trace::TraceCommand),
    /// Draw from a log what a trace would have shown: who sent what to whom, when, and what was refused
    Ladder(ladder_log::LadderCommand),
    /// Show what the running daemon has refused lately, and how often for which reason
    Refusals(refusals::RefusalsCommand),
    /// List the registered clients of the running daemon, and where each is reached
    Bindings(bindings::BindingsCommand),
    /// Make the running daemon load its topology again, and show the result
    Reload(reload::ReloadCommand),
    /// Show step by step why a certificate is accepted (exit code 0) or refused (1), or what a name of the log means
    Explain(explain::ExplainCommand),
    /// Shake hands with a peer as the daemon would, send an OPTIONS, and show who refuses whom (1) or that all is good (0)
    Probe(probe::ProbeCommand),
    /// Show what a new topology would do to the running daemon, or what differs between two files
    Plan(plan::PlanCommand),
    /// Make the running daemon stop: no new connections, transactions may finish; or let its clients go (--clients)
    Drain(drain::DrainCommand),
    /// Start a new process that takes over the running daemon's listeners, and let the clients of the old one go
    Upgrade(upgrade::UpgradeCommand),
    /// List the CRLs that are held and where they came from, or drop what is known of one
    Crls(crls::CrlsCommand),
    /// Close connections of the running daemon: one by its number, or all of an address, a peer or a user
    Kick(kick::KickCommand),
    /// Refuse connections from a network for a time, or list who is denied
    Deny(deny::DenyCommand),
    #[cfg(feature = "man")]
    /// Write man pages and completions
    #[command(hide = true)]
    MakeManual(manual::ManualCommand),
    #[cfg(feature = "demo")]
    /// Show on loopback what is relayed and what is refused, with throw-away certificates
    Demo {
        /// Leave it running afterwards, and show how to point other programs at it
        #[arg(long)]
        stay: bool,
    },
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let command = match CommandLine::try_parse() {
        Ok(line) => line.command,
        Err(error) => return not_taken(&error),
    };
    let outcome = match command {
        // The daemon writes its log to standard output by itself, and the demo shows each step when it is done.
        Command::Run(run) => run.run(),
        #[cfg(feature = "demo")]
        Command::Demo { stay } => demo::DemoCommand { stay }.run(),
        Command::Check(check) => in_one(|out| match check.run(UnixTime::now(), out)? {
            true => Ok(()),
            false => Err(Exit::Refused),
        }),
        Command::Init(init) => in_one(|out| init.run(out)),
        #[cfg(feature = "man")]
        Command::MakeManual(manual) => manual
            .run(<CommandLine as clap::CommandFactory>::command())
            .map_err(Exit::from),
        Command::Status(status) => in_one(|out| status.run(out)),
        Command::Connections(connections) => in_one(|out| connections.run(out)),
        Command::Calls(calls) => in_one(|out| calls.run(out)),
        Command::Pools(pools) => in_one(|out| pools.run(out)),
        Command::Limits(limits) => in_one(|out| limits.run(out)),
        // The view goes to the terminal by itself.
        Command::Top(top) => in_one(|out| top.run(out)),
        Command::LogLevel(level) => in_one(|out| level.run(out)),
        // Each message is shown when it passes.
        Command::Trace(trace) => trace.run(&mut std::io::stdout().lock()),
        Command::Ladder(ladder) => in_one(|out| ladder.run(out)),
        Command::Refusals(refusals) => in_one(|out| refusals.run(out)),
        Command::Bindings(bindings) => in_one(|out| bindings.run(out)),
        Command::Reload(reload) => in_one(|out| reload.run(out)),
        Command::Explain(explain) => in_one(|out| explain.run(out)),
        Command::Probe(probe) => in_one(|out| probe.run(out)),
        Command::Plan(plan) => in_one(|out| plan.run(out)),
        Command::Drain(drain) => in_one(|out| drain.run(out)),
        Command::Upgrade(upgrade) => in_one(|out| upgrade.run(out)),
        Command::Crls(crls) => in_one(|out| crls.run(out)),
        Command::Kick(kick) => in_one(|out| kick.run(out)),
        Command::Deny(deny) => in_one(|out| deny.run(out)),
    };
    outcome.map_or_else(ExitCode::from, |()| ExitCode::SUCCESS)
}

/// Help, the version, or what is wrong with the command line.
fn not_taken(error: &clap::Error) -> ExitCode {
    // Of no command at all the list of them is what helps.
    let is_answer =
        !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if is_answer {
        // Where its reader is gone there is nobody to tell.
        let _ = error.print();
    } else {
        complain_of_arguments(error);
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
