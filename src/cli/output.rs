//! What several commands print alike: JSON, faults, counts, and a page of titles and aligned fields.
//!
//! Layout is decided here once: titles at the margin, items indented by two, fields aligned behind 18 columns. Tests and
//! operators search the pages by these.
use super::Exit;
use crate::sip::{HeaderName, HeaderSet};
use crate::topology::{Fault, acts_on_reader, show_time};
use std::io::{self, Write};
use std::path::Path;

/// Runs a command whose output is written when it is whole. Standard output is flushed at each line end, and `check` of a
/// large topology has hundreds of thousands of lines: without a buffer each costs a system call.
pub(super) fn in_one(
    command: impl FnOnce(&mut io::BufWriter<io::StdoutLock<'_>>) -> Result<(), Exit>,
) -> Result<(), Exit> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let outcome = command(&mut out);
    match Write::flush(&mut out) {
        Err(error) if outcome.is_ok() => Err(error.into()),
        _ => outcome,
    }
}

/// Writes a value as JSON, indented: people read it too. What acts on a terminal and serde_json leaves as it is (DEL, C1,
/// marks of direction) is escaped: it stands in strings only, since JSON itself is made of other characters.
pub(super) fn write_json<T: serde::Serialize>(value: &T, out: &mut dyn Write) -> io::Result<()> {
    write_escaped(&serde_json::to_string_pretty(value)?, out)
}

/// The same in one line, where many values follow each other.
pub(super) fn write_json_line<T: serde::Serialize>(
    value: &T,
    out: &mut dyn Write,
) -> io::Result<()> {
    write_escaped(&serde_json::to_string(value)?, out)
}

/// JSON with what acts on a terminal escaped.
fn write_escaped(text: &str, out: &mut dyn Write) -> io::Result<()> {
    let acts = |c: char| c != '\n' && acts_on_reader(c);
    let mut rest = text;
    while let Some((before, from)) = rest.find(acts).and_then(|at| rest.split_at_checked(at)) {
        out.write_all(before.as_bytes())?;
        let mut after = from.chars();
        for unit in after.next().unwrap_or_default().encode_utf16(&mut [0; 2]) {
            write!(out, "\\u{unit:04x}")?;
        }
        rest = after.as_str();
    }
    writeln!(out, "{rest}")
}

/// Writes a value as JSON for a program, or as its page for people.
pub(super) fn show<T: serde::Serialize>(
    value: &T,
    json: bool,
    out: &mut dyn Write,
    page: impl FnOnce(&T, &mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    if json {
        write_json(value, out)
    } else {
        page(value, out)
    }
}

/// Writes faults or warnings, one a line, in the form that compilers use: editors find the place by it.
pub(super) fn print_faults<'a>(
    faults: impl IntoIterator<Item = &'a Fault>,
    out: &mut dyn Write,
) -> io::Result<()> {
    for fault in faults {
        writeln!(out, "{fault}")?;
    }
    Ok(())
}

/// As [`print_faults`], closed by their number: without it a long list looks cut off, and nothing states that the file
/// is not used.
pub(super) fn print_refusal(file: &Path, faults: &[Fault], out: &mut dyn Write) -> io::Result<()> {
    print_faults(faults, out)?;
    let count = counted(faults.len(), "fault");
    let file = plain(&file.to_string_lossy());
    writeln!(out, "{file}: {count}; nothing would be loaded")
}

/// A number with its noun: `no faults`, `1 fault`, `2 faults`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    match count {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

/// Several values in one line; `none` for an empty list, so that no field stands without a value.
pub(super) fn listed<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() {
        "none".to_owned()
    } else {
        items.join(", ")
    }
}

/// As [`listed`], or nothing where a field is to be left out with its list.
pub(super) fn any<T: ToString>(items: impl IntoIterator<Item = T>) -> Option<String> {
    let mut items = items.into_iter().peekable();
    items.peek().is_some().then(|| listed(items))
}

/// Why a chain would be judged so: reason code, what makes it understandable, and the line of the file that decided.
pub(super) fn because(
    reason: impl std::fmt::Display,
    detail: Option<&str>,
    line: Option<u32>,
) -> String {
    let detail = detail.map_or_else(String::new, |detail| format!(", {detail}"));
    let line = line.map_or_else(String::new, |line| format!(" (line {line})"));
    format!("{reason}{detail}{line}")
}

/// The names of a set of header fields.
pub(super) fn field_names(set: HeaderSet) -> String {
    listed(set.names().map(HeaderName::as_str))
}

/// What a remote has chosen, with an escape for each character that would act on the operator's terminal instead of being
/// seen: `\u{1b}` for the beginning of an escape sequence in a certificate's subject.
pub(super) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acts_on_reader(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A page for people: titles, items below a title, aligned fields below an item.
pub(super) struct Page<'a> {
    pub(super) out: &'a mut dyn Write,
    /// Seconds since 1970, against which [`Self::until`] measures.
    pub(super) now: i64,
}

impl Page<'_> {
    /// The heading of a section.
    pub(super) fn title(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "\n{text}")
    }

    /// A line of a section: what it is about, and a remark.
    pub(super) fn item(&mut self, name: &str, remark: &str) -> io::Result<()> {
        writeln!(self.out, "  {name}  {remark}")
    }

    /// A line that needs no remark.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "  {text}")
    }

    /// A field of an item that has one: what is not set would only make the page longer.
    pub(super) fn field_if<T: ToString>(&mut self, name: &str, value: Option<T>) -> io::Result<()> {
        value.map_or(Ok(()), |value| self.field(name, &value.to_string()))
    }

    /// A field of an item.
    pub(super) fn field(&mut self, name: &str, value: &str) -> io::Result<()> {
        writeln!(self.out, "    {name:<18}  {value}")
    }

    /// Several values under one name.
    pub(super) fn fields(&mut self, name: &str, values: &[String]) -> io::Result<()> {
        let names = std::iter::once(name).chain(std::iter::repeat(""));
        names
            .zip(values)
            .try_for_each(|(name, value)| self.field(name, value))
    }

    /// A time with its distance from now in whole days: less than one would look exact and is not.
    pub(super) fn until(&self, time: i64) -> String {
        let (shown, left) = (show_time(time), time.saturating_sub(self.now));
        match usize::try_from(left / 86_400).unwrap_or(0) {
            _ if left < 0 => format!("{shown} (past)"),
            0 => format!("{shown} (today or tomorrow)"),
            days => format!("{shown} (in {})", counted(days, "day")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_what_a_remote_wrote_and_acts_on_no_terminal() {
        let hostile = "a\u{1b}[2J\u{9b}2J\u{7f}\u{202e}\u{e0041}\n東京";
        let mut out = Vec::new();
        write_json(&[hostile], &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.chars().all(|c| c == '\n' || !acts_on_reader(c)),
            "{text:?}"
        );
        assert_eq!(text.lines().count(), 3, "{text}");
        let read: Vec<String> = serde_json::from_str(&text).unwrap();
        assert_eq!(read, [hostile]);
    }
}
