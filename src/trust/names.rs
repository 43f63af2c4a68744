//! Which names a certificate presents and which peer entry they match (RFC 5922 §7.1 to §7.4).
use super::certificate::text::printable;
use super::{MatchedKind, Reason, Refusal};
use crate::topology::{DnsName, NamePolicy, Peer, PeerRef, Standing, Topology};
use rustls_pki_types::UnixTime;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

/// Entries of subjectAltName: public CAs sell up to 250, and some platforms put a thousand tenants into one.
pub(super) const MAX_NAMES: usize = 2_000;

/// Names that a decision keeps for logs.
const MAX_SHOWN: usize = 16;

/// Characters of a name that does not count, in an explanation.
const MOST_SHOWN_CHARACTERS: usize = 300;

/// The most entries that an identity stands for besides its own; a wildcard could name thousands.
const MOST_ALSO: usize = 32;

/// The names of a leaf that count as SIP identities, each in the form that is compared.
pub(super) struct PresentedNames {
    identities: Vec<Identity>,
    /// Where each name stands, so that many names and many peers are not held against each other one by one.
    places: HashMap<String, Vec<usize>>,
}

struct Identity {
    kind: MatchedKind,
    /// Normalised; of a wildcard the part after `*.`.
    name: String,
}

impl Identity {
    fn shown(&self) -> String {
        match self.kind {
            MatchedKind::Wildcard => format!("*.{}", self.name),
            MatchedKind::SipUri | MatchedKind::Dns | MatchedKind::CommonName => self.name.clone(),
        }
    }

    /// Whether it names `fqdn`, before any policy of the peer.
    fn names(&self, fqdn: &str) -> bool {
        match self.kind {
            MatchedKind::SipUri | MatchedKind::Dns | MatchedKind::CommonName => self.name == fqdn,
            MatchedKind::Wildcard => fqdn
                .split_once('.')
                .is_some_and(|(label, rest)| !label.is_empty() && rest == self.name),
        }
    }

    /// Whether the peer lets this kind of name speak for it.
    fn allowed_by(&self, peer: &Peer) -> Result<(), Reason> {
        match self.kind {
            MatchedKind::SipUri | MatchedKind::Dns => Ok(()),
            MatchedKind::Wildcard => match peer.names {
                NamePolicy::OneLabelWildcard => Ok(()),
                NamePolicy::Exact => Err(Reason::WildcardNotAllowed),
            },
            MatchedKind::CommonName if peer.common_name => Ok(()),
            MatchedKind::CommonName => Err(Reason::CommonNameOnly),
        }
    }
}

impl PresentedNames {
    /// RFC 5922 §7.1: sip URIs without userinfo; dNSNames only if there is no such URI; the CN only if there
    /// is no subjectAltName.
    ///
    /// A sip URI whose host cannot be compared still keeps dNSNames from counting.
    pub(super) fn of(leaf: &X509Certificate<'_>) -> Result<Self, Refusal> {
        let extension = leaf.subject_alternative_name().map_err(|error| {
            Refusal::because(
                Reason::MalformedCertificate,
                format!("subjectAltName: {error}"),
            )
        })?;
        let identities = match extension {
            None => common_name(leaf).into_iter().collect(),
            Some(extension) => alternative_names(&extension.value.general_names)?,
        };
        if identities.is_empty() {
            return Err(Reason::NoUsableName.into());
        }
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, identity) in identities.iter().enumerate() {
            places.entry(identity.name.clone()).or_default().push(place);
        }
        Ok(Self { identities, places })
    }

    /// The places of the identities that may name `fqdn`, in their order.
    fn near(&self, fqdn: &str) -> Vec<usize> {
        let at = |name: &str| self.places.get(name).map_or(&[][..], Vec::as_slice);
        let parent = fqdn
            .split_once('.')
            .map_or(&[][..], |(_, parent)| at(parent));
        let mut near = [at(fqdn), parent].concat();
        near.sort_unstable();
        near
    }

    /// Each name with the field that it stands in, bounded.
    pub(super) fn with_kinds(&self) -> Vec<String> {
        (0..self.identities.len().min(MAX_SHOWN))
            .map(|position| self.shown_at(position))
            .collect()
    }

    /// The name at a position with the field that it stands in.
    pub(super) fn shown_at(&self, position: usize) -> String {
        self.identities
            .get(position)
            .map_or_else(String::new, |identity| {
                let field = match identity.kind {
                    MatchedKind::SipUri => "URI sip:",
                    MatchedKind::Dns | MatchedKind::Wildcard => "dNSName ",
                    MatchedKind::CommonName => "CN ",
                };
                format!("{field}{}", identity.shown())
            })
    }

    /// What a leaf carries besides, and why it does not count as an identity (for explanations), bounded.
    pub(super) fn ignored(leaf: &X509Certificate<'_>) -> Vec<String> {
        let common_names = leaf.subject().iter_common_name().count();
        let Ok(Some(extension)) = leaf.subject_alternative_name() else {
            return match common_names {
                0 => vec!["no subjectAltName and no CN".to_owned()],
                1 => Vec::new(),
                n => vec![format!("{n} CNs: nobody can say which one the CA checked")],
            };
        };
        let names = &extension.value.general_names;
        let has_sip = names
            .iter()
            .any(|name| matches!(name, GeneralName::URI(uri) if sip_host(uri).is_some()));
        let mut said: Vec<String> = names
            .iter()
            .filter_map(|name| why_ignored(name, has_sip))
            .map(|text| printable(&text, MOST_SHOWN_CHARACTERS))
            .take(MAX_SHOWN)
            .collect();
        if common_names > 0 {
            said.push("CN: not looked at where there is a subjectAltName".to_owned());
        }
        said
    }

    /// The names as text, bounded.
    pub(super) fn shown(&self) -> Vec<String> {
        self.identities
            .iter()
            .take(MAX_SHOWN)
            .map(Identity::shown)
            .collect()
    }

    /// Inbound: the entry that the names match (RFC 5922 §7.4).
    ///
    /// Of several entries with equal rights the one of the certificate's first matching name is taken.
    /// An entry outside its window counts as absent; it is told of when no other one matches.
    pub(super) fn find_peer(&self, topology: &Topology, at: UnixTime) -> Result<Match, Refusal> {
        let mut found: Vec<(usize, &Peer, PeerRef)> = Vec::new();
        let mut held_back: Option<(Reason, &Peer)> = None;
        for reference in self.candidates(topology) {
            let peer = topology.peer(reference);
            let spoken = self
                .speak_for(peer)
                .and_then(|position| active(peer, at).map(|()| position).map_err(Some));
            match spoken {
                Ok(position) => found.push((position, peer, reference)),
                Err(Some(reason)) if held_back.is_none_or(|(_, p)| peer.fqdn < p.fqdn) => {
                    held_back = Some((reason, peer));
                }
                Err(_) => {}
            }
        }
        found.sort_by(|a, b| (a.0, &a.1.fqdn).cmp(&(b.0, &b.1.fqdn)));
        let Some((position, peer, reference)) = found.first().copied() else {
            return Err(held_back.map_or_else(
                || Refusal::from(Reason::NotInTopology),
                |(reason, peer)| Refusal::at_line(reason, told(reason, peer), peer.line),
            ));
        };
        let others = found.get(1..).unwrap_or_default();
        let grants = (!others.is_empty()).then(|| peer.grants());
        if let Some((_, other, _)) = others.iter().find(|(_, p, _)| Some(p.grants()) != grants) {
            return Err(Refusal::at_line(
                Reason::AmbiguousIdentity,
                format!("{} and {}", peer.fqdn, other.fqdn),
                peer.line,
            ));
        }
        Ok(Match {
            also: others
                .iter()
                .take(MOST_ALSO)
                .map(|(_, p, _)| p.fqdn.clone())
                .collect(),
            ..self.matched(reference, position)?
        })
    }

    /// The entries that one of the names could mean, in the order of the file.
    fn candidates(&self, topology: &Topology) -> BTreeSet<PeerRef> {
        let meant = |identity: &Identity| match identity.kind {
            MatchedKind::SipUri | MatchedKind::Dns | MatchedKind::CommonName => {
                topology.peers_named(&identity.name)
            }
            MatchedKind::Wildcard => topology.peers_below(&identity.name),
        };
        let meant = self.identities.iter().flat_map(meant);
        meant.copied().collect()
    }

    /// Outbound: whether the names cover the peer that was dialled (RFC 5922 §7.3).
    pub(super) fn expect_peer(
        &self,
        expected: PeerRef,
        topology: &Topology,
        at: UnixTime,
    ) -> Result<Match, Refusal> {
        let peer = topology.peer(expected);
        if let Err(reason) = active(peer, at) {
            return Err(Refusal::at_line(reason, told(reason, peer), peer.line));
        }
        match self.speak_for(peer) {
            Ok(position) => self.matched(expected, position),
            Err(Some(reason)) => Err(Refusal::at_line(reason, peer.fqdn.to_string(), peer.line)),
            Err(None) => {
                let others = self.candidates(topology).into_iter();
                let other = others
                    .map(|other| topology.peer(other))
                    .filter(|p| p.window.is_open(at) && self.speak_for(p).is_ok())
                    .map(|p| &p.fqdn)
                    .min();
                let detail = other.map_or_else(
                    || format!("dialled {}; no other peer has these names", peer.fqdn),
                    |other| format!("dialled {}; these names are those of {other}", peer.fqdn),
                );
                Err(Refusal::at_line(Reason::NameMismatch, detail, peer.line))
            }
        }
    }

    /// The position of the first name that speaks for the peer, or why one that names it may not.
    pub(super) fn speak_for(&self, peer: &Peer) -> Result<usize, Option<Reason>> {
        let mut held_back = None;
        let fqdn = peer.fqdn.as_str();
        let near = self.near(fqdn).into_iter();
        for (position, identity) in near.filter_map(|at| Some((at, self.identities.get(at)?))) {
            if identity.names(fqdn) {
                match identity.allowed_by(peer) {
                    Ok(()) => return Ok(position),
                    Err(reason) => held_back = Some(reason),
                }
            }
        }
        Err(held_back)
    }

    /// The first name that speaks for the peer, or why it may not.
    pub(super) fn name_for(&self, peer: &Peer) -> Result<String, Refusal> {
        let position = self
            .speak_for(peer)
            .map_err(|reason| Refusal::from(reason.unwrap_or(Reason::NameMismatch)))?;
        let identity = self.identities.get(position).ok_or(Reason::NoUsableName)?;
        Ok(identity.shown())
    }

    fn matched(&self, peer: PeerRef, position: usize) -> Result<Match, Refusal> {
        let identity = self.identities.get(position).ok_or(Reason::NoUsableName)?;
        Ok(Match {
            peer,
            name: identity.shown(),
            kind: identity.kind,
            also: Arc::default(),
        })
    }
}

/// Whether an entry counts at a time.
pub(super) fn active(peer: &Peer, at: UnixTime) -> Result<(), Reason> {
    match peer.window.standing(at) {
        Standing::Open => Ok(()),
        Standing::NotYet(_) => Err(Reason::PeerNotYetActive),
        Standing::Over(_) => Err(Reason::PeerNoLongerActive),
    }
}

/// The entry that is held back, and since or until when.
fn told(reason: Reason, peer: &Peer) -> String {
    if let Reason::PeerNotYetActive | Reason::PeerNoLongerActive = reason {
        format!("{} counts {}", peer.fqdn, peer.window)
    } else {
        peer.fqdn.to_string()
    }
}

/// The peer entry that a certificate speaks for, and by which name.
pub(super) struct Match {
    pub(super) peer: PeerRef,
    pub(super) name: String,
    pub(super) kind: MatchedKind,
    /// Inbound: the names of the other entries that it speaks for as well, which grant the same.
    pub(super) also: Arc<[DnsName]>,
}

fn alternative_names(names: &[GeneralName<'_>]) -> Result<Vec<Identity>, Refusal> {
    if names.len() > MAX_NAMES {
        return Err(Refusal::because(
            Reason::TooManyNames,
            format!("{} names, at most {MAX_NAMES}", names.len()),
        ));
    }
    let sip: Vec<&str> = names
        .iter()
        .filter_map(|name| {
            if let GeneralName::URI(uri) = name {
                sip_host(uri)
            } else {
                None
            }
        })
        .collect();
    if !sip.is_empty() {
        return Ok(sip
            .into_iter()
            .filter_map(normalise)
            .map(|name| Identity {
                kind: MatchedKind::SipUri,
                name,
            })
            .collect());
    }
    Ok(names
        .iter()
        .filter_map(|name| {
            if let GeneralName::DNSName(name) = name {
                dns_identity(name)
            } else {
                None
            }
        })
        .collect())
}

/// Why a general name is no identity; `None` for one that counts.
fn why_ignored(name: &GeneralName<'_>, has_sip: bool) -> Option<String> {
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

fn dns_identity(presented: &str) -> Option<Identity> {
    if let Some(rest) = presented.strip_prefix("*.") {
        // `*.test` would stand for every name of a registry: two labels must follow the star.
        return normalise(rest)
            .filter(|name| name.contains('.'))
            .map(|name| Identity {
                kind: MatchedKind::Wildcard,
                name,
            });
    }
    normalise(presented).map(|name| Identity {
        kind: MatchedKind::Dns,
        name,
    })
}

/// The CN, if there is exactly one: of several nobody can say which one the CA checked.
fn common_name(leaf: &X509Certificate<'_>) -> Option<Identity> {
    let mut names = leaf.subject().iter_common_name();
    let first = names.next()?;
    if names.next().is_some() {
        return None;
    }
    let name = normalise(first.as_str().ok()?)?;
    Some(Identity {
        kind: MatchedKind::CommonName,
        name,
    })
}

/// The host part of a sip URI without userinfo; `None` for every other URI (RFC 5922 §7.1).
fn sip_host(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("sip") || rest.contains('@') {
        return None;
    }
    rest.split([':', ';', '?']).next()
}

/// The form in which names are compared (RFC 5922 §7.2): lower case, no trailing dot, LDH labels.
///
/// `None` for what is no DNS name: empty, over 253 octets, empty or over-long labels, other characters (NUL
/// and non-ASCII among them), and a last label of digits, which makes an IPv4 address.
pub(super) fn normalise(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() || name.len() > 253 {
        return None;
    }
    let sound = name.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    });
    let numeric = name
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    (sound && !numeric).then(|| name.to_ascii_lowercase())
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
