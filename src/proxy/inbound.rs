//! A message on its way in, made once: who sent it, when, and of a request what a proxy reads (RFC
//! 3261 §16.3 step 1).
//!
//! All fields are read at once, before anything is decided. A field that breaks the grammar refuses
//! the request at this one place, and later steps need no error path for it; the message itself
//! stays as it was received.
use super::environment::{Environment, Upstream};
use super::interface::Origin;
use super::leg::Leg;
use super::same_party;
use crate::reason::{MessageReason, Rule};
use crate::sip::{Address, CSeq, Message, Method, Uri, Via};
use smallvec::SmallVec;
use std::hash::Hasher as _;
use std::time::Instant;

/// The most Route values of a request: Max-Forwards begins at 70, so no honest route is longer; and
/// what each costs is bounded.
const MOST_ROUTES: usize = 100;

/// Max-Breadth that is added where there is none, and the most that is passed on (RFC 5393 §5.3.3).
const MAX_BREADTH: u8 = 60;

/// A message, and who sent it. Made once where a message comes in, and passed down whole, so that
/// no step judges by another identity than the one before it.
#[derive(Clone, Copy)]
pub(crate) struct InboundMessage<'m, 'a> {
    pub(crate) origin: &'m Origin,
    /// Who that is: the only identity that policy trusts.
    pub(crate) leg: Leg,
    pub(crate) message: &'m Message<'a>,
    pub(crate) now: Instant,
}

impl InboundMessage<'_, '_> {
    /// Where answers to it go.
    pub(crate) fn upstream(&self) -> Upstream {
        Upstream {
            link: self.origin.link,
            leg: self.leg,
            remote: self.origin.remote,
        }
    }
}

/// A Request-URI.
#[derive(Clone, Copy)]
pub(crate) struct RequestUri<'a> {
    pub(crate) text: &'a [u8],
    /// It was hidden from the sender and sealed for it, which may so ask for what lies behind it.
    pub(crate) is_sealed: bool,
}

/// A request: the fields that a proxy uses, read once, and the key of its transaction.
pub(crate) struct InboundRequest<'m, 'a> {
    pub(crate) inbound: InboundMessage<'m, 'a>,
    pub(crate) method: Method<'a>,
    pub(crate) request_uri: &'a [u8],
    /// As [`RequestUri::is_sealed`].
    pub(crate) is_sealed: bool,
    pub(crate) uri: Uri<'a>,
    pub(crate) via: Via<'a>,
    pub(crate) from: Address<'a>,
    pub(crate) from_uri: Uri<'a>,
    pub(crate) to: Address<'a>,
    pub(crate) call_id: &'a [u8],
    pub(crate) cseq: CSeq<'a>,
    pub(crate) max_forwards: Option<u8>,
    pub(crate) max_breadth: u8,
    pub(crate) routes: SmallVec<[Address<'a>; 4]>,
    /// What its transaction is kept under.
    pub(crate) key: u128,
}

impl<'m, 'a> InboundRequest<'m, 'a> {
    /// RFC 3261 §16.3 step 1: the syntax of everything that this proxy uses, and nothing else: a
    /// field that it does not know may be as odd as it likes, and is relayed byte for byte.
    ///
    /// # Errors
    /// What breaks the grammar, or a bound.
    pub(crate) fn read(
        inbound: InboundMessage<'m, 'a>,
        method: Method<'a>,
        target: RequestUri<'a>,
        env: &Environment,
    ) -> Result<Self, MessageReason> {
        let message = inbound.message;
        if let Some(fault) = message.fault() {
            return Err(if fault.rule == Rule::BadVersion {
                MessageReason::BadVersion
            } else {
                MessageReason::MalformedRequest
            });
        }
        let malformed = |_| MessageReason::MalformedRequest;
        let from = message.from().map_err(malformed)?;
        let cseq = message.cseq().map_err(malformed)?;
        // RFC 3261 §8.1.1.5. A mismatch would make a transaction that no response could be matched
        // to.
        if cseq.method != method {
            return Err(MessageReason::MalformedRequest);
        }
        // A bare cookie is the same in every request, so that all of them would be one transaction.
        let via = message.top_via().map_err(malformed)?;
        if via
            .branch
            .is_some_and(|b| b.eq_ignore_ascii_case(b"z9hG4bK"))
        {
            return Err(MessageReason::BadBranch);
        }
        let uri = Uri::parse(target.text).map_err(malformed)?;
        // RFC 3261 §19.1.1 allows header parts in a Contact or a link, never here.
        if !uri.headers.is_empty() {
            return Err(MessageReason::MalformedRequest);
        }
        // One more than allowed is read, to see whether there are more.
        let routes: SmallVec<[Address<'a>; 4]> = message
            .routes()
            .take(MOST_ROUTES + 1)
            .collect::<Result<_, _>>()
            .map_err(malformed)?;
        if routes.len() > MOST_ROUTES {
            return Err(MessageReason::TooManyRoutes);
        }
        let breadth = message.max_breadth().map_err(malformed)?;
        let mut request = Self {
            inbound,
            method,
            request_uri: target.text,
            is_sealed: target.is_sealed,
            uri,
            via,
            from_uri: from.parse_uri().map_err(malformed)?,
            from,
            to: message.to().map_err(malformed)?,
            call_id: message.call_id().map_err(malformed)?,
            cseq,
            max_forwards: message.max_forwards().map_err(malformed)?,
            max_breadth: breadth.map_or(MAX_BREADTH, |b| {
                u8::try_from(b).unwrap_or(MAX_BREADTH).min(MAX_BREADTH)
            }),
            routes,
            key: 0,
        };
        let side = same_party::side_of(inbound.origin, inbound.leg, env.routing());
        request.key = request.transaction_key(side, env);
        Ok(request)
    }

    /// The keys under which its transaction may be kept if a reload lies between an INVITE and its
    /// CANCEL or ACK: then other entries of the topology may have been one party with the sender.
    pub(crate) fn earlier_keys(&self, env: &Environment) -> impl Iterator<Item = u128> {
        let sides = same_party::earlier_sides(self.inbound.origin, self.inbound.leg, env.routing());
        sides.map(|side| self.transaction_key(side, env))
    }

    /// RFC 3261 §17.2.3: branch, sent-by and method (ACK and CANCEL as INVITE), and besides the
    /// RFC's fields who sent it, so that nobody cancels another's request. A branch without the
    /// cookie (RFC 2543) is replaced by the fields that identified a transaction then.
    fn transaction_key(&self, side: u64, env: &Environment) -> u128 {
        env.secrets.wide_hash(|hasher| {
            let mut field = |bytes: &[u8]| {
                hasher.write_u32(bytes.len() as u32);
                hasher.write(bytes);
            };
            // Each field with its length before it, so that no two requests write the same bytes.
            field(&side.to_be_bytes());
            match self.method {
                Method::Invite | Method::Ack | Method::Cancel => field(b"INVITE"),
                Method::Bye
                | Method::Options
                | Method::Register
                | Method::Prack
                | Method::Subscribe
                | Method::Notify
                | Method::Publish
                | Method::Info
                | Method::Refer
                | Method::Message
                | Method::Update
                | Method::Other(_) => field(self.method.as_bytes()),
            }
            // Names in lower case and addresses in one form, as RFC 3261 §17.2.3 compares sent-by.
            let mut buffer = [0; 253];
            match (self.via.host.lower(&mut buffer), self.via.host.ip()) {
                (Some(name), _) => field(name.as_bytes()),
                (None, Some(address)) => field(address.to_string().as_bytes()),
                (None, None) => field(self.via.sent_by),
            }
            field(&self.via.port.unwrap_or(0).to_be_bytes());
            if self.via.has_cookie() {
                field(self.via.branch.unwrap_or_default());
            } else {
                field(self.request_uri);
                field(self.from.tag().unwrap_or_default());
                field(self.call_id);
                field(&self.cseq.number.to_be_bytes());
                field(self.via.params);
            }
        })
    }
}
