//! The decision: what was presented, what was concluded, and the proof that a peer passed.
use super::certificate::chain::Chain;
use super::judgement::{Judgement, Purposes, Rule, earliest};
use super::names::entry::Match;
use super::names::presented::PresentedNames;
use super::names::presented_name::MatchedKind;
use super::trace::Trace;
use super::{Generation, Reason, Refusal, narrate, path};
use crate::topology::{Direction, DnsName, PeerRef, Stage, sha256};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::fmt::Write as _;
use std::sync::Arc;

/// What the other side presented.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// Leaf first, as on the wire; empty when no certificate was presented.
    pub chain: &'a [CertificateDer<'a>],
    /// Outbound: the peer that we dialled (its FQDN is the reference identifier). Inbound: `None`.
    ///
    /// Outbound without one asks for any peer that the names match (for expectations and explanations).
    pub expected: Option<PeerRef>,
    /// Outbound: the OCSP response that the peer stapled (RFC 6066 §8), for the moment of the handshake.
    pub staple: Option<&'a [u8]>,
}

impl<'a> Presented<'a> {
    /// What a connection to one of our listeners presented, now or when it came.
    pub fn inbound(chain: &'a [CertificateDer<'a>]) -> Self {
        Self {
            chain,
            expected: None,
            staple: None,
        }
    }

    /// What the peer that we dialled presented, now or when the connection was made.
    pub fn outbound(chain: &'a [CertificateDer<'a>], dialled: PeerRef) -> Self {
        Self {
            chain,
            expected: Some(dialled),
            staple: None,
        }
    }

    /// A chain that was presented before, as `generation` would judge it now. `peer` is the FQDN that it spoke for, or that
    /// was dialled: one that was dialled and is gone from the topology leaves nobody to be expected.
    pub fn again(
        chain: &'a [CertificateDer<'a>],
        peer: Option<&str>,
        direction: Direction,
        generation: &Generation,
    ) -> Self {
        let named = peer.and_then(|fqdn| generation.topology().peer_by_fqdn(fqdn));
        Self {
            chain,
            expected: named.filter(|_| direction == Direction::Outbound),
            staple: None,
        }
    }

    /// The same with a stapled OCSP response; empty octets are none.
    pub fn with_staple(self, response: &'a [u8]) -> Self {
        Self {
            staple: (!response.is_empty()).then_some(response),
            ..self
        }
    }
}

/// Accepted or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The chain speaks for the peer.
    Accept,
    /// It speaks for nobody, and makes the connection a client's ([`super::decide_inbound`]).
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

/// The outcome of [`decide`], with all that explains it.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Names the decision in logs: the same chain, direction, dialled peer, generation and reason give the same id.
    pub id: String,
    /// Accepted or refused.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// What makes the reason understandable: which certificate, CRL or other peer.
    pub detail: Option<String>,
    /// Which way the connection was made.
    pub direction: Direction,
    /// The peer entry, when one was found.
    pub peer: Option<PeerRef>,
    /// That entry's FQDN.
    pub peer_fqdn: Option<String>,
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
    pub would_refuse: Option<(Reason, Option<String>)>,
    /// The earliest end of what the decision rests on, Unix seconds: notAfter of the leaf and the intermediates used,
    /// not_after of the peer and of the trust set.
    pub valid_until: Option<u64>,
    /// Of a refusal: whether the chain leads to an anchor of ours all the same, whoever that one may vouch for.
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
    /// Who comes in may learn why only if an anchor of ours vouches for its certificate. Else everybody could ask with
    /// certificates of their own which names are listed: whatever is wrong with those is one alert.
    pub(super) fn tls_error(&self) -> rustls::Error {
        if self.direction == Direction::Inbound && !self.anchored {
            return Reason::UnknownIssuer.tls_error();
        }
        self.reason.tls_error()
    }
}

/// Proof that [`decide`] accepted a chain for a peer; it has no other maker.
#[derive(Clone, Debug)]
pub struct PeerId {
    peer: PeerRef,
    decision: Arc<Decision>,
    also: Arc<[DnsName]>,
}

impl PeerId {
    /// The peer, in the generation of [`Self::decision`].
    pub fn peer(&self) -> PeerRef {
        self.peer
    }
    /// What was decided.
    pub fn decision(&self) -> &Arc<Decision> {
        &self.decision
    }
    /// The FQDNs of other entries that the certificate of somebody who connected to us names as well: each grants the
    /// same, so that any of them may be the one that connected.
    pub fn also(&self) -> &[DnsName] {
        &self.also
    }
    /// The same, presented to a listener.
    pub(super) fn at(mut self, listener: &str) -> Self {
        Arc::make_mut(&mut self.decision).listener = Some(listener.into());
        self
    }
}

/// Judges a presented chain. Pure: no clock, no file, no log.
///
/// `presented.expected` must be a peer of `generation`.
///
/// # Errors
/// The refusal, as a [`Decision`] with verdict [`Verdict::Refuse`].
pub fn decide(
    presented: &Presented<'_>,
    direction: Direction,
    generation: &Generation,
    at: UnixTime,
) -> Result<PeerId, Arc<Decision>> {
    let chain = Chain::parse(presented.chain);
    conclude(presented, &chain, direction, generation, at, &Trace::off())
}

/// [`decide`] about a chain that was parsed before, with each step told to `trace`. All that is asked about one chain
/// shares its budget and what was found out about its signatures.
pub(super) fn conclude(
    presented: &Presented<'_>,
    chain: &Parsed<'_>,
    direction: Direction,
    generation: &Generation,
    at: UnixTime,
    trace: &Trace,
) -> Result<PeerId, Arc<Decision>> {
    let mut decision = blank(presented, chain, direction, generation);
    let question = Question {
        presented,
        chain,
        direction,
        generation,
        at,
        purposes: Purposes::AsWritten,
    };
    let judged = question.judge(&mut decision, trace);
    match judged {
        Ok((peer, also)) => {
            decision.verdict = Verdict::Accept;
            decision.reason = Reason::Accepted;
            seal(&mut decision, presented);
            let decision = Arc::new(decision);
            Ok(PeerId {
                peer,
                decision,
                also,
            })
        }
        Err(refusal) => {
            decision.reason = refusal.reason;
            decision.detail = refusal.detail;
            decision.line = refusal.line.or(decision.line);
            // Asked whatever the reason, so that a listed name takes as long as another.
            decision.anchored = chain.as_ref().is_ok_and(|chain| {
                path::set_that_would_vouch(chain, &[], generation, at).is_some()
            });
            seal(&mut decision, presented);
            Err(Arc::new(decision))
        }
    }
}

/// The presented chain, or why it is none.
pub(super) type Parsed<'a> = Result<Chain<'a>, Refusal>;

/// Whether the chain would be refused if its peer's `purpose` were strict. Asked of an accepted one: whether it passes
/// only because that policy is the relaxed one.
pub(super) fn strict_purpose_refuses(
    presented: &Presented<'_>,
    chain: &Parsed<'_>,
    direction: Direction,
    generation: &Generation,
    at: UnixTime,
) -> bool {
    let question = Question {
        presented,
        chain,
        direction,
        generation,
        at,
        purposes: Purposes::Strict,
    };
    let mut decision = blank(presented, chain, direction, generation);
    question.judge(&mut decision, &Trace::off()).is_err()
}

/// What is judged, and how.
struct Question<'q> {
    presented: &'q Presented<'q>,
    chain: &'q Parsed<'q>,
    direction: Direction,
    generation: &'q Generation,
    at: UnixTime,
    purposes: Purposes,
}

impl Question<'_> {
    /// The steps in their order; each notes in `decision` what it found.
    fn judge(
        &self,
        decision: &mut Decision,
        trace: &Trace,
    ) -> Result<(PeerRef, Arc<[DnsName]>), Refusal> {
        let (presented, direction, generation, at) =
            (self.presented, self.direction, self.generation, self.at);
        let topology = generation.topology();

        let chain = trace.step(
            "chain",
            || narrate::chain(presented.chain),
            || {
                let chain = self.chain.as_ref().map_err(Refusal::clone)?;
                narrate::certificates(trace, chain);
                Ok(chain)
            },
        )?;
        decision.subjects = chain.certificates().map(|c| c.text()).collect();

        let names = trace.step("names", narrate::names, || {
            let names = PresentedNames::of(chain.leaf());
            narrate::each_name(trace, chain, names.as_ref().ok());
            names
        })?;
        decision.names = names.shown();

        let dialled = presented
            .expected
            .filter(|_| direction == Direction::Outbound);
        let found = trace.step(
            "topology",
            || narrate::sought(topology, dialled),
            || {
                narrate::entries(trace, &names, topology, dialled, at);
                match dialled {
                    Some(dialled) => names.expect_peer(dialled, topology, at),
                    None => names.find_peer(topology, at),
                }
            },
        )?;
        let Match {
            peer: reference,
            name,
            kind,
            also,
        } = found;
        let peer = topology.peer(reference);
        decision.peer = Some(reference);
        decision.peer_fqdn = Some(peer.fqdn.to_string());
        decision.matched = Some((name.clone(), kind));
        decision.line = Some(peer.line);

        let judgement = Judgement {
            chain,
            direction,
            generation,
            at,
            purposes: self.purposes,
            staple: presented.staple,
            also: &also,
        };
        let vouched = judgement.of(peer, Some(&name), Rule::AsWritten, trace)?;
        if peer.stage == Stage::Observe {
            decision.would_refuse = judgement.observed(peer, &names, trace);
        }
        decision.anchor = Some(vouched.anchor);
        decision.crl = vouched.crl;
        decision.purpose = Some(vouched.purpose);
        decision.valid_until = earliest(vouched.valid_until, peer.window.not_after);
        Ok((reference, also))
    }
}

fn blank(
    presented: &Presented<'_>,
    chain: &Parsed<'_>,
    direction: Direction,
    generation: &Generation,
) -> Decision {
    let peer = presented.expected;
    let entry = peer.map(|p| generation.topology().peer(p));
    Decision {
        id: String::new(),
        verdict: Verdict::Refuse,
        reason: Reason::NoCertificate,
        detail: None,
        direction,
        peer,
        peer_fqdn: entry.map(|p| p.fqdn.to_string()),
        names: Vec::new(),
        matched: None,
        subjects: Vec::new(),
        fingerprints: match chain {
            Ok(chain) => chain.certificates().map(|c| hex(c.digest())).collect(),
            Err(_) => {
                let few = presented
                    .chain
                    .iter()
                    .take(super::certificate::chain::MAX_CERTIFICATES);
                few.map(fingerprint).collect()
            }
        },
        anchor: None,
        crl: None,
        purpose: None,
        would_refuse: None,
        valid_until: None,
        anchored: false,
        generation: generation.number(),
        line: entry.map(|p| p.line),
        listener: None,
    }
}

/// The decision with its id made anew.
pub(super) fn resealed(mut decision: Decision, presented: &Presented<'_>) -> Decision {
    seal(&mut decision, presented);
    decision
}

/// Gives the decision its id, from what it depends on and what it says.
fn seal(decision: &mut Decision, presented: &Presented<'_>) {
    let way = match decision.direction {
        Direction::Inbound => "in",
        Direction::Outbound => "out",
    };
    let text = format!(
        "{}|{way}|{}|{:?}|{}",
        decision.fingerprints.join("+"),
        decision.generation,
        presented.expected.map(PeerRef::index),
        decision.reason.code(),
    );
    let mut id = hex(&sha256(text.as_bytes()));
    id.truncate(16);
    decision.id = id;
}

/// A certificate's SHA-256 in lower-case hex.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    hex(&sha256(certificate.as_ref()))
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(
        String::with_capacity(octets.len() * 2),
        |mut text, octet| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{octet:02x}");
            text
        },
    )
}
