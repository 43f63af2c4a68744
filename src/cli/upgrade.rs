//! `sipward upgrade`: has the running daemon start a new process that takes over its listeners.
use super::Exit;
use super::output::{counted, show};
use super::target::{Target, Unanswered, unexpected};
use crate::daemon::control::{Reply, Request};
use crate::reason::DaemonReason;
use crate::topology::show_duration;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// Longer than the new process may take to be ready.
const PATIENCE: Duration = Duration::from_secs(130);

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct UpgradeCommand {
    /// The new program; without it the file that the daemon was started as, which a package may have replaced
    #[arg(value_name = "PROGRAM")]
    pub program: Option<PathBuf>,
    /// The daemon
    #[command(flatten)]
    pub target: Target,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

impl UpgradeCommand {
    /// Asks, and returns when the new process accepts.
    ///
    /// # Errors
    /// [`Exit::Refused`]: it does not take over, and nothing has changed; or no daemon answers.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        // The daemon has another working directory.
        let program = self
            .program
            .map(|path| std::path::absolute(&path).unwrap_or(path));
        // It answers when the new process accepts: who runs this in a script may go on then.
        let reply = self.target.try_ask(&Request::Upgrade { program }, PATIENCE);
        let upgraded = match reply {
            Ok(Reply::Upgrade(upgraded)) => upgraded,
            // Of another version, say.
            Ok(_) => return Err(unexpected()),
            Err(why) => {
                let exit = why.print();
                // A script must see that the old process goes on.
                return Err(match why {
                    Unanswered::Refused {
                        code: DaemonReason::UpgradeFailed | DaemonReason::UpgradeRunning,
                        ..
                    } => Exit::Refused,
                    Unanswered::Ask(_)
                    | Unanswered::NotThere(_)
                    | Unanswered::NoFile { .. }
                    | Unanswered::OtherTopology { .. }
                    | Unanswered::Refused { .. }
                    | Unanswered::Unexpected => exit,
                });
            }
        };
        // The old process goes on for minutes; sipward status counts its clients.
        show(&upgraded, self.json, out, |upgraded, out| {
            let (pid, version) = (upgraded.pid, &upgraded.version);
            let clients = counted(upgraded.clients, "client");
            let over = show_duration(Duration::from_millis(upgraded.over_ms));
            writeln!(
                out,
                "process {pid}, sipward {version}, has the listeners; the old one lets {clients} go over {over}"
            )
        })?;
        Ok(())
    }
}
