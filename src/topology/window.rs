//! The time in which an entry counts: `not_before` and `not_after` of identities, peers and trust sets (RFC 3339).
use super::moment::show_moment;
use rustls_pki_types::UnixTime;

/// When an entry counts; both ends belong to it. Outside of it the entry counts as absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Unix seconds; `None`: since ever.
    pub not_before: Option<u64>,
    /// Unix seconds; `None`: for ever.
    pub not_after: Option<u64>,
}

/// Where a time lies, seen from a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowState {
    /// Before it; it begins at this second.
    NotYet(u64),
    /// In it.
    Open,
    /// After it; it ended at this second.
    Over(u64),
}

impl Window {
    /// Where a time lies.
    pub fn state_at(&self, at: UnixTime) -> WindowState {
        let at = at.as_secs();
        match (self.not_before, self.not_after) {
            (_, Some(end)) if at > end => WindowState::Over(end),
            (Some(begin), _) if at < begin => WindowState::NotYet(begin),
            _ => WindowState::Open,
        }
    }
    /// Whether two windows have more in common than the second in which one ends and the other begins.
    ///
    /// Two identities may follow each other with the same second as end and beginning; that is no
    /// overlap.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let begins_in_time = |one: &Self, other: &Self| match (one.not_before, other.not_after) {
            (Some(begin), Some(end)) => begin < end,
            _ => true,
        };
        begins_in_time(self, other) && begins_in_time(other, self)
    }
    /// Itself, unless it is always open: the normal case, which is not worth a word.
    pub fn if_any(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }
    /// Whether the entry counts at a time.
    pub fn is_open(&self, at: UnixTime) -> bool {
        self.state_at(at) == WindowState::Open
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn both_ends_belong_to_a_window() {
        let window = Window {
            not_before: Some(10),
            not_after: Some(20),
        };
        assert_eq!(window.state_at(at(9)), WindowState::NotYet(10));
        assert!(window.is_open(at(10)) && window.is_open(at(20)));
        assert_eq!(window.state_at(at(21)), WindowState::Over(20));
        assert!(Window::default().is_open(at(0)));
        let next = Window {
            not_before: Some(20),
            not_after: None,
        };
        assert!(!window.overlaps(&next) && !next.overlaps(&window));
        assert!(window.overlaps(&Window::default()) && next.overlaps(&Window::default()));
    }
}
