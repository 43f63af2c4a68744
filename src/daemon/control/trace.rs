//! `trace`: the messages of one party or call while they pass, line after line, until the time or the number is over.
//!
//! The one command with more than one line of reply, and apart from the others: it may last for an hour, so it holds none
//! of their places.
//!
//! During an upgrade it shows what passes through both processes: the one that was asked has the other trace as well
//! (`trace_source`).
use super::context::{ControlContext, FOR_SHARDS};
use super::peer_word::user;
use super::refusal::{ControlRefusal, no_answer};
use crate::daemon::trace::{Shown, masked};
use crate::edge::{TraceDirection, TraceFeed, TraceRecord, TraceSelection, TracedItem};
use crate::observe::event_as_json;
use crate::reason::DaemonReason;
use crate::topology::network;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// The longest trace.
const LONGEST: Duration = Duration::from_secs(3_600);
/// The most lines of one.
const MOST: u64 = 1_000_000;

/// How a trace ends that another process of this node goes on with.
pub(crate) const HANDED_OVER: &str = "handed_over";

/// What is traced, and how: the keys of the request. At most one of the first five.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceRequest {
    /// A peer's name.
    #[serde(default)]
    pub peer: Option<String>,
    /// An address or a network of clients, or a user whose bindings their connections hold.
    #[serde(default)]
    pub client: Option<String>,
    /// A Call-ID.
    #[serde(default)]
    pub call_id: Option<String>,
    /// A user, in From or To or by a binding.
    #[serde(default)]
    pub user: Option<String>,
    /// A connection's number.
    #[serde(default)]
    pub connection: Option<u64>,
    /// For so many seconds.
    pub for_s: u64,
    /// At most so many lines.
    pub limit: u64,
    /// What is not masked.
    #[serde(default)]
    pub shown: Shown,
}

/// One line of the reply.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceLine {
    /// The first: it has begun.
    Trace(TraceBegun),
    /// A message.
    Message(ShownMessage),
    /// A refusal, a dropped message or the end of a connection: its line of the log, and when, in microseconds since
    /// 1970.
    Refusal {
        /// When.
        at_us: u64,
        /// As in the log.
        line: Value,
    },
    /// The last.
    End(TraceEnd),
    /// Instead of all others: it does not begin.
    Error(ControlRefusal),
}

/// A trace that has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceBegun {
    /// What is traced, in words.
    pub selected: String,
    /// This node.
    pub node: String,
    /// Until when at the latest, Unix seconds.
    pub until: u64,
}

/// A message, masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownMessage {
    /// When, in microseconds since 1970.
    pub at_us: u64,
    /// Which way.
    pub direction: TraceDirection,
    /// The number of the connection.
    pub connection: u64,
    /// The peer's name; `None`: a client.
    pub peer: Option<String>,
    /// The remote address.
    pub remote: SocketAddr,
    /// This node's address.
    pub local: SocketAddr,
    /// The process that has the connection, if that is the one before the process that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
    /// The shard that owns the connection.
    pub shard: u8,
    /// How long the body was; it is in `text` only if it was asked for.
    pub body_bytes: usize,
    /// The message; what is not UTF-8 is U+FFFD.
    pub text: String,
    /// The message as it is, where that is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

impl ShownMessage {
    /// Its bytes, masked as they are.
    pub fn bytes(&self) -> Vec<u8> {
        let decoded = self.base64.as_ref().and_then(|it| STANDARD.decode(it).ok());
        decoded.unwrap_or_else(|| self.text.clone().into_bytes())
    }
}

/// How a trace ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceEnd {
    /// `time`, `limit`, or `handed_over`: another process of this node takes commands now, and whoever asks again has the
    /// rest from that.
    pub because: String,
    /// Lines of messages and refusals.
    pub lines: u64,
    /// Those that were lost since they were not read in time.
    pub dropped: u64,
}

impl TraceRequest {
    /// What is traced.
    ///
    /// # Errors
    /// More than one selection, or a time or number without sense.
    pub(super) fn selection(&self) -> Result<TraceSelection, ControlRefusal> {
        let malformed = |what: &str| Err(DaemonReason::MalformedCommand.because(what));
        if self.for_s == 0 || Duration::from_secs(self.for_s) > LONGEST {
            return malformed("a trace lasts at least a second, and an hour at most");
        }
        if self.limit == 0 || self.limit > MOST {
            return malformed("a trace has at least one line, and a million at most");
        }
        // As with `kick`: an address is never a user's name.
        let client = |text: &String| match network(text) {
            Some(network) => Ok(TraceSelection::Network(network)),
            None => user(text).map(TraceSelection::Client),
        };
        let named = |text: &String| user(text).map(TraceSelection::User);
        if self.call_id.as_ref().is_some_and(String::is_empty) {
            return malformed("a Call-ID has at least one character");
        }
        let peer = |name: &String| {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            TraceSelection::Peer(name)
        };
        let all = [
            self.peer.as_ref().map(peer),
            self.client.as_ref().map(client).transpose()?,
            self.call_id.clone().map(TraceSelection::CallId),
            self.user.as_ref().map(named).transpose()?,
            self.connection.map(TraceSelection::Connection),
        ];
        // Two at once would leave a reader in doubt whether both or either must hold.
        let mut all = all.into_iter().flatten();
        match (all.next(), all.next()) {
            (None, _) => Ok(TraceSelection::All),
            (Some(one), None) => Ok(one),
            (Some(_), Some(_)) => malformed("select by one thing at a time"),
        }
    }
}

impl ControlContext {
    /// Begins a trace.
    pub(in crate::daemon) async fn begin_trace(
        &self,
        request: &TraceRequest,
    ) -> Result<(TraceSelection, TraceFeed), ControlRefusal> {
        let mut selection = request.selection()?;
        // A slip would wait for an hour for nothing.
        if let TraceSelection::Peer(name) = &mut selection {
            *name = self.listed_peer(name)?;
        }
        let edge = &self.daemon.edge;
        let feed = edge.trace(selection.clone(), request.shown.bodies, FOR_SHARDS);
        Ok((selection, feed.await.ok_or_else(no_answer)?))
    }
}

impl ControlContext {
    /// The first line.
    pub(in crate::daemon) fn trace_begun(
        &self,
        selection: &TraceSelection,
        request: &TraceRequest,
    ) -> TraceBegun {
        let generation = self.daemon.generation();
        TraceBegun {
            selected: selection.to_string(),
            node: generation.topology().node().fqdn.to_string(),
            until: UnixTime::now().as_secs().saturating_add(request.for_s),
        }
    }
}

impl TraceLine {
    /// A record as it is shown.
    pub(in crate::daemon) fn of(record: TraceRecord, shown: Shown) -> Self {
        let at_us = u64::try_from(record.at.as_micros()).unwrap_or(u64::MAX);
        let message = match record.item {
            TracedItem::Message(message) => message,
            TracedItem::Refusal(event) => {
                let line = event_as_json(SystemTime::UNIX_EPOCH + record.at, &event);
                return Self::Refusal { at_us, line };
            }
        };
        // From here on nothing else is left of it.
        let bytes = masked(&message.bytes, shown);
        let text = String::from_utf8_lossy(&bytes);
        // A charset that is not UTF-8 is rare, and a capture must have the very bytes.
        let is_text = matches!(text, std::borrow::Cow::Borrowed(_));
        Self::Message(ShownMessage {
            at_us,
            direction: message.direction,
            connection: message.connection,
            peer: message.peer.map(String::from),
            remote: message.remote,
            local: message.local,
            process: None,
            shard: message.shard,
            body_bytes: message.body,
            base64: (!is_text).then(|| STANDARD.encode(&bytes)),
            text: text.into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_selected_for_a_bounded_time() {
        let whole = TraceRequest {
            for_s: 60,
            limit: 10,
            ..TraceRequest::default()
        };
        let selected = |change: &dyn Fn(&mut TraceRequest)| {
            let mut request = whole.clone();
            change(&mut request);
            request.selection().ok()
        };
        assert_eq!(selected(&|_| {}), Some(TraceSelection::All));
        assert_eq!(
            selected(&|it| it.peer = Some("FE01.Contoso.test.".to_owned())),
            Some(TraceSelection::Peer("fe01.contoso.test".to_owned()))
        );
        let network = selected(&|it| it.client = Some("192.0.2.0/24".to_owned()));
        assert!(matches!(network, Some(TraceSelection::Network(_))));
        let user = selected(&|it| it.client = Some("alice".to_owned()));
        assert_eq!(user, Some(TraceSelection::Client("alice".to_owned())));
        for wrong in [
            &(|it: &mut TraceRequest| it.for_s = 0) as &dyn Fn(&mut TraceRequest),
            &|it| it.for_s = 3_601,
            &|it| it.limit = 0,
            &|it| it.limit = MOST + 1,
            &|it| {
                it.user = Some("alice".to_owned());
                it.connection = Some(7);
            },
        ] {
            assert_eq!(selected(wrong), None);
        }
    }
}
