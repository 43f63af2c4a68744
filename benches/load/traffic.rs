//! Clients that send requests or keep-alives over one connection each: fixed octets with a number patched in, answers
//! found by that number, so that the load costs less than what it measures.
use super::Outcome;
use super::tls::Dialler;
use hdrhistogram::Histogram;
use memchr::memmem;
use sipward_lab::site::HOME;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio_rustls::client::TlsStream;

/// Ten digits, so that the number can be patched in place.
const BLANK: &str = "##########";
/// In the branch, before the number.
const MARK: &[u8] = b";branch=z9hG4bK-bench-";
/// A short text.
const BODY: &[u8] = b"The quick brown fox jumps over the lazy dog; sixty-four octets..";
/// Of [`Scenario::Mixed`].
const TEXTS_A_CALL: u64 = 3;
/// How long answers may still come when a phase has ended.
const GRACE: Duration = Duration::from_secs(5);
/// A send that is late by no more than this is timed from when it left, a later one from when it was due. Tokio's timer counts
/// milliseconds and rounds up, so that a client is up to 2 ms late at each of its sends: a bound there would show the
/// timer as the latency of whatever program is measured, in one start and not in the next.
const TIMER: Duration = Duration::from_millis(5);

/// What a client sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scenario {
    /// MESSAGE and its 200.
    Message,
    /// REGISTER and its 200.
    Register,
    /// INVITE 180 200 ACK BYE 200.
    Call,
    /// INVITE 180 200 ACK: a call that stays.
    Hold,
    /// UPDATE and its 200 in one of the calls that stay, in a round.
    Update,
    /// Three MESSAGE and a call in turn.
    Mixed,
    /// CRLF CRLF and its CRLF (RFC 5626 §4.4.1).
    KeepAlive,
}

/// When a client sends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// So many a second over all clients, whatever comes back.
    Open { rate: f64 },
    /// So many unanswered over all clients.
    Closed { outstanding: usize },
    /// As `Closed`, and each client ends after so many: what is counted then does not depend on the clock.
    Counted { outstanding: usize, each: u64 },
    /// So many at once over all clients, then as many when all are answered, until each client has sent so many: how many
    /// messages share a read then does not depend on who was late once.
    Rounds { together: usize, each: u64 },
}

impl Pace {
    /// Requests that are kept unanswered; `None` where the clock sends.
    fn outstanding(self) -> Option<usize> {
        match self {
            Self::Open { .. } => None,
            Self::Closed { outstanding }
            | Self::Counted { outstanding, .. }
            | Self::Rounds {
                together: outstanding,
                ..
            } => Some(outstanding),
        }
    }

    /// Requests that one client sends at most in a phase.
    fn most(self) -> u64 {
        match self {
            Self::Open { .. } | Self::Closed { .. } => u64::MAX,
            Self::Counted { each, .. } | Self::Rounds { each, .. } => each,
        }
    }

    /// How many requests follow when so many have been answered, while `waiting` still wait.
    fn next(self, finished: usize, waiting: u64, clients: usize) -> usize {
        match self {
            Self::Open { .. } => 0,
            Self::Closed { .. } | Self::Counted { .. } => finished,
            Self::Rounds { .. } if waiting > 0 => 0,
            Self::Rounds { together, .. } => together.div_ceil(clients.max(1)),
        }
    }
}

/// What a phase has seen.
pub(crate) struct Tally {
    /// Nanoseconds from when a request was due to its final answer.
    pub(crate) latencies: Histogram<u64>,
    /// Final answers other than 200.
    pub(crate) errors: u64,
    /// Sent and never answered.
    pub(crate) lost: u64,
}

/// One client connection between phases.
pub(crate) struct Client {
    stream: TlsStream<TcpStream>,
    number: usize,
    local: SocketAddr,
    /// Count of requests so far: no Call-ID is used twice.
    sent: u64,
    /// The domain of its user.
    domain: String,
    /// Whom it asks, one after the other; without any it asks the home server.
    aims: Vec<Aim>,
    /// Its calls that stay.
    dialogs: Vec<Dialog>,
}

/// Whom a server asks: a registered client, or a user of a partner.
pub(crate) struct Aim {
    /// The client's contact, or the user's address.
    pub(crate) uri: String,
    /// The Path of the client's registration, which is the route to it (RFC 3327 §5.3); empty for a partner's user.
    pub(crate) route: String,
}

/// A call that was answered, as its caller knows it.
struct Dialog {
    /// The number of its INVITE, which is in its Call-ID and its tag.
    number: u64,
    /// The callee's contact.
    uri: Box<[u8]>,
    /// The header lines of its route.
    routes: Box<[u8]>,
}

/// One client connection in a phase.
struct Run {
    scenario: Scenario,
    /// One for each of whom it asks.
    first: Vec<Template>,
    /// What a call among texts begins with.
    invite: Template,
    local: SocketAddr,
    number: usize,
    domain: String,
    dialogs: Vec<Dialog>,
    first_sent: u64,
    sent: u64,
    /// When each request since `first_sent` was due; `None` once it is answered.
    due: Vec<Option<Instant>>,
    answered: u64,
    /// Octets to write.
    out: Vec<u8>,
    tally: Tally,
}

/// A request with the places of its number.
struct Template {
    octets: Vec<u8>,
    places: Vec<usize>,
}

impl Tally {
    pub(crate) fn new() -> Outcome<Self> {
        Ok(Self {
            latencies: Histogram::new_with_bounds(1_000, 60_000_000_000, 3)?,
            errors: 0,
            lost: 0,
        })
    }
}

impl Client {
    pub(crate) async fn connect(
        dialler: &Dialler,
        address: SocketAddr,
        number: usize,
    ) -> Outcome<Self> {
        let stream = dialler.dial_as(number, address).await?;
        let local = stream.get_ref().0.local_addr()?;
        Ok(Self {
            stream,
            number,
            local,
            sent: 0,
            domain: HOME.to_owned(),
            aims: Vec::new(),
            dialogs: Vec::new(),
        })
    }

    /// It is a server's connection, and asks this one, too.
    pub(crate) fn aim(&mut self, aim: Aim) {
        self.aims.push(aim);
    }

    /// It is a partner's connection: its users are of this domain.
    pub(crate) fn of_domain(&mut self, domain: String) {
        self.domain = domain;
    }

    /// Where it is reached.
    pub(crate) fn contact(&self) -> String {
        format!("sip:client{}@{};transport=tls", self.number, self.local)
    }

    /// Registers, and waits for the answer.
    pub(crate) async fn register(&mut self) -> Outcome<()> {
        let own = [format!("client{}", self.number)];
        self.register_as(&own).await
    }

    /// Registers these users, and waits for all answers.
    pub(crate) async fn register_as(&mut self, users: &[String]) -> Outcome<()> {
        let mut out = Vec::new();
        for user in users {
            Template::request("REGISTER", user, self, None).write(self.sent, &mut out);
            self.sent += 1;
        }
        self.stream.write_all(&out).await?;
        self.stream.flush().await?;
        let (mut answers, mut registered) = (Vec::new(), 0);
        while registered < users.len() {
            if self.stream.read_buf(&mut answers).await? == 0 {
                return Err("closed instead of registered".into());
            }
            while let Some(end) = memmem::find(&answers, b"\r\n\r\n") {
                let answer: Vec<u8> = answers.drain(..end + 4).collect();
                match answer.get(..9) {
                    Some(b"SIP/2.0 1") => {}
                    Some(b"SIP/2.0 2") => registered += 1,
                    _ => return Err(String::from_utf8_lossy(&answer).into_owned().into()),
                }
            }
        }
        Ok(())
    }

    /// Takes each call and each BYE until the connection ends.
    pub(crate) async fn answers_calls(mut self) -> std::io::Result<()> {
        let contact = format!("Contact: <{}>\r\n", self.contact());
        super::home::serve(&mut self.stream, contact.as_bytes(), None).await
    }

    /// One keep-alive and its answer, after which nothing of the handshake waits on either side.
    pub(crate) async fn ping(&mut self) -> Outcome<()> {
        self.stream.write_all(b"\r\n\r\n").await?;
        self.stream.flush().await?;
        let mut pong = [0; 2];
        self.stream.read_exact(&mut pong).await?;
        Ok(())
    }
}

impl Client {
    /// Sends INVITEs that ring and are never answered, and waits until all ring; gives the octets of one.
    pub(crate) async fn hold(&mut self, count: usize) -> Outcome<usize> {
        let mut invite = Template::request("INVITE", "ring", self, None);
        let mut out = Vec::new();
        for _ in 0..count {
            invite.write(self.sent, &mut out);
            self.sent += 1;
        }
        let mut pending = Vec::with_capacity(64 * 1024);
        let (mut reader, mut writer) = tokio::io::split(&mut self.stream);
        let write = async {
            writer.write_all(&out).await?;
            writer.flush().await
        };
        let read = async {
            let mut ringing = 0;
            while ringing < count {
                if reader.read_buf(&mut pending).await? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                while let Some(end) = memmem::find(&pending, b"\r\n\r\n") {
                    let head = pending.get(..end).unwrap_or_default();
                    if head.starts_with(b"SIP/2.0 180") {
                        ringing += 1;
                    } else if !head.starts_with(b"SIP/2.0 1") {
                        return Err(std::io::ErrorKind::InvalidData.into());
                    }
                    pending.drain(..end + 4);
                }
            }
            Ok(())
        };
        tokio::try_join!(write, read)?;
        Ok(invite.octets.len())
    }
}

/// Runs a scenario over all clients and gives them back with what they have seen.
pub(crate) async fn run(
    clients: Vec<Client>,
    scenario: Scenario,
    pace: Pace,
    how_long: Duration,
) -> Outcome<(Vec<Client>, Tally)> {
    let local = LocalSet::new();
    let (count, began) = (clients.len(), super::now());
    let mut tasks = Vec::new();
    for (place, client) in clients.into_iter().enumerate() {
        tasks.push(local.spawn_local(async move {
            phase(client, scenario, pace, (place, count), began, how_long)
                .await
                .map_err(|e| e.to_string())
        }));
    }
    local
        .run_until(async move {
            let (mut back, mut sum) = (Vec::new(), Tally::new()?);
            for task in tasks {
                let (client, tally) = task.await??;
                sum.latencies.add(&tally.latencies)?;
                sum.errors += tally.errors;
                sum.lost += tally.lost;
                back.push(client);
            }
            Ok((back, sum))
        })
        .await
}

async fn phase(
    mut client: Client,
    scenario: Scenario,
    pace: Pace,
    (place, count): (usize, usize),
    began: Instant,
    how_long: Duration,
) -> Outcome<(Client, Tally)> {
    let end = began + how_long;
    let mut run = Run::new(&mut client, scenario)?;
    let mut pending = Vec::with_capacity(64 * 1024);
    // Who sends by the clock begins at a place of its own in the round.
    let period = match pace {
        Pace::Open { rate } => Duration::from_secs_f64(count as f64 / rate),
        Pace::Closed { .. } | Pace::Counted { .. } | Pace::Rounds { .. } => GRACE,
    };
    let mut due = began + period.mul_f64(place as f64 / count.max(1) as f64);
    if let Some(outstanding) = pace.outstanding() {
        for _ in 0..outstanding.div_ceil(count.max(1)) {
            run.send(super::now());
        }
        client.stream.write_all(&run.out).await?;
        client.stream.flush().await?;
        run.out.clear();
    }
    let mut sleep = std::pin::pin!(tokio::time::sleep_until(due.into()));
    loop {
        let open = matches!(pace, Pace::Open { .. }) && due < end;
        let whole = run.answered == run.sent - run.first_sent;
        let last = if whole { end } else { end + GRACE };
        tokio::select! {
            biased;
            () = &mut sleep, if open => {
                let now = super::now();
                while due <= now && due < end {
                    let on_time = now.saturating_duration_since(due) < TIMER;
                    run.send(if on_time { now } else { due });
                    due += period;
                }
                sleep.as_mut().reset(due.into());
            }
            read = client.stream.read_buf(&mut pending) => {
                if read? == 0 {
                    return Err("the program under load has closed a connection".into());
                }
                let now = super::now();
                let finished = run.answers(&mut pending, now);
                if now < end {
                    let waiting = run.sent - run.first_sent - run.answered;
                    for _ in 0..pace.next(finished, waiting, count) {
                        if run.sent - run.first_sent < pace.most() {
                            run.send(now);
                        }
                    }
                }
            }
            () = tokio::time::sleep_until(last.into()), if !open => break,
        }
        if !run.out.is_empty() {
            client.stream.write_all(&run.out).await?;
            client.stream.flush().await?;
            run.out.clear();
        }
        let sent = run.sent - run.first_sent;
        if run.answered == sent && (sent >= pace.most() || super::now() >= end) {
            break;
        }
    }
    run.tally.lost = (run.sent - run.first_sent).saturating_sub(run.answered);
    client.sent = run.sent;
    client.dialogs = run.dialogs;
    Ok((client, run.tally))
}

impl Run {
    fn new(client: &mut Client, scenario: Scenario) -> Outcome<Self> {
        let own = format!("client{}", client.number);
        let requests = |method, user: &str| match client.aims.as_slice() {
            [] => vec![Template::request(method, user, client, None)],
            aims => {
                let each = aims.iter().map(Some);
                each.map(|aim| Template::request(method, user, client, aim))
                    .collect()
            }
        };
        let first = match scenario {
            Scenario::Message | Scenario::Mixed => requests("MESSAGE", "bob"),
            Scenario::Register => vec![Template::request("REGISTER", &own, client, None)],
            Scenario::Call | Scenario::Hold => requests("INVITE", "bob"),
            Scenario::KeepAlive => vec![Template::new(b"\r\n\r\n".to_vec())],
            // Each is written when it is sent.
            Scenario::Update => Vec::new(),
        };
        Ok(Self {
            scenario,
            first,
            invite: Template::request("INVITE", "bob", client, None),
            local: client.local,
            number: client.number,
            domain: client.domain.clone(),
            dialogs: std::mem::take(&mut client.dialogs),
            first_sent: client.sent,
            sent: client.sent,
            due: Vec::new(),
            answered: 0,
            out: Vec::new(),
            tally: Tally::new()?,
        })
    }

    fn send(&mut self, due: Instant) {
        let is_call =
            self.scenario == Scenario::Mixed && self.sent.is_multiple_of(TEXTS_A_CALL + 1);
        let round = |length: usize| self.sent.checked_rem(length as u64).unwrap_or(0) as usize;
        let at = round(self.first.len());
        let template = match is_call {
            true => Some(&mut self.invite),
            false => self.first.get_mut(at),
        };
        if let Some(template) = template {
            template.write(self.sent, &mut self.out);
        } else if let Some(dialog) = self.dialogs.get(round(self.dialogs.len())) {
            let begun = self.in_dialog(dialog, ("UPDATE", 2), self.sent);
            self.out.extend_from_slice(&begun);
        }
        self.sent += 1;
        self.due.push(Some(due));
    }

    /// Takes every whole answer off `pending`; gives how many transactions or calls are over.
    fn answers(&mut self, pending: &mut Vec<u8>, now: Instant) -> usize {
        let (mut done, mut finished) = (0_usize, 0_usize);
        loop {
            let rest = pending.get(done..).unwrap_or_default();
            if rest.starts_with(b"\r\n") {
                done += 2;
                // One CRLF may answer several that were read together.
                while self.scenario == Scenario::KeepAlive && self.over(self.answered, true, now) {
                    finished += 1;
                }
                continue;
            }
            // Every answer ends with its head.
            let Some(end) = memmem::find(rest, b"\r\n\r\n") else {
                break;
            };
            let head = rest.get(..end + 4).unwrap_or_default();
            done += head.len();
            if head.starts_with(b"SIP/2.0 1") {
                continue;
            }
            let ok = head.starts_with(b"SIP/2.0 200");
            let Some(number) = number_of(head) else {
                continue;
            };
            let is_answered = ok && memmem::find(head, b"\nCSeq: 1 INVITE").is_some();
            if is_answered {
                self.acknowledge(number, head);
            }
            if !is_answered || self.scenario == Scenario::Hold {
                finished += usize::from(self.over(number.wrapping_sub(self.first_sent), ok, now));
            }
        }
        pending.drain(..done);
        finished
    }

    /// Enters a final answer.
    fn over(&mut self, index: u64, ok: bool, now: Instant) -> bool {
        let due = usize::try_from(index)
            .ok()
            .and_then(|at| self.due.get_mut(at)?.take());
        let Some(due) = due else {
            return false;
        };
        self.answered += 1;
        self.tally.errors += u64::from(!ok);
        let took = now.saturating_duration_since(due).as_nanos();
        self.tally
            .latencies
            .saturating_record(u64::try_from(took).unwrap_or(u64::MAX));
        true
    }

    /// ACK of a call that was answered, and its BYE unless it stays.
    fn acknowledge(&mut self, number: u64, head: &[u8]) {
        let (mut lines, mut contact) = (Vec::new(), &b"sip:bob@contoso.test"[..]);
        for line in head.split(|octet| *octet == b'\n') {
            if let Some(value) = line.strip_prefix(b"Record-Route: ") {
                lines.push([b"Route: ", value.trim_ascii_end(), b"\r\n"].concat());
            } else if let Some(value) = line.strip_prefix(b"Contact: <") {
                contact = value.split(|octet| *octet == b'>').next().unwrap_or(value);
            }
        }
        lines.reverse();
        let dialog = Dialog {
            number,
            uri: contact.into(),
            routes: lines.concat().into(),
        };
        let ack = self.in_dialog(&dialog, ("ACK", 1), number);
        self.out.extend_from_slice(&ack);
        if self.scenario == Scenario::Hold {
            self.dialogs.push(dialog);
        } else {
            let bye = self.in_dialog(&dialog, ("BYE", 2), number);
            self.out.extend_from_slice(&bye);
        }
    }

    /// A request in a dialog; `number` is in its branch.
    fn in_dialog(&self, dialog: &Dialog, (method, cseq): (&str, u8), number: u64) -> Vec<u8> {
        let (local, client, domain) = (self.local, self.number, &self.domain);
        let begin = format!(
            " SIP/2.0\r\nVia: SIP/2.0/TLS {local};rport;branch=z9hG4bK-bench-{number:010}-{client}-{method}\r\nMax-Forwards: 70\r\n"
        );
        let call = dialog.number;
        let end = format!(
            "From: \"Client {client}\" <sip:client{client}@{domain}>;tag=f{call:010}\r\n\
             To: <sip:bob@contoso.test>;tag=home\r\n\
             Call-ID: bench-{call:010}@client{client}\r\n\
             CSeq: {cseq} {method}\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let method = method.as_bytes();
        let parts = [method, b" ", &dialog.uri, begin.as_bytes(), &dialog.routes];
        [parts.concat().as_slice(), end.as_bytes()].concat()
    }
}

impl Template {
    fn new(octets: Vec<u8>) -> Self {
        let places = memmem::find_iter(&octets, BLANK).collect();
        Self { octets, places }
    }

    /// A request for this user, or about it; to the home server unless it is aimed.
    fn request(method: &str, user: &str, client: &Client, aim: Option<&Aim>) -> Self {
        let (number, local, domain) = (client.number, client.local, &client.domain);
        let (uri, body) = match (method, aim) {
            ("REGISTER", _) => ("sip:contoso.test".to_owned(), &b""[..]),
            (_, Some(aim)) => (aim.uri.clone(), BODY),
            _ => (format!("sip:{user}@contoso.test"), BODY),
        };
        let route = aim.filter(|aim| !aim.route.is_empty());
        let route = route.map_or_else(String::new, |aim| format!("Route: {}\r\n", aim.route));
        let head = format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/TLS {local};rport;branch=z9hG4bK-bench-{BLANK}-{number}\r\n\
             Max-Forwards: 70\r\n\
             {route}\
             From: \"Client {number}\" <sip:client{number}@{domain}>;tag=f{BLANK}\r\n\
             To: <sip:{user}@contoso.test>\r\n\
             Call-ID: bench-{BLANK}@client{number}\r\n\
             CSeq: 1 {method}\r\n\
             User-Agent: sipward-bench\r\n\
             Contact: <sip:client{number}@{local};transport=tls>\r\n\
             Content-Type: text/plain\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        Self::new([head.as_bytes(), body].concat())
    }

    fn write(&mut self, number: u64, out: &mut Vec<u8>) {
        let digits = format!("{number:010}");
        for at in &self.places {
            if let Some(place) = self.octets.get_mut(*at..*at + digits.len()) {
                place.copy_from_slice(digits.as_bytes());
            }
        }
        out.extend_from_slice(&self.octets);
    }
}

fn number_of(head: &[u8]) -> Option<u64> {
    let at = memmem::find(head, MARK)? + MARK.len();
    std::str::from_utf8(head.get(at..at + BLANK.len())?)
        .ok()?
        .parse()
        .ok()
}
