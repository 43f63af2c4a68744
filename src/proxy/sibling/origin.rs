//! `X-Sipward-Origin`: whom a handed-over request came from, signed with the token keys.
//!
//! It is taken from siblings only, and stripped from what anybody sends. What it says is a peer's name, not its rights: the
//! node that receives it grants what its own topology does. Bound to the node that it is for, to the token by which it
//! reaches a client, to the transaction (Call-ID, CSeq) and to the time: one that has leaked is worth nothing at another
//! node or for another client, and soon nothing at all.
use crate::proxy::leg::{Leg, PeerKey};
use crate::proxy::routing::Routing;
use crate::proxy::same_party::OtherEntries;
use crate::proxy::token::TokenBox;
use crate::reason::MessageReason;
use crate::sip::{HeaderName, Message};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use smallvec::SmallVec;
use std::net::SocketAddr;

const VERSION: u8 = 1;
/// The most entries that a sender's certificate may name; a certificate that names more speaks for the first.
const MOST_ENTRIES: usize = 4;
/// Version, key id, time, number of entries.
const HEAD: usize = 1 + 1 + 4 + 1;
const MAC: usize = 16;
const LONGEST: usize = HEAD + 8 * MOST_ENTRIES + MAC;
/// How far the clocks of two nodes may be apart, the way of the message included.
const VALID: u64 = 60;

/// The field's value.
pub(crate) type OriginText = SmallVec<[u8; 80]>;

/// Who has sent a request that a sibling has handed over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct HandedOver {
    /// The entry that the sender was taken for.
    pub(crate) own: PeerKey,
    /// What else its certificate names, as the other node says.
    also: OtherEntries,
    /// Number and remote address of its connection, if that is with the other process of this node.
    at: Option<(u64, SocketAddr)>,
}

/// Whom a handed-over request is for.
#[derive(Clone, Copy)]
pub(crate) struct Addressee<'a> {
    /// The node that takes it.
    pub(crate) node: PeerKey,
    /// The token in front of its route, as written, which names the client.
    pub(crate) token: &'a [u8],
}

/// What a field is bound to besides what it says: whom the request is for, and its transaction, as far as that stays the
/// same from node to node. The branch is the sending node's own, and the Request-URI may have been rewritten by a strict router.
fn bound(message: &Message<'_>, to: Addressee<'_>) -> Option<[Vec<u8>; 4]> {
    let cseq = message.cseq().ok()?;
    let mut of_cseq = cseq.number.to_be_bytes().to_vec();
    of_cseq.extend_from_slice(cseq.method.as_bytes());
    Some([
        message.call_id().ok()?.to_vec(),
        of_cseq,
        to.node.0.to_be_bytes().to_vec(),
        to.token.to_vec(),
    ])
}

/// The field for a request of these entries; `None`: it cannot be signed.
pub(crate) fn sign(
    tokens: &TokenBox,
    entries: &[PeerKey],
    message: &Message<'_>,
    to: Addressee<'_>,
    unix: u64,
) -> Option<OriginText> {
    let entries = entries.get(..MOST_ENTRIES).unwrap_or(entries);
    let mut raw: SmallVec<[u8; LONGEST]> = SmallVec::new();
    raw.push(VERSION);
    raw.push(tokens.signing_key()?);
    raw.extend_from_slice(&(unix as u32).to_be_bytes());
    raw.push(entries.len() as u8);
    for entry in entries {
        raw.extend_from_slice(&entry.0.to_be_bytes());
    }
    let [call_id, cseq, node, token] = bound(message, to)?;
    let parts: [&[u8]; 5] = [&raw, &call_id, &cseq, &node, &token];
    let mac = tokens.origin_mac(&parts).next()?;
    raw.extend_from_slice(mac.as_ref().get(..MAC)?);
    Some(OriginText::from_slice(
        URL_SAFE_NO_PAD.encode(&raw).as_bytes(),
    ))
}

/// What the other process of this node is shown besides: the sender's connection, by its number in the log and its remote
/// address. Unsigned, since nobody else can have an end of what leads there.
pub(super) fn push_connection(text: &mut OriginText, number: u64, remote: SocketAddr) {
    text.extend_from_slice(format!(";{number:x};{remote}").as_bytes());
}

/// Undoes [`push_connection`].
fn connection_of(text: &[u8]) -> (&[u8], Option<(u64, SocketAddr)>) {
    let mut parts = text.splitn(3, |b| *b == b';');
    let signed = parts.next().unwrap_or_default();
    let at = parts.next().zip(parts.next()).and_then(|(number, remote)| {
        let number = std::str::from_utf8(number).ok()?;
        let remote = std::str::from_utf8(remote.trim_ascii()).ok()?;
        Some((u64::from_str_radix(number, 16).ok()?, remote.parse().ok()?))
    });
    (signed, at)
}

impl HandedOver {
    /// Who the sibling `from` says has sent this request, which has this token in front of its route.
    ///
    /// # Errors
    /// The field is there more than once, or none of this node's keys has signed it for this node and request a moment ago.
    pub(crate) fn read(
        message: &Message<'_>,
        token: &[u8],
        from: PeerKey,
        tokens: &TokenBox,
        unix: u64,
    ) -> Result<Self, MessageReason> {
        let mut values = message.values(HeaderName::SiblingOrigin);
        // Of two lines this node and the next parser might each believe another one.
        let (Some(Ok(value)), None) = (values.next(), values.next()) else {
            return Err(MessageReason::OriginForged);
        };
        let to = Addressee {
            node: tokens.own_node(),
            token,
        };
        // Nodes know nothing of each other's connections. The other process is on this machine, and nobody else can have kept what
        // it sends; when the clock is set, one of the two sees that first.
        let ((value, at), now) = match from == PeerKey::OTHER_PROCESS {
            true => (connection_of(value), None),
            false => ((value, None), Some(unix)),
        };
        let handed = Self::open(value, message, to, tokens, now);
        let handed = handed.ok_or(MessageReason::OriginForged)?;
        Ok(Self { at, ..handed })
    }

    fn open(
        text: &[u8],
        message: &Message<'_>,
        to: Addressee<'_>,
        tokens: &TokenBox,
        now: Option<u64>,
    ) -> Option<Self> {
        let mut buffer = [0u8; LONGEST];
        let length = URL_SAFE_NO_PAD
            .decode_slice(text.trim_ascii(), &mut buffer)
            .ok()?;
        let raw = buffer.get(..length)?;
        // Nothing of it is read before it is known to be genuine.
        let (signed, shown) = raw.split_at_checked(length.checked_sub(MAC)?)?;
        let [call_id, cseq, node, token] = bound(message, to)?;
        let parts = [signed, &call_id, &cseq, &node, &token];
        let is_genuine = tokens.origin_mac(&parts).any(|mac| {
            let half = mac.as_ref().get(..MAC).unwrap_or_default();
            aws_lc_rs::constant_time::verify_slices_are_equal(half, shown).is_ok()
        });
        if !is_genuine {
            return None;
        }
        let (head, entries) = signed.split_at_checked(HEAD)?;
        let [version, _, a, b, c, d, count] = *head else {
            return None;
        };
        let then = u64::from(u32::from_be_bytes([a, b, c, d]));
        // Either clock may be ahead.
        let is_fresh = now.is_none_or(|now| then.abs_diff(u64::from(now as u32)) <= VALID);
        let (entries, rest) = entries.as_chunks::<8>();
        let is_whole = version == VERSION && rest.is_empty() && entries.len() == usize::from(count);
        let mut entries = entries.iter().map(|e| PeerKey(u64::from_be_bytes(*e)));
        let own = entries.next().filter(|_| is_fresh && is_whole)?;
        Some(Self {
            own,
            also: entries.collect(),
            at: None,
        })
    }

    /// What else its certificate can name: entries that grant the same here, as any certificate that is taken for several
    /// (`lookalikes`). What the other node says beyond that makes nobody here out of the sender.
    pub(crate) fn also(&self, routing: &Routing) -> OtherEntries {
        let group = routing.lookalikes().group(self.own);
        let equals = group.map_or(&[][..], |group| &group.keys);
        let also = self.also.iter().copied();
        also.filter(|key| equals.binary_search(key).is_ok())
            .collect()
    }

    /// What a sibling would have said.
    #[cfg(test)]
    pub(crate) fn said(own: PeerKey, also: &[PeerKey]) -> Self {
        let also = also.iter().copied().collect();
        Self {
            own,
            also,
            at: None,
        }
    }

    /// Number and remote address of its connection with the other process of this node.
    pub(crate) fn at(&self) -> Option<(u64, SocketAddr)> {
        self.at
    }

    /// The sender as a leg.
    pub(crate) fn leg(&self) -> Leg {
        Leg::Peer(self.own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_at_the_other_process_is_read_as_it_is_written() {
        for remote in ["192.0.2.1:5061", "[2001:db8::1]:5061"] {
            let mut text = OriginText::from_slice(b"c2lnbmVk");
            push_connection(&mut text, 77, remote.parse().unwrap());
            let read = connection_of(&text);
            assert_eq!(
                read,
                (&b"c2lnbmVk"[..], Some((77, remote.parse().unwrap())))
            );
        }
        for (text, signed) in [(&b"x"[..], &b"x"[..]), (b"x;", b"x"), (b"x;7;y", b"x")] {
            assert_eq!(connection_of(text), (signed, None));
        }
    }
}
