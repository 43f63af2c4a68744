//! The time in which an entry counts: `not_before` and `not_after` of identities, peers and trust sets (RFC 3339).
use super::TopologyReason;
use super::context::Context;
use rustls_pki_types::UnixTime;
use std::time::Duration;
use toml::Spanned;

/// When an entry counts; both ends belong to it. Outside of it the entry counts as absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Unix seconds; `None`: since ever.
    pub not_before: Option<u64>,
    /// Unix seconds; `None`: for ever.
    pub not_after: Option<u64>,
}

/// Where a time lies with regard to a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Before it; it begins at this second.
    NotYet(u64),
    /// In it.
    Open,
    /// After it; it ended at this second.
    Over(u64),
}

impl Window {
    /// Where a time lies.
    pub fn standing(&self, at: UnixTime) -> Standing {
        let at = at.as_secs();
        match (self.not_before, self.not_after) {
            (_, Some(end)) if at > end => Standing::Over(end),
            (Some(begin), _) if at < begin => Standing::NotYet(begin),
            _ => Standing::Open,
        }
    }
    /// Whether two windows have more in common than the second in which one ends and the other begins.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let begins_in_time = |one: &Self, other: &Self| match (one.not_before, other.not_after) {
            (Some(begin), Some(end)) => begin < end,
            _ => true,
        };
        begins_in_time(self, other) && begins_in_time(other, self)
    }
    /// Whether the entry counts at a time.
    pub fn is_open(&self, at: UnixTime) -> bool {
        self.standing(at) == Standing::Open
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.not_before, self.not_after) {
            (None, None) => f.write_str("always"),
            (Some(begin), None) => write!(f, "from {}", show_moment(begin)),
            (None, Some(end)) => write!(f, "until {}", show_moment(end)),
            (Some(begin), Some(end)) => {
                write!(f, "from {} until {}", show_moment(begin), show_moment(end))
            }
        }
    }
}

/// A second as RFC 3339 in UTC.
pub(crate) fn show_moment(at: u64) -> String {
    let format = time::format_description::well_known::Rfc3339;
    i64::try_from(at)
        .ok()
        .and_then(|seconds| time::OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|moment| moment.format(&format).ok())
        .unwrap_or_else(|| format!("Unix time {at}"))
}

/// A time of RFC 3339, in whole seconds.
pub(crate) fn moment(text: &str) -> Option<UnixTime> {
    let format = time::format_description::well_known::Rfc3339;
    let moment = time::OffsetDateTime::parse(text, &format).ok()?;
    let seconds = u64::try_from(moment.unix_timestamp()).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}

/// A time of the file: a TOML date-time with its offset, or the same in quotes; what cannot be read is reported.
pub(super) fn read_moment(
    value: &Spanned<toml::Value>,
    what: &str,
    context: &mut Context<'_, '_>,
) -> Option<UnixTime> {
    let written = value.get_ref();
    let text = written
        .as_str()
        .map_or_else(|| written.to_string(), str::to_owned);
    let read = moment(&text);
    if read.is_none() {
        let line = context.line(value);
        context.add(
            TopologyReason::InvalidTime,
            line,
            format!("{what} = {text} cannot be read"),
            "write RFC 3339 with an offset, 1970 or later, as \"2026-12-01T00:00:00Z\"",
        );
    }
    read
}

/// Reads the window of an entry; what is wrong with it is reported.
pub(super) fn load(
    place: &str,
    not_before: Option<&Spanned<toml::Value>>,
    not_after: Option<&Spanned<toml::Value>>,
    context: &mut Context<'_, '_>,
) -> Window {
    let mut read = |value: Option<&Spanned<toml::Value>>, key: &str| {
        let moment = read_moment(value?, &format!("{place} {key}"), context)?;
        Some(moment.as_secs())
    };
    let window = Window {
        not_before: read(not_before, "not_before"),
        not_after: read(not_after, "not_after"),
    };
    let Some(end) = not_after else { return window };
    let line = context.line(end);
    if let (Some(begin), Some(end)) = (window.not_before, window.not_after)
        && end < begin
    {
        context.add(
            TopologyReason::WindowEmpty,
            line,
            format!("{place}: not_after lies before not_before"),
            "exchange the two, or correct one of them",
        );
    } else if let Some(end) = window.not_after
        && i64::try_from(end).is_ok_and(|end| end < context.at)
    {
        context.add(
            TopologyReason::WindowOver,
            line,
            format!("{place} counts as absent since {}", show_moment(end)),
            "take the entry out, or move its not_after",
        );
    }
    window
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn both_ends_belong_to_a_window() {
        let window = Window {
            not_before: Some(10),
            not_after: Some(20),
        };
        assert_eq!(window.standing(at(9)), Standing::NotYet(10));
        assert!(window.is_open(at(10)) && window.is_open(at(20)));
        assert_eq!(window.standing(at(21)), Standing::Over(20));
        assert!(Window::default().is_open(at(0)));
        let next = Window {
            not_before: Some(20),
            not_after: None,
        };
        assert!(!window.overlaps(&next) && !next.overlaps(&window));
        assert!(window.overlaps(&Window::default()) && next.overlaps(&Window::default()));
    }

    #[test]
    fn moments_are_rfc_3339_with_an_offset() {
        assert_eq!(moment("1970-01-01T01:00:00+01:00").unwrap().as_secs(), 0);
        assert_eq!(show_moment(1_796_083_200), "2026-12-01T00:00:00Z");
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
