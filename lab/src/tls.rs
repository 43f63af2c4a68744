//! TLS set-ups of lab ends: a client without a certificate, a server that asks for one, a server that dials
//! with its own.
use super::LabError;
use super::pki::{Authority, Issued};
use rustls::client::Resumption;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::ServerName;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::{TlsConnector, TlsStream};

/// Named everywhere: a process-wide default would be the test's to install.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A root store that trusts these authorities and nobody else.
///
/// # Errors
/// An authority's certificate that cannot be an anchor.
pub fn trust_only(authorities: &[&Authority]) -> Result<Arc<RootCertStore>, LabError> {
    let mut store = RootCertStore::empty();
    for authority in authorities {
        store.add(authority.certificate().clone())?;
    }
    Ok(Arc::new(store))
}

/// What an end shows, however broken: only the other side shall judge it.
fn shown(issued: &Issued) -> Result<Arc<SingleCertAndKey>, LabError> {
    let key = provider()
        .key_provider
        .load_private_key(issued.key.clone_key())?;
    let certified = CertifiedKey::new(issued.chain.clone(), key);
    Ok(Arc::new(SingleCertAndKey::from(certified)))
}

/// For dialling, with a certificate or without.
pub(super) fn client_config(
    roots: &Arc<RootCertStore>,
    identity: Option<&Issued>,
) -> Result<Arc<ClientConfig>, LabError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(Arc::clone(roots));
    let mut config = match identity {
        Some(issued) => builder.with_client_cert_resolver(shown(issued)?),
        None => builder.with_no_client_auth(),
    };
    // Every connection of a test proves itself anew. Tests of resumption have ends of their own.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// For listening: the other side must show a certificate of these roots.
pub(super) fn server_config(
    roots: &Arc<RootCertStore>,
    identity: &Issued,
) -> Result<Arc<ServerConfig>, LabError> {
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider()).build()?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(shown(identity)?);
    // Neither tickets nor session identifiers: see `client_config`.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Connects to the edge and shakes hands. The name goes into SNI and is what the edge's certificate must prove; the address
/// decides nothing.
#[expect(
    clippy::disallowed_methods,
    reason = "ends are the outside world: they dial the edge under test"
)]
pub(super) async fn connect(
    party: &str,
    config: Arc<ClientConfig>,
    (from, address): (Option<IpAddr>, SocketAddr),
    name: &str,
) -> Result<TlsStream<TcpStream>, LabError> {
    let failed = |what| LabError::io(party, what);
    let name = ServerName::try_from(name.to_owned())
        .map_err(|e| failed("use the edge's name")(io::Error::other(e)))?;
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let socket = socket.map_err(failed("connect"))?;
    if let Some(from) = from {
        socket
            .bind(SocketAddr::new(from, 0))
            .map_err(failed("connect"))?;
    }
    let tcp = socket.connect(address).await.map_err(failed("connect"))?;
    // Segments of a message must leave as they are written: tests count on how they are cut.
    tcp.set_nodelay(true).map_err(failed("connect"))?;
    let stream = TlsConnector::from(config).connect(name, tcp).await;
    Ok(stream.map_err(failed("shake hands"))?.into())
}
