//! A writer of DER (X.690), for what no library makes on purpose: odd certificates, CRLs and OCSP responses.
//!
//! It checks nothing: a caller who asks for a value that no standard allows gets it, for that is what tests
//! need.

/// One element: identifier, length, and the parts of its value one after the other.
pub fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = vec![tag];
    match u8::try_from(length) {
        // The short form. X.690 §10.1 demands it where it suffices, and readers refuse anything else as BER.
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let zeros = bytes.iter().take_while(|octet| **octet == 0).count();
            let bytes = bytes.get(zeros..).unwrap_or_default();
            out.push(0x80 | u8::try_from(bytes.len()).unwrap_or(8));
            out.extend_from_slice(bytes);
        }
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// A SEQUENCE, or SEQUENCE OF.
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(0x30, parts)
}

/// An OPTIONAL element: absent, and not empty, where there is nothing to hold.
pub(crate) fn unless_empty(tag: u8, value: &[u8]) -> Vec<u8> {
    match value {
        [] => Vec::new(),
        value => element(tag, &[value]),
    }
}

/// A BIT STRING without unused bits.
pub fn bits(bytes: &[u8]) -> Vec<u8> {
    element(0x03, &[&[0], bytes])
}

/// An Extension: its OID's content, whether critical, and the value.
pub(crate) fn extension((oid, critical, value): &(Vec<u8>, bool, Vec<u8>)) -> Vec<u8> {
    let critical: &[u8] = if *critical { &[1, 1, 0xff] } else { &[] };
    let value = element(0x04, &[value]);
    sequence(&[&element(0x06, &[oid]), critical, &value])
}

/// A Name of one CN in a string type: 0x0c for UTF8String, 0x13 for PrintableString.
pub fn common_name(tag: u8, text: &[u8]) -> Vec<u8> {
    distinguished_name(&[(3, tag, text)])
}

/// A Name of attributes below id-at (2.5.4), each an RDN: the OID's last byte, the string type, the text.
pub fn distinguished_name(attributes: &[(u8, u8, &[u8])]) -> Vec<u8> {
    let rdns: Vec<u8> = attributes
        .iter()
        .flat_map(|(kind, tag, text)| {
            let attribute = sequence(&[&[6, 3, 0x55, 4, *kind], &element(*tag, &[text])]);
            element(0x31, &[&attribute])
        })
        .collect();
    sequence(&[&rdns])
}

/// A Time (RFC 5280 §4.1.2.5) of Unix seconds, which may lie before 1970: UTCTime from 1950 to 2049, else
/// GeneralizedTime.
pub fn moment(unix: i64) -> Vec<u8> {
    let general = generalized_time(unix);
    // Tag, length, and a year of four digits, of which UTCTime has the last two.
    match general
        .get(2..6)
        .and_then(|year| std::str::from_utf8(year).ok()?.parse().ok())
    {
        Some(1950..2050) => element(0x17, &[general.get(4..).unwrap_or_default()]),
        Some(0_u16..) | None => general,
    }
}

/// A GeneralizedTime of Unix seconds, the only form of OCSP; nothing for a year that no calendar has.
pub(crate) fn generalized_time(unix: i64) -> Vec<u8> {
    let Ok(at) = time::OffsetDateTime::from_unix_timestamp(unix) else {
        return Vec::new();
    };
    let text = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    );
    element(0x18, &[text.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_as_few_bytes_as_they_need() {
        assert_eq!(element(0x04, &[&[1], &[2]]), [4, 2, 1, 2]);
        assert_eq!(
            element(0x04, &[&[0; 200]]).get(..3),
            Some(&[4, 0x81, 200][..])
        );
        assert_eq!(
            element(0x04, &[&[0; 300]]).get(..4),
            Some(&[4, 0x82, 1, 44][..])
        );
        assert_eq!(bits(&[9]), [3, 2, 0, 9]);
    }
}
