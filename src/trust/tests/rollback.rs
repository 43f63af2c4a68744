//! CRLs that somebody would like to see in force again, and those of CAs that changed their key: whatever the order, the place
//! and the encoding, the newest that an issuer's key was proven to have signed speaks (RFC 5280 §5.2.3, §6.3.3).
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
    let bare = put(start, at(None, -400, &[&leaf]));
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
    let both = put(bare, at(None, -400, &[]));
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

/// What `openssl ca -gencrl` writes has no authorityKeyIdentifier: only the signature tells whose it is.
#[test]
fn a_ca_that_changed_its_key_under_its_old_name_is_judged_by_the_crls_of_each_key() {
    let old = Authority::root("Contoso Root").unwrap();
    let new = old.impostor().unwrap();
    let bare = |ca: &Authority, number: u64, revoked: &[&Issued]| {
        ca.crl(&CrlSpec {
            without: vec![AUTHORITY_KEY.to_vec()],
            ..spec(number, revoked)
        })
        .unwrap()
    };
    let (of_old, of_new) = (leaf(&old), leaf(&new));
    let start = generation(&[&old], &[bare(&old, 20, &[])]);
    assert_eq!(inbound(&start, &of_old.chain), TrustReason::Accepted);
    // The new key counts from 1 again.
    let moved = topology(&[&new], &[bare(&new, 1, &[])]);
    let reloaded = reload(&start, moved);
    assert_eq!(reloaded.refused_crls(), []);
    assert_eq!(inbound(&reloaded, &of_new.chain), TrustReason::Accepted);
    assert_ne!(inbound(&reloaded, &of_old.chain), TrustReason::Accepted);
    // Both keys at a time, in either order.
    for anchors in [[&old, &new], [&new, &old]] {
        let both = |crls: &[CrlDer<'static>]| generation(&anchors, crls);
        let clear = both(&[bare(&old, 20, &[]), bare(&new, 1, &[])]);
        assert_eq!(inbound(&clear, &of_old.chain), TrustReason::Accepted);
        assert_eq!(inbound(&clear, &of_new.chain), TrustReason::Accepted);
        // One key's CRL clears nothing that the other has signed, and is heard when it revokes it.
        let of_one = both(&[bare(&new, 1, &[])]);
        assert_eq!(
            inbound(&of_one, &of_old.chain),
            TrustReason::CrlBadSignature
        );
        assert_eq!(inbound(&of_one, &of_new.chain), TrustReason::Accepted);
        let revoking = both(&[bare(&old, 20, &[]), bare(&new, 1, &[&of_old])]);
        assert_eq!(inbound(&revoking, &of_old.chain), TrustReason::Revoked);
        assert_eq!(inbound(&revoking, &of_new.chain), TrustReason::Accepted);
    }
    // A CA of that name that the set does not name has no say.
    let stranger = old.impostor().unwrap();
    let foreign = generation(
        &[&old],
        &[bare(&old, 20, &[]), bare(&stranger, 21, &[&of_old])],
    );
    assert_eq!(inbound(&foreign, &of_old.chain), TrustReason::Accepted);
    assert_eq!(foreign.refused_crls()[0].refusal, CrlReason::BadSignature);
}

#[test]
fn the_newest_crl_counts_whichever_of_two_sets_of_a_ca_names_it() {
    let ca = Authority::root("Contoso Root").unwrap();
    let leaf = leaf(&ca);
    let (old, new) = (crl(&ca, 5, &[]), crl(&ca, 7, &[&leaf]));
    for [first, second] in [[&old, &new], [&new, &old]] {
        let world = World::default()
            .trust("a", &[&ca])
            .revocation(
                Revocation::Require,
                RevocationScope::Chain,
                std::slice::from_ref(first),
            )
            .trust("b", &[&ca])
            .revocation(
                Revocation::Require,
                RevocationScope::Chain,
                std::slice::from_ref(second),
            )
            .peer(FE02, PeerKind::Home, &["a", "b"]);
        let generation = world.generation();
        assert_eq!(inbound(&generation, &leaf.chain), TrustReason::Revoked);
        assert_eq!(generation.refused_crls(), []);
        let shown = &generation.held_crls()[0];
        assert_eq!(shown.sets, ["a", "b"]);
    }
}

#[test]
fn what_nobody_known_has_signed_waits_beside_and_is_looked_at_once_for_each_key() {
    let root = Authority::root("Contoso Root").unwrap();
    let issuing = root.subordinate("Contoso Issuing").unwrap();
    let leaf = leaf(&issuing);
    let of_root = crl(&root, 1, &[]);
    let forged = crl(&issuing.impostor().unwrap(), 99, &[]);
    let start = generation(&[&root], &[of_root.clone(), forged.clone()]);
    assert_eq!(start.refused_crls(), [], "the issuing CA is not known yet");
    let beside = &start.topology().trusts()[0].crls[1];
    let key = |ca: &Authority| {
        use x509_parser::prelude::FromDer as _;
        let (_, read) =
            x509_parser::certificate::X509Certificate::from_der(ca.certificate()).unwrap();
        read.public_key().raw.to_vec()
    };
    assert!(!beside.is_refuted(&key(&issuing)));
    assert_eq!(inbound(&start, &leaf.chain), TrustReason::CrlBadSignature);
    assert!(beside.is_refuted(&key(&issuing)));
    // From HTTP it does not even wait.
    let files = vec![file(POINT, true, &forged), file("0.crl", false, &of_root)];
    let start = generation(&[&root], std::slice::from_ref(&of_root));
    let refreshed = refresh(&start, files);
    assert_eq!(refreshed.refused[0].refusal, CrlReason::BadSignature);
    assert_eq!(start.topology().trusts()[0].crls.len(), 1);
    let held = refreshed.generation.as_ref().unwrap_or(&start);
    assert_eq!(held.ledger().waits(), (false, false));
    // Once the key is seen, what it signed comes into its series, and stays there.
    let seven = crl(&issuing, 7, &[&leaf]);
    let start = generation(&[&root], &[of_root.clone(), seven]);
    assert_eq!(inbound(&start, &leaf.chain), TrustReason::Revoked);
    assert_eq!(start.ledger().waits(), (true, true));
    let files = || {
        vec![
            file("0.crl", false, &of_root),
            file("1.crl", false, &forged),
        ]
    };
    let next = refresh(&start, files()).generation.unwrap();
    let shown = next.held_crls();
    assert_eq!(shown.len(), 2);
    assert!(shown.iter().all(|series| series.sets == ["enterprise-ca"]));
    assert_eq!(inbound(&next, &leaf.chain), TrustReason::Revoked);
    let six = crl(&issuing, 6, &[]);
    let restarted = restart(&next, topology(&[&root], &[of_root.clone(), six]));
    assert_eq!(inbound(&restarted, &leaf.chain), TrustReason::Revoked);
    assert_eq!(restarted.refused_crls()[0].refusal, CrlReason::Older);
}

/// Before its key is known an issuing CA's CRLs wait side by side, and the number decides which of them speaks.
#[test]
fn of_two_that_wait_the_one_with_the_higher_number_speaks_even_when_it_is_stale() {
    let root = Authority::root("Contoso Root").unwrap();
    let issuing = root.subordinate("Contoso Issuing").unwrap();
    let leaf = leaf(&issuing);
    let stale = issuing
        .crl(&CrlSpec {
            this_update: -7_200,
            next_update: -3_600,
            ..spec(20, &[])
        })
        .unwrap();
    let current = crl(&issuing, 19, &[]);
    for crls in [[&stale, &current], [&current, &stale]] {
        let mut all = vec![crl(&root, 1, &[])];
        all.extend(crls.map(Clone::clone));
        let generation = generation(&[&root], &all);
        assert_eq!(inbound(&generation, &leaf.chain), TrustReason::CrlStale);
        let next = refreshed(generation, vec![file("1.crl", false, &current)]);
        assert_eq!(inbound(&next, &leaf.chain), TrustReason::CrlStale);
    }
}

/// Names of a CA that differ in the string type only are one name (RFC 5280 §7.1), also where a CRL is rolled back.
#[test]
fn another_string_type_of_the_issuers_name_makes_no_other_series() {
    let ca = Authority::root("Contoso Root").unwrap();
    let leaf = leaf(&ca);
    let start = generation(&[&ca], &[crl(&ca, 20, &[&leaf])]);
    let renamed = ca
        .crl(&CrlSpec {
            issuer_tag: Some(0x13),
            ..spec(19, &[])
        })
        .unwrap();
    let read = Crl::read(renamed.to_vec()).unwrap();
    let held = Arc::clone(start.ledger().all()[0]);
    assert_ne!(read.issuer_der(), held.crls()[0].issuer_der());
    let refreshed = refresh(&start, vec![file("0.crl", false, &renamed)]);
    assert_eq!(refreshed.refused[0].refusal, CrlReason::Older);
    let next = refreshed.generation.unwrap_or(start);
    assert_eq!(inbound(&next, &leaf.chain), TrustReason::Revoked);
}

#[test]
fn a_crl_and_its_entries_may_have_tens_of_thousands_of_extensions() {
    let ca = Authority::root("Contoso Root").unwrap();
    let extension = |number: u32| {
        let seven = |shift: u32| u8::try_from(number >> shift & 0x7f).unwrap();
        let id = vec![0x2a, seven(14) | 0x80, seven(7) | 0x80, seven(0)];
        (id, false, Vec::new())
    };
    let many = CrlSpec {
        extensions: (0..40_000).map(extension).collect(),
        ..spec(1, &[])
    };
    let der = ca.crl(&many).unwrap();
    assert!(der.len() > 400_000);
    assert!(Crl::read(der.to_vec()).is_ok());
    let twice = CrlSpec {
        extensions: (0..40_000).chain([7]).map(extension).collect(),
        ..spec(1, &[])
    };
    let refused = Crl::read(ca.crl(&twice).unwrap().to_vec()).map(|_| ());
    assert_eq!(refused, Err(CrlReason::Malformed));
}

#[test]
fn any_number_of_crls_without_a_known_issuer_displaces_nothing() {
    let ca = Authority::root("Contoso Root").unwrap();
    let leaf = leaf(&ca);
    let stranger = Authority::root("Nobody").unwrap();
    let mut crls = vec![crl(&ca, 7, &[&leaf])];
    crls.extend((0..600).map(|number| crl(&stranger, number, &[])));
    let generation = generation(&[&ca], &crls);
    let told = generation.refused_crls();
    assert_eq!(told.len(), 600 - 512);
    assert!(told.iter().all(|r| r.refusal == CrlReason::TooMany));
    assert_eq!(inbound(&generation, &leaf.chain), TrustReason::Revoked);
}

#[test]
fn a_forgotten_series_comes_again_with_what_the_files_hold() {
    let ca = Authority::root("Contoso Root").unwrap();
    let leaf = leaf(&ca);
    let start = generation(&[&ca], &[crl(&ca, 20, &[&leaf])]);
    let three = crl(&ca, 3, &[]);
    let refused = refresh(&start, vec![file("0.crl", false, &three)]);
    assert_eq!(refused.refused[0].refusal, CrlReason::Older);
    let id = start.held_crls()[0].series.id();
    let without = start.forgetting(id, 2).unwrap();
    assert_eq!(inbound(&without, &leaf.chain), TrustReason::CrlMissing);
    assert!(without.forgetting(id, 3).is_none());
    let next = refreshed(without, vec![file("0.crl", false, &three)]);
    assert_eq!(inbound(&next, &leaf.chain), TrustReason::Accepted);
    assert_eq!(next.held_crls()[0].series.number_text().unwrap(), "3");
}

#[test]
fn a_record_that_was_damaged_anywhere_is_refused_and_never_a_panic() {
    let ca = Authority::root("Contoso Root").unwrap();
    let leaf = leaf(&ca);
    let start = generation(&[&ca], &[crl(&ca, 20, &[&leaf])]);
    let series = Arc::clone(start.ledger().all()[0]);
    let record = series.to_record();
    let again = Series::from_record(&record).unwrap();
    assert_eq!((again.id(), again.crls().len()), (series.id(), 1));
    assert_eq!(again.to_record(), record);
    for at in 0..record.len() {
        let mut damaged = record.clone();
        damaged[at] ^= 0x20;
        assert!(Series::from_record(&damaged).is_err(), "octet {at}");
        assert!(Series::from_record(&record[..at]).is_err(), "cut at {at}");
    }
    // A record whose digest is right, of another key than the one that signed.
    let other = generation(&[&ca.impostor().unwrap()], &[]);
    assert!(other.ledger().all().is_empty());
    let forged = {
        let text = String::from_utf8_lossy(&record).into_owned();
        let key = text
            .split("\"key\":\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let mut swapped = key.to_owned();
        swapped.replace_range(60..64, "AAAA");
        let at = record
            .windows(key.len())
            .position(|w| w == key.as_bytes())
            .unwrap();
        let mut rest = record.clone();
        rest[at..at + key.len()].copy_from_slice(swapped.as_bytes());
        let body = rest.iter().position(|b| *b == b'\n').unwrap() + 1;
        let digest = crate::topology::sha256(&rest[body..]);
        let hex: String = digest.iter().map(|o| format!("{o:02x}")).collect();
        [format!("sipward-crls 1 {hex}\n").as_bytes(), &rest[body..]].concat()
    };
    let error = Series::from_record(&forged).unwrap_err();
    assert_eq!(error.code(), "crl_bad_signature");
    // What went is kept as a number.
    let gone = start
        .refresh(
            2,
            Read {
                crls: vec![(TrustRef(0), Vec::new())],
                ..Read::default()
            },
            later(2 * 86_400),
        )
        .generation
        .unwrap();
    let floor = Series::from_record(&gone.ledger().all()[0].to_record()).unwrap();
    assert_eq!(
        (floor.crls().len(), floor.number_text().as_deref()),
        (0, Some("20"))
    );
    let back = restart(&gone, topology(&[&ca], &[crl(&ca, 19, &[])]));
    assert_eq!(back.refused_crls()[0].refusal, CrlReason::Older);
    assert_eq!(inbound(&back, &leaf.chain), TrustReason::CrlStale);
}
