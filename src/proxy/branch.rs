//! The branches of this node's Via lines (RFC 3261 §8.1.1.7, RFC 5393 §4.2.1): they name shard,
//! slot and an unguessable number, so that a response finds its transaction without a hash lookup,
//! and end in a hash of the routing input, which finds loops.
//!
//! A response comes back on whatever connection the peer chooses, perhaps to another shard. The
//! branch is the one thing in it that this node has written and that must come back unchanged (RFC
//! 3261 §8.2.6.2), so everything needed to find the transaction is in it.

/// Names one client transaction of one shard, for feedback about a message handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BranchKey {
    /// Slot in the core's table of response contexts.
    pub slot: u32,
    /// The unguessable number in the branch: who has not seen the request cannot answer it, and an
    /// earlier user of the slot is not mistaken for the present one.
    pub nonce: u64,
}

/// Of a fixed length, so that it is written without an allocation and parsed by splitting:
/// `z9hG4bK`, shard (2), slot (8), nonce (16), `.`, loop hash (8), all in lower-case hex.
const LENGTH: usize = 7 + 2 + 8 + 16 + 1 + 8;
const COOKIE: &[u8] = b"z9hG4bK";
/// Where its parts begin.
const AT_SLOT: usize = 7 + 2;
const AT_NONCE: usize = AT_SLOT + 8;
const AT_DOT: usize = AT_NONCE + 16;

/// One branch of this node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Branch {
    /// The shard whose core holds the transaction.
    pub(crate) shard: u8,
    /// Slot and nonce there.
    pub(crate) key: BranchKey,
    /// Hash of everything that influenced the routing of the request.
    pub(crate) loop_hash: u32,
}

/// A branch as text.
pub(crate) type BranchText = [u8; LENGTH];

impl Branch {
    /// As it stands in the Via line.
    pub(crate) fn to_text(self) -> BranchText {
        let mut text = *b"z9hG4bK00ssssssssnnnnnnnnnnnnnnnn.hhhhhhhh";
        let (front, back) = text.split_at_mut(AT_DOT);
        let (front, nonce) = front.split_at_mut(AT_NONCE);
        let (front, slot) = front.split_at_mut(AT_SLOT);
        let (_, shard) = front.split_at_mut(COOKIE.len());
        let (_, loop_hash) = back.split_at_mut(1);
        let [.., high, low] = digits(u32::from(self.shard));
        shard.copy_from_slice(&[high, low]);
        slot.copy_from_slice(&digits(self.key.slot));
        nonce.copy_from_slice(&hex(self.key.nonce));
        loop_hash.copy_from_slice(&digits(self.loop_hash));
        text
    }

    /// A branch that this node made; `None` for anything else. Lower case only: what another
    /// element rewrites is not recognised, and a branch must come back byte for byte anyway (RFC
    /// 3261 §8.1.3.3).
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text: &BranchText = text.try_into().ok()?;
        let (shard, rest) = text.strip_prefix(COOKIE)?.split_first_chunk::<2>()?;
        let (slot, rest) = rest.split_first_chunk()?;
        let (high, rest) = rest.split_first_chunk()?;
        let (low, rest) = rest.split_first_chunk()?;
        let loop_hash = rest.strip_prefix(b".")?.first_chunk()?;
        let [tens, ones] = *shard;
        Some(Self {
            shard: number(&[b'0', b'0', b'0', b'0', b'0', b'0', tens, ones])? as u8,
            key: BranchKey {
                slot: number(slot)?,
                nonce: u64::from(number(high)?) << 32 | u64::from(number(low)?),
            },
            loop_hash: number(loop_hash)?,
        })
    }
}

/// A number in lower-case hex.
pub(crate) fn hex(value: u64) -> [u8; 16] {
    let mut out = [0; 16];
    let (high, low) = out.split_at_mut(8);
    high.copy_from_slice(&digits((value >> 32) as u32));
    low.copy_from_slice(&digits(value as u32));
    out
}

/// The same byte in each place of a word.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The eight digits of a number, all of them at once.
#[inline]
fn digits(value: u32) -> [u8; 8] {
    // Half of the digits after another half of them moves up, until each has a byte to itself.
    let word = u64::from(value);
    let word = (word << 16 | word) & 0x0000_ffff_0000_ffff;
    let word = (word << 8 | word) & 0x00ff_00ff_00ff_00ff;
    let word = (word << 4 | word) & each(0xf);
    written(word).to_be_bytes()
}

/// The digits of the numbers below sixteen in each byte of a word.
#[inline]
fn written(word: u64) -> u64 {
    // One for each that is above nine, and so a letter.
    let letters = (word + each(6)) >> 4 & each(1);
    word + each(b'0') + letters * u64::from(b'a' - b'0' - 10)
}

/// The number that eight digits are.
#[inline(always)]
fn number(digits: &[u8; 8]) -> Option<u32> {
    let digits = u64::from_be_bytes(*digits);
    // Letters have a bit that digits have not.
    let letters = digits >> 6 & each(1);
    let word = ((digits & each(0xf)) + 9 * letters) & each(0xf);
    // What reads as the same number and is another character is no digit.
    if written(word) != digits {
        return None;
    }
    let word = (word >> 4 | word) & 0x00ff_00ff_00ff_00ff;
    let word = (word >> 8 | word) & 0x0000_ffff_0000_ffff;
    Some((word >> 16 | word) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_are_those_of_the_standard_library(value: u32, text in "[0-9a-f]{7}[\\x00-\\x7f]") {
            let written = digits(value);
            prop_assert_eq!(str::from_utf8(&written).unwrap(), format!("{value:08x}"));
            prop_assert_eq!(number(&digits(value)), Some(value));
            let is_hex = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
            let expected = text.bytes().all(|b| is_hex(&b));
            let expected = expected.then(|| u32::from_str_radix(&text, 16).unwrap());
            prop_assert_eq!(number(text.as_bytes().first_chunk().unwrap()), expected);
        }
    }

    #[test]
    fn no_other_byte_is_a_digit_in_any_place() {
        for (place, b) in (0..8).flat_map(|place| (0..=255).map(move |b| (place, b))) {
            let mut text = *b"00000000";
            text[place] = b;
            let is_hex = b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            assert_eq!(number(&text).is_some(), is_hex, "{b:#x} at {place}");
        }
    }

    #[test]
    fn a_branch_survives_its_text() {
        let branch = Branch {
            shard: 3,
            key: BranchKey {
                slot: 77,
                nonce: 0xdead_beef_0102_0304,
            },
            loop_hash: 0xfeed,
        };
        assert_eq!(Branch::parse(&branch.to_text()), Some(branch));
        assert!(branch.to_text().starts_with(b"z9hG4bK03"));
    }

    #[test]
    fn a_foreign_branch_is_none() {
        let text = Branch {
            shard: 0,
            key: BranchKey { slot: 0, nonce: 0 },
            loop_hash: 0,
        }
        .to_text();
        assert_eq!(Branch::parse(&text[1..]), None);
        let mut upper = text;
        upper[8] = b'A';
        assert_eq!(Branch::parse(&upper), None);
        assert_eq!(Branch::parse(b"z9hG4bK776asdhds"), None);
    }
}
