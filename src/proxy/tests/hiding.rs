//! Topology hiding: what the partner sees, and that everything comes back as it was.
use super::world::*;
use crate::proxy::hiding::Hiding;
use crate::proxy::leg::PeerKey;
use crate::proxy::routing::Routing;
use crate::proxy::token::TokenBox;
use crate::proxy::{AdvertisedNames, LinkId, TokenKeys};
use crate::reason::MessageReason;
use crate::sip::Message;
use proptest::prelude::*;
use std::sync::Arc;

const BOB: &str = "<sip:x@fabrikam.test>";
const HOME_VIAS: &str = "Via: SIP/2.0/TLS 10.0.0.11:5061;branch=z9hG4bKhome;alias\nX-Between: 1\nv:\n SIP/2.0/TLS 10.0.0.99;branch=z9hG4bKphone;received=192.0.2.7 , SIP/2.0/TLS fe09.contoso.test;branch=z9hG4bKz\n";
const HOME_ROUTES: &str =
    "Record-Route: <sip:fe01.contoso.test:5061;transport=tls;lr;ftag=1>;x=1, <sip:10.0.0.12;lr>\n";
const HOME_CONTACT: &str = "Contact: \"Alice, at home\" <sip:alice@10.0.0.99:49152;transport=tls;ob>;+sip.instance=\"<urn:uuid:1>\"\n";

/// What a partner must not see.
const SECRETS: &[&str] = &["10.0.0.", "fe01.", "fe09.", "z9hG4bKhome", "192.0.2.7"];

pub(super) fn hiding_world() -> World {
    let mut topology = topology();
    topology.peers[2].boundary.hide_topology = true;
    World::with(topology, 1)
}

#[track_caller]
fn assert_hidden(message: &str) {
    for secret in SECRETS {
        assert!(!message.contains(secret), "{secret} in {message}");
    }
}

pub(super) fn home_invite() -> String {
    let more = format!("{HOME_VIAS}{HOME_ROUTES}{HOME_CONTACT}");
    Request::invite()
        .uri("sip:x@fabrikam.test")
        .to(BOB)
        .more(&more)
        .to_string()
}

/// A call from home to the partner: the partner sees none of our servers, home sees all of its own.
#[test]
fn a_call_to_the_partner_shows_nothing_of_home_and_comes_back_whole() {
    let mut w = hiding_world();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    w.send(home, &home_invite());
    let invite = w.expect(partner, "INVITE sip:x@fabrikam.test ");
    assert_hidden(&invite);
    assert_eq!(
        fields(&invite, "Via").len(),
        2,
        "ours, and one for all the others: {invite}"
    );
    assert!(invite.contains("\r\nX-Between: 1\r\n"), "{invite}");
    let contact = field(&invite, "Contact").unwrap();
    assert!(
        contact.starts_with("\"Alice, at home\" <sip:h.")
            && contact.ends_with(";+sip.instance=\"<urn:uuid:1>\""),
        "{contact}"
    );

    let theirs = "Record-Route: <sip:p.fabrikam.test;lr>\nContact: <sip:x@10.0.0.77>\n";
    let ours = answer(&invite, "200 OK", "");
    let routes: String = fields(&invite, "Record-Route")
        .iter()
        .map(|r| format!("Record-Route: {r}\n"))
        .collect();
    w.send(
        partner,
        &ours.replacen(&routes, &format!("{theirs}{routes}"), 1),
    );
    let ok = w.expect(home, "SIP/2.0 200");
    let received = HOME_VIAS
        .replace("X-Between: 1\n", "")
        .replace('\n', "\r\n");
    assert!(ok.contains(&received), "{received} not in {ok}");
    for line in HOME_ROUTES.lines() {
        assert!(
            ok.contains(&format!("\r\n{line}\r\n")),
            "{line} not in {ok}"
        );
    }
    assert!(
        ok.contains("Contact: <sip:x@10.0.0.77>"),
        "the partner's own stays: {ok}"
    );

    // The ACK goes out hidden too.
    let route_set: Vec<&str> = fields(&ok, "Record-Route");
    let outward = route_set
        .iter()
        .rev()
        .flat_map(|line| line.split(", "))
        .collect::<Vec<_>>();
    assert!(
        outward.iter().any(|r| r.contains("@edge01.contoso.test")),
        "{ok}"
    );
    let token = outward
        .iter()
        .find(|r| r.contains("@edge01.contoso.test"))
        .unwrap();
    let more = format!("{HOME_VIAS}Route: {token}\nRoute: <sip:p.fabrikam.test;lr>\n");
    let ack = Request::of("ACK")
        .uri("sip:x@10.0.0.77")
        .to("<sip:x@fabrikam.test>;tag=b")
        .branch("z9hG4bKack")
        .more(&more);
    w.ask(home, ack);
    let ack = w.expect(partner, "ACK sip:x@10.0.0.77 ");
    assert!(
        !ack.contains("10.0.0.11") && ack.contains("Route: <sip:p.fabrikam.test;lr>"),
        "{ack}"
    );
    hang_up(&mut w, partner, home, &invite);
}

/// The URIs with everything in their user parts escaped (RFC 3261 §19.1.4).
fn escaped(text: &str) -> String {
    let parts = text.split_inclusive("sip:").map(|part| {
        let user = part.find('@').map_or("", |at| &part[..at]);
        let octets: String = user.bytes().map(|b| format!("%{b:02X}")).collect();
        octets + &part[user.len()..]
    });
    parts.collect()
}

/// The partner hangs up along what it has seen of home, as it stands and with its users escaped.
#[track_caller]
fn hang_up(w: &mut World, partner: LinkId, home: LinkId, invite: &str) {
    let route: String = fields(invite, "Record-Route")
        .iter()
        .flat_map(|line| line.split(", "))
        .map(|r| format!("Route: {r}\n"))
        .collect();
    let target = field(invite, "Contact")
        .unwrap()
        .split_once('<')
        .unwrap()
        .1
        .split_once('>')
        .unwrap()
        .0;
    for (uri, route, branch, cseq) in [
        (target.to_owned(), route.clone(), "z9hG4bKbye", 7),
        (escaped(target), escaped(&route), "z9hG4bKbye2", 8),
    ] {
        let bye = Request {
            method: "BYE",
            uri: &uri,
            from: "<sip:x@fabrikam.test>;tag=b",
            to: "<sip:alice@contoso.test>;tag=a",
            branch,
            cseq,
            more: &route,
        };
        w.send(partner, &bye.to_string());
        let bye = w.expect(
            home,
            "BYE sip:alice@10.0.0.99:49152;transport=tls;ob SIP/2.0",
        );
        assert_eq!(
            fields(&bye, "Route"),
            [
                "<sip:fe01.contoso.test:5061;transport=tls;lr;ftag=1>;x=1",
                "<sip:10.0.0.12;lr>"
            ],
            "{bye}"
        );
    }
}

/// A call from the partner: what home adds to the answer is hidden, what the partner sent comes back as it was.
#[test]
fn a_call_from_the_partner_is_answered_without_a_name_of_home() {
    let mut w = hiding_world();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    let theirs = "Via: SIP/2.0/TLS 10.9.9.9;branch=z9hG4bKp2\nRecord-Route: <sip:p.fabrikam.test;lr>\nContact: <sip:x@10.9.9.9>\n";
    let request = Request::invite()
        .from("<sip:x@fabrikam.test>;tag=a")
        .more(theirs);
    w.ask(partner, request);
    let invite = w.expect(home, "INVITE");
    assert!(
        invite.contains("10.9.9.9") && !invite.contains("sip:h."),
        "{invite}"
    );
    let (head, rest) = answer(&invite, "200 OK", HOME_CONTACT)
        .split_once("Record-Route")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    w.send(home, &format!("{head}{HOME_ROUTES}Record-Route{rest}"));
    let ok = w.expect(partner, "SIP/2.0 200");
    assert_hidden(&ok);
    assert!(
        ok.contains("\r\nVia: SIP/2.0/TLS 10.9.9.9;branch=z9hG4bKp2\r\n"),
        "{ok}"
    );
    assert!(
        ok.contains("\r\nRecord-Route: <sip:p.fabrikam.test;lr>\r\n"),
        "{ok}"
    );
    // In the dialog, as a caller: the route set reversed.
    let mut route: Vec<&str> = fields(&ok, "Record-Route")
        .into_iter()
        .flat_map(|line| line.split(", "))
        .collect();
    route.reverse();
    let route: String = route
        .iter()
        .skip_while(|r| !r.contains("edge01"))
        .map(|r| format!("Route: {r}\n"))
        .collect();
    let target = field(&ok, "Contact")
        .unwrap()
        .split_once('<')
        .unwrap()
        .1
        .split_once('>')
        .unwrap()
        .0;
    let refer = format!("{route}Refer-To: <{target}>\n");
    let request = Request {
        method: "REFER",
        uri: target,
        from: "<sip:x@fabrikam.test>;tag=a",
        to: "<sip:bob@contoso.test>;tag=b",
        branch: "z9hG4bKr",
        cseq: 2,
        more: &refer,
    };
    w.send(partner, &request.to_string());
    let refer = w.expect(
        home,
        "REFER sip:alice@10.0.0.99:49152;transport=tls;ob SIP/2.0",
    );
    assert_eq!(
        fields(&refer, "Route"),
        [
            "<sip:10.0.0.12;lr>",
            "<sip:fe01.contoso.test:5061;transport=tls;lr;ftag=1>;x=1"
        ],
        "{refer}"
    );
    assert_eq!(
        field(&refer, "Refer-To"),
        Some("<sip:alice@10.0.0.99:49152;transport=tls;ob>")
    );
}

#[test]
fn a_forged_token_is_refused_and_another_peers_serves_nobody() {
    let mut w = hiding_world();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    for (uri, status) in [
        (
            "sip:h.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA@edge01.contoso.test;transport=tls",
            "SIP/2.0 403",
        ),
        ("sip:h.@edge01.contoso.test", "SIP/2.0 403"),
        ("sip:h.%41@edge01.contoso.test", "SIP/2.0 403"),
    ] {
        let request = Request::invite()
            .uri(uri)
            .from("<sip:x@fabrikam.test>;tag=a");
        w.ask(partner, request);
        w.expect(partner, status);
        assert_eq!(w.reasons(), ["token_forged"]);
    }
    // A user of such a name at a home domain is nobody's token.
    let request = Request::invite()
        .uri("sip:h.smith@contoso.test")
        .from("<sip:x@fabrikam.test>;tag=a")
        .branch("z9hG4bK9");
    w.ask(partner, request);
    w.expect(home, "INVITE sip:h.smith@contoso.test ");
    // A response whose hidden Via was altered goes nowhere.
    w.send(home, &home_invite());
    let invite = w.expect(partner, "INVITE");
    let forged = answer(&invite, "180 Ringing", "").replacen("z9hG4bKh.A", "z9hG4bKh.B", 1);
    w.send(partner, &forged);
    w.silent(home);
    assert_eq!(w.reasons(), ["token_forged"]);
    // And what was made for the partner is worth nothing from elsewhere.
    let tokens = tokens(&[], [7; 32]);
    let routing = routing();
    let of = |peer: &str| Hiding {
        tokens: &tokens,
        routing: &routing,
        peer: PeerKey::of(peer),
        sent_by: NODE,
        has_many_names: false,
    };
    let bytes = wire(&home_invite());
    let mut hidden = bytes.clone();
    of(PARTNER).hide(0, &mut hidden).unwrap();
    let echoed = echo(&hidden);
    let message = Message::parse(&echoed).unwrap();
    assert_eq!(of(FE02).restore(&message), Err(MessageReason::TokenForged));
}

#[test]
fn whoever_is_not_set_so_sees_what_was_sent() {
    let mut w = World::new();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    w.send(home, &home_invite());
    let invite = w.expect(partner, "INVITE");
    for secret in SECRETS {
        assert!(invite.contains(secret), "{secret}");
    }
}

pub(super) fn tokens(keys: &[(u8, [u8; 32])], random: [u8; 32]) -> TokenBox {
    TokenBox::new(Arc::new(TokenKeys::new(keys, random)), NODE, NODE, 7)
}

pub(super) fn routing() -> Routing {
    let names = AdvertisedNames {
        peers: NODE.to_owned(),
        clients: NODE.to_owned(),
        addresses: Vec::new(),
    };
    Routing::new(&topology(), &names)
}

/// The answer that the far end of a request makes, as octets: its Via and Record-Route lines as they are.
pub(super) fn echo(request: &[u8]) -> Vec<u8> {
    let message = Message::parse(request).unwrap();
    let mut text = b"SIP/2.0 200 OK\r\n".to_vec();
    for line in message.lines() {
        if matches!(
            line.name,
            crate::sip::HeaderName::Via | crate::sip::HeaderName::RecordRoute
        ) {
            text.extend_from_slice(line.raw_name);
            text.extend_from_slice(b": ");
            text.extend_from_slice(line.value);
            text.extend_from_slice(b"\r\n");
        }
    }
    text.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    text
}

/// A URI of a home server.
fn uri() -> impl Strategy<Value = String> {
    (
        prop::sample::select(vec!["sip", "SIP", "sips"]),
        "([a-z0-9%41._~-]{1,20}@)?"
            .prop_filter("escapes", |u| !u.contains('%') && !u.starts_with("h.")),
        prop::sample::select(vec![
            "10.0.0.1",
            "fe01.contoso.test",
            "[2001:db8::1]",
            "x.internal",
            "edge01.contoso.test",
        ]),
        prop::option::of(1_u16..),
        prop::sample::select(vec![
            "",
            ";lr",
            ";transport=tls;lr;ms-route-sig=a.b-c",
            ";opaque=state:F;gr=1",
        ]),
    )
        .prop_map(|(scheme, user, host, port, params)| {
            let port = port.map_or(String::new(), |p| format!(":{p}"));
            format!("{scheme}:{user}{host}{port}{params}")
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Hidden by one node and restored by another one with the same keys: the same octets.
    #[test]
    fn what_was_hidden_comes_back_octet_by_octet(
        vias in prop::collection::vec(("(v|Via|VIA)", "[a-z0-9.:]{1,30}", "[A-Za-z0-9.]{0,40}"), 0..5),
        routes in prop::collection::vec(uri(), 0..4),
        contact in uri(),
        old_key in any::<[u8; 32]>(),
        new_key in any::<[u8; 32]>(),
    ) {
        let mut text = format!("INVITE sip:x@fabrikam.test SIP/2.0\nVia: SIP/2.0/TLS {NODE};branch=z9hG4bKours\n");
        for (name, host, branch) in &vias {
            text.push_str(&format!("{name}: SIP/2.0/TLS {host};branch=z9hG4bK{branch}\n"));
        }
        for route in &routes {
            text.push_str(&format!("Record-Route: <{route}>;p_=1_\n"));
        }
        text.push_str(&format!("From: <sip:a@b>;tag=1\nTo: <sip:a@c>\nContact: <{contact}>;q=1\nCall-ID: c\nCSeq: 1 INVITE\n"));
        let original = wire(&text);
        let routing = routing();
        let (one, other) = (
            tokens(&[(1, old_key)], [0; 32]),
            tokens(&[(2, new_key), (1, old_key)], [0; 32]),
        );
        let of = |tokens| Hiding { tokens, routing: &routing, peer: PeerKey::of(PARTNER), sent_by: NODE, has_many_names: false };
        let mut hidden = original.clone();
        of(&one).hide(0, &mut hidden).unwrap();

        // The answer.
        let (sent, expected) = (echo(&hidden), echo(&original));
        let restored = of(&other).restore(&Message::parse(&sent).unwrap()).unwrap();
        prop_assert_eq!(restored.as_deref().unwrap_or(&sent), &expected);

        // A request in the dialog.
        let in_dialog = |message: &[u8]| {
            let message = Message::parse(message).unwrap();
            let contact = message.addresses(crate::sip::HeaderName::Contact).next().unwrap().unwrap();
            let mut text = format!("BYE {} SIP/2.0\r\n", String::from_utf8_lossy(contact.uri));
            for route in message.addresses(crate::sip::HeaderName::RecordRoute) {
                text.push_str(&format!("Route: <{}>\r\n", String::from_utf8_lossy(route.unwrap().uri)));
            }
            text.push_str("Content-Length: 0\r\n\r\n");
            text.into_bytes()
        };
        let (sent, expected) = (in_dialog(&hidden), in_dialog(&original));
        let restored = of(&other).restore(&Message::parse(&sent).unwrap()).unwrap();
        prop_assert_eq!(restored.as_deref().unwrap_or(&sent), &expected);
        // The same again gives the same: a re-INVITE's Contact is no new target.
        let mut again = original.clone();
        of(&one).hide(0, &mut again).unwrap();
        prop_assert_eq!(hidden, again);
    }
}
