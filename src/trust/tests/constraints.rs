//! Name constraints (RFC 5280 §4.2.1.10): each form of names, and identities across the forms.
use super::forged::{EDGE, FE01, Forged};
use super::{World, inbound};
use crate::topology::{Direction, PeerKind};
use crate::trust::{Presented, TrustReason, explain};
use sipward_lab::forge::{
    CertificateFields, KeyKind, SigningKey, common_name, constraints, distinguished_name, id, name,
    names,
};
use sipward_lab::pki::now;

#[test]
fn a_ca_that_is_bound_in_one_form_of_names_cannot_speak_in_another() {
    let forged = Forged::new();
    let dns = constraints(&[(name::DNS, b"fabrikam.test")], &[]);
    let uri = constraints(&[(name::URI, b".fabrikam.test")], &[]);
    let one_host = constraints(&[(name::URI, b"edge.fabrikam.test")], &[]);
    let without = constraints(&[], &[(name::DNS, b"contoso.test")]);
    let without_host = constraints(&[], &[(name::URI, b"fe01.contoso.test")]);
    let fe01_uri = (name::URI, &b"sip:fe01.contoso.test"[..]);
    let edge_uri = (name::URI, &b"sip:edge.fabrikam.test"[..]);
    let (fe01, edge) = ((name::DNS, FE01.as_bytes()), (name::DNS, EDGE.as_bytes()));
    let (no, yes) = (TrustReason::NameConstraintViolated, TrustReason::Accepted);
    for (bounds, shown, reason) in [
        (&dns, fe01_uri, no),
        (&dns, fe01, no),
        (&dns, edge_uri, yes),
        (&dns, edge, yes),
        (&uri, fe01, no),
        (&uri, fe01_uri, no),
        (&uri, edge, yes),
        (&uri, edge_uri, yes),
        (&one_host, edge, yes),
        (&one_host, fe01, no),
        (&without, fe01_uri, no),
        (&without, edge_uri, yes),
        (&without_host, fe01, no),
        (&without_host, edge, yes),
    ] {
        let bound = [(id::NAME_CONSTRAINTS, true, bounds.clone())];
        let leaf =
            |form: CertificateFields| form.with(id::ALTERNATIVE_NAME, true, &names(&[shown]));
        let text = String::from_utf8_lossy(shown.1);
        assert_eq!(forged.below_a_ca(&bound, leaf), reason, "{text}");
        // The CN, where it is the identity, is a host like any other.
        let host = text.trim_start_matches("sip:").to_owned();
        let leaf = |mut form: CertificateFields| {
            form.subject = common_name(0x0c, host.as_bytes());
            form
        };
        assert_eq!(forged.below_a_ca(&bound, leaf), reason, "CN {host}");
    }
}

/// A GeneralName: its tag and its content.
type General<'a> = (u8, &'a [u8]);

/// What becomes of a leaf with a name besides its own, below a CA with these constraints.
fn bounded(bounds: &[u8], shown: General<'_>) -> TrustReason {
    let leaf = |form: CertificateFields| {
        let shown = [(name::DNS, FE01.as_bytes()), shown];
        form.with(id::ALTERNATIVE_NAME, true, &names(&shown))
    };
    let bound = [(id::NAME_CONSTRAINTS, true, bounds.to_vec())];
    Forged::new().below_a_ca(&bound, leaf)
}

fn permitted(base: General<'_>, shown: General<'_>) -> TrustReason {
    bounded(&constraints(&[base], &[]), shown)
}

fn excluded(base: General<'_>, shown: General<'_>) -> TrustReason {
    bounded(&constraints(&[], &[base]), shown)
}

const NO: TrustReason = TrustReason::NameConstraintViolated;
const YES: TrustReason = TrustReason::Accepted;
const ODD: TrustReason = TrustReason::MalformedCertificate;

#[test]
fn directory_names_are_held_against_their_constraints() {
    let contoso = distinguished_name(&[(10, 0x13, b"Contoso")]);
    let server = distinguished_name(&[(10, 0x0c, b"CONTOSO"), (3, 0x0c, b"fe01")]);
    let other = distinguished_name(&[(10, 0x0c, b"Fabrikam"), (3, 0x0c, b"fe01")]);
    let [base, within, outside] = [&contoso, &server, &other].map(|dn| (name::DIRECTORY, &dn[..]));
    assert_eq!(permitted(base, within), YES);
    assert_eq!(permitted(base, outside), NO);
    assert_eq!(excluded(base, within), NO);
    assert_eq!(excluded(base, outside), YES);
    // The subject is one, too.
    let bound = [(id::NAME_CONSTRAINTS, true, constraints(&[base], &[]))];
    for (subject, reason) in [(&server, YES), (&other, NO)] {
        let leaf = |mut form: CertificateFields| {
            form.subject.clone_from(subject);
            let own = names(&[(name::DNS, FE01.as_bytes())]);
            form.with(id::ALTERNATIVE_NAME, false, &own)
        };
        assert_eq!(Forged::new().below_a_ca(&bound, leaf), reason);
    }
}

fn address(octets: &[u8]) -> General<'_> {
    (name::ADDRESS, octets)
}

#[test]
fn addresses_are_held_against_their_constraints() {
    let net = (name::ADDRESS, &[192, 0, 2, 0, 255, 255, 255, 0][..]);
    assert_eq!(permitted(net, address(&[192, 0, 2, 7])), YES);
    assert_eq!(permitted(net, address(&[198, 51, 100, 7])), NO);
    assert_eq!(excluded(net, address(&[192, 0, 2, 7])), NO);
    assert_eq!(excluded(net, address(&[198, 51, 100, 7])), YES);
    // Of the other family, and of none.
    assert_eq!(permitted(net, address(&[0; 16])), NO);
    assert_eq!(permitted(net, address(&[1; 5])), NO);
    let holes = address(&[192, 0, 2, 0, 255, 0, 255, 0]);
    assert_eq!(excluded(holes, address(&[198, 51, 100, 7])), ODD);
    assert_eq!(permitted(address(&[192, 0, 2, 0]), net), ODD);
}

#[test]
fn mailboxes_uris_and_odd_names_are_held_against_their_constraints() {
    let host = (name::MAIL, &b"contoso.test"[..]);
    assert_eq!(permitted(host, (name::MAIL, b"a@contoso.test")), YES);
    assert_eq!(permitted(host, (name::MAIL, b"a@b.test")), NO);
    assert_eq!(permitted(host, (name::MAIL, b"contoso.test")), NO);
    assert_eq!(permitted(host, (name::DNS, b"a.test")), YES);
    let evil = (name::URI, &b"evil.test"[..]);
    assert_eq!(
        excluded(evil, (name::URI, b"https://good.test/evil.test")),
        YES
    );
    assert_eq!(excluded(evil, (name::URI, b"https://u@evil.test:1/")), NO);
    assert_eq!(excluded(evil, (name::URI, b"urn:a:b")), NO);
    assert_eq!(excluded(evil, (name::URI, b"https://192.0.2.1/")), NO);
    let one = (name::DNS, &b"a.b.test"[..]);
    assert_eq!(excluded(one, (name::DNS, b"*.b.test")), NO);
    assert_eq!(excluded(one, (name::DNS, b"*.c.test")), YES);
    let both = constraints(&[one, (name::DNS, FE01.as_bytes())], &[]);
    assert_eq!(bounded(&both, (name::DNS, b"*.b.test")), NO);
    assert_eq!(bounded(&both, (name::DNS, b"c.a.b.test")), YES);
    // A form that nobody here compares: only where it occurs on both sides.
    let registered = (0x88, &[0x2a][..]);
    assert_eq!(excluded(registered, (0x88, &[0x2b])), NO);
    assert_eq!(excluded(registered, (name::DNS, b"a.test")), YES);
    for bounds in [
        &[0x30, 0][..],
        &[0x30, 2, 0xa0, 0],
        &[0x30, 2, 5, 0],
        &[4, 0],
    ] {
        assert_eq!(bounded(bounds, (name::DNS, b"a.test")), ODD, "{bounds:x?}");
    }
}

#[test]
fn self_issued_cas_are_free_of_constraints_and_of_path_lengths_and_leaves_are_not() {
    let forged = Forged::new();
    let (a, b) = (SigningKey::new(KeyKind::P256).unwrap(), &forged.below);
    let issuing = common_name(0x13, b"Issuing");
    let bounds = constraints(&[(name::DNS, b"contoso.test")], &[]);
    let length = |bound: u8| [0x30, 6, 1, 1, 0xff, 2, 1, bound];
    let mut top = CertificateFields::authority(&forged.root, &issuing, &a).with(
        id::NAME_CONSTRAINTS,
        true,
        &bounds,
    );
    top.extensions[0].2 = length(0).to_vec();
    let other_name = names(&[(name::DNS, b"elsewhere.test")]);
    let middle = CertificateFields::authority(&issuing, &issuing, b).with(
        id::ALTERNATIVE_NAME,
        false,
        &other_name,
    );
    let above = [a.sign(&middle).unwrap(), forged.key.sign(&top).unwrap()];
    let generation = forged.generation();
    let judged = |form: &CertificateFields| {
        let chain = [&[b.sign(form).unwrap()], &above[..]].concat();
        inbound(&generation, &chain)
    };
    assert_eq!(
        judged(&CertificateFields::leaf(&issuing, FE01, b)),
        TrustReason::Accepted
    );
    assert_eq!(
        judged(&CertificateFields::leaf(&issuing, EDGE, b)),
        TrustReason::NameConstraintViolated
    );
    // A leaf that bears its CA's name is self-issued, and is held against the constraints all the same.
    let mut own = CertificateFields::leaf(&issuing, EDGE, b);
    own.subject.clone_from(&issuing);
    assert_eq!(judged(&own), TrustReason::NameConstraintViolated);
    // Not self-issued, the one below counts.
    let lower = common_name(0x13, b"Lower");
    let middle = a
        .sign(&CertificateFields::authority(&issuing, &lower, b))
        .unwrap();
    let leaf = b.sign(&CertificateFields::leaf(&lower, FE01, b)).unwrap();
    let chain = [leaf, middle, above[1].clone()];
    assert_eq!(inbound(&generation, &chain), TrustReason::PathLength);
}

#[test]
fn every_entry_that_a_certificate_is_taken_for_is_held_against_constraints() {
    const FE02: &str = "fe02.contoso.test";
    let forged = Forged::new();
    let generation = World::default()
        .trust_in("ca", std::slice::from_ref(&forged.anchor))
        .peer(FE01, PeerKind::Home, &["ca"])
        .peer(FE02, PeerKind::Home, &["ca"])
        .generation();
    let issuing = common_name(0x13, b"Issuing");
    for (base, reason) in [(&b"contoso.test"[..], YES), (FE01.as_bytes(), NO)] {
        let bounds = constraints(&[(name::DNS, base)], &[]);
        let ca = CertificateFields::authority(&forged.root, &issuing, &forged.below).with(
            id::NAME_CONSTRAINTS,
            true,
            &bounds,
        );
        let both = [
            (name::URI, &b"sip:fe01.contoso.test"[..]),
            (name::URI, b"sip:fe02.contoso.test"),
        ];
        let leaf = CertificateFields::blank(&issuing, &distinguished_name(&[]), &forged.below)
            .with(id::ALTERNATIVE_NAME, true, &names(&both));
        let chain = [
            forged.below.sign(&leaf).unwrap(),
            forged.key.sign(&ca).unwrap(),
        ];
        assert_eq!(inbound(&generation, &chain), reason);
        let presented = Presented::inbound(&chain);
        let told = explain(&presented, Direction::Inbound, &generation, now());
        // There is no dNSName in the certificate, and none is told of.
        let detail = told.detail.unwrap_or_default();
        assert_eq!(
            detail.contains("host fe02.contoso.test: "),
            reason == NO,
            "{detail}"
        );
        assert!(!detail.contains("dNSName"), "{detail}");
    }
}
