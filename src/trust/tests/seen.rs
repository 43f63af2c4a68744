//! The store of chains that were presented: bounds, and what a flood may push out.
use super::World;
use crate::topology::Direction;
use crate::trust::handshake::seen::REFUSED;
use crate::trust::{Decision, Presented, SeenChain, SeenChains, decide};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;

fn refusal(id: usize) -> Arc<Decision> {
    let generation = World::default().generation();
    let now = UnixTime::now();
    let refused = decide(
        &Presented::inbound(&[]),
        Direction::Inbound,
        &generation,
        now,
    );
    let mut decision = (*refused.unwrap_err()).clone();
    decision.id = format!("{id:016x}");
    Arc::new(decision)
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

#[test]
fn one_decision_is_one_entry_however_often_it_is_made() {
    let seen = SeenChains::default();
    let chain = [CertificateDer::from(vec![1, 2, 3])];
    let decision = refusal(1);
    (10..15).for_each(|second| seen.note(&decision, &chain, at(second)));
    let all = seen.all();
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].first, all[0].last, all[0].times), (10, 14, 5));
    assert_eq!(*seen.find(&decision.id).unwrap().chain, chain);
    assert!(seen.find("0").is_none());
}

#[test]
fn a_flood_is_bounded_in_number_and_octets_and_pushes_out_the_oldest() {
    let seen = SeenChains::default();
    let one = refusal(0);
    let numbered = |id: usize| {
        let mut decision = (*one).clone();
        decision.id = format!("{id:016x}");
        Arc::new(decision)
    };
    let small = [CertificateDer::from(vec![0; 8])];
    seen.note(&numbered(0), &small, at(1));
    for id in 1..=REFUSED.entries * 3 {
        seen.note(&numbered(id), &small, at(1));
        // Who comes back stays.
        seen.note(&numbered(0), &small, at(1));
    }
    assert_eq!(seen.all().len(), REFUSED.entries);
    assert!(seen.find(&numbered(0).id).is_some());
    assert!(seen.find(&numbered(1).id).is_none());
    let large = [CertificateDer::from(vec![0; 64 * 1024])];
    (0..200).for_each(|id| seen.note(&numbered(100_000 + id), &large, at(1)));
    let octets: usize = seen.all().iter().map(SeenChain::size).sum();
    assert!(octets <= REFUSED.bytes, "{octets}");
}

#[test]
fn who_shows_nothing_leaves_nothing() {
    let seen = SeenChains::default();
    seen.note(&refusal(1), &[], at(1));
    assert!(seen.all().is_empty());
}
