//! `sipward calls`: who talks with whom now, and since when.
//!
//! What the call's line in the log will say when it ends, as far as it is known; media go past this node, so nothing is
//! said of them.
use super::Exit;
use super::listing::{PATIENCE, field, left_off, of_process, rows, span};
use super::output::show;
use super::table::{Table, number, text};
use super::target::{Target, unexpected};
use crate::daemon::control::{ListedCalls, Reply, Request};
use std::io::{self, Write};

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct CallsCommand {
    /// At most so many calls, the oldest first, and never more than 10000
    #[arg(long, value_name = "ROWS", default_value_t = 1_000, value_parser = rows)]
    pub limit: usize,
    /// Go on behind the call with this key, the first column
    #[arg(long, value_name = "CALL", default_value_t = 0)]
    pub after: u64,
    /// The daemon
    #[command(flatten)]
    pub target: Target,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

impl CallsCommand {
    /// Asks and writes the answer to `out`.
    ///
    /// # Errors
    /// No daemon answers.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        let request = Request::Calls {
            limit: self.limit,
            after: self.after,
        };
        let Reply::Calls(calls) = self.target.ask(&request, PATIENCE)? else {
            return Err(unexpected());
        };
        Ok(show(&calls, self.json, out, page)?)
    }
}

/// A row for each call: both sides, what it goes through, and how long it is up.
fn page(calls: &ListedCalls, out: &mut dyn Write) -> io::Result<()> {
    let rows = &calls.page.rows;
    if rows.is_empty() {
        return writeln!(out, "no calls");
    }
    let mut table = Table::new([
        number("CALL"),
        text("FROM"),
        text("TO"),
        text("STATE"),
        text("SINCE"),
        text("COMES FROM"),
        text("GOES TO"),
        number("CONNECTION"),
        number("TO CONNECTION"),
        text("CALL-ID"),
    ]);
    // Rows are the log's own objects: a later version may have more fields.
    for call in rows {
        let is_up = call["answered"] == true;
        // A side without a peer is a client.
        let to = match field(call, "to_peer") {
            peer if peer.is_empty() && call["to_client"] == true => "client".to_owned(),
            peer => peer,
        };
        let from = match field(call, "from_peer") {
            peer if peer.is_empty() => "client".to_owned(),
            peer => peer,
        };
        // Of a call of the old process, during an upgrade.
        let process = call["process"].as_u64();
        let process = of_process(process.and_then(|it| u32::try_from(it).ok()));
        table.row([
            field(call, "call"),
            field(call, "from"),
            field(call, "to"),
            format!("{}{process}", if is_up { "up" } else { "rings" }),
            span(call["since_s"].as_u64().unwrap_or_default()),
            from,
            to,
            field(call, "connection"),
            field(call, "to_connection"),
            field(call, "call_id"),
        ]);
    }
    table.write(out)?;
    // Its key, which is the first column.
    let last = rows.last().map(|call| field(call, "call"));
    left_off(calls.page.left_off, "calls", last.as_deref(), out)
}
