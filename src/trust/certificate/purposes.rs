//! The extended key usages of a certificate, of what matters to a SIP server (RFC 5280 §4.2.1.12, RFC 5924).
use x509_parser::extensions::ExtendedKeyUsage;
use x509_parser::oid_registry::asn1_rs::{Oid, oid};

/// id-kp-sipDomain (RFC 5924 §4).
const SIP_DOMAIN: Oid<'static> = oid!(1.3.6.1.5.5.7.3.20);

/// A purpose that a whole path can serve.
///
/// Those of TLS and SIP; a certificate for mail or code signing serves none of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    SipDomain,
    Server,
    Client,
}

impl Purpose {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SipDomain => "sipDomain",
            Self::Server => "serverAuth",
            Self::Client => "clientAuth",
        }
    }
}

/// What an extended key usage extension permits, of what matters here.
///
/// A certificate without the extension has no such value and serves every purpose (RFC 5280 §4.2.1.12).
#[derive(Clone, Debug)]
pub(crate) struct KeyPurposes {
    sip_domain: bool,
    server: bool,
    client: bool,
    /// anyExtendedKeyUsage, which stands for all of them.
    pub(crate) any: bool,
    // Composed when the certificate is read: the parsed extension does not outlive it, and an anchor does.
    listed: String,
}

impl KeyPurposes {
    pub(crate) fn of(usages: &ExtendedKeyUsage<'_>) -> Self {
        Self {
            sip_domain: usages.other.contains(&SIP_DOMAIN),
            server: usages.server_auth,
            client: usages.client_auth,
            any: usages.any,
            listed: listed(usages),
        }
    }

    pub(crate) fn has(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::SipDomain => self.sip_domain,
            Purpose::Server => self.server,
            Purpose::Client => self.client,
        }
    }

    /// Whether they leave anything that satisfies in some direction under some policy.
    ///
    /// An operator should know of a CA below which no server can ever be accepted.
    pub(crate) fn serve_anybody(&self) -> bool {
        self.any || self.sip_domain || self.server || self.client
    }

    /// As text, for show.
    pub(crate) fn listed(&self) -> &str {
        &self.listed
    }
}

/// At most four unknown purposes are listed; certificates of some platforms have dozens.
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
    // An extension with no purpose at all is malformed by RFC 5280, and here it permits nothing.
    if names.is_empty() {
        return "an empty list".to_owned();
    }
    names.join(", ")
}
