//! The closed set of edits that a proxy makes (RFC 3261 §16.6, §16.7): planned over the received bytes, applied once
//! into one contiguous output.
use super::grammar::{cut, offset_in};
use super::new_text::{NewText, Patch, Patches, ViaLine, ViaParams};
use super::stamp;
use super::{HeaderName, HeaderSet, Message, NameRules, ProductTexts, Via};
use smallvec::SmallVec;
use std::net::SocketAddr;

mod patches;

/// About what a proxy adds to a message, in bytes, so that the output grows once at most.
const ADDED: usize = 1024;

/// Planned edits of one message.
///
/// The order of the calls matters only where two insert fields of one name; everything else is a fact about the
/// received message and can be planned in any order. A field that is inserted stands directly above (`append_route`:
/// below) the received ones of its name, even if those are removed; where there are none, below the last Via line, or
/// on top of the head if there is no Via either. Bytes that no edit names come out as they came, in order.
///
/// A plan is made while the received message is still whole, because policy reads the original; writing it copies the
/// message once. Nothing is allocated for the usual plan: the lists below have room for it inline.
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
    /// Values of list fields to take out: a bit for each of the first 64 values, counted over all lines of the field.
    dropped: SmallVec<[(HeaderName, u64); 3]>,
    announces_path: bool,
    /// [`HeaderName::bit`]s.
    stripped: u64,
    /// Rules over names, each by itself: what one strips goes.
    named: SmallVec<[&'m NameRules; 2]>,
    products: Option<&'m ProductTexts>,
    /// The Via lines that are added, the topmost last; apart, since each is large.
    vias: SmallVec<[ViaLine<'m>; 1]>,
    inserted: SmallVec<[NewText<'m>; 6]>,
}

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
            named: SmallVec::new(),
            products: None,
            vias: SmallVec::new(),
            inserted: SmallVec::new(),
        }
    }

    /// Replaces the Request-URI. Nothing happens to a response.
    pub fn set_request_uri(&mut self, uri: &'m [u8]) {
        self.request_uri = Some(uri);
    }

    /// Puts a Via line `SIP/2.0/TLS sent_by;branch=...` above all others; the last call ends on top.
    pub fn prepend_via(&mut self, sent_by: &'m str, branch: &'m [u8], params: ViaParams) {
        self.vias.push(ViaLine {
            sent_by,
            branch,
            params,
        });
    }

    /// Sets `received` and `rport` of the topmost received Via, replacing values that the sender wrote itself (RFC 3261
    /// §18.2.1, RFC 3581 §4): `rport` when the sender put one; `received` then too, and whenever sent-by is a name or
    /// another address than the source. An IPv4-mapped source is written as IPv4. `via` is that Via as
    /// [`Message::top_via`] returns it for this very message.
    pub fn stamp_top_via(&mut self, via: &Via<'_>, source: SocketAddr) {
        self.stamps.clear();
        stamp::plan(self.message.bytes(), via, source, |range, stamp| {
            self.stamps.push((range, NewText::Stamp(stamp)));
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

    /// Puts `Route: <uri>` below all others (the next hop is a strict router, RFC 3261 §16.6 step 6); the last call ends
    /// at the bottom. With `strip(HeaderName::Route)` it makes up a whole new route.
    pub fn append_route(&mut self, uri: &'m [u8]) {
        self.inserted.push(NewText::Below(HeaderName::Route, uri));
    }

    /// Puts `Record-Route: <uri>` above all others; the last call ends on top.
    pub fn prepend_record_route(&mut self, uri: &'m [u8]) {
        self.inserted
            .push(NewText::Above(HeaderName::RecordRoute, uri));
    }

    /// Writes another user part in a URI of the message, of which `user` is a slice.
    pub fn replace_user(&mut self, user: &'a [u8], with: &'m [u8]) {
        let from = offset_in(self.message.bytes(), user);
        let place = from..from + user.len();
        self.stamps.push((place, NewText::Bytes(with)));
    }

    /// Puts `Route: <uri>` above all others.
    pub fn prepend_route(&mut self, uri: &'m [u8]) {
        self.inserted.push(NewText::Above(HeaderName::Route, uri));
    }

    /// Puts `Path: <uri>` above all others.
    pub fn prepend_path(&mut self, uri: &'m [u8]) {
        self.inserted.push(NewText::Above(HeaderName::Path, uri));
    }

    /// Puts `Supported: path` (RFC 3327 §5.1) above all other lines of that field: Asterisk reads the first one only.
    pub fn announce_path(&mut self) {
        self.announces_path = true;
    }

    /// Removes those values of a list field whose bits are set, counted over all its lines; a line of which none is left
    /// goes. The values must be such that [`Message::values`] separates them.
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

    /// Removes every received line that these rules strip.
    pub fn strip_named(&mut self, rules: &'m NameRules) {
        if !rules.is_empty() {
            self.named.push(rules);
        }
    }

    /// Writes these texts in the place of what programs call themselves; a field that is not there stays away.
    pub fn set_products(&mut self, products: &'m ProductTexts) {
        self.products = (!products.is_empty()).then_some(products);
    }

    /// Puts `X-Sipward-Peer: name` in, the verified name of the server that sent the message; the received ones stay
    /// unless they are stripped.
    pub fn insert_peer_name(&mut self, name: &'m str) {
        self.inserted.push(NewText::PeerName(name));
    }

    /// Puts `X-Sipward-Client: address;port=number` in; the received ones stay unless they are stripped.
    pub fn insert_client_address(&mut self, address: SocketAddr) {
        let (address, port) = (address.ip(), address.port());
        self.inserted.push(NewText::ClientAddress(address, port));
    }

    /// Puts `X-Sipward-Origin: value` in, for another node of this site; the received ones stay unless they are stripped.
    pub fn insert_origin(&mut self, value: &'m [u8]) {
        self.inserted.push(NewText::Origin(value));
    }

    /// Puts the answer of this node to `ms-keep-alive` in ([`super::Extra::KeepAlive`]); the received ones stay unless they are
    /// stripped.
    pub fn insert_keep_alive(&mut self, seconds: u32) {
        self.inserted.push(NewText::KeepAlive(seconds));
    }

    /// Writes the edited message to the end of `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let bytes = self.message.bytes();
        let mut patches = Patches::default();
        self.patches(&mut patches);
        out.reserve(bytes.len() + ADDED);
        let mut copied = 0;
        for (range, text) in patches.in_order() {
            // Inside of what an earlier patch removed: the line of a stamped Via that is stripped as a whole.
            if range.start < copied {
                continue;
            }
            out.extend_from_slice(cut(bytes, copied, range.start));
            text.write(out);
            copied = range.end;
        }
        out.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    }
}
