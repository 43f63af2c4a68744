//! Where TLS records end in what comes from a socket, so that rustls is handed whole ones.
//!
//! rustls has a buffer of 4 KiB, which grows, is zeroed and shrinks again whenever it is handed more while a part of a record is
//! in it. Of what one read takes from a socket only the end can be such a part.

/// Bytes of a record's header (RFC 8446 §5.1): type, version, length.
const HEADER: usize = 5;
/// What rustls takes at once while nothing is in its buffer.
pub(super) const ROOM: usize = 4096;
/// The longest record (RFC 5246 §6.2.3), with its header; TLS 1.3 allows less.
pub(super) const LONGEST: usize = HEADER + (1 << 14) + 2048;

/// How much of the record that the next byte belongs to was handed over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Records {
    header: [u8; HEADER],
    /// Bytes, the header's included; 0: the next byte begins one.
    handed: u16,
}

impl Records {
    /// How many of the first bytes are to be handed to rustls before it is asked for what they hold: whole records as far as
    /// it has room for them, and a part of one only if nothing stands before it. 0 only of nothing.
    ///
    /// Of a long record what there is no room for goes first: then the buffer need not become larger than the record.
    ///
    /// What no record begins with is handed over as it comes, and the next read is taken to begin with one; rustls refuses it.
    pub(super) fn portion(&mut self, bytes: &[u8]) -> usize {
        if let Some(first) = self.beyond_room(bytes) {
            self.note_part(first);
            return first.len();
        }
        let mut whole = 0;
        while let Some(rest) = bytes.get(whole..)
            && let Some(length) = self.until_end(rest)
            && (whole == 0 || whole + length <= ROOM)
        {
            self.handed = 0;
            whole += length;
        }
        if whole == 0 {
            self.note_part(bytes);
            return bytes.len();
        }
        whole
    }

    /// These bytes were read by the handshake, which asks for no portions.
    pub(super) fn skip(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let portion = self.portion(bytes);
            bytes = bytes.get(portion..).unwrap_or_default();
        }
    }

    /// How many bytes of a record that is not whole were handed over.
    pub(super) fn unfinished(&self) -> usize {
        usize::from(self.handed)
    }

    /// The first bytes of a long record that begins here, after which the rest fills the room so many times.
    fn beyond_room<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let length = record(*bytes.first_chunk()?).filter(|_| self.handed == 0)?;
        let first = bytes.get(..length % ROOM)?;
        (length > ROOM && first.len() >= HEADER).then_some(first)
    }

    /// How many of these bytes belong to the record that they begin in; `None`: it does not end among them.
    fn until_end(&self, bytes: &[u8]) -> Option<usize> {
        let handed = usize::from(self.handed);
        if handed + bytes.len() < HEADER {
            return None;
        }
        let left = record(self.header_with(bytes))?.checked_sub(handed)?;
        (left <= bytes.len()).then_some(left)
    }

    /// The header, as far as it is there with these bytes.
    fn header_with(&self, bytes: &[u8]) -> [u8; HEADER] {
        if let (0, Some(header)) = (self.handed, bytes.first_chunk()) {
            return *header;
        }
        let mut header = self.header;
        let missing = header.iter_mut().skip(usize::from(self.handed));
        missing.zip(bytes).for_each(|(place, byte)| *place = *byte);
        header
    }

    /// These bytes are handed over, and do not end the record.
    fn note_part(&mut self, bytes: &[u8]) {
        let header = self.header_with(bytes);
        let handed = usize::from(self.handed) + bytes.len();
        let is_record = handed < HEADER || record(header).is_some();
        *self = match u16::try_from(handed) {
            Ok(handed) if is_record => Self { header, handed },
            Ok(_) | Err(_) => Self::default(),
        };
    }
}

/// The length of the record with this header, which it counts in; `None`: that is none.
fn record([kind, major, _, high, low]: [u8; HEADER]) -> Option<usize> {
    let length = usize::from(u16::from_be_bytes([high, low]));
    ((20..=24).contains(&kind) && major == 3 && HEADER + length <= LONGEST)
        .then_some(HEADER + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record_of(length: u16) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        let mut bytes = vec![23, 3, 3, high, low];
        bytes.resize(HEADER + usize::from(length), 0xaa);
        bytes
    }

    /// The portions of what comes in these reads.
    fn portions(reads: &[&[u8]]) -> Vec<usize> {
        let mut records = Records::default();
        let mut found = Vec::new();
        for read in reads {
            let mut rest = *read;
            while !rest.is_empty() {
                let portion = records.portion(rest);
                found.push(portion);
                rest = &rest[portion..];
            }
        }
        found
    }

    #[test]
    fn whole_records_go_together_as_far_as_there_is_room() {
        let (short, long) = (record_of(600), record_of(9000));
        assert_eq!(portions(&[&short]), [605]);
        assert_eq!(portions(&[&short.repeat(3)]), [3 * 605]);
        assert_eq!(portions(&[&short.repeat(8)]), [6 * 605, 2 * 605]);
        // A long one, for which the buffer has to grow, goes alone, and first what is beyond its room.
        let all = [&short[..], &long, &short, &short].concat();
        let beyond = 9005 - 2 * ROOM;
        assert_eq!(portions(&[&all]), [605, beyond, 2 * ROOM, 2 * 605]);
        assert_eq!(portions(&[&record_of(4091)]), [ROOM]);
        assert_eq!(Records::default().portion(b""), 0);
    }

    #[test]
    fn a_part_goes_alone_wherever_a_read_ends() {
        let stream = [
            record_of(600),
            record_of(5000),
            record_of(0),
            record_of(3000),
        ]
        .concat();
        for cut in 1..stream.len() {
            let (first, second) = stream.split_at(cut);
            let found = portions(&[first, second]);
            let ends: Vec<usize> = found
                .iter()
                .scan(0, |at, portion| {
                    *at += portion;
                    Some(*at)
                })
                .collect();
            // Nothing but the read's own end parts a record.
            let beyond = 605 + 5005 - ROOM;
            let allowed = [605, beyond, 5610, 5615, 8620, cut];
            assert!(
                ends.iter().all(|end| allowed.contains(end)),
                "{cut}: {ends:?}"
            );
            assert_eq!(ends.last(), Some(&stream.len()), "{cut}");
        }
    }

    #[test]
    fn a_header_in_three_reads_is_put_together() {
        let record = record_of(40);
        let reads = [&record[..2], &record[2..4], &record[4..]];
        assert_eq!(portions(&reads), [2, 2, 41]);
    }

    #[test]
    fn what_the_handshake_has_read_of_a_record_is_known() {
        let (whole, next) = (record_of(600), record_of(9000));
        let mut records = Records::default();
        records.skip(&[&whole[..], &whole, &next[..7000]].concat());
        assert_eq!(records.unfinished(), 7000);
        assert_eq!(
            records.portion(&[&next[7000..], &whole].concat()),
            2005 + 605
        );
        assert_eq!(records.unfinished(), 0);
    }

    #[test]
    fn what_no_record_begins_with_is_passed_over() {
        let rest_of_one = [0x99; 700];
        assert_eq!(portions(&[&rest_of_one, &record_of(600)]), [700, 605]);
        let all = [&rest_of_one[..], &record_of(600)].concat();
        assert_eq!(portions(&[&all, &record_of(600)]), [1305, 605]);
        // Longer than any.
        let mut too_long = record_of(100);
        too_long[3] = 0xff;
        assert_eq!(portions(&[&too_long, &record_of(600)]), [105, 605]);
    }
}
