//! Tokens as text: base64 in the alphabet of URLs, without padding (RFC 4648 §5), which needs no escape in a user part.
//!
//! By hand, since a token is short and of few lengths: the library's general way costs more than twice as much. The tests
//! hold the two together.
use smallvec::SmallVec;

/// The longest token before encoding: version and kind, key id, node, run, two legs, To hash, MAC.
pub(super) const LONGEST: usize = 1 + 1 + 4 + 4 + 9 + 9 + 4 + super::token_mac::MAC;
/// The longest token as text: nothing longer is looked at.
pub(super) const LONGEST_TEXT: usize = LONGEST.div_ceil(3) * 4;
/// A token as text, ready for a URI's user part.
pub(crate) type TokenText = SmallVec<[u8; LONGEST_TEXT]>;

/// The characters, by their values.
const CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// The values of characters.
static VALUES: [u8; 256] = values();
/// The value of what is none of them: no value has this bit.
const NONE: u8 = 0x80;

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time over a table of 256 entries"
)]
const fn values() -> [u8; 256] {
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < CHARACTERS.len() {
        values[CHARACTERS[value] as usize] = value as u8;
        value += 1;
    }
    values
}

/// The text of a token; nothing of what is longer than any token.
pub(super) fn encode(raw: &[u8]) -> TokenText {
    let mut room = [0; LONGEST];
    let Some(place) = room.get_mut(..raw.len()) else {
        return TokenText::new();
    };
    place.copy_from_slice(raw);
    let mut values = [0; LONGEST_TEXT];
    let (eights, _) = values.as_chunks_mut();
    let (sixes, _) = room.as_chunks();
    for (eight, six) in eights.iter_mut().zip(sixes) {
        *eight = values_of(*six);
    }
    // As many as the bits need: those of the last are filled up with zeros.
    TokenText::from_buf_and_len(values.map(character), (raw.len() * 4).div_ceil(3))
}

/// Six bytes as eight values, all of them at once.
#[inline]
fn values_of([first, second, third, fourth, fifth, sixth]: [u8; 6]) -> [u8; 8] {
    let bits = u64::from_be_bytes([0, 0, first, second, third, fourth, fifth, sixth]);
    // Half of the bits moves away from the other half, until each six have a byte to themselves.
    let bits = (bits & 0xffff_ff00_0000) << 8 | bits & 0xff_ffff;
    let bits = (bits & 0x00ff_f000_00ff_f000) << 4 | bits & 0x0000_0fff_0000_0fff;
    let bits = (bits & 0x0fc0_0fc0_0fc0_0fc0) << 2 | bits & 0x003f_003f_003f_003f;
    bits.to_be_bytes()
}

/// The character of a value: without a table and without a branch, so that sixteen are found at a step.
#[inline]
fn character(value: u8) -> u8 {
    let from = |first: u8, step: u8| if value >= first { step } else { 0 };
    // How far each row of characters begins behind the last one, or before it.
    let letters = value + b'A' + from(26, b'a' - b'Z' - 1);
    let digits = letters - from(52, b'z' + 1 - b'0');
    let others = digits - from(62, b'9' + 1 - b'-');
    others + from(63, b'_' - b'-' - 1)
}

/// The bytes that the text stands for; `None`: it is not written as [`encode`] writes it. Of one token there is one text: the
/// bits behind its last byte are zeros.
pub(super) fn decode<'r>(text: &[u8], room: &'r mut [u8; LONGEST]) -> Option<&'r mut [u8]> {
    // What is missing is filled up with zeros.
    let mut whole = [b'A'; LONGEST_TEXT];
    whole.get_mut(..text.len())?.copy_from_slice(text);
    let (eights, _) = whole.as_chunks();
    let (sixes, _) = room.as_chunks_mut();
    // What is no character is seen once, behind the last.
    let mut seen = 0;
    for (six, eight) in sixes.iter_mut().zip(eights) {
        *six = bytes(eight, &mut seen);
    }
    let (raw, behind) = room.split_at_mut_checked(text.len() * 3 / 4)?;
    // One character alone is no byte.
    let is_whole = text.len() % 4 != 1 && behind.iter().all(|b| *b == 0);
    (is_whole && seen & NONE == 0).then_some(raw)
}

/// The bytes of eight characters, whose values are added to those that were seen.
#[inline]
fn bytes(eight: &[u8; 8], seen: &mut u8) -> [u8; 6] {
    let mut bits = 0;
    for &character in eight {
        let value = VALUES.get(usize::from(character)).copied().unwrap_or(NONE);
        *seen |= value;
        bits = bits << 6 | u64::from(value);
    }
    let [_, _, bytes @ ..] = bits.to_be_bytes();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    fn decoded(text: &[u8]) -> Option<Vec<u8>> {
        decode(text, &mut [7; LONGEST]).map(|raw| raw.to_vec())
    }

    proptest! {
        #[test]
        fn the_text_is_that_of_the_library(raw in prop::collection::vec(any::<u8>(), 0..=LONGEST)) {
            let text = encode(&raw);
            prop_assert_eq!(str::from_utf8(&text).unwrap(), URL_SAFE_NO_PAD.encode(&raw));
            prop_assert_eq!(decoded(&text), Some(raw));
        }

        #[test]
        fn what_is_read_is_what_the_library_reads(
            mut text in prop::collection::vec(prop::sample::select(&CHARACTERS[..]), 0..=LONGEST_TEXT),
            other: Option<(prop::sample::Index, u8)>,
        ) {
            if let Some((place, b)) = other && !text.is_empty() {
                let place = place.index(text.len());
                text[place] = b;
            }
            prop_assert_eq!(decoded(&text), URL_SAFE_NO_PAD.decode(&text).ok());
        }
    }

    #[test]
    fn a_token_has_one_text() {
        for last in *CHARACTERS {
            let text = [b'A', last];
            let expected =
                (VALUES[usize::from(last)] & 15 == 0).then(|| vec![VALUES[usize::from(last)] >> 4]);
            assert_eq!(decoded(&text), expected);
            assert_eq!(
                decoded(&[b'A', b'A', last]).is_some(),
                VALUES[usize::from(last)] & 3 == 0
            );
        }
        assert_eq!(decoded(b"A"), None);
        assert_eq!(decoded(b"AAA="), None);
        assert_eq!(decoded(&[b'A'; LONGEST_TEXT + 4]), None);
        assert!(encode(&[0; LONGEST + 1]).is_empty());
    }
}
