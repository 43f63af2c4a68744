//! Whether the keys of a path are strong enough, and the leaf's is one that a handshake can use (RFC 9325 §4.5).
use crate::trust::path::cert_path::Path;
use crate::trust::{Refusal, TrustReason};

/// Refuses a weak key anywhere, and a leaf's key that no handshake can use, whatever signed the certificate.
pub(crate) fn check(path: &Path<'_>) -> Result<(), Refusal> {
    if let Some(weak) = path.parts().find(|part| part.key().is_weak()) {
        let what = format!("{}: {}", weak.text(), weak.key().words());
        return Err(Refusal::because(TrustReason::WeakKey, what));
    }
    match path.parts().next() {
        Some(leaf) if !leaf.key().serves_handshakes() => {
            let what = format!("{}: {}", leaf.text(), leaf.key().words());
            Err(Refusal::because(TrustReason::KeyUnusable, what))
        }
        Some(_) | None => Ok(()),
    }
}
