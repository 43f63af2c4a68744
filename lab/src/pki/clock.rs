//! The clock that the lab's dates are relative to: the system's, since the daemon under test runs by that,
//! too.
use super::PkiError;
use rustls_pki_types::UnixTime;
use std::time::Duration;
use time::OffsetDateTime;

/// The time that the lab's dates are relative to.
pub fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(unix_seconds()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the lab makes certificates that are valid when it runs"
)]
fn unix_seconds() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

/// The date so many seconds from now.
pub(crate) fn date(offset: i64) -> Result<OffsetDateTime, PkiError> {
    let seconds = i64::try_from(unix_seconds())
        .unwrap_or(i64::MAX)
        .saturating_add(offset);
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| PkiError::Date(offset))
}
