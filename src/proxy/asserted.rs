//! Who a partner asserts somebody to be (RFC 3325, and Remote-Party-ID before it): which values of
//! these fields are taken out, because the partner has no business to assert them.
//!
//! Which fields a sender may not send at all is a setting of the boundary (`strip_in`). This file
//! judges the values of those that may pass: a carrier may name its callers, but not the home
//! users.
use super::environment::Environment;
use super::inbound::{InboundMessage, InboundRequest};
use super::leg::{Leg, PeerKey};
use super::links::Links;
use super::listing::ListedPeer;
use super::routing::Routing;
use crate::sip::{Address, Edits, HeaderName, HeaderSet, Message, Scheme, Uri};
use crate::topology::PeerKind;

/// The fields that name a caller or callee as verified. P-Preferred-Identity is a hint that servers
/// make the first of (RFC 3325 §9.2).
const FIELDS: [HeaderName; 3] = [
    HeaderName::PAssertedIdentity,
    HeaderName::RemotePartyId,
    HeaderName::PPreferredIdentity,
];

/// Values of [`FIELDS`] that are taken out: a bit for each of the first 64 values of a field. A
/// copyable mask, because it is part of the plan that every branch of the request shares.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct NotAsserted([u64; FIELDS.len()]);

impl NotAsserted {
    /// Takes them out.
    pub(crate) fn drop_from(self, edits: &mut Edits<'_, '_>) {
        for (name, numbers) in FIELDS.iter().zip(self.0) {
            edits.drop_values(*name, numbers);
        }
    }
}

/// A federated peer, and how its values are judged.
struct Partner<'c> {
    key: PeerKey,
    routing: &'c Routing,
    links: &'c Links,
    /// Whether its caller goes by no name of its own: then nothing passes but what it could call
    /// itself in From.
    nameless: bool,
}

/// The fields of a request that its sender may not send, and the values that it may not assert: no
/// partner asserts a name of the home side, and one whose caller is anonymous or a number names
/// that caller by number, or within its own domains.
///
/// Home servers trust these fields: what they contain becomes the caller's name on a screen and in
/// a bill. A partner that could assert a name of the home side could call as anybody's colleague.
pub(crate) fn not_asserted_in_request(
    request: &InboundRequest<'_, '_>,
    env: &Environment,
) -> (HeaderSet, NotAsserted) {
    let (leg, message) = (request.sender(), request.inbound.message);
    let anonymous = env.routing().is_nobody(&request.from_uri.host);
    // Neither an anonymous caller nor a telephone number belongs to a domain that could be
    // compared.
    let nameless = anonymous || request.from_uri.scheme == Scheme::Tel;
    let peer = env.listed(leg);
    let strip = env.field_rules_of(leg, peer).strip_in;
    let strip = strip.both(message.names());
    let Some(partner) = Partner::at(leg, peer, nameless, env) else {
        return (strip, NotAsserted::default());
    };
    let of_anonymous = peer.and_then(|peer| peer.anonymous);
    let of_anonymous = of_anonymous.filter(|_| anonymous);
    let strip = of_anonymous.map_or(strip, |set| set.both(message.names()));
    partner.judge(message, strip)
}

/// As [`not_asserted_in_request`], of a response, which names who has answered.
pub(crate) fn not_asserted_in_response(
    response: &InboundMessage<'_, '_>,
    env: &Environment,
) -> (HeaderSet, NotAsserted) {
    let message = response.message;
    let (leg, peer) = (response.leg, env.listed(response.leg));
    let strip = env.field_rules_of(leg, peer).strip_in;
    let strip = strip.both(message.names());
    match Partner::at(leg, peer, false, env) {
        Some(partner) => partner.judge(message, strip),
        None => (strip, NotAsserted::default()),
    }
}

impl<'c> Partner<'c> {
    /// The federated peer at a leg. Home servers may assert anything, and of a client the fields go
    /// as a whole.
    fn at(
        leg: Leg,
        peer: Option<&ListedPeer>,
        nameless: bool,
        env: &'c Environment,
    ) -> Option<Self> {
        let key = leg.peer()?;
        match peer?.kind {
            // What a sibling passes on was judged by who has sent it there.
            PeerKind::Home | PeerKind::Sibling => None,
            PeerKind::Federated => Some(Self {
                key,
                routing: env.routing(),
                links: &env.links,
                nameless,
            }),
        }
    }

    /// What goes of the message, besides the fields that go anyway.
    fn judge(&self, message: &Message<'_>, mut strip: HeaderSet) -> (HeaderSet, NotAsserted) {
        let mut dropped = NotAsserted::default();
        for (name, numbers) in FIELDS.iter().zip(&mut dropped.0) {
            if strip.has(*name) || !message.has(*name) {
                continue;
            }
            match self.refused(message, *name) {
                Some(refused) => *numbers = refused,
                None => strip = strip.with(HeaderSet::of(*name)),
            }
        }
        (strip, dropped)
    }

    /// The values of a field that go; `None` where they cannot be separated, or are more than
    /// anybody means: then the whole field goes, since what another parser makes of it is unknown.
    fn refused(&self, message: &Message<'_>, name: HeaderName) -> Option<u64> {
        let mut refused = 0;
        for (number, value) in message.values(name).enumerate() {
            let bit = 1u64.checked_shl(u32::try_from(number).ok()?)?;
            if !self.may(value.ok()?) {
                refused |= bit;
            }
        }
        Some(refused)
    }

    /// Whether it may assert the value. What cannot be read might be a home name to another parser.
    fn may(&self, value: &[u8]) -> bool {
        let Ok(uri) = Address::parse(value).and_then(|address| address.parse_uri()) else {
            return false;
        };
        match (uri.scheme, self.nameless) {
            (Scheme::Sip | Scheme::Sips, true) => self.routing.may_assert(self.key, &uri.host),
            (Scheme::Sip | Scheme::Sips, false) => {
                self.routing.may_assert(self.key, &uri.host) || !self.is_inside(&uri)
            }
            (Scheme::Tel, nameless) => !uri.any_context(|host| {
                host.is_none_or(|host| {
                    !self.routing.may_assert(self.key, host)
                        && (nameless || self.routing.is_home_side(host, self.links))
                })
            }),
            // RFC 3325 §9.1 knows no other, RFC 5876 §4.5 has them ignored; an `@` may stand before
            // a home domain.
            (Scheme::Other, nameless) => !nameless && !value.contains(&b'@'),
        }
    }

    fn is_inside(&self, uri: &Uri<'_>) -> bool {
        self.routing.is_home_side(&uri.host, self.links)
    }
}
