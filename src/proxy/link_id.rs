//! The number of a connection: which shard owns it, its slot there, and which user of the slot it
//! is.

/// One live, validated connection. Its number is never that of another connection of this run, so
/// that a token or an action that names a closed one reaches nobody.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct LinkId(u64);

impl LinkId {
    /// `serial` distinguishes successive users of one slot.
    pub fn new(shard: u8, slot: u32, serial: u32) -> Self {
        // 8 bits shard, 24 bits slot, 32 bits serial: 16 million connections in a shard.
        Self(u64::from(shard) << 56 | u64::from(slot & 0x00ff_ffff) << 32 | u64::from(serial))
    }
    /// The number of no connection of this shard: no slot is used as often.
    pub(crate) fn none(shard: u8) -> Self {
        Self::new(shard, u32::MAX, u32::MAX)
    }
    /// Whether it is [`Self::none`].
    pub(crate) fn is_none(self) -> bool {
        self == Self::none(self.shard())
    }
    /// The owning shard.
    pub fn shard(self) -> u8 {
        (self.0 >> 56) as u8
    }
    /// The slot in its shard's connection table.
    pub fn slot(self) -> u32 {
        (self.0 >> 32) as u32 & 0x00ff_ffff
    }
    /// The use count of the slot.
    pub fn serial(self) -> u32 {
        self.0 as u32
    }
    /// As one number, for tokens.
    pub fn as_u64(self) -> u64 {
        self.0
    }
    /// From a verified token.
    pub const fn from_u64(value: u64) -> Self {
        Self(value)
    }
}
