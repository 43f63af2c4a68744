//! `sipward limits`: each bound of the running daemon, how much of it is taken, and how often it bit.
//!
//! For the question whether a refusal is a flood or a bound that is too small for what the node serves.
use super::Exit;
use super::listing::PATIENCE;
use super::output::show;
use super::table::{Table, number, text};
use super::target::{Target, unexpected};
use crate::daemon::control::{ListedLimit, Reply, Request};
use std::io::{self, Write};

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct LimitsCommand {
    /// The daemon
    #[command(flatten)]
    pub target: Target,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

impl LimitsCommand {
    /// Asks and writes the answer to `out`.
    ///
    /// # Errors
    /// No daemon answers.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        let Reply::Limits(limits) = self.target.ask(&Request::Limits {}, PATIENCE)? else {
            return Err(unexpected());
        };
        Ok(show(&limits, self.json, out, |it, out| page(it, out))?)
    }
}

/// A row for each bound, in the order of docs/topology.md. What nobody counts has a dash.
fn page(limits: &[ListedLimit], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new([
        text("LIMIT"),
        number("VALUE"),
        number("USED"),
        text("BY"),
        text("HITS"),
        text("DEFAULT"),
    ]);
    let shown = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |it| it.to_string());
    // Bytes beside a bound in MiB would be read as something else.
    let taken = |limit: &ListedLimit, used: Option<u64>| match limit.value.ends_with('B') {
        true => used.map_or_else(|| "-".to_owned(), show_size),
        false => shown(used),
    };
    // What is never taken, as of a time, is listed too: who looks for a bound finds its value.
    for limit in limits {
        // A default that holds says nothing.
        let default = match limit.default == limit.value {
            true => String::new(),
            false => limit.default.clone(),
        };
        // One refusal has one reason: which of the two it was, its line in the log says.
        let hits = match &limit.hits_with {
            Some(with) => format!("{} (with {with})", shown(limit.hits)),
            None => shown(limit.hits),
        };
        table.row([
            limit.limit.clone(),
            limit.value.clone(),
            taken(limit, limit.used),
            used_by(
                limit,
                limit.former_used.map(|used| taken(limit, Some(used))),
            ),
            hits,
            default,
        ]);
    }
    table.write(out)
}

/// By whom, and how much more of it the old process takes during an upgrade.
fn used_by(limit: &ListedLimit, former: Option<String>) -> String {
    let by = limit.used_by.clone().unwrap_or_default();
    match former {
        Some(used) => format!("{by} (former process: {used})"),
        None => by,
    }
}

/// A size as people read it, with one place behind the point: `--json` has it to the byte.
fn show_size(octets: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = units.iter().find(|(_, unit)| octets >= *unit);
    unit.map_or_else(
        || format!("{octets}B"),
        |(name, unit)| format!("{}.{}{name}", octets / unit, octets % unit * 10 / unit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_its_unit_and_one_place() {
        for (octets, shown) in [
            (0, "0B"),
            (1_023, "1023B"),
            (1_536, "1.5KiB"),
            (6_319_125_504, "5.8GiB"),
        ] {
            assert_eq!(show_size(octets), shown);
        }
    }
}
