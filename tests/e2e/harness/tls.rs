//! TLS set-ups that the lab's ends do not have: one version only, other roots, other protocols, sessions that resume.
use rustls::client::Resumption;
use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ConnectionTrafficSecrets, ContentType, ProtocolVersion, RootCertStore,
    ServerConfig, SupportedProtocolVersion,
};
use sipward_lab::pki::Issued;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Both versions, each to be tried alone.
pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] =
    [&rustls::version::TLS12, &rustls::version::TLS13];

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Dials with one version, with a certificate or without; nothing resumes.
pub(crate) fn client_config(
    version: &'static SupportedProtocolVersion,
    roots: &Arc<RootCertStore>,
    identity: Option<&Issued>,
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(Arc::clone(roots));
    let mut config = match identity {
        Some(issued) => builder
            .with_client_auth_cert(issued.chain.clone(), issued.key.clone_key())
            .unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config
}

/// A server that asks for a certificate of these roots and speaks one version.
pub(crate) fn server_config(
    version: &'static SupportedProtocolVersion,
    roots: &Arc<RootCertStore>,
    identity: &Issued,
) -> ServerConfig {
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider())
        .build()
        .unwrap();
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .unwrap();
    config.send_tls13_tickets = 0;
    config
}

/// Listens, shakes hands, and reads whatever comes without ever answering.
pub(crate) async fn silent_server(config: ServerConfig) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(tcp).await {
                    let mut sink = [0; 4096];
                    while matches!(stream.read(&mut sink).await, Ok(n) if n > 0) {}
                }
            });
        }
    });
    address
}

/// Connects and shakes hands with the edge.
pub(crate) async fn shake(
    config: ClientConfig,
    address: SocketAddr,
    name: &str,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let tcp = connect(address).await;
    let name = rustls_pki_types::ServerName::try_from(name.to_owned()).unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

/// An address at which nobody listens, and nobody else can while the socket is held.
pub(crate) fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A bare connection.
#[expect(
    clippy::disallowed_methods,
    reason = "ends of a test are the outside world"
)]
pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// A bare connection from this address.
#[expect(
    clippy::disallowed_methods,
    reason = "ends of a test are the outside world"
)]
pub(crate) async fn connect_from(source: &str, address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(SocketAddr::new(source.parse().unwrap(), 0))
        .unwrap();
    socket.connect(address).await.unwrap()
}

/// A client of TLS 1.3 whose records are made by hand once its handshake is done.
pub(crate) struct Records {
    pub(crate) tcp: TcpStream,
    encrypter: Box<dyn MessageEncrypter>,
    sent: u64,
}

impl Records {
    /// Connects from this address and shakes hands with the edge.
    pub(crate) async fn from(
        source: &str,
        address: SocketAddr,
        name: &str,
        roots: &Arc<RootCertStore>,
    ) -> Self {
        let mut config = client_config(VERSIONS[1], roots, None);
        config.enable_secret_extraction = true;
        let tcp = connect_from(source, address).await;
        let name = rustls_pki_types::ServerName::try_from(name.to_owned()).unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, tcp).await.unwrap();
        let (tcp, session) = stream.into_inner();
        let suite = session.negotiated_cipher_suite().unwrap().tls13().unwrap();
        let (sent, secrets) = session.dangerous_extract_secrets().unwrap().tx;
        let (ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }) = secrets
        else {
            panic!("another suite");
        };
        Self {
            tcp,
            encrypter: suite.aead_alg.encrypter(key, iv),
            sent,
        }
    }

    /// The next record, of data or of a handshake message.
    pub(crate) fn record(&mut self, typ: ContentType, content: &[u8]) -> Vec<u8> {
        let plain = OutboundPlainMessage {
            typ,
            version: ProtocolVersion::TLSv1_3,
            payload: OutboundChunks::Single(content),
        };
        let record = self.encrypter.encrypt(plain, self.sent).unwrap();
        self.sent += 1;
        record.encode()
    }
}
