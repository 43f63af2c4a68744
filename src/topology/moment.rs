//! Times as the file has them (RFC 3339) and as messages show them.
use rustls_pki_types::UnixTime;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A time of RFC 3339, in whole seconds; `None` also for what lies before 1970, which no `UnixTime` can hold.
///
/// Fractions of a second are dropped.
pub(crate) fn moment(text: &str) -> Option<UnixTime> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let seconds = u64::try_from(moment.unix_timestamp()).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}

/// A second as RFC 3339 in UTC.
pub(crate) fn show_moment(at: u64) -> String {
    show_time(i64::try_from(at).unwrap_or(i64::MAX))
}

/// As [`show_moment`], of a certificate, which may be older than 1970.
pub(crate) fn show_time(unix: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix)
        .ok()
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("Unix time {unix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_rfc_3339_with_an_offset() {
        assert_eq!(moment("1970-01-01T01:00:00+01:00").unwrap().as_secs(), 0);
        assert_eq!(show_moment(1_796_083_200), "2026-12-01T00:00:00Z");
        assert_eq!(show_time(-1), "1969-12-31T23:59:59Z");
        for text in [
            "2026-12-01",
            "2026-12-01T00:00:00",
            "tomorrow",
            "",
            "1969-01-01T00:00:00Z",
        ] {
            assert!(moment(text).is_none(), "{text}");
        }
    }
}
