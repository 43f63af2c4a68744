//! A CRL as read (RFC 5280 §5): its content, found once; who signed it is judged elsewhere.
use super::der::{self, Der, Element, UnreadList, context, magnitude};
use super::printable::subject_text;
use super::{CrlReason, CrlScope};
use aws_lc_rs::digest::{SHA256, digest};
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::{Mutex, OnceLock, PoisonError};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Name;

/// Extensions and their OIDs' bytes, all below id-ce (2.5.29).
const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 20];
const DELTA_INDICATOR: &[u8] = &[0x55, 0x1d, 27];
const ISSUING_POINT: &[u8] = &[0x55, 0x1d, 28];
const CERTIFICATE_ISSUER: &[u8] = &[0x55, 0x1d, 29];
const AUTHORITY_KEY: &[u8] = &[0x55, 0x1d, 35];

/// Extensions of one entry that are read: RFC 5280 §5.3 knows four.
const MOST_ENTRY_EXTENSIONS: usize = 16;

/// Bytes of an issuer's name; those of real CAs have one or two hundred.
///
/// A name is taken apart to be compared and shown, and a body of an HTTP server could hold millions of parts.
const LONGEST_ISSUER: usize = 4_096;

/// Keys that are remembered for a CRL that they did not sign; a CA has a few in its life.
///
/// Bounded, since peers can send certificates with any number of keys under the issuer's name.
const MOST_REFUTED: usize = 16;

/// A complete, direct v2 CRL with nextUpdate.
///
/// Only places in the DER are kept, never copies: a CRL of a large CA has hundreds of thousands of
/// entries, and each byte for an entry would be paid in every CRL that is held.
pub struct Crl {
    der: Vec<u8>,
    digest: [u8; 32],
    issuer: String,
    issuer_at: Range<usize>,
    this_update: u64,
    next_update: u64,
    number: Option<Vec<u8>>,
    scope: CrlScope,
    /// Where the serial numbers stand, in their order.
    serials: Vec<(u32, u16)>,
    signed_at: Range<usize>,
    algorithm_at: Range<usize>,
    signature_at: Range<usize>,
    proven: OnceLock<Vec<u8>>,
    /// Digests of keys that did not sign it, the latest last.
    refuted: Mutex<Vec<[u8; 32]>>,
}

impl Crl {
    /// Reads one from DER.
    ///
    /// # Errors
    /// What makes it unusable, whoever signed it. Every count in it has a bound, so that what is kept of it, whatever it
    /// holds, is less than its bytes.
    /// Every entry is looked at, also those that will never be asked for: a critical extension in any
    /// of them may change what the list means.
    pub fn read(der: Vec<u8>) -> Result<Self, CrlReason> {
        let malformed = || CrlReason::Malformed;
        // Places of serial numbers are kept in 32 bits; no file is that large.
        u32::try_from(der.len()).map_err(|_| malformed())?;
        // The order of the checks is that of the remedies: what is no CRL at all is reported as that
        // first.
        let parts = CrlParts::find(&der).ok_or_else(malformed)?;
        let next_update = parts.next_update.ok_or(CrlReason::NoNextUpdate)?;
        if parts.issuer.whole().len() > LONGEST_ISSUER {
            return Err(CrlReason::TooComplex);
        }
        let extensions = der::extensions_within(&parts.extensions, der::MOST_EXTENSIONS)?;
        let mut number = None;
        let mut scope = CrlScope::default();
        for extension in &extensions {
            // RFC 5280 §5.2: a critical extension that is not understood makes the CRL unusable; one
            // that is not critical may be passed over.
            match extension.id {
                CRL_NUMBER => number = Some(read_number(extension.value).ok_or_else(malformed)?),
                // A delta CRL alone would revoke too little, and look complete.
                DELTA_INDICATOR => return Err(CrlReason::Delta),
                ISSUING_POINT => scope = CrlScope::read(extension.value)?,
                // It only hints at the key; the signature itself proves more.
                AUTHORITY_KEY => {}
                _ if extension.critical => return Err(CrlReason::UnknownCritical),
                _ => {}
            }
        }
        // Absent means that nothing is revoked, which is the usual case for a CA of a few servers.
        let serials = parts
            .revoked
            .as_ref()
            .map_or(Ok(Vec::new()), |list| read_serials(list, &der))?;
        // For messages only. Names are compared as DER.
        let (_, name) =
            X509Name::from_der(parts.issuer.whole()).map_err(|_| CrlReason::Malformed)?;
        Ok(Self {
            digest: sha256(&der),
            issuer: subject_text(&name),
            issuer_at: parts.issuer.whole_at(),
            this_update: parts.this_update,
            next_update,
            number,
            scope,
            serials,
            signed_at: parts.signed,
            algorithm_at: parts.algorithm,
            signature_at: parts.signature,
            proven: OnceLock::new(),
            refuted: Mutex::default(),
            der,
        })
    }

    /// SHA-256 of its DER.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
    /// The issuer as text.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
    /// The issuer as DER.
    pub fn issuer_der(&self) -> &[u8] {
        self.at(&self.issuer_at)
    }
    /// thisUpdate, Unix seconds.
    pub fn this_update(&self) -> u64 {
        self.this_update
    }
    /// nextUpdate, Unix seconds.
    pub fn next_update(&self) -> u64 {
        self.next_update
    }
    /// The CRL number (RFC 5280 §5.2.3) without leading zeros.
    pub fn number(&self) -> Option<&[u8]> {
        self.number.as_deref()
    }
    /// Which of its issuer's certificates it covers.
    pub fn scope(&self) -> &CrlScope {
        &self.scope
    }
    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        self.der.len() as u64
    }
    /// How many certificates it revokes.
    pub fn revoked(&self) -> usize {
        self.serials.len()
    }

    /// Whether it lists a certificate of its issuer by the serial number's bytes.
    ///
    /// A binary search over places: handshakes ask this for each certificate of a path.
    pub fn lists(&self, serial: &[u8]) -> bool {
        // Certificates and CRLs may encode one serial number with and without a leading zero.
        let wanted = magnitude(serial);
        self.serials
            .binary_search_by(|place| serial_at(&self.der, *place).cmp(wanted))
            .is_ok()
    }

    /// As DER.
    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// The bytes under the signature.
    pub(crate) fn signed_octets(&self) -> &[u8] {
        self.at(&self.signed_at)
    }
    /// The content of the AlgorithmIdentifier.
    pub(crate) fn algorithm(&self) -> &[u8] {
        self.at(&self.algorithm_at)
    }
    /// The signature.
    pub(crate) fn signature(&self) -> &[u8] {
        self.at(&self.signature_at)
    }

    /// The SubjectPublicKeyInfo that is known to have signed it. A signature is checked once, not for each handshake:
    /// some CRLs hold millions of bytes.
    /// A lock-free read on the path of every handshake.
    pub(crate) fn proven_by(&self) -> Option<&[u8]> {
        self.proven.get().map(Vec::as_slice)
    }
    /// Keeps the key whose signature was found good.
    ///
    /// A key is proven once and for all: neither the CRL nor the key can change.
    pub(crate) fn prove(&self, key: &[u8]) {
        // Another thread may have been first.
        let _ = self.proven.set(key.to_vec());
    }

    /// Whether the signature is known not to be by a key. Not for each handshake either is that found out.
    ///
    /// A CA with two keys has CRLs of which each fits one of them only, and every handshake would try
    /// both.
    pub(crate) fn is_refuted(&self, key: &[u8]) -> bool {
        let refuted = self.refuted.lock().unwrap_or_else(PoisonError::into_inner);
        !refuted.is_empty() && refuted.contains(&sha256(key))
    }
    /// Keeps a key whose signature was found not to be good.
    ///
    /// The oldest goes first; whoever fills the list only makes himself pay for the check again.
    pub(crate) fn refute(&self, key: &[u8]) {
        let mut refuted = self.refuted.lock().unwrap_or_else(PoisonError::into_inner);
        if refuted.len() >= MOST_REFUTED {
            refuted.remove(0);
        }
        refuted.push(sha256(key));
    }

    fn at(&self, range: &Range<usize>) -> &[u8] {
        self.der.get(range.clone()).unwrap_or_default()
    }
}

/// The same bytes are the same CRL, wherever they came from.
impl PartialEq for Crl {
    // The digest stands for all of them: comparing megabytes at each refresh would be felt.
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

/// Not derived: a derived one would print megabytes into a failed assertion.
impl std::fmt::Debug for Crl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crl")
            .field("issuer", &self.issuer)
            .field("this_update", &self.this_update)
            .field("next_update", &self.next_update)
            .field("revoked", &self.serials.len())
            .finish_non_exhaustive()
    }
}

/// The fields of a CertificateList (RFC 5280 §5.1).
///
/// Found in one walk, before anything is interpreted.
struct CrlParts<'a> {
    issuer: Element<'a>,
    this_update: u64,
    next_update: Option<u64>,
    revoked: Option<Element<'a>>,
    extensions: Element<'a>,
    signed: Range<usize>,
    algorithm: Range<usize>,
    signature: Range<usize>,
}

impl<'a> CrlParts<'a> {
    /// Strict, as RFC 5280 §5.1 profiles it: an optional field in the wrong place is not skipped. Of a
    /// list that is not understood as a whole nobody knows what it leaves out.
    fn find(octets: &'a [u8]) -> Option<Self> {
        let mut whole = Der::new(octets);
        let list = whole.expect(der::SEQUENCE)?;
        if !whole.is_empty() {
            return None;
        }
        let mut list = list.inside();
        let signed = list.expect(der::SEQUENCE)?;
        let algorithm = list.expect(der::SEQUENCE)?;
        let signature = list.expect(der::BIT_STRING)?;
        // The first byte of a BIT STRING counts unused bits, so the signature begins one byte after the
        // content.
        let bits = signature.bits()?.len();
        let signature_at = signature.whole_at().end - bits..signature.whole_at().end;
        if !list.is_empty() {
            return None;
        }
        let mut fields = signed.inside();
        // v2 is written as 1.
        if fields.expect(der::INTEGER)?.content() != [1] {
            return None;
        }
        // RFC 5280 §5.1.1.2: the same algorithm inside and outside.
        if fields.expect(der::SEQUENCE)?.whole() != algorithm.whole() {
            return None;
        }
        let issuer = fields.expect(der::SEQUENCE)?;
        let this_update = fields.next()?.seconds()?;
        // RFC 5280 §5.1.2.5 requires it. Without it the caller refuses the CRL with a reason of its
        // own, which is more precise than `crl_malformed`.
        let next_update = [der::UTC_TIME, der::GENERALIZED_TIME]
            .iter()
            .find_map(|tag| fields.optional(*tag));
        let next_update = match next_update {
            Some(time) => Some(time.seconds()?),
            None => None,
        };
        let revoked = fields.optional(der::SEQUENCE);
        let extensions = fields.expect(context(0))?.inside().expect(der::SEQUENCE)?;
        fields.is_empty().then(|| Self {
            issuer,
            this_update,
            next_update,
            revoked,
            extensions,
            signed: signed.whole_at(),
            algorithm: algorithm.content_at(),
            signature: signature_at,
        })
    }
}

impl From<UnreadList> for CrlReason {
    fn from(list: UnreadList) -> Self {
        match list {
            UnreadList::Malformed => Self::Malformed,
            UnreadList::TooLarge => Self::TooComplex,
        }
    }
}

/// The order of two CRL numbers without leading zeros.
///
/// The longer one is the greater one, as leading zeros are gone.
pub(crate) fn order_of_numbers(one: &[u8], other: &[u8]) -> Ordering {
    (one.len(), one).cmp(&(other.len(), other))
}

/// A negative number, or one that is longer than the RFC allows, could make every later CRL count as
/// older.
fn read_number(value: &[u8]) -> Option<Vec<u8>> {
    let number = Der::new(value).expect(der::INTEGER)?.content();
    let negative = number.first().is_none_or(|first| *first & 0x80 != 0);
    // RFC 5280 §5.2.3: at most 20 bytes.
    let number = magnitude(number);
    (!negative && number.len() <= 20).then(|| number.to_vec())
}

/// The serial numbers' places, sorted by the numbers.
///
/// Sorted once when read, so that a look-up is a binary search. CAs write entries in the order of
/// revocation.
fn read_serials(list: &Element<'_>, all: &[u8]) -> Result<Vec<(u32, u16)>, CrlReason> {
    let mut serials = Vec::new();
    let mut entries = list.inside();
    while !entries.is_empty() {
        serials.push(read_entry(&mut entries)?);
    }
    serials.sort_by(|a, b| serial_at(all, *a).cmp(serial_at(all, *b)));
    Ok(serials)
}

/// One revoked certificate (RFC 5280 §5.3).
///
/// Only place and length are kept. Four bytes and two suffice, since no file and no serial number is
/// larger.
fn read_entry(entries: &mut Der<'_>) -> Result<(u32, u16), CrlReason> {
    let malformed = CrlReason::Malformed;
    let mut entry = entries.expect(der::SEQUENCE).ok_or(malformed)?.inside();
    let serial = entry.expect(der::INTEGER).ok_or(malformed)?;
    let time = entry.next().ok_or(malformed)?;
    if !matches!(time.tag, der::UTC_TIME | der::GENERALIZED_TIME) {
        return Err(malformed);
    }
    if let Some(list) = entry.optional(der::SEQUENCE) {
        for extension in der::extensions_within(&list, MOST_ENTRY_EXTENSIONS)? {
            // An entry about another issuer's certificate: an indirect CRL that does not call itself
            // one.
            if extension.id == CERTIFICATE_ISSUER {
                return Err(CrlReason::Indirect);
            }
            if extension.critical {
                return Err(CrlReason::UnknownCritical);
            }
        }
    }
    if !entry.is_empty() {
        return Err(malformed);
    }
    let at = serial.content_at();
    let place = u32::try_from(at.start)
        .ok()
        .zip(u16::try_from(at.len()).ok());
    place.ok_or(malformed)
}

fn serial_at(der: &[u8], (start, length): (u32, u16)) -> &[u8] {
    let start = start as usize;
    let octets = der.get(start..start + usize::from(length));
    magnitude(octets.unwrap_or_default())
}

/// SHA-256.
pub(crate) fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, octets).as_ref());
    out
}
