//! Credentials that servers refuse (RFC 3261 §22): who guesses passwords gets a few tries in a minute and no more.
//!
//! A try is a client's request with credentials that is answered 401, 403 or 407, unless the server says that only its nonce
//! was old (RFC 7616 §3.3, `stale`). Tries are counted for the source and for the user of From, all shards together. A source that has
//! had too many is refused; a user that has, only to sources that were refused before: else whoever knows a name could lock its
//! owner out. A connection that holds a binding has proven itself, and is never refused for its neighbours.
use super::environment::Environment;
use super::inbound::InboundMessage;
use super::interface::RemoteIdentity;
use super::leg::Leg;
use crate::reason::MessageReason;
use crate::sip::{HeaderName, Message};
use std::hash::Hasher as _;
use std::net::IpAddr;

/// Whether a request may try its credentials. Costs a load and a compare while nobody guesses.
///
/// # Errors
/// There were too many tries.
pub(crate) fn may_try(
    inbound: &InboundMessage<'_, '_>,
    env: &Environment,
) -> Result<(), MessageReason> {
    if env.refused.is_quiet(inbound.now) || !has_credentials(inbound.message) {
        return Ok(());
    }
    // The registrar has let it in before, whatever others of its address do.
    let link = env.links.get(inbound.origin.link);
    let is_registered = link.is_some_and(|link| !link.held.is_empty());
    if is_registered || !matches!(inbound.leg, Leg::Client(_)) {
        return Ok(());
    }
    let (now, most) = (inbound.now, env.limits.failed_logins as u64);
    let of_source = env
        .refused
        .tries(source(inbound.origin.remote.ip(), env), now);
    let of_user = || env.refused.tries(user(inbound.message, env), now);
    if of_source >= most || of_source > 0 && of_user() >= most {
        return Err(MessageReason::CredentialsRefused);
    }
    Ok(())
}

/// A client's request was answered so; `request` is as it came.
pub(crate) fn note_answer(
    (request, source_address): (&Message<'_>, IpAddr),
    response: &InboundMessage<'_, '_>,
    env: &mut Environment,
) {
    // Only a server decides on credentials.
    let RemoteIdentity::Peer(_) = response.origin.identity else {
        return;
    };
    // A phone that registers is asked for its password each time, and answers on a second try: the first has none.
    // Who sends none guesses nothing, and an old nonce says nothing about the password.
    if !has_credentials(request) || is_stale(response.message) {
        return;
    }
    for key in [source(source_address, env), user(request, env)] {
        env.refused.note(key, response.now);
    }
}

fn has_credentials(message: &Message<'_>) -> bool {
    message.has(HeaderName::Authorization) || message.has(HeaderName::ProxyAuthorization)
}

/// Whether a challenge says that only the nonce was old.
fn is_stale(message: &Message<'_>) -> bool {
    let challenges = [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate];
    let mut values = challenges
        .into_iter()
        .filter_map(|name| message.first(name));
    values.any(|value| {
        let text = value.to_ascii_lowercase();
        let text: Vec<u8> = text.into_iter().filter(|b| !b" \t\"".contains(b)).collect();
        memchr::memmem::find(&text, b"stale=true").is_some()
    })
}

/// An IPv4 address, or the 64 bits of an IPv6 one.
fn source(address: IpAddr, env: &Environment) -> u64 {
    env.secrets.hash(|hasher| {
        hasher.write_u8(0);
        match address.to_canonical() {
            IpAddr::V4(address) => hasher.write(&address.octets()),
            IpAddr::V6(address) => hasher.write_u64((address.to_bits() >> 64) as u64),
        }
    })
}

/// The user whom a request says to be from.
fn user(message: &Message<'_>, env: &Environment) -> u64 {
    let uri = message.from().ok().and_then(|from| from.parse_uri().ok());
    env.secrets.hash(|hasher| {
        hasher.write_u8(1);
        if let Some(uri) = uri {
            let mut buffer = [0; 253];
            hasher.write(uri.user.unwrap_or_default());
            hasher.write_u8(b'@');
            hasher.write(uri.host.lower(&mut buffer).unwrap_or_default().as_bytes());
        }
    })
}
