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

/// A purpose that a whole path can serve.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    SipDomain,
    Server,
    Client,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::SipDomain => "sipDomain",
            Self::Server => "serverAuth",
            Self::Client => "clientAuth",
        }
    }
}

/// What an extended key usage extension permits, of what matters here.
#[derive(Clone, Debug)]
pub(super) struct Purposes {
    sip_domain: bool,
    server: bool,
    client: bool,
    any: bool,
    listed: String,
}

impl Purposes {
    pub(super) fn of(usages: &ExtendedKeyUsage<'_>) -> Self {
        Self {
            sip_domain: usages.other.contains(&SIP_DOMAIN),
            server: usages.server_auth,
            client: usages.client_auth,
            any: usages.any,
            listed: listed(usages),
        }
    }

    fn has(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::SipDomain => self.sip_domain,
            Purpose::Server => self.server,
            Purpose::Client => self.client,
        }
    }

    /// Whether they leave anything that satisfies in some direction under some policy.
    pub(super) fn serve_anybody(&self) -> bool {
        self.any || self.sip_domain || self.server || self.client
    }

    /// As text, for show.
    pub(super) fn listed(&self) -> &str {
        &self.listed
    }
}

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
/// issue for servers only cannot make a client (RFC 5280 §4.2.1.12). Returns what the leaf says of it.
pub(super) fn check(
    path: &Path<'_>,
    direction: Direction,
    policy: PurposePolicy,
) -> Result<&'static str, Refusal> {
    let accepted = satisfying(direction, policy);
    let serves = |usages: Option<&Purposes>, purpose| {
        usages.is_none_or(|usages| usages.any || usages.has(purpose))
    };
    let found = accepted
        .iter()
        .find(|purpose| path.purposes().all(|usages| serves(usages, **purpose)));
    let Some(purpose) = found else {
        return Err(unsuitable(path, accepted, serves));
    };
    // RFC 8446 §4.4.2.2 for the leaf, RFC 5280 §6.1.4 (n) for the issuers.
    key_usage(path.leaf(), "digitalSignature", |u| u.digital_signature())?;
    if let Some(what) = path.mute_issuer() {
        return Err(Refusal::because(
            Reason::KeyUsageUnsuitable,
            format!("{what} lacks keyCertSign"),
        ));
    }
    Ok(match path.purposes().next().flatten() {
        None => "none",
        Some(usages) if usages.has(*purpose) => purpose.name(),
        Some(_) => "any",
    })
}

/// Which certificate serves no purpose that satisfies, or that no purpose is common to all.
fn unsuitable(
    path: &Path<'_>,
    accepted: &[Purpose],
    serves: impl Fn(Option<&Purposes>, Purpose) -> bool,
) -> Refusal {
    let all: Vec<&str> = path.purposes().map(words).collect();
    let alone = path.purposes().position(|usages| {
        let mut accepted = accepted.iter();
        !accepted.any(|purpose| serves(usages, *purpose))
    });
    let what = match alone.and_then(|at| path.subject_at(at).zip(all.get(at))) {
        Some((subject, usages)) => format!("{subject} has {usages}"),
        None => format!("no purpose is common to the path: {}", all.join(" | ")),
    };
    Refusal::because(Reason::EkuUnsuitable, what)
}

/// The extended key usages of each certificate of a path, leaf first, for show.
pub(super) fn words_of(path: &Path<'_>) -> String {
    path.purposes().map(words).collect::<Vec<_>>().join(" | ")
}

fn words(usages: Option<&Purposes>) -> &str {
    usages.map_or("none", Purposes::listed)
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
    if names.is_empty() {
        return "an empty list".to_owned();
    }
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
