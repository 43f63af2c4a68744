//! The names of a certificate that count as SIP identities, and which of them speaks for a peer (RFC 5922 §7.1, §7.2).
use crate::topology::{Peer, printable, sip_host};
use crate::trust::names::presented_name::{
    MatchedKind, PresentedName, alternative_names, common_name, why_ignored,
};
use crate::trust::{StepRefusal, TrustReason};
use std::collections::HashMap;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

/// Names that a decision keeps for logs.
///
/// A certificate may hold thousands, and each decision is kept for some time.
const MAX_SHOWN: usize = 16;

/// Characters of a name that does not count, in an explanation.
const MOST_SHOWN_CHARACTERS: usize = 300;

/// The names of a leaf that count as SIP identities, each in the form that is compared.
pub(crate) struct PresentedNames {
    /// In the order of the certificate, which decides between entries of equal rights.
    pub(crate) identities: Vec<PresentedName>,
    /// Where each name stands, so that many names and many peers are not held against each other one by one.
    places: HashMap<String, Vec<usize>>,
}

impl PresentedNames {
    /// RFC 5922 §7.1: sip URIs without userinfo; dNSNames only if there is no such URI; the CN only if there
    /// is no subjectAltName.
    ///
    /// A sip URI whose host cannot be compared still keeps dNSNames from counting.
    pub(crate) fn of(leaf: &X509Certificate<'_>) -> Result<Self, StepRefusal> {
        // The library refuses the extension if it occurs twice; nobody could know which one counts.
        let extension = leaf.subject_alternative_name().map_err(|error| {
            TrustReason::MalformedCertificate.because(format!("subjectAltName: {error}"))
        })?;
        let identities = match extension {
            // RFC 5922 §7.1 step 4: the subject only where there is no subjectAltName at all.
            None => common_name(leaf).into_iter().collect(),
            Some(extension) => alternative_names(&extension.value.general_names)?,
        };
        if identities.is_empty() {
            return Err(TrustReason::NoUsableName.into());
        }
        Ok(Self::with(identities))
    }

    /// Those of a certificate for one label below `parent`, and nothing else.
    pub(crate) fn of_wildcard(parent: &str) -> Self {
        Self::with(vec![PresentedName {
            kind: MatchedKind::Wildcard,
            name: parent.to_owned(),
        }])
    }

    fn with(identities: Vec<PresentedName>) -> Self {
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, identity) in identities.iter().enumerate() {
            places.entry(identity.name.clone()).or_default().push(place);
        }
        Self { identities, places }
    }

    /// The places of the identities that may name `fqdn`, in their order.
    fn near(&self, fqdn: &str) -> Vec<usize> {
        let at = |name: &str| self.places.get(name).map_or(&[][..], Vec::as_slice);
        let parent = fqdn
            .split_once('.')
            .map_or(&[][..], |(_, parent)| at(parent));
        // Names that equal the host, and wildcards whose parent is the host's parent.
        let mut near = [at(fqdn), parent].concat();
        near.sort_unstable();
        near
    }

    /// Each name with the field that it stands in, bounded.
    pub(crate) fn with_kinds(&self) -> Vec<String> {
        (0..self.identities.len().min(MAX_SHOWN))
            .map(|position| self.shown_at(position))
            .collect()
    }

    /// The name at a position with the field that it stands in.
    pub(crate) fn shown_at(&self, position: usize) -> String {
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
    pub(crate) fn ignored(leaf: &X509Certificate<'_>) -> Vec<String> {
        let common_names = leaf.subject().iter_common_name().count();
        let Ok(Some(extension)) = leaf.subject_alternative_name() else {
            return match common_names {
                0 => vec!["no subjectAltName and no CN".to_owned()],
                1 => Vec::new(),
                n => vec![format!("{n} CNs: which one the CA checked is not known")],
            };
        };
        let names = &extension.value.general_names;
        // Only to explain why a dNSName does not count.
        let has_sip = names
            .iter()
            .any(|name| matches!(name, GeneralName::URI(uri) if sip_host(uri).is_some()));
        let mut ignored: Vec<String> = names
            .iter()
            .filter_map(|name| why_ignored(name, has_sip))
            .map(|text| printable(&text, MOST_SHOWN_CHARACTERS))
            .take(MAX_SHOWN)
            .collect();
        if common_names > 0 {
            ignored.push("CN: not looked at where there is a subjectAltName".to_owned());
        }
        ignored
    }

    /// The names as text, bounded.
    pub(crate) fn shown(&self) -> Vec<String> {
        self.identities
            .iter()
            .take(MAX_SHOWN)
            .map(PresentedName::shown)
            .collect()
    }

    /// The position of the first name that speaks for the peer, or why one that names it may not.
    pub(crate) fn speak_for(&self, peer: &Peer) -> Result<usize, Option<TrustReason>> {
        let mut held_back = None;
        let fqdn = peer.fqdn.as_str();
        let near = self.near(fqdn).into_iter();
        for (position, identity) in near.filter_map(|at| Some((at, self.identities.get(at)?))) {
            if identity.names(fqdn) {
                // A name that the peer's policy excludes does not end the search: the next one may be
                // allowed.
                match identity.allowed_by(peer) {
                    Ok(()) => return Ok(position),
                    Err(reason) => held_back = Some(reason),
                }
            }
        }
        Err(held_back)
    }

    /// The first name that speaks for the peer, or why it may not.
    ///
    /// For the strictest reading of an observed peer, whose policies may allow another name than the one that
    /// matched.
    pub(crate) fn name_for(&self, peer: &Peer) -> Result<String, StepRefusal> {
        let position = self
            .speak_for(peer)
            .map_err(|reason| StepRefusal::from(reason.unwrap_or(TrustReason::NameMismatch)))?;
        let identity = self
            .identities
            .get(position)
            .ok_or(TrustReason::NoUsableName)?;
        Ok(identity.shown())
    }
}
