//! What the lab makes is what was asked for, read back with other libraries than it was written with.
use super::{Authority, AuthoritySpec, KeyKind, LeafSpec, Usage};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

#[test]
fn a_leaf_below_a_subordinate_brings_the_chain_without_the_root() {
    let root = Authority::root("Lab Root").unwrap();
    let middle = root.subordinate("Lab Issuing").unwrap();
    let leaf = middle.server("fe01.contoso.test").unwrap();
    assert_eq!(leaf.chain.len(), 2);
    assert_eq!(leaf.chain[0], leaf.certificate);
    assert_eq!(&leaf.chain[1], middle.certificate());
    let read: Vec<_> = CertificateDer::pem_slice_iter(leaf.chain_pem.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(read, leaf.chain);
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).unwrap();
    assert_eq!(key, leaf.key);
}

#[test]
fn a_leaf_carries_what_its_specification_says() {
    let root = Authority::root("Lab Root").unwrap();
    let leaf = root
        .issue(&LeafSpec {
            common_name: Some("edge".into()),
            dns: vec!["edge.fabrikam.test".into()],
            uris: vec!["sip:fabrikam.test".into()],
            addresses: vec!["192.0.2.1".parse().unwrap()],
            emails: vec!["sip@fabrikam.test".into()],
            usages: vec![Usage::SipDomain, Usage::Any],
            key: KeyKind::Rsa2048,
            unknown_critical: true,
            ..LeafSpec::default()
        })
        .unwrap();
    let (_, read) = x509_parser::parse_x509_certificate(&leaf.certificate).unwrap();
    let names = &read.subject_alternative_name().unwrap().unwrap().value;
    assert_eq!(names.general_names.len(), 4);
    let usages = read.extended_key_usage().unwrap().unwrap().value;
    assert!(usages.any);
    assert_eq!(usages.other[0].to_id_string(), "1.3.6.1.5.5.7.3.20");
    assert_eq!(read.raw_serial(), leaf.serial.0);
    assert!(
        read.extensions()
            .iter()
            .any(|e| e.critical && e.oid.to_id_string() == "1.3.6.1.4.1.32473.1")
    );
}

#[test]
fn an_impostor_has_the_name_but_not_the_key() {
    let root = Authority::root("Lab Root").unwrap();
    let other = root.impostor().unwrap();
    let (_, a) = x509_parser::parse_x509_certificate(root.certificate()).unwrap();
    let (_, b) = x509_parser::parse_x509_certificate(other.certificate()).unwrap();
    assert_eq!(a.subject().as_raw(), b.subject().as_raw());
    assert_ne!(a.public_key().raw, b.public_key().raw);
}

#[test]
fn a_crl_lists_the_revoked_even_when_its_issuer_may_not_sign_crls() {
    let root = Authority::root_with(AuthoritySpec {
        crl_sign: false,
        ..AuthoritySpec::named("Lab Root")
    })
    .unwrap();
    let leaf = root.server("fe01.contoso.test").unwrap();
    let pem = root.crl_pem(&[&leaf], Duration::from_secs(60)).unwrap();
    let der = CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).unwrap();
    let (_, read) = x509_parser::parse_x509_crl(&der).unwrap();
    let serials: Vec<_> = read
        .iter_revoked_certificates()
        .map(|r| r.raw_serial().to_vec())
        .collect();
    assert_eq!(serials, std::slice::from_ref(&leaf.serial.0));
}

#[test]
fn a_written_key_is_readable_by_its_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let root = Authority::root("Lab Root").unwrap();
    let leaf = root.server("fe01.contoso.test").unwrap();
    leaf.write_to(dir.path(), "fe01").unwrap();
    let (chain, key) = leaf.write_to(dir.path(), "fe01").unwrap();
    let mode = std::fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(chain).unwrap(), leaf.chain_pem);
    let anchor = root.write_to(dir.path(), "root").unwrap();
    assert_eq!(
        std::fs::read_to_string(anchor).unwrap(),
        root.certificate_pem()
    );
    let crl = root
        .write_crl_to(dir.path(), "root", &[], Duration::from_secs(60))
        .unwrap();
    assert!(
        std::fs::read_to_string(crl)
            .unwrap()
            .starts_with("-----BEGIN X509 CRL-----")
    );
}
