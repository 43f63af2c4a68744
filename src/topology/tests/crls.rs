//! CRLs of a trust set.
use super::*;

#[test]
fn a_crl_that_cannot_be_used_is_a_fault_with_its_reason() {
    let lab = Lab::new();
    let faults = lab
        .load(&edited(&[(
            "\"fabrikam-ca.crl.pem\"",
            "\"broken.crl.pem\"",
        )]))
        .err()
        .unwrap();
    assert_eq!(faults.len(), 1, "{}", shown(&faults));
    assert_eq!(faults[0].code, "crl_malformed");
    assert!(
        faults[0].what.contains("broken.crl.pem"),
        "{}",
        faults[0].what
    );
}

#[test]
fn crls_come_from_directories_too_and_are_read_again_unless_told_otherwise() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("crls")).unwrap();
    for name in ["enterprise-ca", "fabrikam-ca"] {
        let from = lab.path(&format!("{name}.crl.pem"));
        std::fs::copy(from, lab.path(&format!("crls/{name}.crl"))).unwrap();
    }
    let text = edited(&[
        ("\"enterprise-ca.crl.pem\"", "\"crls\""),
        ("scope = \"leaf\"", "crl_refresh = \"off\""),
    ]);
    let topology = lab.good(&text);
    let [first, second] = topology.trusts() else {
        panic!("two trust sets");
    };
    assert_eq!((first.crls.len(), second.crls.len()), (2, 1));
    assert_eq!(first.crl_sources[0].path, lab.path("crls"));
    assert_eq!(first.crl_refresh, Some(Duration::from_secs(300)));
    assert_eq!(second.crl_refresh, None);
}
