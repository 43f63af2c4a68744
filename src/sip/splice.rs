//! Parts of a message that topology hiding writes over, and brings back.
use super::grammar::{cut, offset_in};
use super::index::{Index, LineTable};
use super::list::Values;
use super::{HeaderLine, HeaderName, Message, Via, status};
use smallvec::SmallVec;
use std::ops::Range;

/// Parts of one message and what is written for them, in one go; the rest comes out as it came.
///
/// Topology hiding needs more than [`Edits`](super::Edits): any URI of any field may name a host of the home side. Still
/// no method takes header text: URIs, parameters, a sent-by with a branch, and what this node has sealed itself.
#[derive(Debug)]
pub struct Splices<'m, 'a> {
    message: &'m Message<'a>,
    /// Ranges of the message and the text for each, in the order of the calls.
    list: SmallVec<[(Range<usize>, Vec<u8>); 6]>,
}

impl<'m, 'a> Splices<'m, 'a> {
    /// Nothing is replaced yet.
    pub fn new(message: &'m Message<'a>) -> Self {
        Self {
            message,
            list: SmallVec::new(),
        }
    }

    /// Whether nothing is replaced: then the message can be relayed without a copy.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Replaces a URI, a slice of the message, by another one; puts it into `<>` if it stands bare in a header field, so
    /// that its parameters stay its own.
    pub fn replace_uri(&mut self, uri: &'a [u8], with: &[u8]) {
        let from = offset_in(self.message.bytes(), uri);
        let in_start_line = from < self.message.start_line();
        // Bare, the parameters of the new URI would be taken for the field's (RFC 3261 §20).
        let before = from
            .checked_sub(1)
            .and_then(|at| self.message.bytes().get(at));
        let text = if in_start_line || before == Some(&b'<') {
            with.to_vec()
        } else {
            [b"<", with, b">"].concat()
        };
        self.list.push((from..from + uri.len(), text));
    }

    /// Leaves of a value only these parts of it, with a semicolon between each two.
    pub fn keep_parts(&mut self, value: &'a [u8], parts: &[&'a [u8]]) {
        self.replace(value, parts.join(&b';'));
    }

    /// Writes the registered reason phrase of the status instead of the received one (RFC 3261 §7.2).
    pub fn replace_phrase(&mut self, phrase: &'a [u8], status: u16) {
        self.replace(phrase, status::phrase(status).into());
    }

    /// Writes an address value anew: without display name, around this URI, with these of its parameters.
    pub fn replace_address(
        &mut self,
        value: &'a [u8],
        uri: &[u8],
        params: impl Iterator<Item = &'a [u8]>,
    ) {
        let mut text = [b"<", uri, b">"].concat();
        for param in params {
            text.push(b';');
            text.extend_from_slice(param);
        }
        self.replace(value, text);
    }

    /// Writes a Via value with this sent-by and branch alone instead of a received one.
    pub fn replace_via(&mut self, value: &'a [u8], sent_by: &str, branch: &[u8]) {
        self.replace(value, via_value(sent_by, branch));
    }

    fn replace(&mut self, part: &'a [u8], with: Vec<u8>) {
        let from = offset_in(self.message.bytes(), part);
        self.list.push((from..from + part.len(), with));
    }

    /// Takes out the header lines that `goes` picks, folds included. For fields that no rule knows, of which nothing can be
    /// kept safely.
    pub fn strip_lines(&mut self, goes: impl Fn(&HeaderLine<'a>) -> bool) {
        let lines = self
            .message
            .lines()
            .zip(self.message.index().lines().iter());
        for (_, line) in lines.filter(|(header, _)| goes(header)) {
            self.list.push((line.start()..line.end(), Vec::new()));
        }
    }

    /// All Via lines below the first one, as they stand; `None` if there are none. They come back byte by byte with the
    /// response, so that every hop of the home side finds its own.
    pub fn lower_vias(&self) -> Option<Vec<u8>> {
        let mut lines = Vec::new();
        for line in self.message.index().named(HeaderName::Via).skip(1) {
            lines.extend_from_slice(self.message.raw(line));
        }
        (!lines.is_empty()).then_some(lines)
    }

    /// Writes one Via line with this sent-by and branch in the place of all Via lines below the first one.
    pub fn replace_lower_vias(&mut self, sent_by: &str, branch: &[u8]) {
        let mut text = Some([b"Via: ", &via_value(sent_by, branch)[..], b"\r\n"].concat());
        for line in self.message.index().named(HeaderName::Via).skip(1) {
            self.list
                .push((line.start()..line.end(), text.take().unwrap_or_default()));
        }
    }

    /// The second Via value, wherever it stands: the first is this node's, the second may be one that it has sealed.
    pub fn second_via(&self) -> Option<Via<'a>> {
        self.message.vias().nth(1)?.ok()
    }

    /// Puts the lines that [`Self::lower_vias`] returned for an earlier message in the place of the second Via value.
    ///
    /// Returns `false`, and plans nothing, if these bytes are not whole Via lines.
    #[must_use]
    pub fn restore_second_via(&mut self, mut lines: Vec<u8>) -> bool {
        if !are_via_lines(&lines) {
            return false;
        }
        let mut number = 0;
        for line in self.message.index().named(HeaderName::Via) {
            let values: SmallVec<[&[u8]; 4]> =
                Values::new(self.message.value(line)).flatten().collect();
            // The second value may share the first line or begin any later one.
            let at = values.len().min(1_usize.wrapping_sub(number));
            let Some(value) = values.get(at) else {
                number += values.len();
                continue;
            };
            let start = offset_in(self.message.bytes(), value);
            let end = start + value.len();
            let is_last = at + 1 == values.len();
            if at == 0 && is_last {
                self.list.push((line.start()..line.end(), lines));
                return true;
            }
            // It shares its line: what stands before it ends there, what stands behind it gets a line of its own.
            let before = at.checked_sub(1).and_then(|at| values.get(at));
            let from = before.map_or(line.start(), |value| {
                offset_in(self.message.bytes(), value) + value.len()
            });
            if before.is_some() {
                lines.splice(0..0, *b"\r\n");
            }
            let to = match values.get(at + 1) {
                Some(next) => {
                    lines.extend_from_slice(b"Via: ");
                    offset_in(self.message.bytes(), next)
                }
                None => line.end().max(end),
            };
            self.list.push((from..to, lines));
            break;
        }
        true
    }

    /// Writes the message to the end of `out`.
    pub fn write(mut self, out: &mut Vec<u8>) {
        // Stable: two for one place stay in the order of the calls.
        self.list.sort_by_key(|(range, _)| range.start);
        let bytes = self.message.bytes();
        let mut copied = 0;
        for (range, text) in &self.list {
            // Inside of what an earlier one replaced: a URI in a line that is taken out.
            if range.start < copied {
                continue;
            }
            out.extend_from_slice(cut(bytes, copied, range.start));
            out.extend_from_slice(text);
            copied = range.end;
        }
        out.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    }
}

/// A Via value that names this node alone.
fn via_value(sent_by: &str, branch: &[u8]) -> Vec<u8> {
    [b"SIP/2.0/TLS ", sent_by.as_bytes(), b";branch=", branch].concat()
}

/// Whether a text is Via lines and nothing else, folds included. It was sealed by this node, but a mistake here would put
/// foreign fields into a message.
fn are_via_lines(lines: &[u8]) -> bool {
    let head = [b"\r\n", lines, b"\r\n"].concat();
    let mut table = LineTable::default();
    Index::read(&head, &mut table).is_some_and(|index| {
        index.head == head.len()
            && index.fault.is_none()
            && index
                .lines()
                .iter()
                .all(|line| line.name == HeaderName::Via)
    })
}
