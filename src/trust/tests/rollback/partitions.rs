//! CAs that sign CRLs for any number of scopes: what they cost is bounded, and no set's CAs push out what another set's have revoked.
use super::*;
use crate::trust::budget::{Budget, MOST_STEPS};
use crate::trust::revocation::clearance::{Issuer, clear};
use crate::trust::revocation::ledger::MOST_SCOPES;
use crate::trust::revocation::scope_key;
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use sipward_lab::forge::{CertificateFields, KeyKind, SigningKey, common_name, name, names};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// An element of DER.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82], &length[..], content].concat()
}

/// A DistributionPoint, or an issuingDistributionPoint, with these URIs as its full name.
fn point(uris: &[String]) -> Vec<u8> {
    let uris: Vec<(u8, &[u8])> = uris.iter().map(|uri| (name::URI, uri.as_bytes())).collect();
    let mut full = names(&uris);
    full[0] = 0xa0;
    element(0x30, &element(0xa0, &full))
}

/// So many URIs that all of them share, and one of its own.
fn uris(shared: usize, own: &str) -> Vec<String> {
    let shared = (0..shared).map(|n| format!("http://z/{n:04}"));
    shared.chain([format!("http://z/{own}")]).collect()
}

/// A CRL for these URIs.
fn partition(ca: &Authority, uris: &[String], spec: CrlSpec) -> CrlDer<'static> {
    let spec = CrlSpec {
        extensions: vec![(ISSUING_POINT.to_vec(), true, point(uris))],
        ..spec
    };
    ca.crl(&spec).unwrap()
}

/// So many CRLs by a CA, each for the shared URIs and one of its own, each newer than the one before.
fn partitions(ca: &Authority, count: usize, shared: usize) -> Vec<CrlDer<'static>> {
    let at = |number: usize| {
        let this_update = i64::try_from(number).unwrap() - 20_000;
        CrlSpec {
            this_update,
            ..spec(number as u64 + 1, &[])
        }
    };
    let all = 0..count;
    all.map(|n| partition(ca, &uris(shared, &format!("own{n}")), at(n)))
        .collect()
}

fn key(der: &CertificateDer<'_>) -> Vec<u8> {
    let (_, read) = X509Certificate::from_der(der).unwrap();
    read.public_key().raw.to_vec()
}

#[test]
fn hundreds_of_scopes_that_cover_a_certificate_cost_it_its_own_budget_and_no_more() {
    let ca = Authority::root("Contoso Root").unwrap();
    let other = ca.impostor().unwrap();
    // All of one age, so that none takes the place of another one.
    let of = |ca: &Authority, scopes: usize, shared: usize| -> Vec<CrlDer<'static>> {
        let all = (0..scopes).map(|n| uris(shared, &format!("own{n}")));
        all.map(|uris| partition(ca, &uris, spec(7, &[]))).collect()
    };
    let subject = {
        let (_, read) = X509Certificate::from_der(ca.certificate()).unwrap();
        read.subject().as_raw().to_vec()
    };
    let own = SigningKey::new(KeyKind::P256).unwrap();
    // Of each key as many scopes as are kept, and of each scope as many names as are read.
    let cost = |scopes: usize, shared: usize, points: usize| {
        let crls = [of(&ca, scopes, shared), of(&other, scopes, shared)].concat();
        let generation = generation(&[&ca, &other], &crls);
        assert_eq!(generation.refused_crls().len(), 0);
        // As many names in each of its points as are read.
        let points = uris(points, "last");
        let points: Vec<u8> = points.chunks(64).flat_map(point).collect();
        let points = element(0x30, &points);
        let leaf = CertificateFields::blank(&subject, &common_name(0x0c, b"leaf"), &own);
        let leaf = own.sign(&leaf.with(31, false, &points)).unwrap();
        let (_, leaf) = X509Certificate::from_der(&leaf).unwrap();
        let keys = [key(ca.certificate()), key(other.certificate())];
        let issuer = Issuer {
            key: SubjectPublicKeyInfoDer::from(keys[0].as_slice()),
            signs_crls: true,
        };
        let budget = Budget::full();
        let known = generation.known_crls(TrustRef(0));
        let others = [keys[1].as_slice()];
        let outcome = clear(&leaf, &issuer, &others, &known, (pki::now(), 0), &budget);
        let reason = outcome.map(|_| ()).map_err(|refusal| refusal.reason);
        (reason, budget.spent())
    };
    // As CAs do that have hundreds of partitions: a certificate names one of them.
    let (reason, steps) = cost(MOST_SCOPES, 0, 1);
    assert_eq!(reason, Err(TrustReason::CrlMissing));
    assert!(steps < 500, "{steps}");
    // All of them cover it, by whatever is compared last.
    let (reason, steps) = cost(MOST_SCOPES, 1, 1);
    assert_eq!(reason, Ok(()));
    assert!(steps < MOST_STEPS / 4, "{steps}");
    let (reason, steps) = cost(MOST_SCOPES, 63, 2_047);
    assert_eq!(
        (reason, steps),
        (Err(TrustReason::PathTooComplex), MOST_STEPS)
    );
}

#[test]
fn a_key_has_so_many_scopes_and_a_further_one_pushes_out_none_that_is_in_force() {
    let ca = Authority::root("Contoso Root").unwrap();
    let leaf = leaf(&ca);
    let mut crls = vec![partition(&ca, &[POINT.to_owned()], spec(7, &[&leaf]))];
    crls.extend(partitions(&ca, MOST_SCOPES, 0));
    let start = generation(&[&ca], &crls);
    let refused = start.refused_crls();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].refusal, CrlReason::TooMany);
    assert_eq!(start.ledger().all().len(), MOST_SCOPES);
    assert_eq!(inbound(&start, &leaf.chain), TrustReason::Revoked);
    // A further CRL of a scope that is known needs no room.
    let next = partition(&ca, &[POINT.to_owned()], spec(8, &[]));
    let next = refreshed(start, vec![file("0.crl", false, &next)]);
    assert_eq!(inbound(&next, &leaf.chain), TrustReason::Accepted);
}

/// The CA of one set signs ever new scopes, by ever new keys; a revocation of another set, whose file has gone, is the oldest.
#[test]
fn a_partners_ca_has_nothing_forgotten_that_another_set_has_offered() {
    let (ca, partner) = (
        Authority::root("Contoso Root").unwrap(),
        Authority::root("Fabrikam Root").unwrap(),
    );
    let below = ["A", "B", "C"].map(|name| partner.subordinate(name).unwrap());
    let leaf = leaf(&ca);
    let at = |number: u64, this_update: i64, revoked: &[&Issued]| {
        ca.crl(&CrlSpec {
            this_update,
            ..spec(number, revoked)
        })
        .unwrap()
    };
    let (old, new) = (at(19, -90_000, &[]), at(20, -80_000, &[&leaf]));
    let world = |own: &[CrlDer<'static>], theirs: &[CrlDer<'static>]| {
        let set = |world: World, name: &str, anchors: &[&Authority], crls: &[CrlDer<'static>]| {
            let policy = (Revocation::Require, RevocationScope::Chain);
            world
                .trust(name, anchors)
                .revocation(policy.0, policy.1, crls)
        };
        let world = set(World::default(), "enterprise-ca", &[&ca], own);
        let theirs_all = [&partner, &below[0], &below[1], &below[2]];
        let world = set(world, "fabrikam-ca", &theirs_all, theirs);
        world
            .peer(FE02, PeerKind::Home, &["enterprise-ca"])
            .topology()
    };
    let start = Generation::build(1, world(&[new], &[]), pki::now()).unwrap();
    let mut before = reload(&start, world(&[], &[]));
    let mut refused = 0;
    for ca in &below {
        before = reload(&before, world(&[], &partitions(ca, MOST_SCOPES, 0)));
        refused += before.refused_crls().len();
    }
    before = reload(&before, world(&[], &[]));
    assert_eq!(refused, 0);
    // What the partner has not offered for longest went.
    assert_eq!(before.ledger().all().len(), 1 + 1_024);
    assert_eq!(inbound(&before, &leaf.chain), TrustReason::Revoked);
    let back = reload(&before, world(std::slice::from_ref(&old), &[]));
    assert_eq!(back.refused_crls()[0].refusal, CrlReason::Older);
    assert_eq!(inbound(&back, &leaf.chain), TrustReason::Revoked);
    // Where there is less room than all of it needs, each set has its share: the enterprise's one comes among the first.
    for (most, largest) in [(20, 1 << 30), (65_536, 20_000)] {
        let by_share = before.ledger().all_by_share(most, largest);
        let own = by_share.iter().position(|s| s.issuer().contains("Contoso"));
        assert!(own.is_some_and(|place| place < 2), "{own:?}");
        assert_eq!(by_share.len(), 1 + 1_024);
    }
    // A partner that is no set's any more keeps nothing of the enterprise's from its place either.
    let alone = reload(&before, topology(&[&ca], std::slice::from_ref(&old)));
    assert_eq!(inbound(&alone, &leaf.chain), TrustReason::Revoked);
    // CRLs whose key nobody knows wait within the room of their own set.
    let stranger = Authority::root("Nobody").unwrap();
    let issuing = ca.subordinate("Contoso Issuing").unwrap();
    let theirs: Vec<_> = (0..600).map(|number| crl(&stranger, number, &[])).collect();
    let of_issuing = CrlSpec {
        this_update: -70_000,
        ..spec(3, &[&issuing.server(FE02).unwrap()])
    };
    let own = [at(21, -60_000, &[&leaf]), issuing.crl(&of_issuing).unwrap()];
    let waiting = reload(&start, world(&own, &theirs));
    let refused = waiting.refused_crls();
    assert_eq!(refused.len(), 600 - 512);
    assert!(refused.iter().all(|r| r.trust == "fabrikam-ca"));
    assert_eq!(waiting.ledger().all_waiting().count(), 512 + 1);
}

#[test]
fn ten_times_the_scopes_of_one_name_cost_ten_times_the_comparisons() {
    let ca = Authority::root("Contoso Root").unwrap();
    let keys: Vec<Authority> = (0..9).map(|_| ca.impostor().unwrap()).collect();
    let mut all = vec![&ca];
    all.extend(&keys);
    let crls = |ca: &&Authority| -> Vec<CrlDer<'static>> {
        // The newest first, which each of the rest is held against.
        partitions(ca, 60, 8).into_iter().rev().collect()
    };
    let crls: Vec<_> = all.iter().map(crls).collect();
    let compared = |keys: usize| {
        let crls = crls[..keys].concat();
        let topology = || topology(&all[..keys], &crls);
        let before = scope_key::compared();
        let start = Generation::build(1, topology(), pki::now()).unwrap();
        assert_eq!(start.ledger().all().len(), 60 * keys);
        let entered = scope_key::compared() - before;
        // What is held already is compared with nothing.
        assert_eq!(reload(&start, topology()).refused_crls(), []);
        (entered, scope_key::compared() - before - entered)
    };
    let (few, many) = (compared(1), compared(10));
    assert!(few.0 > 0 && many.0 <= 12 * few.0, "{few:?} {many:?}");
    assert_eq!((few.1, many.1), (0, 0));
}
