//! What all clones of an end share: its inbox, its connections, and the sending and waiting that need nothing
//! else.
use super::shared::{first, lock};
use super::{LabError, SipMessage, Transcript, Wire};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsStream;
use tokio_util::sync::CancellationToken;

/// How long an end waits for a message unless a test sets another time: far more than loopback needs on a
/// busy machine.
const PATIENCE: Duration = Duration::from_secs(40);
/// The name of the node under test in transcripts.
const EDGE: &str = "edge";

/// What an end is called in transcripts, and what it writes about itself into messages.
#[derive(Clone, Debug)]
pub(super) struct EndProfile {
    /// Its column in a ladder.
    pub(super) party: String,
    /// Address of record, e.g. `sip:alice@contoso.test`.
    pub(super) aor: String,
    /// sent-by of its Via.
    pub(super) sent_by: String,
    /// Its Contact URI.
    pub(super) contact: String,
}

/// A message that came, with the bytes as read and the connection it came on.
#[derive(Clone)]
pub struct Received {
    /// The message.
    pub message: SipMessage,
    /// Its bytes as received.
    pub raw: Vec<u8>,
    /// Where it came from.
    pub wire: Wire,
}

/// A user agent; cheap to clone, all clones share the inbox.
#[derive(Clone)]
pub struct End {
    pub(super) state: Arc<EndState>,
}

/// The shared half of an end.
pub(super) struct EndState {
    pub(super) profile: EndProfile,
    pub(super) transcript: Transcript,
    /// What came and was not taken yet, oldest first.
    inbox: Mutex<VecDeque<Received>>,
    /// Wakes whoever waits for a message. All of them look, because each waits for another one.
    arrived: Notify,
    /// Every connection since the last one was added; those that have ended are dropped then.
    wires: Mutex<Vec<Wire>>,
    /// INVITEs by branch: the ACK of a refusal repeats their Via, route and From (RFC 3261 §17.1.1.3).
    invites: Mutex<HashMap<String, SipMessage>>,
    patience: Mutex<Duration>,
}

impl End {
    pub(super) fn new(profile: EndProfile, transcript: Transcript) -> Self {
        let state = EndState {
            profile,
            transcript,
            inbox: Mutex::default(),
            arrived: Notify::new(),
            wires: Mutex::default(),
            invites: Mutex::default(),
            patience: Mutex::new(PATIENCE),
        };
        Self {
            state: Arc::new(state),
        }
    }

    /// Takes a connection over; its messages come to the inbox.
    pub(super) fn adopt(
        &self,
        stream: TlsStream<TcpStream>,
        stop: CancellationToken,
    ) -> io::Result<Wire> {
        let end = self.clone();
        let wire = Wire::start(
            &self.state.profile.party,
            stream,
            stop,
            move |wire, message, raw| end.deliver(wire, message, raw),
        )?;
        let mut wires = lock(&self.state.wires);
        wires.retain(Wire::is_live);
        wires.push(wire.clone());
        Ok(wire)
    }

    /// Writes a message down, acknowledges it if it is a refusal, and puts it into the inbox: in this order,
    /// so that a test that takes the refusal finds the ACK in the transcript.
    fn deliver(&self, wire: &Wire, message: SipMessage, raw: Vec<u8>) {
        self.state
            .transcript
            .message(EDGE, &self.state.profile.party, &message);
        self.acknowledge_refusal(wire, &message);
        // The bytes are kept beside the message: what sipward relays unchanged is compared byte by byte.
        lock(&self.state.inbox).push_back(Received {
            message,
            raw,
            wire: wire.clone(),
        });
        self.state.arrived.notify_waiters();
    }

    /// The transaction layer's ACK for a non-2xx (RFC 3261 §17.1.1.3): sent by itself, as no user of a phone
    /// sends it. It has the INVITE's branch and the To of the refusal, with its tag.
    fn acknowledge_refusal(&self, wire: &Wire, answer: &SipMessage) {
        // What is accepted is acknowledged by its user, and is kept no longer.
        let of_invite = answer.cseq().is_some_and(|(_, method)| method == "INVITE");
        let accepted = answer.status().is_some_and(|s| (200..300).contains(&s));
        if of_invite
            && accepted
            && let Some(branch) = answer.branch()
        {
            lock(&self.state.invites).remove(&branch);
        }
        let refused = of_invite && answer.status().is_some_and(|s| s >= 300);
        let Some(invite) = answer
            .branch()
            .filter(|_| refused)
            .and_then(|branch| lock(&self.state.invites).get(&branch).cloned())
        else {
            return;
        };
        let mut ack = SipMessage::request("ACK", invite.uri().unwrap_or_default());
        copy_hop(&invite, &mut ack, "ACK");
        if let Some(to) = answer.header("to") {
            ack.set("To", to);
        }
        self.state
            .transcript
            .message(&self.state.profile.party, EDGE, &ack);
        // Called by the connection's reader, which must not wait for its writer.
        wire.send_now(ack.to_bytes());
    }

    /// How long the waits that follow may take.
    pub fn set_patience(&self, patience: Duration) {
        *lock(&self.state.patience) = patience;
    }

    /// The live connections, oldest first.
    pub fn wires(&self) -> Vec<Wire> {
        lock(&self.state.wires)
            .iter()
            .filter(|w| w.is_live())
            .cloned()
            .collect()
    }

    /// The newest live connection.
    ///
    /// # Errors
    /// There is none.
    pub fn wire(&self) -> Result<Wire, LabError> {
        self.wires().pop().ok_or_else(|| LabError::NoConnection {
            end: self.state.profile.party.clone(),
            transcript: self.state.transcript.to_string(),
        })
    }

    /// Messages that nobody has taken, of all that the other side had sent when this was called: on each live connection a
    /// ping is answered behind them. A 100 is none of them, because a busy machine may let one become due.
    pub async fn untaken(&self) -> Vec<Received> {
        for wire in self.wires() {
            // One that ends meanwhile has been read to its end.
            let _ = wire.ping(PATIENCE).await;
        }
        let inbox = lock(&self.state.inbox);
        let left = inbox.iter().filter(|r| r.message.status() != Some(100));
        left.cloned().collect()
    }

    /// Forgets what nobody has taken.
    pub fn clear(&self) {
        lock(&self.state.inbox).clear();
    }

    /// The message if it has this status; otherwise an error with the reason that it carries.
    pub(super) fn must_be(&self, got: Received, status: u16) -> Result<Received, LabError> {
        if got.message.status() == Some(status) {
            return Ok(got);
        }
        // sipward puts its reason code into Warning or Reason, which explains a failed test at once.
        let reason = got
            .message
            .header("warning")
            .or_else(|| got.message.header("reason"))
            .unwrap_or("no Warning");
        Err(LabError::Unexpected {
            end: self.state.profile.party.clone(),
            awaited: format!("a {status}"),
            got: format!("{} ({reason})", got.message.start),
            transcript: self.state.transcript.to_string(),
        })
    }

    /// The first message that fits, now or within the patience.
    pub(super) async fn take(
        &self,
        awaited: &str,
        wanted: impl Fn(&Received) -> bool,
    ) -> Result<Received, LabError> {
        let patience = *lock(&self.state.patience);
        let found = tokio::time::timeout(patience, self.first_where(wanted)).await;
        found.map_err(|_| {
            let (party, seen) = (&self.state.profile.party, &self.state.transcript);
            LabError::timeout(party, awaited.to_owned(), patience, seen.to_string())
        })
    }

    /// The next message, however long it takes: for servers that answer by themselves, which wait for as long
    /// as they live.
    pub(super) async fn next(&self) -> Received {
        self.first_where(|_| true).await
    }

    /// Takes the first message that fits out of the inbox, now or later.
    async fn first_where(&self, wanted: impl Fn(&Received) -> bool) -> Received {
        first(&self.state.arrived, || {
            let mut inbox = lock(&self.state.inbox);
            let at = inbox.iter().position(&wanted);
            at.and_then(|at| inbox.remove(at))
        })
        .await
    }

    /// As a user agent sends: an INVITE is kept, so that its refusal can be acknowledged.
    pub(super) async fn put(&self, message: &SipMessage, wire: &Wire) -> Result<(), LabError> {
        if message.method() == Some("INVITE")
            && let Some(branch) = message.branch()
        {
            lock(&self.state.invites).insert(branch, message.clone());
        }
        self.forward(message, wire).await
    }

    /// As a proxy sends: no transaction of this end's own.
    pub(super) async fn forward(&self, message: &SipMessage, wire: &Wire) -> Result<(), LabError> {
        self.state
            .transcript
            .message(&self.state.profile.party, EDGE, message);
        wire.send_raw(&message.to_bytes()).await
    }
}

/// What CANCEL and the ACK of a refusal have in common with their INVITE (RFC 3261 §9.1, §17.1.1.3).
pub(super) fn copy_hop(request: &SipMessage, hop: &mut SipMessage, method: &str) {
    hop.push("Via", &request.top_via().unwrap_or_default());
    hop.push("Max-Forwards", "70");
    for route in request.values("route") {
        hop.push("Route", &route);
    }
    for name in ["From", "To", "Call-ID"] {
        hop.push(name, request.header(name).unwrap_or_default());
    }
    let number = request.cseq().map_or(1, |(n, _)| n);
    hop.push("CSeq", &format!("{number} {method}"));
}
