//! Header parameters: `;name[=value]` after an address or a Via (RFC 3261 §25.1, `generic-param`).
use super::cursor::Cursor;
use super::grammar::{self, cut};
use super::words;

/// One parameter. Its places are offsets in the parameter text, so that an edit can replace exactly it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Param<'a> {
    pub(super) name: &'a [u8],
    /// With its quotes if it has some.
    pub(super) value: Option<&'a [u8]>,
    /// Where its `;` stands.
    pub(super) start: usize,
    /// Behind the name.
    pub(super) name_end: usize,
    /// Behind the value, or the name if there is none.
    pub(super) end: usize,
    /// The value is known to be what [`is_value`] asks for.
    is_plain: bool,
}

impl<'a> Param<'a> {
    /// The value, if it can count for something ([`is_value`]).
    pub(super) fn counting_value(&self) -> Option<&'a [u8]> {
        self.value.filter(|value| self.is_plain || is_value(value))
    }

    /// Nothing but its `;`.
    fn is_empty(&self) -> bool {
        self.name.is_empty() && self.value.is_none()
    }
}

/// Whether a value can count for something: a token, host or quoted string, without white space (RFC 3261 §25.1,
/// `gen-value`).
pub(super) fn is_value(value: &[u8]) -> bool {
    !value.is_empty() && grammar::is_all(value, grammar::VALUE) || value.first() == Some(&b'"')
}

/// Walks over a parameter text. Names and values are taken as they come, since what is not used need not fit any grammar;
/// what could hide the end of a parameter does not fit. An `Err` is the byte that does not fit, and the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Params<'a> {
    /// All of the parameter text; places are counted from its beginning.
    text: &'a [u8],
    cursor: Cursor<'a>,
    empty: Empty,
}

/// What is made of nothing between two semicolons. From, To and Route tolerate it, because phones write a trailing `;`; in
/// a Via it may hide where the branch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Empty {
    /// It is passed over.
    Skipped,
    /// It does not fit (RFC 4475 §3.1.2.1).
    Refused,
}

impl<'a> Params<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self::reading(text, Empty::Skipped)
    }

    /// As [`Self::new`], with what is made of empty ones.
    pub(super) fn reading(text: &'a [u8], empty: Empty) -> Self {
        Self {
            text,
            cursor: Cursor::new(text),
            empty,
        }
    }

    /// Reads one as nearly all are written: letters, or letters and a value, without white space or quotes. `None` decides
    /// nothing, and nothing has moved: the slow way reads it.
    ///
    /// A message has some ten parameters, and half of the work of the slow way is to look for what is not there. Both
    /// classes here are parts of those that the slow way takes, so that no text has two meanings.
    #[inline]
    fn quick_step(&mut self) -> Option<Param<'a>> {
        let start = self.cursor.at;
        let [b';', inner @ ..] = self.cursor.rest() else {
            return None;
        };
        let length = words::letters(inner);
        let name_end = start + 1 + length;
        let (value, end) = match inner.get(length) {
            // A flag, such as `rport`, `alias` or `lr`.
            None | Some(b';') => (None, name_end),
            Some(b'=') => {
                let rest = cut(inner, length + 1, inner.len());
                let value = cut(rest, 0, grammar::span(rest, grammar::VALUE));
                if value.is_empty() || !matches!(rest.get(value.len()), None | Some(b';')) {
                    return None;
                }
                (Some(value), name_end + 1 + value.len())
            }
            Some(_) => return None,
        };
        // What is made of empty ones is not for this way to say.
        if length == 0 {
            return None;
        }
        self.cursor.at = end;
        Some(Param {
            name: cut(inner, 0, length),
            value,
            start,
            name_end,
            end,
            is_plain: value.is_some(),
        })
    }

    /// The next one, read the slow way. Apart from the quick one, so that this stays short.
    #[cold]
    fn slow_step(&mut self) -> Option<Result<Param<'a>, usize>> {
        loop {
            self.cursor.skip_lws();
            if self.cursor.is_done() {
                return None;
            }
            let step = self.step();
            if step.is_err() {
                // Nothing is certain any more: a walk that went on would guess where the next parameter begins.
                self.cursor.at = self.text.len();
            }
            if !step.as_ref().is_ok_and(Param::is_empty) {
                return Some(step);
            }
        }
    }

    /// Reads one parameter: `;`, name, and perhaps `=` and a value, with white space between any two (RFC 3261 §25.1,
    /// `SEMI`, `EQUAL`).
    fn step(&mut self) -> Result<Param<'a>, usize> {
        let cursor = &mut self.cursor;
        let start = cursor.at;
        if !cursor.eat(b';') {
            return Err(cursor.at);
        }
        cursor.skip_lws();
        let from = cursor.at;
        // White space before `=` belongs to neither side.
        let name = grammar::trim(take_name(cursor));
        let name_end = from + name.len();
        let (mut value, mut end) = (None, name_end);
        if cursor.peek() == Some(b'=') {
            cursor.eat(b'=');
            cursor.skip_lws();
            let from = cursor.at;
            let found = if cursor.peek() == Some(b'"') {
                let quoted = cursor.take_quoted().ok_or(cursor.at)?;
                cursor.skip_lws();
                quoted
            } else {
                grammar::trim(cursor.take(grammar::PARAM))
            };
            // An empty value still has a place: behind its `=`.
            end = if found.is_empty() {
                from
            } else {
                grammar::offset_in(self.text, found) + found.len()
            };
            value = Some(found);
        }
        if !cursor.is_done() && cursor.peek() != Some(b';') {
            // A quote, comma or angle bracket where none can be.
            return Err(cursor.at);
        }
        if name.is_empty() && self.empty == Empty::Refused {
            return Err(cursor.at);
        }
        Ok(Param {
            name,
            value,
            start,
            name_end,
            end,
            is_plain: false,
        })
    }
}

/// Steps over a name, which ends where its value begins, if not where a value would end. It is short: no word is worth a look.
fn take_name<'a>(cursor: &mut Cursor<'a>) -> &'a [u8] {
    let rest = cursor.rest();
    let ends = |&b: &u8| b == b'=' || !grammar::is(b, grammar::PARAM);
    let length = rest.iter().position(ends).unwrap_or(rest.len());
    cursor.at += length;
    cut(rest, 0, length)
}

impl<'a> Iterator for Params<'a> {
    type Item = Result<Param<'a>, usize>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.cursor.is_done() {
            return None;
        }
        match self.quick_step() {
            Some(param) => Some(Ok(param)),
            None => self.slow_step(),
        }
    }
}

/// Names are compared in any case (RFC 3261 §7.3.1), values as they are.
///
/// The value of the first parameter of that name. Where a second one would matter (`branch`, `tag`) the parsers of those
/// values have refused it before: `None` absent, `Some(None)` without a value.
pub(super) fn find<'a>(text: &'a [u8], name: &str) -> Option<Option<&'a [u8]>> {
    Params::new(text)
        .map_while(Result::ok)
        .find(|param| param.name.eq_ignore_ascii_case(name.as_bytes()))
        .map(|param| param.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Read<'a> = (&'a [u8], Option<&'a [u8]>, usize, usize, usize);

    /// What is read of one, with its places.
    fn read(step: Result<Param<'_>, usize>) -> Result<Read<'_>, usize> {
        step.map(|param| {
            let Param {
                name,
                value,
                start,
                name_end,
                end,
                is_plain: _,
            } = param;
            (name, value, start, name_end, end)
        })
    }

    /// All of a text, with the slow way alone.
    fn slowly(text: &[u8], empty: Empty) -> Vec<Result<Read<'_>, usize>> {
        let mut params = Params::reading(text, empty);
        let mut all = Vec::new();
        loop {
            params.cursor.skip_lws();
            if params.cursor.is_done() {
                return all;
            }
            let step = params.step();
            let is_broken = step.is_err();
            if !step.as_ref().is_ok_and(Param::is_empty) {
                all.push(read(step));
            }
            if is_broken {
                return all;
            }
        }
    }

    proptest! {
        #[test]
        fn the_quick_way_reads_what_the_slow_one_reads(
            parts in prop::collection::vec("[;; \t=\"<>,\\\\%@:?a-cA-C0-1.é-]{0,3}|;[a-c]{1,3}|;[a-c]{1,3}=[a-c0-9.:]{0,9}", 0..8)
        ) {
            let text = parts.concat();
            for empty in [Empty::Skipped, Empty::Refused] {
                let quickly: Vec<_> = Params::reading(text.as_bytes(), empty).map(read).collect();
                prop_assert_eq!(quickly, slowly(text.as_bytes(), empty), "{}", text);
            }
        }
    }
}
