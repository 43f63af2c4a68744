//! `sipward kick`: closes connections of the running daemon, and refuses whose they are for a time.
use super::Exit;
use super::listing::{for_time, refused_until};
use super::output::{counted, show};
use super::target::{Target, unexpected};
use crate::daemon::control::{Reply, Request};
use crate::topology::printable;
use std::io::Write;
use std::time::Duration;

/// How long the daemon may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct KickCommand {
    /// A connection's number or its remote address and port; or an address, a network, a peer's name or a user for all of
    /// its connections. A user whose name is a number is written as sip:1001 or with its domain
    #[arg(value_name = "CONNECTION|ADDRESS|PEER|USER")]
    pub what: String,
    /// Refuse whose they are for so long: the user, the address or the peer; of a connection its peer, else its address
    #[arg(long = "for", value_name = "TIME", value_parser = for_time)]
    pub time: Option<Duration>,
    /// The daemon
    #[command(flatten)]
    pub target: Target,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

impl KickCommand {
    /// Asks, and prints how many connections were closed. None is a refusal, so that a script notices a wrong number.
    ///
    /// # Errors
    /// [`Exit::Refused`]: there is no such connection; [`Exit::Usage`]: nobody in particular is meant, or a time that is too
    /// long; no daemon answers.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        let request = Request::Kick {
            what: self.what.clone(),
            for_s: self.time.map(|time| time.as_secs()),
        };
        let Reply::Kick(kicked) = self.target.ask(&request, PATIENCE)? else {
            return Err(unexpected());
        };
        show(&kicked, self.json, out, |kicked, out| {
            write!(out, "{} closed", counted(kicked.connections, "connection"))?;
            // A name that nobody has must not look like a command that did its work; who is denied need not be there.
            match kicked.connections {
                0 if kicked.denied.is_none() => writeln!(
                    out,
                    ": no connection, connected peer, address or registered user is called {}",
                    printable(&self.what, 64)
                )?,
                _ => writeln!(out)?,
            }
            match &kicked.denied {
                Some(denied) => writeln!(out, "{}", refused_until(denied)),
                None => Ok(()),
            }
        })?;
        // After the page: a script that reads JSON wants the zero as well. Who is refused from now on was not there, and
        // the command has done its work.
        match (kicked.connections, kicked.denied) {
            (0, None) => Err(Exit::Refused),
            _ => Ok(()),
        }
    }
}
