//! `sipward probe`: the handshake that the daemon would make with a peer, and an OPTIONS, shown address by address.
mod json;
mod page;

use super::Exit;
use crate::daemon;
use crate::edge::{ProbeAttempt, ProbeVerdict, probe};
use crate::topology::{DnsName, Fault};
use rustls_pki_types::UnixTime;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What `sipward probe` is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct ProbeCommand {
    /// The peer's name (its fqdn, if its [[peer]] has no `name`), or a name of its `covers`
    #[arg(value_name = "PEER")]
    pub peer: String,
    /// The topology file
    #[arg(long, default_value = super::target::DEFAULT_TOPOLOGY)]
    pub config: PathBuf,
    /// Seconds for each address: connect, handshake and the OPTIONS' answer
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub timeout: u64,
    /// One line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Why a peer cannot be probed; exit code 2, so that it is never taken for its fault.
#[derive(Debug, thiserror::Error)]
enum ProbeError {
    /// The topology has faults.
    #[error("the topology cannot be used (--config FILE names another):\n{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Topology(Vec<Fault>),
    /// The peer is not in it.
    #[error("{0}: no [[peer]] of the topology has this name")]
    UnknownPeer(String),
}

impl ProbeCommand {
    /// Probes and writes what came of it to `out`.
    ///
    /// # Errors
    /// [`Exit::Refused`] when any address fails or none is found, [`Exit::Usage`] when it cannot be tried.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Exit> {
        let usage = |error: ProbeError| {
            eprintln!("sipward: {error}");
            Exit::Usage
        };
        // An expectation that fails is no reason not to look.
        let generation = daemon::prepare(&self.config, UnixTime::now());
        let generation = generation.map_err(|faults| usage(ProbeError::Topology(faults)))?;
        let generation = Arc::new(generation);
        let topology = generation.topology();
        // As in the topology: names are kept in lower case without a trailing dot.
        let name = DnsName::parse(&self.peer).ok();
        let (peer, name) = name
            .and_then(|name| topology.peer_or_covered(name))
            .ok_or_else(|| usage(ProbeError::UnknownPeer(self.peer.clone())))?;
        let internal = |error: &dyn std::fmt::Display| {
            eprintln!("sipward: {error}");
            Exit::Internal
        };
        // One thread: addresses are tried one after the other, so that the page reads in the order of the attempts.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| internal(&e))?;
        let attempts = runtime
            .block_on(probe(
                &generation,
                (peer, name.as_ref()),
                Duration::from_secs(self.timeout),
            ))
            .map_err(|e| internal(&e))?;
        let listed = topology.peer(peer);
        // With windows another identity may be shown tomorrow; the page names the one of this attempt.
        let shown = topology.identity_at(listed.identity, UnixTime::now());
        let identity = &topology.identity(shown).name;
        let good = is_good(&attempts);
        if self.json {
            writeln!(
                out,
                "{}",
                json::to_json((listed, name.as_ref()), identity, good, &attempts)
            )?;
        } else {
            page::show((listed, name.as_ref()), identity, &attempts, out)?;
        }
        if good { Ok(()) } else { Err(Exit::Refused) }
    }
}

/// All addresses must work: the daemon may use any of them.
fn is_good(attempts: &[ProbeAttempt]) -> bool {
    !attempts.is_empty() && attempts.iter().all(|a| a.verdict == ProbeVerdict::Good)
}
