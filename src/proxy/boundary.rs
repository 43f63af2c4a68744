//! The boundary of the trust domain as a message crosses it: which fields are stripped on the way from whom to whom (RFC
//! 3324, RFC 3325 §5, §7), what Privacy asks for (RFC 3323), which domains are denied, and where sips URIs may go (RFC
//! 5630 §5.3).
use super::leg::{Leg, TargetSet};
use super::links::Links;
use super::parsed::Parsed;
use super::policy::Standing;
use super::routed::Routed;
use super::token::Token;
use super::{Core, MessageReason};
use crate::sip::{Address, HeaderName, HeaderSet, Message, Method, Scheme, Uri};
use crate::topology::{FieldRules, FieldTrust};

/// The priv-values of a message that matter here (RFC 3323 §4.2, RFC 3325 §9.3, RFC 7044 §7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Privacy(u8);

impl Privacy {
    const ID: u8 = 1;
    const HISTORY: u8 = 2;
    const CRITICAL: u8 = 4;
    /// `header`, `session` or `user`: the work of a privacy service.
    const SERVICE: u8 = 8;

    /// Reads all Privacy lines; what is not known asks for nothing.
    pub(crate) fn read(message: &Message<'_>) -> Self {
        let mut asked = 0;
        if !message.has(HeaderName::Privacy) {
            return Self(asked);
        }
        for line in message.lines().filter(|l| l.name == HeaderName::Privacy) {
            let values = line
                .value
                .split(|b| matches!(b, b';' | b',' | b' ' | b'\t' | b'\r' | b'\n'));
            for value in values {
                asked |= match value.to_ascii_lowercase().as_slice() {
                    b"id" => Self::ID,
                    b"history" => Self::HISTORY,
                    b"critical" => Self::CRITICAL,
                    // RFC 7044 §10.1.2: privacy of the header fields covers the history.
                    b"header" => Self::SERVICE | Self::HISTORY,
                    b"session" | b"user" => Self::SERVICE,
                    _ => 0,
                };
            }
        }
        Self(asked)
    }

    fn asks(self, what: u8) -> bool {
        self.0 & what != 0
    }
}

/// What is stripped from a message on its way from one party to another.
pub(crate) fn stripped(from: HeaderSet, to: &FieldRules, privacy: Privacy) -> HeaderSet {
    let mut set = from.with(to.strip_out);
    if privacy.asks(Privacy::ID) {
        set = set.with(to.strip_private);
    }
    if privacy.asks(Privacy::HISTORY) {
        set = set.with(to.strip_history);
    }
    set
}

/// The field rules of a party.
pub(crate) fn rules_of(leg: Leg, clients: &FieldRules, links: &Links) -> FieldRules {
    match leg {
        Leg::Client(_) => *clients,
        Leg::Peer(key) => links.peer(key).map_or_else(
            || FieldRules::standard(FieldTrust::Outside),
            |peer| peer.fields,
        ),
    }
}

/// The name to tell a home server that a request of this peer goes to.
pub(crate) fn told_name(from: Leg, target: Leg, links: &Links) -> Option<&str> {
    let (Leg::Peer(sender), Leg::Peer(target)) = (from, target) else {
        return None;
    };
    links.peer(target).filter(|peer| peer.is_home())?;
    links.peer(sender).map(|peer| &*peer.fqdn)
}

impl Core {
    /// The fields of the message that its sender may not send.
    pub(super) fn stripped_from(&self, leg: Leg, message: &Message<'_>) -> HeaderSet {
        let clients = &self.tables.generation.topology().boundary().clients;
        let rules = rules_of(leg, clients, &self.links);
        rules.strip_in.both(message.names())
    }

    /// What the boundary asks of a request besides its From: the fields that its sender owes, privacy that nobody could
    /// give any more, and where a sips URI may go. Targets that may not have the request are taken out.
    ///
    /// # Errors
    /// The reason of the refusal.
    pub(super) fn at_boundary(
        &self,
        standing: Standing,
        message: &Message<'_>,
        request: &Parsed<'_>,
        routed: &Routed<'_>,
        targets: &mut TargetSet,
    ) -> Result<(), MessageReason> {
        let clients = &self.tables.generation.topology().boundary().clients;
        let owed = rules_of(standing.leg(), clients, &self.links).require_in;
        // In a dialog, which a request that had them has formed, they are seldom repeated.
        if !matches!(routed.token, Some(Token::Dialog { .. }))
            && !owed.without(message.names()).is_empty()
        {
            return Err(MessageReason::FieldRequired);
        }
        let privacy = Privacy::read(message);
        // RFC 3323 §4.2: a home server may be or know a privacy service; behind it nobody is left to do the work.
        if privacy.asks(Privacy::CRITICAL)
            && privacy.asks(Privacy::SERVICE)
            && targets.iter().any(|target| !self.is_inside(*target))
        {
            return Err(MessageReason::PrivacyCritical);
        }
        if routed.uri.scheme == Scheme::Sips {
            self.sips_may_go(standing, message, request, targets)?;
        }
        Ok(())
    }

    /// Whether a target belongs to the trust domain.
    fn is_inside(&self, target: Leg) -> bool {
        match target {
            Leg::Peer(key) => self.links.peer(key).is_some_and(|p| p.assert_identity),
            Leg::Client(_) => false,
        }
    }

    /// RFC 5630 §5.3: a sips Request-URI goes only to whom takes it, and comes with a sips Contact.
    fn sips_may_go(
        &self,
        standing: Standing,
        message: &Message<'_>,
        request: &Parsed<'_>,
        targets: &mut TargetSet,
    ) -> Result<(), MessageReason> {
        let takes_sips =
            |leg| matches!(leg, Leg::Peer(key) if self.links.peer(key).is_none_or(|p| p.sips));
        let forms_dialog = matches!(
            request.method,
            Method::Invite | Method::Subscribe | Method::Refer | Method::Update
        );
        let sender = standing.leg();
        if forms_dialog
            && (matches!(sender, Leg::Client(_)) || takes_sips(sender))
            && message
                .values(HeaderName::Contact)
                .flatten()
                .filter_map(|value| Address::parse(value).ok())
                .filter_map(|contact| contact.parse_uri().ok())
                .any(|uri: Uri<'_>| uri.scheme == Scheme::Sip)
        {
            return Err(MessageReason::SipsContact);
        }
        targets.retain(|target| match *target {
            Leg::Peer(key) => takes_sips(Leg::Peer(key)),
            Leg::Client(_) => true,
        });
        if targets.is_empty() {
            Err(MessageReason::SipsNotAllowed)
        } else {
            Ok(())
        }
    }
}
