//! Credentials that servers refuse (RFC 3261 §22): who guesses passwords gets a few tries in a minute and no more.
//!
//! A try is a client's request with credentials that is answered 401, 403 or 407, unless the server says that only its nonce
//! was old (RFC 7616 §3.3, `stale`). Tries are counted for the source and for the account that the credentials name, all
//! shards together. A source that has had too many is refused; an account that has, only to sources that were refused before:
//! else whoever knows a name could lock its owner out.
//!
//! Nobody is refused for what others of its address do once it has proven itself there: by a binding that its connection
//! holds, or by one that its user has had from this source before. It is counted apart, and so takes no try from them either.
use super::binding::Owner;
use super::environment::{Environment, Upstream};
use super::inbound::{InboundMessage, InboundRequest};
use super::interface::RemoteIdentity;
use super::leg::Leg;
use super::link_id::LinkId;
use crate::reason::MessageReason;
use crate::sip::{HeaderName, Malformed, Message, unescape};
use std::hash::{Hash as _, Hasher as _};
use std::net::IpAddr;
use std::time::Instant;

/// So many times the bound there may be of what is no guess by itself: refusals of a connection that holds a binding, of calls
/// that its user may not make, say; and tries of one source, or of one account from there, that no server has said anything to,
/// since phones behind one address may come back together, and those of a hotline have one account.
const MORE: u64 = 10;

/// By what a try counts while no server has said anything to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TriesUnderWay {
    /// Its account at its source.
    here: u64,
    /// Its source; its user there where that has proven itself.
    own: u64,
}

impl TriesUnderWay {
    /// One more is sent to a server.
    pub(crate) fn begin(self, env: &Environment, now: Instant) {
        env.refused.begin(self.here, now);
        env.refused.begin(self.own, now);
    }

    /// A server has said something to it, or none will.
    pub(crate) fn end(self, env: &Environment) {
        env.refused.heard(self.here, env.now);
        env.refused.heard(self.own, env.now);
    }

    /// The larger number of those that count by the same.
    fn count(self, env: &Environment, now: Instant) -> u64 {
        let count = |key| env.refused.under_way(key, now);
        count(self.here).max(count(self.own))
    }
}

/// Whose credentials they are, by keyed hashes: nobody can aim at the count of another one.
struct Tried {
    /// The address alone: what a stranger has there.
    source: u64,
    /// The user at this source: of the connection's first binding, else of From.
    party: u64,
    /// Wherever it is tried: a guesser may have many addresses.
    account: u64,
    /// The account at this source.
    here: u64,
    /// Its connection holds a binding: a registrar has let it in a moment ago.
    is_registered: bool,
}

impl Tried {
    fn of(
        message: &Message<'_>,
        (link, is_registered): (LinkId, bool),
        source: IpAddr,
        env: &Environment,
    ) -> Self {
        // That of another shard is not here; the message says whether it holds a binding.
        let state = env.links.get(link);
        let users = state.and_then(|state| state.users.first());
        let from = || Some(Owner::of(&message.from().ok()?.parse_uri().ok()?));
        let owner = users.map(|user| user.owner()).or_else(from);
        let account = account(message, owner, env);
        Self {
            source: key(0, source, env, 0),
            party: owner.map_or(0, |owner| party(source, owner, env)),
            account,
            here: key(1, source, env, account),
            is_registered: is_registered || state.is_some_and(|state| !state.held.is_empty()),
        }
    }
}

/// Whether a request may try its credentials. Returns what is counted while no server has said anything to it.
///
/// # Errors
/// There were too many tries, or too many wait for an answer.
pub(crate) fn may_try(
    request: &InboundRequest<'_, '_>,
    env: &Environment,
) -> Result<Option<TriesUnderWay>, MessageReason> {
    let inbound = request.inbound;
    if !has_credentials(inbound.message) || !inbound.leg.is_client() {
        return Ok(None);
    }
    let origin = inbound.origin;
    let who = (origin.link, inbound.held.is_some());
    let tried = Tried::of(inbound.message, who, origin.remote.ip(), env);
    let (now, most) = (inbound.now, env.limits.failed_logins as u64);
    let refused = |key| env.refused.tries(key, now);
    let is_proven = env.refused.is_proven(tried.party);
    let are_too_many = if env.refused.is_quiet(now) {
        false
    } else if tried.is_registered {
        // Whoever has an account may guess others', and may also call what it must not.
        refused(tried.party) >= MORE * most
    } else if is_proven {
        // A neighbour could write its name into From, so that the account has a bound as well.
        refused(tried.party) >= most || refused(tried.here) >= MORE * most
    } else {
        // A password of its owner's own, mistyped once, is refused to nobody for what goes on elsewhere.
        let of_source = refused(tried.source);
        of_source >= most || of_source > 0 && refused(tried.account) >= most
    };
    if are_too_many {
        return Err(MessageReason::CredentialsRefused);
    }
    if tried.is_registered || request.method.is_best_effort() {
        return Ok(None);
    }
    // Else as many could be sent at once as there are transactions, before the first of them is refused. By the source too:
    // each may be about another account. Neighbours take nothing from whoever has registered from there before.
    let under_way = TriesUnderWay {
        here: tried.here,
        own: if is_proven { tried.party } else { tried.source },
    };
    if under_way.count(env, now) >= MORE * most {
        return Err(MessageReason::CredentialsWaiting);
    }
    Ok(Some(under_way))
}

/// A client's request was answered so; `request` is as it came.
pub(crate) fn note_answer(
    (request, from): (&Message<'_>, Upstream),
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
    let who = (from.link, matches!(from.leg, Leg::Binding(_)));
    let tried = Tried::of(request, who, from.remote.ip(), env);
    let is_known = tried.is_registered || env.refused.is_proven(tried.party);
    // Where it would take tries of its neighbours, it takes its own.
    let own = if is_known { tried.party } else { tried.source };
    // Before this one is counted: the one that reaches the bound has its names counted still.
    let is_over = env.refused.tries(own, response.now) >= env.limits.failed_logins as u64;
    env.refused.note(own, response.now);
    // A source that may try nothing more fills the table with no further names. Who is known goes on, and so do its counts.
    if is_known || !is_over {
        env.refused.note(tried.account, response.now);
        env.refused.note(tried.here, response.now);
    }
}

/// A registrar has let this user in from there.
pub(crate) fn note_registered(source: IpAddr, owner: Owner, env: &Environment) {
    env.refused.prove(party(source, owner, env));
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

/// The account that credentials name, whoever From is: that may be anybody. Those that name several are counted as one, or
/// each could have another one in front; those that name none (NTLM, tokens) by their user.
fn account(message: &Message<'_>, owner: Option<Owner>, env: &Environment) -> u64 {
    // What cannot be taken apart may name anybody to its reader.
    let mut is_one = true;
    let mut first = None;
    for name in accounts(message) {
        is_one = name.is_ok_and(|name| *first.get_or_insert_with(|| name.clone()) == name);
        if !is_one {
            break;
        }
    }
    env.secrets.hash(|hasher| match (is_one, first) {
        (true, Some(name)) => (2u8, name).hash(hasher),
        (true, None) => (4u8, owner).hash(hasher),
        (false, _) => hasher.write_u8(3),
    })
}

/// The accounts that a request's credentials name, as they are meant, in lower case. An error: the rest of a line cannot be
/// taken apart.
pub(crate) fn accounts(message: &Message<'_>) -> impl Iterator<Item = Result<Vec<u8>, Malformed>> {
    let fields = [HeaderName::Authorization, HeaderName::ProxyAuthorization];
    let parts = fields.into_iter().flat_map(|name| message.values(name));
    parts.filter_map(|part| part.map(user_name).transpose())
}

/// The value of a `username` parameter (RFC 7616 §3.4), as it is meant; in lower case, as many servers take it.
fn user_name(part: &[u8]) -> Option<Vec<u8>> {
    let (name, value) = part.split_at_checked(memchr::memchr(b'=', part)?)?;
    // The scheme stands before the first parameter.
    let name = name
        .split(u8::is_ascii_whitespace)
        .rfind(|it| !it.is_empty())?;
    let value = value.get(1..)?.trim_ascii();
    let text = if name.eq_ignore_ascii_case(b"username") {
        // `\a` is `a` (RFC 3261 §25.1, `quoted-pair`), and would be another name to who does not know that.
        let quoted = value
            .strip_prefix(b"\"")
            .and_then(|it| it.strip_suffix(b"\""));
        let mut is_escaped = false;
        let is_meant = |b: &u8| {
            is_escaped = *b == b'\\' && !is_escaped;
            !is_escaped
        };
        quoted
            .unwrap_or(value)
            .iter()
            .copied()
            .filter(is_meant)
            .collect()
    } else if name.eq_ignore_ascii_case(b"username*") {
        // RFC 8187: the character set, a language, and the text with escapes.
        unescape(value.rsplit(|b| *b == b'\'').next()?)
    } else {
        return None;
    };
    Some(text.to_ascii_lowercase())
}

/// A user at a source.
fn party(source: IpAddr, owner: Owner, env: &Environment) -> u64 {
    let owner = env.secrets.hash(|hasher| owner.hash(hasher));
    key(5, source, env, owner)
}

/// What is counted of a source: an IPv4 address, or the 64 bits of an IPv6 one.
fn key(kind: u8, source: IpAddr, env: &Environment, what: u64) -> u64 {
    env.secrets.hash(|hasher| {
        hasher.write_u8(kind);
        match source.to_canonical() {
            IpAddr::V4(address) => hasher.write(&address.octets()),
            IpAddr::V6(address) => hasher.write_u64((address.to_bits() >> 64) as u64),
        }
        hasher.write_u64(what);
    })
}
