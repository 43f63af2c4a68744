//! Signed user parts of this node's Record-Route and Path URIs (RFC 3261 §16.6 step 4, RFC 3327,
//! RFC 5626 §5.2): which legs a dialog has, or whom a registration binds, provable by any node that
//! has the keys.
//!
//! A token has no secret in it and need not be encrypted: it names legs by numbers. It is signed,
//! so that nobody else can make one, and bound to this node's name and, in a dialog, to the
//! Call-ID, so that a token of one call is worth nothing in another. Nothing is kept for it here: a
//! dialog costs no memory between its requests, and outlives a reload.
//!
//! A client without a registration proves by its token alone that a dialog is its own, when it comes
//! back over another connection. Everybody on the way sees the Record-Route, so the two sides of a
//! dialog are shown two values with a MAC each: the one that the client has is shown to nobody else,
//! and cannot be computed from the other.
//!
//! What signs is in [`token_keys`](super::token_keys).
use super::binding::{BindingId, BindingName};
use super::leg::{Leg, PeerKey};
use super::link_id::LinkId;
use super::token_fields::{Fields, Raw, TokenFault, dead, push_connected, push_leg};
use super::token_keys::{TokenKey, TokenKeys};
use super::token_mac::{MAC, Mac};
use super::token_text::{LONGEST, LONGEST_TEXT, TokenText, decode, encode};
use crate::sip::plain_user;
use aws_lc_rs::{constant_time, hmac};
use smallvec::SmallVec;

/// A dialog's token as all may see it, and as only the client has it to which the dialog belongs.
const FAR: u8 = kind_byte(b'd');
const OWN: u8 = kind_byte(b'o');
/// A token of a Path.
const BINDING: u8 = kind_byte(b'b');
/// The lengths before encoding.
const LENGTHS: [(u8, usize); 3] = [
    (FAR, LONGEST),
    (OWN, LONGEST),
    (BINDING, 1 + 1 + 4 + 8 + 4 + MAC),
];
/// The shortest token as text: a binding's.
const SHORTEST_TEXT: usize = (1 + 1 + 4 + 8 + 4 + MAC) * 4 / 3;
const VERSION: u8 = 1;

/// What a verified token contains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    /// From a Record-Route: the dialog runs between these.
    Dialog {
        /// Where the request that formed it came from.
        caller: Leg,
        /// Where it went.
        callee: Leg,
        /// Hash of the To host then, which the callee may assert in From later.
        to_host: u32,
        /// Which of its two values it is.
        side: TokenSide,
        /// The connection that it has with a partner's server.
        over: Option<PartnerLink>,
    },
    /// From a Path: the registration is this client's.
    Binding(BoundClient),
}

/// A registered client as a registrar names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BoundClient {
    pub(crate) id: BindingId,
    /// Hash of the domain of its address of record: only servers of the pool that serves that may call it.
    pub(crate) domain: u32,
}

/// The connection over which a dialog runs with a server of a partner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PartnerLink {
    /// Which of the two legs that is.
    pub(crate) peer: PeerKey,
    /// Of another run or node it is the number of no connection.
    pub(crate) link: LinkId,
}

/// Who sees a value of a dialog's token. They differ only where a side is an unregistered client's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TokenSide {
    /// Everybody but that client.
    Far,
    /// That client alone.
    Own,
}

/// Makes and checks the tokens of one node.
pub(crate) struct TokenBox {
    keys: std::sync::Arc<TokenKeys>,
    /// The name that every token is bound to, its length before it.
    site: Vec<u8>,
    node: PeerKey,
    run: u64,
}

impl TokenBox {
    /// `site` is the name that every token is bound to, the same on all nodes that go by one name;
    /// `fqdn` is this node's own, and `run` differs between runs of the daemon.
    pub(crate) fn new(keys: std::sync::Arc<TokenKeys>, site: &str, fqdn: &str, run: u64) -> Self {
        Self {
            keys,
            site: [&(site.len() as u32).to_be_bytes(), site.as_bytes()].concat(),
            node: PeerKey::of(fqdn),
            run,
        }
    }

    pub(crate) fn keys(&self) -> &TokenKeys {
        &self.keys
    }

    pub(crate) fn set_keys(&mut self, keys: std::sync::Arc<TokenKeys>) {
        self.keys = keys;
    }

    /// The numbers of a binding, one for each key; the first is for tokens that are made now.
    pub(crate) fn binding_ids(&self, name: &BindingName) -> SmallVec<[BindingId; 1]> {
        self.keys.all().map(|k| k.binding.id(name)).collect()
    }

    /// How many numbers a binding has.
    pub(crate) fn binding_numbers(&self) -> usize {
        self.keys.all().len().max(1)
    }

    /// A Record-Route token; it serves only messages with this Call-ID.
    pub(crate) fn dialog(&self, legs: (Leg, Leg), to_host: u32, call_id: &[u8]) -> TokenText {
        self.seal(self.dialog_raw(legs, to_host), call_id)
    }

    /// Both values of the token of a dialog with an unregistered client: what everybody else sees of
    /// it, and what that client alone sees.
    pub(crate) fn dialog_of_two(
        &self,
        legs: (Leg, Leg),
        to_host: u32,
        call_id: &[u8],
    ) -> (TokenText, TokenText) {
        let Some(key) = self.keys.signing() else {
            return (TokenText::new(), TokenText::new());
        };
        self.two_by(key, self.dialog_raw(legs, to_host), call_id)
    }

    /// The same again, of a token that was made before: by each key, since the one that signed may be no longer that which
    /// signs.
    pub(crate) fn dialog_of_two_again(
        &self,
        legs: (Leg, Leg),
        to_host: u32,
        call_id: &[u8],
    ) -> impl Iterator<Item = (TokenText, TokenText)> {
        let far = self.dialog_raw(legs, to_host);
        self.keys
            .all()
            .map(move |key| self.two_by(key, far, call_id))
    }

    /// Both values as this key signs them, which says so in them.
    fn two_by(&self, key: &TokenKey, mut far: Raw, call_id: &[u8]) -> (TokenText, TokenText) {
        if let Some(id) = far.get_mut(1) {
            *id = key.id;
        }
        let mut own = far;
        let mac = key.mac([&far, &self.site, call_id]);
        if let Some(kind) = own.first_mut() {
            *kind = OWN;
        }
        (with_mac(far, &mac), with_mac(own, &key.own(mac)))
    }

    /// As [`Self::dialog`], of a dialog between servers, with the connection of the one that is a
    /// partner's.
    ///
    /// The connection stands where other tokens have node and run, so that the token is no longer.
    /// It is mixed with the whole number of the run: read by another run it is that of none.
    pub(crate) fn dialog_over(
        &self,
        (caller, callee): (Leg, Leg),
        over: PartnerLink,
        to_host: u32,
        call_id: &[u8],
    ) -> TokenText {
        let mut raw = self.head(FAR);
        raw.put((over.link.as_u64() ^ self.run).to_be_bytes());
        for leg in [caller, callee] {
            match leg == Leg::Peer(over.peer) {
                true => push_connected(&mut raw, over.peer),
                false => push_leg(&mut raw, leg),
            }
        }
        raw.put(to_host.to_be_bytes());
        self.seal(raw, call_id)
    }

    fn dialog_raw(&self, (caller, callee): (Leg, Leg), to_host: u32) -> Raw {
        let mut raw = self.head(FAR);
        raw.put(self.node.node().to_be_bytes());
        raw.put(short(self.run).to_be_bytes());
        push_leg(&mut raw, caller);
        push_leg(&mut raw, callee);
        raw.put(to_host.to_be_bytes());
        raw
    }

    /// A Path token.
    pub(crate) fn binding(&self, client: BoundClient) -> TokenText {
        let mut raw = self.head(BINDING);
        raw.put(self.node.node().to_be_bytes());
        raw.put(client.id.as_u64().to_be_bytes());
        raw.put(client.domain.to_be_bytes());
        self.seal(raw, b"")
    }

    /// What a user part contains, if one of this node's keys signed it for this Call-ID.
    ///
    /// # Errors
    /// It is none, or not genuine. The comparison takes the same time wherever two MACs differ.
    pub(crate) fn open(&self, text: &[u8], call_id: &[u8]) -> Result<Token, TokenFault> {
        let mut room = [0; LONGEST];
        let (kind, signed) = self.verify(text, call_id, &mut room)?;
        let mut fields = Fields::of(signed);
        // Its kind, and which key signed it.
        fields.u8()?;
        fields.u8()?;
        if kind == BINDING {
            // Who has made it is a hint where its client may be, no right.
            fields.u32()?;
            let (id, domain) = (BindingId::from_u64(fields.u64()?), fields.u32()?);
            return Ok(Token::Binding(BoundClient { id, domain }));
        }
        // Node and run, or a connection.
        let made = fields.u64()?;
        let (caller, callee, to_host) = (fields.leg()?, fields.leg()?, fields.u32()?);
        let over = fields.connected.map(|peer| PartnerLink {
            peer,
            link: LinkId::from_u64(made ^ self.run),
        });
        // The number of a connection is used again after a restart. The other leg still stands.
        let is_of_this_run = over.is_none() && made as u32 == short(self.run);
        let of_this_run = |leg| if is_of_this_run { leg } else { dead(leg) };
        Ok(Token::Dialog {
            caller: of_this_run(caller),
            callee: of_this_run(callee),
            to_host,
            side: match kind {
                OWN => TokenSide::Own,
                _ => TokenSide::Far,
            },
            over,
        })
    }

    /// The kind of a token, and what one of the keys has signed.
    fn verify<'r>(
        &self,
        text: &[u8],
        call_id: &[u8],
        room: &'r mut [u8; LONGEST],
    ) -> Result<(u8, &'r [u8]), TokenFault> {
        // Who has escaped what needs no escape has written the same (RFC 3261 §19.1.4).
        if text.len() > 3 * LONGEST_TEXT {
            return Err(TokenFault::Foreign);
        }
        let raw = decode(&plain_user(text), room).ok_or(TokenFault::Foreign)?;
        let kind = raw.first().copied().ok_or(TokenFault::Foreign)?;
        if !LENGTHS.contains(&(kind, raw.len())) {
            return Err(TokenFault::Foreign);
        }
        // The MAC of a client's own value is made from that of the other.
        if let (OWN, Some(first)) = (kind, raw.first_mut()) {
            *first = FAR;
        }
        let (signed, shown) = raw.split_last_chunk::<MAC>().ok_or(TokenFault::Forged)?;
        let bound: &[u8] = if kind == BINDING { b"" } else { call_id };
        let id = signed.get(1).copied();
        let mut keys = self.keys.all().filter(|key| Some(key.id) == id);
        let is_genuine = keys.any(|key| {
            let mac = key.mac([signed, &self.site, bound]);
            let mac = if kind == OWN { key.own(mac) } else { mac };
            constant_time::verify_slices_are_equal(&mac, shown).is_ok()
        });
        match is_genuine {
            true => Ok((kind, signed)),
            false => Err(TokenFault::Forged),
        }
    }

    /// How each token begins: its kind, and the key that will sign it. The node that makes it follows in most.
    fn head(&self, kind: u8) -> Raw {
        let mut raw = Raw::new();
        raw.put([kind, self.signing_key().unwrap_or(0)]);
        raw
    }

    /// The node that has made a token which was verified, as [`PeerKey::node`] has it.
    pub(crate) fn maker(&self, text: &[u8]) -> Option<u32> {
        let mut room = [0; LONGEST];
        let raw = decode(&plain_user(text), &mut room)?;
        let node = raw.get(2..)?.first_chunk()?;
        Some(u32::from_be_bytes(*node))
    }

    /// This node, as its siblings list it.
    pub(crate) fn own_node(&self) -> PeerKey {
        self.node
    }

    /// The number of the key that signs.
    pub(crate) fn signing_key(&self) -> Option<u8> {
        self.keys.signing().map(|key| key.id)
    }

    /// The MACs of what siblings tell each other, over these parts and the name that all nodes share: of each key, the one
    /// that signs first.
    pub(crate) fn origin_mac(&self, parts: &[&[u8]]) -> impl Iterator<Item = hmac::Tag> {
        let mut input: SmallVec<[u8; 256]> = SmallVec::new();
        for part in parts {
            input.extend_from_slice(&(part.len() as u32).to_be_bytes());
            input.extend_from_slice(part);
        }
        input.extend_from_slice(&self.site);
        let keys = self.keys.all();
        keys.map(move |key| hmac::sign(&key.origin, &input))
    }

    /// Signs and encodes what was written: the token's bytes, this node's name and (dialogs) the Call-ID. The first byte
    /// says how long the token is, and the name's length stands before it, so that no two inputs run together to the same
    /// bytes.
    fn seal(&self, raw: Raw, bound: &[u8]) -> TokenText {
        // There is always a key: a random one if none is configured.
        match self.keys.signing() {
            Some(key) => {
                let mac = key.mac([&raw, &self.site, bound]);
                with_mac(raw, &mac)
            }
            None => TokenText::new(),
        }
    }
}

/// A token with its MAC, as text.
fn with_mac(mut raw: Raw, mac: &Mac) -> TokenText {
    raw.put(*mac);
    encode(&raw)
}

/// Whether a user part has the form of a token, genuine or not.
pub(crate) fn has_token_form(user: &[u8]) -> bool {
    // Nearly every name is shorter than any token, and what is escaped in it would make it shorter still.
    if user.len() < SHORTEST_TEXT {
        return false;
    }
    let user = &*plain_user(user);
    let is_as_long = |(_, length): &(u8, usize)| (length * 4).div_ceil(3) == user.len();
    if !LENGTHS.iter().any(is_as_long) {
        return false;
    }
    let mut room = [0; LONGEST];
    decode(user, &mut room).is_some_and(|raw| {
        let kind = raw.first().copied().unwrap_or_default();
        LENGTHS.contains(&(kind, raw.len()))
    })
}

/// Of the run's number as much as tells runs apart.
fn short(run: u64) -> u32 {
    run as u32 ^ (run >> 32) as u32
}

const fn kind_byte(kind: u8) -> u8 {
    kind ^ (VERSION << 7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use std::sync::Arc;

    fn boxed(keys: &[(u8, [u8; 32])], run: u64) -> TokenBox {
        TokenBox::new(
            Arc::new(TokenKeys::new(keys, [9; 32])),
            "edge.contoso.test",
            "edge01.contoso.test",
            run,
        )
    }

    fn client(number: u64) -> BoundClient {
        BoundClient {
            id: BindingId::from_u64(number),
            domain: 7 * number as u32,
        }
    }

    fn legs() -> (Leg, Leg) {
        (
            Leg::Client(LinkId::new(1, 2, 3)),
            Leg::Peer(PeerKey::of("fe01.contoso.test")),
        )
    }

    #[test]
    fn a_token_says_what_was_sealed_and_only_for_its_call_id() {
        let tokens = boxed(&[], 7);
        let (caller, callee) = legs();
        let text = tokens.dialog((caller, callee), 42, b"call-1");
        assert_eq!(
            tokens.open(&text, b"call-1"),
            Ok(Token::Dialog {
                caller,
                callee,
                to_host: 42,
                side: TokenSide::Far,
                over: None
            })
        );
        assert_eq!(tokens.open(&text, b"call-2"), Err(TokenFault::Forged));
        let path = tokens.binding(client(9));
        assert_eq!(tokens.open(&path, b"any"), Ok(Token::Binding(client(9))));
        let escaped: String = text.iter().map(|b| format!("%{b:02x}")).collect();
        let as_written = tokens.open(&text, b"call-1");
        assert_eq!(tokens.open(escaped.as_bytes(), b"call-1"), as_written);
        assert!(
            text.iter()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        );
    }

    #[test]
    fn every_altered_character_is_noticed() {
        let tokens = boxed(&[], 7);
        let (caller, callee) = legs();
        let text = tokens.dialog((caller, callee), 42, b"call-1");
        for position in 0..text.len() {
            let mut forged = text.clone();
            forged[position] = if forged[position] == b'A' { b'B' } else { b'A' };
            // Altered in what gives it its form, it is a user part like any other.
            let fault = tokens.open(&forged, b"call-1");
            assert!(
                matches!(fault, Err(TokenFault::Forged | TokenFault::Foreign)),
                "at {position}: {fault:?}"
            );
            assert_eq!(
                tokens.open(&text[..position], b"call-1"),
                Err(TokenFault::Foreign)
            );
        }
    }

    #[test]
    fn a_user_part_that_has_not_the_form_of_a_token_is_foreign_and_not_forged() {
        let tokens = boxed(&[], 7);
        let long = "A".repeat(LONGEST_TEXT);
        for user in ["", "alice", "+4930123", "h.AAAA", "a%40b", &long] {
            assert_eq!(
                tokens.open(user.as_bytes(), b"c"),
                Err(TokenFault::Foreign),
                "{user}"
            );
        }
        let other = boxed(&[(1, [5; 32])], 7).binding(client(1));
        assert_eq!(tokens.open(&other, b"c"), Err(TokenFault::Forged));
    }

    #[test]
    fn keys_rotate_with_two_alive() {
        let (old, new) = ((1, [1u8; 32]), (2, [2u8; 32]));
        let before = boxed(&[old], 7);
        let during = boxed(&[new, old], 7);
        let after = boxed(&[new], 7);
        let text = before.binding(client(1));
        assert!(during.open(&text, b"").is_ok());
        assert_eq!(after.open(&text, b""), Err(TokenFault::Forged));
        assert!(after.open(&during.binding(client(1)), b"").is_ok());
    }

    #[test]
    fn a_connection_of_an_earlier_run_is_dead_but_peers_and_bindings_live() {
        let (caller, callee) = legs();
        let (earlier, now) = (boxed(&[(1, [1; 32])], 7), boxed(&[(1, [1; 32])], 8));
        let dialog = earlier.dialog((caller, callee), 0, b"c");
        let Ok(Token::Dialog {
            caller: dead,
            callee: alive,
            ..
        }) = now.open(&dialog, b"c")
        else {
            panic!("genuine")
        };
        assert_ne!(dead, caller);
        assert_eq!(alive, callee);
        let bound = Leg::Binding(BindingId::from_u64(3));
        let dialog = earlier.dialog((bound, callee), 0, b"c");
        let opened = now.open(&dialog, b"c");
        assert!(
            matches!(opened, Ok(Token::Dialog { caller, .. }) if caller == bound),
            "{opened:?}"
        );
        let path = earlier.binding(client(3));
        assert!(now.open(&path, b"").is_ok());
    }

    #[test]
    fn a_partners_connection_is_named_without_a_longer_token_and_in_its_run_alone() {
        let (home, peer) = (PeerKey(1), PeerKey(2));
        let over = PartnerLink {
            peer,
            link: LinkId::new(3, 2, 9),
        };
        let (run, key) = (0x1234_5678_9abc_def0, (1, [1; 32]));
        let (tokens, next) = (boxed(&[key], run), boxed(&[key], run + 1));
        for legs in [
            (Leg::Peer(home), Leg::Peer(peer)),
            (Leg::Peer(peer), Leg::Peer(home)),
        ] {
            let text = tokens.dialog_over(legs, over, 42, b"c");
            assert_eq!(text.len(), tokens.dialog(legs, 42, b"c").len());
            let dialog = |over| Token::Dialog {
                caller: legs.0,
                callee: legs.1,
                to_host: 42,
                side: TokenSide::Far,
                over: Some(over),
            };
            assert_eq!(tokens.open(&text, b"c"), Ok(dialog(over)));
            let other = LinkId::from_u64(over.link.as_u64() ^ 1);
            let other = PartnerLink { link: other, peer };
            assert_eq!(next.open(&text, b"c"), Ok(dialog(other)));
            assert_eq!(tokens.open(&text, b"d"), Err(TokenFault::Forged));
        }
    }

    #[test]
    fn the_two_values_of_a_dialog_say_the_same_and_neither_shows_the_other() {
        let (old, new) = ((1, [1u8; 32]), (2, [2u8; 32]));
        let (before, during) = (boxed(&[old], 7), boxed(&[new, old], 7));
        let legs = legs();
        let (far, own) = before.dialog_of_two(legs, 1, b"c");
        assert_eq!(far, before.dialog(legs, 1, b"c"));
        assert_eq!(far.len(), own.len());
        assert_eq!(before.open(&own, b"other"), Err(TokenFault::Forged));
        assert!(during.open(&own, b"c").is_ok());
        for (text, side) in [(&far, TokenSide::Far), (&own, TokenSide::Own)] {
            let opened = before.open(text, b"c");
            assert!(matches!(opened, Ok(Token::Dialog { side: s, .. }) if s == side));
        }
        // The flag alone turns neither into the other.
        let decoded = |text: &[u8]| URL_SAFE_NO_PAD.decode(text).unwrap();
        for (text, kind) in [(&far, OWN), (&own, FAR)] {
            let mut raw = decoded(text);
            raw[0] = kind;
            let turned = URL_SAFE_NO_PAD.encode(raw);
            assert_eq!(
                before.open(turned.as_bytes(), b"c"),
                Err(TokenFault::Forged)
            );
        }
        assert_ne!(
            decoded(&far)[LONGEST - MAC..],
            decoded(&own)[LONGEST - MAC..]
        );
    }

    #[test]
    fn another_node_with_the_keys_but_another_name_does_not_accept() {
        let tokens = boxed(&[(1, [1; 32])], 7);
        let other = TokenBox::new(
            Arc::new(TokenKeys::new(&[(1, [1; 32])], [0; 32])),
            "other.contoso.test",
            "edge02.contoso.test",
            7,
        );
        assert_eq!(
            other.open(&tokens.binding(client(1)), b""),
            Err(TokenFault::Forged)
        );
    }
}
