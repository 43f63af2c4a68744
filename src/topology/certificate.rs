//! What a certificate states of itself, for checks and for show; paths are judged elsewhere (RFC 5280, RFC 5922 §7.1).
use super::DnsName;
use super::distinguished_name::same_name;
use super::printable::subject_text;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::Oid;
use x509_parser::prelude::FromDer;

/// id-kp-sipDomain (RFC 5924 §4): 1.3.6.1.5.5.7.3.20.
// x509-parser knows the usual purposes by name and the others by OID.
const SIP_DOMAIN: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 20];

/// What a certificate states of itself.
///
/// For messages and for the choice of an identity by name. Nothing is decided about trust by these
/// facts.
#[derive(Clone, Debug)]
pub struct CertificateFacts {
    /// Subject, as text.
    pub subject: String,
    /// Issuer, as text.
    pub issuer: String,
    /// notBefore, Unix seconds.
    pub not_before: i64,
    /// notAfter, Unix seconds.
    pub not_after: i64,
    /// subjectAltName dNSName values, as written.
    pub dns: Vec<String>,
    /// Hosts of the subjectAltName URIs with scheme sip and no userinfo.
    pub sip: Vec<String>,
    /// Whether it may act as a TLS server (serverAuth, any, sipDomain or no purpose at all).
    pub server: bool,
    /// Whether it may act as a TLS client (clientAuth, any, sipDomain or no purpose at all).
    pub client: bool,
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
}

impl CertificateFacts {
    /// Reads one certificate; `None` if it is none.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let (dns, sip) = alternative_names(&certificate)?;
        let (server, client) = purposes(&certificate)?;
        let validity = certificate.validity();
        Some(Self {
            subject: subject_text(certificate.subject()),
            issuer: subject_text(certificate.issuer()),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            dns,
            sip,
            server,
            client,
            subject_der: certificate.subject().as_raw().to_vec(),
            issuer_der: certificate.issuer().as_raw().to_vec(),
        })
    }
    /// Whether the other certificate bears the name that this one has as its issuer.
    pub fn names_as_issuer(&self, other: &Self) -> bool {
        same_name(&self.issuer_der, &other.subject_der)
    }
    /// The names that are host names or domains, normalised, each once.
    pub fn names(&self) -> Vec<DnsName> {
        let mut names = Vec::new();
        for text in self.dns.iter().chain(&self.sip) {
            if let Ok(name) = DnsName::parse(text)
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        names
    }
}

/// Addresses and other forms of names are left out: this node is known by host names.
fn alternative_names(certificate: &X509Certificate<'_>) -> Option<(Vec<String>, Vec<String>)> {
    let mut dns = Vec::new();
    let mut sip = Vec::new();
    // An extension that occurs twice or does not parse makes the certificate useless to every verifier.
    if let Some(extension) = certificate.subject_alternative_name().ok()? {
        for name in &extension.value.general_names {
            if let GeneralName::DNSName(name) = name {
                dns.push((*name).to_owned());
            } else if let GeneralName::URI(uri) = name
                && let Some(host) = sip_host(uri)
            {
                sip.push(host.to_owned());
            }
        }
    }
    Some((dns, sip))
}

/// The host of a sip URI without userinfo; any other URI is not an identity (RFC 5922 §7.1).
///
/// A `sips` URI is none by that section, nor is one with a user: that would be a person's certificate.
pub(crate) fn sip_host(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("sip") || rest.contains('@') {
        return None;
    }
    rest.split([':', ';', '?']).next()
}

/// Without the extension a certificate is good for everything (RFC 5280 §4.2.1.12).
fn purposes(certificate: &X509Certificate<'_>) -> Option<(bool, bool)> {
    let Some(usage) = certificate.extended_key_usage().ok()? else {
        return Some((true, true));
    };
    let usage = usage.value;
    let sip_domain = Oid::from(SIP_DOMAIN).is_ok_and(|oid| usage.other.contains(&oid));
    let both = usage.any || sip_domain;
    Some((both || usage.server_auth, both || usage.client_auth))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sip_uris_without_userinfo_have_a_host_that_counts() {
        assert_eq!(sip_host("sip:contoso.test"), Some("contoso.test"));
        assert_eq!(
            sip_host("SIP:contoso.test:5061;transport=tls"),
            Some("contoso.test")
        );
        for uri in [
            "sips:contoso.test",
            "sip:alice@contoso.test",
            "https://contoso.test",
            "contoso.test",
        ] {
            assert_eq!(sip_host(uri), None, "{uri}");
        }
    }

    #[test]
    fn octets_that_are_no_certificate_have_no_facts() {
        assert!(CertificateFacts::read(&[0x30, 0]).is_none());
        assert!(CertificateFacts::read(b"").is_none());
    }
}
