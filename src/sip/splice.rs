//! Octets of a message in place of others: what topology hiding writes over and brings back; nothing else in sip/ takes
//! free text.
use super::grammar::{cut, offset_in};
use super::list::Values;
use super::{HeaderLine, HeaderName, Message, Via};
use smallvec::SmallVec;
use std::ops::Range;

/// Parts of one message and what stands for them, written in one go; the rest comes out as it came.
#[derive(Debug)]
pub struct Splices<'m, 'a> {
    message: &'m Message<'a>,
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

    /// Whether nothing is replaced.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Replaces a URI, a slice of the message, by another one; puts it into `<>` if it stands bare in a header field, so
    /// that its parameters stay its own.
    pub fn replace_uri(&mut self, uri: &'a [u8], with: &[u8]) {
        let from = offset_in(self.message.bytes(), uri);
        let in_start_line = from < self.message.start_line();
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

    /// Replaces any part of the message by a text.
    pub fn replace(&mut self, part: &'a [u8], with: Vec<u8>) {
        let from = offset_in(self.message.bytes(), part);
        self.list.push((from..from + part.len(), with));
    }

    /// Takes out the header lines that `goes` picks, folds included.
    pub fn strip_lines(&mut self, goes: impl Fn(&HeaderLine<'a>) -> bool) {
        let lines = self.message.lines().zip(self.message.index().lines.iter());
        for (_, line) in lines.filter(|(header, _)| goes(header)) {
            self.list.push((line.start()..line.end(), Vec::new()));
        }
    }

    /// All Via lines below the first one, as they stand; `None` if there are none.
    pub fn lower_vias(&self) -> Option<Vec<u8>> {
        let mut lines = Vec::new();
        for line in self.message.index().named(HeaderName::Via).skip(1) {
            lines.extend_from_slice(self.message.raw(line));
        }
        (!lines.is_empty()).then_some(lines)
    }

    /// Puts other lines (each with its CRLF) in the place of all Via lines below the first one.
    pub fn replace_lower_vias(&mut self, lines: Vec<u8>) {
        let mut text = Some(lines);
        for line in self.message.index().named(HeaderName::Via).skip(1) {
            self.list
                .push((line.start()..line.end(), text.take().unwrap_or_default()));
        }
    }

    /// The second Via value, wherever it stands.
    pub fn second_via(&self) -> Option<Via<'a>> {
        self.message.vias().nth(1)?.ok()
    }

    /// Puts lines (each with its CRLF) in the place of the second Via value.
    pub fn replace_second_via(&mut self, mut lines: Vec<u8>) {
        let mut number = 0;
        for line in self.message.index().named(HeaderName::Via) {
            let values: SmallVec<[&[u8]; 4]> =
                Values::new(self.message.value(line)).flatten().collect();
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
                return;
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
            return;
        }
    }

    /// Writes the message to the end of `out`.
    pub fn write(mut self, out: &mut Vec<u8>) {
        self.list.sort_by_key(|(range, _)| range.start);
        let bytes = self.message.bytes();
        let mut copied = 0;
        for (range, text) in &self.list {
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

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "From: <sip:a@b>;tag=1\r\nContent-Length: 0\r\n\r\n";

    fn spliced(head: &str, change: impl FnOnce(&mut Splices<'_, '_>)) -> String {
        let text = format!("SIP/2.0 200 OK\r\n{head}{REST}");
        let message = Message::parse(text.as_bytes()).unwrap();
        let mut splices = Splices::new(&message);
        change(&mut splices);
        let mut out = Vec::new();
        splices.write(&mut out);
        let out = String::from_utf8(out).unwrap();
        let head = out.strip_prefix("SIP/2.0 200 OK\r\n").unwrap();
        head.strip_suffix(REST).unwrap().to_owned()
    }

    #[test]
    fn the_second_via_is_replaced_wherever_it_stands() {
        let block = "Via: x\r\nv: y\r\n";
        let one = "Via: SIP/2.0/TLS a;branch=1";
        let two = "SIP/2.0/TLS b;branch=2";
        for (head, expected) in [
            (
                format!("{one}\r\nVia: {two}\r\n"),
                format!("{one}\r\n{block}"),
            ),
            (format!("{one}, {two}\r\n"), format!("{one}\r\n{block}")),
            (
                format!("{one}\r\n ,\r\n {two}\r\n"),
                format!("{one}\r\n{block}"),
            ),
            (
                format!("{one}\r\nX: 1\r\nv : {two}\r\n"),
                format!("{one}\r\nX: 1\r\n{block}"),
            ),
            (
                format!("{one}, {two}, SIP/2.0/TLS c\r\n"),
                format!("{one}\r\n{block}Via: SIP/2.0/TLS c\r\n"),
            ),
            (format!("{one}\r\n"), format!("{one}\r\n")),
        ] {
            let out = spliced(&head, |s| s.replace_second_via(block.into()));
            assert_eq!(out, expected, "{head}");
        }
    }

    #[test]
    fn the_vias_below_the_first_line_come_out_and_go_in_as_one() {
        let head = "Via: SIP/2.0/TLS a\r\nX: 1\r\nv:\r\n SIP/2.0/TLS b\r\nY: 2\r\nVIA: SIP/2.0/TLS c, SIP/2.0/TLS d\r\n";
        let out = spliced(head, |s| {
            let lines = s.lower_vias().unwrap();
            assert_eq!(
                lines,
                b"v:\r\n SIP/2.0/TLS b\r\nVIA: SIP/2.0/TLS c, SIP/2.0/TLS d\r\n"
            );
            s.replace_lower_vias(b"Via: SIP/2.0/TLS h\r\n".to_vec());
        });
        assert_eq!(
            out,
            "Via: SIP/2.0/TLS a\r\nX: 1\r\nVia: SIP/2.0/TLS h\r\nY: 2\r\n"
        );
    }

    #[test]
    fn a_bare_uri_gets_its_brackets() {
        let head = "Contact: sip:a@b;expires=3\r\nRecord-Route: <sip:c@d;lr>;x\r\n";
        let text = format!("SIP/2.0 200 OK\r\n{head}{REST}");
        let message = Message::parse(text.as_bytes()).unwrap();
        let mut splices = Splices::new(&message);
        for name in [HeaderName::Contact, HeaderName::RecordRoute] {
            let address = message.addresses(name).next().unwrap().unwrap();
            splices.replace_uri(address.uri, b"sip:h@e;transport=tls");
        }
        let mut out = Vec::new();
        splices.write(&mut out);
        let out = String::from_utf8(out).unwrap();
        assert!(
            out.contains("Contact: <sip:h@e;transport=tls>;expires=3\r\n"),
            "{out}"
        );
        assert!(
            out.contains("Record-Route: <sip:h@e;transport=tls>;x\r\n"),
            "{out}"
        );
    }
}
