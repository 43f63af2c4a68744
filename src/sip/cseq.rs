//! The sequence number of a request within its dialog (RFC 3261 §20.16).
use super::Method;
use super::cursor::Cursor;
use super::{grammar, words};

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
        // As nearly everybody writes it, and then all others.
        Self::plain(value).or_else(|| Self::any(value))
    }

    /// Digits, one blank, and a known method.
    fn plain(value: &'a [u8]) -> Option<Self> {
        let (number, method) = value.split_at_checked(words::find(b' ', value)?)?;
        let method = Method::from_bytes(grammar::cut(method, 1, method.len()));
        let number = sequence_number(number)?;
        (!matches!(method, Method::Other(_))).then_some(Self { number, method })
    }

    /// However it is written.
    fn any(value: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(value);
        let number = sequence_number(cursor.take(grammar::TOKEN))?;
        let parted = cursor.skip_lws();
        (parted && grammar::is_token(cursor.rest())).then(|| Self {
            number,
            method: Method::from_bytes(cursor.rest()),
        })
    }
}

/// Below 2**31, so that it can be compared and counted up in 32 signed bits (RFC 3261 §8.1.1.5).
fn sequence_number(text: &[u8]) -> Option<u32> {
    let number = grammar::decimal(text)?;
    u32::try_from(number).ok().filter(|&it| it < 1 << 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_usual_value_takes_the_short_way() {
        for (value, number) in [
            ("1 INVITE", 1),
            ("0009 BYE", 9),
            ("2147483647 ACK", 0x7fff_ffff),
        ] {
            let plain = CSeq::plain(value.as_bytes());
            assert_eq!(plain.map(|cseq| cseq.number), Some(number));
        }
        for odd in [
            "1  INVITE",
            "1\tINVITE",
            "1 NEWMETHOD",
            "2147483648 BYE",
            " 1 BYE",
            "x BYE",
            "1",
        ] {
            assert_eq!(CSeq::plain(odd.as_bytes()), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn the_short_way_reads_what_the_long_one_reads(
            value in "[0-9 +-]{0,11}[ \t]{0,2}(INVITE|BYE|bye|N)?[ ;]{0,1}"
        ) {
            let value = value.as_bytes();
            let (plain, any) = (CSeq::plain(value), CSeq::any(value));
            prop_assert!(plain.is_none() || plain == any);
            prop_assert_eq!(CSeq::parse(value), any);
        }
    }
}
