//! Where the CRLs of a trust set can be fetched: the distribution points of its own hierarchy, and of nobody else's.
use super::chain::Chain;
use super::distribution::http_uris;
use super::path::search;
use super::{Generation, SeenChain, Verdict};
use crate::topology::TrustRef;
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// URIs of one trust set.
const MOST_URIS: usize = 32;

impl Generation {
    /// The http:// distribution points (RFC 5280 §4.2.1.13) of a set's anchors, of our own certificates that lead to them,
    /// and of what peers showed that was accepted through the set and still leads to its anchors: only the certificates
    /// of the path count. Those that were fetched already come first; at most 32.
    pub fn fetchable(&self, set: TrustRef, seen: &[SeenChain], at: UnixTime) -> Vec<String> {
        let trust = self.topology().trust(set);
        let mut uris: Vec<String> = Vec::new();
        let fetched = trust.crls.iter().filter(|crl| crl.fetched);
        let fetched = fetched.filter_map(|crl| crl.file.to_str());
        add(&mut uris, fetched.map(str::to_owned));
        for anchor in &trust.anchors {
            if let Ok((_, anchor)) = X509Certificate::from_der(anchor.as_ref()) {
                add(&mut uris, http_uris(&anchor));
            }
        }
        for identity in self.topology().identities() {
            self.add_of_path(&mut uris, &identity.server.chain, set, at);
            if let Some(client) = &identity.client {
                self.add_of_path(&mut uris, &client.chain, set, at);
            }
        }
        let accepted = seen.iter().filter(|seen| {
            let anchor = seen.decision.anchor.as_ref();
            seen.decision.verdict == Verdict::Accept
                && anchor.is_some_and(|(through, _)| *through == trust.name)
        });
        for seen in accepted {
            self.add_of_path(&mut uris, &seen.chain, set, at);
        }
        uris
    }

    /// Adds the distribution points of those certificates of a chain that lead to the anchors of a set.
    fn add_of_path(
        &self,
        uris: &mut Vec<String>,
        chain: &[CertificateDer<'_>],
        set: TrustRef,
        at: UnixTime,
    ) {
        let Ok(chain) = Chain::parse(chain) else {
            return;
        };
        // Signatures are only worth checking for something new.
        if chain
            .all()
            .flat_map(http_uris)
            .all(|uri| uris.contains(&uri))
        {
            return;
        }
        let found = search(&chain, self.anchors(set), at, |path| {
            Ok(path.certificates().flat_map(http_uris).collect::<Vec<_>>())
        });
        add(uris, found.unwrap_or_default());
    }
}

fn add(uris: &mut Vec<String>, more: impl IntoIterator<Item = String>) {
    for uri in more {
        if uris.len() < MOST_URIS && !uris.contains(&uri) {
            uris.push(uri);
        }
    }
}
