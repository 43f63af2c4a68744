//! What every line begins with: the time and the level.
use std::cell::Cell;
use std::time::SystemTime;

/// The level as lines have it.
pub(super) fn level_word(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::ERROR => "error",
        tracing::Level::WARN => "warn",
        tracing::Level::INFO => "info",
        _ => "debug",
    }
}

/// RFC 3339 in UTC with microseconds. The digits are put into a pattern: a formatter of dates took longer than the rest
/// of a line.
pub(super) fn timestamp(at: SystemTime) -> [u8; 27] {
    thread_local! {
        /// The second of the last line: most lines under load are of the same one, and differ in their microseconds.
        static LAST: Cell<Option<(u64, [u8; 27])>> = const { Cell::new(None) };
    }
    // A clock before 1970 counts backwards: its microseconds are not those of its second.
    let Ok(since) = at.duration_since(SystemTime::UNIX_EPOCH) else {
        return written(at);
    };
    let mut text = match LAST.get() {
        Some((second, text)) if second == since.as_secs() => text,
        _ => written(at),
    };
    if let Some(micros) = text.get_mut("0000-00-00T00:00:00.".len()..) {
        let mut rest = since.subsec_micros();
        for digit in micros.iter_mut().rev().skip(1) {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    LAST.set(Some((since.as_secs(), text)));
    text
}

/// The same, all of it: what the first line of a second pays.
///
/// The calendar is the library's, which knows leap years.
fn written(at: SystemTime) -> [u8; 27] {
    let at = time::OffsetDateTime::from(at);
    let date = (u64::from(at.year().unsigned_abs()) * 100 + u64::from(u8::from(at.month()))) * 100
        + u64::from(at.day());
    let seconds =
        (u64::from(at.hour()) * 100 + u64::from(at.minute())) * 100 + u64::from(at.second());
    // The pattern has a zero wherever a digit goes; `fill` finds them.
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let (day, moment) = text.split_at_mut("0000-00-00T".len());
    fill(day, date);
    fill(moment, seconds * 1_000_000 + u64::from(at.microsecond()));
    text
}

/// Puts the digits of a number in the place of the zeros, from the right: what stands between them stays.
fn fill(text: &mut [u8], number: u64) {
    let mut rest = number;
    for digit in text.iter_mut().rev().filter(|octet| **octet == b'0') {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_time_is_rfc_3339_with_microseconds() {
        let at = SystemTime::UNIX_EPOCH + Duration::new(1_763_956_800, 1_002_003);
        assert_eq!(&timestamp(at), b"2025-11-24T04:00:00.001002Z");
        let later = at + Duration::from_micros(900_100);
        assert_eq!(&timestamp(later), b"2025-11-24T04:00:00.901102Z");
        let next = at + Duration::from_secs(1);
        assert_eq!(&timestamp(next), b"2025-11-24T04:00:01.001002Z");
        assert_eq!(timestamp(at), written(at));
        let before = SystemTime::UNIX_EPOCH - Duration::from_micros(1);
        assert_eq!(&timestamp(before), b"1969-12-31T23:59:59.999999Z");
    }
}
