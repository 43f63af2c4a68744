//! Where in a request that is kept the parts stand that its answer asks for: what was read once is not parsed again.
//!
//! A context keeps the bytes of its request and cannot borrow from them, so it keeps offsets. They are taken while the
//! request is read, and looked up when its answer passes: a line in the log, the record of a call and the question
//! whether an answer repeats what it was called by then cost no parser.
use super::calls::CallKey;
use super::identity::PartyTexts;
use super::inbound::InboundRequest;
use super::secrets::Secrets;
use crate::sip::{HeaderName, Message};

/// A part of a message, as offsets. `u32`, since no message is longer than 4 GiB; empty where the part is missing.
#[derive(Clone, Copy, Debug)]
struct TextPlace {
    start: u32,
    end: u32,
}

impl TextPlace {
    /// Of a slice of the message, if there is one.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a head with longer offsets is refused when it is framed"
    )]
    fn of(message: &Message<'_>, part: Option<&[u8]>) -> Self {
        let place = part.map_or(0..0, |part| message.place_of(part));
        Self {
            start: place.start as u32,
            end: place.end as u32,
        }
    }

    /// The value of the first line of that name.
    fn of_field(message: &Message<'_>, name: HeaderName) -> Self {
        Self::of(message, message.first(name))
    }

    /// The part, of the request that the place was taken from.
    fn part(self, request: &[u8]) -> &[u8] {
        let place = self.start as usize..self.end as usize;
        request.get(place).unwrap_or_default()
    }
}

/// The places of one request. Each method wants its bytes as they were read; of no bytes every part is empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestPlaces {
    request_uri: TextPlace,
    /// The topmost Via value as it came.
    via: TextPlace,
    /// Of it what its sender knows an answer by: from its begin to the end of sent-by and branch.
    via_names: TextPlace,
    /// Where in this the port is written that the request came from, or its end.
    port_stamp: u32,
    call_id: TextPlace,
    /// The value of From as a whole: an answer repeats it byte for byte, or nearly all do.
    from: TextPlace,
    /// The URI in it, without `<>`.
    from_uri: TextPlace,
    from_tag: TextPlace,
    to_uri: TextPlace,
    /// Empty outside of a dialog.
    to_tag: TextPlace,
    user_agent: TextPlace,
}

impl RequestPlaces {
    /// Of a request whose fields were read; they are slices of its bytes.
    pub(crate) fn of(request: &InboundRequest<'_, '_>) -> Self {
        let message = request.inbound.message;
        let place = |part| TextPlace::of(message, part);
        let via = &request.via;
        // The first value of its line, and its parameters reach to its end.
        let start = TextPlace::of_field(message, HeaderName::Via).start;
        let named = place(via.branch).end.max(place(Some(via.sent_by)).end);
        let to = |end| TextPlace { start, end };
        let params = place(Some(via.params));
        let stamp = via.port_stamp().and_then(|at| u32::try_from(at).ok());
        let stamp = stamp.map_or(named, |at| params.start + at);
        Self {
            request_uri: place(Some(request.request_uri)),
            via: to(params.end),
            via_names: to(named),
            port_stamp: stamp.min(named),
            call_id: place(Some(request.call_id)),
            from: TextPlace::of_field(message, HeaderName::From),
            from_uri: place(Some(request.from.uri)),
            from_tag: place(request.from.tag()),
            to_uri: place(Some(request.to.uri)),
            to_tag: place(request.to.tag()),
            user_agent: TextPlace::of_field(message, HeaderName::UserAgent),
        }
    }

    /// Its Call-ID. Which connection a dialog keeps to is drawn from it, and whoever hands a request over asks for it long
    /// after it was read.
    pub(crate) fn call_id<'r>(&self, request: &'r [u8]) -> &'r [u8] {
        self.call_id.part(request)
    }

    /// Its topmost Via value.
    pub(crate) fn via<'r>(&self, request: &'r [u8]) -> &'r [u8] {
        self.via.part(request)
    }

    /// That value up to the end of sent-by and branch, whichever comes last, in two parts: the port that the request came from
    /// is written between them (RFC 3581 §4), or behind both.
    pub(crate) fn via_names<'r>(&self, request: &'r [u8]) -> (&'r [u8], &'r [u8]) {
        let TextPlace { start, end } = self.via_names;
        let stamp = self.port_stamp;
        let part = |start, end| TextPlace { start, end }.part(request);
        (part(start, stamp), part(stamp, end))
    }

    /// The value of From.
    pub(crate) fn from<'r>(&self, request: &'r [u8]) -> &'r [u8] {
        self.from.part(request)
    }

    /// What names its dialog.
    pub(crate) fn dialog<'r>(&self, request: &'r [u8]) -> DialogTexts<'r> {
        DialogTexts {
            call_id: self.call_id.part(request),
            from_tag: self.from_tag.part(request),
            to_tag: self.to_tag.part(request),
        }
    }

    /// Whom it names, as written: what of that a log may have is decided when a line is made, since a reload may have
    /// changed the settings since.
    pub(crate) fn parties<'r>(&self, request: &'r [u8]) -> PartyTexts<'r> {
        PartyTexts {
            call_id: self.call_id.part(request),
            from: self.from_uri.part(request),
            to: self.to_uri.part(request),
            request_uri: self.request_uri.part(request),
            user_agent: self.user_agent.part(request),
        }
    }
}

/// What names a dialog in a message (RFC 3261 §12); a tag that a program of RFC 2543 leaves out is empty.
#[derive(Clone, Copy)]
pub(crate) struct DialogTexts<'a> {
    pub(crate) call_id: &'a [u8],
    pub(crate) from_tag: &'a [u8],
    pub(crate) to_tag: &'a [u8],
}

impl<'a> DialogTexts<'a> {
    /// Of any message; `None`: it has none that could be known again.
    pub(crate) fn of(message: &Message<'a>) -> Option<Self> {
        let (from, to) = (message.from().ok()?, message.to().ok()?);
        Some(Self {
            call_id: message.first(HeaderName::CallId)?,
            from_tag: from.tag().unwrap_or_default(),
            to_tag: to.tag().unwrap_or_default(),
        })
    }

    /// The number that calls are kept under, the same whichever side sends.
    pub(crate) fn key(&self, secrets: &Secrets) -> CallKey {
        CallKey::of(secrets, self.call_id, self.from_tag, self.to_tag)
    }
}
