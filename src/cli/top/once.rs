//! `sipward top --once`: the figures of one interval as plain tables or JSON, for who has no terminal.
//!
//! The tables are those of every other command: fit for a terminal, whole in a pipe, and escaped cell by cell.
use super::rates::Rates;
use super::reading::WatchedDaemon;
use super::view::{latency, rate};
use crate::cli::Exit;
use crate::cli::listing::span;
use crate::cli::output::{listed, show};
use crate::cli::table::{Table, number, text};
use std::io::{self, Write};
use std::thread;

/// Two readings, one interval apart.
///
/// Both are whole before anything is printed: a daemon that goes meanwhile leaves no half page.
///
/// # Errors
/// No daemon answers.
pub(super) fn print(daemon: &WatchedDaemon, json: bool, out: &mut dyn Write) -> Result<(), Exit> {
    let ask = || daemon.read().map_err(|why| why.print());
    let older = ask()?;
    // Rates need two readings: one alone would only repeat what `status` says.
    thread::sleep(daemon.interval);
    let rates = Rates::between(Some(&older), &ask()?);
    Ok(show(&rates, json, out, page)?)
}

/// The same as the view has, one table below the other, with the whole of each.
fn page(rates: &Rates, out: &mut dyn Write) -> io::Result<()> {
    let up = span(rates.up_s);
    writeln!(
        out,
        "{}  sipward {}, process {}, up {up}, generation {}{}",
        rates.node,
        rates.version,
        rates.pid,
        rates.generation,
        if rates.draining { ", drains" } else { "" }
    )?;
    writeln!(
        out,
        "{} clients, {} calls, {} bindings, {} transactions; {} requests/s, {} refused/s; {} log lines lost",
        rates.clients,
        rates.calls,
        rates.bindings,
        rates.transactions,
        rate(rates.requests_per_s),
        rate(rates.refused_per_s),
        rates.log_lost
    )?;
    // Before the tables: what follows is not all there is.
    if !rates.silent.is_empty() {
        writeln!(out, "shards that do not answer: {}", listed(&rates.silent))?;
    }
    // A table without rows is left out with its head: on an idle node that is most of them.
    if !rates.directions.is_empty() {
        writeln!(out)?;
        requests(rates).write(out)?;
    }
    if !rates.refusals.is_empty() {
        writeln!(out)?;
        refusals(rates).write(out)?;
    }
    if !rates.peers.is_empty() {
        writeln!(out)?;
        peers(rates).write(out)?;
    }
    more(rates.peers_left_off, "peers", "pools", out)?;
    if !rates.connections.is_empty() {
        writeln!(out)?;
        connections(rates).write(out)?;
    }
    more(
        rates.connections_left_off,
        "connections",
        "connections",
        out,
    )
}

/// What is left off, and which command lists it page by page.
///
/// It stands below its table, as with every listing.
fn more(count: usize, what: &str, command: &str, out: &mut dyn Write) -> io::Result<()> {
    match count {
        0 => Ok(()),
        count => writeln!(
            out,
            "{count} {what} more: sipward {command}, or a higher --limit"
        ),
    }
}

/// By direction and kind, the most frequent first.
fn requests(rates: &Rates) -> Table<7> {
    let mut table = Table::new([
        text("DIRECTION"),
        text("KIND"),
        number("PER S"),
        number("FAILED/S"),
        number("MEDIAN"),
        number("95%"),
        number("COUNT"),
    ]);
    for it in &rates.directions {
        table.row([
            it.direction.clone(),
            it.kind.to_owned(),
            rate(it.per_s),
            rate(it.failed_per_s),
            latency(it.median_ms),
            latency(it.p95_ms),
            it.count.to_string(),
        ]);
    }
    table
}

/// By reason, those of the interval first.
fn refusals(rates: &Rates) -> Table<4> {
    let mut table = Table::new([
        text("REFUSED"),
        text("EVENT"),
        number("PER S"),
        number("COUNT"),
    ]);
    for it in &rates.refusals {
        table.row([
            it.reason.clone(),
            it.event.clone(),
            rate(it.per_s),
            it.count.to_string(),
        ]);
    }
    table
}

/// Those first that take no requests.
fn peers(rates: &Rates) -> Table<7> {
    let mut table = Table::new([
        text("PEER"),
        text("STATE"),
        text("WHY"),
        number("CONNECTIONS"),
        number("IN FLIGHT"),
        number("IN/S"),
        number("OUT/S"),
    ]);
    for it in &rates.peers {
        table.row([
            it.figures.peer.clone(),
            it.figures.state.clone(),
            it.figures.reason.clone().unwrap_or_default(),
            it.figures.connections.to_string(),
            it.figures.in_flight.to_string(),
            rate(it.in_per_s),
            rate(it.out_per_s),
        ]);
    }
    table
}

/// In the order of their numbers, which is that of their age.
fn connections(rates: &Rates) -> Table<7> {
    let mut table = Table::new([
        number("NUMBER"),
        text("WHO"),
        text("ADDRESS"),
        number("IN/S"),
        number("OUT/S"),
        number("MESSAGES"),
        number("QUEUED"),
    ]);
    for it in &rates.connections {
        table.row([
            it.connection.to_string(),
            it.who.clone(),
            it.remote.clone(),
            rate(it.in_per_s),
            rate(it.out_per_s),
            it.messages.to_string(),
            it.queued.to_string(),
        ]);
    }
    table
}
