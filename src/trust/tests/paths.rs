//! Certificate paths (RFC 5280 §6.1): what must be accepted, what must not, and with which reason.
use super::forged::{EDGE, FE01, Forged, below};
use super::{World, inbound, outbound};
use crate::topology::{Direction, PeerKind, Revocation, RevocationScope};
use crate::trust::{Generation, Presented, TrustReason, explain};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use sipward_lab::forge::{
    CertificateFields, KeyKind, SigningKey, common_name, id, moment, name, names, usages,
};
use sipward_lab::pki::{self, Authority, AuthoritySpec, CrlSpec, LeafSpec, Serial, self_signed};

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

/// One peer below one set of these anchors, with CRLs that are required.
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
        TrustReason::Accepted
    );
    let lower = short.subordinate("Lower").unwrap().server(FE01).unwrap();
    assert_eq!(inbound(&generation, &lower.chain), TrustReason::PathLength);
    let signing = root(|spec| spec.usages = vec![pki::Usage::CodeSigning]);
    let generation = below(&[signing.certificate().clone()]).generation();
    assert_eq!(
        inbound(&generation, &signing.server(FE01).unwrap().chain),
        TrustReason::EkuUnsuitable
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
            TrustReason::Accepted
        );
        let bad = crls(&[(anchor, &[link.serial()]), (issuer, &[])]);
        assert_eq!(
            inbound(&revoking(&anchors, &bad), &chain),
            TrustReason::Revoked
        );
        // The link may come with the anchors instead of with the chain.
        let anchors = [link.certificate().clone(), anchor.certificate().clone()];
        assert_eq!(
            inbound(&revoking(&anchors, &good), &chain[..1]),
            TrustReason::Accepted
        );
        assert_eq!(
            inbound(&revoking(&anchors, &bad), &chain[..1]),
            TrustReason::Revoked
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
        let leaf = CertificateFields::leaf(&common_name(tag, text), FE01, &forged.below);
        let chain = [forged.key.sign(&leaf).unwrap()];
        assert_eq!(
            inbound(&generation, &chain),
            TrustReason::Accepted,
            "{tag:x}"
        );
    }
    let leaf = CertificateFields::leaf(&common_name(0x0c, b"Forged Roots"), FE01, &forged.below);
    let chain = [forged.key.sign(&leaf).unwrap()];
    assert_eq!(inbound(&generation, &chain), TrustReason::UnknownIssuer);
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
    let leaf = |form: CertificateFields| {
        form.with(id::POLICIES, true, &policy).with(
            id::ALTERNATIVE_NAME,
            false,
            &names(&[(name::DNS, FE01.as_bytes())]),
        )
    };
    assert_eq!(forged.below_a_ca(&extensions, leaf), TrustReason::Accepted);
    // What nothing here acts upon stays refused: a critical key identifier, subjectDirectoryAttributes.
    for unknown in [id::SUBJECT_KEY, 9] {
        let extensions = [(unknown, true, vec![4, 1, 7])];
        let reason = forged.below_a_ca(&extensions, leaf);
        assert_eq!(reason, TrustReason::UnknownCriticalExtension, "{unknown}");
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
            TrustReason::Accepted,
            "{count}"
        );
        assert_eq!(
            outbound(&generation, FE01, &leaf.chain),
            TrustReason::Accepted
        );
    }
    let issuing = root.subordinate("Contoso Issuing").unwrap();
    let stranger = Authority::root("Stranger Root").unwrap();
    let mut chain = vec![issuing.server(FE01).unwrap().certificate];
    for number in 0..8 {
        let crossed = issuing.certified_by(&stranger, -3_600 - number, 86_400);
        chain.push(crossed.unwrap().certificate().clone());
    }
    assert_eq!(inbound(&generation, &chain), TrustReason::UnknownIssuer);
    chain.push(issuing.certificate().clone());
    assert_eq!(inbound(&generation, &chain), TrustReason::Accepted);
}

#[test]
fn of_two_anchors_of_one_key_either_may_come_first() {
    let root = Authority::root("Contoso Root").unwrap();
    let renewed = root.certified_by(&root, -60, 86_400).unwrap();
    let forged = Forged::new();
    let mute = CertificateFields::authority(&forged.root, &forged.root, &forged.key).with(
        id::KEY_USAGE,
        true,
        &[3, 2, 7, 0x80],
    );
    let mute = forged.key.sign(&mute).unwrap();
    let by_hand = forged
        .key
        .sign(&CertificateFields::leaf(&forged.root, FE01, &forged.below));
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
                TrustReason::Accepted
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
            assert_eq!(
                inbound(&revoking(&bundle, &good), chain),
                TrustReason::Accepted
            );
            assert_eq!(
                inbound(&revoking(&bundle, &bad), chain),
                TrustReason::Revoked
            );
        }
        assert_eq!(
            inbound(&revoking(&bundle, &good), &late.chain[..1]),
            TrustReason::Expired
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
    assert_eq!(
        inbound(&generation, &leaf.chain[..1]),
        TrustReason::Accepted
    );
    assert_eq!(
        inbound(&generation, &late.chain[..1]),
        TrustReason::Accepted
    );
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
        .map(|fault| (fault.code.code(), fault.line))
        .collect();
    assert_eq!(codes, [("anchor_missing", Some(10))]);
    assert!(faults[0].remedy.contains("partial_chain = true"));
    let world = World::default().trust_in("ca", &anchors);
    let generation = world
        .with_set(|set| set.partial_chain = true)
        .peer(FE01, PeerKind::Home, &["ca"])
        .generation();
    assert_eq!(inbound(&generation, &leaf.chain), TrustReason::Accepted);
    assert_eq!(
        inbound(&generation, &leaf.chain[..1]),
        TrustReason::Accepted
    );
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
    let mute = CertificateFields::authority(&forged.root, &forged.root, &forged.key).with(
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
    let notes: Vec<_> = generation
        .notes()
        .iter()
        .map(|note| note.code.code())
        .collect();
    assert_eq!(
        notes,
        [
            "anchor_unrooted",
            "anchor_expired",
            "anchor_unfit",
            "anchor_unfit",
            "crl_absent",
            "crl_absent",
            "crl_absent",
            "crl_absent",
            "anchor_revoked"
        ]
    );
}

#[test]
fn what_is_wrong_with_a_ca_below_the_roots_of_a_set_is_noted() {
    let forged = Forged::new();
    let named = |text: &str| common_name(0x13, text.as_bytes());
    let ca = |name: &[u8]| CertificateFields::authority(&forged.root, name, &forged.below);
    let (over, mute, none) = (named("Over"), named("Mute"), named("None"));
    let (mail, weird, good) = (named("Mail"), named("Weird"), named("Good"));
    let mut expired = ca(&over);
    expired.validity = (moment(1_000_000_000), moment(1_100_000_000));
    let mut backwards = ca(&weird);
    backwards.validity = (moment(4_000_000_000), moment(3_900_000_000));
    let of_mail: &[u8] = &[0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 4];
    let of_servers: &[u8] = &[0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1];
    for (form, told) in [
        (expired, &[("anchor_expired", "past its notAfter")][..]),
        (
            ca(&mute).with(id::KEY_USAGE, true, &[3, 2, 7, 0x80]),
            &[("anchor_unfit", "lacks keyCertSign")],
        ),
        (
            CertificateFields::blank(&forged.root, &none, &forged.below),
            &[("anchor_unfit", "does not say that it is a CA's")],
        ),
        (
            ca(&mail).with(id::EXTENDED_KEY_USAGE, false, of_mail),
            &[("anchor_unfit", "emailProtection")],
        ),
        (backwards, &[("anchor_unfit", "notAfter is before")]),
        (ca(&good), &[]),
        (
            ca(&good).with(id::EXTENDED_KEY_USAGE, true, of_servers),
            &[],
        ),
    ] {
        let anchors = [forged.anchor.clone(), forged.key.sign(&form).unwrap()];
        let generation = below(&anchors).generation();
        let notes: Vec<_> = generation.notes().iter().collect();
        assert_eq!(notes.len(), told.len(), "{notes:?}");
        for (note, (code, what)) in notes.iter().zip(told) {
            assert_eq!(note.code.code(), *code);
            assert!(note.what.contains(what), "{}", note.what);
        }
    }
    let root = CertificateFields::authority(&forged.root, &forged.root, &forged.key);
    let root = root.with(id::EXTENDED_KEY_USAGE, false, of_mail);
    let generation = below(&[forged.key.sign(&root).unwrap()]).generation();
    let notes: Vec<_> = generation
        .notes()
        .iter()
        .map(|note| note.code.code())
        .collect();
    assert_eq!(notes, ["anchor_unfit"]);
}

#[test]
fn a_ca_that_bears_its_issuers_name_is_no_root_unless_it_signed_itself() {
    let forged = Forged::new();
    // New with old (RFC 4210 §4.4), without key identifiers, and without the old root.
    let link = CertificateFields::authority(&forged.root, &forged.root, &forged.below);
    let link = forged.key.sign(&link).unwrap();
    let codes = |faults: &[crate::topology::Fault]| {
        let codes = faults.iter().map(|fault| fault.code.code());
        codes.collect::<Vec<_>>()
    };
    let faults = below(std::slice::from_ref(&link)).build().unwrap_err();
    assert_eq!(codes(&faults), ["anchor_missing"]);
    let other = Authority::root("Contoso Root").unwrap();
    let beside = [link.clone(), other.certificate().clone()];
    let generation = below(&beside).generation();
    assert_eq!(codes(generation.notes()), ["anchor_unrooted"]);
    let leaf =
        CertificateFields::leaf(&forged.root, FE01, &SigningKey::new(KeyKind::P256).unwrap());
    let leaf = [forged.below.sign(&leaf).unwrap()];
    assert_ne!(inbound(&generation, &leaf), TrustReason::Accepted);
    // With the old root it is what it was made for.
    let both = below(&[link, forged.anchor.clone()]).generation();
    assert_eq!(codes(both.notes()), [""; 0]);
    assert_eq!(inbound(&both, &leaf), TrustReason::Accepted);
}

#[test]
fn an_anchor_that_is_no_ca_vouches_for_itself_alone() {
    let key = SigningKey::new(KeyKind::P256).unwrap();
    let name = common_name(0x0c, EDGE.as_bytes());
    let own = key
        .sign(&CertificateFields::leaf(&name, EDGE, &key))
        .unwrap();
    let generation = below(std::slice::from_ref(&own)).generation();
    assert_eq!(inbound(&generation, &[own]), TrustReason::Accepted);
    let other = key
        .sign(&CertificateFields::leaf(&name, FE01, &key))
        .unwrap();
    assert_eq!(inbound(&generation, &[other]), TrustReason::AuthorityMisuse);
}

#[test]
fn a_period_that_begins_before_1970_is_a_period() {
    let forged = Forged::new();
    let generation = forged.generation();
    for (begin, end, reason) in [
        (-631_152_000, 4_000_000_000, TrustReason::Accepted),
        (-1, 4_000_000_000, TrustReason::Accepted),
        (-2_208_988_800, 250_000_000_000, TrustReason::Accepted),
        (-631_152_000, -1, TrustReason::Expired),
    ] {
        let mut leaf = CertificateFields::leaf(&forged.root, FE01, &forged.below);
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
            .contains("is self-signed and has CA:TRUE")
    );
    let elsewhere = told.change.unwrap().elsewhere.unwrap();
    assert!(elsewhere.contains("CA:FALSE"), "{elsewhere}");
}

#[test]
fn a_flaw_counts_in_the_path_only() {
    let forged = Forged::new();
    let generation = forged.generation();
    let twice =
        CertificateFields::authority(&forged.root, &common_name(0x13, b"Twice"), &forged.below)
            .with(id::BASIC_CONSTRAINTS, true, &[0x30, 3, 1, 1, 0xff]);
    let beside = forged.key.sign(&twice).unwrap();
    let leaf = forged
        .key
        .sign(&CertificateFields::leaf(&forged.root, FE01, &forged.below))
        .unwrap();
    assert_eq!(
        inbound(&generation, &[leaf, beside.clone()]),
        TrustReason::Accepted
    );
    let under = CertificateFields::leaf(&common_name(0x13, b"Twice"), FE01, &forged.below);
    let under = forged.below.sign(&under).unwrap();
    assert_eq!(
        inbound(&generation, &[under, beside]),
        TrustReason::MalformedCertificate
    );
    // An empty list of usages permits nothing.
    let none = CertificateFields::leaf(&forged.root, FE01, &forged.below);
    let mut none = CertificateFields {
        extensions: none.extensions[..1].to_vec(),
        ..none
    };
    none = none.with(id::EXTENDED_KEY_USAGE, false, &usages(&[]));
    let chain = [forged.key.sign(&none).unwrap()];
    assert_eq!(inbound(&generation, &chain), TrustReason::EkuUnsuitable);
}

#[test]
fn an_issuer_that_may_not_be_one_is_told_as_what_it_is() {
    let forged = Forged::new();
    let generation = forged.generation();
    let name = common_name(0x13, b"Odd CA");
    let leaf = CertificateFields::leaf(&name, FE01, &forged.below);
    let leaf = forged.below.sign(&leaf).unwrap();
    let sound = CertificateFields::authority(&forged.root, &name, &forged.below);
    let old = CertificateFields {
        version: None,
        extensions: Vec::new(),
        ..sound.clone()
    };
    let server = CertificateFields::blank(&forged.root, &name, &forged.below);
    let backwards = CertificateFields {
        validity: (moment(4_000_000_000), moment(0)),
        ..sound.clone()
    };
    let mute = sound.clone().with(id::KEY_USAGE, true, &[3, 2, 7, 0x80]);
    let critical = sound.clone().with(9, true, &[5, 0]);
    for (form, reason) in [
        (&sound, TrustReason::Accepted),
        (&old, TrustReason::CertificateVersion),
        (&server, TrustReason::AuthorityMisuse),
        (&backwards, TrustReason::PathInvalid),
        (&mute, TrustReason::KeyUsageUnsuitable),
        (&critical, TrustReason::UnknownCriticalExtension),
    ] {
        let ca = forged.key.sign(form).unwrap();
        let chain = [leaf.clone(), ca.clone()];
        assert_eq!(inbound(&generation, &chain), reason);
        // Beside a good certificate of the same CA it hinders nobody, in whatever order they come.
        let good = forged.key.sign(&sound).unwrap();
        let chains = [[&leaf, &ca, &good], [&leaf, &good, &ca]];
        for chain in chains.map(|chain| chain.map(Clone::clone)) {
            assert_eq!(inbound(&generation, &chain), TrustReason::Accepted);
        }
    }
}

#[test]
fn a_chain_that_ends_in_a_root_of_somebody_else_names_that_root() {
    let forged = Forged::new();
    let stranger = Authority::root("Stranger Root").unwrap();
    let issuing = stranger.subordinate("Stranger Issuing").unwrap();
    let mut chain = issuing.server(FE01).unwrap().chain;
    let told = |chain: &[CertificateDer<'_>]| {
        let presented = Presented::inbound(chain);
        let told = explain(
            &presented,
            Direction::Inbound,
            &forged.generation(),
            pki::now(),
        );
        (told.reason, told.detail.unwrap())
    };
    let unknown = |what: &str| ("unknown_issuer".to_owned(), what.to_owned());
    assert_eq!(told(&chain[..1]), unknown("issued by CN=Stranger Issuing"));
    assert_eq!(told(&chain), unknown("issued by CN=Stranger Root"));
    chain.push(stranger.certificate().clone());
    assert_eq!(
        told(&chain),
        unknown("the chain ends in CN=Stranger Root, which is no anchor here")
    );
}
