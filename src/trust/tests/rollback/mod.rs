//! CRLs that somebody would like to see in force again, and those of CAs that changed their key: whatever the order, the place
//! and the encoding, the newest that an issuer's key was proven to have signed speaks (RFC 5280 §5.2.3, §6.3.3).
mod keys;
mod partitions;
mod records;

use super::{World, inbound, later};
use crate::topology::{
    Crl, CrlFile, CrlReason, HeldCrl, PeerKind, Revocation, RevocationScope, Topology, TrustRef,
};
use crate::trust::{Before, Generation, Ledger, Read, Refreshed, Series, TrustReason};
use rustls_pki_types::CertificateRevocationListDer as CrlDer;
use sipward_lab::pki::{self, Authority, CrlSpec, Issued, LeafSpec};
use std::path::Path;
use std::sync::Arc;

const FE02: &str = "fe02.contoso.test";
const POINT: &str = "http://crl.contoso.test/ca.crl";
const ISSUING_POINT: &[u8] = &[0x55, 0x1d, 28];
const AUTHORITY_KEY: &[u8] = &[0x55, 0x1d, 35];
const NUMBER: &[u8] = &[0x55, 0x1d, 20];

fn topology_of(name: &str, anchors: &[&Authority], crls: &[CrlDer<'static>]) -> Topology {
    World::default()
        .trust(name, anchors)
        .revocation(Revocation::Require, RevocationScope::Chain, crls)
        .peer(FE02, PeerKind::Home, &[name])
        .topology()
}

fn topology(anchors: &[&Authority], crls: &[CrlDer<'static>]) -> Topology {
    topology_of("enterprise-ca", anchors, crls)
}

fn generation(anchors: &[&Authority], crls: &[CrlDer<'static>]) -> Generation {
    Generation::build(1, topology(anchors, crls), pki::now()).unwrap()
}

fn reload(before: &Generation, topology: Topology) -> Generation {
    let before = Before {
        previous: Some(before),
        ..Before::default()
    };
    Generation::build_after(before, 2, topology, pki::now()).unwrap()
}

/// What another process makes of what this one has kept.
fn restart(before: &Generation, topology: Topology) -> Generation {
    let mut ledger = Ledger::default();
    for series in before.ledger().all() {
        ledger.restore(Series::from_record(&series.to_record()).unwrap());
    }
    let before = Before {
        ledger: Some(&ledger),
        ..Before::default()
    };
    Generation::build_after(before, 1, topology, pki::now()).unwrap()
}

fn file(name: &str, fetched: bool, crl: &CrlDer<'static>) -> CrlFile {
    CrlFile {
        file: Path::new(name).into(),
        fetched,
        line: 5,
        digest: [1; 32],
        content: Ok(vec![Arc::new(Crl::read(crl.to_vec()).unwrap())]),
    }
}

fn refresh(before: &Generation, files: Vec<CrlFile>) -> Refreshed {
    let read = Read {
        crls: vec![(TrustRef(0), files)],
        ..Read::default()
    };
    before.refresh(2, read, pki::now())
}

/// The generation after a refresh.
fn refreshed(before: Generation, files: Vec<CrlFile>) -> Generation {
    refresh(&before, files).generation.unwrap_or(before)
}

fn spec(number: u64, revoked: &[&Issued]) -> CrlSpec {
    CrlSpec {
        number,
        revoked: revoked.iter().map(|i| i.serial.clone()).collect(),
        ..CrlSpec::default()
    }
}

fn crl(ca: &Authority, number: u64, revoked: &[&Issued]) -> CrlDer<'static> {
    ca.crl(&spec(number, revoked)).unwrap()
}

fn leaf(ca: &Authority) -> Issued {
    ca.issue(&LeafSpec {
        crl_points: vec![POINT.to_owned()],
        ..LeafSpec::server(FE02)
    })
    .unwrap()
}

/// The forms in which a CRL that revokes nobody can be written, all with this number.
fn disguises(ca: &Authority, number: u64) -> Vec<(&'static str, CrlDer<'static>)> {
    let plain = || spec(number, &[]);
    let idp = |value: &[u8]| CrlSpec {
        extensions: vec![(ISSUING_POINT.to_vec(), true, value.to_vec())],
        ..plain()
    };
    let without_key = || CrlSpec {
        without: vec![AUTHORITY_KEY.to_vec()],
        ..plain()
    };
    let specs = [
        ("as it was", plain()),
        ("without authorityKeyIdentifier", without_key()),
        (
            "with a longer authorityKeyIdentifier",
            CrlSpec {
                extensions: vec![(
                    AUTHORITY_KEY.to_vec(),
                    false,
                    [&[0x30, 22, 0x80, 20][..], &[7; 20]].concat(),
                )],
                ..without_key()
            },
        ),
        ("with an issuingDistributionPoint for all", idp(&[0x30, 0])),
        ("for end entities", idp(&[0x30, 3, 0x81, 1, 0xff])),
        (
            "of the distribution point",
            CrlSpec {
                point: Some(POINT.to_owned()),
                ..plain()
            },
        ),
        (
            "of the distribution point in capitals",
            CrlSpec {
                point: Some(POINT.replace("http://crl", "HTTP://CRL")),
                ..plain()
            },
        ),
        (
            "with a later thisUpdate",
            CrlSpec {
                this_update: -30,
                ..plain()
            },
        ),
        (
            "with a later nextUpdate",
            CrlSpec {
                next_update: 30 * 86_400,
                ..plain()
            },
        ),
        (
            "without a number, and earlier",
            CrlSpec {
                this_update: -90,
                without: vec![NUMBER.to_vec()],
                ..plain()
            },
        ),
        (
            "without a number or a key, and earlier",
            CrlSpec {
                this_update: -90,
                without: vec![NUMBER.to_vec(), AUTHORITY_KEY.to_vec()],
                ..plain()
            },
        ),
    ];
    specs
        .into_iter()
        .map(|(name, spec)| (name, ca.crl(&spec).unwrap()))
        .collect()
}

#[test]
fn no_older_crl_comes_back_in_any_form_by_any_way() {
    let ca = Authority::root("Contoso Root").unwrap();
    let leaf = leaf(&ca);
    let new = crl(&ca, 20, &[&leaf]);
    for (form, old) in disguises(&ca, 19) {
        let start = || generation(&[&ca], std::slice::from_ref(&new));
        let old_only = std::slice::from_ref(&old);
        let revoked = |what: &str, generation: &Generation| {
            let verdict = inbound(generation, &leaf.chain);
            assert_eq!(verdict, TrustReason::Revoked, "{form}: {what}");
        };
        revoked(
            "in the same file, at a refresh",
            &refreshed(start(), vec![file("0.crl", false, &old)]),
        );
        revoked(
            "in a second file, at a refresh",
            &refreshed(
                start(),
                vec![file("0.crl", false, &new), file("1.crl", false, &old)],
            ),
        );
        revoked(
            "fetched",
            &refreshed(
                start(),
                vec![file(POINT, true, &old), file("0.crl", false, &new)],
            ),
        );
        revoked(
            "fetched, after the file has gone",
            &refreshed(
                refreshed(start(), vec![file(POINT, true, &new)]),
                vec![file(POINT, true, &old)],
            ),
        );
        revoked("at a reload", &reload(&start(), topology(&[&ca], old_only)));
        revoked(
            "beside it at a reload",
            &reload(&start(), topology(&[&ca], &[old.clone(), new.clone()])),
        );
        revoked(
            "at a restart",
            &restart(&start(), topology(&[&ca], old_only)),
        );
        revoked(
            "in a set that was renamed",
            &reload(&start(), topology_of("corporate-ca", &[&ca], old_only)),
        );
        revoked(
            "in a set that was renamed at a restart",
            &restart(&start(), topology_of("corporate-ca", &[&ca], old_only)),
        );
        let mut off = topology(&[&ca], old_only);
        off.trusts[0].revocation = Revocation::Off;
        let off = reload(&start(), off);
        assert_eq!(inbound(&off, &leaf.chain), TrustReason::Accepted);
        revoked("off and on", &reload(&off, topology(&[&ca], old_only)));
        let nothing = reload(&start(), topology(&[&ca], &[]));
        revoked(
            "after a time without any",
            &refreshed(nothing, vec![file("0.crl", false, &old)]),
        );
        let twice = refreshed(start(), vec![file("0.crl", false, &old)]);
        revoked(
            "asked twice",
            &refreshed(twice, vec![file("0.crl", false, &old)]),
        );
    }
}

/// File with number 5, a second one (or a fetch) with number 7 that revokes; then 6, or 5 again, in the place of 7.
#[test]
fn a_lower_number_in_the_place_of_a_second_files_crl_lets_nobody_in() {
    let ca = Authority::root("Contoso Root").unwrap();
    let leaf = leaf(&ca);
    let (five, six) = (crl(&ca, 5, &[]), crl(&ca, 6, &[]));
    let seven = crl(&ca, 7, &[&leaf]);
    for fetched in [false, true] {
        let second = if fetched { POINT } else { "1.crl" };
        let start = || {
            let first = generation(&[&ca], std::slice::from_ref(&five));
            assert_eq!(inbound(&first, &leaf.chain), TrustReason::Accepted);
            let files = vec![file(second, fetched, &seven), file("0.crl", false, &five)];
            let refreshed = refresh(&first, files);
            // The older one of two that are there is no rollback.
            assert_eq!(refreshed.refused, []);
            assert_eq!(refreshed.updated.len(), 1);
            refreshed.generation.unwrap()
        };
        for lower in [&six, &five] {
            let files = vec![file(second, fetched, lower), file("0.crl", false, &five)];
            let held = start();
            let refreshed = refresh(&held, files);
            let told: Vec<_> = refreshed
                .refused
                .iter()
                .map(|r| (r.file.to_str().unwrap(), r.refusal))
                .collect();
            assert_eq!(told, [(second, CrlReason::Older)]);
            let next = refreshed.generation.unwrap_or(held);
            assert_eq!(inbound(&next, &leaf.chain), TrustReason::Revoked);
            let reloaded = reload(&next, topology(&[&ca], &[five.clone(), lower.clone()]));
            assert_eq!(inbound(&reloaded, &leaf.chain), TrustReason::Revoked);
            let restarted = restart(&next, topology(&[&ca], &[five.clone(), lower.clone()]));
            assert_eq!(inbound(&restarted, &leaf.chain), TrustReason::Revoked);
            assert!(!restarted.refused_crls().is_empty());
        }
    }
}

#[test]
fn in_force_is_the_highest_number_so_far_in_whatever_order_they_come() {
    let ca = Authority::root("Contoso Root").unwrap();
    let leaf = leaf(&ca);
    // Even numbers revoke, and the later the number, the earlier thisUpdate: the number decides.
    let crls: Vec<CrlDer<'static>> = (1..=4)
        .map(|number: i64| {
            let numbered = u64::try_from(number).unwrap();
            let revoked: &[&Issued] = if number % 2 == 0 { &[&leaf] } else { &[] };
            ca.crl(&CrlSpec {
                this_update: -60 * number,
                ..spec(numbered, revoked)
            })
            .unwrap()
        })
        .collect();
    let orders = (0..4usize).flat_map(|a| (0..4).flat_map(move |b| (0..4).map(move |c| [a, b, c])));
    for order in orders {
        let [first, rest @ ..] = order;
        let mut generation = generation(&[&ca], &[crls[first].clone()]);
        let mut highest = first;
        for next in rest {
            generation = refreshed(generation, vec![file("0.crl", false, &crls[next])]);
            highest = highest.max(next);
            let wanted = if highest % 2 == 1 {
                TrustReason::Revoked
            } else {
                TrustReason::Accepted
            };
            assert_eq!(inbound(&generation, &leaf.chain), wanted, "{order:?}");
        }
    }
}

#[test]
fn without_numbers_the_later_crl_counts_and_a_number_in_between_is_not_forgotten() {
    let ca = Authority::root("Contoso Root").unwrap();
    let leaf = leaf(&ca);
    let at = |number: Option<u64>, this_update: i64, revoked: &[&Issued]| {
        ca.crl(&CrlSpec {
            this_update,
            without: number.map_or(vec![NUMBER.to_vec()], |_| Vec::new()),
            ..spec(number.unwrap_or(0), revoked)
        })
        .unwrap()
    };
    let put = |generation: Generation, crl: CrlDer<'static>| {
        refreshed(generation, vec![file("0.crl", false, &crl)])
    };
    let start = generation(&[&ca], &[at(Some(20), -500, &[])]);
    // Two of one second: their dates are relative to the time at which they are made.
    let (revoking, empty) = loop {
        let began = pki::now();
        let both = (at(None, -400, &[&leaf]), at(None, -400, &[]));
        if pki::now() == began {
            break both;
        }
    };
    let bare = put(start, revoking);
    assert_eq!(inbound(&bare, &leaf.chain), TrustReason::Revoked);
    // Lower than 20 although later, later than nothing although higher.
    for old in [
        at(Some(19), -300, &[]),
        at(Some(21), -450, &[]),
        at(None, -450, &[]),
    ] {
        let next = refresh(&bare, vec![file("0.crl", false, &old)]);
        assert_eq!(next.refused[0].refusal, CrlReason::Older);
    }
    let both = put(bare, empty);
    assert_eq!(
        inbound(&both, &leaf.chain),
        TrustReason::Revoked,
        "of one second"
    );
    let next = put(both, at(Some(21), -200, &[]));
    assert_eq!(inbound(&next, &leaf.chain), TrustReason::Accepted);
}

#[test]
fn a_crl_goes_when_one_comes_that_covers_what_it_covers() {
    let ca = Authority::root("Contoso Root").unwrap();
    let leaf = leaf(&ca);
    let partition = |number: u64, revoked: &[&Issued]| {
        ca.crl(&CrlSpec {
            point: Some(POINT.to_owned()),
            ..spec(number, revoked)
        })
        .unwrap()
    };
    let put = |generation: Generation, crl: &CrlDer<'static>| {
        refreshed(generation, vec![file("0.crl", false, crl)])
    };
    // A whole one takes the place of a part.
    let start = generation(&[&ca], &[partition(20, &[&leaf])]);
    assert_eq!(inbound(&start, &leaf.chain), TrustReason::Revoked);
    let whole = put(start, &crl(&ca, 21, &[]));
    assert_eq!(inbound(&whole, &leaf.chain), TrustReason::Accepted);
    let parts: Vec<_> = whole.held_crls();
    assert_eq!(parts.len(), 2);
    assert_eq!(
        parts.iter().filter(|p| p.series.crls().is_empty()).count(),
        1
    );
    // What went does not come back.
    let back = refresh(&whole, vec![file("0.crl", false, &partition(20, &[]))]);
    assert_eq!(back.refused[0].refusal, CrlReason::Older);
    // A newer part speaks for what it covers; the whole one goes on for the rest.
    let other = ca.server(FE02).unwrap();
    let both = put(
        generation(&[&ca], &[crl(&ca, 20, &[&other])]),
        &partition(21, &[&leaf]),
    );
    assert_eq!(inbound(&both, &leaf.chain), TrustReason::Revoked);
    assert_eq!(inbound(&both, &other.chain), TrustReason::Revoked);
    let third = ca.server(FE02).unwrap();
    assert_eq!(inbound(&both, &third.chain), TrustReason::Accepted);
}

#[test]
fn of_an_old_and_a_new_crl_in_one_file_the_newest_counts_and_nothing_is_refused() {
    let ca = Authority::root("Contoso Root").unwrap();
    let leaf = leaf(&ca);
    let read = |der: &CrlDer<'static>| Arc::new(Crl::read(der.to_vec()).unwrap());
    let (old, new) = (read(&crl(&ca, 5, &[])), read(&crl(&ca, 7, &[&leaf])));
    for glued in [[&old, &new], [&new, &old]] {
        let mut topology = topology(&[&ca], &[]);
        topology.trusts[0].crls = glued
            .map(|list| HeldCrl {
                file: Path::new("both.crl").into(),
                fetched: false,
                list: Arc::clone(list),
            })
            .to_vec();
        let built = Generation::build(1, topology, pki::now()).unwrap();
        assert_eq!(inbound(&built, &leaf.chain), TrustReason::Revoked);
        assert_eq!(built.refused_crls(), []);
        let both = CrlFile {
            content: Ok(glued.map(Arc::clone).to_vec()),
            ..file("both.crl", false, &crl(&ca, 5, &[]))
        };
        let refreshed = refresh(&built, vec![both]);
        assert!(refreshed.refused.is_empty() && refreshed.generation.is_none());
    }
}
