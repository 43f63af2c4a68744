//! The text that an edit writes in the place of received bytes. It is a closed set: no edit takes header text as it comes.
use super::HeaderName;
use super::digits::{write_decimal, write_ip};
use super::stamp::Stamp;
use smallvec::SmallVec;
use std::net::IpAddr;
use std::ops::Range;

/// The parameters of the Via that this proxy adds, besides the branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViaParams {
    /// None.
    Plain,
    /// `alias` (RFC 5923), towards peers whose requests are welcome on the same connection.
    Alias,
}

/// The Via line of this node.
#[derive(Clone, Copy, Debug)]
pub(super) struct ViaLine<'m> {
    /// Name and port of this node, as the receiver knows them.
    pub(super) sent_by: &'m str,
    /// The whole value of the parameter, with its cookie.
    pub(super) branch: &'m [u8],
    pub(super) params: ViaParams,
}

/// Text that takes the place of received bytes. Small, since a list of them is put in order.
#[derive(Clone, Copy, Debug)]
pub(super) enum NewText<'m> {
    /// A parameter of the topmost received Via.
    Stamp(Stamp),
    /// A Request-URI that was parsed, or a fixed line.
    Bytes(&'m [u8]),
    /// The Via line of this node.
    Via(&'m ViaLine<'m>),
    /// `Name: <uri>` above the others.
    Above(HeaderName, &'m [u8]),
    /// `Name: <uri>` below the others.
    Below(HeaderName, &'m [u8]),
    /// `Name: number`.
    NumberLine(HeaderName, u8),
    /// The number alone, in the place of a received one.
    Number(u8),
    /// `X-Sipward-Peer: name`.
    PeerName(&'m str),
    /// `X-Sipward-Client: address;port=number`.
    ClientAddress(IpAddr, u16),
    /// `X-Sipward-Origin: value`.
    Origin(&'m [u8]),
    /// `ms-keep-alive`, seconds.
    KeepAlive(u32),
}

/// A range of the received message and what is written for it. An empty range inserts.
pub(super) type Patch<'m> = (Range<usize>, NewText<'m>);

/// As many patches as nearly every plan has.
const FEW: usize = 16;

/// Patches by place; those of one place in the order in which they were added. An empty range comes before a removal that
/// begins at the same place.
#[derive(Debug, Default)]
pub(super) struct Patches<'m>(SmallVec<[Patch<'m>; FEW]>);

impl<'m> Patches<'m> {
    /// Adds one; the order of the calls matters only between those of one place.
    pub(super) fn add(&mut self, range: Range<usize>, text: NewText<'m>) {
        let place = (range.start, range.end);
        let patch = (range, text);
        let is_in_order = self.0.last().is_none_or(|last| place_of(last) <= place);
        // A few find their places at once: most come in order. Of many, such as the lines of a field that somebody has
        // written a thousand times, each would be moved past many.
        if is_in_order || self.0.len() >= FEW {
            self.0.push(patch);
        } else {
            let before = self.0.iter().rposition(|other| place_of(other) <= place);
            self.0.insert(before.map_or(0, |at| at + 1), patch);
        }
    }

    /// All of them.
    pub(super) fn in_order(&mut self) -> &[Patch<'m>] {
        if self.0.len() > FEW {
            self.0.sort_by_key(place_of);
        }
        &self.0
    }
}

/// What patches are ordered by.
fn place_of((range, _): &Patch<'_>) -> (usize, usize) {
    (range.start, range.end)
}

/// What is written for bytes that are removed.
pub(super) const NOTHING: NewText<'static> = NewText::Stamp(Stamp::Nothing);

impl NewText<'_> {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Stamp(stamp) => write_stamp(stamp, out),
            Self::Bytes(text) => out.extend_from_slice(text),
            Self::Via(via) => write_via(via.sent_by, via.branch, via.params, out),
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
            Self::ClientAddress(address, port) => {
                out.extend_from_slice(HeaderName::ClientAddress.as_str().as_bytes());
                out.extend_from_slice(b": ");
                write_ip(address, out);
                out.extend_from_slice(b";port=");
                write_decimal(u64::from(port), out);
                out.extend_from_slice(b"\r\n");
            }
            Self::Origin(value) => {
                out.extend_from_slice(HeaderName::SiblingOrigin.as_str().as_bytes());
                out.extend_from_slice(b": ");
                out.extend_from_slice(value);
                out.extend_from_slice(b"\r\n");
            }
            Self::KeepAlive(seconds) => write_keep_alive(seconds, out),
        }
    }
}

/// Writes what a receiver adds to a Via value; the names of the parameters stand there already or come with it.
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

/// The `ms-keep-alive` answer of a server that keeps connections by what is sent between two hops (MS-CONMGMT §2.2.1).
pub(super) fn write_keep_alive(seconds: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"ms-keep-alive: UAS; tcp=no; hop-hop=yes; end-end=no; timeout=");
    write_decimal(u64::from(seconds), out);
    out.extend_from_slice(b"\r\n");
}

/// The Via line that this node adds. The transport is TLS whatever the message came in by: nothing else is spoken here.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn few_patches_and_many_come_in_the_same_order(
            places in prop::collection::vec((0..30_usize, 0..3_usize), 0..3 * FEW)
        ) {
            let numbered: Vec<_> = places
                .iter()
                .zip(0..)
                .map(|((start, length), number)| (*start..start + length, number))
                .collect();
            let mut patches = Patches::default();
            for (range, number) in &numbered {
                patches.add(range.clone(), NewText::Number(*number));
            }
            let found: Vec<_> = patches
                .in_order()
                .iter()
                .map(|(range, text)| {
                    let NewText::Number(number) = text else {
                        unreachable!("{text:?}");
                    };
                    (range.clone(), *number)
                })
                .collect();
            let mut sorted = numbered;
            sorted.sort_by_key(|(range, _)| (range.start, range.end));
            prop_assert_eq!(found, sorted);
        }
    }
}
