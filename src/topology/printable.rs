//! Text of strangers in a form that any log line and terminal can hold.

/// What a stranger wrote, for a log line or a terminal: at most `most` characters, no control characters.
pub(crate) fn printable(text: &str, most: usize) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .take(most)
        .collect()
}
