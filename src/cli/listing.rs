//! What commands about state have in common: which rows are asked for, what is printed below them, and how times are read
//! and shown.
use super::output::plain;
use crate::daemon::control::Denial;
use crate::topology::{duration, show_moment};
use serde_json::Value;
use std::io::{self, Write};
use std::time::Duration;

/// How long the daemon may take.
///
/// Three times what it allows a shard.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// Which rows are wanted.
#[derive(Clone, Debug, clap::Args)]
pub struct RowOptions {
    /// Only those of this user: alice or alice@contoso.test
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// At most so many rows, and never more than 10000
    #[arg(long, value_name = "ROWS", default_value_t = 1_000, value_parser = rows)]
    pub limit: usize,
}

/// Reads how many rows are wanted: of none at all a page would say that nobody is there.
///
/// # Errors
/// What is no number of rows, for the command line.
pub(super) fn rows(text: &str) -> Result<usize, String> {
    let read = text.parse().ok().filter(|rows| *rows > 0);
    read.ok_or_else(|| "write a number, 1 at least".to_owned())
}

/// Reads the time of a denial.
///
/// # Errors
/// What is no time, for the command line.
pub(super) fn for_time(text: &str) -> Result<Duration, String> {
    let read = duration(text).filter(|time| *time >= Duration::from_secs(1));
    read.ok_or_else(|| "write a number and a unit, a second at least: 30s, 10m, 6h, 2d".to_owned())
}

/// Who is refused until when, in one line.
pub(super) fn refused_until(denial: &Denial) -> String {
    let until = denial.until.map(show_moment).unwrap_or_default();
    let who = plain(&denial.party.to_string());
    format!("{who} is refused until {until}")
}

/// A field of an object as text; nothing where it is missing.
///
/// For rows that are lines of the log: which fields a line has depends on its event.
pub(super) fn field(of: &Value, key: &str) -> String {
    match of.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// Behind what the process before this one has, during an upgrade; nothing behind everything else.
pub(super) fn of_process(process: Option<u32>) -> String {
    let pid = process.map(|pid| format!(" (process {pid})"));
    pid.unwrap_or_default()
}

/// Says how many rows are left off, and how to see them.
///
/// Below the table, where the eye ends; a script reads `left_off` of the JSON.
pub(super) fn left_off(
    left_off: usize,
    command: &str,
    last: Option<&str>,
    out: &mut dyn Write,
) -> io::Result<()> {
    match last {
        Some(last) if left_off > 0 => writeln!(
            out,
            "{left_off} more: sipward {command} --after {}, or a higher --limit",
            plain(last)
        ),
        Some(_) | None => Ok(()),
    }
}

/// A span of time as people read it, in its two largest units: `45s`, `12m 5s`, `3h 12m`, `2d 4h`.
pub(super) fn span(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    // The largest unit that is not zero; of nothing at all the seconds.
    let first = units.iter().position(|(_, unit)| seconds >= *unit);
    let shown = units.iter().skip(first.unwrap_or(3)).take(2);
    let mut rest = seconds;
    // A second unit of zero is left out: `1h` and not `1h 0m`.
    let parts: Vec<String> = shown
        .map(|(name, unit)| {
            let count = rest / unit;
            rest %= unit;
            (count, format!("{count}{name}"))
        })
        .filter(|(count, _)| *count > 0 || seconds == 0)
        .map(|(_, text)| text)
        .collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_its_two_largest_units() {
        for (seconds, shown) in [
            (0, "0s"),
            (45, "45s"),
            (60, "1m"),
            (725, "12m 5s"),
            (11_520, "3h 12m"),
            (3_601, "1h"),
            (187_230, "2d 4h"),
        ] {
            assert_eq!(span(seconds), shown);
        }
    }

    #[test]
    fn what_is_left_off_is_said_with_the_way_to_it() {
        let said = |left, last| {
            let mut out = Vec::new();
            left_off(left, "bindings", last, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(said(0, Some("5")), "");
        assert!(said(7, Some("5")).starts_with("7 more: sipward bindings --after 5"));
    }
}
