//! `sipward deny`: networks whose connections are refused for a time, and everybody who is denied.
//!
//! What is to last belongs into `limits.deny` of the topology, where `check` and `plan` see it.
use super::Exit;
use super::listing::{PATIENCE, for_time, refused_until};
use super::output::{counted, plain, show};
use super::table::{Table, text};
use super::target::{Target, Unanswered, unexpected};
use crate::daemon::control::{Denial, NamedParty, Reply, Request};
use crate::reason::DaemonReason;
use crate::topology::show_moment;
use std::io::{self, Write};
use std::time::Duration;

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct DenyCommand {
    /// What to do
    #[command(subcommand)]
    pub action: DenyAction,
    /// The daemon
    #[command(flatten)]
    pub target: Target,
    /// As JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// What can be done with denials.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum DenyAction {
    /// Refuse connections from an address or a network, and close those that are there
    Add {
        /// An address or a network: 203.0.113.7, 203.0.113.0/24, 2001:db8::/64
        #[arg(value_name = "NETWORK")]
        network: String,
        /// For how long: 10m, 6h, 2d
        #[arg(long = "for", value_name = "TIME", value_parser = for_time)]
        time: Duration,
        /// Why, for the list
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// List who is denied, until when and why; those of limits.deny last
    List,
    /// End a denial before its time
    Remove {
        /// The network, peer or user, as the list has it
        #[arg(value_name = "WHO")]
        what: String,
    },
}

impl DenyCommand {
    /// Carries out one of the three.
    ///
    /// # Errors
    /// [`Exit::Refused`]: there is no such denial, or no room for one; no daemon answers.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        match &self.action {
            DenyAction::Add {
                network,
                time,
                reason,
            } => self.add(network, *time, reason.clone(), out),
            DenyAction::List => self.list(out),
            DenyAction::Remove { what } => self.remove(what, out),
        }
    }

    /// Denies a network.
    ///
    /// The page says until when by the calendar: `1h` tells nobody who reads it later.
    fn add(
        &self,
        network: &str,
        time: Duration,
        reason: Option<String>,
        out: &mut dyn Write,
    ) -> Result<(), Exit> {
        let request = Request::Deny {
            network: network.to_owned(),
            for_s: time.as_secs(),
            reason,
        };
        let Reply::Deny(denied) = self.ask(&request)? else {
            return Err(unexpected());
        };
        Ok(show(&denied, self.json, out, |denied, out| {
            writeln!(out, "{}", refused_until(&denied.denied))?;
            writeln!(out, "{} closed", counted(denied.connections, "connection"))
        })?)
    }

    /// Shows who is denied.
    fn list(&self, out: &mut dyn Write) -> Result<(), Exit> {
        let Reply::Denials(denials) = self.ask(&Request::Denials {})? else {
            return Err(unexpected());
        };
        Ok(show(&denials, self.json, out, |denials, out| {
            page(denials, out)
        })?)
    }

    /// Admits somebody again.
    ///
    /// Whoever was denied learns nothing of it; phones come by themselves.
    fn remove(&self, what: &str, out: &mut dyn Write) -> Result<(), Exit> {
        let request = Request::AdmitAgain {
            what: what.to_owned(),
        };
        let Reply::AdmitAgain(party) = self.ask(&request)? else {
            return Err(unexpected());
        };
        Ok(show(&party, self.json, out, |party, out| {
            writeln!(out, "{} may come again", plain(&party.to_string()))
        })?)
    }

    /// Asks the daemon; what the operator can correct is no fault of it.
    fn ask(&self, request: &Request) -> Result<Reply, Exit> {
        self.target.try_ask(request, PATIENCE).map_err(|why| {
            let exit = why.print();
            let Unanswered::Refused { code, .. } = why else {
                return exit;
            };
            let own = [DaemonReason::UnknownDenial, DaemonReason::DenialsFull];
            if own.contains(&code) {
                Exit::Refused
            } else {
                exit
            }
        })
    }
}

/// A row for each.
///
/// The kind has a column: `alice` may be a user and a host.
fn page(denials: &[Denial], out: &mut dyn Write) -> io::Result<()> {
    if denials.is_empty() {
        return writeln!(out, "nobody is denied");
    }
    let mut table = Table::new([text("DENIED"), text("KIND"), text("UNTIL"), text("REASON")]);
    for denial in denials {
        let kind = match &denial.party {
            NamedParty::Network(_) => "network",
            NamedParty::Peer(_) => "peer",
            NamedParty::User(_) => "user",
        };
        table.row([
            denial.party.to_string(),
            kind.to_owned(),
            // Without an end: a reload takes it out.
            denial.until.map_or("limits.deny".to_owned(), show_moment),
            denial.reason.clone().unwrap_or_default(),
        ]);
    }
    table.write(out)
}
