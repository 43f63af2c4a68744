//! A look at a server that the file does not list: its chain, and the entry that it would need. It is let in nowhere.
//!
//! The handshake is the one that a shard would make, with the verifier of every other: the server is judged by an entry that is
//! supposed for this look, under all trust sets of the file. It is accepted only if one of those vouches for it.
use super::attempts::{is_good, try_addresses};
use super::error::ProbeError;
use super::{json, page};
use crate::cli::Exit;
use crate::cli::newcomer::{Asked, Newcomer, quoted};
use crate::daemon;
use crate::topology::{DnsName, Topology};
use rustls_pki_types::UnixTime;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A server that no entry names.
pub(super) struct Stranger<'a> {
    pub(super) fqdn: &'a DnsName,
    /// As in the `address` of an entry; `None`: by DNS.
    pub(super) address: Option<String>,
    pub(super) config: &'a Path,
    /// For each address.
    pub(super) timeout: Duration,
    pub(super) json: bool,
}

impl Stranger<'_> {
    /// Dials it as if it were listed under every trust set of the file, and writes what it showed and what is proposed.
    ///
    /// # Errors
    /// [`Exit::Refused`] always when there was an address, as nobody who is not listed gets in; [`Exit::Usage`] otherwise.
    pub(super) fn probe(&self, topology: &Topology, out: &mut dyn Write) -> Result<(), Exit> {
        let fqdn = self.fqdn;
        let asked = Asked {
            config: self.config,
            topology,
            fqdn,
            address: self.address.as_deref(),
        };
        // The handshake is the daemon's own, and that needs an entry.
        let at = UnixTime::now();
        let generation = daemon::prepare_with(self.config, &supposed(&asked), at);
        let generation =
            generation.map_err(|faults| ProbeError::NoEntry(fqdn.to_string(), faults).print())?;
        let generation = Arc::new(generation);
        let supposed = generation.topology();
        let Some(peer) = supposed.peer_by_name(fqdn.as_str()) else {
            return Err(Exit::Internal);
        };
        let attempts = try_addresses(&generation, (peer, None), self.timeout)?;
        // Nothing was tried, so that nothing was refused.
        if attempts.is_empty() {
            return Err(ProbeError::NoAddress(fqdn.to_string()).print());
        }
        // The first address that showed anything; if others show something else, the next probe finds them.
        let chain = attempts.iter().find_map(|attempt| attempt.chain.clone());
        let newcomer = chain.and_then(|chain| Some((Newcomer::of(&asked, &chain, at)?, chain)));
        let listed = supposed.peer(peer);
        let identity = supposed.identity_at(listed.identity, at);
        let identity = &supposed.identity(identity).name;
        if self.json {
            let good = is_good(&attempts);
            let mut report = json::to_json((listed, None), &[], identity, good, &attempts);
            // The same keys as for a listed peer, and two more.
            if let Some(object) = report.as_object_mut() {
                object.insert("listed".to_owned(), false.into());
                object.insert("good".to_owned(), false.into());
                if let Some((newcomer, _)) = &newcomer {
                    object.insert("newcomer".to_owned(), newcomer.to_json()?);
                }
            }
            writeln!(out, "{report}")?;
        } else {
            attempts
                .iter()
                .try_for_each(|attempt| page::show_briefly(attempt, out))?;
            if let Some((newcomer, chain)) = &newcomer {
                newcomer.show(fqdn, chain, out)?;
            }
        }
        Err(Exit::Refused)
    }
}

/// The entry by which it is dialled. It stands nowhere but here.
fn supposed(asked: &Asked<'_>) -> String {
    let fqdn = asked.fqdn;
    let sets = asked.topology.trusts().iter();
    let sets: Vec<String> = sets.map(|set| quoted(&set.name)).collect();
    // A domain that nobody else can have, so that no other partner's is in the way.
    let kind = match asked.is_home() {
        true => "kind = \"home\"".to_owned(),
        false => format!("kind = \"federated\"\ndomains = [\"{fqdn}\"]"),
    };
    // In front of nothing: it is appended to the text of the file.
    let mut entry = format!(
        "[[peer]]\nfqdn = \"{fqdn}\"\n{kind}\ntrust = [{}]\n",
        sets.join(", ")
    );
    if let Some(address) = asked.address {
        // Writing to memory cannot fail.
        let _ = writeln!(entry, "address = [{}]", quoted(address));
    }
    entry
}
