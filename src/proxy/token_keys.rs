//! The keys that tokens are signed with, and what is made of each: one signs, all verify, so that they rotate while calls run.
//!
//! The MAC is AES-CMAC (RFC 4493): it needs no nonce, and a token is some blocks of AES, which processors do by themselves.
//! The library is RustCrypto's, where the key of a MAC is a value that is copied; aws-lc's asks for memory for each MAC, and
//! takes twice the instructions for so short a text.
use super::binding::BindingKey;
use super::hiding::HidingKey;
use super::log_key::LogKey;
use aes::cipher::BlockCipherEncrypt as _;
use aes::{Aes256Enc, Block};
use aws_lc_rs::hmac;
use cmac::{Cmac, KeyInit as _, Mac as _};

/// Bytes of a MAC: a block of AES.
pub(super) const MAC: usize = 16;
/// A MAC.
pub(super) type Mac = [u8; MAC];

/// One key: what it signs has its number.
pub(super) struct TokenKey {
    pub(super) id: u8,
    mac: Cmac<Aes256Enc>,
    /// What turns the MAC of the value that all see of a token into that of the value that one client sees.
    own: Aes256Enc,
    pub(super) binding: BindingKey,
    /// For what siblings tell each other.
    pub(super) origin: hmac::Key,
}

impl TokenKey {
    /// From a key of the file.
    fn derive(id: u8, key: &[u8; 32]) -> Option<Self> {
        Some(Self {
            id,
            mac: Cmac::new_from_slice(derived(key, b"sipward token").as_ref()).ok()?,
            own: Aes256Enc::new_from_slice(derived(key, b"sipward own token").as_ref()).ok()?,
            binding: BindingKey::derive(key),
            origin: hmac::Key::new(hmac::HMAC_SHA256, derived(key, b"sipward origin").as_ref()),
        })
    }

    /// The MAC of these parts, one behind the other. Where one ends the parts themselves must say.
    pub(super) fn mac(&self, parts: [&[u8]; 3]) -> Mac {
        // One long text costs less than three short ones, each of which may begin in the middle of a block.
        let mut input = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        for part in parts {
            input.extend_from_slice(part);
        }
        let mut mac = self.mac.clone();
        mac.update(&input);
        mac.finalize().into_bytes().into()
    }

    /// The MAC of the value that one client alone sees, from that of the other value. Nobody without the key can compute
    /// it, in either direction: a block cipher under a key of its own is that by definition.
    pub(super) fn own(&self, mac: Mac) -> Mac {
        let mut block = Block::from(mac);
        self.own.encrypt_block(&mut block);
        block.into()
    }
}

/// The keys that sign tokens: the first signs, all verify.
pub struct TokenKeys {
    keys: Vec<TokenKey>,
    /// What hides the topology, derived from the same keys: the first seals, all open.
    pub(super) hiding: Vec<HidingKey>,
    /// What hashes users in the log, derived from the first.
    pub(super) log: LogKey,
}

impl TokenKeys {
    /// From the topology's key file, or from `random` when there is none.
    pub fn new(configured: &[(u8, [u8; 32])], random: [u8; 32]) -> Self {
        let random = [(0, random)];
        let keys = if configured.is_empty() {
            &random
        } else {
            configured
        };
        Self {
            keys: keys
                .iter()
                .filter_map(|(id, key)| TokenKey::derive(*id, key))
                .collect(),
            hiding: keys
                .iter()
                .filter_map(|(id, key)| HidingKey::derive(*id, key))
                .collect(),
            log: keys
                .first()
                .map(|(_, key)| LogKey::derive(key))
                .unwrap_or_default(),
        }
    }

    /// The one that signs.
    pub(super) fn signing(&self) -> Option<&TokenKey> {
        self.keys.first()
    }

    /// All of them.
    pub(super) fn all(&self) -> std::slice::Iter<'_, TokenKey> {
        self.keys.iter()
    }
}

/// A key of its own for each purpose, so that what was made for one is worth nothing for another.
fn derived(key: &[u8; 32], purpose: &[u8]) -> hmac::Tag {
    let root = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&root, purpose)
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
        let mut signing = TokenKey::derive(1, &[0; 32]).unwrap();
        signing.mac = Cmac::new_from_slice(&key).unwrap();
        for (length, expected) in [
            (0, "028962f61b7bf89efc6b551f4667d983"),
            (16, "28a7023f452e8f82bd4bf28d8c37c35c"),
            (40, "aaf3d8f1de5640c232f5b169b9c911e6"),
            (64, "e1992190549f6ed5696a2c056c315410"),
        ] {
            let (first, rest) = message[..length].split_at(length / 3);
            assert_eq!(signing.mac([first, rest, b""]).to_vec(), hex(expected));
        }
    }

    #[test]
    fn each_key_makes_the_other_value_of_a_mac_by_a_key_of_its_own() {
        let (one, two) = (TokenKey::derive(1, &[1; 32]), TokenKey::derive(1, &[2; 32]));
        let (one, two) = (one.unwrap(), two.unwrap());
        let mac = one.mac([b"a", b"b", b"c"]);
        assert_ne!(one.own(mac), mac);
        assert_ne!(one.own(mac), two.own(mac));
        // Not the MAC's own key: who has seen many MACs has seen nothing of this.
        let cipher = Aes256Enc::new_from_slice(derived(&[1; 32], b"sipward token").as_ref());
        let mut block = Block::from(mac);
        cipher.unwrap().encrypt_block(&mut block);
        assert_ne!(one.own(mac), Mac::from(block));
    }
}
