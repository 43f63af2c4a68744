//! What is left of the lines of a list field from which values are removed.
use super::grammar::offset_in;
use super::index::LineEntry;
use super::list::Values;
use super::{HeaderName, Message};
use std::ops::Range;

/// What is left of a line from which list values are removed. Removing a value must not touch the rest of its line: the
/// values that stay come out byte by byte as they were received, since somebody may have signed them.
pub(super) enum Remainder {
    /// All of it.
    Line,
    /// These bytes of the message instead of the value.
    Values(Range<usize>),
    /// No value, so no line.
    Nothing,
}

/// Calls `visit` for each line of a list field with what stays of it without the `first` values and the `last` ones. What cannot be split
/// counts as one value.
pub(super) fn remainders<'m>(
    message: &'m Message<'_>,
    name: HeaderName,
    first: usize,
    last: usize,
    mut visit: impl FnMut(&'m LineEntry, Remainder),
) {
    let lines = || message.index().named(name);
    let count = |line: &LineEntry| {
        let text = message.value(line);
        match memchr::memchr(b',', text) {
            Some(_) => Values::new(text).count(),
            // Most lines have one value.
            None => usize::from(!text.is_empty()),
        }
    };
    // Counting all values costs a pass over the field, so it is done only when values go at the end.
    let kept_to = if last == 0 {
        usize::MAX
    } else {
        lines().map(count).sum::<usize>().saturating_sub(last)
    };
    let mut number = 0;
    for line in lines() {
        // The usual case: one Via or Route is taken from the top, and all lines below stay as they are.
        if number >= first && last == 0 {
            // What is left is left whole, and need not be counted.
            visit(line, Remainder::Line);
            continue;
        }
        let from = number;
        number += count(line);
        // The values of this line that stay, counted within it.
        let stay = first.saturating_sub(from)..kept_to.saturating_sub(from).min(number - from);
        let kept = if from >= first && number <= kept_to {
            Remainder::Line
        } else if stay.is_empty() {
            Remainder::Nothing
        } else {
            // From the first value that stays to the end of the last: what separates values inside of it stays too.
            let mut range = line.value_start()..line.value_end();
            for (at, value) in Values::new(message.value(line)).enumerate() {
                let Ok(value) = value else { continue };
                let start = offset_in(message.bytes(), value);
                if at == stay.start {
                    range.start = start;
                }
                if at + 1 == stay.end {
                    range.end = start + value.len();
                }
            }
            Remainder::Values(range)
        };
        visit(line, kept);
    }
}
