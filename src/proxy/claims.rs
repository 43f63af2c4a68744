//! What a request claims in From and To, and whether its sender may claim it. Claims can narrow
//! what a sender may do, never widen it.
//!
//! Home servers are believed in everything: they are the home side. A client may call itself by any
//! home domain, since its registrar authenticates the user behind it. A partner is held to the
//! domains that its entry lists, which is the whole protection of the home users from calls in
//! somebody else's name.
use super::leg::{Leg, PeerKey};
use super::links::Links;
use super::question::{Question, Sender};
use super::routing::Routing;
use super::same_party::stands_for;
use super::token::Token;
use crate::reason::MessageReason;
use crate::sip::{Host, Scheme, Uri};
use std::hash::Hasher as _;

/// Hash of a To or From host, for the token: the name that the callee was called by at the dialog's
/// start.
///
/// Unkeyed and 32 bits: the token that holds it is signed, and it is compared with one name only. A
/// `tel` URI has no host; its hash covers the contexts of its number (RFC 3966 §5.1.5), so that a
/// local number of one domain is not taken for that of another. 0, for a host that is neither name
/// nor address, matches nothing a peer may send.
pub(crate) fn host_hash(uri: &Uri<'_>) -> u32 {
    let mut buffer = [0; 253];
    let mut hasher = siphasher::sip::SipHasher13::new();
    match (uri.scheme, uri.host.lower(&mut buffer), uri.host.ip()) {
        (Scheme::Tel | Scheme::Other, _, _) => {
            hasher.write(b"tel:");
            uri.any_context(|host| {
                let mut buffer = [0; 253];
                let name = host.and_then(|host| host.lower(&mut buffer));
                hasher.write(name.unwrap_or("?").as_bytes());
                false
            });
        }
        (Scheme::Sip | Scheme::Sips, Some(name), _) => hasher.write(name.as_bytes()),
        (Scheme::Sip | Scheme::Sips, None, Some(ip)) => {
            hasher.write(ip.to_canonical().to_string().as_bytes())
        }
        (Scheme::Sip | Scheme::Sips, None, None) => return 0,
    }
    hasher.finish() as u32
}

/// Whether the sender may assert this From; in a dialog the callee also by the name that it was
/// called by.
///
/// The callee's requests in a dialog have in From what the caller wrote into To (RFC 3261
/// §12.2.1.1). That may be any name: a call that was forwarded, a number without a domain. The
/// token holds a hash of it, so that the callee may use this very name, in this dialog, and no
/// other.
pub(crate) fn from_allowed(
    who: Sender,
    asks: &Question<'_, '_, '_>,
    routing: &Routing,
    links: &Links,
) -> Result<(), MessageReason> {
    let called_by_this_name = || match asks.routed.token {
        Some(Token::Dialog {
            callee, to_host, ..
        }) => {
            let is_callee = match (who, callee) {
                (Sender::Client(_), Leg::Client(_)) => true,
                (Sender::Federated(own), Leg::Peer(key)) => {
                    stands_for(own, &asks.also, key, routing)
                }
                (Sender::Client(_) | Sender::Federated(_) | Sender::Home(_), _) => false,
            };
            is_callee && to_host == host_hash(&asks.request.from_uri)
        }
        Some(Token::Flow(_)) | None => false,
    };
    // A `tel` or other URI names no domain by which a sender could be held to its own.
    let sip = matches!(asks.request.from_uri.scheme, Scheme::Sip | Scheme::Sips);
    let allowed = match who {
        Sender::Home(_) => true,
        Sender::Client(_) => {
            sip && (routing.is_home(&asks.request.from_uri.host)
                || routing.is_nobody(&asks.request.from_uri.host))
                || called_by_this_name()
        }
        Sender::Federated(key) => {
            let listed = links.peer(key);
            // A carrier within the trust domain names its callers by number, or not at all (RFC
            // 3325 §5). A local number of a domain is a name of that domain (RFC 3966 §5.1.5).
            let is_foreign =
                |host: Option<&Host<'_>>| host.is_none_or(|host| !routing.may_assert(key, host));
            let by_number = asks.request.from_uri.scheme == Scheme::Tel
                && !asks.request.from_uri.any_context(is_foreign);
            sip && routing.may_assert(key, &asks.request.from_uri.host)
                || sip
                    && routing.is_nobody(&asks.request.from_uri.host)
                    && listed.is_some_and(|p| p.anonymous.is_some())
                || by_number && listed.is_some_and(|p| p.assert_identity)
                || called_by_this_name()
        }
    };
    if allowed {
        Ok(())
    } else {
        Err(MessageReason::FromNotAllowed)
    }
}

/// A partner calls home domains, or one of its own that it was reached by and forwards from; in a
/// dialog, which its token proves, To is whoever the other side was then.
pub(crate) fn to_allowed(
    who: Sender,
    asks: &Question<'_, '_, '_>,
    routing: &Routing,
) -> Result<(), MessageReason> {
    let Sender::Federated(key) = who else {
        return Ok(());
    };
    if asks.routed.is_in_dialog() {
        return Ok(());
    }
    let to = asks
        .request
        .to
        .parse_uri()
        .map_err(|_| MessageReason::MalformedRequest)?;
    let allowed = match to.scheme {
        // A number is nobody's domain; where it leads the Request-URI decides.
        Scheme::Tel => true,
        Scheme::Sip | Scheme::Sips => {
            routing.is_home(&to.host)
                || routing.is_own_name(&to.host)
                || routing.may_assert(key, &to.host)
                || routing.is_nobody(&to.host)
        }
        Scheme::Other => false,
    };
    if allowed {
        Ok(())
    } else {
        Err(MessageReason::ToNotAllowed)
    }
}

/// No allow list outweighs a denied domain: neither in From nor in To nor as the target, in any
/// method, in a dialog too.
pub(crate) fn not_denied(
    peer: Option<PeerKey>,
    asks: &Question<'_, '_, '_>,
    routing: &Routing,
) -> Result<(), MessageReason> {
    let to = asks.request.to.parse_uri().ok();
    if [Some(asks.routed.uri), Some(asks.request.from_uri), to]
        .iter()
        .flatten()
        .any(|uri| {
            let is_denied = |host: &Host<'_>| routing.denies(peer, host);
            is_denied(&uri.host) || uri.any_context(|host| host.is_some_and(is_denied))
        })
    {
        Err(MessageReason::DomainDenied)
    } else {
        Ok(())
    }
}
