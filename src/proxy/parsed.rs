//! What a proxy reads of a request, once and before it decides anything (RFC 3261 §16.3 step 1).
use crate::reason::{MessageReason, Rule};
use crate::sip::{Address, CSeq, Message, Method, Uri, Via};
use smallvec::SmallVec;

/// The most Route values of a request: Max-Forwards begins at 70, so no honest route is longer; and what each costs is
/// bounded.
const MOST_ROUTES: usize = 100;

/// Max-Breadth that is added where there is none, and the most that is passed on (RFC 5393 §5.3.3).
const MAX_BREADTH: u8 = 60;

/// A Request-URI.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) text: &'a [u8],
    /// We have sealed it for the sender, who may so ask for what lies behind it.
    pub(super) is_sealed: bool,
}

/// The fields of a request that a proxy uses, read once.
pub(super) struct Parsed<'a> {
    pub(super) method: Method<'a>,
    pub(super) request_uri: &'a [u8],
    /// As [`Target::is_sealed`].
    pub(super) is_sealed: bool,
    pub(super) uri: Uri<'a>,
    pub(super) via: Via<'a>,
    pub(super) from: Address<'a>,
    pub(super) from_uri: Uri<'a>,
    pub(super) to: Address<'a>,
    pub(super) call_id: &'a [u8],
    pub(super) cseq: CSeq<'a>,
    pub(super) max_forwards: Option<u8>,
    pub(super) max_breadth: u8,
    pub(super) routes: SmallVec<[Address<'a>; 4]>,
}

impl<'a> Parsed<'a> {
    /// RFC 3261 §16.3 step 1: the syntax of everything that we use, and nothing else.
    pub(super) fn read(
        message: &Message<'a>,
        method: Method<'a>,
        target: Target<'a>,
    ) -> Result<Self, MessageReason> {
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
        if cseq.method != method {
            return Err(MessageReason::MalformedRequest);
        }
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
        let routes: SmallVec<[Address<'a>; 4]> = message
            .routes()
            .take(MOST_ROUTES + 1)
            .collect::<Result<_, _>>()
            .map_err(malformed)?;
        if routes.len() > MOST_ROUTES {
            return Err(MessageReason::TooManyRoutes);
        }
        let breadth = message.max_breadth().map_err(malformed)?;
        Ok(Self {
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
        })
    }
}
