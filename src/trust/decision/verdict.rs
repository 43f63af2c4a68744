//! The outcome of a decision, with all that explains it.
use crate::topology::{Direction, DnsName, PeerRef, sha256};
use crate::trust::certificate::{chain::MAX_CERTIFICATES, text::hex};
use crate::trust::decision::question::TrustQuestion;
use crate::trust::names::presented_name::MatchedKind;
use crate::trust::{StepRefusal, TrustReason};
use rustls_pki_types::CertificateDer;
use std::sync::Arc;

/// Accepted or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The chain speaks for the peer.
    Accept,
    /// It speaks for nobody, and makes the connection a client's ([`crate::trust::decide_inbound`]).
    Client,
    /// It does not.
    Refuse,
}

impl Verdict {
    /// The stable word, as in logs and expectations.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Client => "client",
            Self::Refuse => "refuse",
        }
    }
}

/// The outcome of [`crate::trust::decide`], with all that explains it.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Names the decision in logs: the same chain, direction, dialled peer, shown identity, generation and reason have the same
    /// id.
    pub id: String,
    /// Accepted or refused.
    pub verdict: Verdict,
    /// Why.
    pub reason: TrustReason,
    /// What makes the reason understandable: which certificate, CRL or other peer.
    pub detail: Option<String>,
    /// The part of `detail` that is about the certificate, where it also says why no client's rule passes it over: what a
    /// remedy is made of.
    pub cause: Option<String>,
    /// Which way the connection was made.
    pub direction: Direction,
    /// The peer entry, when one was found.
    pub peer: Option<PeerRef>,
    /// That entry's name.
    pub peer_name: Option<String>,
    /// The name under which it was dialled, if that is one that the entry covers.
    pub dialled: Option<DnsName>,
    /// Inbound: the identity that this node showed, where that is known.
    pub identity: Option<String>,
    /// The presented names that count as identities, as text (bounded).
    pub names: Vec<String>,
    /// The name that matched.
    pub matched: Option<(String, MatchedKind)>,
    /// Subjects, leaf first.
    pub subjects: Vec<String>,
    /// SHA-256 fingerprints in lower-case hex, leaf first.
    pub fingerprints: Vec<String>,
    /// Trust set and subject of the anchor that vouched.
    pub anchor: Option<(String, String)>,
    /// The CRL that cleared the leaf: issuer and seconds since its thisUpdate.
    pub crl: Option<(String, u64)>,
    /// The extended key usage that satisfied (`none` when the extension is absent).
    pub purpose: Option<&'static str>,
    /// What a stricter rule would have refused an accepted chain for, at a peer that is observed.
    pub would_refuse: Option<(TrustReason, Option<String>)>,
    /// The earliest end of what the decision rests on, Unix seconds: notAfter of the leaf and the intermediates used,
    /// not_after of the peer and of the trust set.
    pub valid_until: Option<u64>,
    /// Of a refusal: whether the chain leads to an anchor of the topology all the same, whichever peers it may vouch for.
    pub anchored: bool,
    /// The generation that decided.
    pub generation: u64,
    /// The line of the topology that decided.
    pub line: Option<u32>,
    /// The listener that it was presented to, if it was judged by that one's rule for clients.
    pub listener: Option<Arc<str>>,
}

impl Decision {
    /// The error that makes rustls send the alert of a refusal.
    ///
    /// Who comes in may learn why only if an anchor of the topology vouches for its certificate. Else everybody could ask with
    /// certificates of their own which names are listed: whatever is wrong with those is one alert.
    pub(crate) fn tls_error(&self) -> rustls::Error {
        if self.direction == Direction::Inbound && !self.anchored {
            return TrustReason::UnknownIssuer.tls_error();
        }
        self.reason.tls_error()
    }

    /// A refusal without a reason yet, before the first step: what is known before anything is judged.
    pub(crate) fn blank(question: &TrustQuestion<'_>) -> Self {
        let presented = question.presented;
        let peer = presented.expected;
        let entry = peer.and_then(|p| question.generation.topology().find_peer(p));
        Self {
            id: String::new(),
            verdict: Verdict::Refuse,
            reason: TrustReason::NoCertificate,
            detail: None,
            cause: None,
            direction: question.direction,
            peer,
            peer_name: entry.map(|p| p.name.to_string()),
            dialled: presented.name.cloned(),
            identity: inbound_identity(question),
            names: Vec::new(),
            matched: None,
            subjects: Vec::new(),
            fingerprints: match question.chain {
                Ok(chain) => chain.certificates().map(|c| hex(c.digest())).collect(),
                Err(_) => {
                    let few = presented.chain.iter().take(MAX_CERTIFICATES);
                    few.map(fingerprint).collect()
                }
            },
            anchor: None,
            crl: None,
            purpose: None,
            would_refuse: None,
            valid_until: None,
            anchored: false,
            generation: question.generation.number(),
            line: entry.map(|p| p.line),
            listener: None,
        }
    }

    /// The same with the reason of a refusal; its line stays where the refusal names none.
    pub(crate) fn refused_for(self, refusal: StepRefusal) -> Self {
        Self {
            reason: refusal.reason,
            detail: refusal.detail,
            line: refusal.line.or(self.line),
            ..self
        }
    }

    /// The same with its id, made from what it depends on and its reason.
    pub(crate) fn sealed(mut self, dialled: Option<PeerRef>) -> Arc<Self> {
        let way = match self.direction {
            Direction::Inbound => "in",
            Direction::Outbound => "out",
        };
        let text = format!(
            "{}|{way}|{}|{:?}|{}",
            self.fingerprints.join("+"),
            self.generation,
            dialled.map(PeerRef::index),
            self.reason.code(),
        );
        let name = self.dialled.as_ref().map(DnsName::as_str);
        let text = match name {
            Some(name) => format!("{text}|{name}"),
            None => text,
        };
        let text = match &self.identity {
            Some(identity) => format!("{text}|{identity}"),
            None => text,
        };
        let mut id = hex(&sha256(text.as_bytes()));
        id.truncate(16);
        self.id = id;
        Arc::new(self)
    }
}

/// What was shown to a server that this node has dialled follows from its entry.
fn inbound_identity(question: &TrustQuestion<'_>) -> Option<String> {
    let is_inbound = question.direction == Direction::Inbound;
    let shown = question.presented.identity.filter(|_| is_inbound);
    shown.map(str::to_owned)
}

/// A certificate's SHA-256 in lower-case hex.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    hex(&sha256(certificate.as_ref()))
}
