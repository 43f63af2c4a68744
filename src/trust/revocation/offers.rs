//! What the sources of trust sets offer of CRLs, and what becomes of an offer.
use crate::reason::TrustReason;
use crate::topology::{CrlReason, HeldCrl};
use crate::trust::revocation::issuers::{CaKeys, Issuers};
use crate::trust::revocation::ledger::Ledger;
use rustls_pki_types::UnixTime;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// A CRL that is not used, with nothing held in its place; it explains refusals.
///
/// Without it the reason would be `crl_missing`, and the operator would look for a file that is there.
#[derive(Clone)]
pub(crate) struct UnusedCrl {
    pub(crate) crl: HeldCrl,
    pub(crate) refusal: CrlReason,
}

impl UnusedCrl {
    /// What a certificate is refused for when only this CRL would cover it.
    pub(crate) fn reason(&self) -> TrustReason {
        TrustReason::from_code(self.refusal.code()).unwrap_or(TrustReason::CrlMissing)
    }
}

/// A CRL, or a file of them, that was offered and not taken.
///
/// The daemon reports each only once, which is why it carries a digest.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusedCrl {
    /// The trust set.
    pub trust: String,
    /// Its line in the topology file.
    pub line: u32,
    /// The file.
    pub file: Arc<Path>,
    /// The issuer, if the file could be parsed.
    pub issuer: Option<String>,
    /// Why.
    pub refusal: CrlReason,
    /// The error of the system or the parser, or what stays in force.
    pub detail: String,
    /// SHA-256 of the CRL or the file.
    pub digest: [u8; 32],
}

/// A CRL in a place.
///
/// The same CRL may lie in two files, and one file may hold several.
pub(crate) type CrlPlace = (Arc<Path>, [u8; 32]);

/// A CRL in a place, and whether it was fetched.
pub(crate) type OfferedCrl = (CrlPlace, bool);

/// What the sources of one trust set held when they were read last.
///
/// Kept from one reading to the next, since what is an attack and what is old news can only be seen in
/// comparison.
#[derive(Clone, Default)]
pub(crate) struct SetSources {
    /// Every CRL, and whether it was fetched.
    pub(crate) offered: Vec<OfferedCrl>,
    /// Those that were older than another that was there too: that is no rollback.
    // Directories often keep old CRLs beside the new one. Such an old one must not be reported at each
    // reading.
    pub(crate) passed_over: HashSet<CrlPlace>,
    /// Those whose issuer's key is not known.
    pub(crate) waiting: HashSet<[u8; 32]>,
}

/// What one trust set offers.
///
/// Position in the topology for what is reported, and name for the ledger, which outlives topologies.
pub(crate) struct Offer<'a> {
    /// Position and name of the set.
    pub(crate) set: (usize, &'a str),
    pub(crate) issuers: &'a Issuers,
    pub(crate) crls: Vec<HeldCrl>,
    /// What it offers still, although it was not read: fetched before, or in a file that cannot be read now.
    // A file that cannot be read for a moment must not look like a CRL that was taken away.
    pub(crate) still: Vec<OfferedCrl>,
    /// What was there before.
    pub(crate) before: Option<&'a SetSources>,
}

/// What comes of all that is offered.
pub(crate) struct AdmittedCrls {
    pub(crate) ledger: Ledger,
    /// Of each set that offered, by its position.
    pub(crate) sources: BTreeMap<usize, SetSources>,
    pub(crate) refused: Vec<RejectedCrl>,
}

/// One that was not taken.
pub(crate) struct RejectedCrl {
    pub(crate) set: usize,
    pub(crate) crl: HeldCrl,
    pub(crate) refusal: CrlReason,
    /// Whether one that covers as much is in force.
    pub(crate) stays: bool,
}

/// What is the same for all sets.
///
/// The grace is that of the most patient set, because the ledger serves all sets: what one of them still uses
/// must stay.
pub(crate) struct Terms<'a> {
    /// The keys of all sets' CAs.
    pub(crate) keys: &'a CaKeys,
    /// The names of all sets.
    pub(crate) sets: HashSet<&'a str>,
    /// Seconds for which a CRL serves after its nextUpdate, under the most patient policy.
    pub(crate) grace: u64,
    pub(crate) at: UnixTime,
}
