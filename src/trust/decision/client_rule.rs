//! What a listener makes of a certificate that speaks for no peer (`client_certificates`): the second half of [`decide`] for
//! inbound connections. Whatever comes of it, the connection is a client's or none.
use crate::topology::{ClientCertificates, Direction, Listener, TrustRef};
use crate::trust::certificate::chain::{Chain, ParsedChain};
use crate::trust::decision::decide::{PeerId, conclude};
use crate::trust::decision::judge::{Vouched, required};
use crate::trust::decision::verdict::{Decision, Verdict};
use crate::trust::decision::{presented::Presented, question::TrustQuestion};
use crate::trust::generation::loaded::Generation;
use crate::trust::names::topology_names::NameOwner;
use crate::trust::trace::{fact::Fact, recorder::Trace};
use crate::trust::{StepRefusal, TrustReason};
use rustls_pki_types::UnixTime;
use std::sync::Arc;

/// Proof that [`decide_inbound`] made a client of who showed a certificate; it has no other maker, and nothing follows from it
/// that does not follow from showing none.
///
/// Private fields and no other maker, so that no code path can turn a refused certificate into a client by
/// accident.
#[derive(Clone, Debug)]
pub struct ClientId {
    decision: Arc<Decision>,
}

impl ClientId {
    /// What was decided: [`TrustReason::ClientCertificateIgnored`] or [`TrustReason::ClientCertificateTrusted`].
    pub fn decision(&self) -> &Arc<Decision> {
        &self.decision
    }

    /// Whether the certificate counts for nothing, so that even its key need not be proven.
    ///
    /// A phone's factory certificate may have a key that TLS here never uses; that must not end the
    /// handshake.
    pub(crate) fn is_passed_over(&self) -> bool {
        self.decision.reason == TrustReason::ClientCertificateIgnored
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

/// Judges a chain that was presented to a listener: [`decide`](crate::trust::decide), and for a chain that speaks for no peer the
/// listener's `client_certificates`. Pure, as that is.
///
/// # Errors
/// The refusal: why it speaks for no peer, and in its detail why it does not pass as a client's either.
pub fn decide_inbound(
    presented: &Presented<'_>,
    listener: &Listener,
    generation: &Generation,
    at: UnixTime,
) -> Result<Admitted, Arc<Decision>> {
    let question = TrustQuestion {
        presented,
        chain: &Chain::parse(presented.chain),
        direction: Direction::Inbound,
        generation,
        at,
    };
    conclude_inbound(&question, listener, &Trace::off())
}

/// [`decide_inbound`] about a chain that was parsed before, with each step recorded in `trace`.
pub(crate) fn conclude_inbound(
    question: &TrustQuestion<'_>,
    listener: &Listener,
    trace: &Trace,
) -> Result<Admitted, Arc<Decision>> {
    // First the peer's side: who is listed comes in as a peer, whatever the listener does with clients.
    let refused = match conclude(question, trace) {
        Ok(peer) => return Ok(Admitted::Peer(peer.at(&listener.name))),
        Err(decision) => decision,
    };
    let mut decision = Decision::clone(&refused);
    decision.listener = Some(listener.name.as_str().into());
    // Who shows no certificate, or comes in where no client may, is not asked what its certificate means.
    if !listener.accept.clients() || question.presented.chain.is_empty() {
        return Err(Arc::new(decision));
    }
    let judged = match &listener.client_certificates {
        ClientCertificates::Refuse => return Err(Arc::new(decision)),
        // Passed over only if it has nothing to do with anybody in the topology: a listed server whose
        // certificate has expired must be refused, and never become a client that way.
        ClientCertificates::Ignore => trace
            .step(&Fact::ClientRule(listener), || {
                let ignored = is_nobody_listed(question.chain, question.generation);
                ignored.map_err(|why| refusal_with(&refused, &why))
            })
            .map(|()| TrustReason::ClientCertificateIgnored),
        ClientCertificates::Require(sets) => trace
            .step(&Fact::ClientRule(listener), || {
                vouched_for(question, sets, listener, &refused, trace)
            })
            .map(|vouched| {
                decision.anchor = Some(vouched.anchor);
                decision.crl = vouched.crl;
                decision.purpose = Some(vouched.purpose);
                decision.valid_until = vouched.valid_until;
                TrustReason::ClientCertificateTrusted
            }),
    };
    match judged {
        Ok(reason) => {
            decision.verdict = Verdict::Client;
            decision.reason = reason;
            decision.detail = None;
            decision.line = Some(listener.line);
            // The certificate is nobody's that the topology names. The record of the first half
            // would name a peer that this connection is not.
            decision.peer = None;
            decision.peer_name = None;
            decision.matched = None;
            let decision = decision.sealed(None);
            Ok(Admitted::Client(ClientId { decision }))
        }
        Err(refusal) => {
            // The line is that of the refusal, and not of an entry that was found on the way.
            decision.line = None;
            if refusal.reason == refused.reason {
                decision.cause.clone_from(&refused.detail);
            }
            Err(decision.refused_for(refusal).sealed(None))
        }
    }
}

/// Whether the certificate has to do with nobody that the topology names, or what it has.
///
/// Read as leniently as any program might read it, while the decision about peers reads strictly: both err to
/// the safe side.
pub(crate) fn is_nobody_listed(
    chain: &ParsedChain<'_>,
    generation: &Generation,
) -> Result<(), String> {
    let chain = chain.as_ref().map_err(ToString::to_string)?;
    let known = generation.topology_names();
    // The CA is asked before the names: whatever a CA of the topology issued is meant for this site.
    if let Some(why) = known.leads_to_an_anchor(chain) {
        return Err(why);
    }
    match known.named_by(chain.leaf())? {
        Some((name, owner)) => Err(covers(&name, owner)),
        None => Ok(()),
    }
}

fn covers(name: &str, owner: NameOwner) -> String {
    // A name of a stranger goes into the log: it is bounded as host names are.
    let name: String = name.chars().take(253).collect();
    format!("its name {name} covers {}", owner.words())
}

/// Whether the sets vouch for a client with this chain.
fn vouched_for(
    question: &TrustQuestion<'_>,
    sets: &[TrustRef],
    listener: &Listener,
    refused: &Decision,
    trace: &Trace,
) -> Result<Vouched, StepRefusal> {
    let (generation, at) = (question.generation, question.at);
    let chain = question.chain.as_ref().map_err(StepRefusal::clone)?;
    // A server's certificate that is refused never makes a client, whoever vouches for it.
    // Names of domains do not count here: a user's certificate may well hold an address of the home domain.
    if let Some((name, owner @ (NameOwner::Peer | NameOwner::Own))) = generation
        .topology_names()
        .named_by(chain.leaf())
        .map_err(|why| TrustReason::MalformedCertificate.at_line(why, listener.line))?
    {
        return Err(refusal_with(refused, &covers(&name, owner)));
    }
    required(chain, sets, listener, generation, at, trace).map_err(|refusal| {
        let line = refusal.line.or(Some(listener.line));
        // All of these mean the same for a client: no set of the listener vouches for it.
        if let TrustReason::UnknownIssuer
        | TrustReason::SelfSigned
        | TrustReason::BadSignature
        | TrustReason::AnchorNotForPeer = refusal.reason
        {
            let why = refusal.to_string();
            return StepRefusal {
                line,
                ..TrustReason::ClientCertificateUntrusted.because(why)
            };
        }
        StepRefusal { line, ..refusal }
    })
}

/// The refusal of a decision, and after its detail why the certificate is no client's either.
fn refusal_with(refused: &Decision, why: &str) -> StepRefusal {
    let detail = match &refused.detail {
        Some(before) => format!("{before}; and it cannot count as a client's: {why}"),
        None => format!("it cannot count as a client's: {why}"),
    };
    StepRefusal {
        reason: refused.reason,
        detail: Some(detail),
        line: refused.line,
    }
}
