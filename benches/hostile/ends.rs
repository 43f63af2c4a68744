//! Both kinds of ends: those who mean well, with the time that they took, and those who stall.
use super::daemon::Daemon;
use super::{Outcome, now};
use rustls::client::Resumption;
use rustls::{ClientConfig, ClientConnection};
use rustls_pki_types::ServerName;
use sipward_lab::site::{EDGE, PARTNER_EDGE};
use sipward_lab::trust_only;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A connection of somebody who means well.
pub(crate) type Tls = TlsStream<TcpStream>;

/// How two ends shake hands with the daemon: as a client, and as the partner's server.
pub(crate) struct Ends {
    client: Arc<ClientConfig>,
    partner: Arc<ClientConfig>,
}

impl Ends {
    pub(crate) fn new(daemon: &Daemon) -> Outcome<Self> {
        let roots = trust_only(&[&daemon.site.enterprise])?;
        let builder = || {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map(|builder| builder.with_root_certificates(Arc::clone(&roots)))
        };
        let issued = daemon.site.fabrikam.server(PARTNER_EDGE)?;
        let mut client = builder()?.with_no_client_auth();
        let mut partner =
            builder()?.with_client_auth_cert(issued.chain.clone(), issued.key.clone_key())?;
        // Everybody comes as if for the first time.
        client.resumption = Resumption::disabled();
        partner.resumption = Resumption::disabled();
        Ok(Self {
            client: Arc::new(client),
            partner: Arc::new(partner),
        })
    }

    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.client)
    }

    pub(crate) fn partner(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.partner)
    }

    /// The whole first flight of a client.
    pub(crate) fn hello(&self) -> Outcome<Vec<u8>> {
        let mut client = ClientConnection::new(self.client(), ServerName::try_from(EDGE)?)?;
        let mut hello = Vec::new();
        client.write_tls(&mut hello)?;
        Ok(hello)
    }
}

/// A phone of a crowd. Its hello is made beforehand: each phone has a processor of its own, and one program that makes the
/// hellos of all of them would be what everybody waits for.
pub(crate) struct Phone {
    session: ClientConnection,
}

impl Phone {
    pub(crate) fn new(ends: &Ends) -> Outcome<Self> {
        let session = ClientConnection::new(ends.client(), ServerName::try_from(EDGE)?)?;
        Ok(Self { session })
    }

    /// Comes in and has a keep-alive answered; returns its connection, and how long that took.
    pub(crate) async fn come_in(
        mut self,
        source: IpAddr,
        to: SocketAddr,
        patience: Duration,
    ) -> Outcome<(TcpStream, Duration)> {
        let began = now();
        let coming = async {
            let mut tcp = connect(source, to).await?;
            let (mut asked, mut answer) = (false, [0; 2]);
            let mut buffer = [0; 4096];
            loop {
                if !self.session.is_handshaking() && !std::mem::replace(&mut asked, true) {
                    self.session.writer().write_all(b"\r\n\r\n")?;
                }
                let mut out = Vec::new();
                while self.session.wants_write() {
                    self.session.write_tls(&mut out)?;
                }
                tcp.write_all(&out).await?;
                let came = tcp.read(&mut buffer).await?;
                if came == 0 {
                    return Err("closed".into());
                }
                let mut came = buffer.get(..came).unwrap_or_default();
                while !came.is_empty() {
                    self.session.read_tls(&mut came)?;
                    self.session.process_new_packets()?;
                }
                if asked && self.session.reader().read(&mut answer).is_ok_and(|n| n > 0) {
                    return Outcome::Ok(tcp);
                }
            }
        };
        let tcp = tokio::time::timeout(patience, coming).await??;
        Ok((tcp, began.elapsed()))
    }
}

/// TCP from this address.
#[expect(
    clippy::disallowed_methods,
    reason = "a load generator dials what it loads"
)]
pub(crate) async fn connect(source: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(source, 0))?;
    let tcp = socket.connect(to).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// Comes in and has a keep-alive answered; returns the connection and how long that took.
pub(crate) async fn come_in(
    config: Arc<ClientConfig>,
    source: IpAddr,
    to: SocketAddr,
    patience: Duration,
) -> Outcome<(Tls, Duration)> {
    let began = now();
    let coming = async {
        let tcp = connect(source, to).await?;
        let name = ServerName::try_from(EDGE)?;
        let mut tls = TlsConnector::from(config).connect(name, tcp).await?;
        ping(&mut tls).await?;
        Outcome::Ok(tls)
    };
    let tls = tokio::time::timeout(patience, coming).await??;
    Ok((tls, began.elapsed()))
}

/// A keep-alive and its answer (RFC 5626 §4.4.1).
pub(crate) async fn ping(tls: &mut Tls) -> Outcome<()> {
    tls.write_all(b"\r\n\r\n").await?;
    tls.flush().await?;
    let mut pong = [0; 2];
    tls.read_exact(&mut pong).await?;
    match pong {
        [b'\r', b'\n'] => Ok(()),
        other => Err(format!("no answer to a keep-alive: {other:?}").into()),
    }
}

/// The middle and the worst of some times, in milliseconds.
pub(crate) fn shown(times: &mut [Duration]) -> String {
    times.sort();
    let at = |time: Option<&Duration>| time.map_or(0, Duration::as_millis);
    let middle = at(times.get(times.len() / 2));
    format!("{middle} ms, at most {} ms", at(times.last()))
}
