//! Rows of the matrix: chains that cannot be read, and names.
use super::*;

pub(super) fn chains(rows: &mut Rows, cas: &Cas) {
    let good = cas.issuing.server(FE01).unwrap();
    rows.add("nothing", &[], FE01, both(TrustReason::NoCertificate));
    rows.add(
        "a good chain",
        &good.chain,
        FE01,
        both(TrustReason::Accepted),
    );
    rows.add(
        "no X.509",
        &[CertificateDer::from(vec![0x30, 0x03, 0x02, 0x01, 0x00])],
        FE01,
        both(TrustReason::MalformedCertificate),
    );
    let mut longer = good.certificate.to_vec();
    longer.push(0);
    rows.add(
        "octets after the leaf",
        &[CertificateDer::from(longer)],
        FE01,
        both(TrustReason::MalformedCertificate),
    );
    rows.add(
        "eleven certificates",
        &vec![good.certificate.clone(); 11],
        FE01,
        both(TrustReason::ChainTooLong),
    );
    let label = "a".repeat(60);
    let names: Vec<_> = (0..100)
        .map(|i| format!("{label}.{label}.{label}.n{i}.contoso.test"))
        .collect();
    let wide = LeafSpec {
        dns: names,
        ..LeafSpec::default()
    };
    let wide = cas.issuing.issue(&wide).unwrap().certificate;
    rows.add(
        "more than 64 KiB",
        &vec![wide; 4],
        FE01,
        both(TrustReason::ChainTooLarge),
    );
    // A root that comes along, and the order of what comes along, change nothing.
    let mut all = good.chain.clone();
    all.insert(1, cas.fabrikam.certificate().clone());
    all.push(cas.enterprise.certificate().clone());
    rows.add(
        "a chain with extras",
        &all,
        FE01,
        both(TrustReason::Accepted),
    );
}

pub(super) fn dns(names: &[&str]) -> LeafSpec {
    LeafSpec {
        dns: names.iter().map(|n| (*n).to_owned()).collect(),
        ..LeafSpec::default()
    }
}

pub(super) fn uri(uris: &[&str], names: &[&str]) -> LeafSpec {
    LeafSpec {
        uris: uris.iter().map(|n| (*n).to_owned()).collect(),
        ..dns(names)
    }
}

pub(super) fn cn(name: &str) -> LeafSpec {
    LeafSpec {
        common_name: Some(name.to_owned()),
        ..LeafSpec::default()
    }
}

pub(super) fn whole_names(rows: &mut Rows, cas: &Cas) {
    use TrustReason as R;
    let mismatch = (R::NotInTopology, R::NameMismatch);
    let many: Vec<String> = (0..2_001).map(|i| format!("n{i}.test")).collect();
    for (says, spec, dialled, reasons) in [
        (
            "an unlisted server",
            dns(&["evil.contoso.test"]),
            FE01,
            mismatch,
        ),
        (
            "another listed server",
            dns(&[FE02]),
            FE01,
            (R::Accepted, R::NameMismatch),
        ),
        (
            "upper case and a dot",
            dns(&["FE01.Contoso.TEST."]),
            FE01,
            both(R::Accepted),
        ),
        (
            "a suffix of the name",
            dns(&["contoso.test"]),
            FE01,
            mismatch,
        ),
        (
            "a longer name",
            dns(&["x.fe01.contoso.test"]),
            FE01,
            mismatch,
        ),
        (
            "a NUL in the name",
            dns(&["fe01.contoso.test\0.evil.test"]),
            FE01,
            both(R::NoUsableName),
        ),
        (
            "no name at all",
            LeafSpec::default(),
            FE01,
            both(R::NoUsableName),
        ),
        (
            "addresses and mail only",
            LeafSpec {
                addresses: vec!["192.0.2.1".parse().unwrap()],
                emails: vec!["root@fe01.contoso.test".to_owned()],
                ..cn(FE01)
            },
            FE01,
            both(R::NoUsableName),
        ),
        (
            "too many names",
            LeafSpec {
                dns: many,
                ..LeafSpec::default()
            },
            FE01,
            both(R::TooManyNames),
        ),
    ] {
        rows.add(
            says,
            &cas.enterprise.issue(&spec).unwrap().chain,
            dialled,
            reasons,
        );
    }
}

pub(super) fn sip_uris(rows: &mut Rows, cas: &Cas) {
    use TrustReason as R;
    let mismatch = (R::NotInTopology, R::NameMismatch);
    for (says, spec, dialled, reasons) in [
        (
            "a sip URI",
            uri(&["sip:fe01.contoso.test"], &[]),
            FE01,
            both(R::Accepted),
        ),
        (
            "a sip URI beats a DNS name",
            uri(&["sip:evil.test"], &[FE01]),
            FE01,
            mismatch,
        ),
        (
            "a bad sip URI beats a DNS name",
            uri(&["sip:-"], &[FE01]),
            FE01,
            both(R::NoUsableName),
        ),
        (
            "sips, userinfo and https do not",
            uri(
                &["sips:evil.test", "sip:a@evil.test", "https://evil.test"],
                &[FE01],
            ),
            FE01,
            both(R::Accepted),
        ),
    ] {
        rows.add(
            says,
            &cas.enterprise.issue(&spec).unwrap().chain,
            dialled,
            reasons,
        );
    }
}

pub(super) fn wildcards_and_common_names(rows: &mut Rows, cas: &Cas) {
    use TrustReason as R;
    let mismatch = (R::NotInTopology, R::NameMismatch);
    for (says, spec, dialled, reasons) in [
        (
            "a wildcard",
            dns(&["*.contoso.test"]),
            FE02,
            both(R::Accepted),
        ),
        (
            "a wildcard where it is not allowed",
            dns(&["*.contoso.test"]),
            FE01,
            (R::Accepted, R::WildcardNotAllowed),
        ),
        (
            "a wildcard for nobody who allows it",
            dns(&["*.fabrikam.test"]),
            EDGE,
            both(R::WildcardNotAllowed),
        ),
        (
            "a wildcard for a registry",
            dns(&["*.test"]),
            FE02,
            both(R::NoUsableName),
        ),
        (
            "a wildcard two labels up",
            dns(&["*.x.contoso.test"]),
            FE02,
            mismatch,
        ),
        ("CN only", cn(FE01), FE01, both(R::CommonNameOnly)),
        (
            "CN only where it is allowed",
            cn(FE02),
            FE02,
            both(R::Accepted),
        ),
        (
            "CN beside a SAN",
            LeafSpec {
                common_name: Some(FE02.to_owned()),
                ..dns(&["evil.test"])
            },
            FE02,
            mismatch,
        ),
        (
            "two peers of different rights",
            dns(&[FE01, EDGE]),
            FE01,
            (R::AmbiguousIdentity, R::Accepted),
        ),
    ] {
        rows.add(
            says,
            &cas.enterprise.issue(&spec).unwrap().chain,
            dialled,
            reasons,
        );
    }
}

/// Names that are too many to be compared, all within what the CA may issue for but one.
pub(super) fn many_names(rows: &mut Rows, cas: &Cas) {
    let many = |parent: &str, count: usize| -> Vec<String> {
        (0..count).map(|i| format!("n{i}.{parent}")).collect()
    };
    let spec = AuthoritySpec {
        permitted: many("fabrikam.test", 400),
        ..AuthoritySpec::named("Many bounds")
    };
    let bound = cas.enterprise.subordinate_with(spec).unwrap();
    let spec = LeafSpec {
        dns: [vec![FE01.to_owned()], many("n1.fabrikam.test", 1_000)].concat(),
        ..LeafSpec::server(FE01)
    };
    rows.add(
        "many names below many constraints",
        &bound.issue(&spec).unwrap().chain,
        FE01,
        both(TrustReason::NameConstraintViolated),
    );
}

/// Host names as dNSName.
pub(super) fn general(hosts: &[String]) -> Vec<(u8, &[u8])> {
    let hosts = hosts.iter().map(String::as_bytes);
    hosts.map(|host| (forge::name::DNS, host)).collect()
}
