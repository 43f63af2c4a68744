//! `sipward probe`: the handshake that the daemon would make with a peer, and an OPTIONS, shown address by address; of a
//! server that the file does not list, the entry that it would need.
mod json;
mod page;
mod stranger;

use super::Exit;
use super::output::listed;
use crate::daemon;
use crate::edge::{ProbeAttempt, ProbeVerdict, probe};
use crate::topology::{DnsName, Fault, NameError, PeerRef};
use crate::trust::Generation;
use rustls_pki_types::UnixTime;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What `sipward probe` is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct ProbeCommand {
    /// The peer's name (its fqdn, if its [[peer]] has no `name`), or a name of its `covers`; or a server that the file does
    /// not list yet, with its port if that is not 5061
    #[arg(value_name = "PEER|NAME[:PORT]")]
    pub peer: String,
    /// Where a server is that the file does not list, if DNS does not know it
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    pub address: Option<String>,
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
    /// What was written is no name.
    #[error(
        "{0}: neither a [[peer]] of the topology nor a host name: {1}; sipward probe NAME --address ADDRESS:PORT dials an address"
    )]
    NoName(String, NameError),
    /// The entry says where the peer is.
    #[error(
        "{0} is a [[peer]] of the topology, whose keys say where to dial: leave port and --address out"
    )]
    Listed(String),
    /// It is the name that certificates are held against, and the entries have names of their own.
    #[error("{0} is the fqdn of {1}: name one of them")]
    Fqdn(String, String),
    /// A server that is not listed cannot be looked for.
    #[error("{0} is in no [[peer]], and an entry for it would not be good:\n{shown}", shown = .1.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    NoEntry(String, Vec<Fault>),
    /// Nobody knows where it is.
    #[error(
        "{0} is in no [[peer]], and DNS has no address for it; --address ADDRESS:PORT names one"
    )]
    NoAddress(String),
}

impl ProbeCommand {
    /// Probes and writes what came of it to `out`.
    ///
    /// # Errors
    /// [`Exit::Refused`] when any address fails or none is found, [`Exit::Usage`] when it cannot be tried.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Exit> {
        // An expectation that fails is no reason not to look.
        let generation = daemon::prepare(&self.config, UnixTime::now());
        let generation = generation.map_err(|faults| usage(ProbeError::Topology(faults)))?;
        let generation = Arc::new(generation);
        let topology = generation.topology();
        // As in the topology: names are kept in lower case without a trailing dot.
        let (host, port) = split_port(&self.peer);
        let name = DnsName::parse(host)
            .map_err(|why| usage(ProbeError::NoName(self.peer.clone(), why)))?;
        let Some((peer, covered)) = topology.peer_or_covered(name.clone()) else {
            let entries = topology.peers_called(name.as_str());
            if !entries.is_empty() {
                let names = listed(entries.iter().map(|peer| &topology.peer(*peer).name));
                return Err(usage(ProbeError::Fqdn(host.to_owned(), names)));
            }
            return stranger::probe(self, (&name, port), topology, out);
        };
        if port.is_some() || self.address.is_some() {
            return Err(usage(ProbeError::Listed(host.to_owned())));
        }
        let name = covered;
        let attempts = self.try_addresses(&generation, (peer, name.as_ref()))?;
        let entry = topology.peer(peer);
        // With windows another identity may be shown tomorrow; the page names the one of this attempt.
        let shown = topology.identity_at(entry.identity, UnixTime::now());
        let identity = &topology.identity(shown).name;
        let good = is_good(&attempts);
        if self.json {
            writeln!(
                out,
                "{}",
                json::to_json((entry, name.as_ref()), identity, good, &attempts)
            )?;
        } else {
            page::show((entry, name.as_ref()), identity, &attempts, out)?;
        }
        if good { Ok(()) } else { Err(Exit::Refused) }
    }
}

impl ProbeCommand {
    /// The handshakes, one after the other.
    fn try_addresses(
        &self,
        generation: &Arc<Generation>,
        peer: (PeerRef, Option<&DnsName>),
    ) -> Result<Vec<ProbeAttempt>, Exit> {
        let internal = |error: &dyn std::fmt::Display| {
            eprintln!("sipward: {error}");
            Exit::Internal
        };
        // One thread: addresses are tried one after the other, so that the page reads in the order of the attempts.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| internal(&e))?;
        let timeout = Duration::from_secs(self.timeout);
        runtime
            .block_on(probe(generation, peer, timeout))
            .map_err(|e| internal(&e))
    }
}

fn usage(error: ProbeError) -> Exit {
    eprintln!("sipward: {error}");
    Exit::Usage
}

/// `name:port`; what is behind the last colon is a port if it looks like one.
fn split_port(text: &str) -> (&str, Option<u16>) {
    let split = text.rsplit_once(':');
    let split = split.and_then(|(host, port)| Some((host, port.parse().ok()?)));
    // An IPv6 address has colons, too, and is no name.
    match split.filter(|(host, _)| !host.contains(':')) {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    }
}

/// All addresses must work: the daemon may use any of them.
fn is_good(attempts: &[ProbeAttempt]) -> bool {
    !attempts.is_empty() && attempts.iter().all(|a| a.verdict == ProbeVerdict::Good)
}
