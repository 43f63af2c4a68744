//! A server that the file does not list yet: what an entry for it would have to say, by the chain that it shows.
//!
//! Nothing here lets anybody in. The network proves nothing: what is proposed is for a person to compare with what the other
//! side tells by another way, and to paste.
mod issuer;
mod page;
mod sections;

use super::Exit;
use crate::daemon;
use crate::topology::{CertificateFacts, Direction, DnsName, Fault, Topology};
use crate::trust::{Presented, explain};
use issuer::Issuer;
use rustls_pki_types::{CertificateDer, UnixTime};
pub(super) use sections::quoted;
use serde::Serialize;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// What is proposed for one server.
#[derive(Debug, Serialize)]
pub(super) struct Newcomer {
    /// Its name.
    fqdn: String,
    /// The topology that does not list it.
    file: PathBuf,
    /// The certificates that it shows, the leaf first.
    chain: Vec<ShownCertificate>,
    /// The names that count of its certificate (RFC 5922 §7.1).
    names: Vec<String>,
    /// Who would vouch for it.
    issuer: Issuer,
    /// `[[trust]]` and `[[peer]]`, to be appended to the file.
    sections: String,
    /// What would be decided about the chain with them, revocation apart: a reason code, and what makes it understandable.
    outcome: Outcome,
}

/// A certificate in the words by which people compare it.
#[derive(Debug, Serialize)]
struct ShownCertificate {
    subject: String,
    issuer: String,
    /// SHA-256 of the whole, in hex.
    sha256: String,
    /// notAfter, Unix seconds.
    not_after: i64,
}

/// What becomes of the file with the sections.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// The chain is judged.
    Decided {
        accepted: bool,
        reason: String,
        text: String,
    },
    /// The file would not be loaded.
    Faults(Vec<Fault>),
    /// There is nothing to judge by, or no place for a file.
    Unknown(String),
}

/// Which server, where, and of which file.
pub(super) struct Asked<'a> {
    pub(super) config: &'a Path,
    pub(super) topology: &'a Topology,
    pub(super) fqdn: &'a DnsName,
    /// As it would stand in `address`; `None`: DNS finds it.
    pub(super) address: Option<&'a str>,
}

impl Asked<'_> {
    /// Whether the name lies in a home domain: then it is a home server that is missing, and no partner.
    pub(super) fn is_home(&self) -> bool {
        let name = self.fqdn.as_str();
        let mut domains = self.topology.node().domains.iter();
        domains.any(|domain| {
            let rest = name.strip_suffix(domain.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }
}

impl Newcomer {
    /// What is proposed for a chain, which holds at least the leaf; `None`: that cannot be read.
    pub(super) fn of(
        asked: &Asked<'_>,
        chain: &[CertificateDer<'static>],
        at: UnixTime,
    ) -> Option<Self> {
        let facts: Vec<_> = chain
            .iter()
            .map_while(|der| CertificateFacts::read(der))
            .collect();
        let leaf = facts.first()?;
        let issuer = Issuer::of(asked.topology, &facts, chain);
        let sections = sections::text(asked, (leaf, chain), &issuer, None);
        let shown = facts
            .iter()
            .zip(chain)
            .map(|(facts, der)| ShownCertificate {
                subject: facts.subject.clone(),
                issuer: facts.issuer.clone(),
                sha256: crate::trust::fingerprint(der),
                not_after: facts.not_after,
            });
        let names = if leaf.sip.is_empty() {
            leaf.dns.clone()
        } else {
            leaf.sip.iter().map(|host| format!("sip:{host}")).collect()
        };
        Some(Self {
            fqdn: asked.fqdn.to_string(),
            file: asked.config.to_owned(),
            chain: shown.collect(),
            names,
            outcome: try_out(asked, (leaf, chain), &issuer, at),
            issuer,
            sections,
        })
    }

    /// As an object for programs.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn to_json(&self) -> Result<serde_json::Value, Exit> {
        serde_json::to_value(self).map_err(|error| Exit::from(io::Error::other(error)))
    }
}

/// Loads the file with the sections, and has the chain judged. Without revocation: no CRL is at hand yet.
fn try_out(
    asked: &Asked<'_>,
    (leaf, chain): (&CertificateFacts, &[CertificateDer<'static>]),
    issuer: &Issuer,
    at: UnixTime,
) -> Outcome {
    let unknown = |error: &dyn std::fmt::Display| Outcome::Unknown(error.to_string());
    let place = match issuer.pem().map(Scratch::holding).transpose() {
        Ok(place) => place,
        Err(error) => return unknown(&error),
    };
    if let Issuer::Unknown { name } = issuer {
        return unknown(&format!("the certificate of {name} is not at hand"));
    }
    let anchors = place.as_ref().map(|place| place.file.as_path());
    let sections = sections::text(asked, (leaf, chain), issuer, anchors);
    let generation = match daemon::prepare_with(asked.config, &sections, at) {
        Ok(generation) => generation,
        Err(faults) => return Outcome::Faults(faults),
    };
    let Some(peer) = generation.topology().peer_by_name(asked.fqdn.as_str()) else {
        return unknown(&"the entry is not found again");
    };
    let presented = Presented::outbound(chain, peer);
    let explained = explain(&presented, Direction::Outbound, &generation, at);
    Outcome::Decided {
        accepted: explained.is_accepted(),
        reason: explained.reason.to_owned(),
        text: explained.to_string(),
    }
}

/// A directory of this process alone, gone with this value.
struct Scratch {
    directory: PathBuf,
    file: PathBuf,
}

impl Scratch {
    fn holding(text: &str) -> io::Result<Self> {
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("sipward-{:016x}", u64::from_be_bytes(random));
        let directory = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&directory)?;
        let scratch = Self {
            file: directory.join("anchors.pem"),
            directory,
        };
        std::fs::write(&scratch.file, text)?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is an empty proposal in a directory for such things.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
