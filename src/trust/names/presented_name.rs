//! A name in a certificate that can stand for a SIP server, and which names are none (RFC 5922 §7.1 and §7.2).
use crate::topology::{DnsName, NamePolicy, Peer, sip_host};
use crate::trust::{StepRefusal, TrustReason};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

/// Entries of subjectAltName: public CAs sell up to 250, and some platforms put a thousand tenants into one.
///
/// Every name costs a look-up, and a stranger chooses how many there are.
pub(crate) const MAX_NAMES: usize = 2_000;

/// Which kind of name matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchedKind {
    /// subjectAltName URI with scheme sip.
    SipUri,
    /// subjectAltName dNSName.
    Dns,
    /// dNSName with a wildcard.
    Wildcard,
    /// The subject's CN.
    CommonName,
}

/// A name as it is compared with the reference identifiers of the topology (RFC 9525 §2 calls it a presented
/// identifier).
pub(crate) struct PresentedName {
    pub(crate) kind: MatchedKind,
    /// Normalised; of a wildcard the part after `*.`.
    pub(crate) name: String,
}

impl PresentedName {
    /// `None` for what is no DNS name.
    fn of(kind: MatchedKind, name: &str) -> Option<Self> {
        let name = normalise(name)?;
        Some(Self { kind, name })
    }

    pub(crate) fn shown(&self) -> String {
        match self.kind {
            MatchedKind::Wildcard => format!("*.{}", self.name),
            MatchedKind::SipUri | MatchedKind::Dns | MatchedKind::CommonName => self.name.clone(),
        }
    }

    /// Whether it names `fqdn`, before any policy of the peer.
    pub(crate) fn names(&self, fqdn: &str) -> bool {
        match self.kind {
            MatchedKind::SipUri | MatchedKind::Dns | MatchedKind::CommonName => self.name == fqdn,
            // Exactly one label: `*.contoso.test` never covers `a.b.contoso.test` (RFC 9525 §6.3).
            MatchedKind::Wildcard => fqdn
                .split_once('.')
                .is_some_and(|(label, rest)| !label.is_empty() && rest == self.name),
        }
    }

    /// Whether the peer lets this kind of name speak for it.
    ///
    /// **Deviation:** RFC 5922 §7.2 forbids wildcards in SIP certificates and RFC 9525 the CN; some partners
    /// have nothing else, so that an entry may opt in to either.
    pub(crate) fn allowed_by(&self, peer: &Peer) -> Result<(), TrustReason> {
        match self.kind {
            MatchedKind::SipUri | MatchedKind::Dns => Ok(()),
            MatchedKind::Wildcard => match peer.names {
                NamePolicy::OneLabelWildcard => Ok(()),
                NamePolicy::Exact => Err(TrustReason::WildcardNotAllowed),
            },
            MatchedKind::CommonName if peer.common_name => Ok(()),
            MatchedKind::CommonName => Err(TrustReason::CommonNameOnly),
        }
    }
}

pub(crate) fn alternative_names(
    names: &[GeneralName<'_>],
) -> Result<Vec<PresentedName>, StepRefusal> {
    // Before anything is copied or sorted.
    if names.len() > MAX_NAMES {
        return Err(TrustReason::TooManyNames
            .because(format!("{} names, at most {MAX_NAMES}", names.len())));
    }
    // sip URIs first: if the CA wrote any, the dNSNames are those of other services of the host (RFC 5922
    // §7.1).
    let (mut sip, mut dns) = (Vec::new(), Vec::new());
    for name in names {
        if let GeneralName::URI(uri) = name {
            sip.extend(sip_host(uri));
        } else if let GeneralName::DNSName(name) = name {
            dns.extend(dns_identity(name));
        }
    }
    // One that cannot be compared keeps dNSNames from counting all the same.
    if sip.is_empty() {
        return Ok(dns);
    }
    let identity = |host| PresentedName::of(MatchedKind::SipUri, host);
    Ok(sip.into_iter().filter_map(identity).collect())
}

/// Why a general name is no identity; `None` for one that counts.
///
/// The list of what is ignored saves an operator a look into the certificate: the usual slip is a name in a
/// field that does not count.
pub(crate) fn why_ignored(name: &GeneralName<'_>, has_sip: bool) -> Option<String> {
    if let GeneralName::DNSName(name) = name {
        if has_sip {
            return Some(format!(
                "dNSName {name}: not looked at where there is a sip URI"
            ));
        }
        return match dns_identity(name) {
            Some(_) => None,
            None => Some(format!("dNSName {name}: not a name that can be compared")),
        };
    }
    if let GeneralName::URI(uri) = name {
        return match sip_host(uri).map(normalise) {
            Some(Some(_)) => None,
            Some(None) => Some(format!("URI {uri}: its host cannot be compared")),
            None => Some(format!("URI {uri}: not a sip URI without userinfo")),
        };
    }
    let kind = match name {
        // RFC 5922 §7.1 knows no identity but a URI and a dNSName; an address does not show who runs the
        // server.
        GeneralName::IPAddress(_) => "an IP address",
        GeneralName::RFC822Name(_) => "an e-mail address",
        GeneralName::DirectoryName(_) => "a directory name",
        GeneralName::RegisteredID(_) => "a registered id",
        GeneralName::OtherName(..)
        | GeneralName::X400Address(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::Invalid(..)
        | GeneralName::DNSName(_)
        | GeneralName::URI(_) => "a name of another kind",
    };
    Some(format!("{kind}: never an identity of a SIP server"))
}

/// A dNSName as an identity; `None` for what cannot be one.
fn dns_identity(presented: &str) -> Option<PresentedName> {
    if let Some(rest) = presented.strip_prefix("*.") {
        // `*.test` would stand for every name of a registry: two labels must follow the star.
        // What follows the star is normalised like any name, so that `*.*.test` and partial labels are
        // refused.
        let wildcard = PresentedName::of(MatchedKind::Wildcard, rest);
        return wildcard.filter(|wildcard| wildcard.name.contains('.'));
    }
    PresentedName::of(MatchedKind::Dns, presented)
}

/// The CN, if there is exactly one: of several it is unknown which one the CA checked.
pub(crate) fn common_name(leaf: &X509Certificate<'_>) -> Option<PresentedName> {
    // The second is asked for, too: it makes the first one worthless.
    let mut names = leaf.subject().iter_common_name();
    let first = names.next()?;
    if names.next().is_some() {
        return None;
    }
    PresentedName::of(MatchedKind::CommonName, first.as_str().ok()?)
}

/// The form in which names are compared (RFC 5922 §7.2): lower case, no trailing dot, LDH labels.
///
/// `None` for what is no DNS name: empty, over 253 characters, empty or over-long labels, other characters (NUL
/// and non-ASCII among them), and a last label of digits, which makes an IPv4 address: as the topology's own names are read.
pub(crate) fn normalise(name: &str) -> Option<String> {
    DnsName::parse(name).ok().map(|name| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case_and_trailing_dot() {
        assert_eq!(
            normalise("FE01.Contoso.Test."),
            Some("fe01.contoso.test".into())
        );
    }

    #[test]
    fn what_is_no_dns_name_is_no_identity() {
        let long = format!("{}.test", "a.".repeat(130));
        for name in [
            "",
            ".",
            "a..test",
            ".test",
            "fe01\0.test",
            "fé.test",
            "a b.test",
            "-a.test",
            "a-.test",
            "192.0.2.1",
            "[2001:db8::1]",
            "*.contoso.test",
            "fe*.contoso.test",
            "a.test..",
            &long,
            &format!("{}.test", "a".repeat(64)),
        ] {
            assert_eq!(normalise(name), None, "{name:?}");
        }
    }

    #[test]
    fn only_sip_uris_without_userinfo_have_a_host_that_counts() {
        assert_eq!(sip_host("sip:example.com"), Some("example.com"));
        assert_eq!(
            sip_host("SIP:example.com:5061;transport=tls"),
            Some("example.com")
        );
        for uri in [
            "sip:alice@example.com",
            "sips:example.com",
            "https://example.com",
            "example.com",
        ] {
            assert_eq!(sip_host(uri), None, "{uri}");
        }
    }

    #[test]
    fn a_wildcard_is_one_whole_left_most_label_above_two_others() {
        let wildcard = dns_identity("*.contoso.test").unwrap();
        assert!(wildcard.names("fe01.contoso.test"));
        for other in [
            "contoso.test",
            "a.fe01.contoso.test",
            "fe01.fabrikam.test",
            ".contoso.test",
        ] {
            assert!(!wildcard.names(other), "{other}");
        }
        for refused in [
            "*",
            "*.",
            "*.test",
            "*.*.test",
            "f*.contoso.test",
            "fe01.*.test",
        ] {
            assert!(dns_identity(refused).is_none(), "{refused}");
        }
    }
}
