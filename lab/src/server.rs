//! A server: listens with MTLS, dials the edge with its certificate, and otherwise does what the test asks.
use super::inbox::EndProfile;
use super::pki::Issued;
use super::{End, LabError, Received, Transcript, Wire, tls};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// What makes a server.
pub struct ServerSpec<'a> {
    /// Its column in ladders.
    pub party: &'a str,
    /// Its name: in Via and Contact.
    pub fqdn: &'a str,
    /// Its own address of record, From of what it sends by itself.
    pub aor: &'a str,
    /// What it shows in both directions.
    pub identity: &'a Issued,
    /// Whose certificates it takes in both directions.
    pub roots: &'a Arc<RootCertStore>,
    /// Where it writes what it sees.
    pub transcript: &'a Transcript,
    /// Where to listen; `None`: a free port of the loopback.
    pub listen: Option<SocketAddr>,
}

/// A SIP server over MTLS.
pub struct Server {
    end: End,
    address: SocketAddr,
    /// How it connects: with its own certificate.
    dialer: Arc<ClientConfig>,
    /// Ends the listener and, by its children, every connection.
    stop: CancellationToken,
}

impl Server {
    /// Binds and begins to accept.
    ///
    /// # Errors
    /// No port, or a certificate that cannot be used.
    pub async fn start(spec: &ServerSpec<'_>) -> Result<Self, LabError> {
        let failed = || LabError::io(spec.party, "listen");
        let address = spec
            .listen
            .unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let listener = TcpListener::bind(address).await.map_err(failed())?;
        let address = listener.local_addr().map_err(failed())?;
        // Whoever shows no certificate, or one of another CA, is refused by the TLS library: a real home
        // server does the same.
        let acceptor = TlsAcceptor::from(tls::server_config(spec.roots, spec.identity)?);
        let end = End::new(
            EndProfile {
                party: spec.party.to_owned(),
                aor: spec.aor.to_owned(),
                sent_by: format!("{}:{}", spec.fqdn, address.port()),
                contact: format!("sip:{}:{};transport=tls", spec.fqdn, address.port()),
            },
            spec.transcript.clone(),
        );
        let server = Self {
            end: end.clone(),
            address,
            dialer: tls::client_config(spec.roots, Some(spec.identity))?,
            stop: CancellationToken::new(),
        };
        let stop = server.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = accept_all(listener, acceptor, end, stop.clone()) => {}
                () = stop.cancelled() => {}
            }
        });
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connects with its certificate. A refusal of that certificate shows after this has returned (TLS 1.3):
    /// see [`Wire::ended`].
    ///
    /// # Errors
    /// The edge cannot be reached or does not prove its name.
    pub async fn dial(&self, address: SocketAddr, name: &str) -> Result<Wire, LabError> {
        self.dial_between((None, address), name).await
    }

    /// The same, from the address that it listens on.
    ///
    /// # Errors
    /// As [`Self::dial`].
    pub async fn dial_from_own(&self, address: SocketAddr, name: &str) -> Result<Wire, LabError> {
        let ends = (Some(self.address.ip()), address);
        self.dial_between(ends, name).await
    }

    async fn dial_between(
        &self,
        ends: (Option<IpAddr>, SocketAddr),
        name: &str,
    ) -> Result<Wire, LabError> {
        let (party, dialer) = (self.end.party(), Arc::clone(&self.dialer));
        let stream = tls::connect(party, dialer, ends, name).await?;
        let wire = self.end.adopt(stream, self.stop.child_token());
        wire.map_err(LabError::io(party, "connect"))
    }

    /// The next message, whatever it is; `None` once the server is stopped.
    pub(super) async fn next(&self) -> Option<Received> {
        tokio::select! {
            received = self.end.next() => Some(received),
            () = self.stop.cancelled() => None,
        }
    }

    /// Ends it without an entry in the transcript.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Drops the listener and every connection at once, as a crash does.
    pub fn kill(&self) {
        self.end.transcript().note(self.end.party(), "killed");
        self.stop.cancel();
    }
}

/// A server is an [`End`] with any number of connections.
impl Deref for Server {
    type Target = End;
    fn deref(&self) -> &End {
        &self.end
    }
}

/// Nothing outlives the test that made it.
impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Accepts until the listener fails. Each handshake is a task of its own, since one that never ends must not
/// keep the others out.
async fn accept_all(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    end: End,
    stop: CancellationToken,
) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (acceptor, end, stop) = (acceptor.clone(), end.clone(), stop.child_token());
        tokio::spawn(async move {
            if let Err(e) = accept_one(tcp, &acceptor, &end, stop).await {
                let remark = format!("handshake failed: {e}");
                end.transcript().note(end.party(), &remark);
            }
        });
    }
}

/// One handshake; who passes it belongs to the end.
async fn accept_one(
    tcp: TcpStream,
    acceptor: &TlsAcceptor,
    end: &End,
    stop: CancellationToken,
) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let stream = tokio::select! {
        stream = acceptor.accept(tcp) => stream?,
        () = stop.cancelled() => return Ok(()),
    };
    end.adopt(stream.into(), stop).map(|_| ())
}
