//! `sipward pools`: the members of each pool: up or down, since when and why, and what runs with them.
//!
//! One row for each member, with its pool in front: `sipward pools | grep down` is what an operator types.
use super::Exit;
use super::listing::{PATIENCE, left_off, rows, span};
use super::output::show;
use super::table::{Table, number, text};
use super::target::{Target, unexpected};
use crate::daemon::control::{ListedMember, ListedPool, Reply, Request};
use crate::edge::RowPage;
use std::io::{self, Write};

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct PoolsCommand {
    /// At most so many pools, and never more than 10000
    #[arg(long, value_name = "ROWS", default_value_t = 1_000, value_parser = rows)]
    pub limit: usize,
    /// Go on behind the pool of this name
    #[arg(long, value_name = "POOL", default_value = "")]
    pub after: String,
    /// The daemon
    #[command(flatten)]
    pub target: Target,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

impl PoolsCommand {
    /// Asks and writes the answer to `out`.
    ///
    /// # Errors
    /// No daemon answers.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        let request = Request::Pools {
            limit: self.limit,
            after: self.after.clone(),
        };
        let Reply::Pools(pools) = self.target.ask(&request, PATIENCE)? else {
            return Err(unexpected());
        };
        Ok(show(&pools, self.json, out, page)?)
    }
}

/// A row for each member, under the name of its pool.
fn page(pools: &RowPage<ListedPool>, out: &mut dyn Write) -> io::Result<()> {
    if pools.rows.is_empty() {
        return writeln!(out, "no pools");
    }
    let mut table = Table::new([
        text("POOL"),
        text("MEMBER"),
        text("STATE"),
        text("SINCE"),
        text("WHY"),
        number("CONNECTIONS"),
        number("IN FLIGHT"),
        number("WAITING"),
        text("PINGS"),
    ]);
    // A partner's implicit pool has one member, and its row says all of it.
    for pool in &pools.rows {
        for member in &pool.members {
            let drains = if member.drains { " (drains)" } else { "" };
            // It counts as up until so many have failed as the pool says, and is tried again.
            let failed = match member.failures {
                0 => String::new(),
                1 => ", 1 failure".to_owned(),
                many => format!(", {many} failures"),
            };
            // Why it went down is said until it has been up for good: an operator asks after the fact.
            let why = member.reason.clone().unwrap_or_default();
            table.row([
                pool.pool.clone(),
                member.peer.clone(),
                format!("{}{failed}{drains}", member.state),
                member.since_s.map_or_else(|| "start".to_owned(), span),
                why,
                member.connections.to_string(),
                member.in_flight.to_string(),
                member.waiting.to_string(),
                pings(member),
            ]);
        }
    }
    table.write(out)?;
    let last = pools.rows.last().map(|pool| pool.pool.as_str());
    left_off(pools.left_off, "pools", last, out)
}

/// How many were answered, and how soon the last one.
fn pings(member: &ListedMember) -> String {
    let Some(pings) = member.pings else {
        return "-".to_owned();
    };
    // A tenth of a millisecond is what a server next door differs by.
    let last = pings
        .last_us
        .map(|us| format!(", {}.{} ms", us / 1_000, us % 1_000 / 100));
    let last = last.unwrap_or_default();
    format!("{} of {}{last}", pings.answered, pings.sent)
}
