//! Certificate paths (RFC 5280 §6.1): what must be accepted, what must not, and with which reason.
use super::{World, inbound, outbound};
use crate::lab::der::element;
use crate::lab::forge::{
    Form, Kind, Signer, common_name, constraints, distinguished_name, id, moment, name, names,
    usages,
};
use crate::lab::pki::{self, Authority, AuthoritySpec, CrlSpec, LeafSpec, Serial, self_signed};
use crate::topology::{Direction, PeerKind, Revocation, RevocationScope};
use crate::trust::{Generation, Presented, Reason, explain};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

const FE01: &str = "fe01.contoso.test";
const EDGE: &str = "edge.fabrikam.test";

/// CRLs that revoke what is given, of each CA.
fn crls(of: &[(&Authority, &[&Serial])]) -> Vec<CertificateRevocationListDer<'static>> {
    let crl = |(ca, revoked): &(&Authority, &[&Serial])| {
        let revoked = revoked.iter().map(|serial| (*serial).clone()).collect();
        let spec = CrlSpec {
            revoked,
            ..CrlSpec::default()
        };
        ca.crl(&spec).unwrap()
    };
    of.iter().map(crl).collect()
}

/// Two peers below one set of these anchors.
fn below(anchors: &[CertificateDer<'static>]) -> World {
    World::default()
        .trust_in("ca", anchors)
        .peer(FE01, PeerKind::Home, &["ca"])
        .with(|peer| peer.common_name = true)
        .peer(EDGE, PeerKind::Federated, &["ca"])
        .with(|peer| peer.common_name = true)
}

/// The same with CRLs that are required.
fn revoking(
    anchors: &[CertificateDer<'static>],
    crls: &[CertificateRevocationListDer<'static>],
) -> Generation {
    let world = World::default().trust_in("ca", anchors).revocation(
        Revocation::Require,
        RevocationScope::Chain,
        crls,
    );
    world.peer(FE01, PeerKind::Home, &["ca"]).generation()
}

/// A root made by hand, and a key for what is below it.
struct Forged {
    root: Vec<u8>,
    key: Signer,
    below: Signer,
    anchor: CertificateDer<'static>,
}

impl Forged {
    fn new() -> Self {
        let root = common_name(0x13, b"Forged Root");
        let key = Signer::new(Kind::P256).unwrap();
        Self {
            anchor: key.sign(&Form::authority(&root, &root, &key)).unwrap(),
            below: Signer::new(Kind::P256).unwrap(),
            root,
            key,
        }
    }

    fn generation(&self) -> Generation {
        below(std::slice::from_ref(&self.anchor)).generation()
    }

    /// A leaf below a CA of these extensions, and the reason it gets.
    fn below_a_ca(
        &self,
        extensions: &[(u8, bool, Vec<u8>)],
        leaf: impl Fn(Form) -> Form,
    ) -> Reason {
        let name = common_name(0x13, b"Forged Issuing");
        let mut ca = Form::authority(&self.root, &name, &self.below);
        for (id, critical, value) in extensions {
            ca = ca.with(*id, *critical, value);
        }
        let leaf = leaf(Form::blank(&name, &distinguished_name(&[]), &self.below));
        let chain = [self.below.sign(&leaf).unwrap(), self.key.sign(&ca).unwrap()];
        inbound(&self.generation(), &chain)
    }
}

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
    let (no, yes) = (Reason::NameConstraintViolated, Reason::Accepted);
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
        let leaf = |form: Form| form.with(id::ALTERNATIVE_NAME, true, &names(&[shown]));
        let text = String::from_utf8_lossy(shown.1);
        assert_eq!(forged.below_a_ca(&bound, leaf), reason, "{text}");
        // The CN, where it is the identity, is a host like any other.
        let host = text.trim_start_matches("sip:").to_owned();
        let leaf = |mut form: Form| {
            form.subject = common_name(0x0c, host.as_bytes());
            form
        };
        assert_eq!(forged.below_a_ca(&bound, leaf), reason, "CN {host}");
    }
}

/// A GeneralName: its tag and its content.
type General<'a> = (u8, &'a [u8]);

/// What becomes of a leaf with a name besides its own, below a CA with these constraints.
fn bounded(bounds: &[u8], shown: General<'_>) -> Reason {
    let leaf = |form: Form| {
        let shown = [(name::DNS, FE01.as_bytes()), shown];
        form.with(id::ALTERNATIVE_NAME, true, &names(&shown))
    };
    let bound = [(id::NAME_CONSTRAINTS, true, bounds.to_vec())];
    Forged::new().below_a_ca(&bound, leaf)
}

fn permitted(base: General<'_>, shown: General<'_>) -> Reason {
    bounded(&constraints(&[base], &[]), shown)
}

fn excluded(base: General<'_>, shown: General<'_>) -> Reason {
    bounded(&constraints(&[], &[base]), shown)
}

const NO: Reason = Reason::NameConstraintViolated;
const YES: Reason = Reason::Accepted;
const ODD: Reason = Reason::MalformedCertificate;

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
        let leaf = |mut form: Form| {
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
    let (a, b) = (Signer::new(Kind::P256).unwrap(), &forged.below);
    let issuing = common_name(0x13, b"Issuing");
    let bounds = constraints(&[(name::DNS, b"contoso.test")], &[]);
    let length = |bound: u8| [0x30, 6, 1, 1, 0xff, 2, 1, bound];
    let mut top =
        Form::authority(&forged.root, &issuing, &a).with(id::NAME_CONSTRAINTS, true, &bounds);
    top.extensions[0].2 = length(0).to_vec();
    let other_name = names(&[(name::DNS, b"elsewhere.test")]);
    let middle =
        Form::authority(&issuing, &issuing, b).with(id::ALTERNATIVE_NAME, false, &other_name);
    let above = [a.sign(&middle).unwrap(), forged.key.sign(&top).unwrap()];
    let generation = forged.generation();
    let judged = |form: &Form| {
        let chain = [&[b.sign(form).unwrap()], &above[..]].concat();
        inbound(&generation, &chain)
    };
    assert_eq!(judged(&Form::leaf(&issuing, FE01, b)), Reason::Accepted);
    assert_eq!(
        judged(&Form::leaf(&issuing, EDGE, b)),
        Reason::NameConstraintViolated
    );
    // A leaf that bears its CA's name is self-issued, and is held against the constraints all the same.
    let mut own = Form::leaf(&issuing, EDGE, b);
    own.subject.clone_from(&issuing);
    assert_eq!(judged(&own), Reason::NameConstraintViolated);
    // Not self-issued, the one below counts.
    let lower = common_name(0x13, b"Lower");
    let middle = a.sign(&Form::authority(&issuing, &lower, b)).unwrap();
    let leaf = b.sign(&Form::leaf(&lower, FE01, b)).unwrap();
    let chain = [leaf, middle, above[1].clone()];
    assert_eq!(inbound(&generation, &chain), Reason::PathLength);
}

#[test]
fn an_anchors_own_path_length_and_purposes_bind_what_is_below() {
    let root = |change: fn(&mut AuthoritySpec)| {
        let mut spec = AuthoritySpec::named("Bound Root");
        change(&mut spec);
        Authority::root_with(spec).unwrap()
    };
    let short = root(|spec| spec.path_length = Some(0));
    let generation = below(&[short.certificate().clone()]).generation();
    assert_eq!(
        inbound(&generation, &short.server(FE01).unwrap().chain),
        Reason::Accepted
    );
    let lower = short.subordinate("Lower").unwrap().server(FE01).unwrap();
    assert_eq!(inbound(&generation, &lower.chain), Reason::PathLength);
    let signing = root(|spec| spec.usages = vec![pki::Usage::CodeSigning]);
    let generation = below(&[signing.certificate().clone()]).generation();
    assert_eq!(
        inbound(&generation, &signing.server(FE01).unwrap().chain),
        Reason::EkuUnsuitable
    );
}

#[test]
fn a_root_that_changes_its_key_goes_on_both_ways_with_the_crls_of_both_keys() {
    let old = Authority::root("Contoso Root").unwrap();
    let new = old.impostor().unwrap();
    for (anchor, issuer) in [(&old, &new), (&new, &old)] {
        // The issuer's key certified by the anchor's under the same name (RFC 4210 §4.4).
        let link = issuer.certified_by(anchor, -3_600, 86_400).unwrap();
        let mut chain = issuer.server(FE01).unwrap().chain;
        chain.push(link.certificate().clone());
        let anchors = [anchor.certificate().clone()];
        let good = crls(&[(anchor, &[]), (issuer, &[])]);
        assert_eq!(
            inbound(&revoking(&anchors, &good), &chain),
            Reason::Accepted
        );
        let bad = crls(&[(anchor, &[link.serial()]), (issuer, &[])]);
        assert_eq!(inbound(&revoking(&anchors, &bad), &chain), Reason::Revoked);
        // The link may come with the anchors instead of with the chain.
        let anchors = [link.certificate().clone(), anchor.certificate().clone()];
        assert_eq!(
            inbound(&revoking(&anchors, &good), &chain[..1]),
            Reason::Accepted
        );
        assert_eq!(
            inbound(&revoking(&anchors, &bad), &chain[..1]),
            Reason::Revoked
        );
    }
}

#[test]
fn names_of_one_meaning_chain_whatever_their_string_types() {
    let forged = Forged::new();
    let generation = forged.generation();
    for (tag, text) in [
        (0x0c, &b"Forged Root"[..]),
        (0x0c, b"FORGED  root"),
        (0x14, b"Forged Root"),
        (0x1e, b"\0F\0o\0r\0g\0e\0d\0 \0R\0o\0o\0t"),
    ] {
        let leaf = Form::leaf(&common_name(tag, text), FE01, &forged.below);
        let chain = [forged.key.sign(&leaf).unwrap()];
        assert_eq!(inbound(&generation, &chain), Reason::Accepted, "{tag:x}");
    }
    let leaf = Form::leaf(&common_name(0x0c, b"Forged Roots"), FE01, &forged.below);
    let chain = [forged.key.sign(&leaf).unwrap()];
    assert_eq!(inbound(&generation, &chain), Reason::UnknownIssuer);
}

#[test]
fn critical_policies_are_accepted_where_no_policy_is_asked_for() {
    let forged = Forged::new();
    let policy = [0x30, 6, 0x30, 4, 6, 2, 0x2a, 3];
    let extensions = [
        (id::POLICIES, true, policy.to_vec()),
        (id::POLICY_CONSTRAINTS, true, vec![0x30, 3, 0x80, 1, 0]),
        (id::INHIBIT_ANY_POLICY, true, vec![2, 1, 0]),
        (
            33,
            true,
            vec![0x30, 10, 0x30, 8, 6, 2, 0x2a, 3, 6, 2, 0x2a, 4],
        ),
    ];
    let leaf = |form: Form| {
        form.with(id::POLICIES, true, &policy).with(
            id::ALTERNATIVE_NAME,
            false,
            &names(&[(name::DNS, FE01.as_bytes())]),
        )
    };
    assert_eq!(forged.below_a_ca(&extensions, leaf), Reason::Accepted);
    // What nothing here acts upon stays refused: a critical key identifier, subjectDirectoryAttributes.
    for unknown in [id::SUBJECT_KEY, 9] {
        let extensions = [(unknown, true, vec![4, 1, 7])];
        let reason = forged.below_a_ca(&extensions, leaf);
        assert_eq!(reason, Reason::UnknownCriticalExtension, "{unknown}");
    }
}

#[test]
fn certificates_with_many_names_and_many_certificates_of_one_key_pass() {
    let root = Authority::root("Contoso Root").unwrap();
    let generation = below(&[root.certificate().clone()]).generation();
    for count in [101, 137, 163, 250, 1_000] {
        let mut dns: Vec<String> = (0..count).map(|n| format!("n{n}.a.test")).collect();
        dns.push(FE01.to_owned());
        let spec = LeafSpec {
            dns,
            ..LeafSpec::server(FE01)
        };
        let leaf = root.issue(&spec).unwrap();
        assert_eq!(
            inbound(&generation, &leaf.chain),
            Reason::Accepted,
            "{count}"
        );
        assert_eq!(outbound(&generation, FE01, &leaf.chain), Reason::Accepted);
    }
    let issuing = root.subordinate("Contoso Issuing").unwrap();
    let stranger = Authority::root("Stranger Root").unwrap();
    let mut chain = vec![issuing.server(FE01).unwrap().certificate];
    for number in 0..8 {
        let crossed = issuing.certified_by(&stranger, -3_600 - number, 86_400);
        chain.push(crossed.unwrap().certificate().clone());
    }
    assert_eq!(inbound(&generation, &chain), Reason::UnknownIssuer);
    chain.push(issuing.certificate().clone());
    assert_eq!(inbound(&generation, &chain), Reason::Accepted);
}

#[test]
fn of_two_anchors_of_one_key_either_may_come_first() {
    let root = Authority::root("Contoso Root").unwrap();
    let renewed = root.certified_by(&root, -60, 86_400).unwrap();
    let forged = Forged::new();
    let mute = Form::authority(&forged.root, &forged.root, &forged.key).with(
        id::KEY_USAGE,
        true,
        &[3, 2, 7, 0x80],
    );
    let mute = forged.key.sign(&mute).unwrap();
    let by_hand = forged
        .key
        .sign(&Form::leaf(&forged.root, FE01, &forged.below));
    for (one, other, leaf) in [
        (
            root.certificate(),
            renewed.certificate(),
            &root.server(FE01).unwrap().certificate,
        ),
        (&forged.anchor, &mute, &by_hand.unwrap()),
    ] {
        for anchors in [[one.clone(), other.clone()], [other.clone(), one.clone()]] {
            let generation = below(&anchors).generation();
            assert_eq!(
                inbound(&generation, std::slice::from_ref(leaf)),
                Reason::Accepted
            );
        }
    }
}

#[test]
fn an_issuing_ca_beside_its_root_is_judged_as_an_intermediate() {
    let root = Authority::root("Contoso Root").unwrap();
    let issuing = root.subordinate("Contoso Issuing").unwrap();
    let old = root
        .subordinate_with(AuthoritySpec {
            not_after: -60,
            ..AuthoritySpec::named("Contoso Old")
        })
        .unwrap();
    let (leaf, late) = (issuing.server(FE01).unwrap(), old.server(FE01).unwrap());
    let mut bundle = vec![
        issuing.certificate().clone(),
        old.certificate().clone(),
        root.certificate().clone(),
    ];
    for _ in 0..2 {
        let good = crls(&[(&root, &[]), (&issuing, &[]), (&old, &[])]);
        let bad = crls(&[(&root, &[issuing.serial()]), (&issuing, &[]), (&old, &[])]);
        // With its issuer and without: the bundle has it.
        for chain in [&leaf.chain[..], &leaf.chain[..1]] {
            assert_eq!(inbound(&revoking(&bundle, &good), chain), Reason::Accepted);
            assert_eq!(inbound(&revoking(&bundle, &bad), chain), Reason::Revoked);
        }
        assert_eq!(
            inbound(&revoking(&bundle, &good), &late.chain[..1]),
            Reason::Expired
        );
        bundle.reverse();
    }
    // Unless the operator says that each stands by itself.
    let bad = crls(&[(&root, &[issuing.serial()]), (&issuing, &[]), (&old, &[])]);
    let generation = World::default()
        .trust_in("ca", &bundle)
        .with_set(|set| set.partial_chain = true)
        .revocation(Revocation::Require, RevocationScope::Chain, &bad)
        .peer(FE01, PeerKind::Home, &["ca"])
        .generation();
    assert_eq!(inbound(&generation, &leaf.chain[..1]), Reason::Accepted);
    assert_eq!(inbound(&generation, &late.chain[..1]), Reason::Accepted);
}

#[test]
fn a_set_without_a_root_is_a_fault_unless_it_says_that_its_cas_stand_by_themselves() {
    let root = Authority::root("Contoso Root").unwrap();
    let issuing = root.subordinate("Contoso Issuing").unwrap();
    let leaf = issuing.server(FE01).unwrap();
    let anchors = [issuing.certificate().clone()];
    let faults = below(&anchors).build().unwrap_err();
    let codes: Vec<_> = faults
        .iter()
        .map(|fault| (fault.code, fault.line))
        .collect();
    assert_eq!(codes, [("anchor_missing", Some(10))]);
    assert!(faults[0].remedy.contains("partial_chain = true"));
    let world = World::default().trust_in("ca", &anchors);
    let generation = world
        .with_set(|set| set.partial_chain = true)
        .peer(FE01, PeerKind::Home, &["ca"])
        .generation();
    assert_eq!(inbound(&generation, &leaf.chain), Reason::Accepted);
    assert_eq!(inbound(&generation, &leaf.chain[..1]), Reason::Accepted);
}

#[test]
fn what_is_wrong_with_anchors_is_noted() {
    let root = Authority::root("Contoso Root").unwrap();
    let stray = Authority::root("Stray Root")
        .unwrap()
        .subordinate("Stray")
        .unwrap();
    let old = Authority::root_with(AuthoritySpec {
        not_after: -60,
        ..AuthoritySpec::named("Old Root")
    });
    let own = self_signed(&LeafSpec::server(EDGE)).unwrap();
    let forged = Forged::new();
    let mute = Form::authority(&forged.root, &forged.root, &forged.key).with(
        id::KEY_USAGE,
        true,
        &[3, 2, 7, 0x80],
    );
    let anchors = [
        root.certificate().clone(),
        stray.certificate().clone(),
        old.unwrap().certificate().clone(),
        own.certificate.clone(),
        forged.key.sign(&mute).unwrap(),
    ];
    let crl = crls(&[(&root, &[root.serial()])]);
    let generation = World::default()
        .trust_in("ca", &anchors)
        .revocation(Revocation::Require, RevocationScope::Chain, &crl)
        .generation();
    let notes: Vec<_> = generation.notes().iter().map(|note| note.code).collect();
    assert_eq!(
        notes,
        [
            "anchor_unrooted",
            "anchor_expired",
            "anchor_unfit",
            "anchor_unfit",
            "anchor_revoked"
        ]
    );
}

#[test]
fn an_anchor_that_is_no_ca_vouches_for_itself_alone() {
    let key = Signer::new(Kind::P256).unwrap();
    let name = common_name(0x0c, EDGE.as_bytes());
    let own = key.sign(&Form::leaf(&name, EDGE, &key)).unwrap();
    let generation = below(std::slice::from_ref(&own)).generation();
    assert_eq!(inbound(&generation, &[own]), Reason::Accepted);
    let other = key.sign(&Form::leaf(&name, FE01, &key)).unwrap();
    assert_eq!(inbound(&generation, &[other]), Reason::AuthorityMisuse);
}

/// A SubjectPublicKeyInfo of an AlgorithmIdentifier's content and the key's bits.
fn info(algorithm: &[u8], bits: &[u8]) -> Vec<u8> {
    let algorithm = element(0x30, &[algorithm]);
    element(0x30, &[&algorithm, &crate::lab::der::bits(bits)])
}

/// rsaEncryption and id-RSASSA-PSS.
const RSA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
const PSS: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];

/// An RSA key of that many bits.
fn rsa(id: &[u8], bits: usize, exponent: &[u8]) -> Vec<u8> {
    let mut modulus = vec![0xff; bits.div_ceil(8)];
    modulus[0] >>= (8 - bits % 8) % 8;
    if bits.is_multiple_of(8) {
        modulus.insert(0, 0);
    }
    info(
        id,
        &element(0x30, &[&element(2, &[&modulus]), &element(2, &[exponent])]),
    )
}

/// A point of so many octets, which lies on no curve, with the curve's OID.
fn point(curve: &[u8], octets: usize) -> Vec<u8> {
    let id = [
        &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6],
        &[curve.len() as u8][..],
        curve,
    ];
    info(&id.concat(), &[&[4][..], &vec![1; octets * 2]].concat())
}

#[test]
fn keys_that_no_handshake_can_use_are_refused_before_it() {
    let forged = Forged::new();
    let generation = forged.generation();
    let e: &[u8] = &[1, 0, 1];
    let (unusable, weak) = (Reason::KeyUnusable, Reason::WeakKey);
    let of = |kind| Signer::new(kind).unwrap().public();
    for (says, key, reason) in [
        (
            "P-192",
            point(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 1], 24),
            unusable,
        ),
        ("P-224", point(&[0x2b, 0x81, 4, 0, 33], 28), unusable),
        ("secp256k1", point(&[0x2b, 0x81, 4, 0, 10], 32), unusable),
        (
            "brainpoolP256r1",
            point(&[0x2b, 0x24, 3, 3, 2, 8, 1, 1, 7], 32),
            unusable,
        ),
        (
            "off P-256",
            point(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], 32),
            unusable,
        ),
        (
            "DSA",
            info(&[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1], &[2, 1, 5]),
            unusable,
        ),
        (
            "X25519",
            info(&[6, 3, 0x2b, 0x65, 0x6e], &[9; 32]),
            unusable,
        ),
        ("Ed448", info(&[6, 3, 0x2b, 0x65, 0x71], &[9; 57]), unusable),
        ("an RSA-PSS key", rsa(PSS, 2_048, e), unusable),
        ("RSA 1024", rsa(RSA, 1_024, e), weak),
        ("RSA 2041", rsa(RSA, 2_041, e), weak),
        ("RSA 2047", rsa(RSA, 2_047, e), weak),
        ("RSA 2048", rsa(RSA, 2_048, e), YES),
        ("RSA 8192", rsa(RSA, 8_192, e), YES),
        ("RSA 8200", rsa(RSA, 8_200, e), unusable),
        ("an RSA exponent of 1", rsa(RSA, 2_048, &[1]), unusable),
        (
            "an even RSA exponent",
            rsa(RSA, 2_048, &[1, 0, 0]),
            unusable,
        ),
        ("P-384", of(Kind::P384), YES),
        ("P-521", of(Kind::P521), YES),
        ("Ed25519", of(Kind::Ed25519), YES),
    ] {
        let mut form = Form::leaf(&forged.root, FE01, &forged.below);
        form.key = key;
        let chain = [forged.key.sign(&form).unwrap()];
        assert_eq!(inbound(&generation, &chain), reason, "{says}");
        assert_eq!(outbound(&generation, FE01, &chain), reason, "{says}");
    }
}

#[test]
fn a_period_that_begins_before_1970_is_a_period() {
    let forged = Forged::new();
    let generation = forged.generation();
    for (begin, end, reason) in [
        (-631_152_000, 4_000_000_000, Reason::Accepted),
        (-1, 4_000_000_000, Reason::Accepted),
        (-2_208_988_800, 250_000_000_000, Reason::Accepted),
        (-631_152_000, -1, Reason::Expired),
    ] {
        let mut leaf = Form::leaf(&forged.root, FE01, &forged.below);
        leaf.validity = (moment(begin), moment(end));
        let chain = [forged.key.sign(&leaf).unwrap()];
        assert_eq!(inbound(&generation, &chain), reason, "{begin}");
    }
}

#[test]
fn what_openssl_makes_for_itself_is_told_as_what_it_is() {
    let spec = LeafSpec {
        authority: true,
        ..LeafSpec::server(FE01)
    };
    let own = self_signed(&spec).unwrap();
    let root = Authority::root("Contoso Root").unwrap();
    let generation = below(&[root.certificate().clone()]).generation();
    let presented = Presented::inbound(&own.chain);
    let told = explain(&presented, Direction::Inbound, &generation, pki::now());
    assert_eq!(told.reason, "authority_misuse");
    assert!(
        told.detail
            .unwrap()
            .contains("is self-signed and says CA:TRUE")
    );
    let elsewhere = told.change.unwrap().elsewhere.unwrap();
    assert!(elsewhere.contains("CA:FALSE"), "{elsewhere}");
}

#[test]
fn a_flaw_counts_in_the_path_only() {
    let forged = Forged::new();
    let generation = forged.generation();
    let twice = Form::authority(&forged.root, &common_name(0x13, b"Twice"), &forged.below).with(
        id::BASIC_CONSTRAINTS,
        true,
        &[0x30, 3, 1, 1, 0xff],
    );
    let beside = forged.key.sign(&twice).unwrap();
    let leaf = forged
        .key
        .sign(&Form::leaf(&forged.root, FE01, &forged.below))
        .unwrap();
    assert_eq!(
        inbound(&generation, &[leaf, beside.clone()]),
        Reason::Accepted
    );
    let under = Form::leaf(&common_name(0x13, b"Twice"), FE01, &forged.below);
    let under = forged.below.sign(&under).unwrap();
    assert_eq!(
        inbound(&generation, &[under, beside]),
        Reason::MalformedCertificate
    );
    // An empty list of usages permits nothing.
    let none = Form::leaf(&forged.root, FE01, &forged.below);
    let mut none = Form {
        extensions: none.extensions[..1].to_vec(),
        ..none
    };
    none = none.with(id::EXTENDED_KEY_USAGE, false, &usages(&[]));
    let chain = [forged.key.sign(&none).unwrap()];
    assert_eq!(inbound(&generation, &chain), Reason::EkuUnsuitable);
}
