//! TLS of both ends of the load: TLS 1.3, X25519 alone, so that every program under load does the same key exchange.
use super::Outcome;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::ServerName;
use sipward_lab::pki::Issued;
use sipward_lab::site::{EDGE, HOME, Site};
use sipward_lab::trust_only;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Clients that dial from one address: Linux has 28,000 ports for them.
const OF_AN_ADDRESS: usize = 20_000;

/// How a client shakes hands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hello {
    /// X25519, nothing resumed.
    Full,
    /// X25519MLKEM768, which Debian's OpenSSL 3.0 does not know.
    Hybrid,
    /// X25519, with a ticket if the server gave one.
    Resumed,
    /// X25519, with the home server's certificate.
    Mutual,
}

/// Dials the program under load.
#[derive(Clone)]
pub(crate) struct Dialler {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Dialler {
    pub(crate) fn new(site: &Site, hello: Hello, fe01: &Issued) -> Outcome<Self> {
        let groups = match hello {
            Hello::Hybrid => vec![aws_lc_rs::kx_group::X25519MLKEM768],
            Hello::Full | Hello::Resumed | Hello::Mutual => vec![aws_lc_rs::kx_group::X25519],
        };
        let provider = CryptoProvider {
            kx_groups: groups,
            ..aws_lc_rs::default_provider()
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(trust_only(&[&site.enterprise])?);
        let mut config = match hello {
            Hello::Mutual => {
                builder.with_client_auth_cert(fe01.chain.clone(), fe01.key.clone_key())?
            }
            Hello::Full | Hello::Hybrid | Hello::Resumed => builder.with_no_client_auth(),
        };
        if hello != Hello::Resumed {
            config.resumption = Resumption::disabled();
        }
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name: ServerName::try_from(EDGE)?,
        })
    }

    pub(crate) async fn dial(&self, address: SocketAddr) -> Outcome<TlsStream<TcpStream>> {
        self.dial_as(0, address).await
    }

    /// As the client of this number: an address of loopback has ports for some of them only.
    #[expect(
        clippy::disallowed_methods,
        reason = "a load generator dials what it loads"
    )]
    pub(crate) async fn dial_as(
        &self,
        number: usize,
        address: SocketAddr,
    ) -> Outcome<TlsStream<TcpStream>> {
        let tcp = match u8::try_from(number / OF_AN_ADDRESS)? {
            0 => TcpStream::connect(address).await?,
            another => {
                let socket = TcpSocket::new_v4()?;
                socket.bind(SocketAddr::from(([127, 0, 1, another], 0)))?;
                socket.connect(address).await?
            }
        };
        tcp.set_nodelay(true)?;
        Ok(self.connector.connect(self.name.clone(), tcp).await?)
    }
}

/// The home server's certificate.
pub(crate) fn home_identity(site: &Site) -> Outcome<Issued> {
    Ok(site.enterprise.server(&format!("fe01.{HOME}"))?)
}

/// The home server's side: it asks for a certificate of the enterprise CA.
pub(crate) fn home_config(site: &Site) -> Outcome<Arc<ServerConfig>> {
    let identity = home_identity(site)?;
    let provider = Arc::new(CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    });
    let roots = trust_only(&[&site.enterprise])?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build()?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())?;
    Ok(Arc::new(config))
}
