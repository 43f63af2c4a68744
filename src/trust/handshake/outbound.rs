//! The verifier that rustls calls for a connection to a peer: it hands what was presented to [`decide`].
use crate::topology::{Direction, DnsName, PeerRef};
use crate::trust::decision::decide::{PeerId, decide};
use crate::trust::decision::{presented::Presented, verdict::Decision};
use crate::trust::generation::loaded::Generation;
use crate::trust::handshake::seen::SeenChains;
use crate::trust::handshake::verdict_cell::{
    HandshakeVerdict, signature_algorithms, signatures_prove_possession,
};
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;

/// Judges the certificate of a dialled peer in one handshake.
///
/// Unlike a listener's it ends the handshake at once: the daemon dialled, so the server learns nothing that
/// it did not ask for.
#[derive(Debug)]
pub struct OutboundVerifier {
    /// Of this handshake alone, as the verifier itself is.
    verdict: HandshakeVerdict<PeerId>,
    peer: PeerRef,
    /// A name of the entry's `covers`, if it is dialled under that one.
    name: Option<DnsName>,
}

impl OutboundVerifier {
    /// For a connection to `peer`, a peer of `generation`, which the caller holds while it shakes hands. What is presented is
    /// noted in `seen`.
    ///
    /// One for each connection that is dialled, with the configuration that carries it.
    pub fn noting(generation: &Arc<Generation>, peer: PeerRef, seen: Arc<SeenChains>) -> Arc<Self> {
        Self::under(generation, (peer, None), seen)
    }

    /// The same; with a name, the peer is dialled under that one, which its entry must cover and the certificate must carry.
    pub fn under(
        generation: &Arc<Generation>,
        (peer, name): (PeerRef, Option<&DnsName>),
        seen: Arc<SeenChains>,
    ) -> Arc<Self> {
        Arc::new(Self {
            verdict: HandshakeVerdict::new(
                Arc::downgrade(generation),
                seen,
                signature_algorithms(),
            ),
            peer,
            name: name.cloned(),
        })
    }

    /// The last handshake's outcome; `None` before it (or when it was taken already).
    pub fn take(&self) -> Option<Result<PeerId, Arc<Decision>>> {
        self.verdict.take()
    }
}

impl ServerCertVerifier for OutboundVerifier {
    /// The reference identifier is the dialled peer's FQDN, never the name that rustls was given for SNI.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // The name that rustls passes is the one sent in SNI, which may be another than the peer's FQDN.
        let refused = self
            .verdict
            // The peer that was dialled is expected, whichever address or name led there: DNS is a hint and
            // never a proof.
            .judge(end_entity, intermediates, now, |chain, generation| {
                let presented = Presented::outbound(chain, self.peer)
                    .under(self.name.as_ref())
                    .with_staple(ocsp_response);
                decide(&presented, Direction::Outbound, generation, now)
            })?;
        // Nothing waits for the signature here: a refused server need not prove that it has its key.
        match refused {
            Some(decision) => Err(decision.tls_error()),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    signatures_prove_possession!();
}
