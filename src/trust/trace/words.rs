//! Words that several lines of an explanation have in common.
use crate::topology::TrustSet;
use rustls_pki_types::UnixTime;
use std::cmp::Ordering;

/// A span of time in its two largest units: `3d 4h`.
///
/// Two units are enough to decide whether to hurry.
pub(crate) fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (
        seconds / 86_400,
        seconds % 86_400 / 3_600,
        seconds % 3_600 / 60,
    );
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

/// `in 3d 4h`, `now` or `3d 4h ago`.
///
/// Beside the moment itself, which is in UTC and hard to compare by eye.
pub(crate) fn distance(moment: u64, at: UnixTime) -> String {
    let at = at.as_secs();
    match moment.cmp(&at) {
        Ordering::Greater => format!("in {}", span(moment - at)),
        // A CRL that was made this second, or the very moment at which something ends.
        Ordering::Equal => "now".to_owned(),
        Ordering::Less => format!("{} ago", span(at - moment)),
    }
}

/// A distinguished name; an empty one text so.
pub(crate) fn named(name: &str) -> String {
    // RFC 5280 §4.1.2.6 allows an empty subject where there is a subjectAltName.
    if name.is_empty() {
        "(empty subject)".to_owned()
    } else {
        format!("\"{name}\"")
    }
}

pub(crate) fn set_words(trust: &TrustSet) -> String {
    let counts = trust.window.if_any();
    let counts = counts.map_or_else(String::new, |window| format!(", counts {window}"));
    format!("trust set {} (line {}{counts})", trust.name, trust.line)
}
