//! A look at a server that the file does not list: its chain, and the entry that it would need. It is let in nowhere.
use super::{ProbeCommand, ProbeError, is_good, json, page, usage};
use crate::cli::Exit;
use crate::cli::newcomer::{Asked, Newcomer, quoted};
use crate::daemon;
use crate::topology::{DnsName, Topology};
use rustls_pki_types::UnixTime;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;

/// Dials it as if it were listed under every trust set of the file, and writes what it showed and what is proposed.
///
/// # Errors
/// [`Exit::Refused`] always when there was an address, as nobody who is not listed gets in; [`Exit::Usage`] otherwise.
pub(super) fn probe(
    command: &ProbeCommand,
    (fqdn, port): (&DnsName, Option<u16>),
    topology: &Topology,
    out: &mut dyn Write,
) -> Result<(), Exit> {
    let address = match (&command.address, port) {
        (Some(address), Some(port)) if !address.contains(':') => Some(format!("{address}:{port}")),
        (Some(address), _) => Some(address.clone()),
        (None, Some(port)) => Some(format!("{fqdn}:{port}")),
        (None, None) => None,
    };
    let asked = Asked {
        config: &command.config,
        topology,
        fqdn,
        address: address.as_deref(),
    };
    // The handshake is the daemon's own, and that needs an entry.
    let at = UnixTime::now();
    let generation = daemon::prepare_with(&command.config, &supposed(&asked), at);
    let generation =
        generation.map_err(|faults| usage(ProbeError::NoEntry(fqdn.to_string(), faults)))?;
    let generation = Arc::new(generation);
    let supposed = generation.topology();
    let Some(peer) = supposed.peer_by_name(fqdn.as_str()) else {
        return Err(Exit::Internal);
    };
    let attempts = command.try_addresses(&generation, (peer, None))?;
    if attempts.is_empty() {
        return Err(usage(ProbeError::NoAddress(fqdn.to_string())));
    }
    let chain = attempts.iter().find_map(|attempt| attempt.chain.clone());
    let newcomer = chain.and_then(|chain| Some((Newcomer::of(&asked, &chain, at)?, chain)));
    let listed = supposed.peer(peer);
    let identity = supposed.identity_at(listed.identity, at);
    let identity = &supposed.identity(identity).name;
    if command.json {
        let good = is_good(&attempts);
        let mut report = json::to_json((listed, None), identity, good, &attempts);
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

/// The entry by which it is dialled. It stands nowhere but here.
fn supposed(asked: &Asked<'_>) -> String {
    let fqdn = asked.fqdn;
    let sets = asked.topology.trusts().iter();
    let sets: Vec<String> = sets.map(|set| quoted(&set.name)).collect();
    let kind = match asked.is_home() {
        true => "kind = \"home\"".to_owned(),
        false => format!("kind = \"federated\"\ndomains = [\"{fqdn}\"]"),
    };
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
