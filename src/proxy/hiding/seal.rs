//! The encryption behind topology hiding: AES-GCM-SIV with a nonce made of what is sealed, so that
//! the same text makes the same token and a token that nobody made opens nowhere.
//!
//! No random bits are drawn and nothing is kept, so that any node with the keys opens what another
//! has sealed. GCM-SIV is chosen because a repeated nonce reveals no more than that two plaintexts
//! are equal, which is wanted here.
use crate::proxy::leg::PeerKey;
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Lengths that AES-GCM-SIV sets (RFC 8452 §4).
pub(super) const NONCE: usize = 12;
pub(super) const TAG: usize = 16;
/// Nothing longer is looked at: a head has a bound, and so has what is hidden of it.
const LONGEST: usize = 1024 * 1024;

/// What a token stands for: a token of one kind is worth nothing as another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SealedKind {
    Uri = b'u' as isize,
    Vias = b'v' as isize,
    Contact = b'c' as isize,
}

/// The keys of one token key.
pub(crate) struct HidingKey {
    pub(super) id: u8,
    seal: LessSafeKey,
    nonce: hmac::Key,
}

impl HidingKey {
    /// Derived from a token key, so that nodes which share that share this.
    pub(crate) fn derive(id: u8, key: &[u8; 32]) -> Option<Self> {
        let root = hmac::Key::new(hmac::HMAC_SHA256, key);
        let derived = |label: &[u8]| hmac::sign(&root, label);
        let seal =
            UnboundKey::new(&AES_256_GCM_SIV, derived(b"sipward hiding seal").as_ref()).ok()?;
        Some(Self {
            id,
            seal: LessSafeKey::new(seal),
            nonce: hmac::Key::new(hmac::HMAC_SHA256, derived(b"sipward hiding nonce").as_ref()),
        })
    }

    /// The nonce is a keyed hash of what is sealed: the same URI makes the same token, as the
    /// comparisons of RFC 3261 §12.2 and §19.1.4 need it, and no random bits are asked for.
    pub(super) fn seal(&self, kind: SealedKind, peer: PeerKey, plain: &[u8]) -> Option<Vec<u8>> {
        let mut context = hmac::Context::with_key(&self.nonce);
        context.update(&bound(kind, peer));
        context.update(plain);
        let mac = context.sign();
        let nonce: [u8; NONCE] = mac.as_ref().get(..NONCE)?.try_into().ok()?;
        let mut raw = vec![self.id];
        raw.extend_from_slice(&nonce);
        let mut sealed = plain.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.seal
            .seal_in_place_append_tag(nonce, Aad::from(bound(kind, peer)), &mut sealed)
            .ok()?;
        raw.append(&mut sealed);
        Some(raw)
    }

    /// What was sealed, if this key sealed it as this kind for this peer.
    pub(super) fn open(
        &self,
        kind: SealedKind,
        peer: PeerKey,
        nonce: &[u8],
        sealed: &[u8],
    ) -> Option<Vec<u8>> {
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut plain = sealed.to_vec();
        let length = self
            .seal
            .open_in_place(nonce, Aad::from(bound(kind, peer)), &mut plain)
            .ok()?
            .len();
        plain.truncate(length);
        Some(plain)
    }
}

/// What a token stands for; `None` if none of the keys has sealed it for one of these peers.
pub(super) fn open_token(
    keys: &[HidingKey],
    kind: SealedKind,
    peers: impl Iterator<Item = PeerKey>,
    token: &[u8],
) -> Option<Vec<u8>> {
    if token.len() > LONGEST {
        return None;
    }
    let raw = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (id, rest) = raw.split_first()?;
    let (nonce, sealed) = rest.split_at_checked(NONCE)?;
    if sealed.len() < TAG {
        return None;
    }
    let keys = keys.iter().filter(|key| key.id == *id);
    peers
        .flat_map(|peer| keys.clone().map(move |key| (peer, key)))
        .find_map(|(peer, key)| key.open(kind, peer, nonce, sealed))
}

/// What a token is bound to: its kind, and the peer that it was made for. A partner that passes a
/// token on to another partner has passed on nothing.
fn bound(kind: SealedKind, peer: PeerKey) -> [u8; 9] {
    let mut bytes = [kind as u8; 9];
    if let Some(rest) = bytes.get_mut(1..) {
        rest.copy_from_slice(&peer.0.to_be_bytes());
    }
    bytes
}
