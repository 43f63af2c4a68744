//! Public keys: which of them are of use, and what a check of a signature with one costs (RFC 9325 §4.5, RFC 8446 §4.2.3).
use crate::topology::der::{BIT_STRING, Der, INTEGER, SEQUENCE, magnitude};
use crate::topology::sha256;
use rustls_pki_types::alg_id;
use std::borrow::Cow;
use std::ops::Range;
use x509_parser::prelude::FromDer as _;

/// rsaEncryption (RFC 8017 appendix A.1) with its OID's tag and length.
const RSA: &[u8] = &[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01,
];

/// Bits of an RSA modulus: fewer are weak (RFC 9325 §4.5), more are checked by nobody.
// Certificates below the bound are refused even if the CA that signed them is trusted: their keys can be
// broken today.
const LEAST_RSA: usize = 2_048;
const MOST_RSA: usize = 8_192;
/// Characters of the words for a key.
///
/// An OID may have any length, and log lines must not.
const MOST_WORDS: usize = 100;

/// A SubjectPublicKeyInfo, with its parts found once.
#[derive(Clone)]
pub(crate) struct PublicKey<'a> {
    info: Cow<'a, [u8]>,
    // Ranges into `info`, so that an owned key needs no second copy of its parts.
    algorithm: Range<usize>,
    bits: Range<usize>,
    /// What keys are compared by, and what a pin holds (RFC 7469 §2.4).
    digest: [u8; 32],
    rsa: Option<Rsa>,
}

/// What an RSA key is like.
#[derive(Clone, Copy)]
struct Rsa {
    modulus_bits: usize,
    /// Odd, more than one, and of at most 33 bits.
    // aws-lc refuses other exponents in a handshake; found here, the refusal has a name.
    sound_exponent: bool,
}

impl<'a> PublicKey<'a> {
    /// Finds the parts; `None` for what is no SubjectPublicKeyInfo.
    pub(crate) fn of(info: &'a [u8]) -> Option<Self> {
        let mut fields = Der::new(info).expect(SEQUENCE)?.inside();
        let algorithm = fields.expect(SEQUENCE)?;
        let key = fields.expect(BIT_STRING)?;
        let bits = key.bits()?;
        // Other kinds of keys are of one size for each algorithm; for RSA the size must be read out of the
        // key.
        let rsa = algorithm
            .content()
            .starts_with(RSA)
            .then(|| Rsa::read(bits))
            .flatten();
        // The first byte of a BIT STRING's content counts unused bits and is no part of the key.
        let end = key.content_at().end;
        Some(Self {
            algorithm: algorithm.content_at(),
            bits: end - bits.len()..end,
            digest: sha256(info),
            rsa,
            info: Cow::Borrowed(info),
        })
    }

    /// The same without what it was read from.
    ///
    /// Anchors live as long as their generation, while presented keys end with the handshake.
    pub(crate) fn into_owned(self) -> PublicKey<'static> {
        PublicKey {
            info: Cow::Owned(self.info.into_owned()),
            algorithm: self.algorithm,
            bits: self.bits,
            digest: self.digest,
            rsa: self.rsa,
        }
    }

    /// The SubjectPublicKeyInfo as DER.
    pub(crate) fn info(&self) -> &[u8] {
        &self.info
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Whether it is an RSA key of less than 2048 bits (RFC 9325 §4.5).
    pub(crate) fn is_weak(&self) -> bool {
        self.rsa.is_some_and(|rsa| rsa.modulus_bits < LEAST_RSA)
    }

    /// Whether a handshake can check a signature by it: some scheme that is offered takes a key of this kind
    /// (RFC 8446 §4.2.3).
    pub(crate) fn serves_handshakes(&self) -> bool {
        // What the handshake can do is asked of the library and not listed here, so that a new release needs
        // no change.
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let schemes = provider.signature_verification_algorithms.mapping;
        let offered = schemes
            .iter()
            .flat_map(|(_, algorithms)| *algorithms)
            .any(|offered| offered.public_key_alg_id().as_ref() == self.algorithm());
        let sound = self.rsa.is_none_or(|rsa| {
            (LEAST_RSA..=MOST_RSA).contains(&rsa.modulus_bits) && rsa.sound_exponent
        });
        offered && sound && self.is_whole()
    }

    /// Whether the bits are a key of the kind that the algorithm names: the point lies on its curve, for one.
    fn is_whole(&self) -> bool {
        // A certificate whose key is no point of its curve would end the handshake with an error that names
        // nothing.
        use aws_lc_rs::signature as known;
        let id = self.algorithm();
        let algorithm: &'static dyn known::VerificationAlgorithm =
            if id == alg_id::ECDSA_P256.as_ref() {
                &known::ECDSA_P256_SHA256_ASN1
            } else if id == alg_id::ECDSA_P384.as_ref() {
                &known::ECDSA_P384_SHA384_ASN1
            } else if id == alg_id::ECDSA_P521.as_ref() {
                &known::ECDSA_P521_SHA512_ASN1
            } else if id == alg_id::ED25519.as_ref() {
                &known::ED25519
            } else {
                // RSA keys were read above; other kinds are for the handshake to read.
                return !id.starts_with(RSA) || self.rsa.is_some();
            };
        known::ParsedPublicKey::new(algorithm, self.bits()).is_ok()
    }

    /// What it is, in words.
    pub(crate) fn words(&self) -> String {
        let id = self.algorithm();
        if let Some(rsa) = self.rsa {
            return format!("RSA {}", rsa.modulus_bits);
        }
        let known = [
            (alg_id::ECDSA_P256, "EC P-256"),
            (alg_id::ECDSA_P384, "EC P-384"),
            (alg_id::ECDSA_P521, "EC P-521"),
            (alg_id::ED25519, "Ed25519"),
        ];
        if let Some((_, words)) = known.iter().find(|(known, _)| known.as_ref() == id) {
            return (*words).to_owned();
        }
        let named =
            x509_parser::x509::SubjectPublicKeyInfo::from_der(&self.info).map(|(_, read)| {
                (
                    read.algorithm.algorithm.to_id_string(),
                    curve(&read.algorithm),
                )
            });
        let words = match named {
            Ok((algorithm, Some(curve))) => format!("{algorithm} on {curve}"),
            Ok((algorithm, None)) => algorithm,
            Err(_) => "unknown".to_owned(),
        };
        // Real OIDs are short; a peer may write one of any length.
        words.chars().take(MOST_WORDS).collect()
    }

    pub(crate) fn algorithm(&self) -> &[u8] {
        self.info.get(self.algorithm.clone()).unwrap_or_default()
    }

    pub(crate) fn bits(&self) -> &[u8] {
        self.info.get(self.bits.clone()).unwrap_or_default()
    }

    /// Steps of one check of a signature with it (see [`Budget`]), without hashing.
    pub(crate) fn cost(&self) -> u32 {
        let id = self.algorithm();
        if let Some(rsa) = self.rsa {
            // The square of the length, as the multiplication goes: 35 for 2048 bits, 550 for 8192.
            // Numbers measured with aws-lc; only their ratio to the budget matters.
            let kilobits = u32::try_from(rsa.modulus_bits.min(MOST_RSA) / 256).unwrap_or(32);
            return kilobits * kilobits / 2 + 5;
        }
        if id == alg_id::ECDSA_P521.as_ref() {
            // P-521 and P-384 have no fast code on most machines.
            700
        } else if id == alg_id::ECDSA_P384.as_ref() {
            350
        } else {
            120
        }
    }
}

impl Rsa {
    /// An RSAPublicKey (RFC 8017 appendix A.1.1).
    fn read(bits: &[u8]) -> Option<Self> {
        let mut fields = Der::new(bits).expect(SEQUENCE)?.inside();
        // An encoder that left out the sign byte made a negative number; the magnitude is what it meant.
        let modulus = magnitude(fields.expect(INTEGER)?.content());
        let exponent = magnitude(fields.expect(INTEGER)?.content());
        let length = |number: &[u8]| {
            let first = number.first().map_or(0, |byte| byte.leading_zeros());
            number.len() * 8 - first as usize
        };
        Some(Self {
            modulus_bits: length(modulus),
            sound_exponent: (2..=33).contains(&length(exponent))
                && exponent.last().is_some_and(|byte| byte & 1 == 1),
        })
    }
}

/// The named curve of an EC key.
///
/// For explanations: a curve that TLS does not know is named by its OID.
fn curve(read: &x509_parser::x509::AlgorithmIdentifier<'_>) -> Option<String> {
    use x509_parser::asn1_rs::Tag;
    // The library reads the content of anything as an OID.
    let parameters = read.parameters.as_ref();
    let parameters = parameters.filter(|any| any.tag() == Tag::Oid)?;
    parameters.as_oid().ok().map(|oid| oid.to_id_string())
}
