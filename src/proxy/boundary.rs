//! The boundary of the trust domain as a request crosses it: the fields that its sender owes,
//! privacy that nobody could provide any more (RFC 3323 §4.2), and where sips URIs may go (RFC 5630
//! §5.3).
//!
//! Policy has chosen the targets by then. This step asks of each whether it may have this request
//! at all, and takes out those that may not; when none is left, the reason is that of the boundary
//! and not `no_route`.
use super::environment::Environment;
use super::inbound::InboundRequest;
use super::leg::{Leg, TargetSet};
use super::links::Links;
use super::privacy::Privacy;
use super::route::Routed;
use crate::reason::MessageReason;
use crate::sip::{Address, HeaderName, Method, Scheme, Uri};

/// What the boundary asks of a request besides its From. Targets that may not have the request are
/// taken out.
///
/// # Errors
/// The reason of the refusal.
pub(crate) fn cross(
    request: &InboundRequest<'_, '_>,
    routed: &Routed<'_>,
    privacy: Privacy,
    targets: &mut TargetSet,
    env: &Environment,
) -> Result<(), MessageReason> {
    let owed = env.field_rules(request.inbound.leg).require_in;
    // In a dialog, which a request that had them has formed, they are seldom repeated.
    if !routed.is_in_dialog() && !owed.without(request.inbound.message.names()).is_empty() {
        return Err(MessageReason::FieldRequired);
    }
    // RFC 3323 §4.2: a request that asks critically for privacy must fail rather than pass without
    // it. A home server may be or know a privacy service; behind it nobody is left to do the work.
    if privacy.needs_service() && targets.iter().any(|leg| !is_inside(*leg, &env.links)) {
        return Err(MessageReason::PrivacyCritical);
    }
    if routed.uri.scheme == Scheme::Sips {
        sips_may_go(request, targets, &env.links)?;
    }
    Ok(())
}

/// Whether a target belongs to the trust domain (RFC 3324 §2.3).
fn is_inside(target: Leg, links: &Links) -> bool {
    match target {
        Leg::Peer(key) => links.peer(key).is_some_and(|p| p.assert_identity),
        Leg::Client(_) => false,
    }
}

/// RFC 5630 §5.3: a sips Request-URI goes only to a peer that takes it, and comes with a sips
/// Contact. A sender that takes no sips URIs itself cannot be asked for one in its Contact.
fn sips_may_go(
    request: &InboundRequest<'_, '_>,
    targets: &mut TargetSet,
    links: &Links,
) -> Result<(), MessageReason> {
    let takes_sips = |leg| match leg {
        Leg::Peer(key) => links.peer(key).is_none_or(|p| p.sips),
        Leg::Client(_) => true,
    };
    let forms_dialog = matches!(
        request.method,
        Method::Invite | Method::Subscribe | Method::Refer | Method::Update
    );
    if forms_dialog
        && takes_sips(request.inbound.leg)
        && request
            .inbound
            .message
            .values(HeaderName::Contact)
            .flatten()
            .filter_map(|value| Address::parse(value).ok())
            .filter_map(|contact| contact.parse_uri().ok())
            .any(|uri: Uri<'_>| uri.scheme == Scheme::Sip)
    {
        return Err(MessageReason::SipsContact);
    }
    // Clients came over TLS, and their registrar decides whether it answers to sips.
    targets.retain(|leg| takes_sips(*leg));
    if targets.is_empty() {
        return Err(MessageReason::SipsNotAllowed);
    }
    Ok(())
}
