//! The certificates of one lab, as files: an enterprise CA, another CA, and who is issued by which.
use rustls::RootCertStore;
use sipward_lab::pki::{Authority, Issued, LeafSpec, chain_pem};
use sipward_lab::trust_only;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// The edge's name.
pub(crate) const EDGE: &str = "edge01.contoso.test";
/// The home server's name.
pub(crate) const HOME: &str = "fe01.contoso.test";
/// Another home server's name.
pub(crate) const SECOND_HOME: &str = "fe02.contoso.test";
/// The home domain.
pub(crate) const DOMAIN: &str = "contoso.test";

/// A certificate chain and its key as PEM files.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    /// The chain, leaf first.
    pub(crate) chain: PathBuf,
    /// The key.
    pub(crate) key: PathBuf,
}

/// All of them, in a directory that goes with the value.
pub(crate) struct Certificates {
    directory: TempDir,
    enterprise: Authority,
    other: Authority,
}

impl Certificates {
    /// Makes the authorities and writes what every scenario needs.
    pub(crate) fn new() -> Self {
        let made = Self {
            directory: tempfile::tempdir().unwrap(),
            enterprise: Authority::root("Contoso Enterprise CA").unwrap(),
            other: Authority::root("Some Other CA").unwrap(),
        };
        let day = Duration::from_secs(86_400);
        made.write("ca.pem", &made.enterprise.certificate_pem());
        made.write("ca.crl.pem", &made.enterprise.crl_pem(&[], day).unwrap());
        made.write("other.pem", &made.other.certificate_pem());
        made.write("other.crl.pem", &made.other.crl_pem(&[], day).unwrap());
        made
    }

    /// Where they lie.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The enterprise CA's certificate.
    pub(crate) fn enterprise_ca(&self) -> PathBuf {
        self.directory().join("ca.pem")
    }

    /// The certificate of the CA that is no enterprise CA: a partner's, where a topology names it.
    pub(crate) fn other_ca(&self) -> PathBuf {
        self.directory().join("other.pem")
    }

    /// A server of that CA for the lab's own ends.
    pub(crate) fn partner(&self, fqdn: &str) -> Issued {
        self.other.server(fqdn).unwrap()
    }

    /// A server of the enterprise for the lab's own ends.
    pub(crate) fn colleague(&self, fqdn: &str) -> Issued {
        self.enterprise.server(fqdn).unwrap()
    }

    /// What a client of the enterprise trusts.
    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        trust_only(&[&self.enterprise]).unwrap()
    }

    /// The edge's certificate. It names the domain as well: clients that check anything (sipsak) compare with the
    /// domain of the URI that they register, as RFC 5922 §7.3 has it.
    pub(crate) fn edge(&self) -> Pair {
        self.issue("edge", &self.enterprise, &[EDGE, DOMAIN])
    }

    /// A server's certificate by the enterprise CA.
    pub(crate) fn server(&self, fqdn: &str) -> Pair {
        self.issue(fqdn, &self.enterprise, &[fqdn])
    }

    /// A server's certificate by the CA that nobody here trusts.
    pub(crate) fn server_of_other_ca(&self, fqdn: &str) -> Pair {
        self.issue(&format!("other-{fqdn}"), &self.other, &[fqdn])
    }

    /// A partner's edge: by the other CA, for its name and its domain.
    pub(crate) fn partner_edge(&self, fqdn: &str, domain: &str) -> Pair {
        self.issue("partner-edge", &self.other, &[fqdn, domain])
    }

    /// A server's certificate by the enterprise CA for an RSA key made elsewhere, given as RSAPublicKey (RFC 8017).
    pub(crate) fn server_with_rsa_key(&self, fqdn: &str, public: Vec<u8>) -> PathBuf {
        let spec = LeafSpec::server(fqdn);
        let chain = self.enterprise.certify_rsa(&spec, &public).unwrap();
        let file = self.directory().join("rsa.chain.pem");
        fs::write(&file, chain_pem(&chain)).unwrap();
        file
    }

    fn issue(&self, file: &str, by: &Authority, names: &[&str]) -> Pair {
        let spec = LeafSpec {
            dns: names.iter().map(|name| (*name).to_owned()).collect(),
            ..LeafSpec::server(names.first().expect("a certificate has a name"))
        };
        let issued = by.issue(&spec).unwrap();
        let (chain, key) = issued.write_to(self.directory(), file).unwrap();
        Pair { chain, key }
    }

    fn write(&self, file: &str, pem: &str) {
        fs::write(self.directory().join(file), pem).unwrap();
    }
}
