//! `pins` of a peer: SHA-256 over a SubjectPublicKeyInfo, of which one must occur in the chain (RFC 7469 §2.4).
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// SHA-256 over the DER of a certificate's SubjectPublicKeyInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pin(pub [u8; 32]);

impl Pin {
    /// Reads base64 or hex, the latter with or without colons.
    ///
    /// Base64 is what RFC 7469 and most programs write, hex what openssl prints.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("sha256/").unwrap_or(text);
        if let Ok(bytes) = STANDARD.decode(text)
            && let Ok(pin) = <[u8; 32]>::try_from(bytes)
        {
            return Some(Self(pin));
        }
        let digits: String = text.chars().filter(|c| *c != ':').collect();
        bytes_of_hex(&digits).map(Self)
    }
}

/// 32 bytes in hex, two digits a byte, in either case.
pub(super) fn bytes_of_hex(digits: &str) -> Option<[u8; 32]> {
    let digit = |octet: u8| char::from(octet).to_digit(16);
    let bytes = digits.as_bytes().chunks(2).map(|pair| match *pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    });
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

impl std::fmt::Display for Pin {
    /// In base64, as other programs print it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_and_hex_with_or_without_colons_are_the_same_pin() {
        let pin = Pin([0xab; 32]);
        let hex = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        for text in [pin.to_string(), format!("sha256/{pin}"), hex, colons] {
            assert_eq!(Pin::parse(&text), Some(pin), "{text}");
        }
        for text in ["", "ab", &"zz".repeat(32), &"é".repeat(32), "q6urqw=="] {
            assert_eq!(Pin::parse(text), None, "{text}");
        }
    }
}
