//! What must never cost much or change a verdict: huge certificates, odd names, the order and number of entries.
use super::{World, inbound, outbound};
use crate::lab::pki::{Authority, LeafSpec};
use crate::topology::PeerKind;
use crate::trust::Reason;
use proptest::prelude::*;
use rustls_pki_types::CertificateDer;

const FE01: &str = "fe01.contoso.test";
const EDGE: &str = "edge.fabrikam.test";

/// The enterprise and its home server, a partner and its edge.
fn two(home: &Authority, partner: &Authority) -> World {
    World::default()
        .trust("enterprise-ca", &[home])
        .trust("fabrikam-ca", &[partner])
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .peer(EDGE, PeerKind::Federated, &["fabrikam-ca"])
}

#[test]
fn what_is_too_much_is_refused_before_it_is_worked_through() {
    let home = Authority::root("Contoso Root").unwrap();
    let generation = two(&home, &home).generation();
    let many = |count: usize| LeafSpec {
        dns: (0..count).map(|n| format!("n{n}.contoso.test")).collect(),
        ..LeafSpec::server(FE01)
    };
    let wide = home.issue(&many(10_000)).unwrap();
    assert_eq!(inbound(&generation, &wide.chain), Reason::ChainTooLarge);
    let some = home.issue(&many(1_000)).unwrap();
    assert_eq!(inbound(&generation, &some.chain), Reason::TooManyNames);
    let large = [CertificateDer::from(vec![0x30; 1024 * 1024])];
    assert_eq!(inbound(&generation, &large), Reason::ChainTooLarge);
    let mut deep = home.clone();
    for level in 0..20 {
        deep = deep.subordinate(&format!("Level {level}")).unwrap();
    }
    let deep = deep.server(FE01).unwrap();
    assert_eq!(deep.chain.len(), 21);
    assert_eq!(inbound(&generation, &deep.chain), Reason::ChainTooLong);
}

#[test]
fn names_that_no_entry_can_have_speak_for_nobody() {
    let home = Authority::root("Contoso Root").unwrap();
    let generation = two(&home, &home)
        .peer(
            "xn--bcher-kva.test",
            PeerKind::Federated,
            &["enterprise-ca"],
        )
        .generation();
    let named = |name: &str| {
        let spec = LeafSpec {
            dns: vec![name.to_owned()],
            ..LeafSpec::default()
        };
        inbound(&generation, &home.issue(&spec).unwrap().chain)
    };
    let long = format!("{}{FE01}", "a.".repeat(150));
    for name in [
        "fe01..contoso.test",
        ".fe01.contoso.test",
        "192.0.2.1",
        &long,
    ] {
        assert_eq!(named(name), Reason::NoUsableName, "{name}");
    }
    assert_eq!(named("XN--Bcher-KVA.test."), Reason::Accepted);
    assert_eq!(named("xn--bcher-kvb.test"), Reason::NotInTopology);
}

#[test]
fn a_listed_name_that_stands_second_counts_and_the_first_one_gains_nothing() {
    let home = Authority::root("Contoso Root").unwrap();
    let partner = Authority::root("Fabrikam Root").unwrap();
    let generation = two(&home, &partner).generation();
    let spec = LeafSpec {
        dns: vec!["www.contoso.test".into(), FE01.into()],
        ..LeafSpec::default()
    };
    let leaf = home.issue(&spec).unwrap();
    assert_eq!(inbound(&generation, &leaf.chain), Reason::Accepted);
    assert_eq!(outbound(&generation, FE01, &leaf.chain), Reason::Accepted);
}

#[test]
fn a_partners_subordinate_that_bears_the_enterprises_name_vouches_for_no_home_server() {
    let home = Authority::root("Contoso Root").unwrap();
    let partner = Authority::root("Fabrikam Root").unwrap();
    let generation = two(&home, &partner).generation();
    let bearer = partner.subordinate("Contoso Root").unwrap();
    let leaf = bearer.server(FE01).unwrap();
    for reason in [
        inbound(&generation, &leaf.chain),
        outbound(&generation, FE01, &leaf.chain),
    ] {
        assert_eq!(reason, Reason::AnchorNotForPeer);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Neither the order of sets and peers nor entries that concern somebody else change a verdict.
    #[test]
    fn order_and_other_entries_change_no_verdict(
        order in Just(vec![0usize, 1, 2]).prop_shuffle(),
        peers in Just(vec![0usize, 1, 2]).prop_shuffle(),
        others in 0usize..3,
    ) {
        let pki = PKI.get_or_init(Pki::new);
        let world = |order: &[usize], peers: &[usize], others: usize| {
            let mut world = World::default();
            for at in order {
                world = world.trust(NAMES[*at], &[&pki.roots[*at]]);
            }
            for other in 0..others {
                world = world.trust(&format!("other-{other}"), &[&pki.other]);
                world = world.peer(&format!("o{other}.other.test"), PeerKind::Federated, &[&format!("other-{other}")]);
            }
            for at in peers {
                world = world.peer(FQDNS[*at], PeerKind::Federated, &[NAMES[*at]]);
            }
            world.generation()
        };
        let plain = world(&[0, 1, 2], &[0, 1, 2], 0);
        let other = world(&order, &peers, others);
        for chain in &pki.chains {
            let (before, after) = (inbound(&plain, chain), inbound(&other, chain));
            prop_assert_eq!(before, after);
        }
    }
}

const NAMES: [&str; 3] = ["a", "b", "c"];
const FQDNS: [&str; 3] = [FE01, EDGE, "sip.woodgrove.test"];

/// Made once: keys take time.
static PKI: std::sync::OnceLock<Pki> = std::sync::OnceLock::new();

struct Pki {
    roots: Vec<Authority>,
    other: Authority,
    chains: Vec<Vec<CertificateDer<'static>>>,
}

impl Pki {
    /// Three CAs, and each name issued by each of them.
    fn new() -> Self {
        let root = |name: &&str| Authority::root(name).unwrap();
        let roots: Vec<Authority> = NAMES.iter().map(root).collect();
        let chains = roots
            .iter()
            .flat_map(|ca| FQDNS.map(|fqdn| ca.server(fqdn).unwrap().chain))
            .collect();
        Self {
            roots,
            other: Authority::root("Other Root").unwrap(),
            chains,
        }
    }
}
