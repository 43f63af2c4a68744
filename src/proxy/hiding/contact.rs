//! Contacts of clients whose registrar keeps no Path (`[[pool]] path = "contact"`): each URI becomes one of this node
//! that holds it sealed, together with the number of the
//! client's binding and its domain.
//!
//! The registrar keeps that URI and calls it. The request comes back here, where the URI is opened: the client gets
//! its own URI as the Request-URI, on the connection that holds its binding now. The client never sees such a URI: the
//! registrar's answer is brought back before anything reads it. Nothing is kept for it, so that it outlives a restart
//! and serves at every node with the keys.
//!
//! **Deviation:** a proxy does not change Contact (RFC 3261 §16.6). Nobody but the registrar learns of it, and only of a
//! REGISTER: the Contact of a dialog is its remote target, to which both ends send, and this node is in their way by
//! Record-Route.
use super::seal::{HidingKey, NONCE, SealedKind, TAG, open_token};
use super::uri::{UriPlace, restored};
use crate::proxy::binding::BindingId;
use crate::proxy::environment::Environment;
use crate::proxy::inbound::InboundMessage;
use crate::proxy::leg::PeerKey;
use crate::proxy::token::BoundClient;
use crate::proxy::token_fields::TokenFault;
use crate::reason::MessageReason;
use crate::sip::{Address, HeaderName, Message, Scheme, Splices, StartLine, Uri, plain_user};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use smallvec::SmallVec;
use std::borrow::Cow;

/// How a user part begins that holds a contact; `.` is in no token of a route.
const USER: &[u8] = b"c.";
/// Bytes of a binding's number, and of the hash of its domain.
const NUMBER: usize = 8;
const DOMAIN: usize = 4;
/// The shortest token before encoding: key, nonce, number, domain, an empty URI.
const SHORTEST: usize = 1 + NONCE + NUMBER + DOMAIN + TAG;
/// The most contacts of one REGISTER, each of which costs an encryption: a client has one or two.
const MOST: usize = 16;
/// Whom a contact is sealed for: any home server that may use the client's Path may call it.
const ANY_SERVER: PeerKey = PeerKey(0);

/// What a URI of this node holds that a registrar keeps.
struct KeptContact {
    client: BoundClient,
    uri: Vec<u8>,
}

/// The contacts of a REGISTER without `*`. One that the registrar could read and this node cannot would be called where
/// the client is not.
///
/// # Errors
/// One cannot be read, or they are too many.
pub(crate) fn readable_contacts<'a>(
    register: &Message<'a>,
) -> Result<SmallVec<[Address<'a>; 2]>, MessageReason> {
    let malformed = |_| MessageReason::MalformedRequest;
    let mut contacts = SmallVec::new();
    for value in register.values(HeaderName::Contact) {
        let value = value.map_err(malformed)?;
        if value.trim_ascii() == b"*" {
            continue;
        }
        let contact = Address::parse(value).map_err(malformed)?;
        contact.parse_uri().map_err(malformed)?;
        if contacts.len() == MOST {
            return Err(MessageReason::MalformedRequest);
        }
        contacts.push(contact);
    }
    Ok(contacts)
}

/// Writes the URIs of this node into the Contacts of a REGISTER of this client, which stands in `out` from `start` on.
///
/// # Errors
/// The contacts cannot be read or are too many, or it is nobody's; the REGISTER has been taken back.
pub(crate) fn cover_contacts(
    client: Option<BoundClient>,
    start: usize,
    env: &Environment,
    out: &mut Vec<u8>,
) -> Result<(), MessageReason> {
    let written = out.split_off(start);
    let message = Message::parse(&written).map_err(|_| MessageReason::MalformedRequest)?;
    let BoundClient { id, domain } = client.ok_or(MessageReason::MalformedRequest)?;
    let key = env.tokens.keys().hiding.first();
    let key = key.ok_or(MessageReason::TopologyNotHidden)?;
    let mut splices = Splices::new(&message);
    for contact in readable_contacts(&message)? {
        let (scheme, params): (&[u8], &[u8]) = match contact.parse_uri().map(|uri| uri.scheme) {
            Ok(Scheme::Sip) => (b"sip:", b";transport=tls"),
            Ok(Scheme::Sips) => (b"sips:", b""),
            // A number or a mailbox is nothing that leads here.
            Ok(Scheme::Tel | Scheme::Other) | Err(_) => continue,
        };
        // The parameters of the client's URI are sealed with it. `transport=tls` alone is shown, as in a Path: without it a
        // registrar would take UDP. No `lr`, which would make a route of a target.
        let plain = [
            &id.as_u64().to_be_bytes()[..],
            &domain.to_be_bytes(),
            contact.uri,
        ]
        .concat();
        let raw = key.seal(SealedKind::Contact, ANY_SERVER, &plain);
        // The same text each time, so that the registrar knows a refresh for what it is.
        let token = URL_SAFE_NO_PAD.encode(raw.ok_or(MessageReason::TopologyNotHidden)?);
        let host = env.names.peers.as_bytes();
        let covered = [scheme, USER, token.as_bytes(), b"@", host, params].concat();
        splices.replace_uri(contact.uri, &covered);
    }
    splices.write(out);
    Ok(())
}

/// A registrar's answer with the contacts of clients as they were registered, whichever client's they are; `None` if
/// there are none in it.
///
/// What does not open is not this site's, of a key that is gone, or damaged: it stays, since a registrar may list
/// contacts from anywhere. The client finds its answer by the Via, takes such a contact for another device's, and
/// learns nothing from a token.
pub(crate) fn uncovered_contacts(message: &Message<'_>, env: &Environment) -> Option<Vec<u8>> {
    let mut splices = Splices::new(message);
    for value in message.values(HeaderName::Contact).flatten() {
        let Ok(contact) = Address::parse(value) else {
            continue;
        };
        if let Ok(uri) = contact.parse_uri()
            && let Ok(opened) = open(&uri, &env.tokens.keys().hiding)
        {
            splices.replace_uri(contact.uri, &restored(&opened.uri, &uri, UriPlace::Field));
        }
    }
    if splices.is_empty() {
        return None;
    }
    let mut whole = Vec::with_capacity(message.bytes().len());
    splices.write(&mut whole);
    Some(whole)
}

/// A home server's request to a contact, with the client's own URI, and whose it is; `None` for any other message.
///
/// # Errors
/// [`MessageReason::TokenForged`]: the contact names this node, and none of its keys has sealed it.
pub(crate) fn uncovered_target(
    inbound: &InboundMessage<'_, '_>,
    env: &Environment,
) -> Result<Option<(Vec<u8>, BoundClient)>, MessageReason> {
    let message = inbound.message;
    let StartLine::Request { uri: text, .. } = message.start() else {
        return Ok(None);
    };
    if !may_be_covered(text) {
        return Ok(None);
    }
    // A partner reaches users through the home servers; what a client calls is their business too.
    let peer = inbound.leg.peer().and_then(|key| env.links.peer(key));
    let Some(uri) = Uri::parse(text)
        .ok()
        .filter(|_| peer.is_some_and(|p| p.is_home()))
    else {
        return Ok(None);
    };
    let (routing, local) = (env.routing(), inbound.origin.local);
    let is_local = |uri: &Uri<'_>| routing.is_local(&uri.host, local);
    // A Route that names this node is an outbound proxy setting, or that of a dialog whose ACK repeats the URI of its INVITE.
    // Behind one that leads on, the Request-URI is for whoever comes last on it.
    let mut routes = message.routes().flatten();
    let leads_on = routes.any(|route| !route.parse_uri().is_ok_and(|uri| is_local(&uri)));
    if leads_on || !is_local(&uri) {
        return Ok(None);
    }
    match open(&uri, &env.tokens.keys().hiding) {
        Ok(opened) => {
            let mut splices = Splices::new(message);
            splices.replace_uri(text, &restored(&opened.uri, &uri, UriPlace::RequestLine));
            let mut whole = Vec::with_capacity(message.bytes().len());
            splices.write(&mut whole);
            Ok(Some((whole, opened.client)))
        }
        Err(TokenFault::Foreign) => Ok(None),
        // Altered, or of a key that is gone: to the home servers the client is unknown here either way.
        // As with a route's token: a user at a home domain is the home servers' business.
        Err(TokenFault::Forged)
            if routing.is_home(&uri.host) && !routing.is_own_name(&uri.host)
                || !routing.is_own(&uri, local) =>
        {
            Ok(None)
        }
        Err(TokenFault::Forged) => Err(MessageReason::TokenForged),
    }
}

/// A look at the text, before the sender is looked at, that keeps nearly every other Request-URI from being parsed here.
fn may_be_covered(text: &[u8]) -> bool {
    let user = text.iter().position(|b| *b == b':');
    let user = user.and_then(|at| text.get(at + 1..)).unwrap_or_default();
    user.starts_with(USER) || user.first() == Some(&b'%') || user.get(1) == Some(&b'%')
}

/// What a user part holds.
///
/// What is too short to be a contact is foreign: users may be called `c.smith`. The host is not looked at: what opens was
/// sealed here, or by a node that shares the keys.
fn open(uri: &Uri<'_>, keys: &[HidingKey]) -> Result<KeptContact, TokenFault> {
    let user: Cow<'_, [u8]> = plain_user(uri.user.unwrap_or_default());
    let token = user.strip_prefix(USER).ok_or(TokenFault::Foreign)?;
    let length = URL_SAFE_NO_PAD.decode(token).map_or(0, |raw| raw.len());
    if length < SHORTEST {
        return Err(TokenFault::Foreign);
    }
    let peers = std::iter::once(ANY_SERVER);
    let plain = open_token(keys, SealedKind::Contact, peers, token).ok_or(TokenFault::Forged)?;
    let forged = TokenFault::Forged;
    let (number, rest) = plain.split_first_chunk::<NUMBER>().ok_or(forged)?;
    let (domain, uri) = rest.split_first_chunk::<DOMAIN>().ok_or(forged)?;
    Ok(KeptContact {
        client: BoundClient {
            id: BindingId::from_u64(u64::from_be_bytes(*number)),
            domain: u32::from_be_bytes(*domain),
        },
        uri: uri.to_vec(),
    })
}
