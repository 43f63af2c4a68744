//! What a reload says that it changes.
use super::*;

#[test]
fn a_reload_without_a_change_says_nothing() {
    let lab = Lab::new();
    let (old, new) = (lab.good(GOOD), lab.good(GOOD));
    assert_eq!(old.changes(&new), Vec::<String>::new());
    assert_eq!(
        old.restart_settings().changes(&new.restart_settings()),
        Vec::<String>::new()
    );
}

#[test]
fn a_connect_under_way_is_the_same_unless_what_it_is_made_by_has_changed() {
    let lab = Lab::new();
    let old = lab.good(GOOD);
    let peer = old.peer_by_name("fe01.contoso.test").unwrap();
    let dialled = |edits: &[(&str, &str)]| {
        let new = lab.good(&edited(edits));
        let there = old.dialled_alike(&new, peer, now())?;
        Some(new.peer(there).name.to_string())
    };
    let others: [&[(&str, &str)]; 4] = [
        &[],
        &[("handshakes = 100", "handshakes = 50")],
        &[("\"6h\"", "\"1h\"")],
        // It stands at another place.
        &[(
            "[[peer]]",
            "[[peer]]\nfqdn = \"fe00.contoso.test\"\nkind = \"home\"\ntrust = [\"enterprise-ca\"]\n[[peer]]",
        )],
    ];
    for edits in others {
        let there = dialled(edits);
        assert_eq!(there.as_deref(), Some("fe01.contoso.test"), "{edits:?}");
    }
    let own: [&[(&str, &str)]; 6] = [
        &[("10.0.0.11", "10.0.0.12")],
        &[("address = [\"10", "keepalive = \"30s\"\naddress = [\"10")],
        &[
            ("\"edge.chain.pem\"", "\"twin.chain.pem\""),
            ("\"edge.key.pem\"", "\"twin.key.pem\""),
        ],
        &[("crls = [\"enterprise-ca.crl.pem\"]", "revocation = \"off\"")],
        &[("[limits]", "[dns]\nservers = [\"192.0.2.53\"]\n[limits]")],
        &[
            ("FE01.contoso.test.", "fe03.contoso.test"),
            ("[\"fe01.contoso.test\"", "[\"fe03.contoso.test\""),
        ],
    ];
    for edits in own {
        assert_eq!(dialled(edits), None, "{edits:?}");
    }
}

#[test]
fn a_reload_says_what_changed() {
    let lab = Lab::new();
    let old = lab.good(GOOD);
    let new = lab.good(&edited(&[
        ("\"edge.chain.pem\"", "\"twin.chain.pem\""),
        ("\"edge.key.pem\"", "\"twin.key.pem\""),
        ("\"6h\"", "\"1h\""),
        (
            "fqdn = \"fe02.contoso.test\"",
            "fqdn = \"fe03.contoso.test\"",
        ),
        (", \"fe02.contoso.test\"]", ", \"fe03.contoso.test\"]"),
        (POOL_END, ""),
        ("10.0.0.11", "10.0.0.12"),
        ("address = [\"10", "keepalive = \"30s\"\naddress = [\"10"),
        ("handshakes = 100", "handshakes = 50"),
        ("\"all\"", "\"refused\""),
        (
            "[limits]",
            "[admin]\nwatch = \"10s\"\n[http]\naddress = \"[::1]:9464\"\n[limits]",
        ),
        ("[tokens]\nkey_file = \"tokens\"\n", ""),
    ]));
    let said = old.changes(&new);
    let expected = [
        "identity edge changed: certificate renewed, valid until ",
        "trust fabrikam-ca changed: revocation",
        "peer fe02.contoso.test removed",
        "peer fe01.contoso.test changed: address +10.0.0.12:5061 -10.0.0.11:5061, keepalive",
        "peer fe03.contoso.test added",
        "pool front-end changed: peers +fe03.contoso.test -fe02.contoso.test",
        "limit handshakes changed from 100 to 50",
        "log changed: requests all becomes refused",
        "token keys changed: ids 2, 1 become none",
        "admin changed: watch off becomes 10s",
        "http changed: address off becomes [::1]:9464",
    ];
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected), "{said} / {expected}");
    }
    assert_eq!(
        old.restart_settings().changes(&new.restart_settings()),
        Vec::<String>::new()
    );
}

#[test]
fn crls_and_anchors_are_compared_by_content() {
    let lab = Lab::new();
    let old = lab.good(GOOD);
    let root = Authority::root("Contoso Root").unwrap();
    lab.write("enterprise-ca.pem", &root.certificate_pem());
    lab.write(
        "enterprise-ca.crl.pem",
        &root.crl_pem(&[], Duration::from_secs(86_400)).unwrap(),
    );
    let said = old.changes(&lab.good(GOOD));
    assert_eq!(
        said,
        [
            "trust enterprise-ca changed: anchors renewed under the same names, CRLs replaced (1 before, 1 now)"
        ]
    );
}

#[test]
fn what_needs_a_restart_is_said_apart() {
    let lab = Lab::new();
    let old = lab.good(GOOD);
    let new = lab.good(&edited(&[
        (
            "domains = [\"contoso.test\"]",
            "domains = [\"contoso.test\"]\nshards = 2\nscheduling = \"inherit\"\nadvertise_port = 5071",
        ),
        ("127.0.0.1:5061\"", "127.0.0.1:5062\"\nadvertise = \"edge01.contoso.test\""),
        ("[\"client\", \"peer\"]", "[\"peer\"]"),
        ("[limits]", "[admin]\nsocket = \"/run/x\"\n[limits]"),
    ]));
    assert_eq!(
        old.restart_settings().changes(&new.restart_settings()),
        [
            "admin.socket control.sock in the runtime directory becomes /run/x",
            "listener edge 127.0.0.1:5061 becomes 127.0.0.1:5062",
            "listener edge advertise node.advertise becomes edge01.contoso.test",
            "node.advertise_port the listener's becomes 5071",
            "node.scheduling batch becomes inherit",
            "node.shards one for each core becomes 2",
        ]
    );
}
