//! rustls configurations of one generation, built by each shard for itself: its verifiers are then used by one thread.
use super::clock;
use super::error::EdgeError;
use super::suites;
use crate::observe::PresentedChain;
use crate::topology::{
    CertificateFacts, DnsName, Identity, IdentityRef, KeyPair, Listener, PeerRef, Staple, Topology,
    Window,
};
use crate::trust::{
    Generation, InboundVerifier, ListenerTrust, OutboundVerifier, SeenChains, fingerprint,
};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ConfigBuilder, ServerConfig, WantsVerifier};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The identifiers of SIP in ALPN: the registered one, and the one that SIP programs send (LiveKit and others). Who offers
/// a list without either speaks something else and is refused (RFC 7301 §3.2); most SIP programs offer none.
const ALPN: [&[u8]; 2] = [b"sip/2", b"sip"];

/// Everything that a shard's handshakes need of one generation. It is built before the generation becomes current, so
/// that a key that rustls does not take refuses the reload and not a handshake.
pub(super) struct TlsConfigs {
    generation: Arc<Generation>,
    /// Where verifiers note what is presented.
    seen: Arc<SeenChains>,
    /// In the order of the bound sockets; `None` where the topology no longer has a listener of that name.
    listeners: Vec<Option<ListenerTls>>,
    /// What each identity of the topology presents as a client, by its index.
    clients: Vec<OwnCertificate>,
    /// The one cryptography of the process.
    provider: Arc<CryptoProvider>,
}

/// One listener's side.
pub(super) struct ListenerTls {
    /// Of a handshake's configuration all that is the same for each.
    builder: ConfigBuilder<ServerConfig, WantsVerifier>,
    /// What each handshake's verifier decides by.
    trust: Arc<ListenerTrust>,
    /// As the topology has it.
    pub(super) listener: Listener,
    resolver: Arc<SniResolver>,
}

/// A certificate of this node, and what the log shows of it.
#[derive(Clone, Debug)]
struct OwnCertificate {
    key: Arc<CertifiedKey>,
    shown: Arc<PresentedChain>,
}

/// What one handshake of a listener is made with.
pub(super) struct Incoming {
    /// With the verifier and the certificate in it.
    pub(super) config: Arc<ServerConfig>,
    /// It will hold the verdict.
    pub(super) verifier: Arc<InboundVerifier>,
    /// The chain that is shown.
    pub(super) shown: Arc<PresentedChain>,
}

/// What it takes to dial a peer once.
pub(super) struct Outgoing {
    /// With the verifier and the certificate below in it.
    pub(super) config: Arc<ClientConfig>,
    /// It will hold the decision.
    pub(super) verifier: Arc<OutboundVerifier>,
    /// Whether the server asks for a certificate.
    pub(super) asked: Arc<CertificateRequest>,
    /// The identity of this node whose window is open now.
    pub(super) identity: IdentityRef,
    certificate: Option<OwnCertificate>,
}

impl Outgoing {
    /// The chain that was shown, if the server asked for one and knows its signature scheme.
    pub(super) fn shown(&self) -> Option<Arc<PresentedChain>> {
        let shown = self.certificate.as_ref()?;
        self.asked.shown().then(|| Arc::clone(&shown.shown))
    }
}

/// Whether a server that this node dials has asked for its certificate, and whether it got it. rustls reports neither: the
/// resolver of the certificate sees the request pass.
#[derive(Debug, Default)]
pub(super) struct CertificateRequest {
    asked: AtomicBool,
    shown: AtomicBool,
}

impl CertificateRequest {
    /// The server asked: in TLS 1.3 its verdict comes after this side's handshake is done.
    pub(super) fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
    /// It got one.
    pub(super) fn shown(&self) -> bool {
        self.shown.load(Ordering::Relaxed)
    }
}

impl ListenerTls {
    /// What one handshake with the client that says this is made with: its configuration, and in it the certificate that
    /// is shown, and a verifier of its own, which will hold the verdict. A
    /// verifier that handshakes shared would mix up their verdicts, and rustls takes one only with a configuration.
    pub(super) fn handshake(&self, hello: &ClientHello<'_>) -> Incoming {
        // Chosen once, so that trust judges by the identity that is really shown.
        let certificate = self.resolver.certificate(hello.server_name());
        let verifier = self
            .trust
            .verifier(Some(certificate.shown.identity.clone()));
        let mut config = self
            .builder
            .clone()
            .with_client_cert_verifier(Arc::clone(&verifier) as _)
            .with_cert_resolver(Arc::new(certificate.clone()) as _);
        config.ignore_client_order = !suites::client_chooses(hello.cipher_suites());
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        // A resumed session passes no verifier: nothing resumes.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        Incoming {
            config: Arc::new(config),
            verifier,
            shown: Arc::clone(&certificate.shown),
        }
    }
}

impl TlsConfigs {
    /// Builds them.
    ///
    /// # Errors
    /// A key that rustls does not take; loading has checked each, so this is a bug or a hardware fault.
    pub(super) fn build(
        generation: &Arc<Generation>,
        bound: &[String],
        seen: &Arc<SeenChains>,
    ) -> Result<Self, EdgeError> {
        let provider = Arc::new(suites::provider());
        let topology = generation.topology();
        let listeners = Self::listeners(generation, bound, seen, &provider)?;
        // Without a certificate for clients an identity presents the one that it has as a server.
        let clients = topology
            .identities()
            .iter()
            .map(|identity| {
                let pair = identity.client.as_ref().unwrap_or(&identity.server);
                certificate(&identity.name, pair, None, &provider)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            generation: Arc::clone(generation),
            seen: Arc::clone(seen),
            listeners,
            clients,
            provider,
        })
    }

    /// The sides of the bound sockets, by name: sockets stay as they were bound, whatever a reload does to the order of
    /// the file.
    fn listeners(
        generation: &Arc<Generation>,
        bound: &[String],
        seen: &Arc<SeenChains>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Vec<Option<ListenerTls>>, EdgeError> {
        let topology = generation.topology();
        bound
            .iter()
            .map(|name| {
                let Some(listener) = topology.listeners().iter().find(|l| l.name == *name) else {
                    return Ok(None);
                };
                // Chooses the certificate by SNI and time, at each handshake.
                let (first, others) = (listener.identity, &listener.sni);
                let resolver = SniResolver::new(topology, first, others, provider)?;
                let resolver = Arc::new(resolver);
                // TLS 1.2 with ECDHE and AEAD only, and 1.3: what the provider has; nothing older exists in rustls.
                let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
                    .with_safe_default_protocol_versions()
                    .map_err(EdgeError::Tls)?;
                Ok(Some(ListenerTls {
                    builder,
                    trust: ListenerTrust::new(generation, listener, Arc::clone(seen)),
                    listener: listener.clone(),
                    resolver,
                }))
            })
            .collect()
    }

    /// The generation that it was built from.
    pub(super) fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// A listener's side, by the index of its bound socket.
    pub(super) fn listener(&self, index: usize) -> Option<&ListenerTls> {
        self.listeners.get(index)?.as_ref()
    }

    /// What one connection to a peer is made with, under a name that its entry covers if there is one.
    pub(super) fn towards(
        &self,
        peer: PeerRef,
        name: Option<&DnsName>,
    ) -> Result<Outgoing, EdgeError> {
        let seen = Arc::clone(&self.seen);
        let verifier = OutboundVerifier::under(&self.generation, (peer, name), seen);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(EdgeError::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as _);
        // By the time, since an identity is succeeded by the next one without a reload.
        let topology = self.generation.topology();
        let identity = topology.identity_at(topology.peer(peer).identity, clock::unix());
        // By the index in the same generation.
        let certificate = self.clients.get(identity.index()).cloned();
        // Shared with the resolver, which rustls calls when the server asks.
        let asked = Arc::new(CertificateRequest::default());
        let mut config = match &certificate {
            Some(certificate) => builder.with_client_cert_resolver(Arc::new(OneCertificate {
                key: Arc::clone(&certificate.key),
                asked: Arc::clone(&asked),
            })),
            None => builder.with_no_client_auth(),
        };
        // A resumed session shows no certificate, and so would escape the decision under a newer generation.
        config.resumption = Resumption::disabled();
        // No ALPN: some peers refuse a list that they do not know, and nothing is gained by it.
        Ok(Outgoing {
            config: Arc::new(config),
            verifier,
            asked,
            identity,
            certificate,
        })
    }
}

/// A chain with its key in the provider's form, and what the log shows of it, read once and not at each handshake.
fn certificate(
    identity: &str,
    pair: &KeyPair,
    staple: Option<&Staple>,
    provider: &CryptoProvider,
) -> Result<OwnCertificate, EdgeError> {
    // The key is compared with the certificate here, so that a mismatch is found at loading.
    let mut key = CertifiedKey::from_der(pair.chain.clone(), pair.key.clone_key(), provider)
        .map_err(EdgeError::Tls)?;
    // Sent in the handshake, so that the client need not ask the responder (RFC 6066 §8).
    key.ocsp = staple.and_then(|staple| staple.response.clone());
    let subject = |der: &CertificateDer<'_>| {
        CertificateFacts::read(der).map_or_else(String::new, |facts| facts.subject)
    };
    Ok(OwnCertificate {
        key: Arc::new(key),
        shown: Arc::new(PresentedChain {
            identity: identity.to_owned(),
            subjects: pair.chain.iter().map(subject).collect(),
            fingerprints: pair.chain.iter().map(fingerprint).collect(),
        }),
    })
}

/// What an identity shows as a server, with its OCSP response.
fn server_certificate(
    identity: &Identity,
    provider: &CryptoProvider,
) -> Result<OwnCertificate, EdgeError> {
    let staple = identity.staple.as_ref();
    certificate(&identity.name, &identity.server, staple, provider)
}

/// Chooses the identity by SNI (RFC 5922 §7.8) and by the time, in any case and with or without a dot at its end; an absent
/// or unknown name gets the listener's own, since many phones send an address or their own domain there.
#[derive(Debug)]
struct SniResolver {
    /// By the names of the certificates, in lower case.
    by_name: HashMap<String, Staged>,
    /// The listener's own identity.
    default: Staged,
}

/// A certificate and those that take its place when it is not shown.
#[derive(Clone, Debug)]
struct Staged {
    /// What is shown if no window is open: an expired certificate can at least be seen.
    named: OwnCertificate,
    /// In the order of choice, `named` among them.
    windows: Vec<(Window, OwnCertificate)>,
}

impl Staged {
    /// An identity and those that succeed it.
    fn new(
        topology: &Topology,
        named: IdentityRef,
        provider: &CryptoProvider,
    ) -> Result<Self, EdgeError> {
        let own = topology.identity(named);
        // Each identity of the succession with its window; which of them is open is asked at each
        // handshake.
        let windows = topology.succession(named).map(|reference| {
            let identity = topology.identity(reference);
            Ok((identity.window, server_certificate(identity, provider)?))
        });
        Ok(Self {
            named: server_certificate(own, provider)?,
            windows: windows.collect::<Result<_, EdgeError>>()?,
        })
    }

    /// The one that is shown at a time; `None`: no window is open, and the caller falls back.
    fn at(&self, at: UnixTime) -> Option<&OwnCertificate> {
        let mut windows = self.windows.iter();
        // The first open one in the order of choice.
        let open = windows.find(|(window, _)| window.is_open(at));
        open.map(|(_, certificate)| certificate)
    }
}

impl SniResolver {
    /// The names of a listener's identities. A name that the listener's own identity carries as well gets that
    /// one.
    fn new(
        topology: &Topology,
        default: IdentityRef,
        more: &[IdentityRef],
        provider: &CryptoProvider,
    ) -> Result<Self, EdgeError> {
        // Every name of each further identity; the own names of the listener come last and win.
        let mut by_name = HashMap::new();
        for reference in more {
            let staged = Staged::new(topology, *reference, provider)?;
            // A name that two carry, one after the other: each is in the other's windows if it takes its place.
            for name in &topology.identity(*reference).names {
                let name = name.as_str().to_owned();
                let known = by_name.entry(name).or_insert_with(|| staged.clone());
                known.windows.extend(staged.windows.iter().cloned());
            }
        }
        // The listener's own identity wins over those that are chosen by SNI.
        let own = topology.identity(default);
        let default = Staged::new(topology, default, provider)?;
        for name in &own.names {
            let name = name.as_str().to_owned();
            let mut first = default.clone();
            if let Some(more) = by_name.remove(&name) {
                first.windows.extend(more.windows);
            }
            by_name.insert(name, first);
        }
        Ok(Self { by_name, default })
    }

    /// What is shown for a name. It always finds one: a handshake with an expired certificate shows the client's operator
    /// more than one that fails without any.
    fn certificate(&self, sni: Option<&str>) -> &OwnCertificate {
        let at = clock::unix();
        sni.and_then(|name| self.by_name.get(&sought(name))?.at(at))
            .or_else(|| self.default.at(at))
            .unwrap_or(&self.default.named)
    }
}

/// The name of SNI in the form in which identities are named: lower case, no dot at the end, which RFC 6066 §3 forbids
/// and some send.
fn sought(sni: &str) -> String {
    sni.strip_suffix('.').unwrap_or(sni).to_ascii_lowercase()
}

impl ResolvesServerCert for OwnCertificate {
    /// Which it is was chosen when the client's hello had been read.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.key))
    }
}

/// Presents this node's certificate whatever list of CAs the peer sends: such lists are often incomplete, and the peer
/// decides by the certificate anyway.
#[derive(Debug)]
struct OneCertificate {
    key: Arc<CertifiedKey>,
    asked: Arc<CertificateRequest>,
}

impl rustls::client::ResolvesClientCert for OneCertificate {
    fn resolve(
        &self,
        _hints: &[&[u8]],
        schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        // Noted before the choice: a server that asks may refuse even an empty answer.
        self.asked.asked.store(true, Ordering::Relaxed);
        // Without a common signature scheme the server gets no certificate, and refuses with
        // certificate_required.
        let usable = self.key.key.choose_scheme(schemes).is_some();
        self.asked.shown.store(usable, Ordering::Relaxed);
        usable.then(|| Arc::clone(&self.key))
    }
    /// rustls asks it before it offers client authentication at all.
    fn has_certs(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::sought;

    #[test]
    fn case_and_a_dot_at_the_end_do_not_tell_names_apart() {
        assert_eq!(sought("Edge01.Contoso.TEST."), "edge01.contoso.test");
        assert_eq!(sought("edge01.contoso.test"), "edge01.contoso.test");
    }
}
