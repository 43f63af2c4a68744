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
        put_hex(u64::from(self.shard), shard);
        put_hex(u64::from(self.key.slot), slot);
        put_hex(self.key.nonce, nonce);
        put_hex(u64::from(self.loop_hash), loop_hash);
        text
    }

    /// A branch that this node made; `None` for anything else. Lower case only: what another
    /// element rewrites is not recognised, and a branch must come back byte for byte anyway (RFC
    /// 3261 §8.1.3.3).
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != LENGTH {
            return None;
        }
        let rest = text.strip_prefix(COOKIE)?;
        let (shard, rest) = rest.split_at_checked(2)?;
        let (slot, rest) = rest.split_at_checked(8)?;
        let (nonce, rest) = rest.split_at_checked(16)?;
        let hash = rest.strip_prefix(b".")?;
        Some(Self {
            shard: number(shard)? as u8,
            key: BranchKey {
                slot: number(slot)? as u32,
                nonce: number(nonce)?,
            },
            loop_hash: number(hash)? as u32,
        })
    }
}

/// The low digits of a number.
pub(crate) fn hex<const N: usize>(value: u64) -> [u8; N] {
    let mut out = [0; N];
    put_hex(value, &mut out);
    out
}

/// Puts the low digits of a number there, as many as there is room for.
#[inline]
fn put_hex(value: u64, out: &mut [u8]) {
    let mut rest = value;
    for digit in out.iter_mut().rev() {
        let nibble = (rest & 15) as u8;
        // From behind the nine to `a`.
        *digit = nibble + b'0' + (b'a' - b'9' - 1) * u8::from(nibble > 9);
        rest >>= 4;
    }
}

/// The number that all of these digits are.
#[inline]
fn number(digits: &[u8]) -> Option<u64> {
    // What is no digit is seen once, behind the last: no branch for each of them.
    let value = |digit: u8| NIBBLES.get(usize::from(digit)).copied();
    let (mut number, mut seen) = (0, 0);
    for &digit in digits {
        let nibble = value(digit).unwrap_or(NO_DIGIT);
        seen |= nibble;
        number = number << 4 | u64::from(nibble);
    }
    (seen < NO_DIGIT).then_some(number)
}

/// No digit's value is as large.
const NO_DIGIT: u8 = 0x80;
/// The value of each digit.
static NIBBLES: [u8; 256] = nibbles();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time over a table of 256 entries"
)]
const fn nibbles() -> [u8; 256] {
    let mut values = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 10 {
        values[b'0' as usize + digit] = digit as u8;
        digit += 1;
    }
    while digit < 16 {
        values[b'a' as usize + digit - 10] = digit as u8;
        digit += 1;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

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
