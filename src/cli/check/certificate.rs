//! A certificate of this node in a few words.
//!
//! Subject, issuer and end are what an operator recognises a certificate by; the whole of it is a matter for `openssl x509`.
use crate::cli::output::{Page, counted};
use crate::topology::{CertificateFacts, KeyPair};
use std::io;

fn leaf(pair: &KeyPair) -> Option<CertificateFacts> {
    CertificateFacts::read(pair.chain.first()?)
}

/// The subject of the leaf. The topology is loaded, so the leaf can be read; nothing else depends on it here.
pub(super) fn subject(pair: &KeyPair) -> String {
    leaf(pair).map_or(String::new(), |facts| named(&facts.subject))
}

/// A distinguished name; it may be empty where the names stand in a subjectAltName (RFC 5280 §4.1.2.6).
pub(super) fn named(name: &str) -> String {
    if name.is_empty() {
        "(empty subject)".to_owned()
    } else {
        name.to_owned()
    }
}

/// Who issued the leaf, and how long it is valid.
pub(super) fn validity(pair: &KeyPair, page: &mut Page<'_>) -> io::Result<()> {
    let Some(facts) = leaf(pair) else {
        return Ok(());
    };
    page.field("issued by", &named(&facts.issuer))?;
    let mut sends = counted(pair.chain.len(), "certificate");
    let last = pair
        .chain
        .last()
        .and_then(|der| CertificateFacts::read(der));
    // Usually the root: the other side must have this one.
    if let Some(last) = last.filter(|last| !last.names_as_issuer(last)) {
        let which = if pair.chain.len() > 1 {
            "the last one's"
        } else {
            "its"
        };
        sends.push_str(&format!(
            "; {which} issuer {} is not sent",
            named(&last.issuer)
        ));
    }
    page.field("sends", &sends)?;
    let until = page.until(facts.not_after);
    page.field("valid until", &until)
}
