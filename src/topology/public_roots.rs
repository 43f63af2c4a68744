//! The public CAs' roots that this system has: a hint whether a certificate is a public one, and nothing that vouches.
use super::{CertificateFacts, pem, read_regular};
use rustls_pki_types::CertificateDer;
use std::path::Path;

/// Where Debian, Alpine, Arch and SUSE, then Fedora and its kin, then the BSDs keep them in one file.
const BUNDLES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];
/// The bundles have some 300 KiB.
const LARGEST: u64 = 8 * 1024 * 1024;

/// Whether this system has the root that issued a certificate; by name alone.
pub(crate) fn has(issued: &CertificateFacts) -> bool {
    root_of(issued).is_some()
}

/// The root of this system that bears the name of a certificate's issuer.
///
/// Read anew each time: it is asked for only where something is about to be said about a certificate that nothing else
/// explains.
pub(crate) fn root_of(issued: &CertificateFacts) -> Option<CertificateDer<'static>> {
    let bundles = BUNDLES.iter().map(Path::new);
    let read = bundles.filter_map(|path| read_regular(path, LARGEST).ok());
    let mut roots = read.filter_map(|bytes| pem::certificates(&bytes).ok());
    roots.find_map(|roots| {
        let is_issuer = |der: &CertificateDer<'static>| {
            CertificateFacts::read(der).is_some_and(|root| issued.names_as_issuer(&root))
        };
        roots.into_iter().find(is_issuer)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sipward_lab::pki::{Authority, LeafSpec};

    #[test]
    fn a_root_that_was_just_made_is_no_public_one() {
        let root = Authority::root("Contoso Root").unwrap();
        let leaf = root
            .issue(&LeafSpec::server("edge01.contoso.test"))
            .unwrap();
        assert!(!has(&CertificateFacts::read(&leaf.chain[0]).unwrap()));
    }
}
