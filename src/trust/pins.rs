//! Whether one of a chain's keys is among the peer's pins (RFC 7469 §2.6), in addition to everything else.
use super::path::Path;
use super::{Reason, Refusal};
use crate::topology::{Peer, Pin};
use aws_lc_rs::digest::{SHA256, digest};

/// Refuses unless the leaf, an intermediate or the anchor has a pinned key; no pins, no demand.
pub(super) fn check(path: &Path<'_>, peer: &Peer) -> Result<(), Refusal> {
    if peer.pins.is_empty() || keys(path).any(|key| peer.pins.contains(&key)) {
        return Ok(());
    }
    let leaf = keys(path).next();
    Err(Refusal::because(
        Reason::PinMismatch,
        leaf.map_or_else(String::new, |leaf| format!("the leaf's key is {leaf}")),
    ))
}

/// The pins of a path's keys, leaf first, the anchor's last.
pub(super) fn keys(path: &Path<'_>) -> impl Iterator<Item = Pin> {
    let anchor = webpki::spki_for_anchor(path.anchor());
    path.certificates()
        .map(|certificate| pin(certificate.public_key().raw))
        .chain(std::iter::once_with(move || pin(anchor.as_ref())))
}

/// The pin of a SubjectPublicKeyInfo.
pub(super) fn pin(key: &[u8]) -> Pin {
    let mut pin = [0; 32];
    let hash = digest(&SHA256, key);
    for (to, from) in pin.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    Pin(pin)
}
