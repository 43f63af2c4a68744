//! A walk over DER (X.690), one element at a time, for what has to be found by its place: CRLs and OCSP responses.
use std::collections::HashSet;
use std::ops::Range;
use x509_parser::asn1_rs::{Any, FromDer};

/// INTEGER.
pub(crate) const INTEGER: u8 = 0x02;
/// BIT STRING.
pub(crate) const BIT_STRING: u8 = 0x03;
/// OCTET STRING.
pub(crate) const OCTET_STRING: u8 = 0x04;
/// OBJECT IDENTIFIER.
pub(crate) const OID: u8 = 0x06;
/// BOOLEAN.
pub(crate) const BOOLEAN: u8 = 0x01;
/// ENUMERATED.
pub(crate) const ENUMERATED: u8 = 0x0a;
/// SEQUENCE.
pub(crate) const SEQUENCE: u8 = 0x30;
/// UTCTime.
pub(crate) const UTC_TIME: u8 = 0x17;
/// GeneralizedTime.
pub(crate) const GENERALIZED_TIME: u8 = 0x18;

/// `[number]` with elements inside.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// `[number]` with a bare value inside.
pub(crate) const fn context_value(number: u8) -> u8 {
    0x80 | number
}

/// The elements of a stretch of bytes that are still to be read.
///
/// For CRLs and OCSP responses, of which places are needed and whose size forbids copies; certificates
/// are parsed by x509-parser.
#[derive(Clone)]
pub(crate) struct Der<'a> {
    all: &'a [u8],
    left: Range<usize>,
}

/// One element.
#[derive(Clone)]
pub(crate) struct Element<'a> {
    all: &'a [u8],
    /// The identifier byte.
    pub(crate) tag: u8,
    whole: Range<usize>,
    content: Range<usize>,
}

impl<'a> Der<'a> {
    /// All of `bytes`.
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self {
            all: octets,
            left: 0..octets.len(),
        }
    }

    /// Whether everything has been read.
    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// The next element; `None` when there is none or it is no DER with a one-byte identifier.
    ///
    /// Strict DER: an indefinite length, or one that leads beyond the end, is no element.
    pub(crate) fn next(&mut self) -> Option<Element<'a>> {
        let input = self.all.get(self.left.clone())?;
        let tag = *input.first()?;
        // Tags of several bytes occur in nothing that is read here.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (rest, any) = Any::from_der(input).ok()?;
        let end = self.left.end - rest.len();
        let element = Element {
            all: self.all,
            tag,
            whole: self.left.start..end,
            content: end - any.data.len()..end,
        };
        self.left.start = end;
        Some(element)
    }

    /// The next element, which must be of this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Option<Element<'a>> {
        self.next().filter(|element| element.tag == tag)
    }

    /// The next element if it is of this tag; otherwise nothing is read.
    ///
    /// For fields that RFC 5280 marks OPTIONAL or DEFAULT.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<Element<'a>> {
        let next = self.all.get(self.left.clone())?.first()?;
        if *next == tag { self.next() } else { None }
    }
}

impl<'a> Element<'a> {
    /// The value's bytes.
    pub(crate) fn content(&self) -> &'a [u8] {
        self.all.get(self.content.clone()).unwrap_or_default()
    }

    /// Identifier, length and value.
    pub(crate) fn whole(&self) -> &'a [u8] {
        self.all.get(self.whole.clone()).unwrap_or_default()
    }

    /// Where the value stands in the bytes that the walk began with.
    pub(crate) fn content_at(&self) -> Range<usize> {
        self.content.clone()
    }

    /// Where the element stands in the bytes that the walk began with.
    pub(crate) fn whole_at(&self) -> Range<usize> {
        self.whole.clone()
    }

    /// The elements inside, at places of the same bytes.
    pub(crate) fn inside(&self) -> Der<'a> {
        Der {
            all: self.all,
            left: self.content.clone(),
        }
    }

    /// The bytes of a BIT STRING without unused bits.
    pub(crate) fn bits(&self) -> Option<&'a [u8]> {
        match self.content().split_first() {
            Some((0, bits)) if self.tag == BIT_STRING => Some(bits),
            _ => None,
        }
    }

    /// A UTCTime or GeneralizedTime in Unix seconds; what lies before 1970 counts as 1970.
    ///
    /// Certificates and CRLs use UTCTime until 2049 and GeneralizedTime from 2050 on.
    pub(crate) fn seconds(&self) -> Option<u64> {
        if !matches!(self.tag, UTC_TIME | GENERALIZED_TIME) {
            return None;
        }
        let (rest, time) = x509_parser::time::ASN1Time::from_der(self.whole()).ok()?;
        rest.is_empty()
            .then(|| u64::try_from(time.timestamp()).unwrap_or(0))
    }
}

/// One `Extension` of RFC 5280 §4.1.
pub(crate) struct Extension<'a> {
    /// The OID's bytes.
    pub(crate) id: &'a [u8],
    /// Whether who does not know it must refuse the whole.
    pub(crate) critical: bool,
    /// The bytes of the OCTET STRING.
    pub(crate) value: &'a [u8],
}

/// Extensions that are compared one by one; the entries of a CRL have one or two.
const FEW: usize = 8;

/// Reads a SEQUENCE OF Extension, without repetitions.
pub(crate) fn extensions<'a>(list: &Element<'a>) -> Option<Vec<Extension<'a>>> {
    let mut found: Vec<Extension<'a>> = Vec::new();
    // A set, once they are many: whoever sends tens of thousands of them costs no more than their bytes.
    let mut known = HashSet::new();
    let mut items = list.inside();
    while !items.is_empty() {
        let mut item = items.expect(SEQUENCE)?.inside();
        let id = item.expect(OID)?.content();
        let critical = match item.optional(BOOLEAN) {
            Some(flag) => flag.content() != [0],
            None => false,
        };
        let value = item.expect(OCTET_STRING)?.content();
        let is_new = if found.len() < FEW {
            found.iter().all(|other| other.id != id)
        } else {
            if known.is_empty() {
                known.extend(found.iter().map(|other| other.id));
            }
            known.insert(id)
        };
        if !item.is_empty() || !is_new {
            return None;
        }
        found.push(Extension {
            id,
            critical,
            value,
        });
    }
    Some(found)
}

/// A whole number without its leading zeros, so that two encodings of one serial number are equal.
pub(crate) fn magnitude(integer: &[u8]) -> &[u8] {
    let zeros = integer.iter().take_while(|octet| **octet == 0).count();
    integer.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_gives_elements_at_their_places_and_stops_at_what_is_no_der() {
        let octets = [0x30, 5, 2, 1, 7, 5, 0, 0xff];
        let mut walk = Der::new(&octets);
        let outer = walk.expect(SEQUENCE).unwrap();
        assert_eq!((outer.whole_at(), outer.content_at()), (0..7, 2..7));
        let mut inner = outer.inside();
        assert!(inner.optional(BOOLEAN).is_none());
        let number = inner.expect(INTEGER).unwrap();
        assert_eq!((number.content(), number.content_at()), (&[7][..], 4..5));
        assert_eq!(inner.next().unwrap().whole(), [5, 0]);
        assert!(inner.is_empty() && inner.next().is_none());
        assert!(!walk.is_empty() && walk.next().is_none());
    }

    #[test]
    fn lengths_beyond_the_end_and_indefinite_ones_are_no_elements() {
        for octets in [&[0x30, 3, 1][..], &[0x30, 0x80, 0, 0], &[0x30, 0x84, 0xff]] {
            assert!(Der::new(octets).next().is_none(), "{octets:x?}");
        }
    }

    #[test]
    fn tens_of_thousands_of_extensions_are_read_and_none_may_repeat() {
        let tlv = |tag: u8, content: &[u8]| {
            let length = u32::try_from(content.len()).unwrap().to_be_bytes();
            let head = match content.len() {
                0..=127 => vec![tag, length[3]],
                128..=255 => vec![tag, 0x81, length[3]],
                256..=0xffff => vec![tag, 0x82, length[2], length[3]],
                _ => vec![tag, 0x83, length[1], length[2], length[3]],
            };
            [&head, content].concat()
        };
        let extension = |number: u32| {
            let seven = |shift: u32| u8::try_from(number >> shift & 0x7f).unwrap();
            let id = [0x2a, seven(14) | 0x80, seven(7) | 0x80, seven(0)];
            tlv(SEQUENCE, &[tlv(OID, &id), tlv(OCTET_STRING, &[])].concat())
        };
        let list = |numbers: &mut dyn Iterator<Item = u32>| {
            let all: Vec<u8> = numbers.flat_map(extension).collect();
            tlv(SEQUENCE, &all)
        };
        let read = |list: &[u8]| {
            let list = Der::new(list).expect(SEQUENCE).unwrap();
            extensions(&list).map(|found| found.len())
        };
        let distinct = list(&mut (0..40_000));
        assert_eq!(read(&distinct), Some(40_000));
        for count in [2, FEW as u32, FEW as u32 + 1, 40_000] {
            let mut twice = (0..count).chain([0]);
            assert_eq!(read(&list(&mut twice)), None, "{count}");
            let mut twice = (0..count).chain([count - 1]);
            assert_eq!(read(&list(&mut twice)), None, "{count}");
        }
    }

    #[test]
    fn leading_zeros_of_a_number_do_not_count() {
        assert_eq!(magnitude(&[0, 0, 5, 0]), [5, 0]);
        assert_eq!(magnitude(&[0]), [0u8; 0]);
    }
}
