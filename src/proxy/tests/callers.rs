//! Callers without a name of their domain: anonymous ones (RFC 3323, RFC 3325), numbers (RFC 3966), and what a partner
//! asserts of them; and services without a place (RFC 5031).
use super::world::*;
use crate::sip::{HeaderName, HeaderSet};
use crate::topology::{Domain, Topology};

const ANONYMOUS: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=a";

/// The partner may be anonymous, inside of the trust domain or outside of it.
fn lenient(asserts: bool) -> Topology {
    let mut t = topology();
    let peer = &mut t.peers[2];
    peer.assert_identity = asserts;
    peer.boundary =
        crate::topology::PeerBoundary::standard(crate::topology::FieldTrust::of_peer(asserts));
    if !asserts {
        let field = HeaderSet::of(HeaderName::PAssertedIdentity);
        peer.boundary.anonymous = Some(peer.boundary.fields.strip_in.without(field));
    }
    t
}

#[test]
fn a_partner_is_anonymous_only_where_its_entry_allows_it() {
    for (topology, may) in [
        (topology(), false),
        (lenient(false), true),
        (lenient(true), true),
    ] {
        for from in [
            ANONYMOUS,
            "<sip:anonymous@ANONYMOUS.invalid.>;tag=a",
            "<sips:anonymous@anonymous.invalid:5061>;tag=a",
            "\"Unavailable\" <sip:unavailable@unknown.invalid>;tag=a",
            "<sip:restricted@privacy.Invalid>;tag=a",
            "<sip:anonymous@x.anonymous.invalid>;tag=a",
            "sip:anonymous.invalid;tag=a",
        ] {
            let mut w = World::with(topology.clone(), 1);
            let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
            w.ask(partner, Request::invite().from(from));
            if may {
                w.expect(home, "INVITE");
            } else {
                w.refused(partner, "SIP/2.0 403", "from_not_allowed");
            }
        }
        // Nobody is anonymous under another name.
        for from in [
            "<sip:anonymous@invalid>;tag=a",
            "<sip:anonymous@anonymous.invalid.contoso.test>;tag=a",
            "<sip:anonymous@anonymous.notinvalid>;tag=a",
            "<sip:anonymous@localhost>;tag=a",
        ] {
            let mut w = World::with(topology.clone(), 1);
            let partner = w.peer(PARTNER);
            w.ask(partner, Request::invite().from(from));
            w.refused(partner, "SIP/2.0 403", "from_not_allowed");
        }
    }
}

#[test]
fn of_an_anonymous_caller_a_number_or_a_name_of_the_partner_is_asserted_and_nothing_else() {
    for (asserted, arrives) in [
        (
            "P-Asserted-Identity: <tel:+4930123>\n",
            &["<tel:+4930123>"][..],
        ),
        (
            "P-Asserted-Identity: <sip:eve@fabrikam.test>\n",
            &["<sip:eve@fabrikam.test>"],
        ),
        (
            "p-asserted-identity: tel:+4930123, \"Eve, E\" <sips:eve@FABRIKAM.test:5061>\n",
            &["tel:+4930123, \"Eve, E\" <sips:eve@FABRIKAM.test:5061>"],
        ),
        ("P-Asserted-Identity: <sip:alice@contoso.test>\n", &[]),
        (
            "P-Asserted-Identity: <tel:+4930123>,<sip:alice@contoso.test>\n",
            &["<tel:+4930123>"],
        ),
        (
            "P-Asserted-Identity: <sip:alice@contoso.test> , <tel:+4930123>\n",
            &["<tel:+4930123>"],
        ),
        (
            "P-Asserted-Identity: <sip:a@contoso.test>, <tel:+1>, <sip:b@evil.test>, <tel:+2>, <sip:c@evil.test>\n",
            &["<tel:+1>, <tel:+2>"],
        ),
        (
            "P-Asserted-Identity: <sip:alice@contoso.test>\nP-Asserted-Identity: <tel:+4930123>\n",
            &["<tel:+4930123>"],
        ),
        (
            "P-Asserted-Identity: <tel:+1>\nP-Asserted-Identity: <sip:alice@CONTOSO.test.>, <tel:+2>\n",
            &["<tel:+1>", "<tel:+2>"],
        ),
        (
            "P-Asserted-Identity: \"<tel:+1>, \" <sip:alice@contoso.test>\n",
            &[],
        ),
        (
            "P-Asserted-Identity: <sip:+4930123@anonymous.invalid>\n",
            &[],
        ),
        (
            "P-Asserted-Identity: <tel:1;phone-context=contoso.test>, <tel:1;phone-context=fabrikam.test>\n",
            &["<tel:1;phone-context=fabrikam.test>"],
        ),
        ("P-Asserted-Identity: <sip:x@192.0.2.1>\n", &[]),
        ("P-Asserted-Identity: <urn:service:sos>\n", &[]),
        (
            "P-Asserted-Identity: <tel:+1>, <sip:@contoso.test>\n",
            &["<tel:+1>"],
        ),
        (
            "P-Asserted-Identity: <tel:+1>, \"open <sip:alice@contoso.test>\n",
            &[],
        ),
        (
            "P-Asserted-Identity: <tel:+1>,\n ,<sip:alice@contoso.test>\n",
            &[],
        ),
    ] {
        for asserts in [false, true] {
            let mut w = World::with(lenient(asserts), 1);
            let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
            let more = format!("{asserted}Privacy: id\n");
            w.ask(partner, Request::invite().from(ANONYMOUS).more(&more));
            let invite = w.expect(home, "INVITE");
            assert_eq!(
                fields(&invite, "P-Asserted-Identity"),
                arrives,
                "{asserted}"
            );
            // Who asks by name may assert others too, if it is believed, and nobody of ours.
            w.ask(
                partner,
                Request::invite().from(EVE).more(&more).branch("z9hG4bK2"),
            );
            let invite = w.expect(home, "INVITE");
            let got = fields(&invite, "P-Asserted-Identity");
            let all = got.concat().to_ascii_lowercase();
            assert!(!all.contains("contoso.test"), "{all}");
            assert!(asserts || got.is_empty(), "{all}");
            assert!(!asserts || arrives.iter().all(|value| got.contains(value)) || got.len() == 1);
        }
    }
}

#[test]
fn nor_does_the_precursor_of_the_field_say_more_of_an_anonymous_caller() {
    for (value, passes) in [
        (
            "<sip:+4930123@fabrikam.test>;party=calling;privacy=full",
            true,
        ),
        ("\"Alice\" <sip:alice@contoso.test>;party=calling", false),
        ("<sip:eve@fourthcoffee.test>", false),
    ] {
        for name in ["Remote-Party-ID", "P-Preferred-Identity"] {
            for from in [ANONYMOUS, "<tel:+4930123>;tag=a"] {
                // Value by value, as the field itself.
                for (more, arrives) in [
                    (format!("{name}: {value}\n"), passes.then_some(value)),
                    (
                        format!("{name}: <sip:bob@contoso.test>, {value}\n"),
                        passes.then_some(value),
                    ),
                ] {
                    let mut w = World::with(lenient(true), 1);
                    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
                    w.ask(partner, Request::invite().from(from).more(&more));
                    let invite = w.expect(home, "INVITE");
                    assert_eq!(field(&invite, name), arrives, "{more}");
                }
            }
        }
    }
}

/// What a partner that is believed asserts, and what of it arrives.
const ASSERTED: [(&str, Option<&str>); 16] = [
    ("<sip:eve@fabrikam.test>", Some("<sip:eve@fabrikam.test>")),
    (
        "<sip:x@fourthcoffee.test>",
        Some("<sip:x@fourthcoffee.test>"),
    ),
    ("<tel:+4930123>", Some("<tel:+4930123>")),
    (
        "<tel:1234;phone-context=+49>",
        Some("<tel:1234;phone-context=+49>"),
    ),
    ("<sip:ceo@contoso.test>", None),
    ("\"C, E\" <sips:ceo@CONTOSO.test.:5061>;x=1", None),
    (
        "<tel:+4930123>, <sip:ceo@contoso.test>",
        Some("<tel:+4930123>"),
    ),
    ("sip:contoso.test", None),
    ("<sip:ceo@edge01.contoso.test>", None),
    ("<sip:ceo@fe01.contoso.test>", None),
    ("<tel:1234;phone-context=contoso.test>", None),
    ("<tel:+1;Phone-Context=Contoso.Test.>", None),
    (
        "<tel:1;phone-context=+1;phone%2Dcontext=contoso%2Etest>",
        None,
    ),
    ("<pres:ceo@contoso.test>", None),
    ("\"open <sip:ceo@contoso.test>", None),
    ("<sip:ceo@contoso.test", None),
];

#[test]
fn nobody_outside_asserts_a_name_of_the_home_side_in_a_request_or_response() {
    for name in [
        "P-Asserted-Identity",
        "Remote-Party-ID",
        "P-Preferred-Identity",
    ] {
        for (value, arrives) in ASSERTED {
            let mut w = World::with(lenient(true), 1);
            let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
            let more = format!("{name}: {value}\n");
            w.ask(partner, Request::invite().from(EVE).more(&more));
            let invite = w.expect(home, "INVITE");
            assert_eq!(field(&invite, name), arrives, "{more}");
            // Who answers says as little.
            w.ask(
                home,
                Request::invite()
                    .uri("sip:eve@fabrikam.test")
                    .to("<sip:eve@fabrikam.test>")
                    .branch("z9hG4bK2"),
            );
            let invite = w.expect(partner, "INVITE");
            w.answers_with(partner, &invite, 180, &more);
            assert_eq!(
                field(&w.expect(home, "SIP/2.0 180"), name),
                arrives,
                "{more}"
            );
            w.answers_with(partner, &invite, 200, &more);
            assert_eq!(
                field(&w.expect(home, "SIP/2.0 200"), name),
                arrives,
                "{more}"
            );
        }
    }
}

#[test]
fn a_local_number_is_a_name_of_the_domain_that_is_its_context() {
    for (from, may) in [
        ("<tel:1234;phone-context=fabrikam.test>;tag=a", true),
        ("<tel:1234;phone-context=contoso.test>;tag=a", false),
        ("<tel:+1;phone-context=contoso.test>;tag=a", false),
        ("<tel:1;phone-context=fourthcoffee.test>;tag=a", false),
        (
            "<tel:1;phone-context=+1;phone-context=contoso.test>;tag=a",
            false,
        ),
        ("<tel:1;phone-context=a@contoso.test>;tag=a", false),
    ] {
        let mut w = World::with(lenient(true), 1);
        let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
        w.ask(partner, Request::invite().from(from));
        if may {
            w.expect(home, "INVITE");
        } else {
            w.refused(partner, "SIP/2.0 403", "from_not_allowed");
        }
    }
}

#[test]
fn a_client_is_nobody_by_any_name_below_invalid_unless_the_topology_speaks_of_it() {
    let mut known = topology();
    known.peers[2].domains = vec![Domain::parse_pattern("*.corp.invalid").unwrap()];
    for (topology, host, may) in [
        (topology(), "anonymous.invalid", true),
        (topology(), "unknown.invalid", true),
        (topology(), "a.corp.invalid", true),
        (known.clone(), "anonymous.invalid", true),
        (known, "a.corp.invalid", false),
    ] {
        let mut w = World::with(topology, 1);
        let (home, client) = (w.peer(FE01), w.client());
        let from = format!("<sip:unavailable@{host}>;tag=a");
        w.ask(client, Request::invite().from(&from));
        if may {
            w.expect(home, "INVITE");
        } else {
            w.refused(client, "SIP/2.0 403", "from_not_allowed");
        }
    }
}

#[test]
fn in_the_dialog_and_in_its_ack_the_same_holds() {
    let mut w = World::with(lenient(true), 1);
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    let asserted = "P-Asserted-Identity: <tel:+1>, <sip:alice@contoso.test>\n";
    w.ask(partner, Request::invite().from(ANONYMOUS).more(asserted));
    let invite = w.expect(home, "INVITE");
    w.answers(home, &invite, 200);
    w.expect(partner, "SIP/2.0 200");
    let more = format!(
        "Route: {}\n{asserted}",
        field(&invite, "Record-Route").unwrap()
    );
    for method in ["ACK", "UPDATE", "BYE"] {
        let branch = format!("z9hG4bK{method}");
        w.ask(
            partner,
            Request::of(method)
                .in_dialog()
                .from(ANONYMOUS)
                .more(&more)
                .branch(&branch)
                .cseq(2),
        );
        let got = w.expect(home, method);
        assert_eq!(fields(&got, "P-Asserted-Identity"), ["<tel:+1>"]);
    }
}

#[test]
fn a_number_in_from_passes_from_whom_identity_is_believed() {
    for (asserts, from) in [
        (true, "<tel:+4930123>;tag=a"),
        (true, "tel:+49-30-123;tag=a"),
        (true, "\"Anna\" <tel:110;phone-context=+49>;tag=a"),
        (false, "<tel:+4930123>;tag=a"),
    ] {
        let mut w = World::with(lenient(asserts), 1);
        let (home, partner, client) = (w.peer(FE01), w.peer(PARTNER), w.client());
        w.ask(partner, Request::invite().from(from));
        if asserts {
            w.expect(home, "INVITE");
        } else {
            w.refused(partner, "SIP/2.0 403", "from_not_allowed");
        }
        w.ask(client, Request::invite().from(from));
        w.refused(client, "SIP/2.0 403", "from_not_allowed");
    }
}

#[test]
fn a_service_goes_where_requests_go_and_is_refused_only_where_it_would_have_to_be_routed() {
    for service in [
        "urn:service:sos",
        "urn:service:sos.police",
        "URN:Service:SOS",
        "urn:service:counseling.children",
        "urn:emergency:service:sos.ecall.manual",
    ] {
        let mut w = World::new();
        let (client, home, partner) = (w.client(), w.peer(FE01), w.peer(PARTNER));
        let call = |branch, more| {
            Request::invite()
                .uri(service)
                .to("<urn:service:sos>")
                .branch(branch)
                .more(more)
        };
        w.ask(client, call("z9hG4bK1", ""));
        let invite = w.expect(home, &format!("INVITE {service} SIP/2.0"));
        // The home server sends it on to whoever answers such calls.
        let route = "Route: <sip:edge.fabrikam.test;lr>\n";
        w.ask(home, call("z9hG4bK2", route));
        w.expect(partner, &format!("INVITE {service} SIP/2.0"));
        w.ask(
            home,
            call(
                "z9hG4bK3",
                "Route: <sip:edge01.contoso.test;lr>, <sip:x@fabrikam.test;lr>\n",
            ),
        );
        w.expect(partner, "INVITE");
        // Its dialog goes on by tokens.
        w.answers(home, &invite, 200);
        w.expect(client, "SIP/2.0 200");
        let more = route_of(&invite);
        w.ask(
            client,
            Request {
                method: "BYE",
                cseq: 2,
                to: "<urn:service:sos>;tag=b",
                ..call("z9hG4bK4", &more)
            },
        );
        w.expect(home, &format!("BYE {service} "));
        // Without a Route nobody knows where that is; a partner reaches home domains only.
        w.ask(home, call("z9hG4bK5", ""));
        w.refused(home, "SIP/2.0 416", "unsupported_scheme");
        w.ask(
            partner,
            Request {
                from: EVE,
                to: "<sip:bob@contoso.test>",
                ..call("z9hG4bK6", "")
            },
        );
        w.refused(partner, "SIP/2.0 416", "unsupported_scheme");
        // Whose From it is counts first.
        w.ask(
            client,
            Request {
                from: "<sip:eve@evil.test>;tag=a",
                ..call("z9hG4bK7", "")
            },
        );
        w.refused(client, "SIP/2.0 403", "from_not_allowed");
        w.ask(home, call("z9hG4bK8", "Route: <sip:evil.test;lr>\n"));
        w.refused(home, "SIP/2.0 403", "route_not_permitted");
    }
}
