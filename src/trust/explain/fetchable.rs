//! Where the CRLs of a trust set can be fetched: the distribution points of its own hierarchy, and of nobody else's.
use crate::reason::{CrlReason, FetchReason, Reason, TrustReason};
use crate::topology::der::{Der, SEQUENCE};
use crate::topology::distinguished_name::NameKey;
use crate::topology::{RevocationScope, TrustRef, sha256};
use crate::trust::certificate::chain::Chain;
use crate::trust::certificate::signature::{SignedPart, is_acceptable};
use crate::trust::decision::verdict::Verdict;
use crate::trust::generation::loaded::Generation;
use crate::trust::handshake::seen::SeenChain;
use crate::trust::path::validity;
use crate::trust::path::{revocation::in_scope, search::search};
use crate::trust::revocation::distribution::{http_uris, unasked_uri};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use std::collections::HashSet;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// URIs of one trust set.
///
/// Each is fetched again and again; a partner's certificate must not decide how much that is.
const MOST_URIS: usize = 32;
/// CaKeys of one URI: a CA that changes its key may go on with its distribution point.
const MOST_KEYS: usize = 8;

/// A distribution point.
///
/// The keys come from certificates on a proven path. A URI in a certificate that nobody vouches for is never
/// fetched, or a stranger could send this node anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistributionPoint {
    /// Its http:// URI.
    pub uri: String,
    /// SubjectPublicKeyInfo of those whose certificates name it.
    keys: Vec<Vec<u8>>,
}

impl DistributionPoint {
    /// One with these keys.
    #[cfg(test)]
    pub(crate) fn of(uri: String, keys: Vec<Vec<u8>>) -> Self {
        Self { uri, keys }
    }

    /// The key of an issuer of a certificate that names the point, by which a CRL in DER is signed. Everything else that
    /// comes over HTTP is a stranger's.
    ///
    /// Found before anything else of it is read. `proven` is a key that is known to have signed it.
    ///
    /// # Errors
    /// [`FetchReason::NotSigned`] or [`TrustReason::CrlUnsupportedSignature`].
    pub fn signer(&self, crl: &[u8], proven: Option<&[u8]>) -> Result<&[u8], Reason> {
        let mut keys = self.keys.iter().map(Vec::as_slice);
        if let Some(key) = keys.clone().find(|key| proven == Some(*key)) {
            return Ok(key);
        }
        let outer = Der::new(crl).expect(SEQUENCE);
        let Some((signed, _)) = outer.and_then(|outer| SignedPart::read(&outer)) else {
            return Err(CrlReason::Malformed.into());
        };
        if !is_acceptable(signed.algorithm) {
            return Err(TrustReason::CrlUnsupportedSignature.into());
        }
        keys.find(|key| signed.is_with(&SubjectPublicKeyInfoDer::from(*key)))
            .ok_or(FetchReason::NotSigned.into())
    }
}

/// Where the CRLs of one set can be fetched.
#[derive(Clone, Debug, Default)]
pub struct Fetchable {
    /// The points that are asked.
    pub points: Vec<DistributionPoint>,
    /// URIs of certificates that name no point that is asked: another scheme, or too long.
    // Shown by `crls`, so that an operator knows why nothing is fetched for a CA.
    pub unasked: Vec<String>,
}

/// The points of one set.
#[derive(Default)]
struct FoundPoints {
    all: Vec<DistributionPoint>,
    unasked: Vec<String>,
    /// Digests of the chains that were looked at.
    seen: HashSet<[u8; 32]>,
}

impl FoundPoints {
    /// One URI may serve several CAs, and one CA with several keys.
    fn add(&mut self, uris: impl IntoIterator<Item = String>, key: &[u8]) {
        for uri in uris {
            let known = self.all.iter_mut().find(|point| point.uri == uri);
            let key = key.to_vec();
            if let Some(point) = known {
                if point.keys.len() < MOST_KEYS && !point.keys.contains(&key) {
                    point.keys.push(key);
                }
            } else if self.all.len() < MOST_URIS {
                self.all.push(DistributionPoint {
                    uri,
                    keys: vec![key],
                });
            }
        }
    }

    fn pass_over(&mut self, uri: Option<String>) {
        if let Some(uri) = uri
            && self.unasked.len() < MOST_URIS
            && !self.unasked.contains(&uri)
        {
            self.unasked.push(uri);
        }
    }

    /// Whether a chain like this one was looked at: signatures are only worth checking for something new.
    ///
    /// Peers reconnect, and their chains differ in little that matters here.
    fn is_known(&mut self, chain: &Chain<'_>, der: &[CertificateDer<'_>]) -> bool {
        let leaf = chain.leaf();
        // The issuer, the URIs and the certificates above: chains that agree in these lead to the same
        // points.
        let mut text: Vec<u8> = leaf.issuer().as_raw().to_vec();
        for uri in http_uris(leaf).into_iter().chain(unasked_uri(leaf)) {
            text.extend_from_slice(uri.as_bytes());
            text.push(0);
        }
        for above in der.iter().skip(1) {
            text.extend_from_slice(&sha256(above));
        }
        !self.seen.insert(sha256(&text))
    }
}

impl Generation {
    /// The http:// distribution points (RFC 5280 §4.2.1.13) of a set's anchors, of the local certificates that lead to them,
    /// and of what peers showed that was accepted through the set and still leads to its anchors: only the certificates
    /// of the path count. Those that were fetched already come first; at most 32.
    pub fn fetchable(&self, set: TrustRef, seen: &[SeenChain], at: UnixTime) -> Fetchable {
        let trust = self.topology().trust(set);
        let mut points = FoundPoints::default();
        // Those that are in force first, so that the bound never drops a point that is in use.
        for crl in trust.crls.iter().filter(|crl| crl.fetched) {
            for id in self.ledger().holding(crl) {
                if let (Some(series), Some(uri)) = (self.ledger().get(id), crl.file.to_str()) {
                    points.add([uri.to_owned()], series.key());
                }
            }
        }
        let issuers = self.known_crls(set).issuers;
        // An intermediate in the file names where its issuer's CRL is.
        for anchor in &trust.anchors {
            let Ok((_, anchor)) = X509Certificate::from_der(anchor.as_ref()) else {
                continue;
            };
            let uris = http_uris(&anchor);
            let issuer = NameKey::of(anchor.issuer().as_raw());
            for signer in issuer.iter().flat_map(|name| issuers.named(name)) {
                points.add(uris.clone(), &signer.key);
            }
        }
        // The site's own certificates come from the same CA as those of its peers in most sites.
        for identity in self.topology().identities() {
            self.add_of_path(&mut points, &identity.server.chain, set, at);
            if let Some(client) = &identity.client {
                self.add_of_path(&mut points, &client.chain, set, at);
            }
        }
        // Only chains that were accepted through this very set: another set's peers do not concern it.
        let accepted = seen.iter().filter(|seen| {
            let anchor = seen.decision.anchor.as_ref();
            seen.decision.verdict == Verdict::Accept
                && anchor.is_some_and(|(through, _)| *through == trust.name)
        });
        for seen in accepted {
            self.add_of_path(&mut points, &seen.chain, set, at);
        }
        Fetchable {
            points: points.all,
            unasked: points.unasked,
        }
    }

    /// Adds the distribution points of those certificates of a chain that lead to the anchors of a set.
    fn add_of_path(
        &self,
        points: &mut FoundPoints,
        der: &[CertificateDer<'_>],
        set: TrustRef,
        at: UnixTime,
    ) {
        let Ok(chain) = Chain::parse(der) else {
            return;
        };
        let names_none =
            |c: &X509Certificate<'_>| http_uris(c).is_empty() && unasked_uri(c).is_none();
        if chain.all().all(names_none) || points.is_known(&chain, der) {
            return;
        }
        // Searched anew, since the decision keeps no path, and the anchors may have changed since.
        let found = search(&chain, self.anchors(set), |path| {
            // An expired certificate names a point that may belong to somebody else by now.
            validity::check(path, at)?;
            let pairs = in_scope(path, RevocationScope::Chain);
            let pairs = pairs.iter().map(|(certificate, issuer)| {
                (
                    http_uris(certificate),
                    unasked_uri(certificate),
                    issuer.key.as_ref().to_vec(),
                )
            });
            Ok(pairs.collect::<Vec<_>>())
        });
        for (uris, unasked, key) in found.unwrap_or_default() {
            points.pass_over(unasked);
            points.add(uris, &key);
        }
    }
}
