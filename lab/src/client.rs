//! A client: one TLS connection without a certificate; it authenticates the edge by name and CA (RFC 5922
//! §7.3).
use super::inbox::EndProfile;
use super::{End, LabError, Transcript, Wire, tls};
use rustls::RootCertStore;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What an end must know of the edge to reach it. The name is apart from the address, because tests run on
/// loopback while certificates carry names.
#[derive(Clone)]
pub struct EdgeTarget {
    /// Where it listens.
    pub address: SocketAddr,
    /// The name that its certificate must carry.
    pub name: String,
    /// Who may vouch for that name.
    pub roots: Arc<RootCertStore>,
    /// Where ends write what they see.
    pub transcript: Transcript,
}

/// A phone or softphone.
pub struct Client {
    end: End,
    wire: Wire,
}

impl Client {
    /// Connects as `party` (its column in ladders) for an address of record such as `sip:alice@contoso.test`.
    ///
    /// # Errors
    /// The edge cannot be reached, or does not prove its name.
    pub async fn connect(face: &EdgeTarget, party: &str, aor: &str) -> Result<Self, LabError> {
        let failed = |what| LabError::io(party, what);
        let config = tls::client_config(&face.roots, None)?;
        let stream = tls::connect(party, config, (None, face.address), &face.name).await?;
        let local = stream.get_ref().0.local_addr();
        let local = local.map_err(failed("connect"))?;
        // The Contact has this end's own address, as a phone behind no NAT writes it: only by the edge's Path
        // is it reached.
        let user = super::address::address_of_record(aor);
        let user = user.split('@').next().unwrap_or_default();
        let end = End::new(
            EndProfile {
                party: party.to_owned(),
                aor: aor.to_owned(),
                sent_by: local.to_string(),
                contact: format!("sip:{user}@{local};transport=tls"),
            },
            face.transcript.clone(),
        );
        let wire = end
            .adopt(stream, CancellationToken::new())
            .map_err(failed("connect"))?;
        Ok(Self { end, wire })
    }

    /// Its connection.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }
}

/// A client is an [`End`] with one connection.
impl Deref for Client {
    type Target = End;
    fn deref(&self) -> &End {
        &self.end
    }
}

/// A phone that is dropped is gone, without close_notify, as one that loses its network.
impl Drop for Client {
    fn drop(&mut self) {
        self.wire.cut();
    }
}
