//! Distinguished names in the form in which they are compared (RFC 5280 §7.1).
use super::der::{Der, Element, OID, SEQUENCE};

/// The tags of the string types that are compared as text: UTF8String, NumericString, PrintableString, IA5String,
/// VisibleString (all read as UTF-8), TeletexString (read as Latin-1), UniversalString and BMPString.
const UTF8: &[u8] = &[0x0c, 0x12, 0x13, 0x16, 0x1a];
const TELETEX: u8 = 0x14;
const UNIVERSAL: u8 = 0x1c;
const BMP: u8 = 0x1e;
const SET: u8 = 0x31;

/// What marks a value that was read as text; every other value keeps its tag.
const TEXT: u8 = 0;

/// A name whose bytes are equal exactly when the names are: string types do not matter, nor does case, white space is
/// compressed, and the order within a multi-valued RDN does not matter.
///
/// Each RDN carries its length, so that one name is a prefix of another exactly when its RDNs are.
///
/// **Deviation:** Unicode is not normalised (NFKC) before it is compared; nobody is known to issue under one form and to
/// name the issuer in the other.
/// CAs write the same name in different string types in their own certificate and in the certificates
/// that they issue; compared byte by byte they would not be found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NameKey(Box<[u8]>);

impl NameKey {
    /// The key of a Name in DER (the whole element); `None` for what is no Name.
    pub(crate) fn of(der: &[u8]) -> Option<Self> {
        let mut walk = Der::new(der);
        let name = walk.expect(SEQUENCE)?;
        if !walk.is_empty() {
            return None;
        }
        let mut rdns = name.inside();
        let mut key = Vec::with_capacity(der.len());
        while !rdns.is_empty() {
            let rdn = rdns.expect(SET)?;
            append(&mut key, &relative(&rdn)?);
        }
        Some(Self(key.into_boxed_slice()))
    }

    /// The bytes that are compared.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Whether the name has no RDN.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the name lies in the subtree of `base` (RFC 5280 §4.2.1.10): its first RDNs are those of the base.
    pub(crate) fn is_within(&self, base: &Self) -> bool {
        self.0.starts_with(&base.0)
    }
}

/// Whether two Names in DER are the same name; what cannot be read is equal to its own bytes only.
pub(crate) fn same_name(one: &[u8], other: &[u8]) -> bool {
    one == other
        || NameKey::of(one)
            .zip(NameKey::of(other))
            .is_some_and(|(one, other)| one == other)
}

/// The bytes of one RDN: its attributes in a fixed order.
///
/// RFC 5280 §7.1: a multi-valued RDN is a set.
fn relative(rdn: &Element<'_>) -> Option<Vec<u8>> {
    let mut attributes: Vec<Vec<u8>> = Vec::new();
    let mut list = rdn.inside();
    while !list.is_empty() {
        let mut attribute = list.expect(SEQUENCE)?.inside();
        let kind = attribute.expect(OID)?;
        let value = attribute.next()?;
        if !attribute.is_empty() {
            return None;
        }
        let (tag, octets) = match text(&value) {
            Some(text) => (TEXT, folded(&text).into_bytes()),
            None => (value.tag, value.content().to_vec()),
        };
        let mut key = Vec::with_capacity(octets.len() + 16);
        append(&mut key, kind.content());
        key.push(tag);
        append(&mut key, &octets);
        attributes.push(key);
    }
    // After their keys were made, so that the order does not depend on string types.
    attributes.sort();
    Some(attributes.concat())
}

/// Appends bytes after their number.
fn append(key: &mut Vec<u8>, octets: &[u8]) {
    // A certificate is far below 4 GiB; what is not would only be unequal to everything.
    let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
    key.extend_from_slice(&length.to_be_bytes());
    key.extend_from_slice(octets);
}

/// The characters of a string type; `None` for another type, or for bytes that are none of it.
fn text(value: &Element<'_>) -> Option<String> {
    let octets = value.content();
    match value.tag {
        tag if UTF8.contains(&tag) => std::str::from_utf8(octets).ok().map(str::to_owned),
        TELETEX => Some(octets.iter().map(|octet| char::from(*octet)).collect()),
        BMP if octets.len().is_multiple_of(2) => {
            let (pairs, _) = octets.as_chunks::<2>();
            let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
            char::decode_utf16(units).collect::<Result<_, _>>().ok()
        }
        UNIVERSAL if octets.len().is_multiple_of(4) => {
            let (quads, _) = octets.as_chunks::<4>();
            let characters = quads
                .iter()
                .map(|quad| char::from_u32(u32::from_be_bytes(*quad)));
            characters.collect()
        }
        _ => None,
    }
}

/// Lower case, without control characters, white space at the ends or more than one space inside (RFC 4518 §2).
///
/// Only what CAs are known to differ in; the rest of RFC 4518 changes no name that was seen.
fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut gap = false;
    for character in text.chars() {
        if character.is_whitespace() {
            gap = !folded.is_empty();
        } else if !character.is_control() {
            if gap {
                folded.push(' ');
                gap = false;
            }
            folded.extend(character.to_lowercase());
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag, u8::try_from(content.len()).unwrap()];
        out.extend_from_slice(content);
        out
    }

    /// A Name of RDNs, each of attributes: the last byte of the OID below id-at, the tag and the value.
    fn name(rdns: &[&[(u8, u8, &[u8])]]) -> Vec<u8> {
        let rdn = |attributes: &&[(u8, u8, &[u8])]| {
            let attribute = |(kind, tag, value): &(u8, u8, &[u8])| {
                let parts = [element(OID, &[0x55, 4, *kind]), element(*tag, value)];
                element(SEQUENCE, &parts.concat())
            };
            element(
                SET,
                &attributes
                    .iter()
                    .map(attribute)
                    .collect::<Vec<_>>()
                    .concat(),
            )
        };
        element(SEQUENCE, &rdns.iter().map(rdn).collect::<Vec<_>>().concat())
    }

    #[test]
    fn string_types_case_and_white_space_do_not_matter() {
        let base = name(&[&[(3, 0x13, b"Contoso Root")]]);
        for (tag, value) in [
            (0x0c, &b"CONTOSO  root"[..]),
            (0x16, b" contoso\t root "),
            (0x14, b"Contoso Root"),
            (0x1e, b"\0C\0o\0n\0t\0o\0s\0o\0 \0R\0o\0o\0t"),
        ] {
            assert!(same_name(&base, &name(&[&[(3, tag, value)]])), "{tag:x}");
        }
        for (kind, tag, value) in [
            (10, 0x13, &b"Contoso Root"[..]),
            (3, 0x13, b"ContosoRoot"),
            (3, 0x04, b"Contoso Root"),
            (3, 0x0c, b"\xff"),
        ] {
            assert!(!same_name(&base, &name(&[&[(kind, tag, value)]])));
        }
    }

    #[test]
    fn attributes_of_one_rdn_have_no_order_and_rdns_have() {
        let (one, other) = ((3, 0x13, &b"a"[..]), (10, 0x13, &b"b"[..]));
        assert!(same_name(&name(&[&[one, other]]), &name(&[&[other, one]])));
        assert!(!same_name(
            &name(&[&[one], &[other]]),
            &name(&[&[other], &[one]])
        ));
        assert!(!same_name(
            &name(&[&[one], &[other]]),
            &name(&[&[one, other]])
        ));
    }

    #[test]
    fn a_name_lies_within_its_first_rdns_only() {
        let key = |rdns: &[&[(u8, u8, &[u8])]]| NameKey::of(&name(rdns)).unwrap();
        let base = key(&[&[(10, 0x13, b"Contoso")]]);
        assert!(key(&[&[(10, 0x0c, b"contoso")], &[(3, 0x0c, b"a")]]).is_within(&base));
        assert!(!key(&[&[(10, 0x13, b"Contoso2")]]).is_within(&base));
        assert!(!key(&[&[(3, 0x0c, b"a")], &[(10, 0x0c, b"contoso")]]).is_within(&base));
        assert!(base.is_within(&NameKey::of(&[0x30, 0]).unwrap()));
        assert!(NameKey::of(&[0x30, 0]).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_name_has_no_key() {
        for octets in [
            &[][..],
            &[0x30, 2, 0x31],
            &[0x31, 0],
            &[0x30, 0, 0],
            &[0x30, 2, 0x30, 0],
        ] {
            assert!(NameKey::of(octets).is_none(), "{octets:x?}");
        }
    }
}
