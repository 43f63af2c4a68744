//! Everybody in the demo: a throw-away site, the daemon on it, two home servers, a partner, two clients.
use super::failure::ScenarioFailure;
use crate::daemon::Daemon;
use crate::daemon::control::SOCKET_NAME;
use crate::observe::{Log, LogGuard, Sink};
use crate::topology::{LogFormat, LogIdentities, LogRequests, LogSettings};
use rustls::RootCertStore;
use sipward_lab::pki::{Issued, LeafSpec};
use sipward_lab::site::{EDGE, HOME, PARTNER_EDGE, Site};
use sipward_lab::{
    Client, EdgeTarget, HomeServer, LineWriter, LiveLog, Registrar, Server, ServerSpec, Transcript,
    trust_only,
};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;
use std::time::Duration;

/// A peer of the topology that is in no pool. Bad certificates carry this name: its entry matches, so that
/// the refusal shows what is wrong with the certificate and not that nobody knows the name.
pub(super) const SPARE: &str = "fe03.contoso.test";
const HOUR: i64 = 3600;
/// Until when the CRLs are good: with `--stay` somebody may try things for days.
const CRLS_LAST: Duration = Duration::from_secs(30 * 24 * 3600);
/// The log, as a file beside the topology: `sipward ladder` and `sipward explain DECISION` have it from there.
pub(super) const LOG_FILE: &str = "sipward.log";

/// Everybody and everything. The ends stop when it is dropped, the daemon by [`Self::stop`].
pub(super) struct DemoSetup {
    /// The directory with certificates, CRLs and topology, and the CAs that made them.
    pub(super) site: Site,
    /// What all ends sent and received; the ladders are drawn from it.
    pub(super) transcript: Transcript,
    /// The daemon's log. A scenario counts as done when its event stands here.
    pub(super) log: LiveLog,
    /// Where the daemon listens: a free port, for clients and servers alike.
    pub(super) edge: SocketAddr,
    /// Where monitoring is answered, if the demo stays.
    pub(super) http: SocketAddr,
    /// What every end trusts: the home CA alone, which vouches for the edge.
    pub(super) roots: Arc<RootCertStore>,
    /// The first home server of the pool, which the last call scenario kills.
    pub(super) fe01: HomeServer,
    /// The federated partner's server; its user carol is the server itself.
    pub(super) partner: Server,
    /// A phone that calls.
    pub(super) alice: Client,
    /// A phone that is called.
    pub(super) bob: Client,
    /// A certificate that the home CA has issued and revoked.
    pub(super) revoked: Issued,
    /// An address that the topology does not name. It listens, and a connection to it would prove an open
    /// relay.
    pub(super) third: TcpListener,
    /// The second home server. Held, because it stops when it is dropped.
    _fe02: HomeServer,
    /// Shared with the server of the control socket, which `--stay` starts.
    pub(super) daemon: Arc<Daemon>,
    /// The log's thread ends with it, so it goes last.
    log_guard: LogGuard,
}

impl DemoSetup {
    /// Makes the PKI, starts the servers, the daemon and the clients, in this order: the topology needs the
    /// servers' addresses, and the ends need the daemon's.
    pub(super) async fn start() -> Result<Self, ScenarioFailure> {
        let site = Site::new()?;
        let transcript = Transcript::new();
        let roots = trust_only(&[&site.enterprise])?;
        // One for both home servers: a client that fe01 has registered is found by fe02.
        let registrar = Registrar::default();
        let fe01 = home(&site, "fe01", &roots, &transcript, &registrar).await?;
        let fe02 = home(&site, "fe02", &roots, &transcript, &registrar).await?;
        // From its own CA, which the topology grants to this one name.
        let identity = site.fabrikam.server(PARTNER_EDGE)?;
        // The files are for `--stay` only: an openssl of the user's can be the partner's server.
        site.issue("partner", &identity)?;
        let partner = Server::start(&ServerSpec {
            party: "partner",
            fqdn: PARTNER_EDGE,
            aor: "sip:carol@fabrikam.test",
            identity: &identity,
            roots: &roots,
            transcript: &transcript,
            listen: None,
        })
        .await?;

        let revoked = site.enterprise.server(SPARE)?;
        // Before the daemon starts: it reads CRLs when it loads the topology.
        for (ca, name, revoked) in [
            (&site.enterprise, "enterprise-ca", &[&revoked][..]),
            (&site.fabrikam, "fabrikam-ca", &[]),
        ] {
            let crl = ca.crl_pem(revoked, CRLS_LAST)?;
            site.write(&format!("{name}.crl.pem"), &crl)?;
        }
        // Accepting must not block: no connection is what is hoped for.
        let third = TcpListener::bind("127.0.0.1:0")?;
        third.set_nonblocking(true)?;
        let mut topology = site.topology(
            &[
                ("fe01.contoso.test", fe01.server().address()),
                ("fe02.contoso.test", fe02.server().address()),
            ],
            Some(partner.address()),
        );
        topology
            .peer(SPARE, "home", "enterprise-ca")
            // The discard port: nothing is ever sent to this peer.
            .list("address", &["127.0.0.1:9"]);
        // Everything that a command or a new process of an upgrade may need is in the one directory that goes at the end.
        let within = |name: &str| site.path().join(name).display().to_string();
        std::fs::create_dir(site.path().join("state"))?;
        topology.section("[node]").text("state", &within("state"));
        topology
            .section("[admin]")
            .text("socket", &within(SOCKET_NAME));
        topology.section("[log]").text("file", &within(LOG_FILE));
        // Free a moment ago; if it is not any more, the page alone is missing. Served only by `--stay`.
        let http = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        topology
            .section("[http]")
            .text("address", &http.to_string());
        // Who tries an upgrade or `drain --clients` wants to see its end.
        topology.section("[limits]").text("handover", "10s");
        let file = site.write("topology.toml", &topology.to_toml())?;

        // Every request is logged, and as JSON: the scenarios wait for the log's events before they go on.
        let log = LiveLog::default();
        let settings = LogSettings {
            requests: LogRequests::All,
            identities: LogIdentities::Full,
            format: LogFormat::Json,
            file: None,
        };
        // What the scenarios read and what an operator reads are the same lines.
        let lines = TwoLogs {
            events: log.writer(),
            file: log_file(&site)?,
        };
        let (events, log_guard) = Log::start(&settings, 8_192, Sink::Writer(Box::new(lines)));
        // The daemon itself, on the same kind of file as an operator writes: nothing of it is replaced or
        // left out.
        let daemon = Daemon::start(&file, &events)?;
        // Logged once every listener is bound and the topology is served.
        log.wait("ready", |_| true).await?;
        let edge = daemon
            .addresses()
            .first()
            .map(|(_, address)| *address)
            .ok_or(ScenarioFailure::NoListener)?;
        // A home server that has no connection of the edge's dials it, as a real one would.
        fe01.set_edge(edge, EDGE);
        fe02.set_edge(edge, EDGE);
        let face = EdgeTarget {
            address: edge,
            name: EDGE.to_owned(),
            roots: Arc::clone(&roots),
            transcript: transcript.clone(),
        };
        // Phones show no certificate; who they are is for the home servers to ask.
        let alice = Client::connect(&face, "alice", "sip:alice@contoso.test").await?;
        let bob = Client::connect(&face, "bob", "sip:bob@contoso.test").await?;
        // The partner connects first, so that its calls need no connection from the edge.
        partner.dial(edge, EDGE).await?;
        Ok(Self {
            site,
            transcript,
            log,
            edge,
            http,
            roots,
            fe01,
            partner,
            alice,
            bob,
            revoked,
            third,
            _fe02: fe02,
            daemon: Arc::new(daemon),
            log_guard,
        })
    }

    /// A server of this name with any certificate. It trusts the edge as everybody does, so that only the
    /// edge can refuse.
    pub(super) async fn stranger(
        &self,
        fqdn: &str,
        identity: &Issued,
    ) -> Result<Server, ScenarioFailure> {
        Ok(Server::start(&ServerSpec {
            party: "stranger",
            fqdn,
            aor: &format!("sip:stranger@{fqdn}"),
            identity,
            roots: &self.roots,
            transcript: &self.transcript,
            listen: None,
        })
        .await?)
    }

    /// A certificate that was good until an hour ago.
    pub(super) fn expired(&self) -> Result<Issued, ScenarioFailure> {
        Ok(self.site.enterprise.issue(&LeafSpec {
            not_before: -30 * 24 * HOUR,
            not_after: -HOUR,
            ..LeafSpec::server(SPARE)
        })?)
    }

    /// Writes the revoked certificate: not before somebody may need it as a file, as no scenario does.
    pub(super) fn write_revoked(&self) -> Result<(), ScenarioFailure> {
        Ok(self.site.issue("revoked", &self.revoked)?)
    }

    /// Stops the daemon as SIGTERM does, and waits for it: a demo that ends early would leave the last lines
    /// of the log unread.
    pub(super) async fn stop(self) -> Result<(), ScenarioFailure> {
        self.daemon.stop().await;
        drop(self.log_guard);
        Ok(())
    }
}

/// Each line of the log for the scenarios, which wait for events, and for people who look into the file.
struct TwoLogs {
    events: LineWriter,
    file: File,
}

impl Write for TwoLogs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Whole, or the two would differ.
        self.file.write_all(bytes)?;
        self.events.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Opened as the daemon opens the log's file: at its end, and for its owner alone.
fn log_file(site: &Site) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600);
    options.open(site.path().join(LOG_FILE))
}

/// A home server with a certificate of its name; all share one registrar, as a pool shares a database.
async fn home(
    site: &Site,
    party: &str,
    roots: &Arc<RootCertStore>,
    transcript: &Transcript,
    registrar: &Registrar,
) -> Result<HomeServer, ScenarioFailure> {
    let fqdn = format!("{party}.{HOME}");
    let identity = site.enterprise.server(&fqdn)?;
    site.issue(party, &identity)?;
    let server = Server::start(&ServerSpec {
        party,
        fqdn: &fqdn,
        aor: &format!("sip:{fqdn}"),
        identity: &identity,
        roots,
        transcript,
        listen: None,
    })
    .await?;
    // It records its route, so that every dialog has two hops to remember.
    Ok(HomeServer::start(server, registrar, &[HOME], true))
}
