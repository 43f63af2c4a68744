//! Staged trust: windows, pins and observed peers, in both directions, as decisions and as explanations.
use super::{World, inbound, inbound_at, later, outbound, outbound_at};
use crate::topology::{
    Direction, Expectation, NamePolicy, PeerKind, Pin, Revocation, RevocationScope, Stage, Window,
};
use crate::trust::{Generation, Presented, TrustReason, decide, explain};
use rustls_pki_types::CertificateDer;
use sipward_lab::pki::{self, Authority, LeafSpec, Usage};
use std::sync::Arc;

const FE01: &str = "fe01.contoso.test";
const OLD: &str = "old.contoso.test";

fn until(seconds: i64) -> Window {
    Window {
        not_before: None,
        not_after: Some(later(seconds).as_secs()),
    }
}

fn from(seconds: i64) -> Window {
    Window {
        not_before: Some(later(seconds).as_secs()),
        not_after: None,
    }
}

fn decision(generation: &Generation, chain: &[CertificateDer<'_>]) -> Arc<crate::trust::Decision> {
    let presented = Presented::inbound(chain);
    match decide(&presented, Direction::Inbound, generation, pki::now()) {
        Ok(peer) => Arc::clone(peer.decision()),
        Err(decision) => decision,
    }
}

#[test]
fn a_peer_counts_within_its_window_and_the_decision_ends_with_it() {
    let root = Authority::root("Contoso Root").unwrap();
    let leaf = root.server(FE01).unwrap();
    let generation = World::default()
        .trust("enterprise-ca", &[&root])
        .with_set(|s| s.window = until(5_000))
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .with(|p| p.window = until(3_000))
        .generation();
    assert_eq!(inbound(&generation, &leaf.chain), TrustReason::Accepted);
    let ends = decision(&generation, &leaf.chain).valid_until;
    assert_eq!(ends, Some(later(3_000).as_secs()));
    for ask in [
        inbound_at,
        |g: &Generation, c: &[CertificateDer<'_>], at| outbound_at(g, FE01, c, at),
    ] {
        let reason = ask(&generation, &leaf.chain, later(3_001));
        assert_eq!(reason, TrustReason::PeerNoLongerActive);
    }
}

#[test]
fn an_entry_outside_its_window_makes_no_name_ambiguous() {
    let root = Authority::root("Contoso Root").unwrap();
    let spec = LeafSpec {
        dns: vec![OLD.into(), FE01.into()],
        ..LeafSpec::server(FE01)
    };
    let leaf = root.issue(&spec).unwrap();
    let world = |window| {
        World::default()
            .trust("enterprise-ca", &[&root])
            .peer(OLD, PeerKind::Federated, &["enterprise-ca"])
            .with(|p| p.window = window)
            .peer(FE01, PeerKind::Home, &["enterprise-ca"])
            .generation()
    };
    let both = world(Window::default());
    assert_eq!(inbound(&both, &leaf.chain), TrustReason::AmbiguousIdentity);
    let one = world(until(-60));
    let said = decision(&one, &leaf.chain);
    assert_eq!(
        (said.reason, said.peer_name.as_deref()),
        (TrustReason::Accepted, Some(FE01))
    );
}

#[test]
fn of_two_sets_the_one_that_counts_vouches() {
    let old = Authority::root("Old Root").unwrap();
    let new = Authority::root("New Root").unwrap();
    let generation = World::default()
        .trust("new", &[&new])
        .with_set(|s| s.window = from(1_000))
        .trust("old", &[&old])
        .with_set(|s| s.window = until(2_000))
        .peer(FE01, PeerKind::Home, &["old", "new"])
        .generation();
    let (early, late) = (old.server(FE01).unwrap(), new.server(FE01).unwrap());
    for (seconds, of_old, of_new) in [
        (0, TrustReason::Accepted, TrustReason::TrustNotYetActive),
        (1_500, TrustReason::Accepted, TrustReason::Accepted),
        (
            2_500,
            TrustReason::TrustNoLongerActive,
            TrustReason::Accepted,
        ),
    ] {
        assert_eq!(
            inbound_at(&generation, &early.chain, later(seconds)),
            of_old
        );
        assert_eq!(inbound_at(&generation, &late.chain, later(seconds)), of_new);
    }
}

#[test]
fn a_pin_may_be_that_of_any_key_of_the_path() {
    let root = Authority::root("Contoso Root").unwrap();
    let issuing = root.subordinate("Contoso Issuing").unwrap();
    let leaf = issuing.server(FE01).unwrap();
    let other = issuing.server(FE01).unwrap();
    let world = |pins: Vec<Pin>| {
        World::default()
            .trust("enterprise-ca", &[&root])
            .peer(FE01, PeerKind::Home, &["enterprise-ca"])
            .with(|p| p.pins = pins)
            .generation()
    };
    for certificate in [&leaf.certificate, issuing.certificate(), root.certificate()] {
        let generation = world(vec![Pin([1; 32]), Pin(pki::pin(certificate))]);
        assert_eq!(inbound(&generation, &leaf.chain), TrustReason::Accepted);
        assert_eq!(
            outbound(&generation, FE01, &leaf.chain),
            TrustReason::Accepted
        );
    }
    let generation = world(vec![Pin(pki::pin(&leaf.certificate))]);
    for reason in [
        inbound(&generation, &other.chain),
        outbound(&generation, FE01, &other.chain),
    ] {
        assert_eq!(reason, TrustReason::PinMismatch);
    }
    let presented = Presented::inbound(&other.chain);
    let said = explain(&presented, Direction::Inbound, &generation, pki::now());
    let change = said.change.unwrap();
    assert_eq!(change.leads_to, "accepted");
    assert!(change.edits[0].contains(&Pin(pki::pin(&other.certificate)).to_string()));
}

#[test]
fn an_observed_peer_is_judged_as_written_and_told_what_the_strictest_rule_refuses() {
    let root = Authority::root("Contoso Root").unwrap();
    let server_only = |spec: LeafSpec| {
        root.issue(&LeafSpec {
            usages: vec![Usage::Server],
            ..spec
        })
        .unwrap()
    };
    let crl = root.crl(&pki::CrlSpec::default()).unwrap();
    let world = |stage, revocation, pins: Vec<Pin>| {
        World::default()
            .trust("enterprise-ca", &[&root])
            .revocation(
                revocation,
                RevocationScope::Leaf,
                std::slice::from_ref(&crl),
            )
            .peer(FE01, PeerKind::Home, &["enterprise-ca"])
            .with(|p| {
                p.names = NamePolicy::OneLabelWildcard;
                p.stage = stage;
                p.pins = pins;
            })
            .generation()
    };
    let good = root.server(FE01).unwrap();
    let wild = root.server("*.contoso.test").unwrap();
    let server = server_only(LeafSpec::server(FE01));
    let pinned = vec![Pin(pki::pin(&good.certificate))];
    for (chain, would) in [
        (&good.chain, None),
        (&wild.chain, Some(TrustReason::WildcardNotAllowed)),
        (&server.chain, Some(TrustReason::EkuUnsuitable)),
    ] {
        let observed = world(Stage::Observe, Revocation::Off, pinned.clone());
        let said = decision(&observed, chain);
        assert_eq!(said.reason, TrustReason::Accepted);
        assert_eq!(said.would_refuse.as_ref().map(|(reason, _)| *reason), would);
        let enforced = world(Stage::Enforce, Revocation::Off, Vec::new());
        assert!(decision(&enforced, chain).would_refuse.is_none());
    }
    let other = root.server(FE01).unwrap();
    let said = decision(
        &world(Stage::Observe, Revocation::Off, pinned),
        &other.chain,
    );
    assert_eq!(said.reason, TrustReason::Accepted);
    assert_eq!(
        said.would_refuse.as_ref().unwrap().0,
        TrustReason::PinMismatch
    );
}

#[test]
fn observing_loosens_nothing_but_the_pins() {
    let root = Authority::root("Contoso Root").unwrap();
    let stranger = Authority::root("Stranger Root").unwrap();
    let generation = World::default()
        .trust("enterprise-ca", &[&root])
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .with(|p| p.stage = Stage::Observe)
        .generation();
    let wild = root.server("*.contoso.test").unwrap();
    assert_eq!(
        inbound(&generation, &wild.chain),
        TrustReason::WildcardNotAllowed
    );
    let foreign = stranger.server(FE01).unwrap();
    assert_eq!(
        inbound(&generation, &foreign.chain),
        TrustReason::UnknownIssuer
    );
}

#[test]
fn an_observed_peer_hears_of_revocation_that_its_set_does_not_check() {
    let root = Authority::root("Contoso Root").unwrap();
    let leaf = root.server(FE01).unwrap();
    let generation = World::default()
        .trust("enterprise-ca", &[&root])
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .with(|p| p.stage = Stage::Observe)
        .generation();
    let said = decision(&generation, &leaf.chain);
    assert_eq!(said.reason, TrustReason::Accepted);
    assert_eq!(
        said.would_refuse.as_ref().unwrap().0,
        TrustReason::CrlMissing
    );
}

#[test]
fn expectations_may_name_a_time_and_a_peer() {
    let root = Authority::root("Contoso Root").unwrap();
    let leaf = root.server(FE01).unwrap();
    let build = |at, peer: Option<&str>, accept, reason: Option<&str>| {
        let mut topology = World::default()
            .trust("enterprise-ca", &[&root])
            .peer(FE01, PeerKind::Home, &["enterprise-ca"])
            .peer(OLD, PeerKind::Home, &["enterprise-ca"])
            .topology();
        let peer = peer.map(|fqdn| topology.peer_by_name(fqdn).unwrap());
        topology.expectations.push(Expectation {
            name: None,
            identity: None,
            at,
            peer,
            chain: leaf.chain.clone(),
            certificate: "fe01.pem".into(),
            direction: Direction::Inbound,
            accept,
            reason: reason.map(str::to_owned),
            line: 42,
        });
        Generation::build(7, topology, pki::now())
            .map(|_| ())
            .map_err(|faults| faults[0].what.clone())
    };
    let late = Some(later(91 * 86_400));
    assert!(build(late, None, false, Some("expired")).is_ok());
    assert!(build(None, Some(FE01), true, None).is_ok());
    let said = build(None, Some(OLD), true, None).unwrap_err();
    assert!(said.contains("accepted for fe01.contoso.test"), "{said}");
    let said = build(None, None, false, Some("expird")).unwrap_err();
    assert!(said.contains("did you mean `expired`"), "{said}");
}

#[test]
fn the_forecast_tells_what_ends_next_and_windows_turn_verdicts() {
    let root = Authority::root("Contoso Root").unwrap();
    let crl = root.crl(&pki::CrlSpec::default()).unwrap();
    let generation = World::default()
        .trust("enterprise-ca", &[&root])
        .revocation(Revocation::Require, RevocationScope::Leaf, &[crl])
        .with_set(|s| s.window = until(3_000))
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .with(|p| p.window = until(2_000))
        .generation();
    let ends = generation.forecast(pki::now());
    let kinds: Vec<&str> = ends.iter().map(|end| end.kind).collect();
    assert_eq!(kinds, ["peer_window", "trust_window", "crl", "anchor"]);
    assert_eq!((ends[0].line, ends[1].line), (100, 10));
    let turn = generation.next_turn(pki::now());
    assert_eq!(turn, Some(later(2_001).as_secs()));
    assert_eq!(
        generation.next_turn(later(2_001)),
        Some(later(3_001).as_secs())
    );
    assert!(generation.forecast(later(4_000 * 86_400)).is_empty());
}
