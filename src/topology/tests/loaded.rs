//! What a good topology resolves to.
use super::*;

#[test]
fn the_good_topology_resolves_without_a_warning() {
    let lab = Lab::new();
    let topology = lab.good(GOOD);
    assert_eq!(topology.warnings(), []);
    assert_eq!(topology.node().fqdn.as_str(), "edge01.contoso.test");
    assert_eq!(
        topology.identities()[0].names[0].as_str(),
        "edge01.contoso.test"
    );
    assert!(topology.identities()[0].client.is_none());

    let fabrikam = &topology.trusts()[1];
    assert_eq!(
        fabrikam.revocation,
        Revocation::Grace(Duration::from_secs(21_600))
    );
    assert_eq!(fabrikam.scope, RevocationScope::Leaf);
    assert_eq!(topology.trusts()[0].revocation, Revocation::Require);
    assert_eq!(topology.trusts()[0].scope, RevocationScope::Chain);

    let listener = &topology.listeners()[0];
    assert_eq!(listener.accept, Accept::Both);
    assert!(listener.sni.is_empty());

    let fe01 = topology.peer(topology.peer_by_name("fe01.contoso.test").unwrap());
    assert_eq!(
        fe01.addresses,
        [
            DialAddress::Socket("10.0.0.11:5061".parse().unwrap()),
            DialAddress::Host("fe01.internal.test".to_owned(), 5061),
        ]
    );
    assert!(fe01.assert_identity && !fe01.common_name);
    assert_eq!(
        (fe01.names, fe01.purpose),
        (NamePolicy::Exact, PurposePolicy::ServerOrClient)
    );
    assert_eq!(fe01.line, line_of(GOOD, "[[peer]]"));
    let partner = topology.peer(topology.peer_by_name("edge.fabrikam.test").unwrap());
    assert!(!partner.assert_identity);
    assert_eq!(topology.trust(partner.trust[0]).name, "fabrikam-ca");

    let pool = &topology.pools()[0];
    assert_eq!(
        pool.peers,
        [(topology.id.peer(0), 1), (topology.id.peer(1), 3)]
    );
    assert_eq!(pool.strategy, Strategy::Weighted);
    let implied = &topology.pools()[1];
    assert_eq!(
        (implied.name.as_str(), implied.peers.as_slice()),
        ("fabrikam.test", &[(topology.id.peer(2), 1)][..])
    );

    assert_eq!(topology.limits().handshakes, 100);
    assert_eq!(topology.log().requests, LogRequests::All);
    assert_eq!(topology.log().format, LogFormat::Auto);
    assert_eq!(topology.tokens().keys, [(2, [0xab; 32]), (1, [0xcd; 32])]);
    assert_eq!(
        topology.tokens().key_file.as_deref(),
        Some(lab.path("tokens").as_path())
    );
    let expectation = &topology.expectations()[0];
    assert!(!expectation.accept);
    assert_eq!(expectation.reason.as_deref(), Some("not_in_topology"));
}

#[test]
fn a_partner_may_be_anonymous_where_it_is_believed_or_by_a_key_of_its_own() {
    let lab = Lab::new();
    let strips = |line: &str, boundary: &str| {
        let text = edited(&[
            (
                "[\"fabrikam.test\"]",
                &format!("[\"fabrikam.test\"]\n{line}"),
            ),
            ("[limits]", &format!("{boundary}[limits]")),
        ]);
        let topology = lab.good(&text);
        let anonymous = topology.peers()[2].boundary.anonymous;
        anonymous.map(|strip| strip.has(crate::sip::HeaderName::PAssertedIdentity))
    };
    let strip = "[boundary]\nfederated = { strip_in = [\"P-Asserted-Identity\"] }\n";
    for (line, boundary, expected) in [
        ("", "", None),
        ("anonymous = true", "", Some(false)),
        ("assert_identity = true", "", Some(false)),
        ("assert_identity = true\nanonymous = false", "", None),
        (
            "anonymous = true\nfields = { strip_in = [\"P-Asserted-Identity\"] }",
            "",
            Some(true),
        ),
        ("anonymous = true", strip, Some(true)),
        (
            "anonymous = true\nfields = { keep_in = [\"P-Asserted-Identity\"] }",
            strip,
            Some(false),
        ),
    ] {
        assert_eq!(strips(line, boundary), expected, "{line} {boundary}");
    }
    assert_eq!(lab.good(GOOD).peers()[0].boundary.anonymous, None);
}

#[test]
fn the_boundary_of_a_peer_is_its_trust_then_its_kind_then_its_own() {
    use crate::sip::HeaderName::{Diversion, HistoryInfo, PAssertedIdentity, PrivateMs};
    let lab = Lab::new();
    let topology = lab.good(&edited(&[
        (
            "[log]",
            "[boundary]\npeer_name = true\ndeny_domains = [\"evil.test\"]\nclients = { keep_in = [\"ms-*\"] }\nfederated = { keep_in = [\"Diversion\", \"ms-*\"] }\nhome = { require_in = [\"P-Asserted-Identity\"] }\n[log]",
        ),
        (
            "trust = [\"fabrikam-ca\"]",
            "trust = [\"fabrikam-ca\"]\nsips = false\nhide_topology = true\ndeny = [\"secret.test\"]\nfields = { strip_in = [\"ms-*\"], strip_out = [\"History-Info\"] }",
        ),
    ]));
    let boundary = topology.boundary();
    assert!(boundary.peer_name && boundary.deny_domains[0].as_str() == "evil.test");
    assert!(!boundary.clients.strip_in.has(PrivateMs) && boundary.clients.strip_in.has(Diversion));
    let home = &topology.peers()[0].boundary;
    assert!(home.sips && home.deny.is_empty());
    assert!(home.fields.require_in.has(PAssertedIdentity));
    let partner = &topology.peers()[2].boundary;
    assert!(!partner.sips && partner.deny[0].as_str() == "secret.test");
    assert!(!partner.fields.strip_in.has(Diversion) && partner.fields.strip_in.has(PrivateMs));
    assert!(partner.fields.strip_out.has(HistoryInfo));
    assert!(partner.fields.strip_in.has(PAssertedIdentity));
    let plain = lab.good(GOOD);
    assert_eq!(
        plain.changes(&topology),
        [
            "peer fe01.contoso.test changed: fields",
            "peer fe02.contoso.test changed: fields",
            "peer edge.fabrikam.test changed: fields, deny +secret.test, sips true becomes false, hide_topology false becomes true",
            "boundary changed: clients, deny_domains +evil.test, peer_name false becomes true",
        ]
    );
}

#[test]
fn a_reference_leads_nowhere_in_another_topology() {
    let lab = Lab::new();
    let (before, after) = (lab.good(GOOD), lab.good(GOOD));
    let fe01 = before.peer_by_name("fe01.contoso.test").unwrap();
    assert!(before.find_peer(fe01).is_some() && before.clone().find_peer(fe01).is_some());
    assert!(after.find_peer(fe01).is_none());
    assert_ne!(after.peer_by_name("fe01.contoso.test"), Some(fe01));
}
