//! The demo, which the README promises to everybody who has Rust and a C compiler.
use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// `demo --stay`, whose scenarios are over.
struct Staying {
    demo: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// What it has printed so far.
    text: String,
    /// Where it makes its one directory.
    temporary: tempfile::TempDir,
}

impl Staying {
    /// Waits until it has printed how to end it.
    fn start() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut demo = Command::new(env!("CARGO_BIN_EXE_sipward"))
            .args(["demo", "--stay"])
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(demo.stdout.take().unwrap()).lines();
        let mut staying = Self {
            demo,
            lines,
            text: String::new(),
            temporary,
        };
        staying.read_until("Ctrl-C ends it.");
        // Everything has run, and it waits: its keys are there for other programs.
        assert_eq!(staying.files(), 1);
        staying
    }

    fn read_until(&mut self, last: &str) {
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            self.text.push_str(&line);
            self.text.push('\n');
            if line.starts_with(last) {
                return;
            }
        }
        panic!("it has ended: {}", self.text);
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.temporary.path()).unwrap().count()
    }

    /// Its directory.
    fn directory(&self) -> PathBuf {
        let mut found = std::fs::read_dir(self.temporary.path()).unwrap();
        found.next().unwrap().unwrap().path()
    }

    /// Ends it by a signal, and returns what it has printed.
    fn end(&mut self) -> String {
        let pid = self.demo.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.unwrap().success());
        self.wait()
    }

    /// Waits for its end.
    fn wait(&mut self) -> String {
        for line in self.lines.by_ref() {
            self.text.push_str(&line.unwrap());
        }
        assert!(self.demo.wait().unwrap().success(), "{}", self.text);
        assert_eq!(self.files(), 0);
        self.text.clone()
    }
}

impl Drop for Staying {
    /// A test that fails leaves nobody behind.
    fn drop(&mut self) {
        let _ = self.demo.kill();
        let _ = self.demo.wait();
    }
}

/// Runs a command in this directory, to where its relative paths lead.
fn run(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sipward"));
    let command = command.args(arguments).current_dir(directory);
    command.output().unwrap()
}

#[test]
fn every_scenario_of_the_demo_goes_as_it_must_and_sigterm_leaves_no_keys_behind() {
    let text = Staying::start().end();
    assert!(text.contains("14 scenarios, 0 failed"), "{text}");
    // One ladder and one line of the summary for each title.
    assert_eq!(text.matches("Two clients register").count(), 2, "{text}");
}

/// All that docs/control.md has, but those that end something.
const COMMANDS: &[&str] = &[
    "status",
    "connections --client",
    "connections --user alice",
    "bindings",
    "calls",
    "pools",
    "limits",
    "refusals",
    "log-level all --peer fe02.contoso.test --for 1m",
    "trace --user alice --for 1s",
    "ladder sipward.log",
    "reload",
    "check topology.toml",
    "plan topology.toml",
    "deny add 192.0.2.0/24 --for 1h --reason test",
    "deny list",
    "deny remove 192.0.2.0/24",
    "crls",
    "drain --clients",
    "drain --clients --cancel",
    "kick fe02.contoso.test --for 1m",
    "kick alice",
];

#[test]
fn the_commands_reach_the_node_of_a_demo_that_stays() {
    let mut staying = Staying::start();
    let directory = staying.directory();
    let socket = directory.join("control.sock").display().to_string();
    // What it prints is what one copies.
    let line = format!("sipward status --socket {socket}");
    assert!(staying.text.contains(&line), "{}", staying.text);
    for command in COMMANDS {
        let mut words: Vec<&str> = command.split(' ').collect();
        if !command.starts_with("ladder") {
            words.extend(["--socket", &socket]);
        }
        let output = run(&directory, &words);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{command}: {told}");
        assert_eq!(told, "", "{command}");
    }
    let topology = directory.join("topology.toml").display().to_string();
    let refusals = run(&directory, &["refusals", "--config", &topology]);
    let refusals = String::from_utf8(refusals.stdout).unwrap();
    assert!(refusals.contains("not_in_topology"), "{refusals}");
    let page = staying.text.split_once("  http://").unwrap().1;
    let address = page.split('/').next().unwrap();
    let mut asked = TcpStream::connect(address).unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    asked.write_all(request.as_bytes()).unwrap();
    let mut figures = String::new();
    asked.read_to_string(&mut figures).unwrap();
    assert!(figures.contains("sipward_handshakes_total"), "{figures}");
    // The new process has what is left of the demo's files and goes with it.
    let upgraded = run(&directory, &["upgrade", "--json", "--socket", &socket]);
    let upgraded: serde_json::Value = serde_json::from_slice(&upgraded.stdout).unwrap();
    staying.read_until("The upgrade is over");
    let status = run(&directory, &["status", "--json", "--socket", &socket]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["pid"], upgraded["pid"]);
    staying.end();
    // Nobody may have waited for it yet: then it has no command line any more.
    let process = format!("/proc/{}/cmdline", upgraded["pid"]);
    for _ in 0..100 {
        if std::fs::read(&process).unwrap_or_default().is_empty() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("the new process goes on");
}

#[test]
fn drain_ends_a_demo_that_stays() {
    let mut staying = Staying::start();
    let directory = staying.directory();
    let socket = directory.join("control.sock").display().to_string();
    let drained = run(&directory, &["drain", "--socket", &socket]);
    assert!(drained.status.success());
    staying.wait();
}
