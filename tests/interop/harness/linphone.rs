//! Linphone's daemon as a softphone, driven over its socket (a line in, a block out).
//!
//! What real runs of Debian 12's 5.1.65 have shown:
//! - It asks the system's resolver, which the harness must not change for others: it runs in a mount namespace of its own,
//!   where /etc/hosts is a file of ours.
//! - It reads the file of `root_ca` again at each handshake: the file must outlive the phone, or every connection but the
//!   first fails with "No CA Chain is set". It compares the certificate with the host of `reg_route`, and what it refuses
//!   it tells with an alert: `unknown_ca` for the chain, `bad_certificate` for the name.
//! - It answers where the topmost Via says, by name and port, and not on the connection that the request came on if that
//!   goes to another port: so a relay before the edge needs the edge's own port, on another address of loopback.
//! - An account without `reg_route` registers at the proxy and calls by the domain's DNS.
//! - Without a sound card it makes calls all the same, with silence.
//! - `--pipe NAME` makes the socket /tmp/NAME. What happens is queued there and must be asked for (`pop-event`).
//! - When its connection breaks, it registers again at once by itself.
use super::certificates::{DOMAIN, EDGE};
use super::process::{PATIENCE, Process};
use super::stage::Program;
use std::cell::RefCell;
use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddrV4;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// Between two questions to a daemon that tells nothing unasked.
const PAUSE: Duration = Duration::from_millis(50);

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A running Linphone with one account.
pub(crate) struct Linphone {
    user: String,
    _process: Process,
    control: RefCell<UnixStream>,
    /// What it has told so far and nobody has asked for yet.
    events: RefCell<Vec<String>>,
    socket: PathBuf,
    _directory: TempDir,
}

impl Linphone {
    /// Starts it with an account at the home domain and waits until it is registered through a TLS port of loopback.
    ///
    /// `edge` is the address that it finds for the edge's name; it trusts the CA of that file, which must stay.
    pub(crate) fn start(ca: &Path, user: &str, edge: SocketAddrV4) -> Self {
        let phone = Self::launch(ca, user, EDGE, edge);
        phone.until("a registration", |phone| {
            phone
                .command("register-status ALL")
                .contains("LinphoneRegistrationOk")
        });
        phone
    }

    /// Starts it and lets it try to register at a server of that name.
    pub(crate) fn launch(ca: &Path, user: &str, name: &str, edge: SocketAddrV4) -> Self {
        let (port, ca) = (edge.port(), ca.display());
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let rc = format!(
            "[sip]\nsip_port=0\nsip_tcp_port=0\nsip_tls_port=-1\nroot_ca={ca}\n\
             verify_server_certs=1\nverify_server_cn=1\nguess_hostname=1\nregister_only_when_network_is_up=0\ndefault_proxy=0\n\
             [proxy_0]\nreg_identity=sip:{user}@{DOMAIN}\nreg_proxy=<sip:{name}:{port};transport=tls>\n\
             reg_route=<sip:{name}:{port};transport=tls;lr>\nreg_sendregister=1\nreg_expires=600\n\
             [rtp]\naudio_rtp_port=-1\nvideo_rtp_port=-1\n[storage]\nuri=null\n",
        );
        fs::write(at.join("rc"), rc).unwrap();
        fs::create_dir_all(at.join(".local/share/linphone")).unwrap();
        fs::write(
            at.join("hosts"),
            format!("127.0.0.1 localhost\n{} {name}\n", edge.ip()),
        )
        .unwrap();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let pipe = format!("sipward-interop-{}-{number}", process::id());
        let socket = PathBuf::from("/tmp").join(&pipe);
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c"]);
        command.arg("mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"");
        command.arg("sh").arg(at.join("hosts"));
        command.arg(Program::executable("linphone-daemon").unwrap());
        command.arg("--config").arg(at.join("rc"));
        command.args(["--pipe", &pipe]).env("HOME", at);
        let process = Process::start(&format!("linphone {user}"), &mut command);
        let control = connect(&socket);
        control.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            user: user.to_owned(),
            _process: process,
            control: RefCell::new(control),
            events: RefCell::new(Vec::new()),
            socket,
            _directory: directory,
        }
    }

    /// Waits until its registration has failed.
    pub(crate) fn wait_unregistered(&self) {
        self.until("a failed registration", |phone| {
            phone
                .command("register-status ALL")
                .contains("LinphoneRegistrationFailed")
        });
    }

    /// Calls another user of the home domain.
    pub(crate) fn call(&self, user: &str) {
        self.command(&format!("call sip:{user}@{DOMAIN}"));
    }

    /// Answers, holds, resumes or ends the call.
    pub(crate) fn order(&self, order: &str) {
        self.command(order);
    }

    /// Waits until a call has come to a state.
    pub(crate) fn wait(&self, state: &str) {
        self.until(state, |phone| {
            loop {
                let answer = phone.command("pop-event");
                // The size is of what is left.
                let last = answer.contains("Size: 0");
                if answer.contains("Event:") {
                    phone.events.borrow_mut().push(answer);
                }
                if last {
                    break;
                }
            }
            let mut events = phone.events.borrow_mut();
            let found = events.iter().position(|event| event.contains(state));
            // What came before it is past.
            found.inspect(|at| drop(events.drain(..=*at))).is_some()
        });
    }

    fn until(&self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let mut tries = PATIENCE.as_millis() / PAUSE.as_millis();
        while !done(self) {
            tries = tries.saturating_sub(1);
            assert!(
                tries > 0,
                "linphone {}: {what} did not come; since then: {:?}",
                self.user,
                self.events.borrow()
            );
            thread::sleep(PAUSE);
        }
    }

    /// Gives a command; gives its answer.
    fn command(&self, line: &str) -> String {
        let mut control = self.control.borrow_mut();
        control.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut buffer = [0; 65_536];
        let length = control.read(&mut buffer).unwrap();
        let answer = String::from_utf8_lossy(buffer.get(..length).unwrap()).into_owned();
        assert!(
            answer.contains("Status: Ok"),
            "linphone {}: {line}: {answer}",
            self.user
        );
        answer
    }
}

/// Connects to the daemon once it is there: what it prints about that stays in its buffer.
fn connect(socket: &Path) -> UnixStream {
    for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
        if let Ok(control) = UnixStream::connect(socket) {
            return control;
        }
        thread::sleep(PAUSE);
    }
    panic!("no linphone at {}", socket.display());
}

impl Drop for Linphone {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- linphone {}: {:?}", self.user, self.events.borrow());
        }
        let _gone = fs::remove_file(&self.socket);
    }
}
