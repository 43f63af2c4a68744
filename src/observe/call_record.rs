//! What is known of one call: its record while it runs, and its `call_ended` line afterwards.
//!
//! The same value serves both, so that nothing is copied when a call ends. It is small on purpose: a node may have a
//! hundred thousand calls up.
use super::keys::{FieldKey, KEYS};
use super::text::CUT;
use super::value::{AsField, EventField, FieldGroup, FieldType, Take, Value};
use crate::trust::Decision;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of one text: what people and programs call themselves is far shorter, and whoever writes more must not take more
/// memory for as long as a call lasts.
const LONGEST_TEXT: usize = 200;
/// The same of a Call-ID, which must be whole to find the requests that belong together.
const LONGEST_CALL_ID: usize = 512;
/// How many texts there are.
const TEXTS: usize = 5;

/// The texts of a request that say who asks what of whom, in one piece of memory. An empty one is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parties {
    bytes: Box<[u8]>,
    /// Where each text ends.
    ends: [u16; TEXTS],
}

impl Parties {
    /// From the Call-ID, the URIs of From and To, the Request-URI and the User-Agent; each is cut to 200 bytes, the Call-ID
    /// to 512.
    pub fn new(texts: [&[u8]; TEXTS]) -> Self {
        let mut bytes = Vec::with_capacity(texts.iter().map(|text| text.len()).sum());
        let mut ends = [0; TEXTS];
        for (place, (text, end)) in texts.into_iter().zip(&mut ends).enumerate() {
            let longest = match place {
                0 => LONGEST_CALL_ID,
                _ => LONGEST_TEXT,
            };
            match text.get(..longest) {
                Some(head) if text.len() > longest => {
                    bytes.extend_from_slice(head);
                    bytes.extend_from_slice(CUT.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Some(_) | None => bytes.extend_from_slice(text),
            }
            // About 1,300 bytes at most.
            *end = bytes.len() as u16;
        }
        Self {
            bytes: bytes.into_boxed_slice(),
            ends,
        }
    }

    /// What its texts take in memory.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The text at a place of [`Self::new`]'s list.
    fn text(&self, place: usize) -> &[u8] {
        let end = |at: usize| self.ends.get(at).map_or(0, |end| usize::from(*end));
        let start = place.checked_sub(1).map_or(0, end);
        self.bytes.get(start..end(place)).unwrap_or_default()
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &[u8] {
        self.text(0)
    }

    /// The URI of From, without parameters.
    pub fn from(&self) -> &[u8] {
        self.text(1)
    }

    /// The URI of To, without parameters.
    pub fn to(&self) -> &[u8] {
        self.text(2)
    }

    /// The Request-URI, without parameters.
    pub fn request_uri(&self) -> &[u8] {
        self.text(3)
    }

    /// What the caller's program says that it is.
    pub fn user_agent(&self) -> &[u8] {
        self.text(4)
    }
}

impl FieldGroup for Parties {
    const FIELDS: &'static [EventField] = &[
        EventField::of::<Option<String>>(&KEYS.call_id),
        EventField::of::<Option<String>>(&KEYS.from),
        EventField::of::<Option<String>>(&KEYS.to),
        EventField::of::<Option<String>>(&KEYS.request_uri),
        EventField::of::<Option<String>>(&KEYS.user_agent),
    ];

    fn write_all(&self, take: &mut Take<'_>) {
        let keys = [
            &KEYS.call_id,
            &KEYS.from,
            &KEYS.to,
            &KEYS.request_uri,
            &KEYS.user_agent,
        ];
        for (place, key) in keys.into_iter().enumerate() {
            let text = self.text(place);
            if !text.is_empty() {
                take(key, Value::Bytes(text));
            }
        }
    }
}

/// A trust decision of which only the id is written.
#[derive(Clone, Debug)]
pub struct DecisionId(pub Arc<Decision>);

impl AsField for DecisionId {
    const KIND: FieldType = FieldType::Text;
    fn write(&self, key: &'static FieldKey, take: &mut Take<'_>) {
        take(key, Value::Text(&self.0.id));
    }
}

/// Who or what ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// The caller hung up or cancelled.
    Caller,
    /// The callee hung up or refused, or what stands before it.
    Callee,
    /// This node refused, or nobody answered it.
    Node,
    /// The session was not refreshed in time (RFC 4028 §10), and no BYE came.
    SessionExpired,
    /// `limits.call_idle` has passed, and no BYE came.
    CallIdle,
    /// This node stopped while the call was up or rang: its record ends here, and the call may go on over another node or process.
    ///
    /// Whoever adds up times joins the parts by their Call-ID.
    NodeStopped,
}

impl EndedBy {
    /// As the line has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
            Self::Node => "node",
            Self::SessionExpired => "session_expired",
            Self::CallIdle => "call_idle",
            Self::NodeStopped => "node_stopped",
        }
    }
}

impl AsField for EndedBy {
    const KIND: FieldType = FieldType::Text;
    fn write(&self, key: &'static FieldKey, take: &mut Take<'_>) {
        take(key, Value::Text(self.word()));
    }
}

/// One call: who, through what, and how long.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// Who calls whom.
    pub parties: Parties,
    /// The number of the caller's connection in the log.
    pub connection: u64,
    /// Its address.
    pub remote: SocketAddr,
    /// The decision that let the caller's connection in; `None`: it has shown no certificate.
    pub decision: Option<DecisionId>,
    /// Name of the peer that the call came from; `None`: a client.
    pub from_peer: Option<Arc<str>>,
    /// Name of the peer that it went to and came back from, if it has passed this node twice.
    pub through: Option<Arc<str>>,
    /// Name of the peer that it went to.
    pub to_peer: Option<Arc<str>>,
    /// Whether it went to a client.
    pub to_client: bool,
    /// The number of the callee's connection; `None`: nobody has answered.
    pub to_connection: Option<u64>,
    /// From the INVITE to its answer, or to its failure.
    pub setup: Duration,
    /// How much of that it rang: from the first provisional response that was passed on.
    pub ringing: Option<Duration>,
    /// From the answer to the BYE; `None`: nobody has answered.
    pub talk: Option<Duration>,
    /// Who ended it.
    pub ended_by: EndedBy,
    /// The last status: of the INVITE that failed, or of the BYE.
    pub status: Option<u16>,
}

impl CallRecord {
    /// Adds what an earlier pass of the same dialog through this node has shown: the caller is that one's, and the peer
    /// in the middle has brought it back.
    pub fn prepend(&mut self, earlier: Self) {
        let between = std::mem::replace(&mut self.from_peer, earlier.from_peer);
        self.through = between.or(self.through.take());
        self.parties = earlier.parties;
        self.connection = earlier.connection;
        self.remote = earlier.remote;
        self.decision = earlier.decision;
        self.setup = earlier.setup;
        self.ringing = earlier.ringing;
    }
}

impl FieldGroup for Box<CallRecord> {
    const FIELDS: &'static [EventField] = &[
        EventField::of::<Option<String>>(&KEYS.call_id),
        EventField::of::<Option<String>>(&KEYS.from),
        EventField::of::<Option<String>>(&KEYS.to),
        EventField::of::<Option<String>>(&KEYS.request_uri),
        EventField::of::<Option<String>>(&KEYS.user_agent),
        EventField::of::<u64>(&KEYS.connection),
        EventField::of::<SocketAddr>(&KEYS.remote),
        EventField::of::<Option<DecisionId>>(&KEYS.decision),
        EventField::of::<Option<Arc<str>>>(&KEYS.from_peer),
        EventField::of::<Option<Arc<str>>>(&KEYS.through),
        EventField::of::<Option<Arc<str>>>(&KEYS.to_peer),
        EventField::of::<bool>(&KEYS.to_client),
        EventField::of::<Option<u64>>(&KEYS.to_connection),
        EventField::of::<Duration>(&KEYS.setup_ms),
        EventField::of::<Option<Duration>>(&KEYS.ringing_ms),
        EventField::of::<Option<Duration>>(&KEYS.talk_ms),
        EventField::of::<EndedBy>(&KEYS.ended_by),
        EventField::of::<Option<u16>>(&KEYS.status),
    ];

    // By hand, since its texts are one value that makes five fields.
    fn write_all(&self, take: &mut Take<'_>) {
        self.parties.write_all(take);
        self.connection.write(&KEYS.connection, take);
        self.remote.write(&KEYS.remote, take);
        self.decision.write(&KEYS.decision, take);
        self.from_peer.write(&KEYS.from_peer, take);
        self.through.write(&KEYS.through, take);
        self.to_peer.write(&KEYS.to_peer, take);
        self.to_client.write(&KEYS.to_client, take);
        self.to_connection.write(&KEYS.to_connection, take);
        self.setup.write(&KEYS.setup_ms, take);
        self.ringing.write(&KEYS.ringing_ms, take);
        self.talk.write(&KEYS.talk_ms, take);
        self.ended_by.write(&KEYS.ended_by, take);
        self.status.write(&KEYS.status, take);
    }

    fn peer(&self) -> Option<&str> {
        self.from_peer.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_apart_and_cut() {
        let long = [b'x'; 1_000];
        let parties = Parties::new([b"id", b"sip:a@b", b"", &long, b"phone"]);
        assert_eq!(
            (parties.call_id(), parties.from(), parties.to()),
            (&b"id"[..], &b"sip:a@b"[..], &b""[..])
        );
        assert_eq!(parties.user_agent(), b"phone");
        let cut = String::from_utf8(parties.request_uri().to_vec()).unwrap();
        assert!(cut.ends_with("x…"), "{cut}");
        assert_eq!(cut.len(), LONGEST_TEXT + CUT.len_utf8());
        assert_eq!(Parties::default().user_agent(), b"");
    }
}
