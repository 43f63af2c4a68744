//! A server that the file does not list yet: what an entry for it would have to say, by the chain that it shows.
//!
//! It is the answer to the question with which each new partner begins: which lines does the file need? The chain is the
//! one that the server shows to everybody (`probe`), or one that came by mail (`explain --cert`). From it follow the anchor
//! that would have to vouch, where CRLs are published, and what the entry has to permit of the certificate's names.
//!
//! Nothing here lets anybody in. The network proves nothing: what is proposed is for a person to compare with what the other
//! side tells by another way, and to paste.
mod asked;
mod page;
mod sections;
mod voucher;

use super::Exit;
use crate::daemon;
use crate::topology::{CertificateFacts, Direction, Fault};
use crate::trust::{Presented, explain};

pub(super) use asked::Asked;
use rustls_pki_types::{CertificateDer, UnixTime};
pub(super) use sections::quoted;
use serde::Serialize;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use voucher::Voucher;

/// What is proposed for one server.
#[derive(Debug, Serialize)]
pub(super) struct Newcomer {
    /// Its name.
    // The keys of the JSON are the names of these fields: they are published.
    fqdn: String,
    /// The topology that does not list it.
    file: PathBuf,
    /// The certificates that it shows, the leaf first.
    chain: Vec<ShownCertificate>,
    /// The names that count of its certificate (RFC 5922 §7.1).
    names: Vec<String>,
    /// Who would vouch for it.
    issuer: Voucher,
    /// `[[trust]]` and `[[peer]]`, to be appended to the file.
    sections: String,
    /// What would be decided about the chain with them, revocation apart: a reason code, and what makes it understandable.
    outcome: TrialOutcome,
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
enum TrialOutcome {
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

impl Newcomer {
    /// What is proposed for a chain, which holds at least the leaf; `None`: that cannot be read.
    pub(super) fn of(
        asked: &Asked<'_>,
        chain: &[CertificateDer<'static>],
        at: UnixTime,
    ) -> Option<Self> {
        // What cannot be read ends the chain: nobody can build a path over it.
        let facts: Vec<_> = chain
            .iter()
            .map_while(|der| CertificateFacts::read(der))
            .collect();
        let leaf = facts.first()?;
        let issuer = Voucher::of(asked.topology, &facts, chain);
        let sections = sections::text(asked, (leaf, chain), &issuer, None);
        // By the whole certificate, as `openssl x509 -fingerprint -sha256` shows it to the partner.
        let shown = facts
            .iter()
            .zip(chain)
            .map(|(facts, der)| ShownCertificate {
                subject: facts.subject.clone(),
                issuer: facts.issuer.clone(),
                sha256: crate::trust::fingerprint(der),
                not_after: facts.not_after,
            });
        // With one URI of the scheme sip the DNS names do not count, so showing them would mislead.
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
    issuer: &Voucher,
    at: UnixTime,
) -> TrialOutcome {
    // A proposal that was not tried out is still worth printing, with the reason why it was not.
    let unknown = |error: &dyn std::fmt::Display| TrialOutcome::Unknown(error.to_string());
    let place = match issuer.pem().map(Scratch::holding).transpose() {
        Ok(place) => place,
        Err(error) => return unknown(&error),
    };
    // Without the CA there is no path, and a refusal would only repeat that.
    if let Voucher::Unknown { name } = issuer {
        return unknown(&format!("the certificate of {name} is not at hand"));
    }
    // The sections as they are printed name a file that nobody has made yet.
    let anchors = place.as_ref().map(|place| place.file.as_path());
    let sections = sections::text(asked, (leaf, chain), issuer, anchors);
    // Faults are those of the sections, since the file alone has been loaded before: the name may be taken, or a domain be
    // another partner's.
    let generation = match daemon::prepare_with(asked.config, &sections, at) {
        Ok(generation) => generation,
        Err(faults) => return TrialOutcome::Faults(faults),
    };
    let Some(peer) = generation.topology().peer_by_name(asked.fqdn.as_str()) else {
        return unknown(&"the entry is not found again");
    };
    // By the decision itself and not by a second opinion of this module: what is called accepted here will be accepted.
    let presented = Presented::outbound(chain, peer);
    let explained = explain(&presented, Direction::Outbound, &generation, at);
    TrialOutcome::Decided {
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
    /// Readable by this user alone, although certificates are no secret: who could write there could exchange them.
    fn holding(text: &str) -> io::Result<Self> {
        // A name that nobody can guess: in a directory that all may write to, another could make the file first.
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("sipward-{:016x}", u64::from_be_bytes(random));
        let directory = std::env::temp_dir().join(name);
        // Fails if it is there already, a link included.
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
