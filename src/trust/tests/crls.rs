//! CRLs: which come into force, which certificates they cover, and what a refresh changes.
use super::{World, held, inbound, inbound_at, later};
use crate::topology::{
    Crl, CrlFile, CrlReason, PeerKind, Revocation, RevocationScope, Topology, TrustRef,
};
use crate::trust::{Before, Generation, Read, Refreshed, TrustReason};
use rustls_pki_types::CertificateRevocationListDer as CrlDer;
use sipward_lab::der::{bits, element};
use sipward_lab::pki::{self, Authority, AuthoritySpec, CrlSpec, Issued, LeafSpec};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

const FE01: &str = "fe01.contoso.test";
const DELTA: &[u8] = &[0x55, 0x1d, 27];
const POINT: &[u8] = &[0x55, 0x1d, 28];
const UNKNOWN: &[u8] = &[0x2a, 0x03];

fn topology(anchor: &Authority, crls: &[CrlDer<'static>]) -> Topology {
    World::default()
        .trust("enterprise-ca", &[anchor])
        .revocation(Revocation::Require, RevocationScope::Chain, crls)
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .topology()
}

fn generation(anchor: &Authority, crls: &[CrlDer<'static>]) -> Generation {
    Generation::build(1, topology(anchor, crls), pki::now()).unwrap()
}

/// A file of the refresh.
fn file(name: &str, crl: &CrlDer<'static>) -> CrlFile {
    CrlFile {
        file: PathBuf::from(name).into(),
        fetched: false,
        line: 5,
        digest: [1; 32],
        content: Ok(vec![Arc::new(Crl::read(crl.to_vec()).unwrap())]),
    }
}

/// What a reload makes of it.
fn after(generation: &Generation, topology: Topology) -> Generation {
    let before = Before {
        previous: Some(generation),
        ..Before::default()
    };
    Generation::build_after(before, 2, topology, pki::now()).unwrap()
}

fn refresh(generation: &Generation, files: Vec<CrlFile>) -> Refreshed {
    let read = Read {
        crls: vec![(TrustRef(0), files)],
        ..Read::default()
    };
    generation.refresh(2, read, pki::now())
}

fn refusals(refreshed: &Refreshed) -> Vec<CrlReason> {
    refreshed.refused.iter().map(|r| r.refusal).collect()
}

fn crl(ca: &Authority, number: u64, this_update: i64, revoked: &[&Issued]) -> CrlDer<'static> {
    ca.crl(&CrlSpec {
        number,
        this_update,
        revoked: revoked.iter().map(|i| i.serial.clone()).collect(),
        ..CrlSpec::default()
    })
    .unwrap()
}

/// A v2 CRL that has no nextUpdate; nobody signed it.
fn without_next_update() -> Vec<u8> {
    const SEQUENCE: u8 = 0x30;
    let oid = element(6, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]]);
    let ecdsa_with_sha256 = element(SEQUENCE, &[&oid]);
    let version = element(2, &[&[1]]);
    let issuer = element(SEQUENCE, &[]);
    let this_update = element(0x17, &[b"260101000000Z"]);
    let extensions = element(0xa0, &[&element(SEQUENCE, &[])]);
    let list = element(
        SEQUENCE,
        &[
            &version,
            &ecdsa_with_sha256,
            &issuer,
            &this_update,
            &extensions,
        ],
    );
    element(SEQUENCE, &[&list, &ecdsa_with_sha256, &bits(&[0])])
}

#[test]
fn what_is_no_complete_direct_crl_is_refused_with_a_reason_of_its_own() {
    let ca = Authority::root("Contoso Root").unwrap();
    let with = |id: &[u8], critical: bool, value: &[u8]| {
        let spec = CrlSpec {
            extensions: vec![(id.to_vec(), critical, value.to_vec())],
            ..CrlSpec::default()
        };
        Crl::read(ca.crl(&spec).unwrap().to_vec()).map(|_| ())
    };
    let mut seen = HashSet::new();
    for (outcome, wanted) in [
        (with(DELTA, true, &[2, 1, 1]), Err(CrlReason::Delta)),
        (
            with(POINT, true, &[0x30, 3, 0x84, 1, 0xff]),
            Err(CrlReason::Indirect),
        ),
        (
            with(POINT, true, &[0x30, 4, 0x83, 2, 6, 0x40]),
            Err(CrlReason::SomeReasons),
        ),
        (
            with(POINT, true, &[0x30, 3, 0x85, 1, 0xff]),
            Err(CrlReason::ScopeUnsupported),
        ),
        // nameRelativeToCRLIssuer
        (
            with(POINT, true, &[0x30, 4, 0xa0, 2, 0xa1, 0]),
            Err(CrlReason::ScopeUnsupported),
        ),
        (with(POINT, true, &[0x30, 0x80]), Err(CrlReason::Malformed)),
        (
            with(UNKNOWN, true, &[5, 0]),
            Err(CrlReason::UnknownCritical),
        ),
        (with(UNKNOWN, false, &[5, 0]), Ok(())),
        // Twice the same extension.
        (
            with(&[0x55, 0x1d, 20], false, &[2, 1, 1]),
            Err(CrlReason::Malformed),
        ),
        (
            Crl::read(vec![0x30, 0]).map(|_| ()),
            Err(CrlReason::Malformed),
        ),
        (Crl::read(Vec::new()).map(|_| ()), Err(CrlReason::Malformed)),
        (
            Crl::read(without_next_update()).map(|_| ()),
            Err(CrlReason::NoNextUpdate),
        ),
    ] {
        assert_eq!(outcome, wanted);
        seen.extend(outcome.err());
    }
    assert_eq!(seen.len(), 7);
}

/// A CRL that nobody signed: its issuer's attributes, its entries with so many extensions, and its own extensions.
fn unsigned(attributes: u8, in_entry: u8, extensions: &[u8]) -> Vec<u8> {
    const SEQUENCE: u8 = 0x30;
    let numbered = |number: u8| {
        let id = element(6, &[&[0x2a, 3, number]]);
        element(SEQUENCE, &[&id, &[4, 2, 5, 0]])
    };
    let algorithm = element(
        SEQUENCE,
        &[&element(6, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]])],
    );
    let attribute = pki_name(b"a name of sixteen");
    let issuer = element(SEQUENCE, &[&attribute.repeat(usize::from(attributes))]);
    let time = element(0x17, &[b"260101000000Z"]);
    let many: Vec<u8> = (0..in_entry).flat_map(numbered).collect();
    let entry = element(SEQUENCE, &[&[2, 1, 5], &time, &element(SEQUENCE, &[&many])]);
    let entries = element(SEQUENCE, &[&entry]);
    let extensions = element(0xa0, &[&element(SEQUENCE, &[extensions])]);
    let list = element(
        SEQUENCE,
        &[
            &[2, 1, 1],
            &algorithm,
            &issuer,
            &time,
            &time,
            &entries,
            &extensions,
        ],
    );
    element(SEQUENCE, &[&list, &algorithm, &bits(&[0])])
}

/// A RelativeDistinguishedName with one CN.
fn pki_name(text: &[u8]) -> Vec<u8> {
    let value = element(0x0c, &[text]);
    let pair = element(0x30, &[&[6, 3, 0x55, 4, 3], &value]);
    element(0x31, &[&pair])
}

#[test]
fn a_crl_of_more_parts_than_are_read_is_too_complex_whoever_signed_it() {
    let read = |der: Vec<u8>| Crl::read(der).map(|_| ());
    let of =
        |attributes, in_entry, extensions: &[u8]| read(unsigned(attributes, in_entry, extensions));
    let numbered = |number: u8| element(0x30, &[&[6, 3, 0x2a, 3, number, 4, 0]]);
    let extensions = |most: u8| (0..most).flat_map(numbered).collect::<Vec<u8>>();
    let point = |names: usize, length: usize| {
        let name = element(0x86, &[&vec![b'a'; length]]);
        let names = element(0xa0, &[&element(0xa0, &[&name.repeat(names)])]);
        let value = element(4, &[&element(0x30, &[&names])]);
        element(0x30, &[&[6, 3, 0x55, 0x1d, 28], &value])
    };
    assert_eq!(of(100, 16, &extensions(32)), Ok(()));
    assert_eq!(of(1, 1, &point(64, 1_024)), Ok(()));
    for (what, outcome) in [
        ("issuer", of(200, 1, &extensions(1))),
        ("entry", of(1, 17, &extensions(1))),
        ("extensions", of(1, 1, &extensions(33))),
        ("names", of(1, 1, &point(65, 4))),
        ("name", of(1, 1, &point(1, 1_025))),
    ] {
        assert_eq!(outcome, Err(CrlReason::TooComplex), "{what}");
    }
    // The name is shown as that of a certificate is: its first attributes.
    let long = Crl::read(unsigned(100, 1, &[])).unwrap();
    assert!(long.issuer().len() <= 200, "{}", long.issuer());
}

#[test]
fn a_crl_cut_anywhere_is_malformed_and_never_a_panic() {
    let ca = Authority::root("Contoso Root").unwrap();
    let leaf = ca.server(FE01).unwrap();
    let whole = crl(&ca, 1, -60, &[&leaf]);
    for end in 0..whole.len() {
        assert_eq!(
            Crl::read(whole[..end].to_vec()).unwrap_err(),
            CrlReason::Malformed
        );
    }
    let read = Crl::read(whole.to_vec()).unwrap();
    assert_eq!((read.revoked(), read.number()), (1, Some(&[1][..])));
}

#[test]
fn a_worse_crl_never_replaces_the_one_held() {
    let ca = Authority::root("Contoso Root").unwrap();
    let leaf = ca.server(FE01).unwrap();
    let held = generation(&ca, &[crl(&ca, 7, -600, &[&leaf])]);
    assert_eq!(inbound(&held, &leaf.chain), TrustReason::Revoked);
    for (offered, wanted) in [
        (crl(&ca, 6, -60, &[]), CrlReason::Older),
        (crl(&ca, 7, -900, &[]), CrlReason::Older),
        (crl(&ca, 8, 3_600, &[]), CrlReason::Future),
        (
            crl(&ca.impostor().unwrap(), 8, -60, &[]),
            CrlReason::BadSignature,
        ),
    ] {
        let refreshed = refresh(&held, vec![file("0.crl", &offered)]);
        assert_eq!(refusals(&refreshed), [wanted]);
        // One that nobody is known to have signed waits beside, and is heard by nobody.
        let next = refreshed.generation;
        assert_eq!(next.is_some(), wanted == CrlReason::BadSignature);
        let next = next.as_ref().unwrap_or(&held);
        assert_eq!(inbound(next, &leaf.chain), TrustReason::Revoked, "{wanted}");
        // A reload does as the refresh does.
        let reloaded = after(&held, topology(&ca, &[offered]));
        assert_eq!(
            inbound(&reloaded, &leaf.chain),
            TrustReason::Revoked,
            "{wanted}"
        );
        assert_eq!(reloaded.refused_crls().len(), 1);
        assert_eq!(reloaded.notes()[0].code, wanted.code());
    }
    let broken = CrlFile {
        content: Err((CrlReason::Malformed, "no PEM".to_owned())),
        ..file("0.crl", &crl(&ca, 8, -60, &[]))
    };
    let refreshed = refresh(&held, vec![broken]);
    assert_eq!(refusals(&refreshed), [CrlReason::Malformed]);
    assert!(refreshed.generation.is_none());
}

#[test]
fn a_better_crl_replaces_the_one_held_and_the_same_changes_nothing() {
    let ca = Authority::root("Contoso Root").unwrap();
    let leaf = ca.server(FE01).unwrap();
    let first = crl(&ca, 7, -600, &[]);
    let held = generation(&ca, std::slice::from_ref(&first));
    assert_eq!(inbound(&held, &leaf.chain), TrustReason::Accepted);
    let same = refresh(&held, vec![file("0.crl", &first)]);
    assert!(same.generation.is_none() && same.updated.is_empty() && same.refused.is_empty());
    let refreshed = refresh(&held, vec![file("0.crl", &crl(&ca, 8, -60, &[&leaf]))]);
    assert_eq!((refreshed.refused.len(), refreshed.updated.len()), (0, 1));
    let next = refreshed.generation.unwrap();
    assert_eq!(next.number(), 2);
    assert_eq!(next.topology().trusts()[0].crls.len(), 1);
    assert_eq!(inbound(&next, &leaf.chain), TrustReason::Revoked);
    // The old one put back is refused, and what was revoked stays so.
    let rolled_back = refresh(&next, vec![file("0.crl", &first)]);
    assert_eq!(refusals(&rolled_back), [CrlReason::Older]);
    assert!(rolled_back.generation.is_none());
}

#[test]
fn a_crl_of_an_anchor_without_crl_sign_never_comes_into_force() {
    let mute = Authority::root_with(AuthoritySpec {
        crl_sign: false,
        ..AuthoritySpec::named("Mute Root")
    })
    .unwrap();
    let leaf = mute.server(FE01).unwrap();
    let generation = generation(&mute, &[crl(&mute, 1, -60, &[])]);
    assert_eq!(generation.refused_crls()[0].refusal, CrlReason::SignerUnfit);
    assert_eq!(
        inbound(&generation, &leaf.chain),
        TrustReason::CrlSignerUnfit
    );
}

#[test]
fn a_subordinates_crl_is_held_against_the_key_that_was_seen() {
    let root = Authority::root("Contoso Root").unwrap();
    let issuing = root.subordinate("Contoso Issuing").unwrap();
    let leaf = issuing.server(FE01).unwrap();
    let of_root = crl(&root, 1, -60, &[]);
    let good = crl(&issuing, 7, -600, &[&leaf]);
    let held = generation(&root, &[of_root.clone(), good]);
    let forged = crl(&issuing.impostor().unwrap(), 8, -60, &[]);
    let files = || vec![file("0.crl", &of_root), file("1.crl", &forged)];
    // Nobody has shown the issuing CA's key yet: both stay, and the decision hears the genuine one.
    let refreshed = refresh(&held, files());
    let both = refreshed.generation.unwrap();
    assert_eq!(both.topology().trusts()[0].crls.len(), 3);
    assert_eq!(inbound(&both, &leaf.chain), TrustReason::Revoked);
    // Once it is known, nothing of another key under the same key identifier replaces it.
    assert_eq!(inbound(&held, &leaf.chain), TrustReason::Revoked);
    let refreshed = refresh(&held, files());
    let next = refreshed.generation;
    let verdict = inbound(next.as_ref().unwrap_or(&held), &leaf.chain);
    assert_eq!(verdict, TrustReason::Revoked);
    let newer = crl(&issuing, 8, -60, &[]);
    let refreshed = refresh(&held, vec![file("0.crl", &of_root), file("1.crl", &newer)]);
    assert_eq!(
        inbound(&refreshed.generation.unwrap(), &leaf.chain),
        TrustReason::Accepted
    );
}

#[test]
fn a_file_that_vanishes_leaves_its_crl_in_force_until_it_is_stale_and_its_number_for_good() {
    let ca = Authority::root("Contoso Root").unwrap();
    let leaf = ca.server(FE01).unwrap();
    let short = |number: u64| {
        ca.crl(&CrlSpec {
            number,
            next_update: 600,
            ..CrlSpec::default()
        })
        .unwrap()
    };
    let held = generation(&ca, &[short(7)]);
    // Neither the refresh nor the reload without the file changes anything.
    assert!(refresh(&held, Vec::new()).generation.is_none());
    let held = after(&held, topology(&ca, &[]));
    assert_eq!(inbound(&held, &leaf.chain), TrustReason::Accepted);
    // One that cannot be read holds what it held.
    let gone = CrlFile {
        content: Err((CrlReason::Unreadable, "gone".to_owned())),
        ..file("0.crl", &short(7))
    };
    assert!(refresh(&held, vec![gone]).generation.is_none());
    let read = || Read {
        crls: vec![(TrustRef(0), Vec::new())],
        ..Read::default()
    };
    assert!(held.refresh(2, read(), later(540)).generation.is_none());
    let next = held.refresh(2, read(), later(600)).generation.unwrap();
    assert_eq!(next.held_crls()[0].series.crls(), []);
    assert_eq!(
        inbound_at(&next, &leaf.chain, later(601)),
        TrustReason::CrlStale
    );
    for (number, refused) in [
        (6, vec![CrlReason::Older]),
        (7, Vec::new()),
        (8, Vec::new()),
    ] {
        let refreshed = refresh(&next, vec![file("0.crl", &short(number))]);
        assert_eq!(refusals(&refreshed), refused, "{number}");
        let in_force = refreshed.generation.unwrap().held_crls()[0]
            .series
            .crls()
            .len();
        assert_eq!(in_force, usize::from(refused.is_empty()));
    }
}

/// issuingDistributionPoint with flags only, which rcgen does not write.
fn scoped(ca: &Authority, flag: u8, revoked: &[&Issued]) -> CrlDer<'static> {
    ca.crl(&CrlSpec {
        revoked: revoked.iter().map(|i| i.serial.clone()).collect(),
        extensions: vec![(POINT.to_vec(), true, vec![0x30, 3, 0x80 | flag, 1, 0xff])],
        ..CrlSpec::default()
    })
    .unwrap()
}

#[test]
fn a_partition_covers_the_certificates_that_name_it_and_no_other() {
    let ca = Authority::root("Contoso Root").unwrap();
    let of_point = |points: &[&str]| {
        ca.issue(&LeafSpec {
            crl_points: points.iter().map(|p| (*p).to_owned()).collect(),
            ..LeafSpec::server(FE01)
        })
        .unwrap()
    };
    let one = "http://crl.contoso.test/1.crl";
    let two = "http://crl.contoso.test/2.crl";
    let partition = |uri: &str, revoked: &[&Issued]| {
        ca.crl(&CrlSpec {
            point: Some(uri.to_owned()),
            revoked: revoked.iter().map(|i| i.serial.clone()).collect(),
            ..CrlSpec::default()
        })
        .unwrap()
    };
    let first = of_point(&[one]);
    let second = of_point(&[two]);
    let either = of_point(&[two, one]);
    let none = ca.server(FE01).unwrap();
    let only_one = generation(&ca, &[partition(one, &[])]);
    assert_eq!(inbound(&only_one, &first.chain), TrustReason::Accepted);
    assert_eq!(inbound(&only_one, &second.chain), TrustReason::CrlMissing);
    assert_eq!(inbound(&only_one, &either.chain), TrustReason::Accepted);
    assert_eq!(inbound(&only_one, &none.chain), TrustReason::CrlMissing);
    // A serial number in another partition says nothing; in any that covers, it revokes.
    let both = generation(
        &ca,
        &[
            partition(one, &[&second]),
            partition(two, &[&first, &either]),
        ],
    );
    assert_eq!(both.topology().trusts()[0].crls.len(), 2);
    assert_eq!(inbound(&both, &first.chain), TrustReason::Accepted);
    assert_eq!(inbound(&both, &second.chain), TrustReason::Accepted);
    assert_eq!(inbound(&both, &either.chain), TrustReason::Revoked);
    let whole = generation(&ca, &[crl(&ca, 1, -60, &[&first])]);
    assert_eq!(inbound(&whole, &first.chain), TrustReason::Revoked);
    assert_eq!(inbound(&whole, &second.chain), TrustReason::Accepted);
}

#[test]
fn crls_for_users_and_for_cas_cover_their_kind_only() {
    let root = Authority::root("Contoso Root").unwrap();
    let issuing = root.subordinate("Contoso Issuing").unwrap();
    let leaf = issuing.server(FE01).unwrap();
    let direct = root.server(FE01).unwrap();
    let (users, authorities) = (1, 2);
    let judged =
        |crls: &[CrlDer<'static>], chain: &Issued| inbound(&generation(&root, crls), &chain.chain);
    let of_issuing = scoped(&issuing, users, &[]);
    let cas = scoped(&root, authorities, &[]);
    assert_eq!(
        judged(&[cas.clone(), of_issuing.clone()], &leaf),
        TrustReason::Accepted
    );
    assert_eq!(
        judged(&[cas.clone(), of_issuing.clone()], &direct),
        TrustReason::CrlMissing
    );
    let users_of_root = scoped(&root, users, &[]);
    assert_eq!(
        judged(&[users_of_root.clone(), of_issuing], &leaf),
        TrustReason::CrlMissing
    );
    assert_eq!(
        judged(&[users_of_root, cas.clone()], &direct),
        TrustReason::Accepted
    );
    assert_eq!(
        judged(&[cas, scoped(&root, users, &[&direct])], &direct),
        TrustReason::Revoked
    );
}

#[test]
fn the_signature_of_a_crl_is_checked_once_for_all_its_handshakes() {
    let ca = Authority::root("Contoso Root").unwrap();
    let signed = crl(&ca, 1, -60, &[]);
    let crls = held(std::slice::from_ref(&signed));
    assert!(crls[0].proven_by().is_none());
    let leaf = ca.server(FE01).unwrap();
    let generation = generation(&ca, &[signed]);
    let held = &generation.topology().trusts()[0].crls[0];
    assert!(held.proven_by().is_some());
    assert_eq!(
        inbound_at(&generation, &leaf.chain, later(60)),
        TrustReason::Accepted
    );
}

#[test]
fn reasons_of_decisions_and_of_crls_share_their_codes() {
    let shared: Vec<_> = CrlReason::ALL
        .iter()
        .filter_map(|refusal| TrustReason::from_code(refusal.code()))
        .collect();
    assert_eq!(
        shared,
        [
            TrustReason::CrlUnsupportedSignature,
            TrustReason::CrlBadSignature,
            TrustReason::CrlSignerUnfit,
            TrustReason::CrlFromFuture
        ]
    );
}

/// A CA that issues twice in a second: the CRL number tells which one is newer, not the order of the files.
#[test]
fn of_two_crls_of_one_moment_the_higher_number_speaks_and_of_equals_both() {
    let home = Authority::root("Contoso Root").unwrap();
    let leaf = home.server(FE01).unwrap();
    let verdicts = |one: CrlDer<'static>, other: CrlDer<'static>| {
        let forth = generation(&home, &[one.clone(), other.clone()]);
        let back = generation(&home, &[other, one]);
        [forth, back].map(|generation| inbound(&generation, &leaf.chain))
    };
    let (revokes, clears) = (
        |n| crl(&home, n, -60, &[&leaf]),
        |n| crl(&home, n, -60, &[]),
    );
    assert_eq!(verdicts(revokes(2), clears(1)), [TrustReason::Revoked; 2]);
    assert_eq!(verdicts(revokes(1), clears(2)), [TrustReason::Accepted; 2]);
    assert_eq!(
        verdicts(revokes(9), clears(256)),
        [TrustReason::Accepted; 2]
    );
    assert_eq!(verdicts(revokes(1), clears(1)), [TrustReason::Revoked; 2]);
}
