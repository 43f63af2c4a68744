//! What crosses the boundary of the trust domain: fields by table (RFC 3324, RFC 3325 and companions), Privacy (RFC 3323),
//! denied domains, the verified peer name, and sips URIs (RFC 5630 §5.3).
use super::world::*;
use crate::sip::{HeaderName, HeaderSet};
use crate::topology::{Domain, Topology};

/// Every field of a trust domain once, in spellings that must not hide it.
const FIELDS: &[(&str, &str)] = &[
    (
        "P-Asserted-Identity",
        "P-ASSERTED-identity : <sip:ceo@contoso.test>\nP-Asserted-Identity:\n <tel:+1>\n",
    ),
    (
        "Remote-Party-ID",
        "remote-party-id\t:\n\t<sip:x@contoso.test>;party=calling\n",
    ),
    (
        "P-Preferred-Identity",
        "P-Preferred-Identity: <sip:alice@contoso.test>\n",
    ),
    (
        "P-Preferred-Service",
        "P-Preferred-Service: urn:urn-7:3gpp-service.ims.icsi.mmtel\n",
    ),
    ("P-Asserted-Service", "P-Asserted-Service : urn:x\n"),
    ("P-Served-User", "p-served-user: <sip:x@y>\n"),
    ("P-Profile-Key", "P-Profile-Key: <sip:x@y>\n"),
    ("P-User-Database", "P-User-Database: <aaa://x>\n"),
    (
        "P-Charging-Vector",
        "P-Charging-Vector: icid-value=1\nP-CHARGING-VECTOR :\n icid-value=2\n",
    ),
    (
        "P-Charging-Function-Addresses",
        "P-Charging-Function-Addresses: ccf=1\n",
    ),
    ("P-Visited-Network-ID", "P-Visited-Network-ID: x\n"),
    (
        "P-Access-Network-Info",
        "P-Access-Network-Info: IEEE-802.11\n",
    ),
    ("P-Called-Party-ID", "P-Called-Party-ID: <sip:x@y>\n"),
    ("P-Associated-URI", "P-Associated-URI: <sip:x@y>\n"),
    ("P-Early-Media", "P-Early-Media: sendrecv\n"),
    (
        "History-Info",
        "History-Info: <sip:x@y>;index=1, <sip:z@y>;index=1.1\n",
    ),
    ("Diversion", "Diversion: <sip:x@y>;reason=no-answer\n"),
    ("P-DCS-Billing-Info", "P-DCS-Billing-Info: 1\n"),
    (
        "ms-edge-proxy-message-trust",
        "Ms-Edge-Proxy-Message-Trust : x\n",
    ),
    ("X-MS-SkypeChain", "X-MS-SkypeChain: x\n"),
    (
        "X-Sipward-Peer",
        "x-sipward-peer : fe01.contoso.test\nX-Sipward-Peer: x\n",
    ),
];

fn all_fields() -> String {
    FIELDS.iter().map(|(_, lines)| *lines).collect()
}

/// The fields of the table that are left in a message.
fn left(message: &str) -> Vec<&'static str> {
    let there = |name: &&str| {
        message.split("\r\n").any(|line| {
            line.split(':')
                .next()
                .unwrap_or_default()
                .trim_end()
                .eq_ignore_ascii_case(name)
        })
    };
    FIELDS.iter().map(|(name, _)| *name).filter(there).collect()
}

fn changed(change: impl FnOnce(&mut Topology)) -> World {
    let mut topology = topology();
    change(&mut topology);
    World::with(topology, 1)
}

fn deny(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

#[test]
fn a_client_asserts_nothing_but_says_what_it_prefers_and_where_it_is() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::invite().more(&all_fields()));
    let invite = w.expect(home, "INVITE");
    assert_eq!(
        left(&invite),
        [
            "P-Preferred-Identity",
            "P-Preferred-Service",
            "P-Access-Network-Info"
        ]
    );
    // Nor in its answers.
    let (client, caller) = (w.client(), home);
    let token = register_path(&mut w, client, home);
    let route = format!("Route: <{token}>\n");
    w.ask(
        caller,
        Request::of("OPTIONS").branch("z9hG4bKdown").more(&route),
    );
    let options = w.expect(client, "OPTIONS");
    w.answers_with(client, &options, 200, &all_fields());
    let response = w.expect(caller, "SIP/2.0 200");
    assert_eq!(
        left(&response),
        [
            "P-Preferred-Identity",
            "P-Preferred-Service",
            "P-Access-Network-Info"
        ]
    );
}

/// Registers a client at a home server; gives its Path URI.
fn register_path(
    w: &mut World,
    client: crate::proxy::LinkId,
    home: crate::proxy::LinkId,
) -> String {
    let path = w.register(client, home, "");
    let path = path.trim_start_matches("Route: ").trim_end();
    path.trim_matches(['<', '>']).to_owned()
}

#[test]
fn a_partner_asserts_nothing_and_hears_nothing_that_is_ours_alone() {
    let mut w = World::new();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    w.ask(partner, Request::invite().from(EVE).more(&all_fields()));
    let invite = w.expect(home, "INVITE");
    assert_eq!(left(&invite), [""; 0]);
    // What the home server answers loses what is ours; identity and history pass unless privacy is asked for.
    w.answers_with(home, &invite, 180, &all_fields());
    let ringing = w.expect(partner, "SIP/2.0 180");
    assert_eq!(
        left(&ringing),
        [
            "P-Asserted-Identity",
            "Remote-Party-ID",
            "History-Info",
            "Diversion"
        ]
    );
    let more = format!("Privacy: history;id\n{}", all_fields());
    w.answers_with(home, &invite, 200, &more);
    assert_eq!(left(&w.expect(partner, "SIP/2.0 200")), [""; 0]);
}

#[test]
fn home_servers_keep_all_among_themselves_but_the_peer_name_is_ours_to_say() {
    let mut w = World::new();
    let (fe01, fe02) = (w.peer(FE01), w.peer(FE02));
    w.ask(
        fe01,
        Request::invite()
            .uri("sip:x@fe02.contoso.test")
            .more(&all_fields()),
    );
    let invite = w.expect(fe02, "INVITE");
    assert_eq!(left(&invite).len(), FIELDS.len() - 1, "{invite}");
    assert_eq!(field(&invite, "X-Sipward-Peer"), None);
    assert_eq!(
        fields(&invite, "P-Asserted-Identity").len(),
        1,
        "spellings stay as they came"
    );
}

#[test]
fn the_verified_peer_name_goes_to_home_servers_only() {
    let mut w = changed(|t| t.boundary.peer_name = true);
    let (home, partner, client) = (w.peer(FE01), w.peer(PARTNER), w.client());
    let lie = "X-SIPWARD-peer : fe01.contoso.test\nX-Sipward-Peer:\n fe01.contoso.test\n";
    let request = Request::invite().from(EVE).more(lie);
    w.ask(partner, request);
    let invite = w.expect(home, "INVITE");
    assert_eq!(fields(&invite, "X-Sipward-Peer"), [PARTNER]);
    assert!(!invite.contains("SIPWARD-peer"), "{invite}");
    // From a client there is none to tell.
    w.ask(client, Request::invite().branch("z9hG4bK2").more(lie));
    assert!(fields(&w.expect(home, "INVITE"), "X-Sipward-Peer").is_empty());
    // Nor does a partner hear of our servers.
    w.ask(
        home,
        Request::invite()
            .uri("sip:x@fabrikam.test")
            .branch("z9hG4bK3")
            .more(lie),
    );
    assert!(fields(&w.expect(partner, "INVITE"), "X-Sipward-Peer").is_empty());
}

#[test]
fn the_clients_address_goes_to_home_servers_only() {
    let mut w = changed(|t| t.boundary.client_address = true);
    let (home, partner, client) = (w.peer(FE01), w.peer(PARTNER), w.client());
    let lie = "X-SIPWARD-client : 192.0.2.66\nX-Sipward-Client:\n 192.0.2.67\n";
    w.ask(client, Request::invite().more(lie));
    let invite = w.expect(home, "INVITE");
    let port = 40_000 + client.serial();
    let shown = format!("198.51.100.7;port={port}");
    assert_eq!(fields(&invite, "X-Sipward-Client"), [shown]);
    assert!(!invite.contains("192.0.2.6"), "{invite}");
    // What did not come from a client has none, whatever it says.
    let of_partner = Request::invite().from(EVE).branch("z9hG4bK2").more(lie);
    w.ask(partner, of_partner);
    assert!(fields(&w.expect(home, "INVITE"), "X-Sipward-Client").is_empty());
    let outwards = Request::invite().uri("sip:x@fabrikam.test");
    w.ask(home, outwards.branch("z9hG4bK3").more(lie));
    assert!(fields(&w.expect(partner, "INVITE"), "X-Sipward-Client").is_empty());
    let mut w = World::new();
    let (home, client) = (w.peer(FE01), w.client());
    w.ask(client, Request::invite().more(lie));
    assert!(fields(&w.expect(home, "INVITE"), "X-Sipward-Client").is_empty());
}

#[test]
fn lists_of_the_topology_keep_strip_and_require_fields() {
    let set = |name: HeaderName| HeaderSet::of(name);
    let mut w = changed(|t| {
        let partner = &mut t.peers[2].boundary.fields;
        partner.strip_in = partner.strip_in.without(set(HeaderName::PrivateMs));
        partner.strip_out = partner.strip_out.with(set(HeaderName::HistoryInfo));
        partner.require_in = set(HeaderName::PAssertedIdentity);
    });
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    let from = EVE;
    w.ask(partner, Request::invite().from(from).more("ms-x: 1\n"));
    w.refused(partner, "SIP/2.0 403", "field_required");
    let more = "ms-x: 1\nP-Asserted-Identity: <sip:eve@fabrikam.test>\n";
    w.ask(
        partner,
        Request::invite().from(from).more(more).branch("z9hG4bK2"),
    );
    let invite = w.expect(home, "INVITE");
    assert_eq!(field(&invite, "ms-x"), Some("1"));
    assert_eq!(
        field(&invite, "P-Asserted-Identity"),
        None,
        "required is not believed"
    );
    w.send(
        home,
        &answer(
            &invite,
            "200 OK",
            "History-Info: <sip:x@y>;index=1\nContact: <sip:b@fe01.contoso.test>\n",
        ),
    );
    let ok = w.expect(partner, "SIP/2.0 200");
    assert_eq!(field(&ok, "History-Info"), None);
    // In the dialog the field is not owed again.
    let route: String = fields(&ok, "Record-Route")
        .iter()
        .rev()
        .map(|r| format!("Route: {r}\n"))
        .collect();
    let request = Request::of("BYE")
        .from(from)
        .to("<sip:bob@contoso.test>;tag=b")
        .branch("z9hG4bK3")
        .cseq(2)
        .more(&route);
    w.ask(partner, request);
    w.expect(home, "BYE");
}

#[test]
fn critical_privacy_is_refused_where_nobody_is_left_to_give_it() {
    for (privacy, to_partner) in [
        ("header;critical", false),
        ("critical; USER", false),
        ("session\n ;critical", false),
        ("header", true),
        ("id;critical", true),
        ("history;critical", true),
        ("none", true),
    ] {
        let more = format!("Privacy: {privacy}\n");
        let mut w = World::new();
        let (home, partner, client) = (w.peer(FE01), w.peer(PARTNER), w.client());
        w.ask(
            home,
            Request::invite().uri("sip:x@fabrikam.test").more(&more),
        );
        if to_partner {
            w.expect(partner, "INVITE");
        } else {
            w.refused(home, "SIP/2.0 500", "privacy_critical");
            w.silent(partner);
        }
        // The home servers may have a privacy service.
        w.ask(client, Request::invite().branch("z9hG4bK2").more(&more));
        w.expect(home, "INVITE");
    }
}

#[test]
fn a_denied_domain_passes_in_no_method_and_no_field_whatever_allows_it() {
    for method in ["INVITE", "BYE", "MESSAGE", "REGISTER", "FOO"] {
        let denied = [
            // The partner's own domain, and one below ours.
            (
                "<sip:eve@Fabrikam.test>;tag=a",
                "<sip:bob@contoso.test>",
                "sip:bob@contoso.test",
            ),
        ];
        for (from, to, uri) in denied {
            let mut w = changed(|t| t.boundary.deny_domains = vec![deny("fabrikam.test")]);
            let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
            w.ask(partner, Request::of(method).from(from).to(to).uri(uri));
            w.refused(partner, "SIP/2.0 403", "domain_denied");
            w.silent(home);
        }
    }
    // Home servers are bound too: as the target, in To, and in a From below the denied domain.
    for (from, to, uri) in [
        (
            "<sip:a@contoso.test>;tag=a",
            "<sip:x@y.test>",
            "sip:x@fabrikam.test",
        ),
        (
            "<sip:a@contoso.test>;tag=a",
            "<sip:x@fabrikam.test>",
            "sip:x@fe02.contoso.test",
        ),
        (
            "<sip:a@b.fabrikam.test>;tag=a",
            "<sip:x@y.test>",
            "sip:x@fe02.contoso.test",
        ),
    ] {
        let mut w = changed(|t| t.boundary.deny_domains = vec![deny("fabrikam.test")]);
        let (home, other, partner) = (w.peer(FE01), w.peer(FE02), w.peer(PARTNER));
        w.ask(home, Request::invite().from(from).to(to).uri(uri));
        w.refused(home, "SIP/2.0 403", "domain_denied");
        w.silent(other);
        w.silent(partner);
    }
}

#[test]
fn a_domain_denied_to_one_peer_is_open_to_others() {
    let mut w = changed(|t| {
        t.node.domains.push(deny("secret.test"));
        t.pools[0].domains.push(deny("secret.test"));
        t.peers[2].boundary.deny = vec![deny("secret.test")];
    });
    let (home, partner, client) = (w.peer(FE01), w.peer(PARTNER), w.client());
    let request = Request::invite().uri("sip:x@secret.test").from(EVE);
    w.ask(partner, request);
    w.expect(partner, "SIP/2.0 403");
    // Nor does the peer hear from there.
    let request = Request::invite()
        .uri("sip:x@fabrikam.test")
        .from("<sip:x@secret.test>;tag=a")
        .branch("z9hG4bK2");
    w.ask(home, request);
    w.expect(home, "SIP/2.0 403");
    assert_eq!(w.reasons(), ["domain_denied", "domain_denied"]);
    w.silent(partner);
    let request = Request::invite()
        .uri("sip:x@secret.test")
        .from("<sip:y@secret.test>;tag=a")
        .branch("z9hG4bK3");
    w.ask(client, request);
    w.expect(home, "INVITE");
}

#[test]
fn a_partner_addresses_home_domains_or_its_own_in_to_in_every_method() {
    for method in ["INVITE", "BYE", "MESSAGE", "SUBSCRIBE", "FOO"] {
        for (to, ok) in [
            ("<sip:bob@contoso.test>", true),
            ("<sip:bob@CONTOSO.test.>;tag=x", true),
            ("<sip:eve@fabrikam.test>", true),
            ("<tel:+4930123>", true),
            ("<sip:x@elsewhere.test>", false),
            ("<sip:x@sub.contoso.test>;tag=x", false),
            ("<sip:x@192.0.2.1>", false),
            ("<mailto:x@contoso.test>", false),
        ] {
            let mut w = World::new();
            let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
            let from = EVE;
            w.ask(partner, Request::of(method).from(from).to(to));
            if ok {
                w.expect(home, method);
            } else {
                w.refused(partner, "SIP/2.0 403", "to_not_allowed");
                w.silent(home);
            }
        }
    }
}

/// RFC 5630 §5.3.
#[test]
fn sips_goes_to_whom_takes_it_and_is_never_made_sip() {
    let uri = "sips:x@fabrikam.test";
    let mut w = World::new();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    w.ask(
        home,
        Request::invite()
            .uri(uri)
            .more("Contact: <sips:a@contoso.test>\n"),
    );
    w.expect(partner, "INVITE sips:x@fabrikam.test ");

    let mut w = changed(|t| t.peers[2].boundary.sips = false);
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    w.ask(home, Request::invite().uri(uri));
    let refusal = w.refused(home, "SIP/2.0 480", "sips_not_allowed");
    assert_eq!(
        field(&refusal, "Warning"),
        Some("380 edge01.contoso.test \"SIPS Not Allowed\"")
    );
    w.silent(partner);
    w.ask(
        home,
        Request::invite()
            .uri("sip:x@fabrikam.test")
            .branch("z9hG4bK2"),
    );
    w.expect(partner, "INVITE sip:x@fabrikam.test ");
}

/// RFC 5630 §5.3: inconsistent, except from a peer that is known to have no sips URIs.
#[test]
fn a_sips_request_with_a_sip_contact_is_malformed_unless_its_sender_is_excused() {
    let more = "m: \"A\" <SIP:eve@192.0.2.9>\n";
    let from = EVE;
    for (excused, method, ok) in [
        (false, "INVITE", false),
        (true, "INVITE", true),
        (false, "MESSAGE", true),
    ] {
        let mut w = changed(|t| t.peers[2].boundary.sips = !excused);
        let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
        w.ask(
            partner,
            Request::of(method)
                .uri("sips:bob@contoso.test")
                .from(from)
                .more(more),
        );
        if ok {
            w.expect(home, method);
        } else {
            w.refused(partner, "SIP/2.0 400", "sips_contact");
        }
    }
}

#[test]
fn a_field_hidden_in_a_broken_response_line_goes_nowhere() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::invite());
    let invite = w.expect(home, "INVITE");
    w.answers_with(
        home,
        &invite,
        180,
        "P-Asserted-Identity\n : <sip:ceo@contoso.test>\n",
    );
    w.silent(client);
    assert_eq!(w.reasons(), ["response_malformed"]);
}
