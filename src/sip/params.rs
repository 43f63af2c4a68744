//! Header parameters: `;name[=value]` after an address or a Via (RFC 3261 §25.1, `generic-param`).
use super::grammar::{self, Cursor};

/// One parameter; the places are octets from the beginning of the parameter text.
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
}

/// Walks over a parameter text; an `Err` is the octet that does not fit, and the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Params<'a> {
    cursor: Cursor<'a>,
    broken: bool,
}

impl<'a> Params<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self {
            cursor: Cursor::new(text),
            broken: false,
        }
    }

    fn step(&mut self) -> Result<Param<'a>, usize> {
        let cursor = &mut self.cursor;
        let start = cursor.at;
        if !cursor.eat(b';') {
            return Err(cursor.at);
        }
        cursor.skip_lws();
        let name = cursor.take(grammar::TOKEN);
        if name.is_empty() {
            return Err(cursor.at);
        }
        let name_end = cursor.at;
        let value = if cursor.eat_separator(b'=') {
            let value = if cursor.peek() == Some(b'"') {
                cursor.take_quoted().ok_or(cursor.at)?
            } else {
                cursor.take(grammar::VALUE)
            };
            if value.is_empty() {
                return Err(cursor.at);
            }
            Some(value)
        } else {
            None
        };
        Ok(Param {
            name,
            value,
            start,
            name_end,
            end: cursor.at,
        })
    }
}

impl<'a> Iterator for Params<'a> {
    type Item = Result<Param<'a>, usize>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        self.cursor.skip_lws();
        if self.cursor.is_done() {
            return None;
        }
        let step = self.step();
        self.broken = step.is_err();
        Some(step)
    }
}

/// The value of the first parameter of that name: `None` absent, `Some(None)` without a value.
pub(super) fn find<'a>(text: &'a [u8], name: &str) -> Option<Option<&'a [u8]>> {
    Params::new(text)
        .map_while(Result::ok)
        .find(|param| param.name.eq_ignore_ascii_case(name.as_bytes()))
        .map(|param| param.value)
}
