//! A user agent whose calls read like a message chart: requests, answers, dialogs (RFC 3261 §8, §12, §13, §15).
use super::{Dialog, LabError, SipMessage, Transcript, Wire, fresh};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsStream;
use tokio_util::sync::CancellationToken;

/// How long an end waits for a message unless told otherwise: far more than loopback needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an end is called in transcripts, and what it writes of itself into messages.
#[derive(Clone, Debug)]
pub(super) struct Card {
    /// Its column in a ladder.
    pub(super) party: String,
    /// Address of record, e.g. `sip:alice@contoso.test`.
    pub(super) aor: String,
    /// sent-by of its Via.
    pub(super) sent_by: String,
    /// Its Contact URI.
    pub(super) contact: String,
}

/// A message that came, with the octets as read and the connection it came on.
#[derive(Clone)]
pub struct Received {
    /// The message.
    pub message: SipMessage,
    /// Its octets as received.
    pub raw: Vec<u8>,
    /// Where it came from.
    pub wire: Wire,
}

/// A request that was sent.
#[derive(Clone)]
pub struct Sent {
    /// The request.
    pub message: SipMessage,
    /// What it was sent on.
    pub wire: Wire,
}

/// A user agent; cheap to clone, all clones share the inbox.
#[derive(Clone)]
pub struct End {
    shared: Arc<Shared>,
}

struct Shared {
    card: Card,
    transcript: Transcript,
    inbox: Mutex<VecDeque<Received>>,
    arrived: Notify,
    wires: Mutex<Vec<Wire>>,
    /// INVITEs by branch, for the ACK of a refusal.
    invites: Mutex<HashMap<String, SipMessage>>,
    patience: Mutex<Duration>,
}

/// The name of the node under test in transcripts.
const EDGE: &str = "edge";

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl End {
    pub(super) fn new(card: Card, transcript: Transcript) -> Self {
        Self {
            shared: Arc::new(Shared {
                card,
                transcript,
                inbox: Mutex::default(),
                arrived: Notify::new(),
                wires: Mutex::default(),
                invites: Mutex::default(),
                patience: Mutex::new(PATIENCE),
            }),
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
            &self.shared.card.party,
            stream,
            stop,
            move |wire, message, raw| {
                end.deliver(wire, message, raw);
            },
        )?;
        let mut wires = lock(&self.shared.wires);
        wires.retain(Wire::is_live);
        wires.push(wire.clone());
        Ok(wire)
    }

    fn deliver(&self, wire: &Wire, message: SipMessage, raw: Vec<u8>) {
        self.shared
            .transcript
            .message(EDGE, &self.shared.card.party, &message);
        self.acknowledge_refusal(wire, &message);
        lock(&self.shared.inbox).push_back(Received {
            message,
            raw,
            wire: wire.clone(),
        });
        self.shared.arrived.notify_waiters();
    }

    /// The transaction layer's ACK for a non-2xx (RFC 3261 §17.1.1.3).
    fn acknowledge_refusal(&self, wire: &Wire, answer: &SipMessage) {
        let refused = answer.status().is_some_and(|s| s >= 300)
            && answer.cseq().is_some_and(|(_, method)| method == "INVITE");
        let Some(invite) = answer
            .branch()
            .filter(|_| refused)
            .and_then(|branch| lock(&self.shared.invites).get(&branch).cloned())
        else {
            return;
        };
        let mut ack = SipMessage::request("ACK", invite.uri().unwrap_or_default());
        copy_hop(&invite, &mut ack, "ACK");
        if let Some(to) = answer.header("to") {
            ack.set("To", to);
        }
        self.shared
            .transcript
            .message(&self.shared.card.party, EDGE, &ack);
        wire.send_now(ack.to_bytes());
    }

    /// The end's name in ladders.
    pub fn party(&self) -> &str {
        &self.shared.card.party
    }

    /// Its address of record.
    pub fn aor(&self) -> &str {
        &self.shared.card.aor
    }

    /// Its Contact URI.
    pub fn contact(&self) -> &str {
        &self.shared.card.contact
    }

    /// sent-by of its Via.
    pub fn sent_by(&self) -> &str {
        &self.shared.card.sent_by
    }

    /// The lab's transcript.
    pub fn transcript(&self) -> &Transcript {
        &self.shared.transcript
    }

    /// How long the waits that follow may take.
    pub fn set_patience(&self, patience: Duration) {
        *lock(&self.shared.patience) = patience;
    }

    fn patience(&self) -> Duration {
        *lock(&self.shared.patience)
    }

    /// The live connections, oldest first.
    pub fn wires(&self) -> Vec<Wire> {
        lock(&self.shared.wires)
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
            end: self.party().to_owned(),
            transcript: self.shared.transcript.to_string(),
        })
    }

    /// A request outside of a dialog (RFC 3261 §8.1.1), From this end's address of record.
    pub fn request(&self, method: &str, uri: &str) -> Draft<'_> {
        let card = &self.shared.card;
        let mut m = SipMessage::request(method, uri);
        m.push("Via", &self.via(&fresh::branch()));
        m.push("Max-Forwards", "70");
        m.push("From", &format!("<{}>;tag={}", card.aor, fresh::token()));
        m.push("To", &format!("<{uri}>"));
        m.push("Call-ID", &format!("{}@{}", fresh::token(), card.party));
        m.push("CSeq", &format!("1 {method}"));
        self.draft(m)
    }

    /// An INVITE with a small session description.
    pub fn invite(&self, uri: &str) -> Draft<'_> {
        self.request("INVITE", uri).with_contact().sdp()
    }

    /// A MESSAGE (RFC 3428).
    pub fn message(&self, uri: &str, text: &str) -> Draft<'_> {
        self.request("MESSAGE", uri)
            .body("text/plain", text.as_bytes())
    }

    /// A REGISTER for this end's address of record, as an RFC 5626 client sends it.
    pub fn register(&self) -> Draft<'_> {
        let card = &self.shared.card;
        let domain = super::message::host_of(&card.aor);
        let contact = format!(
            "<{}>;+sip.instance=\"<urn:uuid:{}>\";reg-id=1;expires=3600",
            card.contact,
            uuid_of(&card.aor)
        );
        self.request("REGISTER", &format!("sip:{domain}"))
            .set("To", &format!("<{}>", card.aor))
            .header("Contact", &contact)
            .header("Supported", "path, outbound")
    }

    /// A request inside a dialog (RFC 3261 §12.2.1.1); counts the dialog's CSeq up.
    pub fn within(&self, dialog: &mut Dialog, method: &str) -> Draft<'_> {
        dialog.cseq = dialog.cseq.saturating_add(1);
        let m = self.in_dialog(dialog, method, dialog.cseq, &fresh::branch());
        self.draft(m)
    }

    fn in_dialog(&self, dialog: &Dialog, method: &str, cseq: u32, branch: &str) -> SipMessage {
        let mut m = SipMessage::request(method, &dialog.target);
        m.push("Via", &self.via(branch));
        m.push("Max-Forwards", "70");
        for route in &dialog.routes {
            m.push("Route", route);
        }
        m.push("From", &dialog.local);
        m.push("To", &dialog.remote);
        m.push("Call-ID", &dialog.call_id);
        m.push("CSeq", &format!("{cseq} {method}"));
        m
    }

    fn via(&self, branch: &str) -> String {
        format!(
            "SIP/2.0/TLS {};rport;branch={branch}",
            self.shared.card.sent_by
        )
    }

    /// A message of the caller's making, sent as it is.
    pub fn draft(&self, message: SipMessage) -> Draft<'_> {
        Draft {
            end: self,
            message,
            wire: None,
        }
    }

    /// Acknowledges a 2xx (RFC 3261 §13.2.2.4) and gives the dialog that it made. The ACK of a refusal goes by itself.
    ///
    /// # Errors
    /// The 2xx makes no dialog, or the connection has ended.
    pub async fn ack(&self, invite: &Sent, ok: &Received) -> Result<Dialog, LabError> {
        let dialog = Dialog::caller(&invite.message, &ok.message)?;
        let number = ok.message.cseq().map_or(dialog.cseq, |(n, _)| n);
        let ack = self.in_dialog(&dialog, "ACK", number, &fresh::branch());
        self.draft(ack).on(&ok.wire).send().await?;
        Ok(dialog)
    }

    /// Ends a dialog (RFC 3261 §15.1.1).
    ///
    /// # Errors
    /// There is no live connection.
    pub async fn bye(&self, dialog: &mut Dialog) -> Result<Sent, LabError> {
        self.within(dialog, "BYE").send().await
    }

    /// Cancels a pending request (RFC 3261 §9.1).
    ///
    /// # Errors
    /// Its connection has ended.
    pub async fn cancel(&self, request: &Sent) -> Result<Sent, LabError> {
        let mut cancel = SipMessage::request("CANCEL", request.message.uri().unwrap_or_default());
        copy_hop(&request.message, &mut cancel, "CANCEL");
        self.draft(cancel).on(&request.wire).send().await
    }

    /// Answers a request on the connection that it came on. A 2xx to an INVITE carries Contact and a session
    /// description.
    ///
    /// # Errors
    /// That connection has ended.
    pub async fn reply(&self, request: &Received, status: u16) -> Result<SipMessage, LabError> {
        self.answering(request, status)
            .send()
            .await
            .map(|s| s.message)
    }

    /// As [`Self::reply`], to be changed before it is sent.
    pub fn answering(&self, request: &Received, status: u16) -> Draft<'_> {
        // One tag for all answers of this end to one request (RFC 3261 §8.2.6.2).
        let tag = fresh::derived(&format!(
            "{} {} {}",
            self.party(),
            request.message.call_id(),
            request.message.from_tag().unwrap_or_default()
        ));
        let draft = self
            .draft(request.message.answer(status, &tag))
            .on(&request.wire);
        let invite = request.message.method() == Some("INVITE");
        match status {
            200..300 if invite => draft.with_contact().sdp(),
            101..200 if invite => draft.with_contact(),
            _ => draft,
        }
    }

    /// Answers 200 to an INVITE and gives the dialog on this side.
    ///
    /// # Errors
    /// The connection has ended, or the INVITE makes no dialog.
    pub async fn accept(&self, invite: &Received) -> Result<Dialog, LabError> {
        let answer = self.reply(invite, 200).await?;
        Dialog::callee(&invite.message, &answer)
    }

    /// Waits for a request of this method.
    ///
    /// # Errors
    /// None comes in time.
    pub async fn expect(&self, method: &str) -> Result<Received, LabError> {
        self.expect_where(method, |m| m.method() == Some(method))
            .await
    }

    /// Waits for a message that `wanted` accepts; others stay in the inbox.
    ///
    /// # Errors
    /// None comes in time; the error calls it `awaited`.
    pub async fn expect_where(
        &self,
        awaited: &str,
        wanted: impl Fn(&SipMessage) -> bool,
    ) -> Result<Received, LabError> {
        self.take(awaited, |r| wanted(&r.message)).await
    }

    /// Waits for a response with this status, whatever request it answers.
    ///
    /// # Errors
    /// None comes in time, or another final one comes first.
    pub async fn expect_status(&self, status: u16) -> Result<Received, LabError> {
        let got = self
            .take(&format!("a {status}"), |r| {
                r.message.status().is_some_and(|s| s == status || s >= 200)
            })
            .await?;
        self.must_be(got, status)
    }

    /// Waits for this status in answer to one request.
    ///
    /// # Errors
    /// None comes in time, or another final one comes first.
    pub async fn answer(&self, request: &Sent, status: u16) -> Result<Received, LabError> {
        let branch = request.message.branch();
        let method = request.message.method().unwrap_or_default();
        let got = self
            .take(&format!("a {status} to {method}"), |r| {
                r.message.status().is_some_and(|s| s == status || s >= 200)
                    && r.message.branch() == branch
                    && r.message.cseq().is_some_and(|(_, m)| m == method)
            })
            .await?;
        self.must_be(got, status)
    }

    /// Waits for whatever final answer one request gets.
    ///
    /// # Errors
    /// None comes in time.
    pub async fn final_answer(&self, request: &Sent) -> Result<Received, LabError> {
        let branch = request.message.branch();
        let method = request.message.method().unwrap_or_default();
        self.take(&format!("a final answer to {method}"), |r| {
            r.message.status().is_some_and(|s| s >= 200)
                && r.message.branch() == branch
                && r.message.cseq().is_some_and(|(_, m)| m == method)
        })
        .await
    }

    /// Messages of the inbox that nobody has taken yet.
    pub fn untaken(&self) -> Vec<Received> {
        lock(&self.shared.inbox).iter().cloned().collect()
    }

    /// Forgets what nobody has taken.
    pub fn clear(&self) {
        lock(&self.shared.inbox).clear();
    }

    fn must_be(&self, got: Received, status: u16) -> Result<Received, LabError> {
        if got.message.status() == Some(status) {
            return Ok(got);
        }
        let reason = got
            .message
            .header("warning")
            .or_else(|| got.message.header("reason"))
            .unwrap_or("no Warning");
        Err(LabError::Unexpected {
            end: self.party().to_owned(),
            awaited: format!("a {status}"),
            got: format!("{} ({reason})", got.message.start),
            transcript: self.shared.transcript.to_string(),
        })
    }

    /// The first message that fits, now or within the patience.
    pub(super) async fn take(
        &self,
        awaited: &str,
        wanted: impl Fn(&Received) -> bool,
    ) -> Result<Received, LabError> {
        let patience = self.patience();
        tokio::time::timeout(patience, self.first_where(wanted))
            .await
            .map_err(|_| LabError::Timeout {
                end: self.party().to_owned(),
                awaited: awaited.to_owned(),
                seconds: patience.as_secs(),
                transcript: self.shared.transcript.to_string(),
            })
    }

    /// The next message, however long it takes.
    pub(super) async fn next(&self) -> Received {
        self.first_where(|_| true).await
    }

    async fn first_where(&self, wanted: impl Fn(&Received) -> bool) -> Received {
        loop {
            let arrived = self.shared.arrived.notified();
            tokio::pin!(arrived);
            // Registered before the look, so that nothing can slip in between.
            arrived.as_mut().enable();
            let found = {
                let mut inbox = lock(&self.shared.inbox);
                let at = inbox.iter().position(&wanted);
                at.and_then(|at| inbox.remove(at))
            };
            match found {
                Some(received) => return received,
                None => arrived.await,
            }
        }
    }

    pub(super) async fn put(&self, message: &SipMessage, wire: &Wire) -> Result<(), LabError> {
        if message.method() == Some("INVITE")
            && let Some(branch) = message.branch()
        {
            lock(&self.shared.invites).insert(branch, message.clone());
        }
        self.forward(message, wire).await
    }

    /// As a proxy sends: no transaction of this end's own.
    pub(super) async fn forward(&self, message: &SipMessage, wire: &Wire) -> Result<(), LabError> {
        self.shared
            .transcript
            .message(&self.shared.card.party, EDGE, message);
        wire.send_raw(&message.to_bytes()).await
    }
}

/// A message before it is sent.
#[must_use = "a draft is sent by send()"]
pub struct Draft<'e> {
    end: &'e End,
    message: SipMessage,
    wire: Option<Wire>,
}

impl Draft<'_> {
    /// Adds a line below all others.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.message.push(name, value);
        self
    }

    /// Replaces every line of this name.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.message.set(name, value);
        self
    }

    /// Removes every line of this name.
    pub fn without(mut self, name: &str) -> Self {
        self.message.remove(name);
        self
    }

    /// From another address than this end's, with a tag.
    pub fn from(self, uri: &str) -> Self {
        let value = format!("<{uri}>;tag={}", fresh::token());
        self.set("From", &value)
    }

    /// Another Request-URI, everything else as it is.
    pub fn to_uri(mut self, uri: &str) -> Self {
        self.message.set_uri(uri);
        self
    }

    /// This end's Contact.
    pub fn with_contact(self) -> Self {
        let value = format!("<{}>", self.end.contact());
        self.set("Contact", &value)
    }

    /// A body of this type.
    pub fn body(mut self, content_type: &str, body: &[u8]) -> Self {
        self.message.body = body.to_vec();
        self.set("Content-Type", content_type)
    }

    fn sdp(self) -> Self {
        let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n";
        self.body("application/sdp", sdp.as_bytes())
    }

    /// Send it on this connection.
    pub fn on(mut self, wire: &Wire) -> Self {
        self.wire = Some(wire.clone());
        self
    }

    /// The message without sending it.
    pub fn build(self) -> SipMessage {
        self.message
    }

    /// Sends it, on the newest live connection unless [`Self::on`] named one.
    ///
    /// # Errors
    /// There is no live connection.
    pub async fn send(self) -> Result<Sent, LabError> {
        let wire = match self.wire {
            Some(wire) => wire,
            None => self.end.wire()?,
        };
        self.end.put(&self.message, &wire).await?;
        Ok(Sent {
            message: self.message,
            wire,
        })
    }
}

/// What CANCEL and the ACK of a refusal have in common with their INVITE (RFC 3261 §9.1, §17.1.1.3).
fn copy_hop(request: &SipMessage, hop: &mut SipMessage, method: &str) {
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

fn uuid_of(aor: &str) -> String {
    let digits = fresh::derived(aor);
    let (left, right) = digits.split_at_checked(8).unwrap_or((&digits, ""));
    format!("{left}-0000-4000-8000-0000{right}")
}
