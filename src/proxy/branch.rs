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
        let mut text = [b'.'; LENGTH];
        let mut at = text.iter_mut();
        let mut put = |bytes: &[u8]| {
            bytes.iter().for_each(|o| {
                if let Some(slot) = at.next() {
                    *slot = *o
                }
            })
        };
        put(COOKIE);
        put(&hex::<2>(u64::from(self.shard)));
        put(&hex::<8>(u64::from(self.key.slot)));
        put(&hex::<16>(self.key.nonce));
        put(b".");
        put(&hex::<8>(u64::from(self.loop_hash)));
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
    for (place, digit) in out.iter_mut().rev().enumerate() {
        let nibble = (value >> (4 * place)) as u8 & 15;
        *digit = if nibble < 10 {
            b'0' + nibble
        } else {
            b'a' - 10 + nibble
        };
    }
    out
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |value, digit| {
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(nibble))
    })
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
