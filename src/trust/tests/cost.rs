//! What a chain may cost: steps are counted, whatever a stranger presents.
use super::World;
use crate::topology::{Direction, PeerKind};
use crate::trust::budget::MOST_STEPS;
use crate::trust::certificate::chain::ParsedChain;
use crate::trust::certificate::chain::{Chain, MAX_BYTES};
use crate::trust::decision::{decide::conclude, question::TrustQuestion};
use crate::trust::explain::smallest_change::smallest_change;
use crate::trust::trace::recorder::Trace;
use crate::trust::{Generation, Presented, TrustReason};
use rustls_pki_types::CertificateDer;
use sipward_lab::forge::{
    CertificateFields, KeyKind, SigningKey, common_name, constraints, id, name, names,
};
use sipward_lab::pki::{self, Authority};

const FE01: &str = "fe01.contoso.test";

/// The reason, the steps of the decision, and those of the decision with its explanation.
fn cost(generation: &Generation, chain: &[CertificateDer<'_>]) -> (TrustReason, u32, u32) {
    let parsed = Chain::parse(chain);
    let question = TrustQuestion {
        presented: &Presented::inbound(chain),
        chain: &parsed,
        direction: Direction::Inbound,
        generation,
        at: pki::now(),
    };
    let decision = match conclude(&question, &Trace::on()) {
        Ok(peer) => std::sync::Arc::clone(peer.decision()),
        Err(decision) => decision,
    };
    let spent =
        |parsed: &ParsedChain<'_>| parsed.as_ref().map_or(0, |chain| chain.budget().spent());
    let decided = spent(&parsed);
    smallest_change(&question, &decision);
    (decision.reason, decided, spent(&parsed))
}

/// A peer with two sets, and one set that is not its own.
fn generation(anchors: &[CertificateDer<'static>]) -> Generation {
    World::default()
        .trust_in("one", anchors)
        .trust_in("two", anchors)
        .trust_in("other", anchors)
        .peer(FE01, PeerKind::Home, &["one", "two"])
        .generation()
}

#[test]
fn the_worst_chains_end_within_the_budget_of_one_judgement() {
    let root = Authority::root("Contoso Root").unwrap();
    let generation = generation(&[root.certificate().clone()]);
    let same = common_name(0x0c, b"Same");
    let circle = |kind: KeyKind, padding: u16| -> Vec<CertificateDer<'static>> {
        let keys: Vec<SigningKey> = (0..9).map(|_| SigningKey::new(kind).unwrap()).collect();
        let by = |n: usize| &keys[n % 9];
        let leaf = CertificateFields::leaf(&same, FE01, by(0)).padded(padding);
        let mut chain = vec![by(0).sign(&leaf).unwrap()];
        chain.extend((0..9).map(|n| {
            let mut ca = CertificateFields::authority(&same, &same, by(n)).padded(padding);
            if n == 8 {
                ca.validity = (
                    sipward_lab::forge::moment(0),
                    sipward_lab::forge::moment(70_000_000),
                );
            }
            by(n + 1).sign(&ca).unwrap()
        }));
        chain
    };
    // As a stranger sent them: padded CAs of one name, one of which ended in 1972.
    let padded = circle(KeyKind::P256, 340);
    let octets: usize = padded.iter().map(|c| c.len()).sum();
    assert!((50_000..=MAX_BYTES).contains(&octets), "{octets}");
    let (reason, decided, all) = cost(&generation, &padded);
    assert_eq!(reason, TrustReason::UnknownIssuer);
    assert!(decided < MOST_STEPS && all < MOST_STEPS, "{decided} {all}");
    // The same with keys that take longer ends at the bound, and what explains it takes no step more.
    let (reason, decided, all) = cost(&generation, &circle(KeyKind::P521, 0));
    assert_eq!(reason, TrustReason::PathTooComplex);
    assert_eq!((decided, all), (MOST_STEPS, MOST_STEPS));
}

#[test]
fn what_usual_chains_cost_is_a_fraction_of_the_budget() {
    let root = Authority::root("Contoso Root").unwrap();
    let generation = generation(&[root.certificate().clone()]);
    let issuing = root
        .subordinate("Contoso Policy")
        .unwrap()
        .subordinate("Contoso Issuing");
    let leaf = issuing.unwrap().server(FE01).unwrap();
    let (reason, decided, _) = cost(&generation, &leaf.chain);
    assert_eq!(reason, TrustReason::Accepted);
    assert!(decided <= 600, "{decided}");
    let stranger = Authority::root("Stranger Root")
        .unwrap()
        .server(FE01)
        .unwrap();
    let (reason, decided, all) = cost(&generation, &stranger.chain);
    assert_eq!(reason, TrustReason::UnknownIssuer);
    assert!(decided <= 50 && all <= 100, "{decided} {all}");
}

#[test]
fn nine_certificates_of_one_key_cost_the_check_of_one() {
    let root = Authority::root("Contoso Root").unwrap();
    let generation = generation(&[root.certificate().clone()]);
    let (same, key) = (
        common_name(0x0c, b"Same"),
        SigningKey::new(KeyKind::P256).unwrap(),
    );
    let mut chain = vec![
        key.sign(&CertificateFields::leaf(&same, FE01, &key))
            .unwrap(),
    ];
    let ca = |number: u8| {
        key.sign(&CertificateFields::authority(&same, &same, &key).numbered(number))
            .unwrap()
    };
    chain.extend((0..9).map(ca));
    let (reason, decided, _) = cost(&generation, &chain);
    assert_eq!(reason, TrustReason::UnknownIssuer);
    assert!(decided <= 600, "{decided}");
}

#[test]
fn paths_that_are_not_tried_are_told_as_such_and_not_as_what_others_were_refused_for() {
    // Three layers of three certificates of one key each: 27 ways, each below a constraint that takes long to compare.
    let keys: Vec<SigningKey> = (0..4)
        .map(|_| SigningKey::new(KeyKind::P256).unwrap())
        .collect();
    let layers: Vec<Vec<u8>> = (0..4)
        .map(|n| common_name(0x0c, format!("L{n}").as_bytes()))
        .collect();
    let root = keys[3]
        .sign(&CertificateFields::authority(
            &layers[3], &layers[3], &keys[3],
        ))
        .unwrap();
    let bases: Vec<String> = (0..60).map(|n| format!("n{n}.elsewhere.test")).collect();
    let bases: Vec<(u8, &[u8])> = bases
        .iter()
        .map(|base| (name::DNS, base.as_bytes()))
        .collect();
    let hosts: Vec<String> = (0..300).map(|n| format!("n{n}.test")).collect();
    let mut hosts: Vec<(u8, &[u8])> = hosts
        .iter()
        .map(|host| (name::DNS, host.as_bytes()))
        .collect();
    hosts.push((name::DNS, FE01.as_bytes()));
    let mut leaf = CertificateFields::blank(&layers[0], &common_name(0x0c, b"leaf"), &keys[0]);
    leaf = leaf.with(id::ALTERNATIVE_NAME, false, &names(&hosts));
    // Of a purpose that is refused at the end of each path.
    leaf = leaf.with(
        id::EXTENDED_KEY_USAGE,
        false,
        &sipward_lab::forge::usages(&[3]),
    );
    let mut chain = vec![keys[0].sign(&leaf).unwrap()];
    for layer in 0..3 {
        for number in 0..3u8 {
            let mut ca =
                CertificateFields::authority(&layers[layer + 1], &layers[layer], &keys[layer])
                    .numbered(number);
            if layer == 0 {
                ca = ca.with(id::NAME_CONSTRAINTS, true, &constraints(&[], &bases));
            }
            chain.push(keys[layer + 1].sign(&ca).unwrap());
        }
    }
    let generation = generation(&[root]);
    let (reason, decided, _) = cost(&generation, &chain);
    assert_eq!((reason, decided), (TrustReason::PathTooComplex, MOST_STEPS));
}
