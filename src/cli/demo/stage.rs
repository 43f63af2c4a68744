//! The stage: the throw-away site, the embedded daemon, and everybody who speaks to it.
use super::failure::SceneFailure;
use crate::daemon::Daemon;
use crate::observe::{Log, LogGuard, Sink};
use crate::topology::{LogFormat, LogRequests, LogSettings};
use rustls::RootCertStore;
use sipward_lab::pki::{Authority, Issued, LeafSpec};
use sipward_lab::site::{EDGE, HOME, PARTNER_EDGE, Site};
use sipward_lab::{
    Client, EdgeTarget, EventLog, HomeServer, Registrar, Server, ServerSpec, Transcript, trust_only,
};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// Named in the topology, in no pool: the name that bad certificates are made out to.
pub(super) const SPARE: &str = "fe03.contoso.test";
const HOUR: i64 = 3600;

/// Everybody and everything.
pub(super) struct Stage {
    pub(super) site: Site,
    pub(super) transcript: Transcript,
    pub(super) log: EventLog,
    pub(super) edge: SocketAddr,
    pub(super) roots: Arc<RootCertStore>,
    pub(super) fe01: HomeServer,
    pub(super) partner: Server,
    pub(super) alice: Client,
    pub(super) bob: Client,
    /// A certificate that the home CA has issued and revoked.
    pub(super) revoked: Issued,
    /// An address that the topology does not name; nobody may ever connect to it.
    pub(super) third: TcpListener,
    _fe02: HomeServer,
    daemon: Daemon,
    log_guard: LogGuard,
}

impl Stage {
    /// Makes the PKI, starts the servers, the daemon and the clients, in this order.
    pub(super) async fn set() -> Result<Self, SceneFailure> {
        let site = Site::new()?;
        let transcript = Transcript::new();
        let roots = trust_only(&[&site.enterprise])?;
        let registrar = Registrar::default();
        let fe01 = home(&site, "fe01", &roots, &transcript, &registrar).await?;
        let fe02 = home(&site, "fe02", &roots, &transcript, &registrar).await?;
        let identity = site.fabrikam.server(PARTNER_EDGE)?;
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
        site.revoke(&[&revoked], &[])?;
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
            .add("[[peer]]")
            .text("fqdn", SPARE)
            .text("kind", "home")
            .list("trust", &["enterprise-ca"])
            // The discard port: nothing is ever sent to this peer.
            .list("address", &["127.0.0.1:9"]);
        let file = site.write("topology.toml", &topology.to_toml())?;

        let log = EventLog::default();
        let settings = LogSettings {
            requests: LogRequests::All,
            format: LogFormat::Json,
        };
        let (events, log_guard) = Log::start(settings, 8_192, Sink::Writer(Box::new(log.writer())));
        let daemon =
            Daemon::start(&file, &events).map_err(|e| SceneFailure::Daemon(e.to_string()))?;
        log.wait("ready", |_| true).await?;
        let edge = daemon
            .addresses()
            .first()
            .map(|(_, address)| *address)
            .ok_or_else(|| SceneFailure::Daemon("no listener".to_owned()))?;
        fe01.set_edge(edge, EDGE);
        fe02.set_edge(edge, EDGE);
        let face = EdgeTarget {
            address: edge,
            name: EDGE.to_owned(),
            roots: Arc::clone(&roots),
            transcript: transcript.clone(),
        };
        let alice = Client::connect(&face, "alice", "sip:alice@contoso.test").await?;
        let bob = Client::connect(&face, "bob", "sip:bob@contoso.test").await?;
        partner.dial(edge, EDGE).await?;
        Ok(Self {
            site,
            transcript,
            log,
            edge,
            roots,
            fe01,
            partner,
            alice,
            bob,
            revoked,
            third,
            _fe02: fe02,
            daemon,
            log_guard,
        })
    }

    /// A server of this name with a certificate of the caller's making; it trusts the edge as everybody does.
    pub(super) async fn stranger(
        &self,
        fqdn: &str,
        identity: &Issued,
    ) -> Result<Server, SceneFailure> {
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
    pub(super) fn expired(&self) -> Result<Issued, SceneFailure> {
        Ok(issue_until(&self.site.enterprise, SPARE, -HOUR)?)
    }

    /// How to come and play, for `--stay`.
    pub(super) fn invite_visitors(&self, out: &mut impl Write) -> io::Result<()> {
        let (edge, dir) = (self.edge, self.site.path().display());
        writeln!(
            out,
            "\nThe edge listens on {edge} as {EDGE}; everything lies in {dir}\n\n\
             A TLS client (type a SIP message, or press Enter twice for a keep-alive):\n  \
             openssl s_client -connect {edge} -servername {EDGE} -CAfile {dir}/enterprise-ca.pem -verify_return_error -crlf\n\
             The partner's server, with its certificate:\n  \
             openssl s_client -connect {edge} -servername {EDGE} -CAfile {dir}/enterprise-ca.pem -cert {dir}/partner.chain.pem -key {dir}/partner.key.pem -crlf\n\
             A listed name with a revoked certificate (is refused):\n  \
             openssl s_client -connect {edge} -servername {EDGE} -CAfile {dir}/enterprise-ca.pem -cert {dir}/revoked.chain.pem -key {dir}/revoked.key.pem\n\
             A softphone: account sip:dave@{HOME}, any password, outbound proxy sip:{edge};transport=tls,\n  \
             CA file {dir}/enterprise-ca.pem; call sip:bob@{HOME} (nobody answers) or a second softphone of yours.\n\
             The topology is {dir}/topology.toml.\n\nCtrl-C ends it."
        )?;
        self.site
            .issue("revoked", &self.revoked)
            .map_err(io::Error::other)?;
        out.flush()
    }

    /// Stops the daemon as SIGTERM does.
    pub(super) async fn strike(self) -> Result<(), SceneFailure> {
        self.daemon.stop().await;
        drop(self.log_guard);
        Ok(())
    }
}

async fn home(
    site: &Site,
    party: &str,
    roots: &Arc<RootCertStore>,
    transcript: &Transcript,
    registrar: &Registrar,
) -> Result<HomeServer, SceneFailure> {
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
    Ok(HomeServer::start(server, registrar, &[HOME], true))
}

fn issue_until(
    authority: &Authority,
    fqdn: &str,
    not_after: i64,
) -> Result<Issued, sipward_lab::pki::PkiError> {
    authority.issue(&LeafSpec {
        not_before: -30 * 24 * HOUR,
        not_after,
        ..LeafSpec::server(fqdn)
    })
}
