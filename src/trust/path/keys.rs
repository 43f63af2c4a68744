//! Whether the keys of a path are strong enough, and the leaf's is one that a handshake can use (RFC 9325 §4.5).
use crate::trust::path::cert_path::CertPath;
use crate::trust::{StepRefusal, TrustReason};

/// Refuses a weak key anywhere, and a leaf's key that no handshake can use, whatever signed the certificate.
pub(crate) fn check(path: &CertPath<'_>) -> Result<(), StepRefusal> {
    // The anchor's key is in the operator's hands and was noted when the set was prepared.
    if let Some(weak) = path.parts().find(|part| part.key().is_weak()) {
        let what = format!("{}: {}", weak.text(), weak.key().words());
        return Err(TrustReason::WeakKey.because(what));
    }
    // Such a chain would end in a handshake failure with no name; here the operator reads why.
    match path.parts().next() {
        Some(leaf) if !leaf.key().serves_handshakes() => {
            let what = format!("{}: {}", leaf.text(), leaf.key().words());
            Err(TrustReason::KeyUnusable.because(what))
        }
        Some(_) | None => Ok(()),
    }
}
