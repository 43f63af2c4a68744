//! baresip as a softphone, driven over its control port (JSON in netstrings).
//!
//! What real runs of Debian 12's 1.0.0 have shown:
//! - `ausine` gives 48 kHz stereo only; without `ausrc_srate` and `ausrc_channels` the call is not answered at all (no 200
//!   leaves, and nothing but the log says so).
//! - `net_interface` takes an address and no name here (`lo` is "No such device").
//! - SIP over TLS is not verified: neither chain nor name (`sip_verify_server` came later). So it says nothing about our
//!   certificate; sipsak and openssl do.
//! - It registers only with `uanew` after the control connection stands, so no event is lost.
//! - `/message` belongs to contact.so and sends to the current contact. What comes in is not an event: it is read in
//!   the SIP trace (`-s`).
//! - In a dialog the first URI of the route set decides where a request goes, whatever `outbound=` says: its host is
//!   asked of DNS (hence the name server of the harness), and without `;transport=tls` it goes out over **UDP**, port
//!   and all, so that the ACK never arrives. A `sips:` URI there is "not implemented". So the edge's Record-Route
//!   towards clients must say `;transport=tls`.
//! - Its Contact names the port it listens on; once registered, the local port of its connection. `Supported: gruu,
//!   outbound, path`, `+sip.instance` (uuid.so) and `reg-id=1` in REGISTER. Every request begins with
//!   `Route: <sip:127.0.0.1:PORT;transport=tls;lr>`, and the Request-URI carries `;transport=tls`.
use super::certificates::{Certificates, DOMAIN, EDGE};
use super::feed::{Feed, Mark};
use super::kamailio::FABRIKAM;
use super::name_server::NameServer;
use super::ports::free_port;
use super::process::{PATIENCE, Process};
use super::stage::{Program, baresip_modules};
use serde_json::{Value, json};
use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// Where a phone connects to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// A port of 127.0.0.1; 0: found by SRV.
    pub(crate) port: u16,
}

impl Target {
    /// Wherever the records of the edge's name lead.
    pub(crate) const BY_RECORDS: Self = Self { port: 0 };
}

/// A running baresip with one account.
pub(crate) struct Phone {
    user: String,
    domain: &'static str,
    /// The host of its outbound proxy.
    server: &'static str,
    /// How often it registers, in seconds.
    refresh: u32,
    process: Process,
    control: TcpStream,
    heard: Arc<Feed<Value>>,
    commands: Cell<u32>,
    _names: Option<NameServer>,
    _directory: TempDir,
}

impl Phone {
    /// Starts a phone whose one contact is another user. It has no account yet: see [`Phone::register`].
    pub(crate) fn start(certificates: &Certificates, user: &str, contact: &str) -> Self {
        Self::start_in(DOMAIN, certificates, user, contact)
    }

    /// As [`Phone::start`], with an account of another domain.
    pub(crate) fn start_in(
        domain: &'static str,
        certificates: &Certificates,
        user: &str,
        contact: &str,
    ) -> Self {
        let names = NameServer::start(&[EDGE, FABRIKAM.edge], Ipv4Addr::LOCALHOST);
        let asks = SocketAddr::from((Ipv4Addr::LOCALHOST, names.port()));
        let way = (domain, "127.0.0.1", 600);
        Self::start_with(way, (asks, Some(names)), certificates, user, contact)
    }

    /// As [`Phone::start`], but it knows the edge by its name and finds it at this address.
    pub(crate) fn start_over(
        way: Ipv4Addr,
        certificates: &Certificates,
        user: &str,
        contact: &str,
    ) -> Self {
        let names = NameServer::start(&[EDGE, FABRIKAM.edge], way);
        let asks = SocketAddr::from((Ipv4Addr::LOCALHOST, names.port()));
        let names = (asks, Some(names));
        Self::start_with((DOMAIN, EDGE, 600), names, certificates, user, contact)
    }

    /// As [`Phone::start`], but it knows the edge by its name and asks this name server, and registers every ten seconds.
    pub(crate) fn start_by_records(
        asks: SocketAddr,
        certificates: &Certificates,
        user: &str,
        contact: &str,
    ) -> Self {
        let names = (asks, None);
        Self::start_with((DOMAIN, EDGE, 10), names, certificates, user, contact)
    }

    fn start_with(
        (domain, server, refresh): (&'static str, &'static str, u32),
        (asks, names): (SocketAddr, Option<NameServer>),
        certificates: &Certificates,
        user: &str,
        contact: &str,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let control_port = free_port();
        let modules = baresip_modules().unwrap();
        let config = format!(
            "poll_method epoll\n\
             net_interface 127.0.0.1\n\
             dns_server {asks}\n\
             statmode_default off\n\
             sip_listen 127.0.0.1:0\n\
             sip_cafile {ca}\n\
             call_max_calls 4\n\
             audio_source ausine,440\n\
             ausrc_srate 48000\n\
             ausrc_channels 2\n\
             audio_player aufile,{at}/heard.wav\n\
             audio_alert aufile,{at}/alert.wav\n\
             rtp_ports 10000-19998\n\
             module_path {modules}\n\
             module g711.so\n\
             module ausine.so\n\
             module aufile.so\n\
             module uuid.so\n\
             module_app account.so\n\
             module_app contact.so\n\
             module_app menu.so\n\
             module_app ctrl_tcp.so\n\
             ctrl_tcp_listen 127.0.0.1:{control_port}\n",
            ca = certificates.enterprise_ca().display(),
            at = at.display(),
            modules = modules.display(),
        );
        fs::write(at.join("config"), config).unwrap();
        fs::write(at.join("accounts"), "").unwrap();
        fs::write(
            at.join("contacts"),
            format!("\"{contact}\" <sip:{contact}@{DOMAIN}>\n"),
        )
        .unwrap();
        let process = Process::start(
            &format!("baresip {user}"),
            Command::new(Program::executable("baresip").unwrap())
                .arg("-f")
                .arg(at)
                .arg("-s"),
        );
        process.wait_text(Mark::START, "baresip is ready.");
        let control = TcpStream::connect(("127.0.0.1", control_port)).unwrap();
        let heard = Arc::new(Feed::new());
        let (source, sink) = (control.try_clone().unwrap(), Arc::clone(&heard));
        thread::spawn(move || {
            read_netstrings(source, &sink);
            sink.close();
        });
        Self {
            user: user.to_owned(),
            domain,
            server,
            refresh,
            process,
            control,
            heard,
            commands: Cell::new(0),
            _names: names,
            _directory: directory,
        }
    }

    /// Registers at the home domain through a TLS port of loopback and waits for the 200.
    pub(crate) fn register(&self, target: Target) {
        let answer = self.try_register(target);
        assert_eq!(answer, Ok(()), "{} cannot register", self.user);
    }

    /// As [`Phone::register`], but gives the refusal.
    pub(crate) fn try_register(&self, target: Target) -> Result<(), String> {
        let port = match target.port {
            0 => String::new(),
            port => format!(":{port}"),
        };
        self.command(
            "uanew",
            Some(&format!(
                "<sip:{}@{};transport=tls>;outbound=\"sip:{}{port};transport=tls\";\
                 sipnat=outbound;regint={};auth_pass=none",
                self.user, self.domain, self.server, self.refresh
            )),
        );
        let answer = self.wait_any(&["REGISTER_OK", "REGISTER_FAIL"]);
        if kind(&answer) == "REGISTER_OK" {
            Ok(())
        } else {
            Err(parameter(&answer))
        }
    }

    /// Makes its account anew and registers, several times if it must: while the edge holds back after a failed
    /// connect, it answers at once, and nothing announces that the time is over.
    pub(crate) fn register_again(&self, target: Target) {
        for _ in 0..50 {
            self.command("uadel", Some(&format!("sip:{}@{}", self.user, self.domain)));
            if self.try_register(target).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(200));
        }
        panic!("{} cannot register again", self.user);
    }

    /// Calls another user of the home domain.
    pub(crate) fn dial(&self, user: &str) {
        self.dial_uri(&format!("sip:{user}@{}", self.domain));
    }

    /// Calls anybody.
    pub(crate) fn dial_uri(&self, uri: &str) {
        self.command("dial", Some(uri));
    }

    /// Holds the call.
    pub(crate) fn hold(&self) {
        self.command("hold", None);
    }

    /// Goes on with it.
    pub(crate) fn resume(&self) {
        self.command("resume", None);
    }

    /// Answers the incoming call.
    pub(crate) fn answer(&self) {
        self.command("accept", None);
    }

    /// Ends the call: BYE, CANCEL or 486, as its state has it.
    pub(crate) fn hang_up(&self) {
        self.command("hangup", None);
    }

    /// Sends a MESSAGE to its contact.
    pub(crate) fn message(&self, text: &str) {
        self.command("contact_next", None);
        self.command("message", Some(text));
    }

    /// Waits for an event and takes it; gives its parameter (a URI, or the reason why a call closed).
    pub(crate) fn wait(&self, event: &str) -> String {
        parameter(&self.wait_any(&[event]))
    }

    fn wait_any(&self, events: &[&str]) -> Value {
        self.heard
            .take(PATIENCE, |heard| events.contains(&kind(heard)))
            .unwrap_or_else(|| panic!("{}: no event of {events:?}", self.user))
    }

    /// The end of its SIP trace as of now.
    pub(crate) fn mark(&self) -> Mark {
        self.process.mark()
    }

    /// Waits for a text in its SIP trace.
    pub(crate) fn wait_trace(&self, since: Mark, text: &str) {
        self.process.wait_text(since, text);
    }

    /// Fails if a text stands in its SIP trace.
    #[track_caller]
    pub(crate) fn assert_trace_without(&self, text: &str) {
        self.process.read(Mark::START, |lines| {
            let found = lines.iter().find(|line| line.contains(text));
            assert_eq!(found, None, "{}: {text}", self.user);
        });
    }

    /// Gives a command and waits until it is done.
    fn command(&self, command: &str, parameters: Option<&str>) {
        let number = self.commands.get();
        self.commands.set(number + 1);
        let token = number.to_string();
        let mut order = json!({ "command": command, "token": token });
        if let Some(parameters) = parameters {
            order["params"] = parameters.into();
        }
        let order = order.to_string();
        let mut control = &self.control;
        control
            .write_all(format!("{}:{order},", order.len()).as_bytes())
            .unwrap();
        let answer = self
            .heard
            .take(PATIENCE, |heard| {
                heard.get("token").and_then(Value::as_str) == Some(&token)
            })
            .unwrap_or_else(|| panic!("{}: no answer to {command}", self.user));
        assert_eq!(
            answer.get("ok"),
            Some(&true.into()),
            "{}: {command}: {answer}",
            self.user
        );
    }
}

fn kind(event: &Value) -> &str {
    event
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn parameter(event: &Value) -> String {
    event
        .get("param")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// `LENGTH:JSON,` one after the other.
fn read_netstrings(source: TcpStream, heard: &Feed<Value>) {
    let mut source = BufReader::new(source);
    let mut length = Vec::new();
    while matches!(source.read_until(b':', &mut length), Ok(1..)) {
        let digits = String::from_utf8_lossy(&length);
        let Ok(size) = digits.trim_end_matches(':').parse::<usize>() else {
            return;
        };
        let mut text = vec![0; size + 1];
        if source.read_exact(&mut text).is_err() {
            return;
        }
        text.truncate(size);
        if let Ok(value) = serde_json::from_slice(&text) {
            heard.push(value);
        }
        length.clear();
    }
}
