//! Several entries of one FQDN: the identity that this node showed tells which of them came in.
use super::{World, later};
use crate::topology::{
    Direction, DnsName, IdentityRef, NamePolicy, Peer, PeerKind, PeerName, Window,
};
use crate::trust::{Decision, Generation, Presented, TrustReason, decide, explain};
use rustls_pki_types::CertificateDer;
use sipward_lab::pki::{self, Authority, LeafSpec};
use std::sync::Arc;

const SIP: &str = "sip.partner.test";
const SIP2: &str = "sip2.partner.test";
const IDENTITIES: [&str; 3] = ["edge", "a", "b"];

/// Two tenants with an entry for each of the partner's servers.
fn tenants(root: &Authority) -> World {
    let mut world = World::default().trust("partner-ca", &[root]);
    for name in IDENTITIES {
        world = world.identity(name, &format!("{name}.contoso.test"));
    }
    // The one that takes over from "a".
    world = world.identity("a-next", "a.contoso.test");
    for (tenant, identity) in [("a", 1), ("b", 2)] {
        for fqdn in [SIP, SIP2] {
            let kind = PeerKind::Federated;
            world = world.peer(fqdn, kind, &["partner-ca"]).with(|peer| {
                peer.name = PeerName::parse(&format!("{tenant}.{fqdn}")).unwrap();
                peer.identity = IdentityRef(identity);
                peer.advertise = Some(DnsName(format!("{tenant}.contoso.test").into()));
            });
        }
    }
    world
}

/// What is decided about who was shown this identity.
fn shown(
    generation: &Generation,
    chain: &[CertificateDer<'_>],
    identity: Option<&str>,
) -> Result<(String, Vec<String>), Arc<Decision>> {
    let presented = Presented::inbound(chain).shown(identity);
    let peer = decide(&presented, Direction::Inbound, generation, pki::now())?;
    let name = peer.decision().peer_name.clone().unwrap();
    let also = peer.also().iter().map(ToString::to_string).collect();
    assert_eq!(peer.decision().identity.as_deref(), identity);
    Ok((name, also))
}

#[test]
fn the_identity_that_was_shown_tells_entries_of_one_fqdn_apart() {
    let root = Authority::root("Partner Root").unwrap();
    let generation = tenants(&root).generation();
    let leaf = root.server(SIP).unwrap();
    for (identity, entry) in [
        ("a", "a.sip.partner.test"),
        ("b", "b.sip.partner.test"),
        ("a-next", "a.sip.partner.test"),
    ] {
        let (name, also) = shown(&generation, &leaf.chain, Some(identity)).unwrap();
        assert_eq!((name.as_str(), also.len()), (entry, 0), "{identity}");
    }
    for identity in [None, Some("edge"), Some("no identity of the file")] {
        let refused = shown(&generation, &leaf.chain, identity).unwrap_err();
        assert_eq!(refused.reason, TrustReason::AmbiguousIdentity);
        assert!(
            refused
                .detail
                .as_ref()
                .unwrap()
                .contains("a.sip.partner.test and b.sip")
        );
    }
}

/// One that begins in an hour, and one that has ended an hour ago.
fn outside() -> [Window; 2] {
    let at = |seconds| Some(later(seconds).as_secs());
    [
        Window {
            not_before: at(3600),
            not_after: None,
        },
        Window {
            not_before: None,
            not_after: at(-3600),
        },
    ]
}

#[test]
fn who_was_shown_a_tenants_identity_never_serves_another_whatever_holds_that_back() {
    let root = Authority::root("Partner Root").unwrap();
    let refused = |change: &dyn Fn(&mut Peer), leaf: &pki::Issued, identity| {
        let mut world = tenants(&root);
        let of_a = world.peers.iter_mut();
        of_a.filter(|peer| peer.identity == IdentityRef(1))
            .for_each(change);
        let generation = world.generation();
        // The other tenant is as it was.
        let (name, _) = shown(&generation, &leaf.chain, Some("b")).unwrap();
        assert_eq!(name, "b.sip.partner.test");
        let text = {
            let presented = Presented::inbound(&leaf.chain).shown(identity);
            explain(&presented, Direction::Inbound, &generation, pki::now()).to_string()
        };
        let decision = shown(&generation, &leaf.chain, identity).unwrap_err();
        assert!(text.contains(decision.reason.code()), "{text}");
        decision.reason
    };
    let leaf = root.server(SIP).unwrap();
    let reasons = [
        TrustReason::PeerNotYetActive,
        TrustReason::PeerNoLongerActive,
    ];
    for (window, reason) in outside().into_iter().zip(reasons) {
        let close = move |peer: &mut Peer| peer.window = window;
        for identity in ["a", "a-next"] {
            assert_eq!(refused(&close, &leaf, Some(identity)), reason);
        }
        // Nor does who asked for nobody get the one that is left.
        for identity in [None, Some("edge"), Some("no identity of the file")] {
            let nobodys = refused(&close, &leaf, identity);
            assert_eq!(nobodys, TrustReason::AmbiguousIdentity);
        }
    }
    // What the one allows and the other does not.
    let wildcard = root.server("*.partner.test").unwrap();
    let mut world = tenants(&root);
    for peer in &mut world.peers {
        if peer.identity == IdentityRef(2) {
            peer.names = NamePolicy::OneLabelWildcard;
        }
    }
    let generation = world.generation();
    let refused = shown(&generation, &wildcard.chain, Some("a")).unwrap_err();
    assert_eq!(refused.reason, TrustReason::WildcardNotAllowed);
    shown(&generation, &wildcard.chain, Some("b")).unwrap();
}

#[test]
fn who_still_asks_for_a_tenant_that_is_gone_is_not_served_by_the_one_that_is_left() {
    let root = Authority::root("Partner Root").unwrap();
    let leaf = root.server(SIP).unwrap();
    let mut world = tenants(&root);
    world.peers.retain(|peer| peer.identity == IdentityRef(2));
    let generation = world.generation();
    // Its identity may be gone with it.
    for identity in ["a", "a-next", "edge", "gone"] {
        let refused = shown(&generation, &leaf.chain, Some(identity)).unwrap_err();
        assert_eq!(refused.reason, TrustReason::IdentityNotForPeer);
        let detail = refused.detail.as_deref().unwrap();
        assert_eq!(
            detail,
            format!(
                "b.sip.partner.test knows this node as b.contoso.test, while this node showed {identity}"
            )
        );
        let presented = Presented::inbound(&leaf.chain).shown(Some(identity));
        let text = explain(&presented, Direction::Inbound, &generation, pki::now()).to_string();
        assert!(text.contains("none is meant: it is shown b"), "{text}");
    }
    for identity in [None, Some("b")] {
        let (name, _) = shown(&generation, &leaf.chain, identity).unwrap();
        assert_eq!(name, "b.sip.partner.test");
    }
    // Any certificate serves that carries the name by which it is asked for.
    let mut world = tenants(&root).identity("both", "both.contoso.test");
    world.peers.retain(|peer| peer.identity == IdentityRef(2));
    let both = world.identities.last_mut().unwrap();
    both.names.push(DnsName("b.contoso.test".into()));
    shown(&world.generation(), &leaf.chain, Some("both")).unwrap();
}

#[test]
fn whose_certificate_names_a_tenants_server_and_another_does_not_choose_between_them() {
    let root = Authority::root("Partner Root").unwrap();
    let home = "pbx.partner.test";
    let world = tenants(&root).peer(home, PeerKind::Home, &["partner-ca"]);
    let generation = world.generation();
    let spec = LeafSpec {
        dns: vec![SIP.to_owned(), home.to_owned()],
        ..LeafSpec::server(SIP)
    };
    let leaf = root.issue(&spec).unwrap();
    for identity in [None, Some("edge"), Some("a"), Some("b")] {
        let refused = shown(&generation, &leaf.chain, identity).unwrap_err();
        assert_eq!(refused.reason, TrustReason::AmbiguousIdentity);
    }
}

#[test]
fn a_certificate_of_several_servers_stands_for_those_of_one_tenant() {
    let root = Authority::root("Partner Root").unwrap();
    let generation = tenants(&root).generation();
    let spec = LeafSpec {
        dns: vec![SIP.to_owned(), SIP2.to_owned()],
        ..LeafSpec::server(SIP)
    };
    let leaf = root.issue(&spec).unwrap();
    let (name, also) = shown(&generation, &leaf.chain, Some("b")).unwrap();
    assert_eq!(name, "b.sip.partner.test");
    assert_eq!(also, ["b.sip2.partner.test"]);
}

#[test]
fn entries_with_fqdns_of_their_own_are_not_told_apart_by_what_was_shown() {
    let root = Authority::root("Partner Root").unwrap();
    let generation = World::default()
        .trust("partner-ca", &[&root])
        .identity("a", "a.contoso.test")
        .identity("b", "b.contoso.test")
        .peer(SIP, PeerKind::Federated, &["partner-ca"])
        .peer(SIP2, PeerKind::Home, &["partner-ca"])
        .with(|peer| peer.identity = IdentityRef(1))
        .generation();
    let spec = LeafSpec {
        dns: vec![SIP.to_owned(), SIP2.to_owned()],
        ..LeafSpec::server(SIP)
    };
    let leaf = root.issue(&spec).unwrap();
    for identity in [None, Some("a"), Some("b")] {
        let refused = shown(&generation, &leaf.chain, identity).unwrap_err();
        assert_eq!(
            refused.reason,
            TrustReason::AmbiguousIdentity,
            "{identity:?}"
        );
    }
}

#[test]
fn each_entry_is_dialled_as_itself() {
    let root = Authority::root("Partner Root").unwrap();
    let generation = tenants(&root).generation();
    let leaf = root.server(SIP).unwrap();
    for entry in ["a.sip.partner.test", "b.sip.partner.test"] {
        let peer = generation.topology().peer_by_name(entry).unwrap();
        let presented = Presented::outbound(&leaf.chain, peer);
        let accepted = decide(&presented, Direction::Outbound, &generation, pki::now()).unwrap();
        assert_eq!(accepted.decision().peer_name.as_deref(), Some(entry));
        assert_eq!(accepted.decision().identity, None);
    }
}

#[test]
fn what_was_shown_is_part_of_a_decision_and_of_its_explanation() {
    let root = Authority::root("Partner Root").unwrap();
    let generation = tenants(&root).generation();
    let leaf = root.server(SIP).unwrap();
    let explained = ["a", "b"].map(|identity| {
        let presented = Presented::inbound(&leaf.chain).shown(Some(identity));
        explain(&presented, Direction::Inbound, &generation, pki::now())
    });
    assert_ne!(explained[0].decision, explained[1].decision);
    let text = explained[1].to_string();
    for words in [
        "b.sip.partner.test (line 102): matched by",
        "meant: it is shown b, and this node showed b",
        "it is shown a, and this node showed b",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn check_warns_of_a_wildcard_that_no_identity_tells_apart() {
    let root = Authority::root("Partner Root").unwrap();
    let noted = |change: fn(&mut Peer)| {
        let mut world = tenants(&root);
        for peer in &mut world.peers {
            peer.names = NamePolicy::OneLabelWildcard;
        }
        let generation = world.with(change).generation();
        let notes = generation.notes().iter();
        let codes: Vec<_> = notes.map(|note| note.code.to_string()).collect();
        codes.contains(&"ambiguous_identity".to_owned())
    };
    assert!(!noted(|_| {}));
    assert!(noted(|peer| peer.kind = PeerKind::Home));
}
