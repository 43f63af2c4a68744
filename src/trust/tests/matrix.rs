//! The matrix: what is presented × direction, each with its one reason; no reason without a row.
use super::{World, inbound_at, later, outbound_at};
use crate::topology::{
    Direction, NamePolicy, PeerKind, Pin, PurposePolicy, Revocation, RevocationScope, Window,
};
use crate::trust::{Explanation, Generation, Presented, TrustReason, explain};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use sipward_lab::forge;
use sipward_lab::pki::{
    Authority, AuthoritySpec, CrlSpec, Issued, KeyKind, LeafSpec, Serial, Usage, self_signed,
};
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

const FE01: &str = "fe01.contoso.test";
const FE02: &str = "fe02.contoso.test";
const EDGE: &str = "edge.fabrikam.test";
const STRICT: &str = "strict.fabrikam.test";

/// One row: a chain, the peer that an outbound connection dialled, and both reasons.
struct Row {
    says: &'static str,
    generation: Rc<Generation>,
    chain: Vec<CertificateDer<'static>>,
    dialled: &'static str,
    at: UnixTime,
    inbound: TrustReason,
    outbound: TrustReason,
}

struct Rows {
    rows: Vec<Row>,
    generation: Rc<Generation>,
}

impl Rows {
    fn add(
        &mut self,
        says: &'static str,
        chain: &[CertificateDer<'static>],
        dialled: &'static str,
        (inbound, outbound): Both,
    ) {
        self.add_at(says, chain, dialled, later(0), (inbound, outbound));
    }

    fn add_at(
        &mut self,
        says: &'static str,
        chain: &[CertificateDer<'static>],
        dialled: &'static str,
        at: UnixTime,
        (inbound, outbound): Both,
    ) {
        self.rows.push(Row {
            says,
            generation: Rc::clone(&self.generation),
            chain: chain.to_vec(),
            dialled,
            at,
            inbound,
            outbound,
        });
    }
}

struct Cas {
    enterprise: Authority,
    issuing: Authority,
    fabrikam: Authority,
    stranger: Authority,
}

fn cas() -> Cas {
    let enterprise = Authority::root("Contoso Root").unwrap();
    Cas {
        issuing: enterprise.subordinate("Contoso Issuing").unwrap(),
        enterprise,
        fabrikam: Authority::root("Fabrikam Root").unwrap(),
        stranger: Authority::root("Stranger Root").unwrap(),
    }
}

fn world(cas: &Cas) -> World {
    World::default()
        .trust("enterprise-ca", &[&cas.enterprise])
        .trust("fabrikam-ca", &[&cas.fabrikam])
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .peer(FE02, PeerKind::Home, &["enterprise-ca"])
        .with(|p| {
            p.names = NamePolicy::OneLabelWildcard;
            p.common_name = true;
        })
        .peer(EDGE, PeerKind::Federated, &["fabrikam-ca"])
        .peer(STRICT, PeerKind::Federated, &["fabrikam-ca"])
        .with(|p| p.purpose = PurposePolicy::Strict)
}

/// Inbound and outbound.
type Both = (TrustReason, TrustReason);

fn both(reason: TrustReason) -> Both {
    (reason, reason)
}

fn matrix() -> Vec<Row> {
    let cas = cas();
    let mut rows = Rows {
        rows: Vec::new(),
        generation: Rc::new(world(&cas).generation()),
    };
    chains(&mut rows, &cas);
    whole_names(&mut rows, &cas);
    sip_uris(&mut rows, &cas);
    wildcards_and_common_names(&mut rows, &cas);
    paths(&mut rows, &cas);
    broken_paths(&mut rows, &cas);
    times(&mut rows, &cas);
    purposes(&mut rows, &cas);
    crls(&mut rows, &cas);
    crls_of_intermediates(&mut rows);
    staged(&mut rows, &cas);
    rows.rows
}

fn chains(rows: &mut Rows, cas: &Cas) {
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

fn dns(names: &[&str]) -> LeafSpec {
    LeafSpec {
        dns: names.iter().map(|n| (*n).to_owned()).collect(),
        ..LeafSpec::default()
    }
}

fn uri(uris: &[&str], names: &[&str]) -> LeafSpec {
    LeafSpec {
        uris: uris.iter().map(|n| (*n).to_owned()).collect(),
        ..dns(names)
    }
}

fn cn(name: &str) -> LeafSpec {
    LeafSpec {
        common_name: Some(name.to_owned()),
        ..LeafSpec::default()
    }
}

fn whole_names(rows: &mut Rows, cas: &Cas) {
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

fn sip_uris(rows: &mut Rows, cas: &Cas) {
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

fn wildcards_and_common_names(rows: &mut Rows, cas: &Cas) {
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

fn paths(rows: &mut Rows, cas: &Cas) {
    let leaf = cas.issuing.server(FE01).unwrap();
    for (says, issuer, name, reason) in [
        (
            "an unknown CA",
            &cas.stranger,
            FE01,
            TrustReason::UnknownIssuer,
        ),
        (
            "a home name by the partner's CA",
            &cas.fabrikam,
            FE01,
            TrustReason::AnchorNotForPeer,
        ),
        (
            "a partner name by the home CA",
            &cas.enterprise,
            EDGE,
            TrustReason::AnchorNotForPeer,
        ),
        (
            "an impostor of the CA",
            &cas.enterprise.impostor().unwrap(),
            FE01,
            TrustReason::BadSignature,
        ),
    ] {
        rows.add(
            says,
            &issuer.server(name).unwrap().chain,
            name,
            both(reason),
        );
    }
    let own = self_signed(&LeafSpec::server(FE01)).unwrap();
    rows.add(
        "self-signed",
        &own.chain,
        FE01,
        both(TrustReason::SelfSigned),
    );
    rows.add(
        "without its intermediate",
        &leaf.chain[..1],
        FE01,
        both(TrustReason::UnknownIssuer),
    );
    let other = cas.stranger.subordinate("Contoso Issuing").unwrap();
    rows.add(
        "an intermediate of the same name below a stranger",
        &other.server(FE01).unwrap().chain,
        FE01,
        both(TrustReason::UnknownIssuer),
    );
}

fn broken_paths(rows: &mut Rows, cas: &Cas) {
    let server = |change: fn(&mut LeafSpec)| {
        let mut spec = LeafSpec::server(FE01);
        change(&mut spec);
        cas.enterprise.issue(&spec).unwrap().chain
    };
    let authority = server(|s| s.authority = true);
    rows.add(
        "a CA as leaf",
        &authority,
        FE01,
        both(TrustReason::AuthorityMisuse),
    );
    let critical = server(|s| s.unknown_critical = true);
    rows.add(
        "an unknown critical extension",
        &critical,
        FE01,
        both(TrustReason::UnknownCriticalExtension),
    );
    let backwards = server(|s| (s.not_before, s.not_after) = (100, -100));
    rows.add(
        "a period that runs backwards",
        &backwards,
        FE01,
        both(TrustReason::PathInvalid),
    );

    let spec = AuthoritySpec {
        path_length: Some(0),
        ..AuthoritySpec::named("Last CA")
    };
    let last = cas.enterprise.subordinate_with(spec).unwrap();
    let below = last
        .subordinate("One too many")
        .unwrap()
        .server(FE01)
        .unwrap();
    rows.add(
        "a path too long for its CA",
        &below.chain,
        FE01,
        both(TrustReason::PathLength),
    );

    let mut deep = cas.enterprise.clone();
    for level in 0..7 {
        deep = deep.subordinate(&format!("Level {level}")).unwrap();
    }
    let deep = deep.server(FE01).unwrap();
    rows.add(
        "seven intermediates",
        &deep.chain,
        FE01,
        both(TrustReason::Accepted),
    );
    many_names(rows, cas);
    odd_certificates(rows);

    let spec = AuthoritySpec {
        permitted: vec!["fabrikam.test".to_owned()],
        ..AuthoritySpec::named("Bound CA")
    };
    let bound = cas.enterprise.subordinate_with(spec).unwrap();
    let outside = bound.server(FE01).unwrap();
    rows.add(
        "a name outside the CA's constraints",
        &outside.chain,
        FE01,
        both(TrustReason::NameConstraintViolated),
    );
    let spec = LeafSpec {
        common_name: Some(FE02.to_owned()),
        ..LeafSpec::default()
    };
    let evading = bound.issue(&spec).unwrap();
    rows.add(
        "a CN that evades the CA's constraints",
        &evading.chain,
        FE02,
        both(TrustReason::NameConstraintViolated),
    );

    let weak = cas
        .enterprise
        .certify_rsa(&LeafSpec::server(FE01), &weak_rsa())
        .unwrap();
    rows.add(
        "an RSA key of 1024 bits",
        &weak,
        FE01,
        both(TrustReason::WeakKey),
    );
    below_an_rsa_root(rows);
}

/// Names that are too many to be compared, all within what the CA may issue for but one.
fn many_names(rows: &mut Rows, cas: &Cas) {
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

/// Certificates that no library makes.
fn odd_certificates(rows: &mut Rows) {
    use forge::{CertificateFields, KeyKind, SigningKey, common_name, constraints, id, names};
    let signer = |kind| SigningKey::new(kind).unwrap();
    let root = common_name(0x13, b"Forged Root");
    let (root_key, leaf_key) = (signer(KeyKind::P256), signer(KeyKind::P256));
    let anchor = root_key
        .sign(&CertificateFields::authority(&root, &root, &root_key))
        .unwrap();
    let before = Rc::clone(&rows.generation);
    let world = World::default()
        .trust_in("forged", &[anchor])
        .peer(FE01, PeerKind::Home, &["forged"])
        .with(|peer| peer.common_name = true);
    rows.generation = Rc::new(world.generation());
    let leaf = CertificateFields::leaf(&root, FE01, &leaf_key);
    let mut chain = |says,
                     form: &CertificateFields,
                     above: &[CertificateDer<'static>],
                     signer: &SigningKey,
                     reason| {
        let chain = [&[signer.sign(form).unwrap()], above].concat();
        rows.add(says, &chain, FE01, both(reason));
    };
    chain("forged", &leaf, &[], &root_key, TrustReason::Accepted);
    let mut old = CertificateFields::blank(&root, &common_name(0x0c, FE01.as_bytes()), &leaf_key);
    old.version = None;
    chain(
        "of X.509 v1",
        &old,
        &[],
        &root_key,
        TrustReason::CertificateVersion,
    );
    // id-ecPublicKey on secp256k1: a point of P-256 does, for nobody looks at it.
    let mut other_curve = leaf.clone();
    let p256 = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    let at = other_curve.key.windows(10).position(|w| w == p256).unwrap();
    other_curve
        .key
        .splice(at..at + 10, [6, 5, 0x2b, 0x81, 4, 0, 10]);
    other_curve.key[1] -= 3;
    other_curve.key[3] -= 3;
    chain(
        "a key of secp256k1",
        &other_curve,
        &[],
        &root_key,
        TrustReason::KeyUnusable,
    );
    let bound = common_name(0x13, b"Forged Bound");
    let host =
        |parent: &str| -> Vec<String> { (0..800).map(|i| format!("n{i}.{parent}")).collect() };
    let bases = host("b.test");
    let ca = CertificateFields::authority(&root, &bound, &root_key).with(
        id::NAME_CONSTRAINTS,
        true,
        &constraints(&[], &general(&bases)),
    );
    let ca = root_key.sign(&ca).unwrap();
    let hosts = [vec![FE01.to_owned()], host("a.test")].concat();
    let many = general(&hosts);
    let crowded = CertificateFields::blank(&bound, &common_name(0x0c, b"crowded"), &leaf_key).with(
        id::ALTERNATIVE_NAME,
        false,
        &names(&many),
    );
    chain(
        "many names below many constraints",
        &crowded,
        &[ca],
        &root_key,
        TrustReason::PathTooComplex,
    );
    rows.generation = before;
}

/// Host names as dNSName.
fn general(hosts: &[String]) -> Vec<(u8, &[u8])> {
    let hosts = hosts.iter().map(String::as_bytes);
    hosts.map(|host| (forge::name::DNS, host)).collect()
}

fn below_an_rsa_root(rows: &mut Rows) {
    let root = Authority::root_with(AuthoritySpec {
        key: KeyKind::Rsa2048,
        ..AuthoritySpec::named("RSA Root")
    })
    .unwrap();
    let leaf = root.server(FE01).unwrap();
    let before = Rc::clone(&rows.generation);
    let world = World::default()
        .trust("rsa", &[&root])
        .peer(FE01, PeerKind::Home, &["rsa"]);
    rows.generation = Rc::new(world.generation());
    rows.add(
        "below an RSA root",
        &leaf.chain,
        FE01,
        both(TrustReason::Accepted),
    );
    let sha1 = with_sha1(&leaf.certificate);
    rows.add(
        "a SHA-1 signature of an RSA root",
        &[sha1],
        FE01,
        both(TrustReason::UnsupportedSignature),
    );
    rows.generation = before;
}

/// The certificate with sha1WithRSAEncryption in the place of sha256WithRSAEncryption.
fn with_sha1(certificate: &CertificateDer<'_>) -> CertificateDer<'static> {
    let sha256 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
    let mut der = certificate.to_vec();
    let places: Vec<usize> = (0..der.len() - 8)
        .filter(|i| der[*i..].starts_with(&sha256))
        .collect();
    assert_eq!(places.len(), 2);
    for place in places {
        der[place + 8] = 0x05;
    }
    CertificateDer::from(der)
}

/// An RSAPublicKey of 1024 bits: the modulus and the exponent 65537.
fn weak_rsa() -> Vec<u8> {
    let mut der = vec![0x30, 0x81, 0x89, 0x02, 0x81, 0x81, 0x00];
    der.extend([0xc5; 128]);
    der.extend([0x02, 0x03, 0x01, 0x00, 0x01]);
    der
}

fn times(rows: &mut Rows, cas: &Cas) {
    use TrustReason as R;
    let old = LeafSpec {
        not_before: -7_200,
        not_after: -3_600,
        ..LeafSpec::server(FE01)
    };
    let young = LeafSpec {
        not_before: 3_600,
        not_after: 7_200,
        ..LeafSpec::server(FE01)
    };
    for (says, issuer, spec, reason) in [
        ("expired", &cas.issuing, &old, R::Expired),
        ("not yet valid", &cas.issuing, &young, R::NotYetValid),
        (
            "expired and of an unknown CA",
            &cas.stranger,
            &old,
            R::UnknownIssuer,
        ),
        (
            "expired and of the partner's CA",
            &cas.fabrikam,
            &old,
            R::AnchorNotForPeer,
        ),
        (
            "not yet valid and of an unknown CA",
            &cas.stranger,
            &young,
            R::UnknownIssuer,
        ),
    ] {
        rows.add(says, &issuer.issue(spec).unwrap().chain, FE01, both(reason));
    }
    let old_ca = AuthoritySpec {
        not_before: -9_000,
        not_after: -60,
        ..AuthoritySpec::named("Old Issuing")
    };
    let young_ca = AuthoritySpec {
        not_before: 60,
        ..AuthoritySpec::named("Young Issuing")
    };
    for (says, ca, root, reason) in [
        (
            "below an expired intermediate",
            &old_ca,
            &cas.enterprise,
            R::Expired,
        ),
        (
            "below an intermediate to come",
            &young_ca,
            &cas.enterprise,
            R::NotYetValid,
        ),
        (
            "below a stranger's expired intermediate",
            &old_ca,
            &cas.stranger,
            R::UnknownIssuer,
        ),
    ] {
        let ca = root.subordinate_with(ca.clone()).unwrap();
        rows.add(says, &ca.server(FE01).unwrap().chain, FE01, both(reason));
    }
    let good = cas.issuing.server(FE01).unwrap();
    for (says, seconds, reason) in [
        ("later than its end", 91 * 86_400, R::Expired),
        ("before its begin", -7_200, R::NotYetValid),
    ] {
        rows.add_at(says, &good.chain, FE01, later(seconds), both(reason));
    }
}

fn purposes(rows: &mut Rows, cas: &Cas) {
    use TrustReason::{Accepted as Yes, EkuUnsuitable as No};
    use Usage::{Any, Client, CodeSigning, Email, OcspSigning, Server, SipDomain};
    // Usages, then (inbound, outbound) for a default peer and for a strict one.
    let (no, yes) = ((No, No), (Yes, Yes));
    let table: [(&[Usage], Both, Both); 10] = [
        (&[], (Yes, Yes), (Yes, Yes)),
        (&[Server], (Yes, Yes), (No, Yes)),
        (&[Client], (Yes, No), (Yes, No)),
        (&[Server, Client], (Yes, Yes), (Yes, Yes)),
        (&[Any], (Yes, Yes), (Yes, Yes)),
        (&[SipDomain], (Yes, Yes), (Yes, Yes)),
        (&[CodeSigning], (No, No), (No, No)),
        (&[Email], (No, No), (No, No)),
        (&[OcspSigning], (No, No), (No, No)),
        (&[CodeSigning, Server], (Yes, Yes), (No, Yes)),
    ];
    for (usages, default, strict) in table {
        for (name, reasons) in [(EDGE, default), (STRICT, strict)] {
            let spec = LeafSpec {
                usages: usages.to_vec(),
                ..LeafSpec::server(name)
            };
            let leaf = cas.fabrikam.issue(&spec).unwrap();
            rows.add("usages of a leaf", &leaf.chain, name, reasons);
            let spec = AuthoritySpec {
                usages: usages.to_vec(),
                ..AuthoritySpec::named("Purposeful CA")
            };
            let ca = cas.fabrikam.subordinate_with(spec).unwrap();
            let leaf = ca.server(name).unwrap();
            // The leaf is for serverAuth and clientAuth: with a CA for sipDomain alone it has no purpose in common.
            let common = if usages == [SipDomain] { no } else { reasons };
            rows.add("usages of an intermediate", &leaf.chain, name, common);
            let spec = LeafSpec {
                usages: Vec::new(),
                ..LeafSpec::server(name)
            };
            let silent = ca.issue(&spec).unwrap();
            rows.add(
                "usages of an intermediate alone",
                &silent.chain,
                name,
                reasons,
            );
        }
    }
    // One purpose for the whole path: a CA for servers does not make clients, nor the other way round.
    for (above, below) in [(Server, Client), (Client, Server)] {
        let spec = AuthoritySpec {
            usages: vec![above],
            ..AuthoritySpec::named("Purposeful CA")
        };
        let ca = cas.fabrikam.subordinate_with(spec).unwrap();
        for (usages, reasons) in [(vec![below], no), (vec![Any, CodeSigning], yes)] {
            let spec = LeafSpec {
                usages,
                ..LeafSpec::server(EDGE)
            };
            let leaf = ca.issue(&spec).unwrap();
            let reasons = match (above, reasons.0) {
                (Client, Yes) => (Yes, No),
                _ => reasons,
            };
            rows.add("a purpose of the leaf alone", &leaf.chain, EDGE, reasons);
        }
    }
    let spec = LeafSpec {
        encipher_only: true,
        ..LeafSpec::server(FE01)
    };
    rows.add(
        "a key that may not sign",
        &cas.enterprise.issue(&spec).unwrap().chain,
        FE01,
        both(TrustReason::KeyUsageUnsuitable),
    );
}

fn listing(revoked: &[&Serial], this_update: i64, next_update: i64) -> CrlSpec {
    CrlSpec {
        revoked: revoked.iter().map(|s| (*s).clone()).collect(),
        this_update,
        next_update,
        ..CrlSpec::default()
    }
}

fn crls(rows: &mut Rows, cas: &Cas) {
    use Revocation::{Grace, Off, Require};
    use TrustReason as R;
    let ca = &cas.enterprise;
    let good = ca.server(FE01).unwrap();
    let bad = ca.server(FE01).unwrap();
    let old = ca
        .issue(&LeafSpec {
            not_before: -7_200,
            not_after: -3_600,
            ..LeafSpec::server(FE01)
        })
        .unwrap();
    let fresh = ca
        .crl(&listing(&[&bad.serial, &old.serial], -60, 3_600))
        .unwrap();
    let stale = ca.crl(&listing(&[&bad.serial], -7_200, -3_600)).unwrap();
    let empty = ca.crl(&listing(&[], -9_000, 9_000)).unwrap();
    let forged = ca
        .impostor()
        .unwrap()
        .crl(&listing(&[], -30, 3_600))
        .unwrap();
    let weak = forge::weakly_signed(&ca.crl(&listing(&[], -20, 3_600)).unwrap()).into();
    let tomorrow = ca.crl(&listing(&[], 86_400, 90_000)).unwrap();
    let others = cas.fabrikam.crl(&listing(&[], -30, 3_600)).unwrap();
    let hour = Duration::from_secs(3_600);
    // For the good leaf and the revoked one.
    let fine = both(R::Accepted);
    let missing = both(R::CrlMissing);
    let heard = (R::Accepted, R::Revoked);
    let stale_one = (R::CrlStale, R::Revoked);
    let cases = [
        ("off", Off, vec![], fine),
        ("off hears no CRL", Off, vec![&fresh], fine),
        ("require", Require, vec![&fresh], heard),
        ("require without a CRL", Require, vec![], missing),
        ("require with another CA's", Require, vec![&others], missing),
        ("require with a stale one", Require, vec![&stale], stale_one),
        ("grace that covers", Grace(hour * 2), vec![&stale], heard),
        (
            "grace that does not",
            Grace(hour / 2),
            vec![&stale],
            stale_one,
        ),
        ("grace without a CRL", Grace(hour), vec![], missing),
        (
            "an impostor's CRL",
            Require,
            vec![&forged],
            both(R::CrlBadSignature),
        ),
        (
            "an impostor's CRL first",
            Require,
            vec![&forged, &fresh],
            heard,
        ),
        (
            "a CRL signed with what nobody takes",
            Require,
            vec![&weak],
            both(R::CrlUnsupportedSignature),
        ),
        (
            "a CRL signed with what nobody takes first",
            Require,
            vec![&weak, &fresh],
            heard,
        ),
        (
            "a CRL from the future",
            Require,
            vec![&tomorrow],
            both(R::CrlFromFuture),
        ),
        (
            "a CRL from the future first",
            Require,
            vec![&tomorrow, &fresh],
            heard,
        ),
        ("the newer of two", Require, vec![&empty, &fresh], heard),
    ];
    let lab = CrlLab { ca, good, bad, old };
    for (says, policy, lists, reasons) in &cases {
        let lists: Vec<_> = lists.iter().map(|l| (*l).clone()).collect();
        lab.add(rows, says, *policy, &lists, *reasons);
    }
}

/// A CA with leaves to judge under some CRLs.
struct CrlLab<'a> {
    ca: &'a Authority,
    good: Issued,
    bad: Issued,
    old: Issued,
}

impl CrlLab<'_> {
    /// Rows for the good leaf, the revoked one and an expired one; the scope does not matter for them.
    fn add(
        &self,
        rows: &mut Rows,
        says: &'static str,
        policy: Revocation,
        lists: &[CertificateRevocationListDer<'static>],
        (for_good, for_bad): (TrustReason, TrustReason),
    ) {
        let before = Rc::clone(&rows.generation);
        for scope in [RevocationScope::Chain, RevocationScope::Leaf] {
            let world = World::default()
                .trust("enterprise-ca", &[self.ca])
                .revocation(policy, scope, lists)
                .peer(FE01, PeerKind::Home, &["enterprise-ca"]);
            rows.generation = Rc::new(world.generation());
            rows.add(says, &self.good.chain, FE01, both(for_good));
            rows.add(says, &self.bad.chain, FE01, both(for_bad));
            let old = &self.old.chain;
            rows.add("revoked and expired", old, FE01, both(TrustReason::Expired));
        }
        rows.generation = before;
    }
}

fn crls_of_intermediates(rows: &mut Rows) {
    use RevocationScope::{Chain, Leaf};
    use TrustReason as R;
    let root = Authority::root("Contoso Root").unwrap();
    let issuing = root.subordinate("Contoso Issuing").unwrap();
    let mute = root
        .subordinate_with(AuthoritySpec {
            crl_sign: false,
            ..AuthoritySpec::named("Contoso Mute")
        })
        .unwrap();
    let leaf = issuing.server(FE01).unwrap();
    let silent = mute.server(FE01).unwrap();
    let of_root = root.crl(&listing(&[], -60, 3_600)).unwrap();
    let revoking = root.crl(&listing(&[issuing.serial()], -60, 3_600)).unwrap();
    let of_issuing = issuing.crl(&listing(&[], -60, 3_600)).unwrap();
    let listing_leaf = issuing.crl(&listing(&[&leaf.serial], -60, 3_600)).unwrap();
    let of_mute = mute.crl(&listing(&[], -60, 3_600)).unwrap();
    let stale = root.crl(&listing(&[], -7_200, -3_600)).unwrap();
    let before = Rc::clone(&rows.generation);
    for (says, scope, lists, chain, reason) in [
        (
            "both lists",
            Chain,
            vec![&of_root, &of_issuing],
            &leaf,
            R::Accepted,
        ),
        (
            "the root's list is missing",
            Chain,
            vec![&of_issuing],
            &leaf,
            R::CrlMissing,
        ),
        (
            "the root's list is missing but not needed",
            Leaf,
            vec![&of_issuing],
            &leaf,
            R::Accepted,
        ),
        (
            "the root's list is missing and the leaf is revoked",
            Chain,
            vec![&listing_leaf],
            &leaf,
            R::Revoked,
        ),
        (
            "the issuing CA's list is missing",
            Leaf,
            vec![&of_root],
            &leaf,
            R::CrlMissing,
        ),
        (
            "a revoked intermediate",
            Chain,
            vec![&revoking, &of_issuing],
            &leaf,
            R::Revoked,
        ),
        (
            "a revoked intermediate out of scope",
            Leaf,
            vec![&revoking, &of_issuing],
            &leaf,
            R::Accepted,
        ),
        (
            "the root's list is stale",
            Chain,
            vec![&stale, &of_issuing],
            &leaf,
            R::CrlStale,
        ),
        (
            "a CA that may not sign CRLs",
            Chain,
            vec![&of_root, &of_mute],
            &silent,
            R::CrlSignerUnfit,
        ),
    ] {
        let lists: Vec<_> = lists.into_iter().cloned().collect();
        let world = World::default()
            .trust("enterprise-ca", &[&root])
            .revocation(Revocation::Require, scope, &lists)
            .peer(FE01, PeerKind::Home, &["enterprise-ca"]);
        rows.generation = Rc::new(world.generation());
        rows.add(says, &chain.chain, FE01, both(reason));
    }
    rows.generation = before;
}

/// Windows of peers and trust sets, and pins.
fn staged(rows: &mut Rows, cas: &Cas) {
    use TrustReason as R;
    let window = |not_before, not_after| Window {
        not_before,
        not_after,
    };
    let (past, to_come) = (later(-60).as_secs(), later(60).as_secs());
    let open = window(Some(past), Some(to_come));
    let before = Rc::clone(&rows.generation);
    let good = cas.enterprise.server(FE01).unwrap();
    for (says, peer, set, pins, reason) in [
        ("in every window", open, open, vec![], R::Accepted),
        (
            "a peer to come",
            window(Some(to_come), None),
            open,
            vec![],
            R::PeerNotYetActive,
        ),
        (
            "a peer of the past",
            window(None, Some(past)),
            open,
            vec![],
            R::PeerNoLongerActive,
        ),
        (
            "a set to come",
            open,
            window(Some(to_come), None),
            vec![],
            R::TrustNotYetActive,
        ),
        (
            "a set of the past",
            open,
            window(None, Some(past)),
            vec![],
            R::TrustNoLongerActive,
        ),
        (
            "another key than the pins",
            open,
            open,
            vec![Pin([7; 32])],
            R::PinMismatch,
        ),
    ] {
        let world = World::default()
            .trust("enterprise-ca", &[&cas.enterprise])
            .with_set(|s| s.window = set)
            .peer(FE01, PeerKind::Home, &["enterprise-ca"])
            .with(|p| {
                p.window = peer;
                p.pins = pins;
            });
        rows.generation = Rc::new(world.generation());
        rows.add(says, &good.chain, FE01, both(reason));
    }
    rows.generation = before;
}

fn explained(row: &Row, direction: Direction) -> Explanation {
    let presented = Presented {
        chain: &row.chain,
        expected: match direction {
            Direction::Inbound => None,
            Direction::Outbound => row.generation.topology().peer_by_fqdn(row.dialled),
        },
        staple: None,
    };
    explain(&presented, direction, &row.generation, row.at)
}

#[test]
fn every_row_of_the_matrix_has_its_own_reason_and_every_reason_has_a_row() {
    let mut provoked = HashSet::new();
    let mut wrong = Vec::new();
    for row in matrix() {
        let inbound = inbound_at(&row.generation, &row.chain, row.at);
        let outbound = outbound_at(&row.generation, row.dialled, &row.chain, row.at);
        if (inbound, outbound) != (row.inbound, row.outbound) {
            wrong.push(format!(
                "{} ({}): wanted {} {}, got {inbound} {outbound}",
                row.says, row.dialled, row.inbound, row.outbound
            ));
        }
        for (direction, reason) in [
            (Direction::Inbound, inbound),
            (Direction::Outbound, outbound),
        ] {
            let said = explained(&row, direction);
            if said.reason != reason.code()
                || said.is_accepted() != (reason == TrustReason::Accepted)
            {
                wrong.push(format!("{}: explained as {}", row.says, said.reason));
            }
        }
        provoked.extend([inbound, outbound]);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let idle: Vec<_> = TrustReason::ALL
        .iter()
        // Staples and clients' certificates have tests of their own, in `ocsp` and `client_rule`.
        .filter(|r| {
            let elsewhere = ["ocsp_", "client_certificate_"];
            !provoked.contains(r) && !elsewhere.iter().any(|begin| r.code().starts_with(begin))
        })
        .collect();
    assert!(idle.is_empty(), "no row provokes {idle:?}");
}
