//! A writer of DER (X.690): certificates and CRLs with whatever a random hierarchy holds, right or wrong.
use time::OffsetDateTime;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// One element: identifier octet, length, and the parts of its value one after the other.
pub(super) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = vec![tag];
    if length < 0x80 {
        out.push(u8::try_from(length).unwrap());
    } else {
        let octets = length.to_be_bytes();
        let octets: Vec<u8> = octets.into_iter().skip_while(|octet| *octet == 0).collect();
        out.push(0x80 | u8::try_from(octets.len()).unwrap());
        out.extend(octets);
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// SEQUENCE of what is given.
pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(
        SEQUENCE,
        &parts.iter().map(Vec::as_slice).collect::<Vec<_>>(),
    )
}

/// A positive INTEGER.
pub(super) fn integer(value: u64) -> Vec<u8> {
    let octets = value.to_be_bytes();
    let mut octets: Vec<u8> = octets.into_iter().skip_while(|octet| *octet == 0).collect();
    if octets.first().is_none_or(|first| *first >= 0x80) {
        octets.insert(0, 0);
    }
    element(INTEGER, &[&octets])
}

/// A BIT STRING without unused bits.
pub(super) fn bits(octets: &[u8]) -> Vec<u8> {
    element(0x03, &[&[0], octets])
}

/// keyUsage's BIT STRING: bit 0 is the highest of the octet.
pub(super) fn flags(set: &[u8]) -> Vec<u8> {
    let octet = set.iter().fold(0u8, |octet, bit| octet | 0x80 >> bit);
    let unused = u8::try_from(octet.trailing_zeros().min(7)).unwrap();
    element(0x03, &[&[unused, octet]])
}

/// An OBJECT IDENTIFIER from its octets.
pub(super) fn oid(octets: &[u8]) -> Vec<u8> {
    element(0x06, &[octets])
}

/// UTCTime, or GeneralizedTime from 2050 on (RFC 5280 §4.1.2.5).
pub(super) fn moment(unix: i64) -> Vec<u8> {
    let at = OffsetDateTime::from_unix_timestamp(unix).unwrap();
    let year = at.year();
    let rest = format!(
        "{:02}{:02}{:02}{:02}{:02}Z",
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    );
    if (1950..2050).contains(&year) {
        element(0x17, &[format!("{:02}{rest}", year % 100).as_bytes()])
    } else {
        element(0x18, &[format!("{year:04}{rest}").as_bytes()])
    }
}

/// How the text of a name is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Utf8,
    Printable,
    Bmp,
}

/// One AttributeTypeAndValue in an RDN of its own.
pub(super) fn attribute(kind: &[u8], text: &str, form: Form) -> Vec<u8> {
    let value = match form {
        Form::Utf8 => element(0x0c, &[text.as_bytes()]),
        Form::Printable => element(0x13, &[text.as_bytes()]),
        Form::Bmp => {
            let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            element(0x1e, &[&units])
        }
    };
    element(SET, &[&sequence(&[oid(kind), value])])
}

/// An Extension of RFC 5280 §4.1, id-ce or as given whole.
pub(super) fn extension(id: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let mut parts = vec![oid(id)];
    if critical {
        parts.push(element(0x01, &[&[0xff]]));
    }
    parts.push(element(OCTETS, &[value]));
    sequence(&parts)
}

/// PEM with lines of 64 characters.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}
