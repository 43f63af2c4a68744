//! Rows of the matrix: paths, and certificates that no library makes.
use super::names::{general, many_names};
use super::*;

pub(super) fn paths(rows: &mut Rows, cas: &Cas) {
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

pub(super) fn broken_paths(rows: &mut Rows, cas: &Cas) {
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

/// Certificates that no library makes.
pub(super) fn odd_certificates(rows: &mut Rows) {
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

pub(super) fn below_an_rsa_root(rows: &mut Rows) {
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
pub(super) fn with_sha1(certificate: &CertificateDer<'_>) -> CertificateDer<'static> {
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
