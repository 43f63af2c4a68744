//! `sipward bindings`: which users are registered through the running daemon, and where each is reached.
//!
//! The daemon is no registrar: it knows a user by what a home server has granted, for as long as that says.
use super::Exit;
use super::listing::{PATIENCE, RowOptions, left_off, of_process, span};
use super::output::{counted, show};
use super::table::{Table, number, text};
use super::target::{Target, unexpected};
use crate::daemon::control::{ListedBindings, Reply, Request};
use std::io::{self, Write};

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct BindingsCommand {
    /// Which of them
    #[command(flatten)]
    pub rows: RowOptions,
    /// Go on behind this user
    #[arg(long, value_name = "USER", default_value = "")]
    pub after: String,
    /// The daemon
    #[command(flatten)]
    pub target: Target,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

impl BindingsCommand {
    /// Asks and writes the answer to `out`.
    ///
    /// # Errors
    /// No daemon answers.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        let request = Request::Bindings {
            user: self.rows.user.clone(),
            limit: self.rows.limit,
            after: self.after.clone(),
        };
        let Reply::Bindings(bindings) = self.target.ask(&request, PATIENCE)? else {
            return Err(unexpected());
        };
        Ok(show(&bindings, self.json, out, page)?)
    }
}

/// A row for each binding that a connection holds, and a line for the others.
fn page(bindings: &ListedBindings, out: &mut dyn Write) -> io::Result<()> {
    let rows = &bindings.held.rows;
    // All of them may be away, right after a network has failed.
    if rows.is_empty() && bindings.away > 0 {
        writeln!(out, "no bindings on a connection")?;
    } else if rows.is_empty() {
        writeln!(out, "no bindings")?;
    } else {
        let mut table = Table::new([
            text("USER"),
            number("CONNECTION"),
            text("ADDRESS"),
            text("ENDS IN"),
        ]);
        for row in rows {
            table.row([
                row.user.clone(),
                row.connection.to_string(),
                format!("{}{}", row.remote, of_process(row.process)),
                span(row.ends_in_s),
            ]);
        }
        table.write(out)?;
    }
    let last = rows.last().map(|row| row.user.as_str());
    left_off(bindings.held.left_off, "bindings", last, out)?;
    // Requests for these wait a while, and then go to the other nodes of the site.
    match bindings.away {
        0 => Ok(()),
        away => writeln!(out, "{} without a connection", counted(away, "binding")),
    }
}
