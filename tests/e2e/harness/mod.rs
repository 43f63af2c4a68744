//! The daemon as a process, with a PKI and a topology of its own, and the ends that speak to it.
#[cfg(test)]
pub(crate) mod http;
#[cfg(test)]
pub(crate) mod nodes;
#[cfg(test)]
pub(crate) mod observed;
#[cfg(test)]
pub(crate) mod tls;

use observed::Observed;
use serde_json::Value;
use sipward::daemon::control::{ExplainedDecision, Reply, Request, ask};
use sipward::reason::DaemonReason;
use sipward_lab::pki::Issued;
use sipward_lab::site::{EDGE, HOME, PARTNER_EDGE, Site, TopologyText};
use sipward_lab::{
    Client, Dialog, EdgeTarget, End, EventLog, HomeServer, LiveLog, Received, Registrar, Server,
    ServerSpec, Transcript, trust_only,
};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longer than anything on loopback takes, shorter than a test suite's patience.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// Between two looks at what happens soon.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// The running daemon.
pub(crate) struct Edge {
    child: Child,
    reader: Option<JoinHandle<()>>,
    /// Nobody reads its standard error.
    unread: Arc<AtomicBool>,
    /// Its log, which is behind what it does. [`Edge::stop`] gives the whole one.
    pub(crate) log: LiveLog,
    /// Its control socket.
    pub(crate) socket: PathBuf,
    /// The first listener's address.
    pub(crate) address: SocketAddr,
}

/// Site, transcript and trust: what everybody in one test shares.
pub(crate) struct Lab {
    pub(crate) site: Site,
    pub(crate) transcript: Transcript,
    pub(crate) roots: Arc<rustls::RootCertStore>,
}

/// The usual cast: two scripted home servers in one ordered pool, the partner, and the edge.
pub(crate) struct World {
    pub(crate) lab: Lab,
    pub(crate) edge: Edge,
    pub(crate) fe01: Server,
    pub(crate) fe02: Server,
    pub(crate) partner: Server,
    pub(crate) topology: TopologyText,
}

impl Edge {
    /// Starts `sipward run FILE` and waits until it is ready.
    pub(crate) async fn start(topology: &Path) -> Self {
        Self::start_in(topology, topology.parent().unwrap()).await
    }

    /// The same, with its control socket in this directory: where two run on files of one site.
    pub(crate) async fn start_in(topology: &Path, runtime: &Path) -> Self {
        Self::start_by(
            Command::new(env!("CARGO_BIN_EXE_sipward")),
            topology,
            runtime,
        )
        .await
    }

    /// As [`Self::start`], with so many descriptors (`ulimit -n`).
    pub(crate) async fn start_with_descriptors(topology: &Path, most: usize) -> Self {
        let mut shell = Command::new("sh");
        let script = format!("ulimit -n {most} && exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_sipward")]);
        Self::start_by(shell, topology, topology.parent().unwrap()).await
    }

    /// As [`Self::start`] in the file's own directory, by its name alone, as who tries it out does.
    pub(crate) async fn start_beside(topology: &Path) -> Self {
        let directory = topology.parent().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sipward"));
        command.current_dir(directory);
        let name = Path::new(topology.file_name().unwrap());
        Self::start_by(command, name, directory).await
    }

    async fn start_by(command: Command, topology: &Path, runtime: &Path) -> Self {
        let unread = Arc::<AtomicBool>::default();
        let (child, log, reader) = spawn(command, topology, (runtime, &unread));
        let mut edge = Self {
            child,
            reader: Some(reader),
            unread,
            log,
            socket: runtime.join("control.sock"),
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
        };
        edge.address = edge.listener(|_| true).await;
        edge
    }

    /// Starts it with a topology that it must refuse; gives its exit code and its log.
    pub(crate) fn refuses_to_start(topology: &Path) -> (Option<i32>, EventLog) {
        let command = Command::new(env!("CARGO_BIN_EXE_sipward"));
        let unread = Arc::default();
        let (mut child, log, reader) =
            spawn(command, topology, (topology.parent().unwrap(), &unread));
        let status = child.wait().unwrap();
        reader.join().unwrap();
        (status.code(), whole(&log))
    }

    /// The bound address of the first such listener of a daemon that is ready.
    pub(crate) async fn listener(&self, wanted: impl Fn(&Value) -> bool) -> SocketAddr {
        let started = self.log.up_to("ready", |_| true).await.unwrap();
        let listening = started.named("listening").into_iter();
        let mut listening = listening.filter(wanted);
        let found = listening.next().expect("no such listener in the log");
        found["address"].as_str().unwrap().parse().unwrap()
    }

    /// Whether somebody reads its standard error from now on.
    pub(crate) fn read_log(&self, reads: bool) {
        self.unread.store(!reads, Relaxed);
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, to this process alone.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Stops the whole process where it is, until a SIGCONT; it does nothing any more when this returns.
    pub(crate) fn stand_still(&self) {
        stand_still(self.child.id());
    }

    /// SIGHUP; gives the `reload` event that comes of it, if those of earlier signals have been waited for.
    pub(crate) async fn reload(&self) -> Value {
        let mark = self.log.mark();
        self.signal("HUP");
        let by_signal = |e: &Value| e["trigger"] == "signal";
        let reloaded = self.log.wait_after(mark, "reload", by_signal);
        reloaded.await.unwrap()
    }

    /// `sipward COMMAND...` for this daemon, with `--json`: exit code, and what it printed (null: nothing that is JSON).
    pub(crate) async fn command(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let (code, text) = self.command_text(&[arguments, &["--json"]].concat()).await;
        (code, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// What the daemon says of a decision.
    pub(crate) async fn explain(&self, decision: &str) -> Result<ExplainedDecision, DaemonReason> {
        let request = Request::Explain {
            decision: decision.to_owned(),
        };
        let reply = self.ask(request).await;
        if let Reply::Error(refusal) = reply {
            Observed::of_thread().add(refusal.code.code());
            return Err(refusal.code);
        }
        let Reply::Explain(explained) = reply else {
            panic!("{reply:?}");
        };
        Ok(*explained)
    }

    /// Sends a request over the control socket.
    pub(crate) async fn ask(&self, request: Request) -> Reply {
        self.log.wait("control_listening", |_| true).await.unwrap();
        let socket = self.socket.clone();
        tokio::task::spawn_blocking(move || ask(&socket, &request, SOON).unwrap())
            .await
            .unwrap()
    }

    /// The same in words for people.
    pub(crate) async fn command_text(&self, arguments: &[&str]) -> (Option<i32>, String) {
        self.log.wait("control_listening", |_| true).await.unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sipward"));
        command.args(arguments).arg("--socket").arg(&self.socket);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        Observed::of_thread().add_text(&output.stdout);
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    }

    /// SIGTERM; the daemon must exit 0 and every line of its log must have been an event.
    pub(crate) async fn stop(self) -> EventLog {
        self.signal("TERM");
        let (status, log) = self.exited().await;
        assert_eq!(status.code(), Some(0), "{}", log.to_text());
        assert_eq!(log.other_lines(), [""; 0]);
        log
    }

    /// Waits for the end of the process that was started here, whatever becomes of those that it has started.
    pub(crate) async fn main_ended(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for the end of the process; gives the whole log.
    pub(crate) async fn exited(mut self) -> (ExitStatus, EventLog) {
        let reader = self.reader.take().unwrap();
        // Standard error ends when the process does.
        tokio::task::spawn_blocking(move || reader.join().unwrap())
            .await
            .unwrap();
        let status = self.child.wait().unwrap();
        (status, whole(&self.log))
    }
}

/// The whole log of a daemon that has ended, when all that it wrote was read.
#[expect(clippy::disallowed_methods, reason = "nothing comes any more")]
fn whole(log: &LiveLog) -> EventLog {
    log.so_far()
}

/// Stops a process where it is, until a SIGCONT; it does nothing any more when this returns.
pub(crate) fn stand_still(pid: u32) {
    let sent = Command::new("kill")
        .args(["-s", "STOP", &pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
    let stat = format!("/proc/{pid}/stat");
    // The state follows the name in parentheses (proc_pid_stat(5)).
    let stopped = || {
        let stat = std::fs::read_to_string(&stat).unwrap();
        let (_, rest) = stat.rsplit_once(") ").unwrap();
        rest.starts_with('T')
    };
    while !stopped() {
        std::thread::yield_now();
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            // Those that it has started itself.
            for upgraded in whole(&self.log).named("upgraded") {
                let pid = upgraded["pid"].to_string();
                let _ = Command::new("kill").args(["-s", "KILL", &pid]).status();
            }
            eprintln!("--- the daemon's log\n{}", self.log);
        }
    }
}

fn spawn(
    mut command: Command,
    topology: &Path,
    (runtime, unread): (&Path, &Arc<AtomicBool>),
) -> (Child, LiveLog, JoinHandle<()>) {
    let mut child = command
        .arg("run")
        .arg(topology)
        // Each has a control socket of its own, beside its topology.
        .env("RUNTIME_DIRECTORY", runtime)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = LiveLog::default();
    let stderr = child.stderr.take().unwrap();
    let reader = read_log(stderr, log.clone(), Arc::clone(unread));
    (child, log, reader)
}

fn read_log(
    stderr: impl Read + Send + 'static,
    log: LiveLog,
    unread: Arc<AtomicBool>,
) -> JoinHandle<()> {
    let observed = Observed::of_thread();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).split(b'\n') {
            while unread.load(Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
            let Ok(line) = line else { return };
            observed.add_text(&line);
            log.push(&String::from_utf8_lossy(&line));
        }
    })
}

impl Lab {
    /// A new PKI in a new directory.
    pub(crate) fn new() -> Self {
        let site = Site::new().unwrap();
        let roots = trust_only(&[&site.enterprise]).unwrap();
        Self {
            site,
            transcript: Transcript::new(),
            roots,
        }
    }

    /// A server of the home CA, named `PARTY.contoso.test`.
    pub(crate) async fn home(&self, party: &str) -> Server {
        let fqdn = format!("{party}.{HOME}");
        let identity = self.site.enterprise.server(&fqdn).unwrap();
        self.server(party, &fqdn, &format!("sip:{fqdn}"), &identity)
            .await
    }

    /// The partner's server.
    pub(crate) async fn partner(&self) -> Server {
        let identity = self.site.fabrikam.server(PARTNER_EDGE).unwrap();
        self.server(
            "partner",
            PARTNER_EDGE,
            "sip:carol@fabrikam.test",
            &identity,
        )
        .await
    }

    /// Any server.
    pub(crate) async fn server(
        &self,
        party: &str,
        fqdn: &str,
        aor: &str,
        identity: &Issued,
    ) -> Server {
        Server::start(&ServerSpec {
            party,
            fqdn,
            aor,
            identity,
            roots: &self.roots,
            transcript: &self.transcript,
            listen: None,
        })
        .await
        .unwrap()
    }

    /// A client of the home domain.
    pub(crate) async fn client(&self, edge: &Edge, user: &str) -> Client {
        Client::connect(&self.face(edge), user, &format!("sip:{user}@{HOME}"))
            .await
            .unwrap()
    }

    /// What a client must know of the edge.
    pub(crate) fn face(&self, edge: &Edge) -> EdgeTarget {
        EdgeTarget {
            address: edge.address,
            name: EDGE.to_owned(),
            roots: Arc::clone(&self.roots),
            transcript: self.transcript.clone(),
        }
    }

    /// Writes the topology and starts the daemon on it.
    pub(crate) async fn edge(&self, topology: &TopologyText) -> Edge {
        let program = Command::new(env!("CARGO_BIN_EXE_sipward"));
        self.edge_by(program, topology).await
    }

    /// The same by a command that becomes the daemon.
    async fn edge_by(&self, command: Command, topology: &TopologyText) -> Edge {
        let file = self
            .site
            .write("topology.toml", &topology.to_toml())
            .unwrap();
        Edge::start_by(command, &file, self.site.path()).await
    }
}

impl World {
    /// The usual topology.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The usual topology after a change.
    pub(crate) async fn with(change: impl FnOnce(&mut TopologyText)) -> Self {
        Self::in_lab(Lab::new(), change).await
    }

    /// The usual topology after a change, in a lab that holds more than the usual files.
    pub(crate) async fn in_lab(lab: Lab, change: impl FnOnce(&mut TopologyText)) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_sipward"));
        Self::by(program, lab, change).await
    }

    /// The same with a daemon that this command becomes.
    pub(crate) async fn by(
        command: Command,
        lab: Lab,
        change: impl FnOnce(&mut TopologyText),
    ) -> Self {
        let fe01 = lab.home("fe01").await;
        let fe02 = lab.home("fe02").await;
        let partner = lab.partner().await;
        let mut topology = lab.site.topology(
            &[
                ("fe01.contoso.test", fe01.address()),
                ("fe02.contoso.test", fe02.address()),
            ],
            Some(partner.address()),
        );
        in_two_shards(&mut topology);
        change(&mut topology);
        let edge = lab.edge_by(command, &topology).await;
        Self {
            lab,
            edge,
            fe01,
            fe02,
            partner,
            topology,
        }
    }

    /// A client of the home domain.
    pub(crate) async fn client(&self, user: &str) -> Client {
        self.lab.client(&self.edge, user).await
    }

    /// A client whose REGISTER fe01 has taken; gives its Path as well.
    pub(crate) async fn registered(&self, user: &str) -> (Client, String) {
        let client = self.client(user).await;
        let (register, _) = self.registers(&client).await;
        let path = register.message.header("path").unwrap().to_owned();
        (client, path)
    }

    /// A client registers, and fe01 grants it: the REGISTER as fe01 has it, and the answer as the client has it.
    pub(crate) async fn registers(&self, client: &Client) -> (Received, Received) {
        let sent = client.register().send().await.unwrap();
        let register = self.fe01.expect("REGISTER").await.unwrap();
        self.fe01.reply(&register, 200).await.unwrap();
        (register, client.answer(&sent, 200).await.unwrap())
    }

    /// A MESSAGE to the home domain: the server of its pool that has answered it, or the status of its refusal. Where fe01 was
    /// away, which of the two is back first is nobody's to say.
    pub(crate) async fn asks(&self, from: &End) -> Result<&Server, u16> {
        let sent = from.message("sip:bob@contoso.test", "hi").send().await;
        let sent = sent.unwrap();
        let (server, got) = tokio::select! {
            got = self.fe01.expect("MESSAGE") => (&self.fe01, got),
            got = self.fe02.expect("MESSAGE") => (&self.fe02, got),
            refused = from.final_answer(&sent) => {
                return Err(refused.unwrap().message.status().unwrap());
            }
        };
        server.reply(&got.unwrap(), 200).await.unwrap();
        from.answer(&sent, 200).await.unwrap();
        Ok(server)
    }

    /// Sends until fe01 has answered; meanwhile fe02 does, or nobody can.
    pub(crate) async fn serves_again(&self, from: &End) {
        while !matches!(self.asks(from).await, Ok(server) if server.party() == self.fe01.party()) {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The daemon is started anew on the same files, with a port of its own; `meanwhile` is done before it starts.
    pub(crate) async fn restarted(self, meanwhile: impl FnOnce(&Lab)) -> Self {
        self.edge.stop().await;
        meanwhile(&self.lab);
        let edge = self.lab.edge(&self.topology).await;
        Self { edge, ..self }
    }

    /// fe01 with its certificate on a connection that it made.
    pub(crate) async fn dial(&self, server: &Server) -> sipward_lab::Wire {
        server.dial(self.edge.address, EDGE).await.unwrap()
    }

    /// What `sipward status` says as soon as it is as wanted.
    pub(crate) async fn status_once(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..200 {
            let (code, status) = self.edge.command(&["status"]).await;
            // On a busy machine a shard may not answer in time, which the command reports.
            if code == Some(0) && wanted(&status) {
                return status;
            }
            last = status;
        }
        panic!("not as wanted: {last}");
    }

    /// Writes a changed topology over the one that runs and reloads.
    pub(crate) async fn reload_with(&mut self, change: impl FnOnce(&mut TopologyText)) -> Value {
        change(&mut self.topology);
        self.lab
            .site
            .write("topology.toml", &self.topology.to_toml())
            .unwrap();
        self.edge.reload().await
    }

    /// Stops the daemon, which must exit 0 with a clean log.
    pub(crate) async fn stop(self) -> EventLog {
        self.edge.stop().await
    }

    /// Waits for an event of the daemon, unless it has come already.
    pub(crate) async fn logged(&self, event: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.edge.log.wait(event, wanted).await.unwrap()
    }

    /// Waits for the refusal of a request with this reason.
    pub(crate) async fn refused(&self, reason: &str) -> Value {
        self.logged("request_refused", |e| e["reason"] == reason)
            .await
    }
}

/// The few connections of a test lie in both shards in turn, so that what crosses them is tested, and as on every machine: by
/// default there is a shard for each core.
pub(crate) fn in_two_shards(topology: &mut TopologyText) {
    topology.section("[node]").raw("shards", "2");
    topology.section("[limits]").raw("gather", "0");
}

/// Says that something is not tested here for want of this; with `SIPWARD_INTEROP=require` it must be.
pub(crate) fn left_out(want: &str) {
    let must = std::env::var("SIPWARD_INTEROP").as_deref() == Ok("require");
    assert!(!must, "{want}");
    eprintln!("SKIPPED: {want}");
}

/// Makes a scripted server answer by itself.
pub(crate) fn automatic(server: Server, registrar: &Registrar, edge: &Edge) -> HomeServer {
    let home = HomeServer::start(server, registrar, &[HOME], true);
    home.set_edge(edge.address, EDGE);
    home
}

/// A MESSAGE to the home domain that arrives at `to` and is answered there.
pub(crate) async fn message_passes(from: &End, to: &End) -> Received {
    let sent = from
        .message("sip:bob@contoso.test", "hi")
        .send()
        .await
        .unwrap();
    let got = to.expect("MESSAGE").await.unwrap();
    to.reply(&got, 200).await.unwrap();
    from.answer(&sent, 200).await.unwrap();
    got
}

/// One end of an established call ends it, and the other one agrees.
pub(crate) async fn hangs_up(from: &End, dialog: &mut Dialog, to: &End) {
    let bye = from.bye(dialog).await.unwrap();
    let got = to.expect("BYE").await.unwrap();
    to.reply(&got, 200).await.unwrap();
    from.answer(&bye, 200).await.unwrap();
}

/// Lines of an event, and how many more the sums say there were.
pub(crate) fn lines_and_sums(log: &EventLog, event: &str) -> (u64, u64) {
    let sums = log.named("events_suppressed").into_iter();
    let sums = sums.filter(|e| e["suppressed_event"] == event);
    (
        log.named(event).len() as u64,
        sums.map(|e| e["count"].as_u64().unwrap()).sum(),
    )
}

/// How many windows these lines lie in: a window is a slot of ten seconds, and the times of its lines differ behind the tens.
pub(crate) fn windows(lines: &[Value]) -> u64 {
    let window = |e: &Value| Some(e["ts"].as_str()?.get(..18)?.to_owned());
    let windows: BTreeSet<_> = lines.iter().filter_map(window).collect();
    windows.len() as u64
}
