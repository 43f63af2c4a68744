//! Stapled OCSP responses: what each kind does to the decision, and a real handshake that carries one.
use super::World;
use crate::topology::{Direction, PeerKind, Revocation, RevocationScope};
use crate::trust::{Generation, OutboundVerifier, Presented, TrustReason, decide};
use rustls::client::danger::ServerCertVerifier as _;
use sipward_lab::ocsp::{OcspSpec, OcspStatus};
use sipward_lab::pki::{self, Authority, CrlSpec, Issued, LeafSpec, Serial, Usage};
use std::sync::Arc;

const FE01: &str = "fe01.contoso.test";

struct Lab {
    ca: Authority,
    leaf: Issued,
    generation: Arc<Generation>,
}

fn lab_with(revocation: Revocation, revoked: &[Serial], ca: Authority, leaf: Issued) -> Lab {
    let crl = CrlSpec {
        revoked: revoked.to_vec(),
        ..CrlSpec::default()
    };
    let crls = [ca.crl(&crl).unwrap()];
    let generation = World::default()
        .trust("enterprise-ca", &[&ca])
        .revocation(revocation, RevocationScope::Chain, &crls)
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .generation();
    Lab {
        generation: Arc::new(generation),
        ca,
        leaf,
    }
}

fn lab() -> Lab {
    let ca = Authority::root("Contoso Root").unwrap();
    let leaf = ca.server(FE01).unwrap();
    lab_with(Revocation::Require, &[], ca, leaf)
}

impl Lab {
    fn judge(&self, staple: &[u8]) -> TrustReason {
        let peer = self.generation.topology().peer_by_name(FE01).unwrap();
        let presented = Presented::outbound(&self.leaf.chain, peer).with_staple(staple);
        match decide(
            &presented,
            Direction::Outbound,
            &self.generation,
            pki::now(),
        ) {
            Ok(peer) => peer.decision().reason,
            Err(decision) => decision.reason,
        }
    }

    fn says(&self, spec: OcspSpec<'_>) -> TrustReason {
        self.judge(&self.ca.ocsp(&spec).unwrap())
    }

    fn responder(&self, usages: &[Usage], not_after: i64) -> Issued {
        self.ca
            .issue(&LeafSpec {
                common_name: Some("OCSP".to_owned()),
                usages: usages.to_vec(),
                not_after,
                ..LeafSpec::default()
            })
            .unwrap()
    }
}

#[test]
fn no_staple_leaves_the_decision_to_the_crls() {
    let lab = lab();
    assert_eq!(lab.judge(&[]), TrustReason::Accepted);
}

#[test]
fn a_staple_is_heard_only_when_it_is_about_the_certificate_genuine_and_fresh() {
    let lab = lab();
    let good = OcspSpec::good(&lab.leaf);
    let other = lab.ca.server(FE01).unwrap();
    for (spec, wanted) in [
        (good, TrustReason::Accepted),
        (
            OcspSpec {
                status: OcspStatus::Revoked,
                ..good
            },
            TrustReason::OcspRevoked,
        ),
        (
            OcspSpec {
                status: OcspStatus::Unknown,
                ..good
            },
            TrustReason::OcspUnknown,
        ),
        (
            OcspSpec {
                serial: &other.serial,
                ..good
            },
            TrustReason::OcspWrongCertificate,
        ),
        (
            OcspSpec {
                this_update: -7_200,
                next_update: Some(-3_600),
                ..good
            },
            TrustReason::OcspStale,
        ),
        (
            OcspSpec {
                this_update: 3_600,
                next_update: Some(7_200),
                ..good
            },
            TrustReason::OcspStale,
        ),
        (
            OcspSpec {
                next_update: None,
                ..good
            },
            TrustReason::OcspStale,
        ),
        // Revoked does not become good by growing old.
        (
            OcspSpec {
                status: OcspStatus::Revoked,
                this_update: -7_200,
                next_update: Some(-3_600),
                ..good
            },
            TrustReason::OcspRevoked,
        ),
    ] {
        assert_eq!(lab.says(spec), wanted);
    }
    // Another CA of the same name has another key, and names the issuer by it.
    let impostor = lab.ca.impostor().unwrap();
    assert_eq!(
        lab.judge(&impostor.ocsp(&good).unwrap()),
        TrustReason::OcspWrongCertificate
    );
    let mut forged = lab.ca.ocsp(&good).unwrap();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(lab.judge(&forged), TrustReason::OcspBadSignature);
}

#[test]
fn a_delegate_needs_the_purpose_the_issuer_and_its_validity() {
    let lab = lab();
    let good = OcspSpec::good(&lab.leaf);
    let with = |delegate: &Issued| {
        lab.says(OcspSpec {
            delegate: Some(delegate),
            ..good
        })
    };
    assert_eq!(
        with(&lab.responder(&[Usage::OcspSigning], 3_600)),
        TrustReason::Accepted
    );
    assert_eq!(
        with(&lab.responder(&[Usage::Server], 3_600)),
        TrustReason::OcspBadSignature
    );
    assert_eq!(
        with(&lab.responder(&[], 3_600)),
        TrustReason::OcspBadSignature
    );
    assert_eq!(
        with(&lab.responder(&[Usage::OcspSigning], -60)),
        TrustReason::OcspBadSignature
    );
    let elsewhere = Authority::root("Contoso Root").unwrap();
    let stranger = elsewhere
        .issue(&LeafSpec {
            usages: vec![Usage::OcspSigning],
            ..LeafSpec::default()
        })
        .unwrap();
    assert_eq!(with(&stranger), TrustReason::OcspBadSignature);
    let below = lab.ca.subordinate("Contoso Issuing").unwrap();
    let indirect = below
        .issue(&LeafSpec {
            usages: vec![Usage::OcspSigning],
            ..LeafSpec::default()
        })
        .unwrap();
    assert_eq!(with(&indirect), TrustReason::OcspBadSignature);
}

#[test]
fn a_delegate_that_a_crl_lists_speaks_for_nobody() {
    let Lab { ca, leaf, .. } = lab();
    let responder = ca
        .issue(&LeafSpec {
            usages: vec![Usage::OcspSigning],
            ..LeafSpec::default()
        })
        .unwrap();
    let lab = lab_with(
        Revocation::Require,
        std::slice::from_ref(&responder.serial),
        ca,
        leaf,
    );
    let spec = OcspSpec {
        delegate: Some(&responder),
        ..OcspSpec::good(&lab.leaf)
    };
    assert_eq!(lab.says(spec), TrustReason::OcspBadSignature);
}

#[test]
fn a_good_staple_does_not_replace_a_crl_and_off_hears_neither() {
    let Lab { ca, leaf, .. } = lab();
    let listed = ca.server(FE01).unwrap();
    let serial = listed.serial.clone();
    let revoking = lab_with(
        Revocation::Require,
        std::slice::from_ref(&serial),
        ca.clone(),
        listed,
    );
    assert_eq!(
        revoking.says(OcspSpec::good(&revoking.leaf)),
        TrustReason::Revoked
    );
    let off = lab_with(Revocation::Off, &[], ca, leaf);
    assert_eq!(off.judge(b"junk"), TrustReason::Accepted);
}

#[test]
fn a_response_cut_or_changed_anywhere_is_refused_and_never_a_panic() {
    let lab = lab();
    let whole = lab.ca.ocsp(&OcspSpec::good(&lab.leaf)).unwrap();
    for end in 1..whole.len() {
        assert_eq!(
            lab.judge(&whole[..end]),
            TrustReason::OcspMalformed,
            "{end}"
        );
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x21;
        let reason = lab.judge(&changed);
        assert!(reason.code().starts_with("ocsp_"), "{at}: {reason}");
    }
    // tryLater brings nothing to hear.
    assert_eq!(
        lab.judge(&[0x30, 3, 0x0a, 1, 3]),
        TrustReason::OcspMalformed
    );
    assert_eq!(lab.judge(&vec![0x30; 100_000]), TrustReason::OcspMalformed);
}

#[test]
fn the_outbound_verifier_hands_the_staple_to_the_decision() {
    let lab = lab();
    let peer = lab.generation.topology().peer_by_name(FE01).unwrap();
    let revoked = OcspSpec {
        status: OcspStatus::Revoked,
        ..OcspSpec::good(&lab.leaf)
    };
    for (spec, wanted) in [
        (OcspSpec::good(&lab.leaf), TrustReason::Accepted),
        (revoked, TrustReason::OcspRevoked),
    ] {
        let verifier = OutboundVerifier::noting(&lab.generation, peer, Arc::default());
        let staple = lab.ca.ocsp(&spec).unwrap();
        let name = FE01.try_into().unwrap();
        let outcome =
            verifier.verify_server_cert(&lab.leaf.certificate, &[], &name, &staple, pki::now());
        let decision = match verifier.take().unwrap() {
            Ok(peer) => Arc::clone(peer.decision()),
            Err(decision) => decision,
        };
        assert_eq!(
            (outcome.is_ok(), decision.reason),
            (wanted == TrustReason::Accepted, wanted)
        );
    }
}
