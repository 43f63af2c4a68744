//! AES-CMAC (RFC 4493, NIST SP 800-38B), which tokens are signed with.
//!
//! The library is RustCrypto's, where the key of a MAC is a value that is copied; aws-lc's asks for memory for each MAC, and
//! takes twice the instructions for so short a text.
use aes::Aes256Enc;
use cmac::{Cmac, KeyInit as _, Mac as _};

/// Bytes of a MAC: a block of AES.
pub(super) const MAC: usize = 16;
/// A MAC.
pub(super) type Mac = [u8; MAC];

/// A key of AES-CMAC.
pub(super) struct MacKey(Cmac<Aes256Enc>);

impl MacKey {
    /// `None`: the key is not one of 256 bits.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        Cmac::new_from_slice(key).ok().map(Self)
    }

    /// The MAC of a text.
    pub(super) fn mac(&self, text: &[u8]) -> Mac {
        // A copy of the key's schedule: the key itself is shared by all shards.
        let mut mac = self.0.clone();
        mac.update(text);
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits = text.as_bytes().chunks(2);
        let byte =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.map(byte).collect()
    }

    #[test]
    fn the_mac_is_the_one_of_nist_sp_800_38b() {
        // Appendix D.3: AES-256, the messages of 0, 16, 40 and 64 bytes.
        let key = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        let message = hex(
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
             30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        );
        let key = MacKey::new(&key).unwrap();
        for (length, expected) in [
            (0, "028962f61b7bf89efc6b551f4667d983"),
            (16, "28a7023f452e8f82bd4bf28d8c37c35c"),
            (40, "aaf3d8f1de5640c232f5b169b9c911e6"),
            (64, "e1992190549f6ed5696a2c056c315410"),
        ] {
            assert_eq!(key.mac(&message[..length]).to_vec(), hex(expected));
        }
    }

    #[test]
    fn every_byte_counts_and_so_does_the_length() {
        let key = MacKey::new(&[7; 32]).unwrap();
        let text = [0; 50];
        let macs: std::collections::HashSet<_> = (0..=50).map(|n| key.mac(&text[..n])).collect();
        assert_eq!(macs.len(), 51);
        for at in 0..50 {
            let mut other = text;
            other[at] = 1;
            assert_ne!(key.mac(&other), key.mac(&text), "at {at}");
        }
        assert!(MacKey::new(&[7; 16]).is_none());
    }
}
