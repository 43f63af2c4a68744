//! Whether key usages permit a certificate to speak for a SIP server (RFC 5280 §4.2.1.3 and §4.2.1.12, RFC 5924).
use crate::topology::{Direction, PurposePolicy};
use crate::trust::certificate::purposes::{KeyPurposes, Purpose};
use crate::trust::certificate::text::subject_text;
use crate::trust::path::cert_path::CertPath;
use crate::trust::{StepRefusal, TrustReason};
use x509_parser::certificate::X509Certificate;

/// The table: what satisfies in a direction under a policy, the most telling first. anyExtendedKeyUsage and a missing
/// extension stand for all of them.
///
/// **Deviation:** RFC 5924 §5 wants sipDomain or any where the extension is present; no public CA issues it.
/// Inbound, serverAuth is enough for a listed server, because public CAs no longer issue clientAuth; outbound,
/// clientAuth alone never is, or a client's certificate could act as a server.
fn satisfying(direction: Direction, policy: PurposePolicy) -> &'static [Purpose] {
    use Purpose::{Client, Server, SipDomain};
    match (direction, policy) {
        (Direction::Outbound, PurposePolicy::ServerOrClient | PurposePolicy::Strict) => {
            &[SipDomain, Server]
        }
        (Direction::Inbound, PurposePolicy::ServerOrClient) => &[SipDomain, Client, Server],
        (Direction::Inbound, PurposePolicy::Strict) => &[SipDomain, Client],
    }
}

/// Refuses unless one purpose that satisfies is served by the whole path, from the leaf to the anchor: a CA that may
/// issue for servers only cannot make a client (RFC 5280 §4.2.1.12). Returns how the leaf serves it.
pub(crate) fn check(
    path: &CertPath<'_>,
    direction: Direction,
    policy: PurposePolicy,
) -> Result<&'static str, StepRefusal> {
    let accepted = satisfying(direction, policy);
    // A certificate without the extension serves every purpose (RFC 5280 §4.2.1.12).
    let serves = |usages: Option<&KeyPurposes>, purpose| {
        usages.is_none_or(|usages| usages.any || usages.has(purpose))
    };
    let found = accepted
        .iter()
        // One purpose for the whole path: a leaf with serverAuth below a CA with clientAuth serves neither.
        .find(|purpose| path.purposes().all(|usages| serves(usages, **purpose)));
    let Some(purpose) = found else {
        return Err(unsuitable(path, accepted, serves));
    };
    // RFC 8446 §4.4.2.2 for the leaf, RFC 5280 §6.1.4 (n) for the issuers. TLS 1.3 and ECDHE sign
    // with the key; keyEncipherment alone is of a time of RSA key transport.
    check_signs_handshakes(path.leaf())?;
    if let Some(what) = path.mute_issuer() {
        return Err(TrustReason::KeyUsageUnsuitable.because(format!("{what} lacks keyCertSign")));
    }
    // What the decision records is the leaf's own: how it came to pass.
    Ok(match path.purposes().next().flatten() {
        None => "none",
        Some(usages) if usages.has(*purpose) => purpose.name(),
        Some(_) => "any",
    })
}

/// Which certificate serves no purpose that satisfies, or that no purpose is common to all.
///
/// The certificate to blame is the first that serves no accepted purpose by itself; without one the path as a
/// whole is to blame.
fn unsuitable(
    path: &CertPath<'_>,
    accepted: &[Purpose],
    serves: impl Fn(Option<&KeyPurposes>, Purpose) -> bool,
) -> StepRefusal {
    let all: Vec<&str> = path.purposes().map(words).collect();
    let alone = path.purposes().position(|usages| {
        let mut accepted = accepted.iter();
        !accepted.any(|purpose| serves(usages, *purpose))
    });
    let what = match alone.and_then(|at| path.subject_at(at).zip(all.get(at))) {
        Some((subject, usages)) => format!("{subject} has {usages}"),
        None => format!("no purpose is common to the path: {}", all.join(" | ")),
    };
    TrustReason::EkuUnsuitable.because(what)
}

/// The extended key usages of each certificate of a path, leaf first, for show.
pub(crate) fn words_of(path: &CertPath<'_>) -> String {
    path.purposes().map(words).collect::<Vec<_>>().join(" | ")
}

fn words(usages: Option<&KeyPurposes>) -> &str {
    usages.map_or("none", KeyPurposes::listed)
}

/// Without a keyUsage every use is permitted (RFC 5280 §4.2.1.3).
fn check_signs_handshakes(leaf: &X509Certificate<'_>) -> Result<(), StepRefusal> {
    let subject = || subject_text(leaf.subject());
    let usage = leaf.key_usage().map_err(|error| {
        TrustReason::MalformedCertificate.because(format!("key usages of {}: {error}", subject()))
    })?;
    if usage.is_some_and(|usage| !usage.value.digital_signature()) {
        let what = format!("{} lacks digitalSignature", subject());
        return Err(TrustReason::KeyUsageUnsuitable.because(what));
    }
    Ok(())
}
