//! rustls configurations of one generation, built by each shard for itself: its verifiers are then used by one thread.
use super::EdgeError;
use crate::topology::{Accept, IdentityRef, KeyPair, PeerRef, Topology};
use crate::trust::{Generation, InboundVerifier, OutboundVerifier};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig};
use std::collections::HashMap;
use std::sync::Arc;

/// The protocol identifier for SIP in ALPN. Who offers a list without it speaks something else and is refused; who
/// offers none is most SIP programs.
const ALPN: &[u8] = b"sip/2";

/// Everything that a shard's handshakes need of one generation.
pub(super) struct TlsConfigs {
    generation: Arc<Generation>,
    /// In the order of the bound sockets; `None` where the topology no longer has a listener of that name.
    listeners: Vec<Option<ListenerTls>>,
    clients: Vec<Arc<CertifiedKey>>,
    provider: Arc<CryptoProvider>,
}

/// One listener's side.
pub(super) struct ListenerTls {
    pub(super) config: Arc<ServerConfig>,
    pub(super) verifier: Arc<InboundVerifier>,
    pub(super) accept: Accept,
}

impl TlsConfigs {
    /// Builds them.
    ///
    /// # Errors
    /// A key that rustls does not take; loading has checked each, so this is a bug or a hardware fault.
    pub(super) fn build(generation: &Arc<Generation>, bound: &[String]) -> Result<Self, EdgeError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let topology = generation.topology();
        // By name: sockets stay as they were bound, whatever a reload does to the order of the file.
        let listeners = bound
            .iter()
            .map(|name| {
                let Some(listener) = topology.listeners().iter().find(|l| l.name == *name) else {
                    return Ok(None);
                };
                let verifier = InboundVerifier::new(Arc::clone(generation), listener.accept);
                let resolver =
                    SniResolver::new(topology, listener.identity, &listener.sni, &provider)?;
                // TLS 1.2 with ECDHE and AEAD only, and 1.3: what the provider has; nothing older exists in rustls.
                let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
                    .with_safe_default_protocol_versions()
                    .map_err(EdgeError::Tls)?
                    .with_client_cert_verifier(Arc::clone(&verifier) as _)
                    .with_cert_resolver(Arc::new(resolver));
                config.alpn_protocols = vec![ALPN.to_vec()];
                // A resumed session passes no verifier: nothing resumes.
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
                config.max_early_data_size = 0;
                Ok(Some(ListenerTls {
                    config: Arc::new(config),
                    verifier,
                    accept: listener.accept,
                }))
            })
            .collect::<Result<_, EdgeError>>()?;
        let clients = topology
            .identities()
            .iter()
            .map(|identity| {
                certified(
                    identity.client.as_ref().unwrap_or(&identity.server),
                    &provider,
                )
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            generation: Arc::clone(generation),
            listeners,
            clients,
            provider,
        })
    }

    pub(super) fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    pub(super) fn listener(&self, index: usize) -> Option<&ListenerTls> {
        self.listeners.get(index)?.as_ref()
    }

    /// The configuration to dial a peer with, and the verifier that will hold the decision.
    pub(super) fn towards(
        &self,
        peer: PeerRef,
    ) -> Result<(Arc<ClientConfig>, Arc<OutboundVerifier>), EdgeError> {
        let verifier = OutboundVerifier::new(Arc::clone(&self.generation), peer);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(EdgeError::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as _);
        let ours = self
            .clients
            .get(self.generation.topology().peer(peer).identity.index());
        let mut config = match ours {
            Some(key) => {
                builder.with_client_cert_resolver(Arc::new(OneCertificate(Arc::clone(key))))
            }
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        // No ALPN: some peers refuse a list that they do not know, and nothing is gained by it.
        Ok((Arc::new(config), verifier))
    }
}

/// A chain with its key in the provider's form.
fn certified(pair: &KeyPair, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, EdgeError> {
    CertifiedKey::from_der(pair.chain.clone(), pair.key.clone_key(), provider)
        .map(Arc::new)
        .map_err(EdgeError::Tls)
}

/// Chooses the identity by SNI (RFC 5922 §7.8); an absent or unknown name gets the listener's own, since many phones
/// send an address or their own domain there.
#[derive(Debug)]
struct SniResolver {
    by_name: HashMap<String, Arc<CertifiedKey>>,
    default: Arc<CertifiedKey>,
}

impl SniResolver {
    fn new(
        topology: &Topology,
        default: IdentityRef,
        more: &[IdentityRef],
        provider: &CryptoProvider,
    ) -> Result<Self, EdgeError> {
        let mut by_name = HashMap::new();
        for reference in more {
            let identity = topology.identity(*reference);
            let key = certified(&identity.server, provider)?;
            for name in &identity.names {
                by_name.insert(name.as_str().to_owned(), Arc::clone(&key));
            }
        }
        let own = topology.identity(default);
        let default = certified(&own.server, provider)?;
        for name in &own.names {
            by_name.insert(name.as_str().to_owned(), Arc::clone(&default));
        }
        Ok(Self { by_name, default })
    }
}

impl ResolvesServerCert for SniResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello
            .server_name()
            .and_then(|name| self.by_name.get(&name.to_ascii_lowercase()));
        Some(Arc::clone(named.unwrap_or(&self.default)))
    }
}

/// Shows our certificate to whatever list of CAs the peer sends: strict lists are often wrong, and the peer decides.
#[derive(Debug)]
struct OneCertificate(Arc<CertifiedKey>);

impl rustls::client::ResolvesClientCert for OneCertificate {
    fn resolve(
        &self,
        _hints: &[&[u8]],
        schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.0
            .key
            .choose_scheme(schemes)
            .map(|_| Arc::clone(&self.0))
    }
    fn has_certs(&self) -> bool {
        true
    }
}
