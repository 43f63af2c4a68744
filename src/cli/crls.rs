//! `sipward crls`: which CRLs are held and where they came from, and dropping what is known of one.
//!
//! A series is what one key has signed for one scope. `forget` is for the one case that the rules cannot solve by themselves:
//! a CA that was restored from a backup and counts its CRLs from a lower number.
use super::Exit;
use super::complaint::complain;
use super::output::{listed, show};
use super::target::{DEFAULT_TOPOLOGY, Target, Unanswered, unexpected};
use crate::daemon::control::{AskError, CrlSeries, Reply, Request};
use crate::daemon::crl_state;
use crate::reason::DaemonReason;
use crate::topology::show_moment;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// How long the daemon may take: to forget, it reads all CRL files again.
const PATIENCE: Duration = Duration::from_secs(120);

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct CrlsCommand {
    /// What to do; without it the CRLs are listed
    #[command(subcommand)]
    pub action: Option<CrlsAction>,
    /// The daemon
    #[command(flatten)]
    pub target: Target,
    /// As JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// What can be done with a series.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum CrlsAction {
    /// Drop what is known of a series, so that an older CRL can come into force: for a CA that was restored with lower numbers
    Forget {
        /// The series' id, or at least eight characters of its beginning
        #[arg(value_name = "ID")]
        id: String,
    },
}

impl CrlsCommand {
    /// Lists, or has one dropped. Without a daemon the list is that of the state directory.
    ///
    /// # Errors
    /// [`Exit::Refused`]: there is no such series; no daemon answers and no state directory can be read.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        match &self.action {
            Some(CrlsAction::Forget { id }) => self.forget(id, out),
            None => self.list(out),
        }
    }

    /// All series, from the daemon or from the state directory.
    fn list(&self, out: &mut dyn Write) -> Result<(), Exit> {
        let series = match self.target.try_ask(&Request::Crls {}, PATIENCE) {
            Ok(Reply::Crls(series)) => series,
            Ok(_) => return Err(unexpected()),
            // Without a daemon the state directory still shows what the next start would begin with.
            Err(
                why @ (Unanswered::Ask(AskError::NoDaemon { .. })
                | Unanswered::NotThere(_)
                | Unanswered::OtherTopology { .. }),
            ) => {
                complain(why);
                self.stored().ok_or(Exit::NoDaemon)?
            }
            // A daemon that answers and refuses holds other CRLs than the directory: these would mislead.
            Err(why) => {
                why.print();
                return Err(Exit::NoDaemon);
            }
        };
        show(&series, self.json, out, |series, out| {
            // An empty list is an answer, and must not look like a command that did nothing.
            if series.is_empty() {
                writeln!(out, "no CRL is held")?;
            }
            series.iter().try_for_each(|series| page(series, out))
        })?;
        Ok(())
    }

    /// Has the daemon drop one series. This is the only way back to lower numbers: no file and no restart can do it, or a
    /// rollback could (RFC 5280 §5.2.3).
    fn forget(&self, id: &str, out: &mut dyn Write) -> Result<(), Exit> {
        let request = Request::CrlsForget { id: id.to_owned() };
        let forgotten = match self.target.try_ask(&request, PATIENCE) {
            Ok(Reply::CrlsForget(forgotten)) => forgotten,
            Ok(_) => return Err(unexpected()),
            Err(why) => {
                let exit = why.print();
                // A wrong id is the operator's to correct, and no fault of the daemon.
                let unknown = matches!(&why, Unanswered::Refused { code, .. } if *code == DaemonReason::UnknownCrls);
                return Err(if unknown { Exit::Refused } else { exit });
            }
        };
        show(&forgotten, self.json, out, |forgotten, out| {
            let (id, issuer) = (&forgotten.id, &forgotten.issuer);
            let number = forgotten.number.as_deref().unwrap_or("(none)");
            let generation = forgotten.generation;
            writeln!(
                out,
                "forgot {id}, CRLs of {issuer} up to number {number}; generation {generation} is in force"
            )
        })?;
        Ok(())
    }

    /// What the state directory holds, read without the daemon.
    fn stored(&self) -> Option<Vec<CrlSeries>> {
        let config = self.target.config.as_deref();
        let directory = crl_state::directory_of(config.unwrap_or(Path::new(DEFAULT_TOPOLOGY)))?;
        // On standard error, so that the list itself reads the same wherever it comes from.
        let shown = directory.display();
        complain(format_args!(
            "this is what {shown} holds for the next start"
        ));
        let stored = crl_state::read(&directory);
        // Damaged files are left out of the list, and must not look like CRLs that nobody ever proved.
        for what in &stored.problems {
            complain(what);
        }
        Some(CrlSeries::all_of(&stored.ledger))
    }
}

/// One series: the CRLs of one key with one scope (RFC 5280 §5.2.5), of which only the newest counts.
fn page(series: &CrlSeries, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "{}", series.id)?;
    let mut field = |name: &str, value: &str| writeln!(out, "    {name:<12}{value}");
    field("issuer", &series.issuer)?;
    field("key", &series.key)?;
    field("covers", &series.scope)?;
    field("number", series.number.as_deref().unwrap_or("none"))?;
    field("thisUpdate", &show_moment(series.this_update))?;
    field("nextUpdate", &show_moment(series.next_update))?;
    // A series whose CRL became stale is remembered by its number, so that nothing older is accepted later.
    match series.revoked {
        Some(revoked) => {
            field("revoked", &revoked.to_string())?;
            field("from", &listed(&series.origins))?;
        }
        None => {
            let gone = "no: it was dropped when it became stale; an older one is refused";
            field("in force", gone)?;
        }
    }
    field("trust sets", &listed(&series.sets))
}
