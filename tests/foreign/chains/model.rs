//! What a certificate and a CRL of a random hierarchy say, before they are encoded and signed.
use super::der::{
    self, Form, attribute, element, extension, flags, integer, moment, oid, sequence,
};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ORGANISATION: &[u8] = &[0x55, 4, 10];
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// Below the enterprise number that RFC 5612 keeps for examples.
const UNKNOWN: &[u8] = &[0x2b, 6, 1, 4, 1, 0x81, 0xfd, 0x59, 1];

/// A distinguished name: who it is, and how it is written.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) organisation: String,
    pub(super) common: String,
    pub(super) form: Form,
}

impl Name {
    /// Whether both name the same, however they are written (RFC 5280 §7.1).
    pub(super) fn is(&self, other: &Self) -> bool {
        (&self.organisation, &self.common) == (&other.organisation, &other.common)
    }

    fn der(&self) -> Vec<u8> {
        sequence(&[
            attribute(ORGANISATION, &self.organisation, self.form),
            attribute(COMMON_NAME, &self.common, self.form),
        ])
    }
}

/// Extended key usages, by the last number of id-kp but for `Any`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Usage {
    Server,
    Client,
    SipDomain,
    CodeSigning,
    Any,
}

impl Usage {
    fn der(self) -> Vec<u8> {
        let last = match self {
            Self::Server => 1,
            Self::Client => 2,
            Self::CodeSigning => 3,
            Self::SipDomain => 20,
            Self::Any => return oid(&[0x55, 0x1d, 37, 0]),
        };
        oid(&[0x2b, 6, 1, 5, 5, 7, 3, last])
    }
}

/// A subtree of a name constraint.
#[derive(Clone, Debug)]
pub(super) enum Subtree {
    Dns(String),
    Uri(String),
    Email(String),
    /// Address and mask.
    Address([u8; 8]),
    /// An organisation.
    Directory(String, Form),
}

impl Subtree {
    fn der(&self) -> Vec<u8> {
        let base = match self {
            Self::Email(text) => element(0x81, &[text.as_bytes()]),
            Self::Dns(text) => element(0x82, &[text.as_bytes()]),
            Self::Uri(text) => element(0x86, &[text.as_bytes()]),
            Self::Address(octets) => element(0x87, &[octets]),
            Self::Directory(organisation, form) => {
                let name = sequence(&[attribute(ORGANISATION, organisation, *form)]);
                element(0xa4, &[&name])
            }
        };
        sequence(&[base])
    }
}

/// A subjectAltName entry.
#[derive(Clone, Debug)]
pub(super) enum Alternative {
    Dns(String),
    Uri(String),
    Email(String),
    Address([u8; 4]),
}

impl Alternative {
    fn der(&self) -> Vec<u8> {
        match self {
            Self::Email(text) => element(0x81, &[text.as_bytes()]),
            Self::Dns(text) => element(0x82, &[text.as_bytes()]),
            Self::Uri(text) => element(0x86, &[text.as_bytes()]),
            Self::Address(octets) => element(0x87, &[octets]),
        }
    }
}

/// What authorityKeyIdentifier says of the issuer's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyHint {
    Absent,
    Right,
    /// The identifier of no key at all.
    Wrong,
}

/// A certificate, of an authority or not.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    pub(super) serial: u64,
    pub(super) subject: Name,
    /// Position in the ring.
    pub(super) key: usize,
    pub(super) issuer: Name,
    /// The key that signs it.
    pub(super) signer: usize,
    pub(super) not_before: i64,
    pub(super) not_after: i64,
    /// basicConstraints: absent, or whether cA is asserted and how long a path may be.
    pub(super) basic: Option<(bool, Option<u64>)>,
    /// keyUsage's bits; absent when `None`.
    pub(super) key_usage: Option<Vec<u8>>,
    /// extendedKeyUsage; absent when empty.
    pub(super) usages: Vec<Usage>,
    pub(super) names: Vec<Alternative>,
    pub(super) permitted: Vec<Subtree>,
    pub(super) excluded: Vec<Subtree>,
    pub(super) subject_key: bool,
    pub(super) hint: KeyHint,
    pub(super) unknown_critical: bool,
    /// Whether the signature is another one's.
    pub(super) forged: bool,
}

impl Certificate {
    /// Its own issuer by name (RFC 5280 §3.2).
    pub(super) fn self_issued(&self) -> bool {
        self.subject.is(&self.issuer)
    }

    /// Its own issuer by key.
    pub(super) fn self_signed(&self) -> bool {
        self.self_issued() && self.key == self.signer
    }

    pub(super) fn is_valid_at(&self, at: i64) -> bool {
        self.not_before <= at && at <= self.not_after
    }

    pub(super) fn constrained(&self) -> bool {
        !self.permitted.is_empty() || !self.excluded.is_empty()
    }

    /// Encoded and signed.
    pub(super) fn der(&self, ring: &Ring) -> Vec<u8> {
        let signed = sequence(&[
            element(0xa0, &[&integer(2)]),
            integer(self.serial),
            algorithm(),
            self.issuer.der(),
            sequence(&[moment(self.not_before), moment(self.not_after)]),
            self.subject.der(),
            ring.public(self.key),
            element(0xa3, &[&sequence(&self.extensions(ring))]),
        ]);
        let mut whole = ring.sign(signed, self.signer);
        if self.forged {
            // The last octet of the signature's second number.
            if let Some(last) = whole.last_mut() {
                *last ^= 1;
            }
        }
        whole
    }

    fn extensions(&self, ring: &Ring) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let mut add = |number: u8, critical: bool, value: &[u8]| {
            all.push(extension(&[0x55, 0x1d, number], critical, value));
        };
        if let Some((authority, path)) = self.basic {
            let mut parts = Vec::new();
            if authority {
                parts.push(element(0x01, &[&[0xff]]));
            }
            parts.extend(path.map(integer));
            add(19, true, &sequence(&parts));
        }
        if let Some(bits) = &self.key_usage {
            add(15, true, &flags(bits));
        }
        if !self.usages.is_empty() {
            let usages: Vec<_> = self.usages.iter().map(|usage| usage.der()).collect();
            add(37, false, &sequence(&usages));
        }
        if !self.names.is_empty() {
            let names: Vec<_> = self.names.iter().map(Alternative::der).collect();
            add(17, false, &sequence(&names));
        }
        if self.constrained() {
            let mut lists = Vec::new();
            for (tag, list) in [(0xa0, &self.permitted), (0xa1, &self.excluded)] {
                if !list.is_empty() {
                    let subtrees: Vec<_> = list.iter().map(Subtree::der).collect();
                    lists.push(element(tag, &[&subtrees.concat()]));
                }
            }
            add(30, true, &sequence(&lists));
        }
        if self.subject_key {
            add(
                14,
                false,
                &element(der::OCTETS, &[&ring.identifier(self.key)]),
            );
        }
        let hint = match self.hint {
            KeyHint::Absent => None,
            KeyHint::Right => Some(ring.identifier(self.signer)),
            KeyHint::Wrong => Some([0x5a; 20]),
        };
        if let Some(hint) = hint {
            add(35, false, &sequence(&[element(0x80, &[&hint])]));
        }
        if self.unknown_critical {
            all.push(extension(UNKNOWN, true, &[5, 0]));
        }
        all
    }
}

/// A CRL.
#[derive(Clone, Debug)]
pub(super) struct Crl {
    pub(super) issuer: Name,
    pub(super) signer: usize,
    pub(super) number: u64,
    pub(super) this_update: i64,
    pub(super) next_update: i64,
    pub(super) revoked: Vec<u64>,
    pub(super) hint: KeyHint,
}

impl Crl {
    /// Encoded and signed.
    pub(super) fn der(&self, ring: &Ring) -> Vec<u8> {
        let mut parts = vec![
            integer(1),
            algorithm(),
            self.issuer.der(),
            moment(self.this_update),
            moment(self.next_update),
        ];
        if !self.revoked.is_empty() {
            let entries: Vec<_> = self
                .revoked
                .iter()
                .map(|serial| sequence(&[integer(*serial), moment(self.this_update)]))
                .collect();
            parts.push(sequence(&entries));
        }
        let mut extensions = vec![extension(&[0x55, 0x1d, 20], false, &integer(self.number))];
        if self.hint == KeyHint::Right {
            let key = element(0x80, &[&ring.identifier(self.signer)]);
            extensions.push(extension(&[0x55, 0x1d, 35], false, &sequence(&[key])));
        }
        parts.push(element(0xa0, &[&sequence(&extensions)]));
        ring.sign(sequence(&parts), self.signer)
    }
}

fn algorithm() -> Vec<u8> {
    sequence(&[oid(ECDSA_SHA256)])
}

/// The keys that all hierarchies share: to make them takes longer than all the rest.
pub(super) struct Ring {
    keys: Vec<EcdsaKeyPair>,
    random: SystemRandom,
}

impl Ring {
    pub(super) fn new(size: usize) -> Self {
        let keys = (0..size).map(|_| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING));
        Self {
            keys: keys.collect::<Result<_, _>>().unwrap(),
            random: SystemRandom::new(),
        }
    }

    fn point(&self, key: usize) -> &[u8] {
        self.keys.get(key).unwrap().public_key().as_ref()
    }

    fn public(&self, key: usize) -> Vec<u8> {
        let kind = sequence(&[oid(EC_PUBLIC_KEY), oid(P256)]);
        sequence(&[kind, der::bits(self.point(key))])
    }

    fn identifier(&self, key: usize) -> [u8; 20] {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.point(key));
        let mut identifier = [0; 20];
        identifier.copy_from_slice(digest.as_ref().get(..20).unwrap());
        identifier
    }

    fn sign(&self, signed: Vec<u8>, key: usize) -> Vec<u8> {
        let signature = self.keys.get(key).unwrap().sign(&self.random, &signed);
        let signature = der::bits(signature.unwrap().as_ref());
        sequence(&[signed, algorithm(), signature])
    }
}
