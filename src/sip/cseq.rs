//! The sequence number of a request within its dialog (RFC 3261 §20.16).
use super::Method;
use super::cursor::Cursor;
use super::grammar;

/// CSeq (RFC 3261 §20.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// Below 2**31.
    pub number: u32,
    /// The method.
    pub method: Method<'a>,
}

impl<'a> CSeq<'a> {
    /// Parses the value of the field: a number, white space, a method.
    pub(super) fn parse(value: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(value);
        let number = grammar::decimal(cursor.take(grammar::TOKEN))?;
        // Below 2**31, so that it can be compared and counted up in 32 signed bits (RFC 3261 §8.1.1.5).
        let number = u32::try_from(number).ok().filter(|&it| it < 1 << 31)?;
        let parted = cursor.skip_lws();
        (parted && grammar::is_token(cursor.rest())).then(|| Self {
            number,
            method: Method::from_bytes(cursor.rest()),
        })
    }
}
