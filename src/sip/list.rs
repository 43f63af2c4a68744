//! Comma-separated field values (RFC 3261 §7.3.1): commas inside quotes and `<>` separate nothing.
use super::Rule;
use super::block::{self, Block};
use super::grammar;

/// Why a list cannot be split further: a quote or bracket does not close, or there is nothing between two commas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unbalanced {
    /// Where, in the field value.
    pub(super) at: usize,
    pub(super) rule: Rule,
}

/// A list may be spread over several lines and several values in one line (RFC 3261 §7.3.1); the lines are the index's
/// business.
///
/// Walks over the values of one line, white space around them removed.
#[derive(Clone, Debug)]
pub(super) struct Values<'a> {
    text: &'a [u8],
    /// Where the next value begins; `None` behind the last one.
    next: Option<usize>,
}

impl<'a> Values<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            // A line without a value has none, not an empty one; whether it may be so is the field's rule.
            next: (!grammar::trim(text).is_empty()).then_some(0),
        }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Result<&'a [u8], Unbalanced>;

    fn next(&mut self) -> Option<Self::Item> {
        let from = self.next.take()?;
        // An unbalanced quote ends the walk: `next` stays empty, so no guess follows the error.
        let end = match comma(self.text, from) {
            Ok(Some(comma)) => {
                self.next = Some(comma + 1);
                comma
            }
            Ok(None) => self.text.len(),
            Err(unbalanced) => return Some(Err(unbalanced)),
        };
        // White space around a value is no part of it, folds included.
        let value = grammar::trim(grammar::cut(self.text, from, end));
        Some(if value.is_empty() {
            Err(Unbalanced {
                at: from,
                rule: Rule::EmptyValue,
            })
        } else {
            Ok(value)
        })
    }
}

/// The first comma from `from` on that separates two values. A quote or bracket that does not close makes the rest of the
/// line unreadable: which of its commas separate would be a guess.
fn comma(text: &[u8], from: usize) -> Result<Option<usize>, Unbalanced> {
    let mut at = from;
    // A comma inside of a quoted display name or of `<>` belongs to the value (RFC 3261 §7.3.1).
    let stops = |block: Block| block.is(b',') | block.is(b'"') | block.is(b'<');
    while let Some(step) = block::find(text.get(at..).unwrap_or_default(), stops) {
        at += step;
        let rest = text.get(at..).unwrap_or_default();
        at += match rest.first() {
            Some(b',') => return Ok(Some(at)),
            Some(b'"') => grammar::quoted_len(rest).ok_or(Unbalanced {
                at,
                rule: Rule::UnbalancedQuotes,
            })?,
            _ => {
                1 + memchr::memchr(b'>', rest).ok_or(Unbalanced {
                    at,
                    rule: Rule::UnbalancedAngle,
                })?
            }
        };
    }
    Ok(None)
}
