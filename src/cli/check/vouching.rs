//! Trust sets: which anchors vouch for a peer, until when, and what is asked of revocation.
//!
//! The lines stand below each peer, not in a section of their own: what matters is which anchors can let this peer in.
use super::certificate::named;
use crate::cli::output::Page;
use crate::topology::{CertificateFacts, Revocation, RevocationScope, TrustSet, show_duration};
use std::io;

/// An operator looks here for three things: until when a partner can connect at all (the end of the anchors), whether a
/// missing CRL will lock it out, and how old a CRL may become.
///
/// The lines of one trust set, as they stand below each peer that it vouches for.
pub(super) fn vouching(trust: &TrustSet, page: &mut Page<'_>) -> io::Result<()> {
    let anchors: Vec<String> = trust
        .anchors
        .iter()
        // All of them were read when the file was loaded.
        .filter_map(|der| CertificateFacts::read(der))
        .map(|facts| {
            let until = page.until(facts.not_after);
            // A set with a window is one half of a planned change of CAs.
            let window = trust.window.if_any();
            let window =
                window.map_or_else(String::new, |window| format!(" (the set counts {window})"));
            let (set, subject) = (&trust.name, named(&facts.subject));
            format!("{set}: {subject}, until {until}{window}")
        })
        .collect();
    page.fields("vouched for by", &anchors)?;
    // `leaf` leaves the intermediate CAs unchecked; it is for CAs that publish no CRL of their own level.
    let scope = match trust.scope {
        RevocationScope::Chain => "for the whole chain",
        RevocationScope::Leaf => "for the leaf only",
    };
    let policy = match trust.revocation {
        Revocation::Require => format!("a current CRL {scope}"),
        Revocation::Grace(grace) => {
            let grace = show_duration(grace);
            format!("a CRL {scope}, up to {grace} past its next update")
        }
        Revocation::Off => "not checked".to_owned(),
    };
    page.field("revocation", &policy)?;
    // CRLs of a set that does not use them would only suggest that they count.
    if trust.revocation == Revocation::Off {
        return Ok(());
    }
    // Those in force now: files, fetched ones and those of the state directory alike.
    let crls: Vec<String> = trust
        .crls
        .iter()
        .map(|crl| {
            let next = page.until(i64::try_from(crl.next_update()).unwrap_or(i64::MAX));
            let (issuer, revoked) = (named(crl.issuer()), crl.revoked());
            format!("of {issuer}: {revoked} revoked, next update {next}")
        })
        .collect();
    page.fields("CRL", &crls)
}
