//! Whether what has come so far holds a whole ClientHello, by its lengths alone (RFC 8446 §4 and §5.1, TLS 1.2 alike).
//!
//! A slot of a handshake costs memory and an answer that is signed. Who has sent half of a hello has not even asked for
//! that, and gets neither.
//!
//! It is looked at in the socket's own buffer and left there: before it is whole nothing is computed or stored for it.

/// What is looked at: a ClientHello with keys for every group that is in use, a ticket and a long list of names has a third
/// of it.
pub(super) const MOST: usize = 16 * 1024;

/// What the first bytes of a connection hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hello {
    /// The beginning of one.
    Partial,
    /// A whole one, or something that is none: either way the TLS library says at once what it is.
    Whole,
    /// One that is longer than [`MOST`].
    TooLong,
}

/// Looks at the first bytes, of which at most [`MOST`] are needed.
pub(super) fn look(bytes: &[u8]) -> Hello {
    match records(bytes) {
        Hello::Partial if bytes.len() >= MOST => Hello::TooLong,
        seen @ (Hello::Partial | Hello::Whole | Hello::TooLong) => seen,
    }
}

/// Adds up the records.
fn records(bytes: &[u8]) -> Hello {
    // The type of a handshake's record; the version after it says nothing (RFC 8446 §5.1).
    const RECORD: usize = 5;
    let mut rest = bytes;
    let mut message = HelloMessage::default();
    loop {
        let Some((head, fragments)) = rest.split_at_checked(RECORD) else {
            return match rest.first() {
                Some(22) | None => Hello::Partial,
                Some(_) => Hello::Whole,
            };
        };
        let &[kind, major, _, high, low] = head else {
            return Hello::Whole;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        // What is no record of a handshake fails at once; an empty one would go on for ever.
        if kind != 22 || major != 3 || length == 0 {
            return Hello::Whole;
        }
        // Of the last record only a part may be there.
        let here = fragments.get(..length).unwrap_or(fragments);
        message.add(here);
        match message.length() {
            Some(None) => return Hello::Whole,
            Some(Some(whole)) if whole > MOST => return Hello::TooLong,
            Some(Some(whole)) if message.came >= whole => return Hello::Whole,
            Some(Some(_)) | None => {}
        }
        let Some(next) = fragments.get(length..) else {
            return Hello::Partial;
        };
        rest = next;
    }
}

/// A handshake message that may be spread over several records.
#[derive(Default)]
struct HelloMessage {
    /// Type and length.
    head: [u8; 4],
    came: usize,
}

impl HelloMessage {
    fn add(&mut self, bytes: &[u8]) {
        for (place, byte) in self.head.iter_mut().skip(self.came).zip(bytes) {
            *place = *byte;
        }
        self.came += bytes.len();
    }

    /// Its length with its head; the inner `None`: it is no ClientHello. The outer: not known yet.
    fn length(&self) -> Option<Option<usize>> {
        let [kind, high, middle, low] = self.head;
        match self.came {
            0 => None,
            _ if kind != 1 => Some(None),
            1..4 => None,
            _ => Some(Some(
                4 + (usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of a handshake with this in it.
    fn record(fragment: &[u8]) -> Vec<u8> {
        let length = (fragment.len() as u16).to_be_bytes();
        [&[22, 3, 1][..], &length, fragment].concat()
    }

    /// A message of this type whose body has so many bytes.
    fn message(kind: u8, body: usize) -> Vec<u8> {
        let length = (body as u32).to_be_bytes();
        [&[kind][..], &length[1..], &vec![7; body]].concat()
    }

    #[test]
    fn a_hello_is_partial_up_to_its_last_byte_however_its_records_are_cut() {
        let hello = message(1, 300);
        for cut in [1, 2, 4, 5, 100, 304] {
            let records: Vec<u8> = hello.chunks(cut).flat_map(record).collect();
            for end in 0..records.len() {
                assert_eq!(look(&records[..end]), Hello::Partial, "{end} by {cut}");
            }
            assert_eq!(look(&records), Hello::Whole, "by {cut}");
            let more = [&records[..], &[20, 3, 3, 0, 1, 1]].concat();
            assert_eq!(look(&more), Hello::Whole);
        }
    }

    #[test]
    fn what_is_none_is_left_to_the_library_at_once() {
        for bytes in [
            &b"OPTIONS sip:x SIP/2.0"[..],
            b"G",
            &[22, 9, 9, 0, 1],
            &[22, 3, 1, 0, 0],
            &[22, 3, 1, 0, 1, 2],
            &[21, 3, 3, 0, 2, 2, 40],
        ] {
            assert_eq!(look(bytes), Hello::Whole, "{bytes:?}");
        }
    }

    #[test]
    fn one_that_is_too_long_is_known_by_its_head_and_by_its_records() {
        assert_eq!(look(&record(&message(1, MOST)[..100])), Hello::TooLong);
        assert_eq!(
            look(&record(&message(1, MOST - 300)[..100])),
            Hello::Partial
        );
        // Each byte in a record of its own: sixteen thousand bytes of records for three thousand of message.
        let spread: Vec<u8> = message(1, 4000).chunks(1).flat_map(record).collect();
        assert_eq!(look(&spread[..MOST]), Hello::TooLong);
    }
}
