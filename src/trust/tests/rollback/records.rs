//! What is kept of CRLs: how much, for how long, and in which form.
use super::*;

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
