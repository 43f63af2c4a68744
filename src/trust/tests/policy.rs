//! What a decision tells, what a generation refuses, and what must not matter.
use super::{World, inbound, later, outbound};
use crate::topology::{
    Direction, DnsName, Domain, Expectation, NamePolicy, PeerKind, Revocation, RevocationScope,
};
use crate::trust::{Before, Generation, MatchedKind, Presented, TrustReason, Verdict, decide};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use sipward_lab::pki::{self, Authority, CrlSpec, Issued, LeafSpec};
use std::sync::Arc;

const FE01: &str = "fe01.contoso.test";
const FE02: &str = "fe02.contoso.test";
const EDGE: &str = "edge.fabrikam.test";

fn expectation(
    leaf: &Issued,
    direction: Direction,
    accept: bool,
    reason: Option<&str>,
) -> Expectation {
    Expectation {
        name: None,
        identity: None,
        at: None,
        peer: None,
        chain: leaf.chain.clone(),
        certificate: "lab.pem".into(),
        direction,
        accept,
        reason: reason.map(str::to_owned),
        line: 42,
    }
}

#[test]
fn an_accepted_decision_tells_all_that_it_rests_on() {
    let root = Authority::root("Contoso Root").unwrap();
    let issuing = root.subordinate("Contoso Issuing").unwrap();
    let leaf = issuing.server(FE01).unwrap();
    let crls = [
        root.crl(&CrlSpec::default()).unwrap(),
        issuing.crl(&CrlSpec::default()).unwrap(),
    ];
    let generation = World::default()
        .trust("enterprise-ca", &[&root])
        .revocation(Revocation::Require, RevocationScope::Chain, &crls)
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .generation();
    let id = decide(
        &Presented::inbound(&leaf.chain),
        Direction::Inbound,
        &generation,
        pki::now(),
    )
    .unwrap();
    let decision = id.decision();
    assert_eq!(generation.topology().peer(id.peer()).fqdn.as_str(), FE01);
    assert_eq!(decision.verdict, Verdict::Accept);
    assert_eq!(decision.reason, TrustReason::Accepted);
    assert_eq!(decision.peer_name.as_deref(), Some(FE01));
    assert_eq!(decision.matched, Some((FE01.to_owned(), MatchedKind::Dns)));
    assert_eq!(decision.names, [FE01]);
    assert_eq!(
        decision.subjects,
        ["CN=fe01.contoso.test", "CN=Contoso Issuing"]
    );
    assert_eq!(decision.fingerprints.len(), 2);
    assert!(decision.fingerprints.iter().all(|f| f.len() == 64));
    let anchor = ("enterprise-ca".to_owned(), "CN=Contoso Root".to_owned());
    assert_eq!(decision.anchor, Some(anchor));
    let (issuer, age) = decision.crl.clone().unwrap();
    assert_eq!(issuer, "CN=Contoso Issuing");
    assert!((59..120).contains(&age), "{age}");
    assert_eq!(decision.purpose, Some("clientAuth"));
    assert_eq!(decision.generation, 7);
    assert_eq!(decision.line, Some(100));
    let ends = later(90 * 86_400).as_secs();
    assert!(ends.abs_diff(decision.valid_until.unwrap()) < 60);
}

#[test]
fn a_decision_stands_no_longer_than_its_shortest_certificate() {
    let root = Authority::root("Contoso Root").unwrap();
    let issuing = root
        .subordinate_with(pki::AuthoritySpec {
            not_after: 1_000,
            ..pki::AuthoritySpec::named("Brief CA")
        })
        .unwrap();
    let leaf = issuing.server(FE01).unwrap();
    let generation = World::default()
        .trust("enterprise-ca", &[&root])
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .generation();
    let presented = Presented::inbound(&leaf.chain);
    let id = decide(&presented, Direction::Inbound, &generation, pki::now()).unwrap();
    let ends = id.decision().valid_until.unwrap();
    assert!(later(1_000).as_secs().abs_diff(ends) < 60);
}

#[test]
fn ids_tell_decisions_apart_and_repeat_for_the_same_one() {
    let root = Authority::root("Contoso Root").unwrap();
    let leaf = root.server(FE01).unwrap();
    let generation = World::default()
        .trust("enterprise-ca", &[&root])
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .generation();
    let peer = generation.topology().peer_by_name(FE01).unwrap();
    let ask = |presented: Presented<'_>, direction| match decide(
        &presented,
        direction,
        &generation,
        pki::now(),
    ) {
        Ok(id) => id.decision().id.clone(),
        Err(decision) => decision.id.clone(),
    };
    let coming = ask(Presented::inbound(&leaf.chain), Direction::Inbound);
    assert_eq!(coming.len(), 16);
    assert_eq!(
        coming,
        ask(Presented::inbound(&leaf.chain), Direction::Inbound)
    );
    assert_ne!(
        coming,
        ask(Presented::outbound(&leaf.chain, peer), Direction::Outbound)
    );
    assert_ne!(coming, ask(Presented::inbound(&[]), Direction::Inbound));
}

#[test]
fn a_mismatch_says_whose_names_they_are() {
    let root = Authority::root("Contoso Root").unwrap();
    let generation = World::default()
        .trust("enterprise-ca", &[&root])
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .peer(FE02, PeerKind::Home, &["enterprise-ca"])
        .generation();
    let peer = generation.topology().peer_by_name(FE01).unwrap();
    let leaf = root.server(FE02).unwrap();
    let presented = Presented::outbound(&leaf.chain, peer);
    let decision = decide(&presented, Direction::Outbound, &generation, pki::now()).unwrap_err();
    assert_eq!(decision.reason, TrustReason::NameMismatch);
    assert!(decision.detail.as_deref().unwrap().contains(FE02));
    assert_eq!(decision.peer, Some(peer));
}

#[test]
fn a_covered_name_is_proven_as_the_entrys_own_would_be() {
    let (root, other) = (
        Authority::root("Contoso Root").unwrap(),
        Authority::root("Other Root").unwrap(),
    );
    let generation = World::default()
        .trust("fabrikam-ca", &[&root])
        .trust("other-ca", &[&other])
        .peer("edge.fabrikam.test", PeerKind::Federated, &["fabrikam-ca"])
        .with(|peer| peer.covers = vec![Domain::parse_pattern("*.region.test").unwrap()])
        .peer(FE01, PeerKind::Home, &["other-ca"])
        .generation();
    let peer = generation.topology().peer_by_name("edge.fabrikam.test");
    let ask = |ca: &Authority, certified: &str, dialled: &str| {
        let leaf = ca.server(certified).unwrap();
        let name = DnsName::parse(dialled).unwrap();
        let presented = Presented {
            expected: peer,
            name: Some(&name),
            ..Presented::inbound(&leaf.chain)
        };
        decide(&presented, Direction::Outbound, &generation, pki::now())
    };
    let accepted = ask(&root, "a.region.test", "a.region.test").unwrap();
    assert_eq!(accepted.name().map(DnsName::as_str), Some("a.region.test"));
    let decision = accepted.decision();
    assert_eq!(decision.peer_name.as_deref(), Some("edge.fabrikam.test"));
    for (ca, certified, dialled, reason) in [
        (
            &root,
            "edge.fabrikam.test",
            "a.region.test",
            TrustReason::NameMismatch,
        ),
        (
            &root,
            "b.region.test",
            "a.region.test",
            TrustReason::NameMismatch,
        ),
        (
            &other,
            "a.region.test",
            "a.region.test",
            TrustReason::AnchorNotForPeer,
        ),
        (
            &root,
            "a.other.test",
            "a.other.test",
            TrustReason::NotInTopology,
        ),
        (
            &root,
            "region.test",
            "region.test",
            TrustReason::NotInTopology,
        ),
    ] {
        let refused = ask(ca, certified, dialled).unwrap_err();
        assert_eq!(refused.reason, reason, "{certified} for {dialled}");
        assert_eq!(refused.peer, peer);
        assert_ne!(refused.id, decision.id);
    }
    // Nobody comes in by such a name.
    let leaf = root.server("a.region.test").unwrap();
    let presented = Presented::inbound(&leaf.chain);
    let inbound = decide(&presented, Direction::Inbound, &generation, pki::now());
    assert_eq!(inbound.unwrap_err().reason, TrustReason::NotInTopology);
}

#[test]
fn any_one_trust_set_of_a_peer_may_vouch() {
    let old = Authority::root("Old Root").unwrap();
    let new = Authority::root("New Root").unwrap();
    let generation = World::default()
        .trust("old", &[&old])
        .revocation(Revocation::Require, RevocationScope::Chain, &[])
        .trust("new", &[&new])
        .peer(FE01, PeerKind::Home, &["old", "new"])
        .generation();
    let leaf = new.server(FE01).unwrap();
    assert_eq!(inbound(&generation, &leaf.chain), TrustReason::Accepted);
    // The set that got further tells the reason.
    let leaf = old.server(FE01).unwrap();
    assert_eq!(inbound(&generation, &leaf.chain), TrustReason::CrlMissing);
}

#[test]
fn a_second_path_serves_when_the_first_is_expired_or_revoked() {
    let root = Authority::root("Contoso Root").unwrap();
    let other = Authority::root("Other Root").unwrap();
    let issuing = root.subordinate("Contoso Issuing").unwrap();
    let leaf = issuing.server(FE01).unwrap();
    for (not_after, revoked) in [(-60, false), (3_600, true)] {
        // The same CA, its key certified by another root; that certificate is no longer good.
        let crossed = issuing.certified_by(&other, -9_000, not_after).unwrap();
        let list = CrlSpec {
            revoked: if revoked {
                vec![crossed.serial().clone()]
            } else {
                Vec::new()
            },
            ..CrlSpec::default()
        };
        let crls: Vec<CertificateRevocationListDer<'static>> = vec![
            other.crl(&list).unwrap(),
            root.crl(&CrlSpec::default()).unwrap(),
            issuing.crl(&CrlSpec::default()).unwrap(),
        ];
        let generation = World::default()
            .trust("both", &[&other, &root])
            .revocation(Revocation::Require, RevocationScope::Chain, &crls)
            .peer(FE01, PeerKind::Home, &["both"])
            .generation();
        let mut chain = vec![leaf.certificate.clone(), crossed.certificate().clone()];
        let reason = if revoked {
            TrustReason::Revoked
        } else {
            TrustReason::Expired
        };
        assert_eq!(inbound(&generation, &chain), reason);
        chain.push(issuing.certificate().clone());
        assert_eq!(inbound(&generation, &chain), TrustReason::Accepted);
    }
}

#[test]
fn peers_of_equal_rights_may_share_a_certificate() {
    let root = Authority::root("Contoso Root").unwrap();
    let leaf = root
        .issue(&LeafSpec {
            dns: vec![FE02.into(), FE01.into()],
            ..LeafSpec::default()
        })
        .unwrap();
    let generation = World::default()
        .trust("enterprise-ca", &[&root])
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .peer(FE02, PeerKind::Home, &["enterprise-ca"])
        .generation();
    let id = decide(
        &Presented::inbound(&leaf.chain),
        Direction::Inbound,
        &generation,
        pki::now(),
    )
    .unwrap();
    assert_eq!(
        id.decision().peer_name.as_deref(),
        Some(FE02),
        "the certificate's first name"
    );
    assert_eq!(
        outbound(&generation, FE01, &leaf.chain),
        TrustReason::Accepted
    );
    let differing = World::default()
        .trust("enterprise-ca", &[&root])
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .peer(FE02, PeerKind::Home, &["enterprise-ca"])
        .with(|p| p.assert_identity = false)
        .generation();
    assert_eq!(
        inbound(&differing, &leaf.chain),
        TrustReason::AmbiguousIdentity
    );
}

#[test]
fn certificates_that_would_speak_for_entries_of_different_rights_are_noted() {
    let root = Authority::root("Contoso Root").unwrap();
    let wildcard = NamePolicy::OneLabelWildcard;
    let notes = |names: [NamePolicy; 2], differ: bool, expected: Vec<Expectation>| {
        let mut world = World::default()
            .trust("enterprise-ca", &[&root])
            .peer(FE01, PeerKind::Home, &["enterprise-ca"])
            .with(|p| p.names = names[0])
            .peer(FE02, PeerKind::Home, &["enterprise-ca"])
            .with(|p| p.names = names[1])
            .with(|p| p.assert_identity ^= differ);
        world.expectations = expected;
        let generation = world.generation();
        let notes = generation.notes().iter();
        let notes = notes.filter(|note| note.code == "ambiguous_identity");
        notes
            .map(|note| (note.what.clone(), note.line))
            .collect::<Vec<_>>()
    };
    let both =
        format!("speaks for {FE01} and {FE02}, which grant different things: it will be refused");
    assert_eq!(
        notes([wildcard; 2], true, Vec::new()),
        [(
            format!("a certificate for *.contoso.test {both}"),
            Some(100)
        )]
    );
    for quiet in [
        notes([wildcard; 2], false, Vec::new()),
        notes([wildcard, NamePolicy::Exact], true, Vec::new()),
        notes([NamePolicy::Exact; 2], true, Vec::new()),
    ] {
        assert_eq!(quiet, []);
    }
    let pair = LeafSpec {
        dns: [FE01, FE02].map(str::to_owned).to_vec(),
        ..LeafSpec::server(FE01)
    };
    let pair = root.issue(&pair).unwrap();
    let expect = |reason| vec![expectation(&pair, Direction::Inbound, false, reason)];
    let exact = [NamePolicy::Exact; 2];
    assert_eq!(
        notes(exact, true, expect(None)),
        [(format!("lab.pem {both}"), Some(100))]
    );
    assert_eq!(notes(exact, true, expect(Some("ambiguous_identity"))), []);
}

#[test]
fn neither_the_order_of_the_file_nor_another_entry_changes_a_verdict() {
    let home = Authority::root("Contoso Root").unwrap();
    let partner = Authority::root("Fabrikam Root").unwrap();
    let stranger = Authority::root("Stranger Root").unwrap();
    let chains: Vec<Vec<CertificateDer<'static>>> = [&home, &partner, &stranger]
        .iter()
        .flat_map(|ca| [FE01, EDGE, "evil.test"].map(|name| ca.server(name).unwrap().chain))
        .collect();
    let judge = |world: World| -> Vec<(TrustReason, Option<String>)> {
        let generation = world.generation();
        chains
            .iter()
            .map(|chain| {
                let presented = Presented::inbound(chain);
                match decide(&presented, Direction::Inbound, &generation, pki::now()) {
                    Ok(id) => (TrustReason::Accepted, id.decision().peer_name.clone()),
                    Err(decision) => (decision.reason, decision.peer_name.clone()),
                }
            })
            .collect()
    };
    let forth = judge(
        World::default()
            .trust("a", &[&home])
            .trust("b", &[&partner])
            .peer(FE01, PeerKind::Home, &["a"])
            .peer(EDGE, PeerKind::Federated, &["b"]),
    );
    let back = judge(
        World::default()
            .trust("b", &[&partner])
            .trust("a", &[&home])
            .peer(EDGE, PeerKind::Federated, &["b"])
            .peer(FE01, PeerKind::Home, &["a"]),
    );
    assert_eq!(forth, back);
    let accepted = |verdicts: &[(TrustReason, Option<String>)]| -> Vec<bool> {
        verdicts
            .iter()
            .map(|(r, _)| *r == TrustReason::Accepted)
            .collect()
    };
    // A third party with a CA of its own gains a say about nobody else.
    let more = judge(
        World::default()
            .trust("c", &[&stranger])
            .peer("sip.woodgrove.test", PeerKind::Federated, &["c"])
            .trust("a", &[&home])
            .trust("b", &[&partner])
            .peer(FE01, PeerKind::Home, &["a"])
            .peer(EDGE, PeerKind::Federated, &["b"]),
    );
    assert_eq!(accepted(&forth), accepted(&more));
    assert_eq!(accepted(&forth).iter().filter(|a| **a).count(), 2);
}

#[test]
fn expectations_that_fail_keep_a_generation_from_being_built() {
    let home = Authority::root("Contoso Root").unwrap();
    let listed = home.server(FE01).unwrap();
    let rogue = home.server("evil.test").unwrap();
    let world = |expectations| {
        let mut world = World::default().trust("enterprise-ca", &[&home]).peer(
            FE01,
            PeerKind::Home,
            &["enterprise-ca"],
        );
        world.expectations = expectations;
        world.build()
    };
    let met = vec![
        expectation(&listed, Direction::Inbound, true, None),
        expectation(&listed, Direction::Outbound, true, Some("accepted")),
        expectation(&rogue, Direction::Inbound, false, None),
        expectation(&rogue, Direction::Outbound, false, Some("not_in_topology")),
    ];
    assert!(world(met).is_ok());
    let unmet = vec![
        expectation(&rogue, Direction::Inbound, true, None),
        expectation(&rogue, Direction::Inbound, false, Some("expired")),
    ];
    let faults = world(unmet).unwrap_err();
    assert_eq!(faults.len(), 2);
    for fault in faults {
        assert_eq!(
            (fault.code.code(), fault.line),
            ("expectation_failed", Some(42))
        );
        assert!(fault.what.contains("not_in_topology"), "{}", fault.what);
    }
}

#[test]
fn at_the_start_only_who_gets_in_against_an_expectation_is_a_fault() {
    let home = Authority::root("Contoso Root").unwrap();
    let listed = home.server(FE01).unwrap();
    let rogue = home.server("evil.test").unwrap();
    let start = |expectations| {
        let mut world = World::default().trust("enterprise-ca", &[&home]).peer(
            FE01,
            PeerKind::Home,
            &["enterprise-ca"],
        );
        world.expectations = expectations;
        Generation::build_at_start(Before::default(), 1, world.topology(), pki::now())
    };
    let out = start(vec![expectation(&rogue, Direction::Inbound, true, None)]);
    let notes: Vec<_> = out
        .unwrap()
        .notes()
        .iter()
        .map(|note| note.code.code())
        .collect();
    assert!(notes.contains(&"expectation_failed"), "{notes:?}");
    let inside = start(vec![expectation(&listed, Direction::Inbound, false, None)]);
    assert_eq!(inside.unwrap_err().len(), 1);
}

#[test]
fn an_anchor_that_cannot_be_used_is_named() {
    let home = Authority::root("Contoso Root").unwrap();
    let mut world = World::default().trust("enterprise-ca", &[&home]);
    world.trusts[0]
        .anchors
        .push(CertificateDer::from(vec![0x30, 0x00]));
    let faults = world.build().unwrap_err();
    let codes: Vec<_> = faults.iter().map(|f| (f.code.code(), f.line)).collect();
    assert_eq!(codes, [("anchor_malformed", Some(10))]);
}

#[test]
fn a_generation_notes_stale_foreign_and_absent_crls() {
    let home = Authority::root("Contoso Root").unwrap();
    let stale = CrlSpec {
        this_update: -7_200,
        next_update: -3_600,
        ..CrlSpec::default()
    };
    let crls = [
        home.crl(&stale).unwrap(),
        home.impostor().unwrap().crl(&CrlSpec::default()).unwrap(),
    ];
    let old = Authority::root_with(pki::AuthoritySpec {
        not_after: -60,
        ..pki::AuthoritySpec::named("Old Root")
    })
    .unwrap();
    let generation = World::default()
        .trust("enterprise-ca", &[&home])
        .revocation(Revocation::Require, RevocationScope::Chain, &crls)
        .trust("bare", &[&old])
        .revocation(Revocation::Require, RevocationScope::Chain, &[])
        .generation();
    let notes: Vec<_> = generation
        .notes()
        .iter()
        .map(|n| (n.code.code(), n.line))
        .collect();
    assert_eq!(
        notes,
        [
            ("anchor_expired", Some(11)),
            ("crl_bad_signature", Some(10)),
            ("crl_stale", Some(10)),
            ("crl_absent", Some(11)),
        ]
    );
}

#[test]
fn a_ca_without_a_crl_is_noted_where_its_set_has_those_of_another() {
    let (home, other) = (
        Authority::root("Contoso Root").unwrap(),
        Authority::root("Fabrikam Root").unwrap(),
    );
    for (scope, noted) in [(RevocationScope::Chain, 1), (RevocationScope::Leaf, 1)] {
        for (by, noted) in [(&other, noted), (&home, 0)] {
            let crl = by.crl(&CrlSpec::default()).unwrap();
            let generation = World::default()
                .trust("enterprise-ca", &[&home])
                .revocation(Revocation::Require, scope, &[crl])
                .generation();
            let notes = generation.notes().iter();
            let absent: Vec<_> = notes.filter(|note| note.code == "crl_absent").collect();
            assert_eq!(absent.len(), noted, "{absent:?}");
            assert!(
                absent
                    .iter()
                    .all(|note| note.what.contains("no CRL of CN=Contoso Root;")),
                "{absent:?}"
            );
        }
    }
}

#[test]
fn a_stored_chain_is_judged_again_by_the_next_generation() {
    let home = Authority::root("Contoso Root").unwrap();
    let leaf = home.server(FE01).unwrap();
    let world = |crl: &CrlSpec| {
        let crls = [home.crl(crl).unwrap()];
        World::default()
            .trust("enterprise-ca", &[&home])
            .revocation(Revocation::Require, RevocationScope::Chain, &crls)
            .peer(FE01, PeerKind::Home, &["enterprise-ca"])
            .generation()
    };
    let stored: Arc<Vec<CertificateDer<'static>>> = Arc::new(leaf.chain.clone());
    assert_eq!(
        inbound(&world(&CrlSpec::default()), &stored),
        TrustReason::Accepted
    );
    let revoking = CrlSpec {
        revoked: vec![leaf.serial.clone()],
        ..CrlSpec::default()
    };
    assert_eq!(inbound(&world(&revoking), &stored), TrustReason::Revoked);
}
