//! Certificates that speak for no peer: passed over, required or refused, as the listener says.
use super::{World, held, later, listener};
use crate::topology::{
    Accept, ClientCertificates, DialAddress, Domain, PeerKind, Pin, Revocation, RevocationScope,
    TrustRef,
};
use crate::trust::{
    Admitted, Generation, Presented, SeenChains, TrustReason, Verdict, decide_inbound,
    explain_inbound,
};
use rustls_pki_types::CertificateDer;
use sipward_lab::pki::{self, Authority, AuthoritySpec, CrlSpec, LeafSpec, Usage};
use std::sync::Arc;

const FE01: &str = "fe01.contoso.test";

struct Lab {
    root: Authority,
    maker: Authority,
    generation: Generation,
}

fn world(root: &Authority) -> World {
    World::default()
        .trust("enterprise-ca", &[root])
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .with(|peer| {
            peer.addresses = vec![
                DialAddress::Socket("10.0.0.11:5061".parse().unwrap()),
                DialAddress::Host("lb.internal.test".to_owned(), 5061),
            ];
        })
        .peer(
            "edge.fabrikam.test",
            PeerKind::Federated,
            &["enterprise-ca"],
        )
        .with(|peer| {
            peer.domains = vec![
                Domain::parse_pattern("fabrikam.test").unwrap(),
                Domain::parse_pattern("*.pstn.fabrikam.test").unwrap(),
            ]
        })
}

fn lab() -> Lab {
    let root = Authority::root("Contoso Root").unwrap();
    Lab {
        generation: world(&root).generation(),
        maker: Authority::root("Phone Maker Manufacturing CA").unwrap(),
        root,
    }
}

/// What the listener makes of a chain: the verdict and the reason.
fn judged(
    generation: &Generation,
    chain: &[CertificateDer<'_>],
    rule: ClientCertificates,
) -> (Verdict, TrustReason) {
    let listener = listener(Accept::Both, rule);
    let explained = explain_inbound(
        &Presented::inbound(chain),
        &listener,
        generation,
        pki::now(),
    );
    let decision = match decide_inbound(
        &Presented::inbound(chain),
        &listener,
        generation,
        pki::now(),
    ) {
        Ok(admitted) => Arc::clone(admitted.decision()),
        Err(decision) => decision,
    };
    assert_eq!(explained.reason, decision.reason.code());
    assert_eq!(explained.verdict, decision.verdict.word());
    assert_eq!(explained.decision, decision.id);
    (decision.verdict, decision.reason)
}

fn ignored(generation: &Generation, chain: &[CertificateDer<'_>]) -> TrustReason {
    judged(generation, chain, ClientCertificates::Ignore).1
}

fn phone() -> LeafSpec {
    LeafSpec {
        common_name: Some("SEP0011AABBCCDD".to_owned()),
        ..LeafSpec::default()
    }
}

#[test]
fn a_factory_certificate_makes_a_client_and_nothing_more() {
    let lab = lab();
    for spec in [
        phone(),
        LeafSpec {
            not_before: -800 * 86_400,
            not_after: -400 * 86_400,
            ..phone()
        },
        LeafSpec {
            usages: vec![Usage::CodeSigning],
            unknown_critical: true,
            ..phone()
        },
        LeafSpec {
            dns: vec!["phone.maker.test".to_owned()],
            emails: vec!["support@maker.test".to_owned()],
            addresses: vec!["192.0.2.7".parse().unwrap()],
            ..phone()
        },
        LeafSpec {
            common_name: Some("Yealink Equipment M\u{fc}ller".to_owned()),
            ..phone()
        },
        LeafSpec::default(),
    ] {
        let shown = lab.maker.issue(&spec).unwrap();
        let (verdict, reason) = judged(&lab.generation, &shown.chain, ClientCertificates::Ignore);
        assert_eq!(
            (verdict, reason),
            (Verdict::Client, TrustReason::ClientCertificateIgnored),
            "{spec:?}"
        );
        let (verdict, _) = judged(&lab.generation, &shown.chain, ClientCertificates::Refuse);
        assert_eq!(verdict, Verdict::Refuse);
    }
    let own = pki::self_signed(&phone()).unwrap();
    assert_eq!(
        ignored(&lab.generation, &own.chain),
        TrustReason::ClientCertificateIgnored
    );
    let listener = listener(Accept::Both, ClientCertificates::Ignore);
    let Ok(Admitted::Client(client)) = decide_inbound(
        &Presented::inbound(&own.chain),
        &listener,
        &lab.generation,
        pki::now(),
    ) else {
        panic!("no client");
    };
    let decision = client.decision();
    assert!(decision.peer.is_none() && decision.peer_name.is_none() && decision.matched.is_none());
    assert_eq!(decision.line, Some(listener.line));
}

#[test]
fn a_peers_certificate_stays_a_peers_whatever_the_rule() {
    let lab = lab();
    let shown = lab.root.server(FE01).unwrap();
    for rule in [
        ClientCertificates::Refuse,
        ClientCertificates::Ignore,
        ClientCertificates::Require(vec![TrustRef(0)]),
    ] {
        let (verdict, reason) = judged(&lab.generation, &shown.chain, rule);
        assert_eq!((verdict, reason), (Verdict::Accept, TrustReason::Accepted));
    }
}

/// A wrong certificate of a server is refused for what is wrong with it, as if there were no clients.
#[test]
fn whatever_names_somebody_of_the_topology_stays_refused() {
    let lab = lab();
    let dns = |name: &str| LeafSpec {
        dns: vec![name.to_owned()],
        ..phone()
    };
    let uri = |text: &str| LeafSpec {
        uris: vec![text.to_owned()],
        ..phone()
    };
    let cn = |text: &str| LeafSpec {
        common_name: Some(text.to_owned()),
        ..LeafSpec::default()
    };
    let specs = [
        dns(FE01),
        dns("FE01.Contoso.Test"),
        dns("*.contoso.test"),
        dns("fe*.contoso.test"),
        dns("*.test"),
        dns("*"),
        dns("edge.fabrikam.test"),
        dns("fabrikam.test"),
        dns("sip.pstn.fabrikam.test"),
        dns("*.eu.pstn.fabrikam.test"),
        dns("contoso.test"),
        dns("edge01.contoso.test"),
        dns("lb.internal.test"),
        dns("fe01.contoso.test."),
        uri("sip:fe01.contoso.test"),
        uri("sips:fe01.contoso.test:5061"),
        uri("sip:alice@contoso.test"),
        uri("https://fe01.contoso.test/"),
        uri("sip:fe01%2Econtoso.test"),
        cn(FE01),
        cn("contoso.test"),
        cn("*.contoso.test"),
        cn("10.0.0.11"),
        cn("fe01.contoso.test\0.maker.test"),
        cn("\u{ff46}e01.contoso.test"),
        LeafSpec {
            addresses: vec!["10.0.0.11".parse().unwrap()],
            ..phone()
        },
        LeafSpec {
            emails: vec!["alice@contoso.test".to_owned()],
            ..phone()
        },
        // The SAN is harmless, the CN is not.
        LeafSpec {
            dns: vec!["phone.maker.test".to_owned()],
            ..cn(FE01)
        },
    ];
    for spec in specs {
        let shown = lab.maker.issue(&spec).unwrap();
        let (verdict, reason) = judged(&lab.generation, &shown.chain, ClientCertificates::Ignore);
        assert_eq!(verdict, Verdict::Refuse, "{spec:?}");
        let refused = judged(&lab.generation, &shown.chain, ClientCertificates::Refuse);
        assert_eq!(reason, refused.1, "{spec:?}");
    }
}

#[test]
fn whatever_leads_to_an_anchor_stays_refused_proven_or_not() {
    let lab = lab();
    let issuing = lab.root.subordinate("Contoso Issuing").unwrap();
    let shown = lab.root.issue(&phone()).unwrap();
    assert_eq!(
        ignored(&lab.generation, &shown.chain),
        TrustReason::NotInTopology
    );
    let through = issuing.issue(&phone()).unwrap();
    assert_eq!(
        ignored(&lab.generation, &through.chain),
        TrustReason::NotInTopology
    );
    // Another CA of the same name, whose key our anchor does not have.
    let forged = lab.root.impostor().unwrap().issue(&phone()).unwrap();
    assert_eq!(
        ignored(&lab.generation, &forged.chain),
        TrustReason::NotInTopology
    );
    // A chain that only mentions our CA.
    let mut padded = lab.maker.issue(&phone()).unwrap().chain;
    padded.push(lab.root.certificate().clone());
    assert_eq!(
        ignored(&lab.generation, &padded),
        TrustReason::NotInTopology
    );
    let anchor = [lab.root.certificate().clone()];
    assert_ne!(
        ignored(&lab.generation, &anchor),
        TrustReason::ClientCertificateIgnored
    );
    let expired = lab
        .root
        .issue(&LeafSpec {
            not_after: -60,
            ..phone()
        })
        .unwrap();
    assert_eq!(
        ignored(&lab.generation, &expired.chain),
        TrustReason::NotInTopology
    );
}

#[test]
fn a_pinned_key_is_no_clients() {
    let root = Authority::root("Contoso Root").unwrap();
    let own = pki::self_signed(&phone()).unwrap();
    let pin = Pin(pki::pin(&own.certificate));
    let generation = |pins: Vec<Pin>| world(&root).with(|peer| peer.pins = pins).generation();
    assert_eq!(
        ignored(&generation(Vec::new()), &own.chain),
        TrustReason::ClientCertificateIgnored
    );
    assert_ne!(
        ignored(&generation(vec![pin]), &own.chain),
        TrustReason::ClientCertificateIgnored
    );
}

#[test]
fn what_cannot_be_read_is_never_passed_over() {
    let lab = lab();
    let mut broken = lab.maker.issue(&phone()).unwrap().chain;
    broken[0] = CertificateDer::from(b"\x30\x03\x02\x01\x01".to_vec());
    assert_eq!(
        ignored(&lab.generation, &broken),
        TrustReason::MalformedCertificate
    );
    let one = lab.maker.issue(&phone()).unwrap();
    let many: Vec<_> = std::iter::repeat_n(one.certificate.clone(), 40).collect();
    assert_eq!(
        judged(&lab.generation, &many, ClientCertificates::Ignore).0,
        Verdict::Refuse
    );
}

#[test]
fn a_listener_without_clients_makes_a_client_of_nobody() {
    let lab = lab();
    let shown = lab.maker.issue(&phone()).unwrap();
    let peers_only = listener(Accept::Peers, ClientCertificates::Ignore);
    let refused = decide_inbound(
        &Presented::inbound(&shown.chain),
        &peers_only,
        &lab.generation,
        pki::now(),
    )
    .unwrap_err();
    assert_eq!(refused.verdict, Verdict::Refuse);
    let both = listener(Accept::Both, ClientCertificates::Ignore);
    let none =
        decide_inbound(&Presented::inbound(&[]), &both, &lab.generation, pki::now()).unwrap_err();
    assert_eq!(none.reason, TrustReason::NoCertificate);
}

/// A phone CA with revocation beside the servers' CA.
#[test]
fn a_required_certificate_must_lead_to_the_client_trust_in_every_step() {
    let root = Authority::root("Contoso Root").unwrap();
    let phones = Authority::root("Contoso Phones").unwrap();
    let lost = phones.issue(&phone()).unwrap();
    let crl = phones
        .crl(&CrlSpec {
            revoked: vec![lost.serial.clone()],
            ..CrlSpec::default()
        })
        .unwrap();
    let generation = world(&root)
        .trust("phones", &[&phones])
        .revocation(Revocation::Require, RevocationScope::Chain, &[crl])
        .generation();
    let require = || ClientCertificates::Require(vec![TrustRef(1)]);
    let maker = Authority::root("Phone Maker Manufacturing CA").unwrap();
    let user = LeafSpec {
        emails: vec!["alice@contoso.test".to_owned()],
        usages: vec![Usage::Client],
        ..phone()
    };
    for (shown, reason) in [
        (
            phones.issue(&phone()).unwrap(),
            TrustReason::ClientCertificateTrusted,
        ),
        (
            phones.issue(&user).unwrap(),
            TrustReason::ClientCertificateTrusted,
        ),
        (lost, TrustReason::Revoked),
        (
            maker.issue(&phone()).unwrap(),
            TrustReason::ClientCertificateUntrusted,
        ),
        (
            root.issue(&phone()).unwrap(),
            TrustReason::ClientCertificateUntrusted,
        ),
        (
            phones
                .issue(&LeafSpec {
                    not_after: -60,
                    ..phone()
                })
                .unwrap(),
            TrustReason::Expired,
        ),
        (
            phones
                .issue(&LeafSpec {
                    usages: vec![Usage::Server],
                    ..phone()
                })
                .unwrap(),
            TrustReason::EkuUnsuitable,
        ),
        // A server's name, vouched for by the phones' CA only.
        (phones.server(FE01).unwrap(), TrustReason::AnchorNotForPeer),
    ] {
        let (verdict, found) = judged(&generation, &shown.chain, require());
        assert_eq!(found, reason);
        assert_eq!(
            verdict == Verdict::Client,
            reason == TrustReason::ClientCertificateTrusted
        );
    }
    // Where it is not required, it leads to one of our anchors.
    let shown = phones.issue(&phone()).unwrap();
    assert_eq!(
        ignored(&generation, &shown.chain),
        TrustReason::NotInTopology
    );
    // The decision ends with the certificate.
    let listener = listener(Accept::Both, require());
    let admitted = decide_inbound(
        &Presented::inbound(&shown.chain),
        &listener,
        &generation,
        pki::now(),
    )
    .unwrap();
    assert!(admitted.decision().valid_until.is_some());
    let after = later(91 * 86_400);
    let expired = decide_inbound(
        &Presented::inbound(&shown.chain),
        &listener,
        &generation,
        after,
    )
    .unwrap_err();
    assert_eq!(expired.verdict, Verdict::Refuse);
}

#[test]
fn an_intermediate_that_was_left_out_is_known_by_its_crl() {
    let root = Authority::root("Contoso Root").unwrap();
    let issuing = root
        .subordinate_with(AuthoritySpec::named("Contoso Issuing"))
        .unwrap();
    let crl = issuing.crl(&CrlSpec::default()).unwrap();
    let shown = issuing.issue(&phone()).unwrap();
    let leaf = [shown.certificate.clone()];
    let plain = world(&root).generation();
    assert_eq!(
        ignored(&plain, &leaf),
        TrustReason::ClientCertificateIgnored
    );
    let with_crl = world(&root)
        .with_set(|set| set.crls = held(&[crl]))
        .generation();
    assert_eq!(ignored(&with_crl, &leaf), TrustReason::NotInTopology);
}

#[test]
fn the_advice_for_a_refused_phone_speaks_of_clients() {
    let lab = lab();
    let shown = lab.maker.issue(&phone()).unwrap();
    let listener = listener(Accept::Both, ClientCertificates::Refuse);
    let said = explain_inbound(
        &Presented::inbound(&shown.chain),
        &listener,
        &lab.generation,
        pki::now(),
    );
    let change = said.change.unwrap();
    assert!(
        change
            .or
            .unwrap()
            .contains("client_certificates = \"ignore\"")
    );
    let server = lab.maker.server(FE01).unwrap();
    let said = explain_inbound(
        &Presented::inbound(&server.chain),
        &listener,
        &lab.generation,
        pki::now(),
    );
    assert_eq!(said.change.unwrap().or, None);
}

#[test]
fn many_factory_certificates_push_out_no_refusal() {
    let lab = lab();
    let seen = SeenChains::default();
    let listener = listener(Accept::Both, ClientCertificates::Ignore);
    let note = |chain: &[CertificateDer<'static>]| {
        let decision = match decide_inbound(
            &Presented::inbound(chain),
            &listener,
            &lab.generation,
            pki::now(),
        ) {
            Ok(admitted) => Arc::clone(admitted.decision()),
            Err(decision) => decision,
        };
        seen.note(&decision, chain, pki::now());
        decision
    };
    let refused = note(&lab.maker.server(FE01).unwrap().chain);
    let mut last = None;
    for number in 0..600_u32 {
        let spec = LeafSpec {
            common_name: Some(format!("SEP{number:012}")),
            ..LeafSpec::default()
        };
        last = Some(note(&lab.maker.issue(&spec).unwrap().chain));
    }
    assert!(seen.find(&refused.id).is_some());
    let last = seen.find(&last.unwrap().id).unwrap();
    assert!(last.accepted().is_none());
    assert_eq!(last.decision.verdict, Verdict::Client);
    assert!(seen.all().len() <= 501);
}

/// However many names a stranger writes and however many the topology has: each is looked up, never compared with all.
#[test]
fn many_wildcards_against_many_peers_are_looked_up_one_by_one() {
    let root = Authority::root("Contoso Root").unwrap();
    let mut many = world(&root);
    for number in 0..2_000 {
        many = many.peer(
            &format!("edge.partner{number}.example"),
            PeerKind::Federated,
            &["enterprise-ca"],
        );
    }
    let generation = many.generation();
    let maker = Authority::root("Maker").unwrap();
    let names = |last: &str| -> Vec<String> {
        let filler = (0..90).map(|n| format!("*.x{n}.maker.test"));
        filler.chain([last.to_owned()]).collect()
    };
    for (last, reason) in [
        ("*.maker.test", TrustReason::ClientCertificateIgnored),
        ("*.partner1999.example", TrustReason::WildcardNotAllowed),
    ] {
        let spec = LeafSpec {
            dns: names(last),
            ..phone()
        };
        let shown = maker.issue(&spec).unwrap();
        assert_eq!(ignored(&generation, &shown.chain), reason, "{last}");
    }
}

#[test]
fn a_remedy_is_about_the_certificate_and_not_about_the_rule_for_clients() {
    let root = Authority::root("Contoso Root").unwrap();
    let leaf = root.server("fe01.contoso.test").unwrap();
    let other = Authority::root("Fabrikam Root").unwrap();
    let crl = other.crl(&CrlSpec::default()).unwrap();
    let generation = World::default()
        .trust("enterprise-ca", &[&root])
        .revocation(Revocation::Require, RevocationScope::Chain, &[crl])
        .peer("fe01.contoso.test", PeerKind::Home, &["enterprise-ca"])
        .generation();
    let listener = listener(Accept::Both, ClientCertificates::Ignore);
    let said = explain_inbound(
        &Presented::inbound(&leaf.chain),
        &listener,
        &generation,
        pki::now(),
    );
    assert_eq!(said.reason, "crl_missing");
    let detail = said.detail.unwrap();
    assert!(
        detail.contains("; and it cannot count as a client's: "),
        "{detail}"
    );
    let elsewhere = said.change.unwrap().elsewhere.unwrap();
    assert!(
        !elsewhere.contains("client") && elsewhere.contains("to the crls of"),
        "{elsewhere}"
    );
}
