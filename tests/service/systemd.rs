//! What a service manager sees: notifications, signals, watchdog, exit codes.
use sipward_lab::site::Site;
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program under a stand-in for systemd.
pub(crate) struct Service {
    child: Child,
    socket: UnixDatagram,
    /// The log, line by line.
    log: Receiver<serde_json::Value>,
    directory: tempfile::TempDir,
}

impl Service {
    pub(crate) fn start(topology: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sipward"));
        command.arg("run").arg(topology).stdin(Stdio::null());
        Self::spawn(command, environment)
    }

    /// As [`Self::start`], with one or two sockets handed over as systemd does it: from descriptor 3 on, for this process,
    /// with these names. A shell moves them there.
    pub(crate) fn start_with(topology: &Path, sockets: [Option<OwnedFd>; 2], names: &str) -> Self {
        let count = sockets.iter().flatten().count();
        let [first, second] = sockets.map(|socket| socket.map_or_else(Stdio::null, Stdio::from));
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "export LISTEN_PID=$$; exec \"$0\" run \"$1\" 3<&0 4<&1 </dev/null >/dev/null",
            env!("CARGO_BIN_EXE_sipward"),
        ]);
        command.arg(topology).stdin(first).stdout(second);
        let count = count.to_string();
        Self::spawn(
            command,
            &[("LISTEN_FDS", &count), ("LISTEN_FDNAMES", names)],
        )
    }

    /// As [`Self::start`], by this command.
    pub(crate) fn spawn(mut command: Command, environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut child = command
            .env("NOTIFY_SOCKET", &path)
            .env("RUNTIME_DIRECTORY", directory.path())
            .env_remove("WATCHDOG_USEC")
            .env_remove("WATCHDOG_PID")
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (lines, log) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).expect("every line is JSON");
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            socket,
            log,
            directory,
        }
    }

    /// The next notification that holds this assignment, with all its others.
    pub(crate) fn told(&self, assignment: &str) -> String {
        loop {
            let mut octets = [0; 4096];
            let length = match self.socket.recv(&mut octets) {
                // A signal came in the meantime (a receive with a timeout is not begun anew).
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                received => received.expect(assignment),
            };
            let text = String::from_utf8_lossy(&octets[..length]).into_owned();
            if text.lines().any(|line| line == assignment) {
                return text;
            }
        }
    }

    /// The next event of this name.
    pub(crate) fn event(&self, name: &str) -> serde_json::Value {
        loop {
            let event = self.log.recv_timeout(PATIENCE).expect(name);
            if event["event"] == name {
                return event;
            }
        }
    }

    /// The process that was started.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The runtime directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// The exit code, and the events that were left.
    pub(crate) fn ended(mut self) -> (Option<i32>, Vec<serde_json::Value>) {
        let events = self.log.iter().collect();
        (self.child.wait().unwrap().code(), events)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A site whose only home server never answers.
pub(crate) fn site() -> (Site, PathBuf) {
    let site = Site::new().unwrap();
    let text = site
        .topology(&[("fe01.contoso.test", ([127, 0, 0, 1], 9).into())], None)
        .to_toml();
    let file = site.write("topology.toml", &text).unwrap();
    (site, file)
}

#[test]
fn ready_is_told_when_the_log_says_so_and_a_stop_ends_with_zero() {
    let (_site, file) = site();
    let service = Service::start(&file, &[]);
    let ready = service.told("READY=1");
    let address = service.event("listening")["address"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        ready.contains(&format!("STATUS=serving generation 1 on {address}")),
        "{ready}"
    );
    service.event("ready");
    service.event("control_listening");
    service.event("forecast");
    service.signal("TERM");
    let stopping = service.told("STOPPING=1");
    assert!(stopping.contains("EXTEND_TIMEOUT_USEC="), "{stopping}");
    let (code, events) = service.ended();
    assert_eq!(code, Some(0));
    let names: Vec<_> = events
        .iter()
        .filter_map(|event| event["event"].as_str())
        .collect();
    assert_eq!(names, ["drain", "stopped"]);
}

#[test]
fn a_reload_is_told_with_its_time_and_its_end_and_a_refused_one_too() {
    let (site, file) = site();
    let service = Service::start(&file, &[]);
    service.told("READY=1");
    service.signal("HUP");
    assert!(service.told("RELOADING=1").contains("MONOTONIC_USEC="));
    assert!(
        service
            .told("READY=1")
            .contains("STATUS=serving generation 2 on ")
    );
    assert_eq!(service.event("reload")["result"], "ok");
    site.write("topology.toml", "[node]\n").unwrap();
    service.signal("HUP");
    service.told("RELOADING=1");
    let ready = service.told("READY=1");
    assert!(
        ready.contains("serving generation 2 on ") && ready.contains("refused"),
        "{ready}"
    );
    assert_eq!(service.event("reload")["level"], "error");
}

#[test]
fn hang_ups_that_come_at_once_are_few_reloads_and_the_last_file_serves() {
    let (site, file) = site();
    let service = Service::start(&file, &[]);
    service.told("READY=1");
    service.event("ready");
    let text = std::fs::read_to_string(&file).unwrap();
    site.write(
        "topology.toml",
        &text.replace("[limits]", "[limits]\nhandshakes = 77"),
    )
    .unwrap();
    let pid = service.child.id().to_string();
    // One `kill` sends them all, faster than a reload takes.
    let pids: Vec<&str> = std::iter::repeat_n(pid.as_str(), 200).collect();
    assert!(
        Command::new("kill")
            .args(["-s", "HUP"])
            .args(pids)
            .status()
            .unwrap()
            .success()
    );
    let first = service.event("reload");
    assert!(
        first["details"].to_string().contains("handshakes"),
        "{first}"
    );
    service.signal("TERM");
    let (code, events) = service.ended();
    assert_eq!(code, Some(0));
    let reloads = events
        .iter()
        .filter(|event| event["event"] == "reload")
        .count();
    assert!(reloads < 20, "{reloads} more reloads");
}

#[test]
fn the_watchdog_is_fed_while_the_shards_answer() {
    let (_site, file) = site();
    let service = Service::start(&file, &[("WATCHDOG_USEC", "200000")]);
    (0..3).for_each(|_| {
        service.told("WATCHDOG=1");
    });
}

/// The scheduling policy of a thread by the name of its process and itself: field 41 of stat (proc(5)).
fn policy(task: &Path) -> u32 {
    let stat = std::fs::read_to_string(task.join("stat")).unwrap();
    let behind_name = stat.rsplit(") ").next().unwrap();
    behind_name.split(' ').nth(41 - 3).unwrap().parse().unwrap()
}

/// The policies of the shards' threads, once the daemon is ready.
fn policies_of_shards(topology: &Path) -> Vec<u32> {
    let service = Service::start(topology, &[]);
    service.event("ready");
    let tasks = std::fs::read_dir(format!("/proc/{}/task", service.child.id())).unwrap();
    let tasks = tasks.map(|task| task.unwrap().path());
    let shards = tasks.filter(|task| {
        let name = std::fs::read_to_string(task.join("comm")).unwrap();
        name.starts_with("sipward-shard-")
    });
    shards.map(|task| policy(&task)).collect()
}

#[test]
fn shards_run_under_the_policy_that_the_topology_asks_for() {
    const SCHED_OTHER: u32 = 0;
    const SCHED_BATCH: u32 = 3;
    // What the tests run under is what the daemon is started with.
    let own = policy(Path::new("/proc/thread-self"));
    let (site, file) = site();
    let asked = if own == SCHED_OTHER { SCHED_BATCH } else { own };
    let shards = policies_of_shards(&file);
    assert!(!shards.is_empty());
    assert_eq!(shards, vec![asked; shards.len()]);
    let text = std::fs::read_to_string(&file).unwrap();
    let inherit = text.replacen("[node]\n", "[node]\nscheduling = \"inherit\"\n", 1);
    assert_ne!(text, inherit);
    let file = site.write("inherit.toml", &inherit).unwrap();
    let shards = policies_of_shards(&file);
    assert!(!shards.is_empty());
    assert_eq!(shards, vec![own; shards.len()]);
}

#[test]
fn a_topology_with_faults_is_one_event_with_all_of_them_and_exit_code_one() {
    let site = Site::new().unwrap();
    let file = site
        .write("topology.toml", "[node]\nfqnd = \"a.test\"\nspeed = 9\n")
        .unwrap();
    let (code, events) = Service::start(&file, &[]).ended();
    assert_eq!(code, Some(1));
    assert_eq!(events.len(), 1);
    assert_eq!(
        (&events[0]["event"], &events[0]["reason"]),
        (&"start_refused".into(), &"topology_faults".into())
    );
    let details = events[0]["details"].to_string();
    assert!(
        details.contains("fqnd") && details.contains("speed"),
        "{details}"
    );
}

#[test]
fn a_taken_port_ends_with_three_and_says_which() {
    let (site, _) = site();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut text = site.topology(&[("fe01.contoso.test", ([127, 0, 0, 1], 9).into())], None);
    text.section("[[listener]]").text("address", &address);
    let file = site.write("topology.toml", &text.to_toml()).unwrap();
    let (code, events) = Service::start(&file, &[]).ended();
    assert_eq!(code, Some(3));
    let last = events.last().unwrap();
    assert_eq!(
        (&last["event"], &last["reason"]),
        (&"start_refused".into(), &"listen_failed".into())
    );
    assert!(last["details"].to_string().contains(&address), "{last}");
}

#[test]
fn a_wrong_command_line_ends_with_two_and_help_with_zero() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_sipward"))
            .args(arguments)
            .output()
            .unwrap();
        output.status.code()
    };
    assert_eq!(run(&["fly"]), Some(2));
    assert_eq!(run(&[]), Some(2));
    assert_eq!(run(&["--version"]), Some(0));
    assert_eq!(run(&["--help"]), Some(0));
}
