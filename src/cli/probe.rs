//! `sipward probe`: the handshake that the daemon would make with a peer, and an OPTIONS, shown address by address; of a
//! server that the file does not list, the entry that it would need.
mod attempts;
mod error;
mod json;
mod page;
mod stranger;

use super::Exit;
use super::output::listed;
use crate::daemon;
use crate::topology::{DnsName, PeerName, PeerRef, Topology};
use attempts::{is_good, try_addresses};
use error::ProbeError;
use rustls_pki_types::UnixTime;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use stranger::Stranger;

/// What `sipward probe` is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct ProbeCommand {
    /// The peer's name (its fqdn, if its [[peer]] has no `name`), or a name of its `covers`; or a server that the file does
    /// not list yet, with its port if that is not 5061
    #[arg(value_name = "PEER|NAME[:PORT]")]
    pub peer: String,
    /// Which of several entries is meant that cover NAME or have it as their fqdn (default: the first that covers it)
    #[arg(long = "peer", value_name = "PEER", conflicts_with = "address")]
    pub entry: Option<String>,
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

impl ProbeCommand {
    /// Probes and writes what came of it to `out`.
    ///
    /// # Errors
    /// [`Exit::Refused`] when any address fails or none is found, [`Exit::Usage`] when it cannot be tried.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Exit> {
        // An expectation that fails is no reason not to look.
        let generation = daemon::prepare(&self.config, UnixTime::now());
        let generation = generation.map_err(|faults| ProbeError::Topology(faults).print())?;
        let generation = Arc::new(generation);
        let topology = generation.topology();
        // As in the topology: names are kept in lower case without a trailing dot.
        let (host, port) = split_port(&self.peer);
        let name = DnsName::parse(host)
            .map_err(|why| ProbeError::NoName(self.peer.clone(), why).print())?;
        // Whoever is in the file is dialled as the file says; the rest of the arguments is for everybody else.
        // With --peer the name alone says nothing: it may be an fqdn that several have, or a name that several cover.
        let found = match &self.entry {
            Some(entry) => Some(named_entry(topology, entry, &name)?),
            None => topology.peer_or_covered(name.clone()),
        };
        let Some((peer, covered)) = found else {
            // Several entries may share an fqdn, and each is then known by its own name.
            let entries = topology.peers_called(name.as_str());
            if !entries.is_empty() {
                let names = listed(entries.iter().map(|peer| &topology.peer(*peer).name));
                return Err(ProbeError::Fqdn(host.to_owned(), names).print());
            }
            let stranger = Stranger {
                fqdn: &name,
                address: self.dialled(host, port),
                config: &self.config,
                timeout: self.timeout(),
                json: self.json,
            };
            return stranger.probe(topology, out);
        };
        // Another address than the daemon dials would prove nothing about the daemon.
        if port.is_some() || self.address.is_some() {
            return Err(ProbeError::Listed(host.to_owned()).print());
        }
        let name = covered;
        // The first is a choice that somebody else might make otherwise.
        let others = match (&name, &self.entry) {
            (Some(name), None) => topology.covering(name).skip(1).collect(),
            _ => Vec::new(),
        };
        let others = others.into_iter().map(|other| &topology.peer(other).name);
        let others: Vec<&PeerName> = others.collect();
        let attempts = try_addresses(&generation, (peer, name.as_ref()), self.timeout())?;
        // What the page names it by.
        let entry = topology.peer(peer);
        // With windows another identity may be shown tomorrow; the page names the one of this attempt.
        let shown = topology.identity_at(entry.identity, UnixTime::now());
        let identity = &topology.identity(shown).name;
        let good = is_good(&attempts);
        if self.json {
            writeln!(
                out,
                "{}",
                json::to_json((entry, name.as_ref()), &others, identity, good, &attempts)
            )?;
        } else {
            page::show((entry, name.as_ref()), &others, identity, &attempts, out)?;
        }
        if good { Ok(()) } else { Err(Exit::Refused) }
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// Where a server is dialled that has no entry, as its `address` would name it; `None`: DNS is asked, as it would be for an
    /// entry without the key.
    fn dialled(&self, host: &str, port: Option<u16>) -> Option<String> {
        match (&self.address, port) {
            // The port may stand with either.
            (Some(address), Some(port)) if !address.contains(':') => {
                Some(format!("{address}:{port}"))
            }
            (Some(address), _) => Some(address.clone()),
            (None, port) => port.map(|port| format!("{host}:{port}")),
        }
    }
}

/// The entry that is named, dialled under this name.
///
/// Its `fqdn` is one of the names that it can be dialled under, so that an FQDN which several entries have can be probed for each
/// of them in turn.
fn named_entry(
    topology: &Topology,
    entry: &str,
    name: &DnsName,
) -> Result<(PeerRef, Option<DnsName>), Exit> {
    // A slip must not look like a server that is not listed yet: for that one there is no --peer.
    let is_listed = |entry: &PeerName| topology.peer_by_name(entry.as_str()).is_some();
    let Some(entry) = PeerName::parse(entry).ok().filter(is_listed) else {
        return Err(ProbeError::UnknownEntry(entry.to_owned()).print());
    };
    let found = topology.peer_under(entry.as_str(), name.clone());
    found.ok_or_else(|| ProbeError::NotCovered(entry, name.clone()).print())
}

/// `name:port`; what is behind the last colon is a port if it looks like one.
fn split_port(text: &str) -> (&str, Option<u16>) {
    // Names have no colon.
    let split = text.rsplit_once(':');
    let split = split.and_then(|(host, port)| Some((host, port.parse().ok()?)));
    // An IPv6 address has colons, too, and is no name.
    match split.filter(|(host, _)| !host.contains(':')) {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    }
}
