//! Whether what has come so far holds a whole ClientHello, by its lengths alone (RFC 8446 §4 and §5.1, TLS 1.2 alike).
//!
//! A slot of a handshake costs memory and an answer that is signed. Who has sent half of a hello has not even asked for
//! that, and gets neither.
//!
//! It is looked at in the socket's own buffer and left there: before it is whole nothing is computed or stored for it.

/// What is looked at: a ClientHello with keys for every group that is in use, a ticket and a long list of names has a third
/// of it.
pub const MOST: usize = 16 * 1024;

/// The length of a record that the TLS library refuses, and all above it (RFC 5246 §6.2.3); RFC 8446 §5.2 allows less.
const TOO_LONG: usize = (1 << 14) + 2048;

/// What the first bytes of a connection hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hello {
    /// The beginning of one, or of something that the TLS library would wait for as well.
    Partial,
    /// A whole one, or something that is none: either way the TLS library says at once what it is.
    Whole,
    /// One that is longer than [`MOST`].
    TooLong,
}

/// Looks at the first bytes, of which at most [`MOST`] are needed.
///
/// Nothing is called whole because it can become no hello: the library waits for the end of a record or of a message
/// before it says so, and a slot would wait with it.
pub fn look(bytes: &[u8]) -> Hello {
    match records(bytes) {
        Hello::Partial if bytes.len() >= MOST => Hello::TooLong,
        seen @ (Hello::Partial | Hello::Whole | Hello::TooLong) => seen,
    }
}

/// Adds up the records.
fn records(bytes: &[u8]) -> Hello {
    // The type of a record, and of one with a part of a handshake message; the version after it says little (RFC 8446 §5.1).
    const RECORD: usize = 5;
    let mut rest = bytes;
    let mut message = HandshakeMessage::default();
    loop {
        let Some((head, fragments)) = rest.split_at_checked(RECORD) else {
            return Hello::Partial;
        };
        let &[kind, major, minor, high, low] = head else {
            return Hello::Whole;
        };
        // TLS and SSL 3, what it takes for SSL 2, and DTLS: of all these the library reads the record before it says that it
        // is of no use.
        let is_version = matches!((major, minor), (3, _) | (0, 2) | (0xfe, 0xfc | 0xfd | 0xff));
        let length = usize::from(u16::from_be_bytes([high, low]));
        // What is no record fails by its head; an empty one would go on for ever.
        if !matches!(kind, 20..=24) || !is_version || length == 0 || length >= TOO_LONG {
            return Hello::Whole;
        }
        // Of the last record only a part may be there.
        let whole = fragments.get(..length);
        if kind != 22 {
            return whole.map_or(Hello::Partial, |_| Hello::Whole);
        }
        message.add(whole.unwrap_or(fragments));
        match message.length() {
            Some(length) if length > MOST => return Hello::TooLong,
            Some(length) if message.came >= length && whole.is_some() => return Hello::Whole,
            Some(_) | None => {}
        }
        let Some(next) = fragments.get(length..) else {
            return Hello::Partial;
        };
        rest = next;
    }
}

/// A handshake message that may be spread over several records.
#[derive(Default)]
struct HandshakeMessage {
    /// Type and length.
    head: [u8; 4],
    came: usize,
}

impl HandshakeMessage {
    fn add(&mut self, bytes: &[u8]) {
        for (place, byte) in self.head.iter_mut().skip(self.came).zip(bytes) {
            *place = *byte;
        }
        self.came += bytes.len();
    }

    /// Its length with its head; `None`: not known yet. Of whichever type it is, the library reads it to its end.
    fn length(&self) -> Option<usize> {
        let [_, high, middle, low] = self.head;
        let body = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        (self.came >= 4).then_some(4 + body)
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
    fn what_is_none_is_left_to_the_library_as_soon_as_that_says_so() {
        for bytes in [
            &b"OPTIONS sip:x SIP/2.0"[..],
            b"GET /",
            &[22, 9, 9, 0, 1],
            &[22, 3, 1, 0, 0],
            &[22, 3, 1, 0xff, 0xff],
            &[21, 3, 3, 0, 2, 2, 40],
        ] {
            assert_eq!(look(bytes), Hello::Whole, "{bytes:?}");
        }
        // The library would wait for the rest of each, and so would a slot.
        for bytes in [
            &b"G"[..],
            &[22, 3, 1, 0, 1, 2],
            &[22, 3, 1, 0x40, 0, 2, 0],
            &[23, 3, 3, 0x40, 0],
            &[21, 3, 3, 0, 2, 2],
            &[20, 0xfe, 0xff, 7, 0],
        ] {
            assert_eq!(look(bytes), Hello::Partial, "{bytes:?}");
        }
    }

    /// Whether the library waits for more of this.
    fn is_waited_for(mut bytes: &[u8]) -> bool {
        let mut acceptor = rustls::server::Acceptor::default();
        let is_read = acceptor.read_tls(&mut bytes).is_ok();
        is_read && matches!(acceptor.accept(), Ok(None))
    }

    /// Each type, each version and each length, all others being those of a hello.
    #[test]
    fn a_head_of_a_record_is_waited_for_where_the_library_waits() {
        let kinds = (0..=255).map(|kind| [kind, 3, 1, 0, 9]);
        let versions = (0..=u16::MAX).map(|version| {
            let [major, minor] = version.to_be_bytes();
            [22, major, minor, 0, 9]
        });
        let lengths = (0..=u16::MAX).map(|length| {
            let [high, low] = length.to_be_bytes();
            [22, 3, 1, high, low]
        });
        for head in kinds.chain(versions).chain(lengths) {
            let is_partial = look(&head) == Hello::Partial;
            assert_eq!(is_partial, is_waited_for(&head), "{head:?}");
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
