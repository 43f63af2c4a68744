//! The keys that tokens are signed with, and what is made of each: one signs, all verify, so that they rotate while calls run.
//!
//! The MAC is AES-CMAC (`token_mac`): it needs no nonce, and a token is some blocks of AES, which processors do by themselves.
use super::binding::BindingKey;
use super::hiding::HidingKey;
use super::log_key::LogKey;
use super::token_mac::{Mac, MacKey};
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use aes::{Aes256Enc, Block};
use aws_lc_rs::hmac;

/// Bytes that are usually signed, at most: a token's, a name and a Call-ID.
const USUAL: usize = 256;

/// One key: what it signs has its number.
pub(super) struct TokenKey {
    pub(super) id: u8,
    mac: MacKey,
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
            mac: MacKey::new(derived(key, b"sipward token").as_ref())?,
            own: Aes256Enc::new_from_slice(derived(key, b"sipward own token").as_ref()).ok()?,
            binding: BindingKey::derive(key),
            origin: hmac::Key::new(hmac::HMAC_SHA256, derived(key, b"sipward origin").as_ref()),
        })
    }

    /// The MAC of these parts, one behind the other. Where one ends the parts themselves must say.
    pub(super) fn mac(&self, parts: [&[u8]; 3]) -> Mac {
        // Gathered first, so that each block is one of whole words. The usual ones take no memory.
        let mut room = [0; USUAL];
        let mut end = 0;
        for part in parts {
            let Some(place) = room.get_mut(end..end + part.len()) else {
                return self.mac.mac(&parts.concat());
            };
            place.copy_from_slice(part);
            end += part.len();
        }
        self.mac.mac(room.get(..end).unwrap_or_default())
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
