//! `sipward drain`: makes the running daemon stop as SIGTERM does, or lets its clients go for maintenance.
use super::Exit;
use super::output::{counted, show};
use super::target::{Target, unexpected};
use crate::daemon::control::{Reply, Request};
use crate::topology::show_duration;
use std::io::Write;
use std::time::Duration;

/// How long the daemon may take to begin: a reload that runs is waited for.
const PATIENCE: Duration = Duration::from_secs(130);

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct DrainCommand {
    /// The daemon
    #[command(flatten)]
    pub target: Target,
    /// Stay, answer new requests 503, and let the clients go over limits.handover; sipward status says how many are left
    #[arg(long)]
    pub clients: bool,
    /// End that, and serve as before
    #[arg(long, requires = "clients")]
    pub cancel: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

impl DrainCommand {
    /// Asks, and returns when the drain has begun.
    ///
    /// # Errors
    /// No daemon answers.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        if self.clients {
            return self.drain_clients(out);
        }
        let Reply::Drain(draining) = self.target.ask(&Request::Drain {}, PATIENCE)? else {
            return Err(unexpected());
        };
        // The daemon is still there for the bound at most; who must know when it is gone asks the service manager.
        show(&draining, self.json, out, |draining, out| {
            // Shards that do not answer in time are not counted, so there may be no number.
            let left = draining.transactions.map(|n| counted(n, "transaction"));
            let left = left.unwrap_or_else(|| "transactions not counted".to_owned());
            let bound = show_duration(Duration::from_millis(draining.bound_ms));
            writeln!(out, "draining: {left}; at most {bound} to finish")
        })?;
        Ok(())
    }

    /// Has the clients go, or stay.
    fn drain_clients(self, out: &mut dyn Write) -> Result<(), Exit> {
        let cancel = self.cancel;
        // The command returns at once: the clients go for minutes, and `sipward status` counts them.
        let request = Request::DrainClients { cancel };
        let Reply::DrainClients(draining) = self.target.ask(&request, PATIENCE)? else {
            return Err(unexpected());
        };
        show(&draining, self.json, out, |draining, out| {
            let clients = counted(draining.clients, "client");
            // Without a time they stay.
            match draining.over_ms.map(Duration::from_millis) {
                None => writeln!(out, "serving: {clients}"),
                Some(over) => {
                    writeln!(out, "letting {clients} go over {}", show_duration(over))
                }
            }
        })?;
        Ok(())
    }
}
