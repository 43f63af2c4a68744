//! The allocator's own threads, which return to the system what is free.
//!
//! Without them it does so while it is asked for memory, and a flood that ends leaves nobody who asks: what it has
//! taken would stay until the next one.

/// Starts them. To be called by a thread that is confined already, since they are confined as it is.
///
/// Nothing depends on it but how soon memory is returned, so that a failure is none of the daemon's.
pub(super) fn return_what_is_free() {
    let _ = tikv_jemalloc_ctl::background_thread::write(true);
}
