//! The one place where time is read: everything below the shell gets it as an argument.
use rustls_pki_types::UnixTime;
use std::time::{Duration, Instant, SystemTime};

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the shell is where time enters")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// The calendar clock since 1970, for numbers and times that an operator sees.
#[expect(clippy::disallowed_methods, reason = "the shell is where time enters")]
pub(super) fn calendar() -> Duration {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default()
}

/// The calendar clock, for certificates.
pub(super) fn unix() -> UnixTime {
    UnixTime::now()
}
