//! One call from its INVITE to its BYE, entered into the ledger whatever becomes of it.
use super::ledger::{Failed, Ledger, Party};
use super::phone::Phone;
use super::server;
use sipward_lab::site::HOME;
use sipward_lab::{Client, Dialog, SipMessage};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How long a caller waits for a connection of its phone.
const CONNECTED: Duration = Duration::from_secs(30);
/// How long a final answer may take: 64 times T1 (RFC 3261 §17.1.2.2), and a little. An INVITE is cancelled then.
const TRANSACTION: Duration = Duration::from_secs(40);
/// How long an answer is waited for on another connection than its request's, before the request is repeated.
const ELSEWHERE: Duration = Duration::from_secs(5);
/// How long the last ACK may take to arrive.
const ACK: Duration = Duration::from_secs(5);

/// Who is called.
#[derive(Clone)]
pub(crate) enum Callee {
    Phone(Arc<Phone>),
    /// A partner's server, by its number, under this domain.
    Partner(usize, String),
}

/// How a call ends that is not answered and hung up.
struct Failure {
    refused: Option<String>,
    why: String,
}

impl Failure {
    fn lost(why: &str) -> Self {
        Self {
            refused: None,
            why: why.to_owned(),
        }
    }
}

/// One call.
pub(crate) struct Call {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) caller: Arc<Phone>,
    pub(crate) callee: Callee,
    /// From its ACK to its BYE.
    pub(crate) hold: Duration,
    /// Whether the callee hangs up, if it is a phone.
    pub(crate) callee_hangs_up: bool,
    /// The home servers, one of which it runs through.
    pub(crate) members: Arc<Vec<server::Party>>,
}

/// What is known of it as it goes on.
struct Course {
    id: String,
    step: &'static str,
    from: Duration,
    up: Option<Duration>,
    parties: Vec<Party>,
    messages: Vec<String>,
}

impl Call {
    /// Runs it and enters how it ended.
    pub(crate) async fn run(self) {
        self.ledger.counts.offered.fetch_add(1, Relaxed);
        let mut course = Course {
            id: String::new(),
            step: "connect",
            from: self.ledger.now(),
            up: None,
            // Any of them may be chosen.
            parties: self.parties((0..self.members.len()).map(Party::Member)),
            messages: Vec::new(),
        };
        let outcome = self.steps(&mut course).await;
        let callee = match &self.callee {
            Callee::Phone(callee) => Some(callee),
            Callee::Partner(..) => None,
        };
        for phone in callee.into_iter().chain([&self.caller]) {
            let of_phone = phone.forget_call(&course.id);
            course
                .messages
                .extend(of_phone.into_iter().flat_map(|it| it.messages));
        }
        match outcome {
            Ok(()) => self.ledger.done(&course.id),
            Err(failure) => {
                let mut messages = course.messages;
                messages.sort_by(|one, other| at(one).total_cmp(&at(other)));
                self.ledger.failed(Failed {
                    call: course.id,
                    step: course.step,
                    refused: failure.refused,
                    why: failure.why,
                    from: course.from,
                    to: self.ledger.now(),
                    up: course.up,
                    parties: course.parties,
                    messages,
                });
            }
        }
    }

    fn begins(&self, course: &mut Course, step: &'static str) {
        course.step = step;
        course.from = self.ledger.now();
    }

    async fn steps(&self, course: &mut Course) -> Result<(), Failure> {
        let ready = self.caller.ready(CONNECTED).await;
        let client = ready.ok_or_else(|| Failure::lost("the caller has no connection"))?;
        let uri = match &self.callee {
            Callee::Phone(phone) => format!("sip:{}@{HOME}", phone.user),
            Callee::Partner(_, domain) => format!("sip:carol@{domain}"),
        };
        let invite = client.invite(&uri).build();
        invite.call_id().clone_into(&mut course.id);
        self.caller.makes_call(&course.id);
        self.begins(course, "INVITE");
        let ok = self.ask(&self.caller, course, &invite, client).await?;
        let incomplete = |_| Failure::lost("the 200 makes no dialog");
        let dialog = Dialog::caller(&invite, &ok).map_err(incomplete)?;
        course.parties = self.parties(self.passed(&dialog.routes));
        self.begins(course, "ACK");
        let ready = self.caller.ready(CONNECTED).await;
        let client = ready.ok_or_else(|| Failure::lost("the caller has no connection"))?;
        let ack = acknowledgement(&client, &dialog);
        course.messages.push(self.line(&self.caller, ">", &ack));
        // A connection that ends now takes it along: the callee's side shows whether it has come.
        let _ = client.draft(ack).send().await;
        course.up = Some(self.ledger.now());
        self.ledger.is_up(&course.id, &course.parties);
        tokio::time::sleep(self.hold).await;
        self.acknowledged(course).await?;
        self.begins(course, "BYE");
        match &self.callee {
            Callee::Phone(callee) if self.callee_hangs_up => {
                let dialog = callee.look(&course.id, |it| it.dialog.clone()).flatten();
                let dialog = dialog.ok_or_else(|| Failure::lost("the callee has no dialog"))?;
                // An INVITE that goes to a second member, since the connection with the first has ended, may come to the callee
                // by both (RFC 3261 §16.9). Its route is that of the first to come, and the caller's that of the other's 200.
                for party in self.passed(&dialog.routes) {
                    if !course.parties.contains(&party) {
                        course.parties.push(party);
                    }
                }
                self.hangs_up(callee, course, dialog).await?;
                arrived(&self.caller, course)
            }
            Callee::Phone(callee) => {
                self.hangs_up(&self.caller, course, dialog).await?;
                arrived(callee, course)
            }
            Callee::Partner(..) => self.hangs_up(&self.caller, course, dialog).await,
        }
    }

    /// Whom it may need: these members, the node, and the partner that is called.
    fn parties(&self, members: impl IntoIterator<Item = Party>) -> Vec<Party> {
        let mut parties: Vec<Party> = members.into_iter().collect();
        parties.push(Party::Node);
        if let Callee::Partner(number, _) = &self.callee {
            parties.push(Party::Partner(*number));
        }
        parties
    }

    /// The members that a dialog's route names.
    fn passed(&self, routes: &[String]) -> Vec<Party> {
        let names = |fqdn: &str| routes.iter().any(|route| route.contains(fqdn));
        let members = self.members.iter().enumerate();
        members
            .filter(|(_, member)| names(&member.fqdn))
            .map(|(number, _)| Party::Member(number))
            .collect()
    }

    /// The callee, if it is a phone, has its ACK.
    async fn acknowledged(&self, course: &Course) -> Result<(), Failure> {
        let Callee::Phone(callee) = &self.callee else {
            return Ok(());
        };
        let end = super::now() + ACK;
        while !callee
            .look(&course.id, |it| it.acknowledged)
            .unwrap_or(false)
        {
            if super::now() > end {
                return Err(Failure::lost("the ACK has not come"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn hangs_up(
        &self,
        phone: &Arc<Phone>,
        course: &mut Course,
        mut dialog: Dialog,
    ) -> Result<(), Failure> {
        let ready = phone.ready(CONNECTED).await;
        let client = ready.ok_or_else(|| Failure::lost("who hangs up has no connection"))?;
        let bye = client.within(&mut dialog, "BYE").build();
        self.ask(phone, course, &bye, client).await.map(drop)
    }

    fn line(&self, phone: &Phone, way: &str, message: &SipMessage) -> String {
        let at = self.ledger.now().as_secs_f64();
        let cseq = message.header("cseq").unwrap_or_default();
        let warning = message.header("warning").unwrap_or_default();
        format!(
            "{at:.3} {} {way} {} ({cseq}) {warning}",
            phone.user, message.start
        )
    }

    /// Sends a request and waits for its 200; any other final answer is a refusal.
    async fn ask(
        &self,
        phone: &Arc<Phone>,
        course: &mut Course,
        request: &SipMessage,
        client: Arc<Client>,
    ) -> Result<SipMessage, Failure> {
        self.ledger.counts.requests.fetch_add(1, Relaxed);
        let answer = self.exchange(phone, course, request, client).await;
        phone.forget_later(request);
        let answer = answer?;
        self.ledger.counts.finals.fetch_add(1, Relaxed);
        if answer.status() == Some(200) {
            return Ok(answer);
        }
        let reason = answer.header("warning").or(answer.header("reason"));
        let status = answer.status().unwrap_or_default();
        let reason = reason.map_or("without a reason", said);
        Err(Failure {
            refused: Some(format!("{status} {reason}")),
            why: "refused".to_owned(),
        })
    }

    /// Until its final answer, on another connection if this one closes before it comes.
    async fn exchange(
        &self,
        phone: &Arc<Phone>,
        course: &mut Course,
        request: &SipMessage,
        mut client: Arc<Client>,
    ) -> Result<SipMessage, Failure> {
        let mut answers = phone.expect(request);
        let counts = &self.ledger.counts;
        loop {
            course.messages.push(self.line(phone, ">", request));
            let sent = client.draft(request.clone()).send().await;
            let mut end = tokio::time::Instant::from_std(super::now() + TRANSACTION);
            let mut cancelled = false;
            let mut is_live = sent.is_ok();
            loop {
                let answer = tokio::select! {
                    biased;
                    answer = answers.recv() => answer,
                    _ = client.wire().ended(super::FOREVER), if is_live => {
                        is_live = false;
                        end = tokio::time::Instant::from_std(super::now() + ELSEWHERE);
                        continue;
                    }
                    () = tokio::time::sleep_until(end) => None,
                };
                match answer {
                    Some(answer) => {
                        course.messages.push(self.line(phone, "<", &answer));
                        if answer.status() < Some(200) {
                            continue;
                        }
                        if !is_live {
                            counts.elsewhere.fetch_add(1, Relaxed);
                        }
                        return Ok(answer);
                    }
                    None if !is_live => break,
                    // Its user has no more patience; the answer must come all the same.
                    None if request.method() == Some("INVITE") && !cancelled => {
                        cancelled = true;
                        end = tokio::time::Instant::from_std(super::now() + TRANSACTION);
                        course.messages.push("(cancelled)".to_owned());
                        if let Ok(sent) = sent.as_ref() {
                            let _ = client.cancel(sent).await;
                        }
                    }
                    // No proxy answers 408 to anything but an INVITE (RFC 4320 §4.2): its user agent gives up by itself.
                    None if request.method() != Some("INVITE") => {
                        return Err(Failure::lost("no final answer in 64 times T1"));
                    }
                    None => {
                        let (line, id) = (self.line(phone, ">", request), &course.id);
                        self.ledger
                            .wrong(format!("no final answer: {line} in call {id}"));
                        return Err(Failure::lost("no final answer on a live connection"));
                    }
                }
            }
            let ready = phone.ready(CONNECTED).await;
            let Some(next) = ready else {
                counts.closed.fetch_add(1, Relaxed);
                return Err(Failure::lost("the connection ended, and no other came"));
            };
            client = next;
            phone.repeated(request);
            counts.repeated.fetch_add(1, Relaxed);
        }
    }
}

/// The ACK of a 200 (RFC 3261 §13.2.2.4).
fn acknowledgement(client: &Client, dialog: &Dialog) -> SipMessage {
    let mut shown = Dialog {
        cseq: dialog.cseq.saturating_sub(1),
        ..dialog.clone()
    };
    client.within(&mut shown, "ACK").build()
}

/// The BYE has come to whom it was for.
fn arrived(phone: &Phone, course: &Course) -> Result<(), Failure> {
    match phone.look(&course.id, |it| it.hung_up) {
        Some(true) => Ok(()),
        _ => Err(Failure::lost("the BYE was answered by somebody else")),
    }
}

/// The text of a Warning or Reason.
fn said(value: &str) -> &str {
    value.split('"').nth(1).unwrap_or(value)
}

/// When a line was written.
fn at(line: &str) -> f64 {
    let time = line.split(' ').next().and_then(|time| time.parse().ok());
    time.unwrap_or(0.0)
}
