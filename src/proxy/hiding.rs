//! Topology hiding: towards a peer that is set so, names and addresses of the home side in Via, Record-Route, Path,
//! Service-Route and Contact become encrypted tokens of ours; what comes back from it is what was there before. Nothing is
//! kept: any node with the keys restores what another has hidden.
//!
//! The core itself never sees a token: [`Hiding::restore`] stands before it, [`Hiding::hide`] behind it.
use super::links::Links;
use super::routing::Routing;
use super::token::{PeerKey, TokenKeys};
use super::{Core, Origin, Reason};
use crate::sip::{Address, HeaderName, Message, Scheme, Splices, StartLine, Uri};
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How a user part of ours begins that hides a URI; `.` is in no other token of ours.
const USER: &[u8] = b"h.";
/// How a branch begins that hides Via lines.
const BRANCH: &[u8] = b"z9hG4bKh.";
const NONCE: usize = 12;
const TAG: usize = 16;
/// Nothing longer is looked at: a head has a bound, and so has what is hidden of it.
const LONGEST: usize = 1024 * 1024;

/// The most entries that a token may have been sealed for, besides the one that it comes from.
const MOST_EQUALS: usize = 16;

/// What a token stands for: a token of one kind is worth nothing as another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Uri = b'u' as isize,
    Vias = b'v' as isize,
}

/// The keys of one token key.
pub(crate) struct HidingKey {
    id: u8,
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

    /// The nonce is a keyed hash of what is sealed: the same URI gives the same token, as the comparisons of RFC 3261
    /// §12.2 and §19.1.4 need it, and no random bits are asked for.
    fn seal(&self, kind: Kind, peer: PeerKey, plain: &[u8]) -> Option<Vec<u8>> {
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

    fn open(&self, kind: Kind, peer: PeerKey, nonce: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
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

/// What a token is bound to: its kind, and the peer that it was made for.
fn bound(kind: Kind, peer: PeerKey) -> [u8; 9] {
    let mut octets = [kind as u8; 9];
    if let Some(rest) = octets.get_mut(1..) {
        rest.copy_from_slice(&peer.0.to_be_bytes());
    }
    octets
}

/// One peer from which the topology is hidden, and what it takes to do that.
pub(crate) struct Hiding<'c> {
    pub(crate) keys: &'c TokenKeys,
    pub(crate) routing: &'c Routing,
    pub(crate) peer: PeerKey,
    /// Our name and port as that peer knows them.
    pub(crate) face: &'c str,
}

impl<'c> Hiding<'c> {
    /// For a party from which the topology is hidden; `None` for any other.
    pub(crate) fn of(
        peer: PeerKey,
        links: &Links,
        keys: &'c TokenKeys,
        routing: &'c Routing,
        face: &'c str,
    ) -> Option<Self> {
        links.peer(peer).filter(|p| p.hide_topology)?;
        Some(Self {
            keys,
            routing,
            peer,
            face,
        })
    }

    /// Hides what stands in `out` from `start` on, a message on its way to the peer.
    pub(crate) fn hide(&self, start: usize, out: &mut Vec<u8>) {
        let sent = out.split_off(start);
        match Message::parse(&sent) {
            Ok(message) => self.hidden(&message).write(out),
            Err(_) => out.extend_from_slice(&sent),
        }
    }

    fn hidden<'m, 'a>(&self, message: &'m Message<'a>) -> Splices<'m, 'a> {
        let mut splices = Splices::new(message);
        match message.start() {
            StartLine::Request { .. } => {
                self.hide_vias(&mut splices);
                for name in [
                    HeaderName::RecordRoute,
                    HeaderName::Path,
                    HeaderName::Contact,
                ] {
                    self.hide_uris(message, name, usize::MAX, &mut splices);
                }
            }
            StartLine::Response { status, .. } => {
                // What stands below our own value the peer has put there itself, and knows.
                let ours = message
                    .addresses(HeaderName::RecordRoute)
                    .position(|a| a.is_ok_and(|a| self.is_own(a.uri)));
                if let Some(above) = ours {
                    self.hide_uris(message, HeaderName::RecordRoute, above, &mut splices);
                }
                self.hide_uris(message, HeaderName::ServiceRoute, usize::MAX, &mut splices);
                // The contacts of a redirection are other people's addresses, to be asked directly.
                if !(300..400).contains(&status) {
                    self.hide_uris(message, HeaderName::Contact, usize::MAX, &mut splices);
                }
            }
        }
        splices
    }

    fn hide_vias(&self, splices: &mut Splices<'_, '_>) {
        let Some(lines) = splices.lower_vias() else {
            return;
        };
        let Some(token) = self.token(Kind::Vias, &lines) else {
            return;
        };
        let mut line = b"Via: SIP/2.0/TLS ".to_vec();
        line.extend_from_slice(self.face.as_bytes());
        line.extend_from_slice(b";branch=");
        line.extend_from_slice(BRANCH);
        line.extend_from_slice(token.as_bytes());
        line.extend_from_slice(b"\r\n");
        splices.replace_lower_vias(line);
    }

    /// The first `count` values of a list of addresses, except what names us or a home domain, which the peer knows.
    fn hide_uris<'a>(
        &self,
        message: &Message<'a>,
        name: HeaderName,
        count: usize,
        splices: &mut Splices<'_, 'a>,
    ) {
        for address in message.addresses(name).take(count).flatten() {
            let Ok(uri) = address.parse_uri() else {
                continue;
            };
            let scheme: &[u8] = match uri.scheme {
                Scheme::Sip => b"sip:",
                Scheme::Sips => b"sips:",
                Scheme::Tel | Scheme::Other => continue,
            };
            // Whoever finds us by the host of Contact (Teams) finds us by our own name only.
            let is_known = self.routing.is_home(&uri.host) && name != HeaderName::Contact;
            if self.routing.is_own_name(&uri.host) || is_known {
                continue;
            }
            let Some(token) = self.token(Kind::Uri, address.uri) else {
                continue;
            };
            let mut hidden = scheme.to_vec();
            hidden.extend_from_slice(USER);
            hidden.extend_from_slice(token.as_bytes());
            hidden.push(b'@');
            hidden.extend_from_slice(self.face.as_bytes());
            if uri.scheme == Scheme::Sip {
                hidden.extend_from_slice(b";transport=tls");
            }
            if uri.param("lr").is_some() {
                hidden.extend_from_slice(b";lr");
            }
            splices.replace_uri(address.uri, &hidden);
        }
    }

    /// The message as it was before it was hidden; `None` if nothing in it is.
    ///
    /// # Errors
    /// [`Reason::TokenForged`] for a token at our name that none of our keys has sealed for this peer.
    pub(crate) fn restore(&self, message: &Message<'_>) -> Result<Option<Vec<u8>>, Reason> {
        let mut splices = Splices::new(message);
        let fields: &[HeaderName] = match message.start() {
            StartLine::Request { uri, .. } => {
                self.restore_uri(uri, &mut splices)?;
                &[HeaderName::Route, HeaderName::ReferTo]
            }
            StartLine::Response { .. } => {
                if let Some(via) = splices.second_via()
                    && let Some(token) = via.branch.and_then(|b| b.strip_prefix(BRANCH))
                {
                    let lines = self.plain(Kind::Vias, token).ok_or(Reason::TokenForged)?;
                    splices.replace_second_via(lines);
                }
                &[HeaderName::RecordRoute, HeaderName::Path]
            }
        };
        for name in fields {
            for value in message.values(*name).flatten() {
                if let Ok(address) = Address::parse(value) {
                    self.restore_uri(address.uri, &mut splices)?;
                }
            }
        }
        if splices.is_empty() {
            return Ok(None);
        }
        let mut whole = Vec::with_capacity(message.bytes().len());
        splices.write(&mut whole);
        Ok(Some(whole))
    }

    fn restore_uri<'a>(&self, text: &'a [u8], splices: &mut Splices<'_, 'a>) -> Result<(), Reason> {
        // Cheap for all that are none of ours: most URIs have no such user.
        if memchr::memmem::find(text, USER).is_none() {
            return Ok(());
        }
        let Ok(uri) = Uri::parse(text) else {
            return Ok(());
        };
        let Some(token) = uri.user.and_then(|user| user.strip_prefix(USER)) else {
            return Ok(());
        };
        match self.plain(Kind::Uri, token) {
            Some(plain) => splices.replace_uri(text, &plain),
            None if self.routing.is_own_name(&uri.host) => return Err(Reason::TokenForged),
            // Somebody of that name, elsewhere.
            None => {}
        }
        Ok(())
    }

    fn is_own(&self, uri: &[u8]) -> bool {
        Uri::parse(uri).is_ok_and(|uri| {
            self.routing.is_own_name(&uri.host)
                && uri.user.is_some_and(|user| !user.starts_with(USER))
        })
    }

    fn token(&self, kind: Kind, plain: &[u8]) -> Option<String> {
        let raw = self.keys.hiding.first()?.seal(kind, self.peer, plain)?;
        Some(URL_SAFE_NO_PAD.encode(raw))
    }

    fn plain(&self, kind: Kind, token: &[u8]) -> Option<Vec<u8>> {
        if token.len() > LONGEST {
            return None;
        }
        let raw = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (id, rest) = raw.split_first()?;
        let (nonce, sealed) = rest.split_at_checked(NONCE)?;
        if sealed.len() < TAG {
            return None;
        }
        // What was sealed for one server of a partner comes back from another of the same rights.
        let equals = self.routing.equals(self.peer).iter().copied();
        let peers = std::iter::once(self.peer).chain(equals.take(MOST_EQUALS));
        let keys = self.keys.hiding.iter().filter(|key| key.id == *id);
        peers
            .flat_map(|peer| keys.clone().map(move |key| (peer, key)))
            .find_map(|(peer, key)| key.open(kind, peer, nonce, sealed))
    }
}

impl Core {
    /// The message without the tokens of topology hiding; `None` if there are none in it.
    ///
    /// # Errors
    /// As [`Hiding::restore`].
    pub(super) fn unhidden(
        &self,
        from: &Origin,
        message: &Message<'_>,
    ) -> Result<Option<Vec<u8>>, Reason> {
        let Some(super::links::Party::Peer(key)) = self.party(from) else {
            return Ok(None);
        };
        match Hiding::of(
            key,
            &self.links,
            self.tokens.keys(),
            &self.tables.routing,
            &self.faces.peers,
        ) {
            Some(hiding) => hiding.restore(message),
            None => Ok(None),
        }
    }
}
