//! What a listener makes of a certificate that speaks for no peer (`client_certificates`): the second half of [`decide`] for
//! inbound connections. Whatever comes of it, the connection is a client's or none.
use super::certificate::chain::Chain;
use super::decision::{Parsed, conclude, resealed};
use super::judgement::{Vouched, required};
use super::names::topology_names::Whose;
use super::trace::Trace;
use super::{Decision, Generation, PeerId, Presented, Reason, Refusal, Verdict};
use crate::topology::{ClientCertificates, Direction, Listener, TrustRef};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;

/// Proof that [`decide_inbound`] made a client of who showed a certificate; it has no other maker, and nothing follows from it
/// that does not follow from showing none.
#[derive(Clone, Debug)]
pub struct ClientId {
    decision: Arc<Decision>,
}

impl ClientId {
    /// What was decided: [`Reason::ClientCertificateIgnored`] or [`Reason::ClientCertificateTrusted`].
    pub fn decision(&self) -> &Arc<Decision> {
        &self.decision
    }

    /// Whether the certificate counts for nothing, so that even its key need not be proven.
    pub(super) fn is_passed_over(&self) -> bool {
        self.decision.reason == Reason::ClientCertificateIgnored
    }
}

/// What a presented chain makes of an inbound connection.
#[derive(Clone, Debug)]
pub enum Admitted {
    /// A peer's.
    Peer(PeerId),
    /// A client's.
    Client(ClientId),
}

impl From<PeerId> for Admitted {
    fn from(peer: PeerId) -> Self {
        Self::Peer(peer)
    }
}

impl Admitted {
    /// What was decided.
    pub fn decision(&self) -> &Arc<Decision> {
        match self {
            Self::Peer(peer) => peer.decision(),
            Self::Client(client) => client.decision(),
        }
    }
}

/// Judges a chain that was presented to a listener: [`decide`](super::decide), and for a chain that speaks for no peer the
/// listener's `client_certificates`. Pure, as that is.
///
/// # Errors
/// The refusal: why it speaks for no peer, and in its detail why it does not pass as a client's either.
pub fn decide_inbound(
    chain: &[CertificateDer<'_>],
    listener: &Listener,
    generation: &Generation,
    at: UnixTime,
) -> Result<Admitted, Arc<Decision>> {
    let presented = Presented::inbound(chain);
    let parsed = Chain::parse(chain);
    conclude_inbound(&presented, &parsed, listener, generation, at, &Trace::off())
}

/// [`decide_inbound`], with each step told to `trace`.
pub(super) fn conclude_inbound(
    presented: &Presented<'_>,
    chain: &Parsed<'_>,
    listener: &Listener,
    generation: &Generation,
    at: UnixTime,
    trace: &Trace,
) -> Result<Admitted, Arc<Decision>> {
    let way = Direction::Inbound;
    let refused = match conclude(presented, chain, way, generation, at, trace) {
        Ok(peer) => return Ok(Admitted::Peer(peer.at(&listener.name))),
        Err(decision) => decision,
    };
    let rule = if listener.accept.clients() && !presented.chain.is_empty() {
        &listener.client_certificates
    } else {
        &ClientCertificates::Refuse
    };
    let says = || {
        format!(
            "listener {} has client_certificates = \"{}\"",
            listener.name,
            rule.word()
        )
    };
    let line = listener.line;
    let mut decision = Decision::clone(&refused);
    decision.listener = Some(listener.name.as_str().into());
    let judged = match rule {
        ClientCertificates::Refuse => return Err(Arc::new(decision)),
        ClientCertificates::Ignore => trace.step("client", says, || {
            not_ours(chain, generation).map_err(|why| {
                let detail = joined(
                    refused.detail.as_deref(),
                    &format!("not passed over as a client's: {why}"),
                );
                Refusal {
                    reason: refused.reason,
                    detail: Some(detail),
                    line: refused.line,
                }
            })
        }),
        ClientCertificates::Require(sets) => {
            let outcome = trace.step("client", says, || {
                vouched_for(chain, sets, listener, generation, at, &refused, trace)
            });
            outcome.map(|vouched| {
                decision.anchor = Some(vouched.anchor);
                decision.crl = vouched.crl;
                decision.purpose = Some(vouched.purpose);
                decision.valid_until = vouched.valid_until;
            })
        }
    };
    match judged {
        Ok(()) => {
            decision.verdict = Verdict::Client;
            decision.reason = match rule {
                ClientCertificates::Require(_) => Reason::ClientCertificateTrusted,
                ClientCertificates::Ignore | ClientCertificates::Refuse => {
                    Reason::ClientCertificateIgnored
                }
            };
            decision.detail = None;
            decision.line = Some(line);
            // It is nobody's.
            decision.peer = None;
            decision.peer_fqdn = None;
            decision.matched = None;
            let decision = Arc::new(resealed(decision, presented));
            Ok(Admitted::Client(ClientId { decision }))
        }
        Err(refusal) => {
            decision.reason = refusal.reason;
            decision.detail = refusal.detail;
            decision.line = refusal.line;
            Err(Arc::new(resealed(decision, presented)))
        }
    }
}

/// Whether the certificate has to do with nobody that the topology names, or what it has.
pub(super) fn not_ours(chain: &Parsed<'_>, generation: &Generation) -> Result<(), String> {
    let chain = chain.as_ref().map_err(ToString::to_string)?;
    let known = generation.known();
    if let Some(why) = known.leads_to_us(chain) {
        return Err(why);
    }
    match known.named_by(chain.leaf())? {
        Some((name, whose)) => Err(covers(&name, whose)),
        None => Ok(()),
    }
}

fn covers(name: &str, whose: Whose) -> String {
    let name: String = name.chars().take(253).collect();
    format!("its name {name} covers {}", whose.says())
}

/// Whether the sets vouch for a client with this chain.
fn vouched_for(
    chain: &Parsed<'_>,
    sets: &[TrustRef],
    listener: &Listener,
    generation: &Generation,
    at: UnixTime,
    refused: &Decision,
    trace: &Trace,
) -> Result<Vouched, Refusal> {
    let parsed = chain.as_ref().map_err(Refusal::clone)?;
    // A server's certificate that is refused never makes a client, whoever vouches for it.
    if let Some((name, whose @ (Whose::Peer | Whose::Own))) = generation
        .known()
        .named_by(parsed.leaf())
        .map_err(|why| Refusal::at_line(Reason::MalformedCertificate, why, listener.line))?
    {
        let why = format!("not a client's: {}", covers(&name, whose));
        return Err(Refusal {
            reason: refused.reason,
            detail: Some(joined(refused.detail.as_deref(), &why)),
            line: refused.line,
        });
    }
    required(parsed, sets, listener, generation, at, trace).map_err(|refusal| {
        let line = refusal.line.or(Some(listener.line));
        if let Reason::UnknownIssuer
        | Reason::SelfSigned
        | Reason::BadSignature
        | Reason::AnchorNotForPeer = refusal.reason
        {
            let says = refusal.to_string();
            return Refusal {
                line,
                ..Refusal::because(Reason::ClientCertificateUntrusted, says)
            };
        }
        Refusal { line, ..refusal }
    })
}

fn joined(before: Option<&str>, why: &str) -> String {
    match before {
        Some(before) => format!("{before}; {why}"),
        None => why.to_owned(),
    }
}
