//! A topology of config/ as it is shipped: only the addresses in it are replaced, and the files that it names are made.
use super::side::is_ping;
use crate::harness::{Edge, Lab};
use sipward_lab::pki::{Authority, Issued, LeafSpec, Usage};
use sipward_lab::site::EDGE;
use sipward_lab::{Client, End, EventLog, NameServer, Server, ServerSpec, trust_only};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The authorities of a profile's certificates, and who has one.
pub(super) struct Profile {
    pub(super) lab: Lab,
    teams: Authority,
    text: String,
    names: NameServer,
    roots: Arc<rustls::RootCertStore>,
}

/// How long the CRLs of a test are good.
const HOUR: Duration = Duration::from_secs(3600);

impl Profile {
    /// Reads `config/NAME` and makes the files that it names.
    pub(super) fn read(name: &str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("config")
            .join(name);
        let text = std::fs::read_to_string(file).unwrap();
        let lab = Lab::new();
        let teams = Authority::root("Teams Lab CA").unwrap();
        let site = &lab.site;
        std::fs::create_dir(site.path().join("certs")).unwrap();
        for (name, ca) in [
            ("enterprise-ca", &site.enterprise),
            ("fabrikam-ca", &site.fabrikam),
            ("teams-ca", &teams),
        ] {
            let put = |file: String, text: &str| site.write(&file, text).unwrap();
            put(format!("certs/{name}.pem"), &ca.certificate_pem());
            put(
                format!("certs/{name}.crl.pem"),
                &ca.crl_pem(&[], HOUR).unwrap(),
            );
        }
        site.issue("certs/edge", &site.edge).unwrap();
        site.write("certs/tokens", &format!("1 {}\n", "5a".repeat(32)))
            .unwrap();
        let roots = trust_only(&[&site.enterprise]).unwrap();
        Self {
            names: NameServer::start().unwrap(),
            lab,
            teams,
            text,
            roots,
        }
    }

    /// A server that the file names, with a certificate of the home CA; its address there is replaced.
    pub(super) async fn home(&mut self, fqdn: &str) -> Server {
        let identity = self.lab.site.enterprise.server(fqdn).unwrap();
        self.server(fqdn, &identity).await
    }

    /// A partner's server.
    pub(super) async fn partner(&mut self, fqdn: &str) -> Server {
        let identity = self.lab.site.fabrikam.server(fqdn).unwrap();
        self.server(fqdn, &identity).await
    }

    /// What Teams shows in all its regions: a certificate for servers only, with every name of theirs.
    pub(super) fn teams(&self, names: &[&str]) -> Issued {
        let spec = LeafSpec {
            dns: names.iter().map(|n| (*n).to_owned()).collect(),
            usages: vec![Usage::Server],
            ..LeafSpec::server("sip.pstnhub.microsoft.com")
        };
        self.teams.issue(&spec).unwrap()
    }

    /// A server that shows this; the file's address for its name is replaced, or the name server knows it.
    pub(super) async fn server(&mut self, fqdn: &str, identity: &Issued) -> Server {
        let party = fqdn.split('.').next().unwrap();
        let server = Server::start(&ServerSpec {
            party,
            fqdn,
            aor: &format!("sip:{fqdn}"),
            identity,
            roots: &self.roots,
            transcript: &self.lab.transcript,
            listen: None,
        })
        .await
        .unwrap();
        let end: End = (*server).clone();
        // As long as the test's runtime lives.
        tokio::spawn(async move {
            loop {
                if let Ok(ping) = end.expect_where("a ping", is_ping).await {
                    let _sent = end.reply(&ping, 200).await;
                }
            }
        });
        let here = format!("fqdn = \"{fqdn}\"");
        let (before, entry) = self.text.split_once(&here).expect("the file names it");
        let end = entry.find("\n[").unwrap_or(entry.len());
        let (entry, after) = entry.split_at(end);
        match entry.lines().find(|line| line.starts_with("address = ")) {
            Some(line) => {
                let (key, rest) = line.split_at("address = ".len());
                let comment = rest.find('#').map_or("", |at| &rest[at..]);
                let ours = format!("{key}[\"{}\"] {comment}", server.address());
                let entry = entry.replace(line, &ours);
                self.text = format!("{before}{here}{entry}{after}");
            }
            None => {
                let service = format!("_sips._tcp.{fqdn}");
                let data =
                    sipward_lab::Data::Service(10, 0, server.address().port(), fqdn.to_owned());
                self.names.set(&service, 60, &[data]);
                let address = sipward_lab::Data::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));
                self.names.set(fqdn, 60, &[address]);
            }
        }
        server
    }

    /// Starts the daemon. What a test must know of it is added: its log, and who answers for names.
    pub(super) async fn start(&self) -> Edge {
        let mut text = self.text.replace("\"0.0.0.0:5061\"", "\"127.0.0.1:0\"");
        let is_left = |line: &str| !line.starts_with('#') && line.contains("\"10.");
        assert!(!text.lines().any(is_left), "a placeholder is left: {text}");
        // The log of a test tells of every request.
        if let Some((before, log)) = text.split_once("[log]\n") {
            let (_, after) = log.split_once("\n\n").unwrap();
            text = format!("{before}{after}");
        }
        text.push_str(&format!(
            "\n[log]\nrequests = \"all\"\nformat = \"json\"\n\n[dns]\nservers = [\"{}\"]\n",
            self.names.address()
        ));
        let file = self.lab.site.write("topology.toml", &text).unwrap();
        Edge::start(&file).await
    }

    /// A phone of the home domain.
    pub(super) async fn phone(&self, edge: &Edge, user: &str) -> Client {
        self.lab.client(edge, user).await
    }
}

/// A connection that the server makes.
pub(super) async fn dial(server: &Server, edge: &Edge) -> sipward_lab::Wire {
    server.dial(edge.address, EDGE).await.unwrap()
}

/// Stops the daemon; nothing was refused, dropped or lost but what these reasons or peers explain.
pub(super) async fn stop(edge: Edge, excused: &[&str]) -> EventLog {
    let log = edge.stop().await;
    for event in [
        "request_refused",
        "message_dropped",
        "handshake_refused",
        "peer_disconnected",
    ] {
        for line in log.named(event) {
            let is_excused = ["reason", "peer", "to_peer"]
                .iter()
                .filter_map(|field| line[field].as_str())
                // At the end peers are let go, and not connected to any more.
                .any(|text| ["drain", "draining"].contains(&text) || excused.contains(&text));
            assert!(is_excused, "{line}\n{}", log.to_text());
        }
    }
    log
}
