//! The closed set of edits that a proxy makes (RFC 3261 §16.6, §16.7): planned over the received octets, applied once
//! into one contiguous output.
use super::digits::{write_decimal, write_ip};
use super::grammar::{cut, offset_in};
use super::index::Line;
use super::list::Values;
use super::stamp::{self, Stamp};
use super::start_line;
use super::{HeaderName, HeaderSet, Message, StartLine, Via};
use smallvec::SmallVec;
use std::net::SocketAddr;
use std::ops::Range;

/// Our Via parameters besides the branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViaParams {
    /// None.
    Plain,
    /// `alias` (RFC 5923), towards peers whose requests are welcome on the same connection.
    Alias,
}

/// Planned edits of one message.
///
/// The order of the calls matters only where two insert fields of one name; everything else is a fact about the
/// received message and can be said in any order. A field that is inserted stands directly above (`append_route`:
/// below) the received ones of its name, even if those are removed; where there are none, below the last Via line, or
/// on top of the head if there is no Via either. Octets that no edit names come out as they came, in order.
#[derive(Debug)]
pub struct Edits<'m, 'a> {
    message: &'m Message<'a>,
    request_uri: Option<&'m [u8]>,
    max_forwards: Option<u8>,
    max_breadth: Option<u8>,
    stamps: SmallVec<[Patch<'m>; 3]>,
    popped_vias: usize,
    popped_routes: usize,
    popped_last_routes: usize,
    /// Values of fields by their number, of the first 64 each.
    dropped: SmallVec<[(HeaderName, u64); 3]>,
    announces_path: bool,
    /// [`HeaderName::bit`]s.
    stripped: u64,
    inserted: SmallVec<[Piece<'m>; 6]>,
}

/// Text that takes the place of received octets.
#[derive(Clone, Copy, Debug)]
enum Piece<'m> {
    Stamp(Stamp),
    Octets(&'m [u8]),
    Via {
        sent_by: &'m str,
        branch: &'m [u8],
        params: ViaParams,
    },
    /// `Name: <uri>` above the others.
    Above(HeaderName, &'m [u8]),
    /// `Name: <uri>` below the others.
    Below(HeaderName, &'m [u8]),
    /// `Name: number`.
    NumberLine(HeaderName, u8),
    Number(u8),
    /// `X-Sipward-Peer: name`.
    PeerName(&'m str),
    /// `ms-keep-alive`, seconds.
    KeepAlive(u32),
}

/// Received octets and what is written for them.
type Patch<'m> = (Range<usize>, Piece<'m>);

type Patches<'m> = SmallVec<[Patch<'m>; 16]>;

const NOTHING: Piece<'static> = Piece::Stamp(Stamp::Nothing);

impl<'m, 'a> Edits<'m, 'a> {
    /// No edits yet.
    pub fn new(message: &'m Message<'a>) -> Self {
        Self {
            message,
            request_uri: None,
            max_forwards: None,
            max_breadth: None,
            stamps: SmallVec::new(),
            popped_vias: 0,
            popped_routes: 0,
            popped_last_routes: 0,
            dropped: SmallVec::new(),
            announces_path: false,
            stripped: 0,
            inserted: SmallVec::new(),
        }
    }

    /// Replaces the Request-URI. Nothing happens to a response.
    pub fn set_request_uri(&mut self, uri: &'m [u8]) {
        self.request_uri = Some(uri);
    }

    /// Puts a Via line `SIP/2.0/TLS sent_by;branch=...` above all others; the last call ends on top.
    pub fn prepend_via(&mut self, sent_by: &'m str, branch: &'m [u8], params: ViaParams) {
        self.inserted.push(Piece::Via {
            sent_by,
            branch,
            params,
        });
    }

    /// Sets `received` and `rport` of the topmost received Via, replacing values that the sender wrote itself (RFC 3261
    /// §18.2.1, RFC 3581 §4): `rport` when the sender put one; `received` then too, and whenever sent-by is a name or
    /// another address than the source. An IPv4-mapped source is written as IPv4. `via` is that Via as
    /// [`Message::top_via`] gives it for this very message.
    pub fn stamp_top_via(&mut self, via: &Via<'_>, source: SocketAddr) {
        self.stamps.clear();
        stamp::plan(self.message.bytes(), via, source, |range, stamp| {
            self.stamps.push((range, Piece::Stamp(stamp)));
        });
    }

    /// Removes the topmost Via value (responses); other values of its line stay. Each call removes one more.
    pub fn pop_via(&mut self) {
        self.popped_vias += 1;
    }

    /// Replaces or inserts Max-Forwards.
    pub fn set_max_forwards(&mut self, value: u8) {
        self.max_forwards = Some(value);
    }

    /// Replaces or inserts Max-Breadth (RFC 5393 §5.3.3).
    pub fn set_max_breadth(&mut self, value: u8) {
        self.max_breadth = Some(value);
    }

    /// Removes the first `count` Route values.
    pub fn pop_routes(&mut self, count: usize) {
        self.popped_routes += count;
    }

    /// Removes the last Route value (the previous element is a strict router, RFC 3261 §16.4).
    pub fn pop_last_route(&mut self) {
        self.popped_last_routes += 1;
    }

    /// Puts `Route: <uri>` above all others; the last call ends on top (RFC 3261 §16.6 step 6).
    pub fn prepend_route(&mut self, uri: &'m [u8]) {
        self.inserted.push(Piece::Above(HeaderName::Route, uri));
    }

    /// Puts `Route: <uri>` below all others (the next hop is a strict router, RFC 3261 §16.6 step 6); the last call ends
    /// at the bottom. With `strip(HeaderName::Route)` it makes up a whole new route.
    pub fn append_route(&mut self, uri: &'m [u8]) {
        self.inserted.push(Piece::Below(HeaderName::Route, uri));
    }

    /// Puts `Record-Route: <uri>` above all others; the last call ends on top.
    pub fn prepend_record_route(&mut self, uri: &'m [u8]) {
        self.inserted
            .push(Piece::Above(HeaderName::RecordRoute, uri));
    }

    /// Puts `Path: <uri>` above all others.
    pub fn prepend_path(&mut self, uri: &'m [u8]) {
        self.inserted.push(Piece::Above(HeaderName::Path, uri));
    }

    /// Puts `Supported: path` (RFC 3327 §5.1) above all other lines of that field: Asterisk reads the first one only.
    pub fn announce_path(&mut self) {
        self.announces_path = true;
    }

    /// Removes those values of a list field whose bits are set, counted over all its lines; a line of which none is left
    /// goes. The values must be such that [`Message::values`] tells them apart.
    pub fn drop_values(&mut self, name: HeaderName, numbers: u64) {
        if numbers != 0 {
            self.dropped.push((name, numbers));
        }
    }

    /// Removes every received line of that name, folds included; what is inserted stays. Nothing for `Other`.
    pub fn strip(&mut self, name: HeaderName) {
        self.stripped |= name.bit();
    }

    /// As [`Self::strip`], for a whole set.
    pub fn strip_all(&mut self, names: HeaderSet) {
        self.stripped |= names.0;
    }

    /// Puts `X-Sipward-Peer: name` in, the verified name of the server that sent the message; the received ones stay
    /// unless they are stripped.
    pub fn insert_peer_name(&mut self, name: &'m str) {
        self.inserted.push(Piece::PeerName(name));
    }

    /// Puts our answer to `ms-keep-alive` in ([`super::Extra::KeepAlive`]); the received ones stay unless they are
    /// stripped.
    pub fn insert_keep_alive(&mut self, seconds: u32) {
        self.inserted.push(Piece::KeepAlive(seconds));
    }

    /// Writes the edited message to the end of `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let bytes = self.message.bytes();
        let mut patches = Patches::new();
        self.patches(&mut patches);
        out.reserve(bytes.len() + patches.iter().map(|(_, piece)| piece.room()).sum::<usize>());
        let mut copied = 0;
        for (range, piece) in &patches {
            // Inside of what an earlier patch removed.
            if range.start < copied {
                continue;
            }
            out.extend_from_slice(cut(bytes, copied, range.start));
            piece.write(out);
            copied = range.end;
        }
        out.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    }

    /// All patches by place; what is inserted at a place comes before what is removed there.
    fn patches(&self, patches: &mut Patches<'m>) {
        self.patch_request_uri(patches);
        self.patch_insertions(patches);
        patches.extend(self.stamps.iter().cloned());
        self.patch_values(HeaderName::Via, self.popped_vias, 0, patches);
        self.patch_values(
            HeaderName::Route,
            self.popped_routes,
            self.popped_last_routes,
            patches,
        );
        for (name, numbers) in &self.dropped {
            if self.stripped & name.bit() == 0 {
                self.patch_dropped(*name, *numbers, patches);
            }
        }
        self.patch_supported(patches);
        self.patch_number(HeaderName::MaxForwards, self.max_forwards, patches);
        self.patch_number(HeaderName::MaxBreadth, self.max_breadth, patches);
        if self.stripped & self.message.names().0 != 0 {
            let lines = self.message.index().lines.iter();
            let stripped = lines.filter(|line| self.stripped & line.name.bit() != 0);
            patches.extend(stripped.map(|line| (line.start()..line.end(), NOTHING)));
        }
        patches.sort_by_key(|(range, _)| (range.start, range.end));
    }

    fn patch_request_uri(&self, patches: &mut Patches<'m>) {
        if let (Some(uri), StartLine::Request { .. }) = (self.request_uri, self.message.start()) {
            let line = cut(self.message.bytes(), 0, self.message.start_line());
            patches.push((start_line::request_parts(line).uri, Piece::Octets(uri)));
        }
    }

    /// The fields that are put in; those that go above others in the reverse order of the calls.
    fn patch_insertions(&self, patches: &mut Patches<'m>) {
        let mut place = |piece: Piece<'m>| {
            let at = self.place(piece);
            patches.push((at..at, piece));
        };
        let is_below = |piece: &Piece<'_>| matches!(piece, Piece::Below(..));
        for &piece in self.inserted.iter().rev().filter(|piece| !is_below(piece)) {
            place(piece);
        }
        for &piece in self.inserted.iter().filter(|piece| is_below(piece)) {
            place(piece);
        }
    }

    fn patch_number(&self, name: HeaderName, number: Option<u8>, patches: &mut Patches<'m>) {
        let Some(number) = number else {
            return;
        };
        let line = self.message.index().named(name).next();
        patches.push(match line {
            Some(line) => (line.value_start()..line.value_end(), Piece::Number(number)),
            None => {
                let at = self.default_place();
                (at..at, Piece::NumberLine(name, number))
            }
        });
    }

    fn patch_values(&self, name: HeaderName, first: usize, last: usize, patches: &mut Patches<'m>) {
        if first == 0 && last == 0 {
            return;
        }
        keep_values(self.message, name, first, last, |line, kept| match kept {
            Kept::Line => {}
            Kept::Values(range) => {
                patches.push((line.value_start()..range.start, NOTHING));
                patches.push((range.end..line.value_end(), NOTHING));
            }
            Kept::Nothing => patches.push((line.start()..line.end(), NOTHING)),
        });
    }

    fn patch_supported(&self, patches: &mut Patches<'m>) {
        if !self.announces_path {
            return;
        }
        let line = self.message.index().named(HeaderName::Supported).next();
        let at = line.map_or_else(|| self.default_place(), Line::start);
        patches.push((at..at, Piece::Octets(b"Supported: path\r\n")));
    }

    /// Each value goes with what separates it from the next one that stays, or, behind the last that stays, from that.
    fn patch_dropped(&self, name: HeaderName, numbers: u64, patches: &mut Patches<'m>) {
        let mut number = 0u32;
        for line in self.message.index().named(name) {
            let values: SmallVec<[(usize, usize, bool); 4]> = Values::new(self.message.value(line))
                .flatten()
                .map(|value| {
                    let start = offset_in(self.message.bytes(), value);
                    let goes = 1u64
                        .checked_shl(number)
                        .is_some_and(|bit| numbers & bit != 0);
                    number += 1;
                    (start, start + value.len(), goes)
                })
                .collect();
            let Some(last) = values.iter().rposition(|(_, _, goes)| !goes) else {
                if !values.is_empty() {
                    patches.push((line.start()..line.end(), NOTHING));
                }
                continue;
            };
            for (pair, (start, end, goes)) in values.iter().enumerate() {
                let next = values.get(pair + 1);
                if pair == last && next.is_some() {
                    let until = values.last().map_or(*end, |(_, end, _)| *end);
                    patches.push((*end..until, NOTHING));
                } else if *goes && pair < last {
                    patches.push((*start..next.map_or(*end, |(next, ..)| *next), NOTHING));
                }
            }
        }
    }

    fn place(&self, piece: Piece<'_>) -> usize {
        let index = self.message.index();
        let found = match piece {
            Piece::Via { .. } => {
                let first = index.named(HeaderName::Via).next();
                return first.map_or_else(|| self.top(), Line::start);
            }
            Piece::Above(name, _) => index.named(name).next().map(Line::start),
            Piece::Below(name, _) => index.named(name).last().map(Line::end),
            Piece::Stamp(_)
            | Piece::Octets(_)
            | Piece::NumberLine(..)
            | Piece::Number(_)
            | Piece::PeerName(_)
            | Piece::KeepAlive(_) => None,
        };
        found.unwrap_or_else(|| self.default_place())
    }

    /// Where a field goes that has no predecessor: below the last Via line.
    fn default_place(&self) -> usize {
        let last = self.message.index().named(HeaderName::Via).last();
        last.map_or_else(|| self.top(), Line::end)
    }

    /// Below the start line.
    fn top(&self) -> usize {
        self.message.start_line() + 2
    }
}

impl Piece<'_> {
    /// About the most octets that this writes.
    fn room(&self) -> usize {
        48 + match self {
            Self::Via {
                sent_by, branch, ..
            } => sent_by.len() + branch.len(),
            Self::Octets(text) | Self::Above(_, text) | Self::Below(_, text) => text.len(),
            Self::PeerName(name) => name.len(),
            Self::Stamp(_) | Self::NumberLine(..) | Self::Number(_) => 16,
            Self::KeepAlive(_) => 32,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Stamp(stamp) => write_stamp(stamp, out),
            Self::Octets(text) => out.extend_from_slice(text),
            Self::Via {
                sent_by,
                branch,
                params,
            } => write_via(sent_by, branch, params, out),
            Self::Above(name, uri) | Self::Below(name, uri) => {
                out.extend_from_slice(name.as_str().as_bytes());
                out.extend_from_slice(b": <");
                out.extend_from_slice(uri);
                out.extend_from_slice(b">\r\n");
            }
            Self::NumberLine(name, number) => {
                out.extend_from_slice(name.as_str().as_bytes());
                out.extend_from_slice(b": ");
                write_decimal(u64::from(number), out);
                out.extend_from_slice(b"\r\n");
            }
            Self::Number(number) => write_decimal(u64::from(number), out),
            Self::PeerName(name) => {
                out.extend_from_slice(HeaderName::PeerName.as_str().as_bytes());
                out.extend_from_slice(b": ");
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b"\r\n");
            }
            Self::KeepAlive(seconds) => write_keep_alive(seconds, out),
        }
    }
}

/// What is left of a line from which list values are removed.
pub(super) enum Kept {
    /// All of it.
    Line,
    /// These octets of the message instead of the value.
    Values(Range<usize>),
    /// No value, so no line.
    Nothing,
}

/// Tells for each line of a list field what stays without the `first` values and the `last` ones. What cannot be split
/// counts as one value.
pub(super) fn keep_values<'m>(
    message: &'m Message<'_>,
    name: HeaderName,
    first: usize,
    last: usize,
    mut tell: impl FnMut(&'m Line, Kept),
) {
    let lines = || message.index().named(name);
    let count = |line: &Line| Values::new(message.value(line)).count();
    let kept_to = if last == 0 {
        usize::MAX
    } else {
        lines().map(count).sum::<usize>().saturating_sub(last)
    };
    let mut number = 0;
    for line in lines() {
        if number >= first && last == 0 {
            // What is left is left whole, and need not be counted.
            tell(line, Kept::Line);
            continue;
        }
        let from = number;
        number += count(line);
        // The values of this line that stay.
        let stay = first.saturating_sub(from)..kept_to.saturating_sub(from).min(number - from);
        let kept = if from >= first && number <= kept_to {
            Kept::Line
        } else if stay.is_empty() {
            Kept::Nothing
        } else {
            let mut range = line.value_start()..line.value_end();
            for (at, value) in Values::new(message.value(line)).enumerate() {
                let Ok(value) = value else { continue };
                let start = offset_in(message.bytes(), value);
                if at == stay.start {
                    range.start = start;
                }
                if at + 1 == stay.end {
                    range.end = start + value.len();
                }
            }
            Kept::Values(range)
        };
        tell(line, kept);
    }
}

pub(super) fn write_stamp(stamp: Stamp, out: &mut Vec<u8>) {
    match stamp {
        Stamp::Nothing => {}
        Stamp::Rport(port) => {
            out.push(b'=');
            write_decimal(u64::from(port), out);
        }
        Stamp::Received(address) => {
            out.extend_from_slice(b";received=");
            write_ip(address, out);
        }
    }
}

/// The answer of a server that keeps connections by what is sent between two hops (MS-CONMGMT §2.2.1).
pub(super) fn write_keep_alive(seconds: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"ms-keep-alive: UAS; tcp=no; hop-hop=yes; end-end=no; timeout=");
    write_decimal(u64::from(seconds), out);
    out.extend_from_slice(b"\r\n");
}

/// A Via line of ours.
pub(super) fn write_via(sent_by: &str, branch: &[u8], params: ViaParams, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Via: SIP/2.0/TLS ");
    out.extend_from_slice(sent_by.as_bytes());
    out.extend_from_slice(b";branch=");
    out.extend_from_slice(branch);
    if params == ViaParams::Alias {
        out.extend_from_slice(b";alias");
    }
    out.extend_from_slice(b"\r\n");
}
