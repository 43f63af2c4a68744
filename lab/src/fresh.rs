//! Identifiers that no other end of this or another process makes (RFC 3261 §8.1.1.7, §19.3).
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Different in each process, so that tests that run side by side against one edge never share a Call-ID.
static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("sipward lab"));
/// Counts up, so that two tokens of one process differ.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A token that is unique in this process and unlikely to be made by another.
pub(super) fn token() -> String {
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{:08x}{n:x}", *SEED & 0xffff_ffff)
}

/// A Via branch, with the cookie that makes it unique by itself (RFC 3261 §8.1.1.7).
pub(super) fn branch() -> String {
    format!("z9hG4bK-{}", token())
}

/// A token that is the same for the same text: FNV-1a, as nothing here guards against a chosen collision.
pub(super) fn derived(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
