//! The steps of a decision that judge paths: keys, names, validity, revocation, purpose and pins, under a peer's policies.
use super::certificate::chain::Chain;
use super::names::presented::PresentedNames;
use super::trace::{Outcome, Trace};
use super::{Generation, Reason, Refusal, narrate, path, pins, purpose, revocation, validity};
use crate::topology::{Direction, DnsName, Listener, Peer, PurposePolicy, Stage, TrustRef};
use rustls_pki_types::UnixTime;

/// The earlier of two ends, of which one or both may be missing.
pub(super) fn earliest(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    [one, other].into_iter().flatten().min()
}

/// How the policies of a trust set are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// As the file says.
    AsWritten,
    /// As strictly as each policy can be.
    Strictest,
}

/// How the purpose policy of a peer is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purposes {
    /// As the file says.
    AsWritten,
    /// As if it were strict.
    Strict,
}

/// The steps that judge paths, and what they all look at.
pub(super) struct Judgement<'j> {
    pub(super) chain: &'j Chain<'j>,
    pub(super) direction: Direction,
    pub(super) generation: &'j Generation,
    pub(super) at: UnixTime,
    pub(super) purposes: Purposes,
    pub(super) staple: Option<&'j [u8]>,
    /// The other entries that the certificate is taken for as well.
    pub(super) also: &'j [DnsName],
}

impl Judgement<'_> {
    /// Whether an anchor vouches for the peer, which the certificate speaks for by this name; a client has none.
    pub(super) fn of(
        &self,
        peer: &Peer,
        name: Option<&str>,
        rule: Rule,
        trace: &Trace,
    ) -> Result<Vouched, Refusal> {
        let (generation, at) = (self.generation, self.at);
        path::vouch(self.chain, peer, generation, at, trace, |path, set| {
            let written = generation.topology().trust(set);
            let strictest = (rule == Rule::Strictest).then(|| written.strictest());
            let trust = strictest.as_ref().unwrap_or(written);
            trace.step("key", || narrate::keys(path), || sound_keys(path))?;
            let also = self.also.iter().map(DnsName::as_str);
            for host in name.into_iter().chain(also) {
                path.check_identity(host)?;
            }
            let says = || narrate::validity(path, at);
            trace.step("validity", says, || validity::check(path, at))?;
            let says = || narrate::revocation(trust);
            let crl = trace.step("revocation", says, || {
                let known = generation.known_crls(set);
                narrate::crls(trace, path, trust, known.ledger, at);
                revocation::check(path, trust, &known, self.staple, at)
                    .map_err(|refusal| in_set(refusal, trust.line))
            })?;
            let says = || narrate::purpose(path, self.direction, peer);
            let policy = match self.purposes {
                Purposes::AsWritten => peer.purpose,
                Purposes::Strict => PurposePolicy::Strict,
            };
            let purpose = trace.step("purpose", says, || {
                purpose::check(path, self.direction, policy)
            })?;
            if peer.stage == Stage::Enforce && !peer.pins.is_empty() {
                let says = || narrate::pins(path, peer);
                trace.step("pin", says, || pins::check(path, peer))?;
            }
            Ok(Vouched {
                anchor: (trust.name.clone(), path.anchor().text().to_owned()),
                crl,
                purpose,
                valid_until: earliest(validity::ends(path), trust.window.not_after),
            })
        })
    }

    /// What the strictest policies and the pins would refuse an accepted chain for.
    pub(super) fn observed(
        &self,
        peer: &Peer,
        names: &PresentedNames,
        trace: &Trace,
    ) -> Option<(Reason, Option<String>)> {
        let strictest = peer.strictest();
        let stage = trace.begin("stage", narrate::stage);
        let outcome = names
            .name_for(&strictest)
            .and_then(|name| self.of(&strictest, Some(&name), Rule::Strictest, trace));
        match outcome {
            Ok(_) => {
                stage.ends(Outcome::Passed);
                None
            }
            Err(refusal) => {
                stage.would_fail(&refusal);
                Some((refusal.reason, refusal.detail))
            }
        }
    }
}

/// What an accepted path gives to the decision.
pub(super) struct Vouched {
    pub(super) anchor: (String, String),
    pub(super) crl: Option<(String, u64)>,
    pub(super) purpose: &'static str,
    pub(super) valid_until: Option<u64>,
}

/// Whether the sets vouch for a client: as for a peer of theirs, with the purpose of a client.
pub(super) fn required(
    chain: &Chain<'_>,
    sets: &[TrustRef],
    listener: &Listener,
    generation: &Generation,
    at: UnixTime,
    trace: &Trace,
) -> Result<Vouched, Refusal> {
    let judgement = Judgement {
        chain,
        direction: Direction::Inbound,
        generation,
        at,
        purposes: Purposes::Strict,
        staple: None,
        also: &[],
    };
    let clients = Peer::clients_of(listener, sets.to_vec());
    judgement.of(&clients, None, Rule::AsWritten, trace)
}

/// Refuses a weak key anywhere, and a leaf's key that no handshake can use, whatever signed the certificate.
fn sound_keys(path: &path::Path<'_>) -> Result<(), Refusal> {
    if let Some(weak) = path.parts().find(|part| part.key().is_weak()) {
        let what = format!("{}: {}", weak.text(), weak.key().words());
        return Err(Refusal::because(Reason::WeakKey, what));
    }
    match path.parts().next() {
        Some(leaf) if !leaf.key().serves_handshakes() => {
            let what = format!("{}: {}", leaf.text(), leaf.key().words());
            Err(Refusal::because(Reason::KeyUnusable, what))
        }
        Some(_) | None => Ok(()),
    }
}

/// Revocation is the trust set's policy, so its line decided.
fn in_set(refusal: Refusal, line: u32) -> Refusal {
    Refusal {
        line: Some(line),
        ..refusal
    }
}
