//! One connection to one address of a peer: TCP, TLS, and the decision about who is there.
use super::failed::HandshakeFailure;
use super::handshake_socket::HandshakeSocket;
use super::records::Records;
use super::tls::{CertificateRequest, TlsConfigs};
use crate::observe::PresentedChain;
use crate::reason::ConnectionReason;
use crate::topology::{DnsName, IdentityRef, PeerRef};
use crate::trust::PeerId;
use rustls_pki_types::{CertificateDer, ServerName};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;

/// A finished outbound handshake: the server is the peer, by the decision in `identity`.
pub(super) struct Dialled {
    /// The socket, without a half-written record in it.
    pub(super) tcp: TcpStream,
    /// How far the handshake has read.
    pub(super) records: Records,
    /// The session of this side's finished handshake.
    pub(super) tls: rustls::Connection,
    /// The address that the system chose for this end.
    pub(super) local: SocketAddr,
    /// The peer, by the decision on its chain.
    pub(super) identity: PeerId,
    /// Which identity of this node was offered, with its leaf.
    pub(super) shown: Option<(IdentityRef, CertificateDer<'static>)>,
    /// The chain that the server asked for and got.
    pub(super) chain_shown: Option<Arc<PresentedChain>>,
    /// Whether the server has asked for a certificate.
    pub(super) asked: Arc<CertificateRequest>,
}

impl Dialled {
    /// Whether the server's verdict on this node's certificate is still to come. In TLS 1.2 its Finished was the verdict;
    /// in TLS 1.3 the client is done before the server has looked at its certificate (RFC 8446 §4.4.2.4).
    pub(super) fn verdict_is_out(&self) -> bool {
        verdict_is_out(&self.tls, &self.asked)
    }
}

/// A server that has not asked for a certificate has nothing to refuse.
fn verdict_is_out(tls: &rustls::Connection, asked: &CertificateRequest) -> bool {
    asked.asked() && tls.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3)
}

/// A connection that could not be made, and the chain that was shown to the server by then.
pub(super) struct Failed {
    /// Which side refused, or what broke.
    pub(super) failure: HandshakeFailure,
    /// For the event: what the server may have refused.
    pub(super) shown: Option<Arc<PresentedChain>>,
}

impl From<HandshakeFailure> for Failed {
    fn from(failure: HandshakeFailure) -> Self {
        Self {
            failure,
            shown: None,
        }
    }
}

/// Connects to one address and shakes hands with who must be the peer, under the name that its entry covers if there is one. It has no bound in time of its own.
pub(super) async fn shake_hands(
    tls: &TlsConfigs,
    (reference, name): (PeerRef, Option<&DnsName>),
    address: SocketAddr,
) -> Result<Dialled, Failed> {
    let topology = tls.generation().topology();
    // A reload since may have made `tls` another generation's, in which the reference leads nowhere.
    let peer = topology.find_peer(reference);
    let peer = peer.ok_or_else(|| HandshakeFailure::aborted(ConnectionReason::Reloaded))?;
    // TCP first: without it nothing is known of the peer, and the log reports the network.
    let tcp = connect(address).await?;
    let local = tcp
        .local_addr()
        .map_err(|e| HandshakeFailure::from_io(&e))?;
    // One configuration for each connect: the verifier in it holds this handshake's decision.
    let outgoing = tls
        .towards(reference, name)
        .map_err(|e| HandshakeFailure::Refused {
            reason: ConnectionReason::TlsError.into(),
            detail: Some(e.to_string()),
            decision: None,
        })?;
    // Names of the topology are valid; this cannot fail.
    let sni = name.unwrap_or(&peer.fqdn).as_str().to_owned();
    let sni = ServerName::try_from(sni)
        .map_err(|_| HandshakeFailure::refused(ConnectionReason::TlsError))?;
    // The name goes out as SNI, and is not what the certificate is checked against: trust decides by the topology.
    let outcome = tokio_rustls::TlsConnector::from(Arc::clone(&outgoing.config))
        .connect(sni, HandshakeSocket::new(tcp))
        .await;
    // Known only after the handshake: rustls has asked for the certificate in the middle of it.
    let shown = outgoing.shown();
    // Every failure from here on shows what the server got.
    let failed = |failure| Failed {
        failure,
        shown: shown.clone(),
    };
    let (stream, identity) = match (outcome, outgoing.verifier.take()) {
        (Ok(stream), Some(Ok(identity))) => (stream, identity),
        // This node refuses: whatever the library reports after that follows from it.
        (_, Some(Err(decision))) => return Err(failed(HandshakeFailure::decided(decision))),
        // A session that passed no verifier; resumption is off, so this cannot be, and is no peer if it is.
        (Ok(_), None) => {
            return Err(failed(HandshakeFailure::refused(
                ConnectionReason::Undecided,
            )));
        }
        // Accepted here and yet failed: the server has refused, and the log shows both verdicts.
        (Err(error), Some(Ok(identity))) => {
            let failure = HandshakeFailure::from_io(&error).after(identity.decision());
            return Err(failed(failure));
        }
        // No certificate has come, and maybe no TLS at all: the port may be another service's.
        (Err(error), None) => return Err(failed(HandshakeFailure::from_hello(&error))),
    };
    // From here on the connection reads and writes its session itself, without tokio-rustls.
    let (socket, session) = stream.into_inner();
    let (tcp, records, write_failed) = socket.into_parts();
    let session = rustls::Connection::Client(session);
    // With the verdict still out, the connection's first read will find the alert; without, nobody else reports it.
    if let Some(error) = write_failed
        && !verdict_is_out(&session, &outgoing.asked)
    {
        return Err(failed(
            HandshakeFailure::from_io(&error).after(identity.decision()),
        ));
    }
    let own = topology.identity(outgoing.identity);
    let pair = own.client.as_ref().unwrap_or(&own.server);
    Ok(Dialled {
        tcp,
        records,
        tls: session,
        local,
        identity,
        shown: pair
            .chain
            .first()
            .map(|leaf| (outgoing.identity, leaf.clone())),
        chain_shown: shown,
        asked: outgoing.asked,
    })
}

/// Connects, with the options that every connection has.
async fn connect(address: SocketAddr) -> Result<TcpStream, HandshakeFailure> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that connects, to an address of a listed peer"
    )]
    let connect = TcpStream::connect(address);
    let tcp = connect.await.map_err(|error| HandshakeFailure::Aborted {
        // Refused: the host is there and nobody listens. Anything else is the network, and the detail names it.
        reason: if error.kind() == ErrorKind::ConnectionRefused {
            ConnectionReason::ConnectionRefused.into()
        } else {
            ConnectionReason::ConnectFailed.into()
        },
        detail: Some(error.to_string()),
    })?;
    super::acceptor::prepare(&socket2::SockRef::from(&tcp));
    Ok(tcp)
}
