//! What the other side of a connection presented.
use crate::topology::{Direction, DnsName, PeerRef};
use crate::trust::generation::loaded::Generation;
use rustls_pki_types::CertificateDer;

/// What the other side presented.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// Leaf first, as on the wire; empty when no certificate was presented.
    pub chain: &'a [CertificateDer<'a>],
    /// Outbound: the peer that was dialled (its FQDN is the reference identifier). Inbound: `None`.
    ///
    /// Outbound without one asks for any peer that the names match (for expectations and explanations).
    pub expected: Option<PeerRef>,
    /// Outbound: a name that the peer's entry covers, if it was dialled under that one and not its FQDN.
    pub name: Option<&'a DnsName>,
    /// Inbound: the name of the identity that this node showed in the handshake; it tells entries of one FQDN apart. `None`:
    /// nothing is known of it.
    pub identity: Option<&'a str>,
    /// Outbound: the OCSP response that the peer stapled (RFC 6066 §8), for the moment of the handshake.
    pub staple: Option<&'a [u8]>,
}

impl<'a> Presented<'a> {
    /// What a connection to a listener presented, now or when it came.
    pub fn inbound(chain: &'a [CertificateDer<'a>]) -> Self {
        Self {
            chain,
            expected: None,
            name: None,
            identity: None,
            staple: None,
        }
    }

    /// What the dialled peer presented, now or when the connection was made.
    pub fn outbound(chain: &'a [CertificateDer<'a>], dialled: PeerRef) -> Self {
        Self {
            expected: Some(dialled),
            ..Self::inbound(chain)
        }
    }

    /// The same, where it was dialled under a name that its entry covers.
    pub fn under(self, name: Option<&'a DnsName>) -> Self {
        Self { name, ..self }
    }

    /// The same, presented to whom this identity was shown.
    pub fn shown(self, identity: Option<&'a str>) -> Self {
        Self { identity, ..self }
    }

    /// A chain that was presented before, as `generation` would judge it now. `peer` is the name of the entry that it spoke for, or that
    /// was dialled: one that was dialled and is gone from the topology leaves nobody to be expected.
    pub fn again(
        chain: &'a [CertificateDer<'a>],
        peer: Option<&str>,
        direction: Direction,
        generation: &Generation,
    ) -> Self {
        let named = peer.and_then(|name| generation.topology().peer_by_name(name));
        Self {
            expected: named.filter(|_| direction == Direction::Outbound),
            ..Self::inbound(chain)
        }
    }

    /// The same with a stapled OCSP response; no bytes are none.
    pub fn with_staple(self, response: &'a [u8]) -> Self {
        Self {
            staple: (!response.is_empty()).then_some(response),
            ..self
        }
    }
}
