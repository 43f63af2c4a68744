//! Who would vouch for a server that is not listed yet: an anchor of the file, a certificate that was sent, or a public root.
use crate::topology::{CertificateFacts, Topology, public_roots};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use rustls_pki_types::CertificateDer;
use serde::Serialize;

/// Who would vouch.
///
/// In the order in which they are looked for: an anchor that the file has already needs nothing new and is trusted for a
/// reason; what is sent along is at hand; a public root is the same everywhere.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(super) enum Voucher {
    /// A trust set of the file does already.
    Listed {
        /// Its name.
        set: String,
    },
    /// A certificate that has to be put into a file of anchors.
    New {
        /// Where it was found.
        source: AnchorSource,
        /// Its subject.
        subject: String,
        /// SHA-256 of it, in hex.
        sha256: String,
        /// The certificate.
        pem: String,
    },
    /// Nobody here has its certificate.
    Unknown {
        /// The issuer, as the last certificate names it.
        name: String,
    },
}

/// Where the certificate of the new anchor was found.
///
/// None of these proves it: a false server sends a false root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AnchorSource {
    /// The server sent its root along.
    SentRoot,
    /// This system has it among the public roots.
    PublicRoot,
    /// The server sent a CA, but not the root above it.
    SentAuthority,
}

impl Voucher {
    /// By the names in the chain; whether signatures hold is judged with the sections.
    pub(super) fn of(
        topology: &Topology,
        facts: &[CertificateFacts],
        chain: &[CertificateDer<'static>],
    ) -> Self {
        // The last certificate of the path is the one whose issuer is in question.
        let way = way_up(facts);
        let Some((at, top)) = way.last().and_then(|at| Some((*at, facts.get(*at)?))) else {
            return Self::Unknown {
                name: String::new(),
            };
        };
        // An entry may name a set that is there. That several partners share one is the operator's decision; the page names it.
        for set in topology.trusts() {
            let mut anchors = set
                .anchors
                .iter()
                .filter_map(|der| CertificateFacts::read(der));
            // A CA below a root vouches for nobody unless the set has partial_chain.
            let vouches = |anchor: CertificateFacts| {
                top.names_as_issuer(&anchor)
                    && (set.partial_chain || anchor.names_as_issuer(&anchor))
            };
            if anchors.any(vouches) {
                return Self::Listed {
                    set: set.name.clone(),
                };
            }
        }
        // A server need not send its root (RFC 8446 §4.4.2), and most do not.
        let sent = chain.get(at);
        if top.names_as_issuer(top)
            && let Some(der) = sent
        {
            return Self::new(AnchorSource::SentRoot, der);
        }
        // A name proves nothing, but a false root makes the trial fail, and this page says so.
        if let Some(der) = public_roots::root_of(top) {
            return Self::new(AnchorSource::PublicRoot, &der);
        }
        // A CA without its root serves with partial_chain; the leaf itself never does.
        match sent.filter(|_| at > 0) {
            Some(der) => Self::new(AnchorSource::SentAuthority, der),
            None => Self::Unknown {
                name: top.issuer.clone(),
            },
        }
    }

    fn new(source: AnchorSource, der: &CertificateDer<'_>) -> Self {
        let subject = CertificateFacts::read(der).map_or_else(String::new, |facts| facts.subject);
        Self::New {
            source,
            subject,
            sha256: crate::trust::fingerprint(der),
            pem: pem(der),
        }
    }

    /// What the file of anchors would hold, if one is needed.
    pub(super) fn pem(&self) -> Option<&str> {
        match self {
            Self::New { pem, .. } => Some(pem),
            Self::Listed { .. } | Self::Unknown { .. } => None,
        }
    }
}

/// The positions of the certificates from the leaf up, each issued by the next, by their names.
pub(super) fn way_up(facts: &[CertificateFacts]) -> Vec<usize> {
    // Each certificate counts once, so that two that name each other end it.
    let mut way = Vec::new();
    let mut next = (!facts.is_empty()).then_some(0);
    while let Some(at) = next {
        way.push(at);
        let below = facts.get(at);
        next = below.and_then(|below| {
            let above = facts.iter().enumerate();
            let mut above = above.filter(|(at, ca)| !way.contains(at) && below.names_as_issuer(ca));
            above.next().map(|(at, _)| at)
        });
    }
    way
}

/// As PEM (RFC 7468 §2), which is what a file of anchors holds and what people can send by mail.
fn pem(der: &CertificateDer<'_>) -> String {
    let body = BASE64_STANDARD.encode(der);
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::certificates_in;
    use sipward_lab::pki::{Authority, LeafSpec};

    #[test]
    fn the_way_up_follows_names_and_ends() {
        let root = Authority::root("Root").unwrap();
        let issuing = root.subordinate("Issuing").unwrap();
        let leaf = issuing.issue(&LeafSpec::server("a.test")).unwrap();
        let read = |der: &CertificateDer<'_>| CertificateFacts::read(der).unwrap();
        let facts: Vec<_> = [&leaf.chain[0], root.certificate(), &leaf.chain[1]]
            .map(read)
            .into();
        assert_eq!(way_up(&facts), [0, 2, 1]);
        assert_eq!(way_up(&facts[..2]), [0]);
        assert_eq!(way_up(&[]), [0; 0]);
    }

    #[test]
    fn what_is_printed_is_the_certificate() {
        let root = Authority::root("Root").unwrap();
        let text = pem(root.certificate());
        assert_eq!(text, root.certificate_pem());
        let read = certificates_in(text.as_bytes()).unwrap();
        assert_eq!(&read[0], root.certificate());
    }
}
