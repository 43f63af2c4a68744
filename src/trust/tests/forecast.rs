//! What is foreseen of peers by the chains that they have shown.
use super::{World, later};
use crate::topology::{Direction, PeerKind, PurposePolicy};
use crate::trust::{Generation, PeerOutlook, Presented, SeenChain, SeenChains, decide};
use rustls_pki_types::{CertificateDer, UnixTime};
use sipward_lab::pki::{self, Authority, Issued, LeafSpec, Usage};

const FE01: &str = "fe01.contoso.test";
const FE02: &str = "fe02.contoso.test";

fn leaf(root: &Authority, fqdn: &str, usages: &[Usage], days: i64) -> Issued {
    let spec = LeafSpec {
        usages: usages.to_vec(),
        not_after: days * 86_400,
        ..LeafSpec::server(fqdn)
    };
    root.issue(&spec).unwrap()
}

fn world(root: &Authority, purpose: PurposePolicy) -> Generation {
    World::default()
        .trust("enterprise-ca", &[root])
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .with(|p| p.purpose = purpose)
        .peer(FE02, PeerKind::Home, &["enterprise-ca"])
        .generation()
}

/// Notes a chain as a handshake does.
fn show(to: &SeenChains, generation: &Generation, chain: &[CertificateDer<'_>], way: Direction) {
    let presented = match way {
        Direction::Inbound => Presented::inbound(chain),
        Direction::Outbound => {
            let dialled = generation.topology().peer_by_name(FE01).unwrap();
            Presented::outbound(chain, dialled)
        }
    };
    match decide(&presented, way, generation, pki::now()) {
        Ok(peer) => to.note(peer.decision(), chain, pki::now()),
        Err(refusal) => to.note(&refusal, chain, pki::now()),
    }
}

fn outlook_of(generation: &Generation, seen: &SeenChains, at: UnixTime) -> PeerOutlook {
    let all = seen.all();
    generation.outlook(all.iter().filter_map(SeenChain::accepted), at)
}

fn days_left(outlook: &PeerOutlook) -> Vec<u64> {
    let now = pki::now().as_secs();
    let ends = outlook.ends.iter();
    ends.map(|end| (end.at - now + 43_200) / 86_400).collect()
}

#[test]
fn of_each_peer_the_chain_that_it_showed_last_is_told_with_its_end() {
    let root = Authority::root("Contoso Root").unwrap();
    let generation = world(&root, PurposePolicy::ServerOrClient);
    let both = [Usage::Server, Usage::Client];
    let seen = SeenChains::default();
    for (fqdn, days) in [(FE01, 5), (FE02, 40), (FE01, 20)] {
        let issued = leaf(&root, fqdn, &both, days);
        show(&seen, &generation, &issued.chain, Direction::Inbound);
        if days == 20 {
            show(&seen, &generation, &issued.chain, Direction::Outbound);
        }
    }
    let outlook = outlook_of(&generation, &seen, pki::now());
    assert_eq!(days_left(&outlook), [20, 40]);
    assert_eq!(outlook.ends[0].kind, "peer_certificate");
    assert_eq!((outlook.ends[0].line, outlook.ends[1].line), (100, 101));
    let said = outlook.ends[0].to_string();
    assert!(said.contains(FE01) && said.contains("(line 100)"), "{said}");
    assert!(outlook.relaxed.is_empty());
}

#[test]
fn who_gets_in_only_by_a_relaxed_purpose_is_named() {
    let root = Authority::root("Contoso Root").unwrap();
    let generation = world(&root, PurposePolicy::ServerOrClient);
    let server = leaf(&root, FE01, &[Usage::Server], 90);
    let both = leaf(&root, FE02, &[Usage::Server, Usage::Client], 90);
    let seen = SeenChains::default();
    show(&seen, &generation, &server.chain, Direction::Outbound);
    show(&seen, &generation, &both.chain, Direction::Inbound);
    // As a server, serverAuth is what it must have.
    assert!(
        outlook_of(&generation, &seen, pki::now())
            .relaxed
            .is_empty()
    );
    show(&seen, &generation, &server.chain, Direction::Inbound);
    assert_eq!(outlook_of(&generation, &seen, pki::now()).relaxed, [FE01]);
    // A generation that is strict refuses it, and warns of nothing.
    let strict = world(&root, PurposePolicy::Strict);
    let outlook = outlook_of(&strict, &seen, pki::now());
    assert!(outlook.relaxed.is_empty());
    assert_eq!(outlook.ends.len(), 2, "{outlook:?}");
    let refused: Vec<_> = outlook
        .refused
        .iter()
        .map(|l| (l.direction, l.reason.code()))
        .collect();
    assert_eq!(refused, [("inbound", "eku_unsuitable")]);
}

#[test]
fn an_intermediate_counts_for_the_purpose_too() {
    let root = Authority::root("Contoso Root").unwrap();
    let issuing = root
        .subordinate_with(pki::AuthoritySpec {
            usages: vec![Usage::Server],
            ..pki::AuthoritySpec::named("Contoso Issuing")
        })
        .unwrap();
    let generation = world(&root, PurposePolicy::ServerOrClient);
    let both = leaf(&issuing, FE01, &[Usage::Server, Usage::Client], 90);
    let seen = SeenChains::default();
    show(&seen, &generation, &both.chain, Direction::Inbound);
    assert_eq!(outlook_of(&generation, &seen, pki::now()).relaxed, [FE01]);
}

#[test]
fn what_was_refused_or_has_ended_is_not_foreseen() {
    let root = Authority::root("Contoso Root").unwrap();
    let stranger = Authority::root("Stranger Root").unwrap();
    let generation = world(&root, PurposePolicy::ServerOrClient);
    let seen = SeenChains::default();
    let foreign = leaf(&stranger, FE01, &[], 90);
    show(&seen, &generation, &foreign.chain, Direction::Inbound);
    assert_eq!(seen.all().len(), 1);
    let outlook = outlook_of(&generation, &seen, pki::now());
    assert_eq!(outlook, PeerOutlook::default());
    let good = leaf(&root, FE02, &[], 10);
    show(&seen, &generation, &good.chain, Direction::Inbound);
    assert_eq!(outlook_of(&generation, &seen, pki::now()).ends.len(), 1);
    let over = outlook_of(&generation, &seen, later(11 * 86_400));
    assert!(over.ends.is_empty() && over.relaxed.is_empty(), "{over:?}");
    let lapsed: Vec<_> = over
        .refused
        .iter()
        .map(|l| (l.peer.as_str(), l.reason.code()))
        .collect();
    assert_eq!(lapsed, [(FE02, "expired")]);
}
