//! The daemon under faults: a real process, whose log, clock and disk are in the hands of this program.
use super::Outcome;
use sipward::daemon::control::{ReloadResult, Reply, Request, ask};
use sipward_lab::{OwnClock, OwnDisk};
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longer than any step of the daemon's takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// The last lines that are shown when the run has failed.
const LAST: usize = 200;
/// What is waited for, or read by the run.
const KEPT: [&str; 5] = [
    "ready",
    "listening",
    "control_listening",
    "former_gone",
    "upgraded",
];

/// What the daemon has logged, over all of its processes.
#[derive(Default)]
pub(crate) struct NodeLog {
    lines: Mutex<LogLines>,
    /// Nobody reads the pipe.
    paused: AtomicBool,
}

#[derive(Default)]
struct LogLines {
    kept: Vec<serde_json::Value>,
    /// Warnings and errors by event and reason.
    counts: BTreeMap<String, u64>,
    last: VecDeque<String>,
    /// Lines that are no events, such as a panic's.
    strays: Vec<String>,
}

impl NodeLog {
    fn lines(&self) -> MutexGuard<'_, LogLines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody reads the pipe.
    pub(crate) fn pause(&self, paused: bool) {
        self.paused.store(paused, Relaxed);
    }

    fn push(&self, line: String) {
        let Ok(event) = serde_json::from_str::<serde_json::Value>(&line) else {
            self.lines().strays.push(line);
            return;
        };
        let text = |key: &str| event.get(key).and_then(serde_json::Value::as_str);
        let (name, level) = (text("event").unwrap_or_default(), text("level"));
        let mut lines = self.lines();
        if KEPT.contains(&name) {
            lines.kept.push(event.clone());
        }
        if level.is_some_and(|level| !level.eq_ignore_ascii_case("info")) || name == "reload" {
            let name = format!("{name} {}", text("reason").unwrap_or_default());
            *lines.counts.entry(name).or_default() += 1;
            if lines.last.len() == LAST {
                lines.last.pop_front();
            }
            lines.last.push_back(line);
        }
    }

    fn count(&self, name: &str) -> usize {
        let is = |e: &&serde_json::Value| e.get("event").is_some_and(|event| event == name);
        self.lines().kept.iter().filter(is).count()
    }

    fn last(&self, name: &str) -> Option<serde_json::Value> {
        let is = |e: &&serde_json::Value| e.get("event").is_some_and(|event| event == name);
        self.lines().kept.iter().rev().find(is).cloned()
    }

    /// Waits until there are so many events of this name.
    async fn wait(&self, name: &str, count: usize) -> Outcome<()> {
        let end = super::now() + PATIENCE;
        while self.count(name) < count {
            if super::now() > end {
                return Err(format!("the log waited in vain for {name}").into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Warnings and errors by event and reason.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.lines().counts.clone()
    }

    /// The last warnings and errors.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        self.lines().last.iter().cloned().collect()
    }

    /// Lines that are no events.
    pub(crate) fn strays(&self) -> Vec<String> {
        self.lines().strays.clone()
    }
}

/// How the daemon is started.
pub(crate) struct NodeSetup {
    pub(crate) binary: String,
    /// Its topology; the control socket is in the same directory.
    pub(crate) topology: PathBuf,
    /// Its own, to be stepped, where there is one.
    pub(crate) clock: Option<OwnClock>,
    /// Its own, for its state, where there is one.
    pub(crate) disk: Option<OwnDisk>,
}

/// The running daemon.
pub(crate) struct Node {
    setup: NodeSetup,
    child: Child,
    /// Of the process that serves: an upgrade's is not the child.
    pid: u32,
    /// How many there were.
    upgrades: usize,
    pub(crate) log: Arc<NodeLog>,
}

impl Node {
    /// Starts it and waits until it is ready.
    pub(crate) async fn start(setup: NodeSetup) -> Outcome<Self> {
        let log = Arc::<NodeLog>::default();
        let child = spawn(&setup, &log)?;
        let node = Self {
            pid: child.id(),
            setup,
            child,
            upgrades: 0,
            log,
        };
        node.log.wait("ready", 1).await?;
        node.log.wait("control_listening", 1).await?;
        Ok(node)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Outcome<SocketAddr> {
        let listening = self.log.last("listening");
        let address = listening.as_ref().and_then(|e| e.get("address")?.as_str());
        Ok(address.ok_or("no address in the log")?.parse()?)
    }

    fn directory(&self) -> &Path {
        self.setup.topology.parent().unwrap_or(Path::new("."))
    }

    fn socket(&self) -> PathBuf {
        self.directory().join("control.sock")
    }

    /// Resident memory in MiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.unwrap_or_default() / 1024
    }

    /// Descriptors that are open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid)).map_or(0, Iterator::count)
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) -> Outcome<()> {
        let pid = i32::try_from(self.pid)?;
        let pid = rustix::process::Pid::from_raw(pid).ok_or("no process")?;
        Ok(rustix::process::kill_process(pid, signal)?)
    }

    /// A reload by the control socket; what it says if it is refused is the error.
    pub(crate) async fn reload(&self) -> Outcome<()> {
        let socket = self.socket();
        let reply = tokio::task::spawn_blocking(move || {
            ask(&socket, &Request::Reload {}, PATIENCE).map_err(|error| format!("{error:?}"))
        });
        let reply = reply.await??;
        let Reply::Reload(report) = &reply else {
            return Err(format!("a reload was answered otherwise: {reply:?}").into());
        };
        match report.result {
            ReloadResult::Refused => Err(format!("a reload was refused: {report:?}").into()),
            ReloadResult::Ok => Ok(()),
        }
    }

    /// `sipward upgrade`, to the same program. The former process goes when its clients and transactions have.
    pub(crate) async fn upgrade(&mut self) -> Outcome<()> {
        let mut command = Command::new(&self.setup.binary);
        command
            .args(["upgrade", "--json", "--socket"])
            .arg(self.socket());
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            return Err(String::from_utf8_lossy(&said).into());
        }
        let upgraded: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let pid = upgraded.get("pid").and_then(serde_json::Value::as_u64);
        self.pid = u32::try_from(pid.ok_or("no pid in the answer")?)?;
        self.upgrades += 1;
        Ok(())
    }

    /// Waits until the process before an upgrade is gone.
    pub(crate) async fn alone(&self) -> Outcome<()> {
        self.log.wait("former_gone", self.upgrades).await
    }

    /// Ends it with a signal and waits for that; an upgraded process is no child of this program, so that its status is unknown.
    pub(crate) async fn end(
        &mut self,
        signal: rustix::process::Signal,
    ) -> Outcome<Option<ExitStatus>> {
        let upgraded = self.pid != self.child.id();
        self.signal(signal)?;
        let end = super::now() + PATIENCE;
        loop {
            let status = self.child.try_wait()?;
            match upgraded {
                false if status.is_some() => return Ok(status),
                true if is_gone(self.pid) => return Ok(None),
                _ if super::now() > end => return Err("it does not end".into()),
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// Starts it again.
    pub(crate) async fn start_again(&mut self) -> Outcome<()> {
        let ready = self.log.count("ready") + 1;
        self.child = spawn(&self.setup, &self.log)?;
        self.pid = self.child.id();
        self.log.wait("ready", ready).await
    }

    /// Whether the process that serves has ended by itself.
    pub(crate) fn has_ended(&mut self) -> Option<String> {
        if self.pid != self.child.id() {
            return is_gone(self.pid).then(|| "the upgraded process is gone".to_owned());
        }
        let status = self.child.try_wait().ok().flatten()?;
        Some(format!(
            "it has ended: {status}, signal {:?}",
            status.signal()
        ))
    }

    /// Moves its clock by so many seconds; false where that cannot be done.
    pub(crate) fn step_clock(&self, seconds: i64) -> Outcome<bool> {
        match &self.setup.clock {
            Some(clock) => Ok(clock.set(seconds).map(|()| true)?),
            None => Ok(false),
        }
    }

    /// Fills its disk, or frees it again; false where it has none of its own.
    pub(crate) fn fill_disk(&self, full: bool) -> Outcome<bool> {
        let Some(disk) = &self.setup.disk else {
            return Ok(false);
        };
        match full {
            true => disk.fill(self.pid)?,
            false => disk.free(self.pid)?,
        }
        Ok(true)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.pid != self.child.id() {
            let _ = self.signal(rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a process has ended, reaped or not (proc_pid_stat(5)): all of its threads, of which the last one closes its sockets.
/// On a busy machine the first may be gone long before.
fn is_gone(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .map(|(_, rest)| rest.starts_with('Z'));
    let threads = fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    state.unwrap_or(true) && threads <= 1
}

/// Starts the process and a thread that reads its log.
fn spawn(setup: &NodeSetup, log: &Arc<NodeLog>) -> Outcome<Child> {
    let mut command = match &setup.disk {
        Some(disk) => disk.command(&setup.binary),
        None => Command::new(&setup.binary),
    };
    if let Some(clock) = &setup.clock {
        clock.enter(&mut command);
    }
    let directory = setup.topology.parent().unwrap_or(Path::new("."));
    let mut child = command
        .arg("run")
        .arg(&setup.topology)
        .env("RUNTIME_DIRECTORY", directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let pipe = child.stderr.take().ok_or("no pipe")?;
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            while log.paused.load(Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
            // A process that was killed in the middle of a line leaves the half of one, and that is its last.
            if line.pop() == Some(b'\n') {
                log.push(String::from_utf8_lossy(&line).into_owned());
            }
            line.clear();
        }
    });
    Ok(child)
}
