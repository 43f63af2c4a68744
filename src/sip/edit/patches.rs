//! From planned edits to a list of patches in the order of the message.
//!
//! Each part of a plan adds its patches without regard to the others, and each takes its place among those that are there.
//! So a plan may be made in any order, and two edits of one line cannot disturb each other's places: all places are those
//! of the received message.
use super::Edits;
use crate::sip::grammar::{cut, offset_in};
use crate::sip::index::LineEntry;
use crate::sip::list::Values;
use crate::sip::new_text::{NOTHING, NewText, Patches};
use crate::sip::remainder::{Remainder, remainders};
use crate::sip::start_line;
use crate::sip::{HeaderName, StartLine};
use smallvec::SmallVec;

impl Edits<'_, '_> {
    /// All patches by place; what is inserted at a place comes before what is removed there.
    pub(super) fn patches<'p>(&'p self, patches: &mut Patches<'p>) {
        self.patch_request_uri(patches);
        self.patch_vias(patches);
        self.patch_insertions(patches);
        self.patch_values(
            HeaderName::Route,
            self.popped_routes,
            self.popped_last_routes,
            patches,
        );
        // The lines of a stripped field go anyway.
        for (name, numbers) in &self.dropped {
            if self.stripped & name.bit() == 0 {
                self.patch_dropped(*name, *numbers, patches);
            }
        }
        self.patch_supported(patches);
        self.patch_number(HeaderName::MaxForwards, self.max_forwards, patches);
        self.patch_number(HeaderName::MaxBreadth, self.max_breadth, patches);
        if self.stripped & self.message.names().0 != 0 {
            let lines = self.message.index().lines().iter();
            for line in lines.filter(|line| self.stripped & line.name.bit() != 0) {
                patches.add(line.start()..line.end(), NOTHING);
            }
        }
        self.patch_named(patches);
    }

    /// What is done to the Via lines: what other parts of a plan insert, comes below them.
    fn patch_vias<'p>(&'p self, patches: &mut Patches<'p>) {
        if !self.vias.is_empty() {
            let first = self.message.index().named(HeaderName::Via).next();
            let at = first.map_or_else(|| self.top(), LineEntry::start);
            // The last call ends on top.
            for via in self.vias.iter().rev() {
                patches.add(at..at, NewText::Via(via));
            }
        }
        for (range, stamp) in &self.stamps {
            patches.add(range.clone(), *stamp);
        }
        self.patch_values(HeaderName::Via, self.popped_vias, 0, patches);
    }

    /// What rules by name strip, and the values of fields that name a program. Where nobody asks for it no line is looked at.
    fn patch_named<'p>(&'p self, patches: &mut Patches<'p>) {
        if self.named.is_empty() && self.products.is_none() {
            return;
        }
        // One pass for both, over names that are still in the message.
        let bytes = self.message.bytes();
        for line in self.message.index().lines().iter() {
            let written = line.raw_name(bytes);
            let text = self
                .products
                .and_then(|products| products.text(line.name, written));
            if self
                .named
                .iter()
                .any(|rules| rules.strips(line.name, written))
            {
                patches.add(line.start()..line.end(), NOTHING);
            } else if let Some(text) = text {
                // Name, colon and white space stay as they were written.
                let value = line.value_start()..line.value_end();
                patches.add(value, NewText::Bytes(text.as_bytes()));
            }
        }
    }

    /// The new Request-URI in the place of the received one; method and version stay as they were written.
    fn patch_request_uri<'p>(&'p self, patches: &mut Patches<'p>) {
        if let (Some(uri), StartLine::Request { .. }) = (self.request_uri, self.message.start()) {
            let line = cut(self.message.bytes(), 0, self.message.start_line());
            patches.add(start_line::request_parts(line).uri, NewText::Bytes(uri));
        }
    }

    /// The fields that are inserted; those that go above others in the reverse order of the calls.
    fn patch_insertions<'p>(&'p self, patches: &mut Patches<'p>) {
        let mut place = |text: NewText<'p>| {
            let at = self.place(text);
            patches.add(at..at, text);
        };
        // The last call ends on top (or at the bottom), so those above are added in reverse.
        let is_below = |text: &NewText<'_>| matches!(text, NewText::Below(..));
        for &text in self.inserted.iter().rev().filter(|text| !is_below(text)) {
            place(text);
        }
        for &text in self.inserted.iter().filter(|text| is_below(text)) {
            place(text);
        }
    }

    /// A new number in the place of the old one, or a line of its own where the field is missing: a request may come
    /// without Max-Forwards, and leaves with one (RFC 3261 §16.6 step 3).
    fn patch_number<'p>(&'p self, name: HeaderName, number: Option<u8>, patches: &mut Patches<'p>) {
        let Some(number) = number else {
            return;
        };
        let line = self.message.index().named(name).next();
        match line {
            Some(line) => {
                let value = line.value_start()..line.value_end();
                patches.add(value, NewText::Number(number));
            }
            None => {
                let at = self.default_place();
                patches.add(at..at, NewText::NumberLine(name, number));
            }
        }
    }

    /// Takes values from the ends of a list field: Vias from the top, Routes from the top and the bottom.
    fn patch_values<'p>(
        &'p self,
        name: HeaderName,
        first: usize,
        last: usize,
        patches: &mut Patches<'p>,
    ) {
        if first == 0 && last == 0 {
            return;
        }
        // The usual case: one value goes, and it is alone on its line.
        if (first, last) == (1, 0)
            && let Some(line) = self.message.index().named(name).next()
            && let value @ [_, ..] = self.message.value(line)
            && memchr::memchr(b',', value).is_none()
        {
            return patches.add(line.start()..line.end(), NOTHING);
        }
        remainders(self.message, name, first, last, |line, kept| match kept {
            Remainder::Line => {}
            Remainder::Values(range) => {
                // The name of the line and the white space around its value stay.
                patches.add(line.value_start()..range.start, NOTHING);
                patches.add(range.end..line.value_end(), NOTHING);
            }
            Remainder::Nothing => patches.add(line.start()..line.end(), NOTHING),
        });
    }

    /// `Supported: path` as a line of its own: appending it to a received list would have to look into that.
    fn patch_supported<'p>(&'p self, patches: &mut Patches<'p>) {
        if !self.announces_path {
            return;
        }
        let line = self.message.index().named(HeaderName::Supported).next();
        let at = line.map_or_else(|| self.default_place(), LineEntry::start);
        patches.add(at..at, NewText::Bytes(b"Supported: path\r\n"));
    }

    /// Takes out values anywhere in a list. Each goes with the separator behind it; those behind the last that stays go with
    /// the separator before them. So the list never begins or ends with a comma, which some parsers refuse.
    fn patch_dropped<'p>(&'p self, name: HeaderName, numbers: u64, patches: &mut Patches<'p>) {
        let mut number = 0u32;
        for line in self.message.index().named(name) {
            let values: SmallVec<[(usize, usize, bool); 4]> = Values::new(self.message.value(line))
                .flatten()
                .map(|value| {
                    let start = offset_in(self.message.bytes(), value);
                    // Values beyond the 64th have no bit and stay.
                    let goes = 1u64
                        .checked_shl(number)
                        .is_some_and(|bit| numbers & bit != 0);
                    number += 1;
                    (start, start + value.len(), goes)
                })
                .collect();
            // A line of which no value stays goes as a whole; an empty Route line would be malformed.
            let Some(last) = values.iter().rposition(|(_, _, goes)| !goes) else {
                if !values.is_empty() {
                    patches.add(line.start()..line.end(), NOTHING);
                }
                continue;
            };
            for (pair, (start, end, goes)) in values.iter().enumerate() {
                let next = values.get(pair + 1);
                if pair == last && next.is_some() {
                    let until = values.last().map_or(*end, |(_, end, _)| *end);
                    patches.add(*end..until, NOTHING);
                } else if *goes && pair < last {
                    patches.add(*start..next.map_or(*end, |(next, ..)| *next), NOTHING);
                }
            }
        }
    }

    /// Where a field is inserted: beside the received ones of its name, so that the order within a list stays right.
    fn place(&self, text: NewText<'_>) -> usize {
        let index = self.message.index();
        // Those that write over received bytes have their place already and never come here.
        let found = match text {
            NewText::Above(name, _) => index.named(name).next().map(LineEntry::start),
            NewText::Below(name, _) => index.named(name).last().map(LineEntry::end),
            NewText::Via(_)
            | NewText::Stamp(_)
            | NewText::Bytes(_)
            | NewText::NumberLine(..)
            | NewText::Number(_)
            | NewText::PeerName(_)
            | NewText::ClientAddress(..)
            | NewText::Origin(_)
            | NewText::KeepAlive(_) => None,
        };
        found.unwrap_or_else(|| self.default_place())
    }

    /// Where a field goes that has no predecessor: below the last Via line, among the first fields that a proxy looks for
    /// (RFC 3261 §7.3.1 recommends that).
    fn default_place(&self) -> usize {
        let last = self.message.index().named(HeaderName::Via).last();
        last.map_or_else(|| self.top(), LineEntry::end)
    }

    /// Below the start line.
    fn top(&self) -> usize {
        self.message.start_line() + 2
    }
}
