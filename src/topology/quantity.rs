//! Durations and sizes as an operator writes and reads them: `500ms`, `6h`, `64KiB`.
use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];
const SIZE_UNITS: [(&str, u64); 5] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
    ("", 1),
];

/// A number with one of the units `ms`, `s`, `m`, `h`, `d`.
///
/// Whole numbers only: `1.5s` is `1500ms`. `None` also for what 64 bits cannot hold.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let (_, millis) = DURATION_UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*millis).map(Duration::from_millis)
}

/// A number of bytes, or a number with the unit `KiB`, `MiB` or `GiB`.
///
/// A bare number is bytes, as in every other program.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let (_, octets) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*octets)
}

/// A blank between number and unit is allowed, as people write it both ways.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, unit.trim_start_matches(' ')))
}

/// The duration in its largest whole unit.
///
/// So that what is shown can be copied back into the file: 90s stays 90s and does not become 1m30s.
pub(crate) fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    DURATION_UNITS
        .iter()
        .find(|(_, unit)| millis != 0 && millis.is_multiple_of(u128::from(*unit)))
        .map_or_else(
            || format!("{millis}ms"),
            |(name, unit)| format!("{}{name}", millis / u128::from(*unit)),
        )
}

/// The size in its largest whole unit.
pub(crate) fn show_size(octets: u64) -> String {
    SIZE_UNITS
        .iter()
        .find(|(_, unit)| octets != 0 && octets.is_multiple_of(*unit))
        .map_or_else(
            || format!("{octets}B"),
            |(name, unit)| format!("{}{name}", octets / unit),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("10s"), Some(Duration::from_secs(10)));
        assert_eq!(duration("10 s"), Some(Duration::from_secs(10)));
        assert_eq!(duration("2m"), Some(Duration::from_secs(120)));
        assert_eq!(duration("6h"), Some(Duration::from_secs(21_600)));
        assert_eq!(duration("1d"), Some(Duration::from_secs(86_400)));
        for text in [
            "",
            "10",
            "s",
            "-1s",
            "1.5s",
            "10sec",
            "99999999999999999d",
            "1 s ",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_octets_or_binary_units() {
        assert_eq!(size("4096"), Some(4096));
        assert_eq!(size("64KiB"), Some(65_536));
        assert_eq!(size("1 MiB"), Some(1_048_576));
        assert_eq!(size("2GiB"), Some(2_147_483_648));
        for text in [
            "",
            "64K",
            "64kb",
            "-1",
            "99999999999999999999",
            "18446744073709551615MiB",
            "17179869184GiB",
        ] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same() {
        for millis in [0, 1, 500, 1000, 90_000, 3_600_000, 86_400_000] {
            let d = Duration::from_millis(millis);
            assert_eq!(duration(&show_duration(d)), Some(d));
        }
        for octets in [0, 1, 1023, 1024, 65_536, 1_048_576, 1_048_577, 1 << 30] {
            assert_eq!(size(&show_size(octets)), Some(octets));
        }
        assert_eq!(show_duration(Duration::from_secs(90)), "90s");
        assert_eq!(show_size(65_536), "64KiB");
        assert_eq!(show_size(3 << 30), "3GiB");
    }
}
