//! What must never cost much or change a verdict: huge certificates, odd names, the order and number of entries.
use super::{World, inbound, outbound};
use crate::topology::{PeerKind, Pin, Revocation, RevocationScope};
use crate::trust::{Generation, TrustReason};
use proptest::prelude::*;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use sipward_lab::pki::{Authority, CrlSpec, Issued, LeafSpec, pin};

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
    assert_eq!(
        inbound(&generation, &wide.chain),
        TrustReason::ChainTooLarge
    );
    let some = home.issue(&many(2_001)).unwrap();
    assert_eq!(inbound(&generation, &some.chain), TrustReason::TooManyNames);
    let large = [CertificateDer::from(vec![0x30; 1024 * 1024])];
    assert_eq!(inbound(&generation, &large), TrustReason::ChainTooLarge);
    let mut deep = home.clone();
    for level in 0..20 {
        deep = deep.subordinate(&format!("Level {level}")).unwrap();
    }
    let deep = deep.server(FE01).unwrap();
    assert_eq!(deep.chain.len(), 21);
    assert_eq!(inbound(&generation, &deep.chain), TrustReason::ChainTooLong);
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
        assert_eq!(named(name), TrustReason::NoUsableName, "{name}");
    }
    assert_eq!(named("XN--Bcher-KVA.test."), TrustReason::Accepted);
    assert_eq!(named("xn--bcher-kvb.test"), TrustReason::NotInTopology);
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
    assert_eq!(inbound(&generation, &leaf.chain), TrustReason::Accepted);
    assert_eq!(
        outbound(&generation, FE01, &leaf.chain),
        TrustReason::Accepted
    );
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
        assert_eq!(reason, TrustReason::AnchorNotForPeer);
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Nor does the order of what one entry holds: the anchors and CRLs of a set, the sets and pins of a peer, the names of
    /// a certificate and the issuers that it brings along.
    #[test]
    fn the_order_within_an_entry_changes_no_verdict(
        anchors in Just([0usize, 1, 2]).prop_shuffle(),
        crls in Just([0usize, 1, 2, 3, 4, 5, 6, 7]).prop_shuffle(),
        sets in Just([0usize, 1]).prop_shuffle(),
        pins in Just([0usize, 1, 2]).prop_shuffle(),
        names in Just([0usize, 1, 2, 3]).prop_shuffle(),
        issuers in Just([0usize, 1, 2]).prop_shuffle(),
    ) {
        let set = SET.get_or_init(Set::new);
        let plain = set.verdicts(&Order::default());
        prop_assert!(WITHIN.iter().all(|reason| plain.contains(reason)), "{:?}", plain);
        let order = Order { anchors, crls, sets, pins, names, issuers };
        let other = set.verdicts(&order);
        prop_assert_eq!(plain, other);
    }
}

/// What the certificates of [`Set`] come to, so that the property is about all of it.
const WITHIN: [TrustReason; 8] = [
    TrustReason::Accepted,
    TrustReason::UnknownIssuer,
    TrustReason::Revoked,
    TrustReason::CrlStale,
    TrustReason::CrlBadSignature,
    TrustReason::AmbiguousIdentity,
    TrustReason::PinMismatch,
    TrustReason::WildcardNotAllowed,
];

struct Order {
    anchors: [usize; 3],
    crls: [usize; 8],
    sets: [usize; 2],
    pins: [usize; 3],
    names: [usize; 4],
    issuers: [usize; 3],
}

impl Default for Order {
    fn default() -> Self {
        Self {
            anchors: [0, 1, 2],
            crls: [0, 1, 2, 3, 4, 5, 6, 7],
            sets: [0, 1],
            pins: [0, 1, 2],
            names: [0, 1, 2, 3],
            issuers: [0, 1, 2],
        }
    }
}

static SET: std::sync::OnceLock<Set> = std::sync::OnceLock::new();

/// One set of three CAs, of which two bear one name, with CRLs of every kind.
struct Set {
    anchors: [Authority; 3],
    issuing: Authority,
    stranger: Authority,
    revoked: Vec<CertificateDer<'static>>,
    twice: Vec<CertificateDer<'static>>,
    crls: [CertificateRevocationListDer<'static>; 8],
}

impl Set {
    fn new() -> Self {
        let home = Authority::root("Contoso Root").unwrap();
        let renewed = home.impostor().unwrap();
        let branch = Authority::root("Branch Root").unwrap();
        let issuing = home.subordinate("Contoso Issuing").unwrap();
        let (revoked, twice) = (home.server(FE01).unwrap(), issuing.server(FE01).unwrap());
        let crl = |of: &Authority, number: u64, ages: (i64, i64), revoked: &[&Issued]| {
            of.crl(&CrlSpec {
                number,
                this_update: ages.0,
                next_update: ages.1,
                revoked: revoked.iter().map(|issued| issued.serial.clone()).collect(),
                ..CrlSpec::default()
            })
            .unwrap()
        };
        let (new, old) = ((-3_600, 86_400), (-7_200, 86_400));
        let crls = [
            // The older one does not yet know of the revoked one.
            crl(&home, 1, old, &[]),
            crl(&home, 2, new, &[&revoked]),
            crl(&renewed, 1, (-7_200, -3_600), &[]),
            // Of one moment, and nothing tells them apart: what one of them revokes is revoked.
            crl(&issuing, 1, old, &[&twice]),
            crl(&issuing, 1, old, &[]),
            // Neither is used: of two reasons one is told.
            crl(&branch, 1, (7_200, 86_400), &[]),
            crl(&branch.impostor().unwrap(), 1, new, &[]),
            crl(&branch.impostor().unwrap(), 3, new, &[]),
        ];
        Self {
            anchors: [home, renewed, branch],
            issuing,
            stranger: Authority::root("Stranger Root").unwrap(),
            revoked: revoked.chain,
            twice: twice.chain,
            crls,
        }
    }

    fn generation(&self, order: &Order) -> Generation {
        let anchors = order.anchors.map(|at| &self.anchors[at]);
        let crls = order.crls.map(|at| self.crls[at].clone());
        let sets = order.sets.map(|at| ["a", "b"][at]);
        let keys = [
            Pin(pin(self.issuing.certificate())),
            Pin(pin(self.stranger.certificate())),
            Pin([7; 32]),
        ];
        let pins = order.pins.map(|at| keys[at]);
        World::default()
            .trust("a", &anchors)
            .revocation(Revocation::Require, RevocationScope::Chain, &crls)
            .trust("b", &[&self.anchors[2]])
            .revocation(Revocation::Require, RevocationScope::Chain, &crls)
            .peer(FE01, PeerKind::Home, &sets)
            .peer(EDGE, PeerKind::Federated, &sets)
            .peer(PINNED, PeerKind::Home, &sets)
            .with(|peer| peer.pins = pins.to_vec())
            .generation()
    }

    /// What is presented, each with its names and its issuers in this order.
    fn chains(&self, order: &Order) -> Vec<Vec<CertificateDer<'static>>> {
        let named = |by: &Authority, names: [&str; 4]| {
            let spec = LeafSpec {
                dns: order.names.map(|at| names[at].to_owned()).to_vec(),
                ..LeafSpec::server(FE01)
            };
            by.issue(&spec).unwrap().chain
        };
        let plain = [
            FE01,
            "a.elsewhere.test",
            "FE01.contoso.test.",
            "*.contoso.test",
        ];
        let both = [FE01, EDGE, "a.elsewhere.test", "b.elsewhere.test"];
        let wild = [
            "*.contoso.test",
            "a.elsewhere.test",
            "b.elsewhere.test",
            "*.elsewhere.test",
        ];
        let pinned = [
            PINNED,
            "a.elsewhere.test",
            "b.elsewhere.test",
            "c.elsewhere.test",
        ];
        let [home, renewed, branch] = &self.anchors;
        let mut chains: Vec<_> = [home, renewed, branch, &self.stranger]
            .iter()
            .flat_map(|by| [plain, both, wild, pinned].map(|names| named(by, names)))
            .collect();
        // The issuer among others that lead nowhere.
        let leaf = named(&self.issuing, plain);
        let above = [
            self.issuing.certificate().clone(),
            self.stranger.certificate().clone(),
            renewed.certificate().clone(),
        ];
        let mut mixed = vec![leaf[0].clone()];
        mixed.extend(order.issuers.map(|at| above[at].clone()));
        chains.extend([
            mixed,
            named(&self.issuing, pinned),
            self.revoked.clone(),
            self.twice.clone(),
        ]);
        chains
    }

    fn verdicts(&self, order: &Order) -> Vec<TrustReason> {
        let generation = self.generation(order);
        let both = |chain: &Vec<CertificateDer<'static>>| {
            [
                inbound(&generation, chain),
                outbound(&generation, FE01, chain),
                outbound(&generation, PINNED, chain),
            ]
        };
        self.chains(order).iter().flat_map(both).collect()
    }
}

const PINNED: &str = "pinned.contoso.test";

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
