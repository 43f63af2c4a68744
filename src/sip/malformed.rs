//! What is wrong with a message or one of its fields, as every parser of this folder reports it.
use super::{HeaderName, Rule};

/// What is wrong with a message or a field of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The field (`Other` for the start line).
    pub field: HeaderName,
    /// Byte offset: in the message where [`Message`](super::Message) reports it, in the value where a parser of values
    /// such as [`Uri::parse`](super::Uri::parse) does.
    pub offset: usize,
    /// A stable identifier of the broken rule: `bad_start_line`, `duplicate_header`, `bad_cseq` ...
    pub rule: Rule,
}

impl Malformed {
    /// A fault in no known field: of the start line, or of a value that does not know in which field it stands.
    pub(super) const fn other(offset: usize, rule: Rule) -> Self {
        Self::of(HeaderName::Other, offset, rule)
    }

    /// A fault in a field.
    pub(super) const fn of(field: HeaderName, offset: usize, rule: Rule) -> Self {
        Self {
            field,
            offset,
            rule,
        }
    }
}
