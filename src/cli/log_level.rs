//! `sipward log-level`: has the log write other lines for the requests of one peer or client for a while.
//!
//! For a partner that cannot be looked at among ten thousand clients: their lines stay as few as they are.
use super::Exit;
use super::listing::{PATIENCE, for_time};
use super::output::{plain, show};
use super::target::{Target, unexpected};
use crate::daemon::control::{Reply, Request};
use crate::topology::{LogRequests, show_moment};
use std::io::Write;
use std::time::Duration;

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("party").required(true)))]
pub struct LogLevelCommand {
    /// Which requests have a line, as in [log] requests
    #[arg(value_name = "LEVEL", value_parser = clap::builder::PossibleValuesParser::new(LogRequests::WORDS))]
    pub level: String,
    /// What this peer sends and receives
    #[arg(long, value_name = "FQDN", group = "party")]
    pub peer: Option<String>,
    /// What the client of this address, network or user sends
    #[arg(long, value_name = "ADDRESS|USER", group = "party")]
    pub client: Option<String>,
    /// For so long, a week at most
    #[arg(long = "for", value_name = "TIME", value_parser = for_time)]
    pub time: Duration,
    /// The daemon
    #[command(flatten)]
    pub target: Target,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

impl LogLevelCommand {
    /// Asks, and prints until when it holds.
    ///
    /// # Errors
    /// [`Exit::Usage`]: a peer that the topology does not name; no daemon answers.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        // clap takes one of the two, and no third.
        let request = Request::LogLevel {
            requests: self.level.clone(),
            peer: self.peer.clone(),
            client: self.client.clone(),
            for_s: self.time.as_secs(),
        };
        let Reply::LogLevel(set) = self.target.ask(&request, PATIENCE)? else {
            return Err(unexpected());
        };
        Ok(show(&set, self.json, out, |set, out| {
            let (who, until) = (plain(&set.selected), show_moment(set.until));
            writeln!(out, "requests of {who}: {} until {until}", set.requests)
        })?)
    }
}
