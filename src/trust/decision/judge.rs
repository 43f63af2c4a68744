//! The steps of a decision that judge paths: anchor, keys, names, validity, revocation, purpose and pins, under a peer's
//! policies.
use crate::topology::{Direction, Listener, Peer, PeerRef, PurposePolicy, Stage, TrustRef};
use crate::trust::certificate::chain::Chain;
use crate::trust::decision::vouch::vouch;
use crate::trust::generation::loaded::Generation;
use crate::trust::names::presented::PresentedNames;
use crate::trust::path::cert_path::CertPath;
use crate::trust::path::{keys, pins, purpose, revocation, validity};
use crate::trust::trace::{fact::Fact, recorder::Trace, step::StepOutcome};
use crate::trust::{StepRefusal, TrustReason};
use rustls_pki_types::UnixTime;

/// The earlier of two ends, of which one or both may be missing.
pub(crate) fn earliest(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    [one, other].into_iter().flatten().min()
}

/// How the policies of the file are read.
///
/// The stricter readings never decide: they show what would happen if the file were stricter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// As the file has them.
    AsWritten,
    /// As if the peer's `purpose` were strict.
    StrictPurpose,
    /// As strictly as each policy of the trust set and of the peer can be.
    Strictest,
}

/// What the steps that judge paths all look at.
pub(crate) struct PathJudge<'j> {
    pub(crate) chain: &'j Chain<'j>,
    pub(crate) direction: Direction,
    pub(crate) generation: &'j Generation,
    pub(crate) at: UnixTime,
    pub(crate) staple: Option<&'j [u8]>,
    /// The other entries that the certificate is taken for as well.
    // The constraints of the CAs must allow each of the names that the connection will be used for.
    pub(crate) also: &'j [PeerRef],
}

impl PathJudge<'_> {
    /// Whether an anchor vouches for the peer, which the certificate speaks for by this name; a client has none.
    pub(crate) fn vouched_for(
        &self,
        peer: &Peer,
        name: Option<&str>,
        strictness: Strictness,
        trace: &Trace,
    ) -> Result<Vouched, StepRefusal> {
        let (generation, at) = (self.generation, self.at);
        vouch(self.chain, peer, generation, at, trace, |path, set| {
            self.accept(path, set, peer, name, strictness, trace)
        })
    }

    /// The steps for one path to an anchor of one trust set.
    ///
    /// Cheap steps come before expensive ones where the order is free. Revocation comes after validity, since
    /// an expired certificate need not be on a CRL any more (RFC 5280 §3.3).
    fn accept(
        &self,
        path: &CertPath<'_>,
        set: TrustRef,
        peer: &Peer,
        name: Option<&str>,
        strictness: Strictness,
        trace: &Trace,
    ) -> Result<Vouched, StepRefusal> {
        let at = self.at;
        let written = self.generation.topology().trust(set);
        let strictest = (strictness == Strictness::Strictest).then(|| written.strictest());
        // The set as it is written, or a copy with revocation required for the whole chain.
        let trust = strictest.as_ref().unwrap_or(written);

        trace.step(&Fact::Keys(path), || keys::check(path))?;

        let topology = self.generation.topology();
        let also = self
            .also
            .iter()
            .map(|other| topology.peer(*other).fqdn.as_str());
        // A CA may issue only for names that its constraints permit; held here against the name that counts,
        // since a CN is in no form that RFC 5280 constrains.
        for host in name.into_iter().chain(also) {
            path.check_identity(host)?;
        }

        trace.step(&Fact::Validity(path, at), || validity::check(path, at))?;

        // All CRLs that were ever proven, whatever set brought them.
        let known = self.generation.known_crls(set);
        let fact = Fact::Revocation {
            path,
            set: trust,
            ledger: known.ledger,
            at,
        };
        let crl = trace.step(&fact, || {
            // Revocation is the trust set's policy, so its line decided.
            revocation::check(path, trust, &known, self.staple, at).map_err(|refusal| StepRefusal {
                line: Some(trust.line),
                ..refusal
            })
        })?;

        let policy = match strictness {
            Strictness::AsWritten => peer.purpose,
            Strictness::StrictPurpose | Strictness::Strictest => PurposePolicy::Strict,
        };
        let fact = Fact::Purpose(path, self.direction, peer);
        let purpose = trace.step(&fact, || purpose::check(path, self.direction, policy))?;

        // An observed peer's pins are tried out by the strictest reading and refuse nobody.
        if peer.stage == Stage::Enforce && !peer.pins.is_empty() {
            trace.step(&Fact::Pins(path, peer), || pins::check(path, peer))?;
        }
        Ok(Vouched {
            anchor: (trust.name.clone(), path.anchor().text.clone()),
            crl,
            purpose,
            valid_until: earliest(validity::ends(path), trust.window.not_after),
        })
    }

    /// What the strictest policies and the pins would refuse an accepted chain for.
    pub(crate) fn strictest_refusal(
        &self,
        peer: &Peer,
        names: &PresentedNames,
        trace: &Trace,
    ) -> Option<(TrustReason, Option<String>)> {
        // The name is looked for again: the one that matched may be one that a strict entry does not allow.
        let strictest = peer.strictest();
        let stage = trace.begin(&Fact::Observed);
        let outcome = names.name_for(&strictest).and_then(|name| {
            self.vouched_for(&strictest, Some(&name), Strictness::Strictest, trace)
        });
        match outcome {
            Ok(_) => {
                stage.ends(StepOutcome::Passed);
                None
            }
            Err(refusal) => {
                stage.would_fail(&refusal);
                Some((refusal.reason, refusal.detail))
            }
        }
    }
}

/// What an accepted path adds to the decision.
///
/// Of the path that was accepted, and of no other one that was tried.
pub(crate) struct Vouched {
    pub(crate) anchor: (String, String),
    pub(crate) crl: Option<(String, u64)>,
    pub(crate) purpose: &'static str,
    pub(crate) valid_until: Option<u64>,
}

/// Whether the sets vouch for a client: as for a peer of these sets, with the purpose of a client.
pub(crate) fn required(
    chain: &Chain<'_>,
    sets: &[TrustRef],
    listener: &Listener,
    generation: &Generation,
    at: UnixTime,
    trace: &Trace,
) -> Result<Vouched, StepRefusal> {
    let judge = PathJudge {
        chain,
        direction: Direction::Inbound,
        generation,
        at,
        staple: None,
        also: &[],
    };
    // An entry that is in no topology stands for all clients of the listener, so that the same steps judge
    // them.
    let clients = Peer::clients_of(listener, sets.to_vec());
    judge.vouched_for(&clients, None, Strictness::AsWritten, trace)
}
