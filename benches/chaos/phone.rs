//! A phone that comes back: one connection at a time, registered, with any number of calls on it.
use super::Outcome;
use super::ledger::Ledger;
use sipward_lab::site::HOME;
use sipward_lab::{Client, Dialog, EdgeTarget, Received, SipMessage, Transcript};
use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How long a connect, or a REGISTER, may take before it is tried anew.
const CONNECT: Duration = Duration::from_secs(10);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);
/// Answers of one request that wait to be looked at.
const ANSWERS: usize = 16;
/// How long it rings.
const RINGS: Duration = Duration::from_millis(50);

/// A request that waits for its answers.
struct Waiting {
    answers: mpsc::Sender<SipMessage>,
    /// How often it was sent, and how many final answers have come.
    sent: u32,
    finals: u32,
}

/// A call that came to this phone, or that it has made.
#[derive(Default)]
pub(crate) struct Incoming {
    /// `None` while it rings.
    pub(crate) dialog: Option<Dialog>,
    pub(crate) acknowledged: bool,
    pub(crate) hung_up: bool,
    cancelled: bool,
    /// What came and went, for the ledger.
    pub(crate) messages: Vec<String>,
}

/// A phone.
pub(crate) struct Phone {
    pub(crate) user: String,
    face: EdgeTarget,
    pub(crate) ledger: Arc<Ledger>,
    /// `None` while it has none that is registered.
    connection: watch::Sender<Option<Arc<Client>>>,
    /// By branch and method.
    waiting: Mutex<HashMap<String, Waiting>>,
    incoming: Mutex<HashMap<String, Incoming>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What answers are found by (RFC 3261 §17.1.3).
fn key(message: &SipMessage) -> String {
    let method = message.cseq().map(|(_, method)| method).unwrap_or_default();
    format!("{} {method}", message.branch().unwrap_or_default())
}

impl Phone {
    /// A phone that is not there yet.
    pub(crate) fn new(user: String, face: &EdgeTarget, ledger: &Arc<Ledger>) -> Arc<Self> {
        Arc::new(Self {
            user,
            face: face.clone(),
            ledger: Arc::clone(ledger),
            connection: watch::Sender::new(None),
            waiting: Mutex::default(),
            incoming: Mutex::default(),
        })
    }

    /// Comes back as often as it has to.
    pub(crate) async fn live(self: Arc<Self>) {
        while !self.ledger.is_closed() {
            // Whatever ended it, it comes again.
            let _ = self.session().await;
            self.connection.send_replace(None);
            tokio::time::sleep(PAUSE).await;
            self.ledger.counts.reconnects.fetch_add(1, Relaxed);
        }
    }

    /// From a connect to the end of the connection.
    async fn session(self: &Arc<Self>) -> Outcome<()> {
        let face = EdgeTarget {
            // What counts is written down by the calls.
            transcript: Transcript::blank(),
            ..self.face.clone()
        };
        let aor = format!("sip:{}@{HOME}", self.user);
        let connecting = Client::connect(&face, &self.user, &aor);
        let client = Arc::new(tokio::time::timeout(CONNECT, connecting).await??);
        client.set_patience(super::FOREVER);
        let registering = async {
            loop {
                if self.register(&client).await? {
                    self.connection.send_replace(Some(Arc::clone(&client)));
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = self.read(&client) => Ok(()),
            ended = registering => ended,
        }
    }

    /// Whether the registrar has granted it.
    async fn register(&self, client: &Client) -> Outcome<bool> {
        let message = client.register().build();
        let mut answers = self.expect(&message);
        let sent = client.draft(message.clone()).send().await;
        let granted = async {
            while let Some(answer) = answers.recv().await {
                if answer.status() >= Some(200) {
                    return answer.status() == Some(200);
                }
            }
            false
        };
        // Silence is another phone's reason to try again, too.
        let granted = tokio::time::timeout(CONNECT, granted).await;
        self.forget(&key(&message));
        sent?;
        Ok(granted.unwrap_or(false))
    }

    /// Reads until the connection has ended and nothing is left of it.
    async fn read(self: &Arc<Self>, client: &Arc<Client>) {
        loop {
            tokio::select! {
                biased;
                got = client.expect_where("anything", |_| true) => match got {
                    Ok(got) => self.take(client, got).await,
                    Err(_) => return,
                },
                _ = client.wire().ended(super::FOREVER) => return,
            }
        }
    }

    async fn take(self: &Arc<Self>, client: &Arc<Client>, got: Received) {
        let call = got.message.call_id().to_owned();
        match got.message.method() {
            None => self.answered(got.message),
            Some("INVITE") => {
                let known = {
                    let mut incoming = lock(&self.incoming);
                    let known = incoming.contains_key(&call);
                    let new = incoming.entry(call).or_default();
                    new.messages.push(self.line("<", &got.message));
                    known
                };
                let (phone, client) = (Arc::clone(self), Arc::clone(client));
                tokio::spawn(async move {
                    // One that was repeated is answered again, as by a user agent that knows the call.
                    if !known {
                        phone.reply(&client, &got, 180).await;
                        tokio::time::sleep(RINGS).await;
                    }
                    phone.accept(&client, &got).await;
                });
            }
            Some("ACK") => {
                self.note(&got.message, "<", |it| it.acknowledged = true);
            }
            Some("BYE") => {
                let known = self.note(&got.message, "<", |it| it.hung_up = true);
                self.reply(client, &got, if known { 200 } else { 481 })
                    .await;
            }
            Some("CANCEL") => {
                self.note(&got.message, "<", |it| it.cancelled = true);
                self.reply(client, &got, 200).await;
            }
            Some(_) => self.reply(client, &got, 200).await,
        }
    }

    /// Picks up, or not if the caller has left.
    async fn accept(&self, client: &Client, invite: &Received) {
        let call = invite.message.call_id();
        let cancelled = lock(&self.incoming).get(call).is_none_or(|it| it.cancelled);
        if cancelled {
            return self.reply(client, invite, 487).await;
        }
        let answer = client.answering(invite, 200).build();
        // Kept before it is sent: the ACK may be there at once.
        if let Ok(mut dialog) = Dialog::callee(&invite.message, &answer) {
            // This side's numbers are its own.
            dialog.cseq = 100;
            if let Some(it) = lock(&self.incoming).get_mut(call) {
                it.dialog.get_or_insert(dialog);
            }
        }
        self.reply(client, invite, 200).await;
    }

    /// Answers on the connection that the phone has now (RFC 3261 §18.2.2).
    async fn reply(&self, client: &Client, request: &Received, status: u16) {
        let draft = client.answering(request, status);
        let newest = self.connection.borrow().clone();
        let draft = match newest {
            Some(newest) if !request.wire.is_live() => draft.on(newest.wire()),
            _ => draft,
        };
        if let Ok(sent) = draft.send().await {
            self.note(&sent.message, ">", |_| {});
        }
    }

    fn line(&self, way: &str, message: &SipMessage) -> String {
        let at = self.ledger.now().as_secs_f64();
        let cseq = message.header("cseq").unwrap_or_default();
        let warning = message.header("warning").unwrap_or_default();
        let (user, start) = (&self.user, &message.start);
        format!("{at:.3} {user} {way} {start} ({cseq}) {warning}")
    }

    /// Writes a message into its call, and changes that; false if there is no such call.
    fn note(&self, message: &SipMessage, way: &str, change: impl FnOnce(&mut Incoming)) -> bool {
        let line = self.line(way, message);
        let mut incoming = lock(&self.incoming);
        let Some(call) = incoming.get_mut(message.call_id()) else {
            return false;
        };
        call.messages.push(line);
        change(call);
        true
    }

    /// A call that this phone makes: its other side may hang up.
    pub(crate) fn makes_call(&self, call: &str) {
        let made = Incoming {
            acknowledged: true,
            ..Incoming::default()
        };
        lock(&self.incoming).insert(call.to_owned(), made);
    }

    /// What this phone knows of a call that came to it or that it has made; afterwards it knows nothing.
    pub(crate) fn forget_call(&self, call: &str) -> Option<Incoming> {
        lock(&self.incoming).remove(call)
    }

    /// Looks at a call that came to this phone.
    pub(crate) fn look<T>(&self, call: &str, look: impl FnOnce(&mut Incoming) -> T) -> Option<T> {
        lock(&self.incoming).get_mut(call).map(look)
    }

    /// Hands an answer to who waits for it.
    fn answered(&self, answer: SipMessage) {
        let is_final = answer.status() >= Some(200);
        let mut waiting = lock(&self.waiting);
        // Nobody waits: the request's time is over. The call has been entered as lost then.
        let Some(request) = waiting.get_mut(&key(&answer)) else {
            return;
        };
        if is_final {
            request.finals += 1;
            if request.finals > request.sent {
                let (finals, sent) = (request.finals, request.sent);
                let line = self.line("<", &answer);
                let call = answer.call_id();
                self.ledger.wrong(format!(
                    "final answer {finals} of a request that was sent {sent} times: {line} in call {call}"
                ));
            }
        }
        // Full of provisional answers: as if they were lost.
        let _ = request.answers.try_send(answer);
    }

    /// From now on answers to this request are waited for.
    pub(crate) fn expect(&self, request: &SipMessage) -> mpsc::Receiver<SipMessage> {
        let (answers, taken) = mpsc::channel(ANSWERS);
        let waiting = Waiting {
            answers,
            sent: 1,
            finals: 0,
        };
        lock(&self.waiting).insert(key(request), waiting);
        taken
    }

    /// It was sent once more.
    pub(crate) fn repeated(&self, request: &SipMessage) {
        if let Some(waiting) = lock(&self.waiting).get_mut(&key(request)) {
            waiting.sent += 1;
        }
    }

    /// Its answers are no longer waited for.
    fn forget(&self, key: &str) {
        lock(&self.waiting).remove(key);
    }

    /// The same after a time in which a second final answer would have come.
    pub(crate) fn forget_later(self: &Arc<Self>, request: &SipMessage) {
        let (phone, key) = (Arc::clone(self), key(request));
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            phone.forget(&key);
        });
    }

    /// Its registered connection, as soon as it has one.
    pub(crate) async fn ready(&self, patience: Duration) -> Option<Arc<Client>> {
        let mut connection = self.connection.subscribe();
        let found = connection.wait_for(|it| it.as_ref().is_some_and(|it| it.wire().is_live()));
        let found = tokio::time::timeout(patience, found).await.ok()?.ok()?;
        found.clone()
    }

    /// Whether it has one now.
    pub(crate) fn is_ready(&self) -> bool {
        let connection = self.connection.borrow();
        connection.as_ref().is_some_and(|it| it.wire().is_live())
    }
}
