//! AES-CMAC (RFC 4493, NIST SP 800-38B), which tokens are signed with, over RustCrypto's AES.
//!
//! Their CMAC keeps what a text in pieces needs, and its state is copied with the key's schedule for each MAC. Here the
//! whole text is there at once, so that a MAC costs its blocks: a third of that one's instructions, and a sixth of aws-lc's,
//! which asks for memory for each MAC. The tests hold it against RustCrypto's.
use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt as _, BlockSizeUser,
    KeyInit as _,
};
use aes::{Aes256Enc, Block};

/// Bytes of a MAC: a block of AES.
pub(super) const MAC: usize = 16;
/// A MAC.
pub(super) type Mac = [u8; MAC];

/// A key of AES-CMAC, with the subkeys that are made from it (RFC 4493 §2.3).
pub(super) struct MacKey {
    cipher: Aes256Enc,
    /// For a text that ends with a whole block.
    k1: Mac,
    /// For one that was padded.
    k2: Mac,
}

impl MacKey {
    /// `None`: the key is not one of 256 bits.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        let cipher = Aes256Enc::new_from_slice(key).ok()?;
        let mut block = Block::default();
        cipher.encrypt_block(&mut block);
        let k1 = doubled(block.into());
        let k2 = doubled(k1);
        Some(Self { cipher, k1, k2 })
    }

    /// The MAC of a text (RFC 4493 §2.4).
    pub(super) fn mac(&self, text: &[u8]) -> Mac {
        let (mut blocks, mut rest) = text.as_chunks();
        // The last block is one of its own, whole or not.
        if let ([], Some((last, before))) = (rest, blocks.split_last()) {
            (blocks, rest) = (before, last);
        }
        let last = match rest.try_into() {
            Ok(whole) => xor(whole, &self.k1),
            Err(_) => xor(padded(rest), &self.k2),
        };
        let mut mac = Block::default();
        let chain = BlockChain {
            blocks,
            last,
            mac: &mut mac,
        };
        self.cipher.encrypt_with_backend(chain);
        mac.into()
    }
}

/// Twice a block in the field of SP 800-38B §5.3.
fn doubled(block: Mac) -> Mac {
    let block = u128::from_be_bytes(block);
    (block << 1 ^ if block >> 127 == 0 { 0 } else { 0x87 }).to_be_bytes()
}

/// The one block added to the other.
#[inline]
fn xor(mut block: Mac, other: &Mac) -> Mac {
    for (b, other) in block.iter_mut().zip(other) {
        *b ^= other;
    }
    block
}

/// Fewer bytes than a block, with the bit behind them that says where they end, and zeros.
fn padded(rest: &[u8]) -> Mac {
    let mut block = [0; MAC];
    for (place, &b) in block.iter_mut().zip(rest.iter().chain(&[0x80])) {
        *place = b;
    }
    block
}

/// CBC over the blocks of a text: all of them in one call, so that the cipher looks only once for what the processor can do.
struct BlockChain<'t> {
    blocks: &'t [Mac],
    last: Mac,
    mac: &'t mut Block,
}

impl BlockSizeUser for BlockChain<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for BlockChain<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        for block in self.blocks.iter().chain([&self.last]) {
            *self.mac = xor((*self.mac).into(), block).into();
            backend.encrypt_block(self.mac.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cmac::{Cmac, Mac as _};
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn the_mac_is_the_one_of_the_library(key: [u8; 32], text in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut theirs = Cmac::<Aes256Enc>::new_from_slice(&key).unwrap();
            theirs.update(&text);
            let theirs: Mac = theirs.finalize().into_bytes().into();
            prop_assert_eq!(MacKey::new(&key).unwrap().mac(&text), theirs);
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
