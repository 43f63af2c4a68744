//! A writer of DER (X.690), for what no library makes on purpose: odd CRLs and OCSP responses.

/// One element: identifier octet, length, and the parts of its value one after the other.
pub fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let octets = length.to_be_bytes();
            let zeros = octets.iter().take_while(|octet| **octet == 0).count();
            let octets = octets.get(zeros..).unwrap_or_default();
            out.push(0x80 | u8::try_from(octets.len()).unwrap_or(8));
            out.extend_from_slice(octets);
        }
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// A BIT STRING without unused bits.
pub fn bits(octets: &[u8]) -> Vec<u8> {
    element(0x03, &[&[0], octets])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_as_few_octets_as_they_need() {
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
