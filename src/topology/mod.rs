//! The topology: the TOML file read, resolved and checked, so that no later layer has an open question.
//!
//! Loading goes in four passes, each of which reports all that it finds before anything is given up: [`load_text`]
//! parses the document, `shape` holds it against `schema`, `raw` takes it over into structs, `resolve` reads the files
//! and follows the references. Only a file without a single fault becomes a [`Topology`].

mod admin;
mod armour;
mod boundary;
mod certificate;
mod changes;
mod client_certificates;
mod context;
mod crl;
mod crl_files;
mod crl_scope;
pub(crate) mod der;
pub(crate) mod distinguished_name;
mod dns;
mod domain;
mod domain_set;
mod expectation;
mod findings;
mod fixed;
mod grants;
mod identity;
pub(crate) mod limits;
mod listener;
pub(crate) mod looks;
mod model;
mod named_file;
mod names;
mod nearest;
mod peer;
mod peer_index;
mod peering;
mod pem;
mod pem_error;
mod pin;
mod pool;
mod quantity;
mod raw;
mod resolve;
mod schema;
mod settings;
mod shape;
mod succession;
#[cfg(test)]
mod tests;
mod tokens;
mod trust_set;
mod window;
mod words;

pub use crate::reason::{CrlReason, Severity, TopologyReason};
pub use boundary::{Boundary, FieldRules, FieldTrust, PeerBoundary};
pub use certificate::CertificateFacts;
pub use crl::Crl;
pub(crate) use crl::{order_of_numbers, sha256};
pub use crl_files::{CrlFile, CrlSource, HeldCrl, parse_crls, read_crls};
pub(crate) use crl_files::{fetched_crls, one_of, room};
pub use crl_scope::CrlScope;
pub(crate) use crl_scope::general_names;
pub use domain::Domain;
pub(crate) use domain::{Listed, above};
pub(crate) use domain_set::DomainSet;
pub use fixed::Fixed;
pub use grants::Grants;
pub(crate) use identity::show_time;
pub(crate) use model::MOST_SHARDS;
pub use model::*;
pub use named_file::NamedFile;
pub(crate) use named_file::open_regular;
pub use names::NameError;
pub(crate) use nearest::did_you_mean;
pub(crate) use peer_index::PeerIndex;
pub use peering::{
    DialAddress, Health, Lookup, NamePolicy, Peer, PeerKind, Pool, PurposePolicy, Stage, Strategy,
};
pub(crate) use pem::certificates as certificates_in;
pub use pin::Pin;
pub(crate) use quantity::show_duration;
pub use settings::{
    AdminSettings, DnsSettings, Limits, LogFormat, LogRequests, LogSettings, TokenSettings,
};
pub use window::{Standing, Window};
pub(crate) use window::{moment, show_moment};

use context::{COMPARISONS, Context};
use findings::{Findings, Source};
use rustls_pki_types::UnixTime;
use std::collections::HashSet;
use std::path::Path;
use toml::de::DeTable;

/// No topology file is larger: some ten thousand peers.
const LARGEST_TOPOLOGY: u64 = 16 * 1024 * 1024;

/// Loads a topology file with every file that it names; `at` is the time for which certificates must be valid.
///
/// # Errors
/// Everything that must be mended, each with file, line and what to do.
pub fn load(path: &Path, at: UnixTime) -> Result<Topology, Vec<Fault>> {
    let fault = |code: TopologyReason, what: String, remedy: &str| {
        vec![Fault {
            file: path.to_owned(),
            line: None,
            code: code.into(),
            what,
            remedy: remedy.to_owned(),
        }]
    };
    let size = std::fs::metadata(path).map(|data| data.len());
    if size.as_ref().is_ok_and(|size| *size > LARGEST_TOPOLOGY) {
        return Err(fault(
            TopologyReason::FileUnreadable,
            "the topology file is larger than 16 MiB".to_owned(),
            "name the topology file, not another",
        ));
    }
    match std::fs::read_to_string(path) {
        Ok(text) => load_text(&text, path, at),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(fault(
            TopologyReason::FileMissing,
            "the topology file does not exist".to_owned(),
            "name an existing file; config/minimal.toml is a start",
        )),
        Err(error) => Err(fault(
            TopologyReason::FileUnreadable,
            format!("the topology file cannot be read: {error}"),
            "name a regular UTF-8 file that the user sipward runs as may read",
        )),
    }
}

/// As [`load`], with the file's text at hand; `path` is where relative paths start, and what faults name.
///
/// # Errors
/// As [`load`].
pub fn load_text(text: &str, path: &Path, at: UnixTime) -> Result<Topology, Vec<Fault>> {
    let source = Source::new(path, text);
    let mut found = Findings::new(path);
    let topology = pass(&source, &mut found, at);
    let (faults, warnings) = found.into_parts();
    match topology {
        Some(mut topology) if faults.is_empty() => {
            topology.warnings = warnings;
            Ok(topology)
        }
        _ => Err(faults),
    }
}

fn pass(source: &Source<'_>, found: &mut Findings, at: UnixTime) -> Option<Topology> {
    let (mut document, errors) = DeTable::parse_recoverable(source.text());
    for error in &errors {
        let line = error.span().map_or(1, |span| source.line(span.start));
        found.add(
            TopologyReason::Syntax,
            line,
            format!("this is not TOML: {}", error.message()),
            "correct the line; strings need quotes, lists brackets, a section [name] or [[name]]",
        );
    }
    if !errors.is_empty() {
        return None;
    }
    shape::check(document.get_mut(), source, found);
    let raw = serde::Deserialize::deserialize(toml::de::Deserializer::from(document));
    let raw: raw::Raw = raw
        .map_err(|error: toml::de::Error| {
            // The shape check lets nothing through that ends here; if it did, this says so with a line.
            let line = error.span().map_or(1, |span| source.line(span.start));
            found.add(
                TopologyReason::WrongType,
                line,
                error.message().to_owned(),
                "see docs/topology.md",
            );
        })
        .ok()?;
    let at = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    let mut context = Context {
        source,
        found,
        at,
        fqdn: None,
        home: HashSet::new(),
        own: HashSet::new(),
        home_servers: HashSet::new(),
        above_home: HashSet::new(),
        files: vec![NamedFile::holding(
            source.path().to_owned(),
            source.text().as_bytes(),
        )],
        comparisons: COMPARISONS,
    };
    resolve::resolve(&raw, &mut context)
}
