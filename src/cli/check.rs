//! `sipward check FILE`: every fault of a topology at once, or the policy that results from it.
mod boundary;
mod certificate;
mod listeners;
mod machine;
mod node;
mod outlook;
mod peers;
mod policy;
mod routes;
mod service_user;
mod settings;
mod vouching;

use super::output::print_refusal;
use super::target::Target;
use crate::topology::Fault;
use crate::trust::Foreseen;
use outlook::PeersSeen;
use policy::{policy, warnings};
use rustls_pki_types::UnixTime;
use serde::Serialize;
pub use service_user::ServiceUser;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The command with its arguments.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CheckCommand {
    /// The topology file
    pub file: PathBuf,
    /// The control socket of the daemon that is asked what peers have shown, if not the one that the file names
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// The user that the daemon runs as, who must be able to read the files (default: sipward, if root checks and there is one)
    #[arg(long, value_name = "NAME", value_parser = ServiceUser::named)]
    pub user: Option<ServiceUser>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// The output of `--json`.
#[derive(Serialize)]
struct CheckReport<'a> {
    file: &'a Path,
    good: bool,
    /// Why it would not be loaded.
    faults: &'a [Fault],
    /// What works but may surprise.
    warnings: Vec<&'a Fault>,
    /// What ends of the file itself (certificates, CRLs, windows), the next first.
    forecast: Vec<Foreseen>,
    /// `None`: the file has faults, so there is nothing to judge by.
    peers_seen: Option<PeersSeen>,
}

impl CheckCommand {
    /// Loads the topology as `run` would, and writes its faults or its policy to `out`; returns whether it is good. A running
    /// daemon is asked what peers have shown; without one the page states so, and that is no fault.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn run(self, at: UnixTime, out: &mut dyn Write) -> io::Result<bool> {
        // Loaded as `run` loads it, with the state directory: CRLs that are kept there decide too.
        let generation = crate::daemon::look_at(&self.file, at);
        match &generation {
            // Good: the policy that results, or the same as data.
            Ok(generation) => {
                // The file that is checked may be new; its socket is the running daemon's unless that changes too.
                let target = Target {
                    socket: self.socket,
                    config: Some(self.file.clone()),
                    any_topology: true,
                };
                let user = self.user.or_else(ServiceUser::usual);
                let here = machine::warnings(generation.topology(), user.as_ref());
                let warned: Vec<&Fault> = warnings(generation).chain(&here).collect();
                let peers_seen = PeersSeen::ask(&target, generation, at);
                if self.json {
                    let found = CheckReport {
                        file: &self.file,
                        good: true,
                        faults: &[],
                        warnings: warned,
                        forecast: generation.forecast(at),
                        peers_seen: Some(peers_seen),
                    };
                    super::write_json(&found, out)?;
                } else {
                    policy(generation, (&warned, &peers_seen), at, out)?;
                }
            }
            // A refused file has no policy, so neither forecast nor peers.
            Err(faults) if self.json => {
                let found = CheckReport {
                    file: &self.file,
                    good: false,
                    faults,
                    warnings: Vec::new(),
                    forecast: Vec::new(),
                    peers_seen: None,
                };
                super::write_json(&found, out)?;
            }
            Err(faults) => {
                print_refusal(&self.file, faults, out)?;
            }
        }
        Ok(generation.is_ok())
    }
}
