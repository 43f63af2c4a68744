//! The daemon under test: the real binary with a topology file, its events read from its JSON log.
use super::certificates::{Certificates, HOME, Pair};
use super::feed::Mark;
use super::kamailio::{CONTOSO, Site};
use super::namespace::Namespace;
use super::process::{PATIENCE, Process};
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A running edge.
pub(crate) struct Edge {
    process: Process,
    port: u16,
    directory: TempDir,
}

/// A line of its log.
#[derive(Clone, Debug)]
pub(crate) struct Event(Value);

impl Event {
    fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok().map(Self)
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.text("event")
    }

    /// A field's text; empty when there is none.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.0
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Whether a text stands anywhere in it.
    pub(crate) fn contains(&self, text: &str) -> bool {
        self.0.to_string().contains(text)
    }

    /// A field's number.
    pub(crate) fn number(&self, field: &str) -> Option<u64> {
        self.0.get(field).and_then(Value::as_u64)
    }
}

impl Edge {
    /// Starts `sipward run` in front of a home server on a port of loopback, and waits until it serves.
    pub(crate) fn start(certificates: &Certificates, home_port: u16) -> Self {
        Self::start_in(
            certificates,
            &Peering {
                site: CONTOSO,
                port: 0,
                pair: certificates.edge(),
                homes: &[(HOME, home_port)],
                partner: None,
            },
        )
    }

    /// As [`Edge::start`], among more servers than one.
    pub(crate) fn start_in(certificates: &Certificates, around: &Peering<'_>) -> Self {
        Self::run(&topology(certificates, around))
    }

    /// As [`Edge::start`], but the home server keeps no Path.
    pub(crate) fn start_for_contacts(certificates: &Certificates, home_port: u16) -> Self {
        let around = Peering {
            site: CONTOSO,
            port: 0,
            pair: certificates.edge(),
            homes: &[(HOME, home_port)],
            partner: None,
        };
        let text = topology(certificates, &around);
        Self::run(&text.replace("[[pool]]\n", "[[pool]]\npath = \"contact\"\n"))
    }

    /// As [`Edge::start`], with copies of messages for a collector on this port of loopback.
    pub(crate) fn start_with_hep(
        certificates: &Certificates,
        home_port: u16,
        collector: u16,
        password: &Path,
    ) -> Self {
        let around = Peering {
            site: CONTOSO,
            port: 0,
            pair: certificates.edge(),
            homes: &[(HOME, home_port)],
            partner: None,
        };
        let text = topology(certificates, &around);
        Self::run(&format!(
            "{text}\n[hep]\naddress = \"127.0.0.1:{collector}\"\ncapture_id = 2001\npassword_file = {password:?}\n"
        ))
    }

    /// As [`Edge::start`], but the home server has a name only, which this name server knows.
    pub(crate) fn start_by_name(certificates: &Certificates, names: SocketAddr) -> Self {
        let around = Peering {
            site: CONTOSO,
            port: 0,
            pair: certificates.edge(),
            homes: &[(HOME, BY_NAME)],
            partner: None,
        };
        let text = topology(certificates, &around);
        Self::run(&format!("{text}\n[dns]\nservers = [\"{names}\"]\n"))
    }

    /// As [`Edge::start`], behind a balancer at this address.
    pub(crate) fn start_behind(certificates: &Certificates, balancer: &str) -> Self {
        let around = Peering {
            site: CONTOSO,
            port: 0,
            pair: certificates.edge(),
            homes: &[(HOME, super::ports::free_port())],
            partner: None,
        };
        let text = topology(certificates, &around);
        let listener = "accept = [\"client\", \"peer\"]\n";
        assert!(text.contains(listener));
        let behind = format!("{listener}proxy_protocol = [\"{balancer}\"]\n");
        Self::run(&text.replacen(listener, &behind, 1))
    }

    /// `sipward COMMAND...` for this daemon.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sipward"));
        let socket = self.directory.path().join("control.sock");
        command.args(arguments).arg("--socket").arg(socket);
        command
    }

    /// How often an event has happened, whether it had a line or not.
    pub(crate) fn counted(&self, event: &str) -> u64 {
        let output = Command::new(env!("CARGO_BIN_EXE_sipward"))
            .args(["status", "--json", "--socket"])
            .arg(self.directory.path().join("control.sock"))
            .output()
            .unwrap();
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        let counts = status["events"].as_array().unwrap().iter();
        let counts = counts.filter(|count| count["event"] == event);
        counts.filter_map(|count| count["count"].as_u64()).sum()
    }

    /// Starts it on a topology of config/ as it is shipped, but for the addresses in it and the files that it names.
    pub(crate) fn start_shipped(
        certificates: &Certificates,
        name: &str,
        peers: &[(&str, u16)],
    ) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("config")
            .join(name);
        let mut text = fs::read_to_string(file).unwrap();
        for (fqdn, port) in peers {
            let entry = format!("fqdn = \"{fqdn}\"");
            let (before, after) = text.split_once(&entry).expect("the file names it");
            let at = after.find("\naddress = ").expect("it has an address") + 1;
            let end = at + after[at..].find('\n').unwrap();
            text = format!(
                "{before}{entry}{}address = [\"127.0.0.1:{port}\"]{}",
                &after[..at],
                &after[end..]
            );
        }
        let edge = certificates.edge();
        let (ca, partner) = (certificates.enterprise_ca(), certificates.other_ca());
        let tokens = certificates.directory().join("tokens");
        fs::write(&tokens, format!("1 {}\n", "5a".repeat(32))).unwrap();
        fs::set_permissions(&tokens, fs::Permissions::from_mode(0o600)).unwrap();
        for (shipped, made) in [
            ("certs/edge.chain.pem", &edge.chain),
            ("certs/edge.key.pem", &edge.key),
            ("certs/enterprise-ca.pem", &ca),
            ("certs/enterprise-ca.crl.pem", &ca.with_extension("crl.pem")),
            ("certs/fabrikam-ca.pem", &partner),
            (
                "certs/fabrikam-ca.crl.pem",
                &partner.with_extension("crl.pem"),
            ),
            ("certs/tokens", &tokens),
        ] {
            text = text.replace(
                &format!("\"{shipped}\""),
                &format!("\"{}\"", made.display()),
            );
        }
        let text = text.replace("\"0.0.0.0:5061\"", "\"127.0.0.1:0\"");
        assert!(!text.contains("\"10."), "a placeholder is left");
        Self::run(&format!(
            "{text}\n[log]\nrequests = \"all\"\nformat = \"json\"\n"
        ))
    }

    /// Starts it on this topology.
    pub(crate) fn run(topology: &str) -> Self {
        Self::run_by(Command::new(env!("CARGO_BIN_EXE_sipward")), topology)
    }

    /// The same in a network namespace.
    pub(crate) fn run_in(inside: &Namespace, topology: &str) -> Self {
        Self::run_by(inside.command(env!("CARGO_BIN_EXE_sipward")), topology)
    }

    /// Has it take nothing new.
    pub(crate) fn drain(&self) {
        let output = Command::new(env!("CARGO_BIN_EXE_sipward"))
            .args(["drain", "--clients", "--socket"])
            .arg(self.directory.path().join("control.sock"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    fn run_by(mut command: Command, topology: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("topology.toml");
        fs::write(&file, topology).unwrap();
        let process = Process::start(
            "sipward",
            command
                .arg("run")
                .arg(&file)
                .env("RUNTIME_DIRECTORY", directory.path()),
        );
        let mut edge = Self {
            process,
            port: 0,
            directory,
        };
        let listening = edge.wait_event(Mark::START, "listening", |_| true);
        edge.wait_event(Mark::START, "ready", |_| true);
        edge.port = listening
            .text("address")
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok())
            .unwrap_or_else(|| panic!("no port in {listening:?}"));
        edge
    }

    /// The port of its listener.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The end of its log as of now.
    pub(crate) fn mark(&self) -> Mark {
        self.process.mark()
    }

    /// Waits for an event since a mark.
    pub(crate) fn wait_event(
        &self,
        since: Mark,
        name: &str,
        wanted: impl Fn(&Event) -> bool,
    ) -> Event {
        self.wait_event_for(PATIENCE, since, name, wanted)
    }

    /// As [`Edge::wait_event`], for so long at most.
    pub(crate) fn wait_event_for(
        &self,
        limit: Duration,
        since: Mark,
        name: &str,
        wanted: impl Fn(&Event) -> bool,
    ) -> Event {
        let what = format!("event {name}");
        self.process.wait_for(limit, since, &what, |line| {
            Event::parse(line).filter(|event| event.name() == name && wanted(event))
        })
    }

    /// Waits for the line that says how a request of a method ended.
    pub(crate) fn wait_relayed(&self, since: Mark, method: &str, status: u64) -> Event {
        self.wait_event(since, "request_relayed", |event| {
            event.text("method") == method && event.number("status") == Some(status)
        })
    }

    /// Stops it. The log of a daemon that runs is behind what it does, so that nothing can be said of what it lacks.
    pub(crate) fn stop(&self) -> WholeLog<'_> {
        self.process.end();
        WholeLog(&self.process)
    }
}

/// The log of a daemon that has ended, up to where it was told to.
pub(crate) struct WholeLog<'a>(&'a Process);

impl WholeLog<'_> {
    /// Its lines since a mark.
    pub(crate) fn lines(&self, since: Mark) -> Vec<String> {
        // Whoever goes on sending is refused from there on.
        let is_end = |line: &&String| Event::parse(line).is_some_and(|it| it.name() == "drain");
        self.0.read(since, |lines| {
            let lines = lines.iter().take_while(|line| !is_end(line));
            lines.cloned().collect()
        })
    }

    /// The events of a name since a mark.
    pub(crate) fn events(&self, since: Mark, name: &str) -> Vec<Event> {
        let lines = self.lines(since);
        let events = lines.iter().filter_map(|line| Event::parse(line));
        events.filter(|event| event.name() == name).collect()
    }
}

/// In the place of a port: the server's address is found by its name.
const BY_NAME: u16 = 0;

/// What stands around an edge.
pub(crate) struct Peering<'a> {
    /// Whose edge it is.
    pub(crate) site: Site,
    /// Where it listens; 0: anywhere.
    pub(crate) port: u16,
    /// What it shows.
    pub(crate) pair: Pair,
    /// Names and ports of the home servers, tried in this order.
    pub(crate) homes: &'a [(&'a str, u16)],
    /// The partner and the port of its edge.
    pub(crate) partner: Option<(Site, u16)>,
}

/// One listener for clients and peers. Back-off is short, so that a test of reconnecting is.
fn topology(certificates: &Certificates, around: &Peering<'_>) -> String {
    let trust = |name: &str, site: Site| {
        let file = certificates.directory().join(site.ca);
        format!(
            "[[trust]]\nname = \"{name}\"\nanchors = \"{}\"\ncrls = [\"{}\"]\nrevocation = \"require\"\n\n",
            file.display(),
            file.with_extension("crl.pem").display()
        )
    };
    let peer = |fqdn: &str, kind: &str, trust: &str, port: u16| {
        let address = match port {
            BY_NAME => String::new(),
            port => format!("address = [\"127.0.0.1:{port}\"]\n"),
        };
        format!("[[peer]]\nfqdn = \"{fqdn}\"\nkind = \"{kind}\"\ntrust = [\"{trust}\"]\n{address}")
    };
    let mut trusts = trust("enterprise-ca", around.site);
    let mut peers = String::new();
    for (fqdn, port) in around.homes {
        peers.push_str(&peer(fqdn, "home", "enterprise-ca", *port));
    }
    if let Some((site, port)) = around.partner {
        trusts.push_str(&trust("partner-ca", site));
        peers.push_str(&peer(site.edge, "federated", "partner-ca", port));
        peers.push_str(&format!(
            "domains = [\"{}\"]\nhide_topology = true\n",
            site.domain
        ));
    }
    let names: Vec<_> = around.homes.iter().map(|(fqdn, _)| fqdn).collect();
    let (domain, edge, port) = (around.site.domain, around.site.edge, around.port);
    format!(
        r#"[node]
fqdn = "{edge}"
domains = ["{domain}"]

[[identity]]
name = "edge"
certificate = "{chain}"
private_key = "{key}"

{trusts}
[[listener]]
name = "edge"
address = "127.0.0.1:{port}"
identity = "edge"
accept = ["client", "peer"]

{peers}
[[pool]]
name = "front-end"
domains = ["{domain}"]
peers = {names:?}
strategy = "ordered"

[limits]
backoff_min = "100ms"
backoff_max = "500ms"

[log]
requests = "all"
format = "json"
"#,
        chain = around.pair.chain.display(),
        key = around.pair.key.display(),
    )
}
