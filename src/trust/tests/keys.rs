//! Keys of leaves: which ones a handshake can use.
use super::forged::{FE01, Forged};
use super::{inbound, outbound};
use crate::reason::TrustReason;
use crate::trust::certificate::key::PublicKey;
use sipward_lab::der::element;
use sipward_lab::forge::{CertificateFields, KeyKind, SigningKey};

/// A SubjectPublicKeyInfo of an AlgorithmIdentifier's content and the key's bits.
fn info(algorithm: &[u8], bits: &[u8]) -> Vec<u8> {
    let algorithm = element(0x30, &[algorithm]);
    element(0x30, &[&algorithm, &sipward_lab::der::bits(bits)])
}

/// rsaEncryption and id-RSASSA-PSS.
const RSA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
const PSS: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];

/// An RSA key of that many bits.
fn rsa(id: &[u8], bits: usize, exponent: &[u8]) -> Vec<u8> {
    let mut modulus = vec![0xff; bits.div_ceil(8)];
    modulus[0] >>= (8 - bits % 8) % 8;
    if bits.is_multiple_of(8) {
        modulus.insert(0, 0);
    }
    info(
        id,
        &element(0x30, &[&element(2, &[&modulus]), &element(2, &[exponent])]),
    )
}

/// A point of so many octets, which lies on no curve, with the curve's OID.
fn point(curve: &[u8], octets: usize) -> Vec<u8> {
    let id = [
        &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6],
        &[curve.len() as u8][..],
        curve,
    ];
    info(&id.concat(), &[&[4][..], &vec![1; octets * 2]].concat())
}

#[test]
fn keys_that_no_handshake_can_use_are_refused_before_it() {
    let forged = Forged::new();
    let generation = forged.generation();
    let e: &[u8] = &[1, 0, 1];
    let (unusable, weak) = (TrustReason::KeyUnusable, TrustReason::WeakKey);
    let of = |kind| SigningKey::new(kind).unwrap().public();
    for (says, key, reason) in [
        (
            "P-192",
            point(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 1], 24),
            unusable,
        ),
        ("P-224", point(&[0x2b, 0x81, 4, 0, 33], 28), unusable),
        ("secp256k1", point(&[0x2b, 0x81, 4, 0, 10], 32), unusable),
        (
            "brainpoolP256r1",
            point(&[0x2b, 0x24, 3, 3, 2, 8, 1, 1, 7], 32),
            unusable,
        ),
        (
            "off P-256",
            point(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], 32),
            unusable,
        ),
        (
            "DSA",
            info(&[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1], &[2, 1, 5]),
            unusable,
        ),
        (
            "X25519",
            info(&[6, 3, 0x2b, 0x65, 0x6e], &[9; 32]),
            unusable,
        ),
        ("Ed448", info(&[6, 3, 0x2b, 0x65, 0x71], &[9; 57]), unusable),
        ("an RSA-PSS key", rsa(PSS, 2_048, e), unusable),
        ("RSA 1024", rsa(RSA, 1_024, e), weak),
        ("RSA 2041", rsa(RSA, 2_041, e), weak),
        ("RSA 2047", rsa(RSA, 2_047, e), weak),
        ("RSA 2048", rsa(RSA, 2_048, e), TrustReason::Accepted),
        ("RSA 8192", rsa(RSA, 8_192, e), TrustReason::Accepted),
        ("RSA 8200", rsa(RSA, 8_200, e), unusable),
        ("an RSA exponent of 1", rsa(RSA, 2_048, &[1]), unusable),
        (
            "an even RSA exponent",
            rsa(RSA, 2_048, &[1, 0, 0]),
            unusable,
        ),
        ("P-384", of(KeyKind::P384), TrustReason::Accepted),
        ("P-521", of(KeyKind::P521), TrustReason::Accepted),
        ("Ed25519", of(KeyKind::Ed25519), TrustReason::Accepted),
    ] {
        let mut form = CertificateFields::leaf(&forged.root, FE01, &forged.below);
        form.key = key;
        let chain = [forged.key.sign(&form).unwrap()];
        assert_eq!(inbound(&generation, &chain), reason, "{says}");
        assert_eq!(outbound(&generation, FE01, &chain), reason, "{says}");
    }
}

#[test]
fn a_key_of_any_kind_is_told_by_its_oid_however_long_its_parameters_are() {
    let words = |info: &[u8]| PublicKey::of(info).unwrap().words();
    let number = element(2, &[&[0x55; 128]]);
    let parameters = element(0x30, &[&number, &number, &number]);
    let dsa: &[u8] = &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1];
    let with = |id: &[u8]| [id, &parameters].concat();
    assert_eq!(words(&info(&with(dsa), &[2, 1, 5])), "1.2.840.10040.4.1");
    let ec: &[u8] = &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    assert_eq!(words(&info(&with(ec), &[4, 1, 1])), "1.2.840.10045.2.1");
    // One of a peer's invention does not fill the log.
    let endless = element(6, &[&[0x55; 5_000]]);
    let words_of_it = words(&info(&[ec, &endless[..]].concat(), &[4, 1, 1]));
    assert_eq!(words_of_it.len(), 100);
    let short = point(&[0x2b, 0x81, 4, 0, 10], 32);
    assert_eq!(words(&short), "1.2.840.10045.2.1 on 1.3.132.0.10");
}
