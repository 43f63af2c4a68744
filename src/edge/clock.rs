//! The one place where time is read: everything below the shell gets it as an argument.
use rustls_pki_types::UnixTime;
use std::time::Instant;

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the shell is where time enters")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// The calendar clock, for certificates.
pub(super) fn unix() -> UnixTime {
    UnixTime::now()
}
