//! Numbers and addresses as text, without `core::fmt`, which costs more than what is written here.
use std::io::Write as _;
use std::net::IpAddr;

/// The digits of 2**64, the largest number that is written.
const MOST: usize = 20;

/// Appends a number in decimal. Every status, port and CSeq that is written passes here, on the message path.
pub(crate) fn write_decimal(value: u64, out: &mut Vec<u8>) {
    // From the last digit to the first, into a buffer that every number fits into; then what was filled is copied.
    let mut digits = [b'0'; MOST];
    let mut rest = value;
    let mut begin = MOST;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        begin -= 1;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(begin..).unwrap_or_default());
}

/// Every octet of an IPv4 address with the dot behind it, and how many bytes these are.
///
/// Looked up and not divided out: an address stands in the topmost Via of every request that is forwarded.
static OCTETS: [([u8; 4], u8); 256] = octets();

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a byte has 256 values, of three digits at most"
)]
const fn octets() -> [([u8; 4], u8); 256] {
    let mut octets = [([0; 4], 0); 256];
    let mut number = 0;
    while number < octets.len() {
        let (hundreds, tens, ones) = (number / 100, number / 10 % 10, number % 10);
        let [hundreds, tens, ones] = [b'0' + hundreds as u8, b'0' + tens as u8, b'0' + ones as u8];
        octets[number] = match number {
            0..10 => ([ones, b'.', 0, 0], 2),
            10..100 => ([tens, ones, b'.', 0], 3),
            _ => ([hundreds, tens, ones, b'.'], 4),
        };
        number += 1;
    }
    octets
}

/// Appends an address, IPv6 without brackets: where brackets belong depends on the field (RFC 5118 §4.5: none in
/// `received`), so the caller writes them.
pub(crate) fn write_ip(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            // IPv4 stands in every Via that is stamped; IPv6 text has rules (RFC 5952) that are left to the library.
            let mut text = [0; "255.255.255.255.".len()];
            let mut length = 0;
            for number in address.octets() {
                let (digits, written) =
                    OCTETS.get(usize::from(number)).copied().unwrap_or_default();
                // What is too much of a short number the next one writes over.
                if let Some(place) = text.get_mut(length..length + digits.len()) {
                    place.copy_from_slice(&digits);
                }
                length += usize::from(written);
            }
            // Without the dot behind the last.
            out.extend_from_slice(text.get(..length - 1).unwrap_or_default());
        }
        IpAddr::V6(address) => {
            // Through `io::Write` for a Vec, which cannot fail.
            let _ = write!(out, "{address}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_addresses_read_as_the_standard_library_writes_them() {
        for value in [0, 7, 10, 99, 100, 65_535, 4_294_967_296, u64::MAX] {
            let mut out = b"x".to_vec();
            write_decimal(value, &mut out);
            assert_eq!(out, format!("x{value}").into_bytes());
        }
        for text in [
            "0.0.0.0",
            "192.0.2.10",
            "255.255.255.255",
            "9.10.99.100",
            "2001:db8::1",
            "::ffff:1.2.3.4",
        ] {
            let mut out = Vec::new();
            write_ip(text.parse().unwrap(), &mut out);
            assert_eq!(out, text.as_bytes());
        }
    }
}
