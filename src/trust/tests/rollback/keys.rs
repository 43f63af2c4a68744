//! CRLs of CAs with several keys, in several sets, and of issuers whose key nobody has shown yet.
use super::*;

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
