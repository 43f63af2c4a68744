//! Whether one of a chain's keys is among the peer's pins (RFC 7469 §2.6), in addition to everything else.
use crate::topology::{Peer, Pin};
use crate::trust::path::cert_path::CertPath;
use crate::trust::{StepRefusal, TrustReason};

/// Refuses unless the leaf, an intermediate or the anchor has a pinned key; no pins, no demand.
pub(crate) fn check(path: &CertPath<'_>, peer: &Peer) -> Result<(), StepRefusal> {
    if peer.pins.is_empty() || keys(path).any(|key| peer.pins.contains(&key)) {
        return Ok(());
    }
    // The leaf's pin is what an operator would add, if the partner confirms it.
    let leaf = keys(path).next();
    Err(TrustReason::PinMismatch
        .because(leaf.map_or_else(String::new, |leaf| format!("the leaf's key is {leaf}"))))
}

/// The pins of a path's keys, leaf first, the anchor's last.
pub(crate) fn keys(path: &CertPath<'_>) -> impl Iterator<Item = Pin> {
    let keys = path.parts().map(|part| *part.key().digest());
    keys.chain([*path.anchor().key.digest()]).map(Pin)
}
