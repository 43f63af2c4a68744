//! Whether key usages permit a certificate to speak for a SIP server (RFC 5280 §4.2.1.3 and §4.2.1.12, RFC 5924).
use super::chain::subject_text;
use super::path::Path;
use super::{Reason, Refusal};
use crate::topology::{Direction, PurposePolicy};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ExtendedKeyUsage;
use x509_parser::oid_registry::asn1_rs::{Oid, oid};

/// id-kp-sipDomain (RFC 5924 §4).
const SIP_DOMAIN: Oid<'static> = oid!(1.3.6.1.5.5.7.3.20);

/// A purpose that can satisfy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Absent,
    SipDomain,
    Server,
    Client,
    Any,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Absent => "none",
            Self::SipDomain => "sipDomain",
            Self::Server => "serverAuth",
            Self::Client => "clientAuth",
            Self::Any => "any",
        }
    }
}

/// The table: what satisfies in a direction under a policy, the most telling first.
///
/// **Deviation:** RFC 5924 §5 wants sipDomain or any where the extension is present; no public CA issues it.
/// Inbound, serverAuth is enough for a listed server, because public CAs no longer issue clientAuth; outbound,
/// clientAuth alone never is, or a client's certificate could act as a server. For intermediates the same
/// set holds, as in other validators.
fn satisfying(direction: Direction, policy: PurposePolicy) -> &'static [Purpose] {
    use Purpose::{Absent, Any, Client, Server, SipDomain};
    match (direction, policy) {
        (Direction::Outbound, PurposePolicy::ServerOrClient | PurposePolicy::Strict) => {
            &[SipDomain, Server, Any, Absent]
        }
        (Direction::Inbound, PurposePolicy::ServerOrClient) => {
            &[SipDomain, Client, Server, Any, Absent]
        }
        (Direction::Inbound, PurposePolicy::Strict) => &[SipDomain, Client, Any, Absent],
    }
}

/// Refuses unless leaf and intermediates have a purpose that satisfies; returns the leaf's.
pub(super) fn check(
    path: &Path<'_>,
    direction: Direction,
    policy: PurposePolicy,
) -> Result<&'static str, Refusal> {
    let accepted = satisfying(direction, policy);
    let leaf = satisfied_by(path.leaf(), accepted)?;
    for issuer in path.intermediates() {
        satisfied_by(issuer, accepted)?;
    }
    // RFC 8446 §4.4.2.2 for the leaf, RFC 5280 §6.1.4 (n) for the issuers.
    key_usage(path.leaf(), "digitalSignature", |u| u.digital_signature())?;
    for issuer in path.intermediates() {
        key_usage(issuer, "keyCertSign", |u| u.key_cert_sign())?;
    }
    Ok(leaf)
}

fn satisfied_by(
    certificate: &X509Certificate<'_>,
    accepted: &'static [Purpose],
) -> Result<&'static str, Refusal> {
    let extension = certificate
        .extended_key_usage()
        .map_err(|error| unreadable(certificate, &error.to_string()))?
        .map(|extension| extension.value);
    accepted
        .iter()
        .find(|purpose| has(extension, **purpose))
        .map(|purpose| purpose.name())
        .ok_or_else(|| {
            Refusal::because(
                Reason::EkuUnsuitable,
                format!(
                    "{} has {}",
                    subject_text(certificate.subject()),
                    extension.map_or_else(String::new, listed)
                ),
            )
        })
}

fn has(extension: Option<&ExtendedKeyUsage<'_>>, purpose: Purpose) -> bool {
    let Some(usages) = extension else {
        return purpose == Purpose::Absent;
    };
    match purpose {
        Purpose::Absent => false,
        Purpose::SipDomain => usages.other.contains(&SIP_DOMAIN),
        Purpose::Server => usages.server_auth,
        Purpose::Client => usages.client_auth,
        Purpose::Any => usages.any,
    }
}

/// The extended key usages of a certificate, for show.
pub(super) fn of(certificate: &X509Certificate<'_>) -> String {
    match certificate.extended_key_usage() {
        Ok(Some(extension)) => listed(extension.value),
        Ok(None) => "none".to_owned(),
        Err(_) => "unreadable".to_owned(),
    }
}

fn listed(usages: &ExtendedKeyUsage<'_>) -> String {
    let mut names: Vec<String> = [
        (usages.server_auth, "serverAuth"),
        (usages.client_auth, "clientAuth"),
        (usages.code_signing, "codeSigning"),
        (usages.email_protection, "emailProtection"),
        (usages.time_stamping, "timeStamping"),
        (usages.ocsp_signing, "OCSPSigning"),
        (usages.any, "any"),
    ]
    .into_iter()
    .filter(|(present, _)| *present)
    .map(|(_, name)| name.to_owned())
    .collect();
    names.extend(usages.other.iter().take(4).map(Oid::to_id_string));
    names.join(", ")
}

fn key_usage(
    certificate: &X509Certificate<'_>,
    wanted: &str,
    permits: impl Fn(&x509_parser::extensions::KeyUsage) -> bool,
) -> Result<(), Refusal> {
    let extension = certificate
        .key_usage()
        .map_err(|error| unreadable(certificate, &error.to_string()))?;
    match extension {
        Some(extension) if !permits(extension.value) => Err(Refusal::because(
            Reason::KeyUsageUnsuitable,
            format!("{} lacks {wanted}", subject_text(certificate.subject())),
        )),
        Some(_) | None => Ok(()),
    }
}

fn unreadable(certificate: &X509Certificate<'_>, error: &str) -> Refusal {
    Refusal::because(
        Reason::MalformedCertificate,
        format!(
            "key usages of {}: {error}",
            subject_text(certificate.subject())
        ),
    )
}
