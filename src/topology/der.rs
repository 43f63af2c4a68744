//! A walk over DER (X.690), one element at a time, for what has to be found by its place: CRLs and OCSP responses.
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

/// Why a list of parts is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnreadList {
    /// It is not in the form that it should have.
    Malformed,
    /// It has more parts than are read, or a longer one.
    TooLarge,
}

/// Extensions of one list that are read: what CAs write has fewer than ten.
pub(crate) const MOST_EXTENSIONS: usize = 32;

/// Reads a SEQUENCE OF Extension of at most [`MOST_EXTENSIONS`], without repetitions.
pub(crate) fn extensions<'a>(list: &Element<'a>) -> Option<Vec<Extension<'a>>> {
    extensions_within(list, MOST_EXTENSIONS).ok()
}

/// Reads a SEQUENCE OF Extension of at most `most`, without repetitions.
///
/// Bounded before anything is kept of it: a list of 60 MiB has millions of extensions, and each that is kept takes more than
/// its bytes. A few are compared with each other one by one.
///
/// # Errors
/// Whether they are too many or no extensions.
pub(crate) fn extensions_within<'a>(
    list: &Element<'a>,
    most: usize,
) -> Result<Vec<Extension<'a>>, UnreadList> {
    let mut found: Vec<Extension<'a>> = Vec::new();
    let mut items = list.inside();
    while !items.is_empty() {
        if found.len() >= most {
            return Err(UnreadList::TooLarge);
        }
        let extension = extension(&mut items).ok_or(UnreadList::Malformed)?;
        if found.iter().any(|other| other.id == extension.id) {
            return Err(UnreadList::Malformed);
        }
        found.push(extension);
    }
    Ok(found)
}

fn extension<'a>(items: &mut Der<'a>) -> Option<Extension<'a>> {
    let mut item = items.expect(SEQUENCE)?.inside();
    let id = item.expect(OID)?.content();
    let critical = match item.optional(BOOLEAN) {
        Some(flag) => flag.content() != [0],
        None => false,
    };
    let value = item.expect(OCTET_STRING)?.content();
    item.is_empty().then_some(Extension {
        id,
        critical,
        value,
    })
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
    fn extensions_are_read_up_to_a_bound_and_none_may_repeat() {
        let extension = |number: u8| [SEQUENCE, 5, OID, 1, number, OCTET_STRING, 0];
        let read = |numbers: &[u8]| {
            let all: Vec<u8> = numbers.iter().copied().flat_map(extension).collect();
            let head = [SEQUENCE, 0x81, u8::try_from(all.len()).unwrap()];
            let octets = [&head, &all[..]].concat();
            let list = Der::new(&octets).expect(SEQUENCE).unwrap();
            extensions_within(&list, 16).map(|found| found.len())
        };
        let distinct: Vec<u8> = (0..17).collect();
        assert_eq!(read(&distinct[..16]), Ok(16));
        assert_eq!(read(&distinct), Err(UnreadList::TooLarge));
        for again in [0, 5, 14] {
            let twice = [&distinct[..15], &[again]].concat();
            assert_eq!(read(&twice), Err(UnreadList::Malformed), "{again}");
        }
    }

    #[test]
    fn leading_zeros_of_a_number_do_not_count() {
        assert_eq!(magnitude(&[0, 0, 5, 0]), [5, 0]);
        assert_eq!(magnitude(&[0]), [0u8; 0]);
    }
}
