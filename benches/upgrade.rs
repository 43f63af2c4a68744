//! Upgrades under calls, with a ledger: no connect refused, no call lost, and one final answer for every request.
//!
//! `cargo bench --bench upgrade -- [--upgrades 20] [--pairs 100] [--handover 5s] [--hold 4000] [--probe 5] [--threads 2] [--keep DIR]`
//!
//! Pairs of phones call each other through the node and a home server, one call after the other. They come back when their
//! connection is closed, register, and go on with the call that they are in. An answer whose connection was closed is waited
//! for on the next one; a request that has none after that is repeated, as RFC 3261 §8.1.3.1 leaves it to the user agent, and
//! counted. A prober connects all the time, every `--probe` milliseconds. `--hold` is how long a call lasts, in milliseconds, so that
//! pairs over seconds of hold are the calls a second, if machine and node have time for them. `--keep` leaves the daemon's log there.
//! Meanwhile the program is upgraded to itself again and again, each time as soon as the process before is gone.

use sipward_lab::site::{EDGE, HOME, Site};
use sipward_lab::{
    Client, Dialog, EdgeTarget, HomeServer, LabError, Received, Registrar, Server, ServerSpec,
    SipMessage, Transcript, trust_only,
};
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fs;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What any step may end with.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a user agent waits for an answer, or for the ACK of one: 64 times T1 (RFC 3261 §17.1.1.2), and a little.
const TRANSACTION: Duration = Duration::from_secs(35);
/// How long an answer is waited for on another connection than its request's, before the request is repeated.
const FOR_ANSWER: Duration = Duration::from_secs(8);
/// Between the first connects of two pairs: all at once would be a flood, and that is another bench's matter.
const STAGGER: Duration = Duration::from_millis(2);

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn now() -> Instant {
    Instant::now()
}

/// What is counted.
struct Ledger {
    began: Instant,
    /// Calls that were answered and hung up, each with its ACK and its BYE at the far side.
    calls: AtomicU64,
    lost: Mutex<Vec<Lost>>,
    requests: AtomicU64,
    answers: AtomicU64,
    /// Requests that were sent again, since their connection was closed before an answer.
    repeated: AtomicU64,
    /// Requests whose connection was closed before an answer, which came over the next one.
    answered_elsewhere: AtomicU64,
    /// Requests with another final answer than 200.
    refused: AtomicU64,
    connects: AtomicU64,
    connects_failed: AtomicU64,
    reconnects: AtomicU64,
    stop: AtomicBool,
}

impl Ledger {
    fn new() -> Self {
        Self {
            began: now(),
            calls: AtomicU64::default(),
            lost: Mutex::default(),
            requests: AtomicU64::default(),
            answers: AtomicU64::default(),
            repeated: AtomicU64::default(),
            answered_elsewhere: AtomicU64::default(),
            refused: AtomicU64::default(),
            connects: AtomicU64::default(),
            connects_failed: AtomicU64::default(),
            reconnects: AtomicU64::default(),
            stop: AtomicBool::default(),
        }
    }

    fn lost(&self, call: Lost) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.push(call);
    }
}

/// A phone that comes back.
struct Phone {
    face: EdgeTarget,
    user: String,
    client: Client,
    /// Its connection holds its binding.
    registered: bool,
    ledger: Arc<Ledger>,
}

impl Phone {
    async fn new(face: &EdgeTarget, user: String, ledger: &Arc<Ledger>) -> Outcome<Self> {
        let client = Self::connect(face, &user, ledger).await?;
        let mut phone = Self {
            face: face.clone(),
            user,
            client,
            registered: false,
            ledger: Arc::clone(ledger),
        };
        phone.register().await?;
        Ok(phone)
    }

    async fn connect(face: &EdgeTarget, user: &str, ledger: &Ledger) -> Outcome<Client> {
        ledger.connects.fetch_add(1, Relaxed);
        // One of its own, or a run of minutes would be kept whole in each of them.
        let face = EdgeTarget {
            transcript: Transcript::new(),
            ..face.clone()
        };
        let connected = Client::connect(&face, user, &format!("sip:{user}@{HOME}")).await;
        if connected.is_err() {
            ledger.connects_failed.fetch_add(1, Relaxed);
        }
        let client = connected?;
        client.set_patience(TRANSACTION);
        Ok(client)
    }

    async fn register(&mut self) -> Outcome<()> {
        let answer = self.ask(|client| client.register().build()).await?;
        match answer.message.status() {
            Some(200) => {
                self.registered = true;
                Ok(())
            }
            other => Err(format!("REGISTER was answered {other:?}").into()),
        }
    }

    /// Back on a connection of its own, and registered.
    async fn come_back(&mut self) -> Outcome<()> {
        self.ledger.reconnects.fetch_add(1, Relaxed);
        self.registered = false;
        self.client = Self::connect(&self.face, &self.user, &self.ledger).await?;
        Box::pin(self.register()).await
    }

    async fn ready(&mut self) -> Outcome<()> {
        match (self.client.wire().is_live(), self.registered) {
            (true, true) => Ok(()),
            // Somebody had no time to wait for it.
            (true, false) => Box::pin(self.register()).await,
            (false, _) => self.come_back().await,
        }
    }

    /// Sends a request and returns its final answer, on another connection if this one closes before it comes.
    async fn ask(&mut self, make: impl Fn(&Client) -> SipMessage) -> Outcome<Received> {
        let end = now() + PATIENCE;
        loop {
            let message = make(&self.client);
            let (is_register, sent_as) = (message.method() == Some("REGISTER"), message.clone());
            let answer = match self.client.draft(message).send().await {
                Ok(sent) => tokio::select! {
                    answer = self.client.final_answer(&sent) => answer,
                    _ = self.client.wire().ended(PATIENCE) => {
                        // It may have come just before.
                        self.client.set_patience(Duration::from_millis(50));
                        self.client.final_answer(&sent).await
                    }
                },
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => return self.done(answer),
                Err(error) if self.client.wire().is_live() || now() > end => {
                    self.ledger.requests.fetch_add(1, Relaxed);
                    return Err(error.into());
                }
                Err(_) if is_register => {
                    self.ledger.repeated.fetch_add(1, Relaxed);
                    self.client = Self::connect(&self.face, &self.user, &self.ledger).await?;
                }
                Err(_) => {
                    Box::pin(self.come_back()).await?;
                    // What it has asked may be answered all the same, and then comes here.
                    let id = (sent_as.call_id(), sent_as.cseq());
                    let is_answer =
                        |m: &SipMessage| m.status() >= Some(200) && (m.call_id(), m.cseq()) == id;
                    self.client.set_patience(FOR_ANSWER);
                    let answer = self.client.expect_where("the answer", is_answer).await;
                    self.client.set_patience(TRANSACTION);
                    if let Ok(answer) = answer {
                        self.ledger.answered_elsewhere.fetch_add(1, Relaxed);
                        return self.done(answer);
                    }
                    self.ledger.repeated.fetch_add(1, Relaxed);
                }
            }
        }
    }

    /// Enters a final answer in the ledger.
    fn done(&self, answer: Received) -> Outcome<Received> {
        self.ledger.requests.fetch_add(1, Relaxed);
        self.ledger.answers.fetch_add(1, Relaxed);
        if answer.message.status() != Some(200) {
            self.ledger.refused.fetch_add(1, Relaxed);
        }
        Ok(answer)
    }

    /// The request of this method and call that arrives, on whatever connection. An INVITE that is repeated meanwhile is
    /// answered again, as a user agent does that knows the call.
    async fn expect(&mut self, method: &str, call: &str) -> Outcome<Received> {
        let end = now() + PATIENCE;
        let wanted = |m: &SipMessage| {
            m.call_id() == call && m.method().is_some_and(|it| it == method || it == "INVITE")
        };
        loop {
            let got = tokio::select! {
                biased;
                got = self.client.expect_where(method, wanted) => got,
                _ = self.client.wire().ended(PATIENCE) => {
                    // It may have come just before.
                    self.client.set_patience(Duration::from_millis(20));
                    self.client.expect_where(method, wanted).await
                }
            };
            match got {
                Ok(got) if got.message.method() == Some(method) => return Ok(got),
                Ok(again) => drop(Box::pin(self.answer(&again)).await?),
                Err(error) if now() > end => return Err(error.into()),
                Err(error) if self.client.wire().is_live() => return Err(error.into()),
                Err(_) => self.ready().await?,
            }
        }
    }

    /// Answers 200, on the connection that the phone has now (RFC 3261 §18.2.2).
    async fn answer(&mut self, request: &Received) -> Outcome<SipMessage> {
        loop {
            self.ready().await?;
            let draft = self.client.answering(request, 200);
            if let Ok(sent) = draft.on(self.client.wire()).send().await {
                return Ok(sent.message);
            }
        }
    }

    /// Answers each of these 200, for ever: one that is repeated on another connection is answered again, as a user agent
    /// does that knows the call.
    async fn answers(
        &mut self,
        method: &'static str,
        call: &str,
        first: &mut Option<Dialog>,
    ) -> Outcome<()> {
        loop {
            let got = match (self.expect(method, call).await, &first) {
                (Ok(got), _) => got,
                (Err(_), Some(_)) => continue,
                (Err(error), None) => return Err(error),
            };
            let answer = self.answer(&got).await?;
            if first.is_none() {
                // Of what forms no dialog only that it has come counts.
                let dialog = Dialog::callee(&got.message, &answer);
                *first = Some(match method {
                    "INVITE" => dialog?,
                    _ => Dialog {
                        call_id: call.to_owned(),
                        local: String::new(),
                        remote: String::new(),
                        target: String::new(),
                        routes: Vec::new(),
                        cseq: 0,
                    },
                });
            }
        }
    }
}

/// A call that is lost, and at which step.
struct Lost {
    call: String,
    step: &'static str,
    why: String,
}

/// One call as it goes on.
struct Call<'a> {
    caller: &'a mut Phone,
    callee: &'a mut Phone,
    id: String,
    step: &'static str,
}

impl Call<'_> {
    /// From its INVITE to its BYE.
    async fn run(&mut self, hold: Duration) -> Outcome<()> {
        self.step = "before the INVITE";
        self.caller.ready().await?;
        self.callee.ready().await?;
        let invite = self
            .caller
            .client
            .invite(&format!("sip:{}@{HOME}", self.callee.user))
            .build();
        self.id = invite.call_id().to_owned();
        self.step = "INVITE";
        let mut of_callee = None;
        let ok = tokio::select! {
            ok = self.caller.ask(|_| invite.clone()) => ok?,
            error = self.callee.answers("INVITE", &self.id, &mut of_callee) => {
                return error.and(Err("the INVITE has no end".into()));
            }
        };
        if ok.message.status() != Some(200) {
            return Err(format!("was answered {:?}", ok.message.status()).into());
        }
        let mut of_callee = of_callee.ok_or("was answered by somebody else")?;
        let mut of_caller = Dialog::caller(&invite, &ok.message)?;
        self.step = "ACK";
        let mut ack = SipMessage::request("ACK", &of_caller.target);
        ack.push("Via", invite.header("via").unwrap_or_default());
        ack.set(
            "Via",
            &format!("{}a", invite.header("via").unwrap_or_default()),
        );
        ack.push("Max-Forwards", "70");
        for route in &of_caller.routes {
            ack.push("Route", route);
        }
        ack.push("From", &of_caller.local);
        ack.push("To", &of_caller.remote);
        ack.push("Call-ID", &of_caller.call_id);
        ack.push("CSeq", "1 ACK");
        self.caller.ready().await?;
        self.caller.client.draft(ack).send().await?;
        self.callee.expect("ACK", &self.id).await?;
        tokio::time::sleep(hold / 2).await;
        // The far side's numbers are its own.
        of_callee.cseq = 100;
        self.step = "INFO of the callee";
        within(self.callee, &mut of_callee, self.caller, "INFO").await?;
        tokio::time::sleep(hold / 2).await;
        self.step = "BYE";
        within(self.caller, &mut of_caller, self.callee, "BYE").await
    }
}

/// One side asks in the dialog, and the other one answers 200.
async fn within(
    from: &mut Phone,
    dialog: &mut Dialog,
    to: &mut Phone,
    method: &'static str,
) -> Outcome<()> {
    from.ready().await?;
    dialog.cseq += 1;
    // Repeated with the same number: it is one request.
    let shown = Dialog {
        cseq: dialog.cseq - 1,
        ..dialog.clone()
    };
    let call = dialog.call_id.clone();
    let mut has_come = None;
    let answer = tokio::select! {
        answer = from.ask(|client| client.within(&mut shown.clone(), method).build()) => answer?,
        error = to.answers(method, &call, &mut has_come) => {
            return error.and(Err("it has no end".into()));
        }
    };
    match (answer.message.status(), has_come) {
        (Some(200), Some(_)) => Ok(()),
        (other, has_come) => {
            let arrived = has_come.is_some();
            Err(format!("was answered {other:?}; arrived: {arrived}").into())
        }
    }
}

/// Two phones that call each other until the end.
async fn pair(number: usize, face: EdgeTarget, ledger: Arc<Ledger>, hold: Duration) -> Outcome<()> {
    tokio::time::sleep(STAGGER * u32::try_from(number)?).await;
    let mut one = Phone::new(&face, format!("a{number}"), &ledger).await?;
    let mut other = Phone::new(&face, format!("b{number}"), &ledger).await?;
    while !ledger.stop.load(Relaxed) {
        let mut call = Call {
            caller: &mut one,
            callee: &mut other,
            id: String::new(),
            step: "",
        };
        match call.run(hold).await {
            Ok(()) => {
                ledger.calls.fetch_add(1, Relaxed);
            }
            Err(error) => {
                let text = error.to_string();
                let lost = Lost {
                    call: call.id.clone(),
                    step: call.step,
                    why: text.lines().next().unwrap_or_default().to_owned(),
                };
                let Lost { call, step, why } = &lost;
                let after = ledger.began.elapsed().as_secs_f64();
                eprintln!("lost after {after:.3} s: pair {number}, call {call}, {step}: {why}");
                ledger.lost(lost);
            }
        }
        std::mem::swap(&mut one, &mut other);
    }
    Ok(())
}

/// Connects and shakes hands all the time.
async fn probe(face: EdgeTarget, ledger: Arc<Ledger>, pause: Duration) -> Result<(), LabError> {
    while !ledger.stop.load(Relaxed) {
        ledger.connects.fetch_add(1, Relaxed);
        // One of its own, or a run of minutes would be kept whole.
        let face = EdgeTarget {
            transcript: Transcript::new(),
            ..face.clone()
        };
        if let Err(error) = Client::connect(&face, "prober", &format!("sip:prober@{HOME}")).await {
            eprintln!("connect: {error}");
            ledger.connects_failed.fetch_add(1, Relaxed);
        }
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

/// The running node: the process that was started here, and those that followed it.
struct Node {
    child: Child,
    log: LogTail,
    socket: PathBuf,
    pid: u32,
}

/// The events of a log that grows by megabytes a second, each read once.
struct LogTail {
    file: fs::File,
    /// The beginning of a line whose end is not there yet.
    rest: Vec<u8>,
    /// Those that are waited for, by name.
    events: HashMap<&'static str, Vec<serde_json::Value>>,
}

impl LogTail {
    fn new(path: &Path) -> Outcome<Self> {
        let names = ["control_listening", "listening", "former_gone"];
        let events = names.map(|name| (name, Vec::new()));
        Ok(Self {
            file: fs::File::open(path)?,
            rest: Vec::new(),
            events: events.into(),
        })
    }

    /// Reads what was added.
    fn read(&mut self) -> Outcome<()> {
        self.file.read_to_end(&mut self.rest)?;
        let end = self.rest.iter().rposition(|b| *b == b'\n');
        let rest = self.rest.split_off(end.map_or(0, |end| end + 1));
        let whole = String::from_utf8_lossy(&self.rest);
        for line in whole.lines() {
            // Nearly all are others, and need not be understood.
            let named = self.events.iter_mut();
            let mut named = named.filter(|(name, _)| line.contains(&format!("\"{name}\"")));
            if let Some((name, found)) = named.next()
                && let Ok(event) = serde_json::from_str::<serde_json::Value>(line)
                && event.get("event").is_some_and(|it| it == name)
            {
                found.push(event);
            }
        }
        drop(whole);
        self.rest = rest;
        Ok(())
    }

    /// Waits until there are so many of this name.
    async fn wait(&mut self, name: &str, count: usize) -> Outcome<&[serde_json::Value]> {
        let end = now() + 5 * PATIENCE;
        loop {
            self.read()?;
            if self.events.get(name).is_some_and(|it| it.len() >= count) {
                return Ok(self.events.get(name).map_or(&[], Vec::as_slice));
            }
            if now() > end {
                return Err(format!("the log waited in vain for {name}").into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Node {
    fn start(topology: &Path, directory: &Path, log: &Path) -> Outcome<Self> {
        let mut append = fs::OpenOptions::new();
        let written = append.create(true).append(true).open(log)?;
        let child = Command::new(env!("CARGO_BIN_EXE_sipward"))
            .arg("run")
            .arg(topology)
            .env("RUNTIME_DIRECTORY", directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(written)
            .spawn()?;
        let pid = child.id();
        Ok(Self {
            child,
            log: LogTail::new(log)?,
            socket: directory.join("control.sock"),
            pid,
        })
    }

    /// Returns how long the command took.
    async fn upgrade(&mut self) -> Outcome<Duration> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sipward"));
        command
            .args(["upgrade", "--json", "--socket"])
            .arg(&self.socket);
        let began = now();
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let took = began.elapsed();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        let upgraded: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let pid = upgraded.get("pid").and_then(serde_json::Value::as_u64);
        self.pid = u32::try_from(pid.ok_or("no pid in the answer")?)?;
        Ok(took)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The latest process, and the one that was started here if that still runs: by their numbers.
        let _ = Command::new("kill")
            .args(["-s", "TERM", &self.pid.to_string()])
            .status();
        if self.pid != self.child.id() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// What is asked for on the command line.
struct Options {
    upgrades: usize,
    pairs: usize,
    hold: Duration,
    handover: String,
    probe: Duration,
    threads: usize,
    keep: Option<PathBuf>,
}

impl Options {
    fn of_command_line() -> Outcome<Self> {
        let mut options: HashMap<String, String> = HashMap::new();
        let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
        while let Some(name) = words.next() {
            options.insert(name, words.next().ok_or("an option has no value")?);
        }
        let mut number = |name: &str, default: usize| match options.remove(name) {
            Some(text) => text.parse(),
            None => Ok(default),
        };
        let [upgrades, pairs, threads] =
            [("--upgrades", 20), ("--pairs", 100), ("--threads", 2)].map(|(n, d)| number(n, d));
        let [hold, probe] = [("--hold", 4000), ("--probe", 5)].map(|(n, d)| number(n, d));
        let millis = |number: usize| u64::try_from(number).map(Duration::from_millis);
        let all = Self {
            upgrades: upgrades?,
            pairs: pairs?,
            hold: millis(hold?)?,
            handover: options.remove("--handover").unwrap_or("5s".to_owned()),
            probe: millis(probe?)?,
            threads: threads?,
            keep: options.remove("--keep").map(PathBuf::from),
        };
        match options.keys().next() {
            None => Ok(all),
            Some(unknown) => Err(format!("what is {unknown}?").into()),
        }
    }
}

fn main() -> Outcome<()> {
    let options = Options::of_command_line()?;
    // The phones may not be what limits the calls.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.threads)
        .enable_all()
        .build()?;
    runtime.block_on(run(options))
}

async fn run(options: Options) -> Outcome<()> {
    let site = Site::new()?;
    let (roots, transcript) = (trust_only(&[&site.enterprise])?, Transcript::new());
    let fqdn = format!("fe01.{HOME}");
    let identity = site.enterprise.server(&fqdn)?;
    let spec = ServerSpec {
        party: "fe01",
        fqdn: &fqdn,
        aor: &format!("sip:{fqdn}"),
        identity: &identity,
        roots: &roots,
        transcript: &transcript,
        listen: None,
    };
    let server = Server::start(&spec).await?;
    let mut topology = site.topology(&[(&fqdn, server.address())], None);
    topology
        .section("[limits]")
        .text("handover", &options.handover);
    topology.section("[log]").text("requests", "calls");
    let file = site.write("topology.toml", &topology.to_toml())?;
    let home = HomeServer::start(server, &Registrar::default(), &[HOME], true);
    let log = options.keep.as_deref().unwrap_or(site.path());
    let mut node = Node::start(&file, site.path(), &log.join("sipward.log"))?;
    node.log.wait("control_listening", 1).await?;
    let listening = node.log.wait("listening", 1).await?.first();
    let address = listening.and_then(|it| it.get("address")?.as_str()?.parse().ok());
    let address: SocketAddr = address.ok_or("no address in the log")?;
    home.set_edge(address, EDGE);
    let face = EdgeTarget {
        address,
        name: EDGE.to_owned(),
        roots,
        transcript,
    };
    let ledger = Arc::new(Ledger::new());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..options.pairs {
        let ledger = Arc::clone(&ledger);
        tasks.spawn(pair(number, face.clone(), ledger, options.hold));
    }
    let prober = tokio::spawn(probe(face, Arc::clone(&ledger), options.probe));
    // All are there, and in their calls.
    let pairs = u32::try_from(options.pairs)?;
    tokio::time::sleep(STAGGER * pairs + options.hold * 2).await;
    let (began, before) = (now(), ledger.calls.load(Relaxed));
    let mut took = Vec::new();
    for done in 0..options.upgrades {
        took.push(node.upgrade().await?);
        node.log.wait("former_gone", done + 1).await?;
        eprintln!(
            "upgrade {}: process {}, {} ms; {} calls so far",
            done + 1,
            node.pid,
            took.last().map_or(0, Duration::as_millis),
            ledger.calls.load(Relaxed)
        );
    }
    let time = began.elapsed();
    let rate = (ledger.calls.load(Relaxed) - before) as f64 / time.as_secs_f64();
    ledger.stop.store(true, Relaxed);
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    prober.await??;
    report(&ledger, (time, rate), &took)
}

/// Prints the ledger; an error if it does not balance.
fn report(ledger: &Ledger, (time, rate): (Duration, f64), took: &[Duration]) -> Outcome<()> {
    let upgrades = took.len();
    let of = |counter: &AtomicU64| counter.load(Relaxed);
    let calls = of(&ledger.calls);
    let lost = ledger.lost.lock().unwrap_or_else(PoisonError::into_inner);
    let mut by_step: BTreeMap<&str, usize> = BTreeMap::new();
    for call in lost.iter() {
        *by_step.entry(call.step).or_default() += 1;
    }
    let lost = lost.len();
    let longest = took.iter().max().map_or(0, Duration::as_millis);
    println!(
        "upgrades           {upgrades} in {:.1} s, the slowest command took {longest} ms",
        time.as_secs_f64()
    );
    println!("calls              {calls} ({rate:.0}/s during the upgrades), lost {lost}");
    for (step, count) in by_step {
        println!("  lost at          {step}: {count}");
    }
    let (requests, answers) = (of(&ledger.requests), of(&ledger.answers));
    println!(
        "requests           {requests}, final answers {answers}, of them not 200: {}",
        of(&ledger.refused)
    );
    println!(
        "closed before      {} were answered on the next connection, {} repeated",
        of(&ledger.answered_elsewhere),
        of(&ledger.repeated)
    );
    println!(
        "connects           {}, failed {}",
        of(&ledger.connects),
        of(&ledger.connects_failed)
    );
    println!("phones came back   {} times", of(&ledger.reconnects));
    let balances = lost == 0
        && requests == answers
        && of(&ledger.refused) == 0
        && of(&ledger.connects_failed) == 0
        && calls > 0;
    match balances {
        true => Ok(()),
        false => Err("the ledger does not balance".into()),
    }
}
