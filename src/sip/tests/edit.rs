//! RFC 3261 §16.4, §16.6, §16.7, §18.2.1 and RFC 3581 §4: what changes, and that nothing else does.
use super::{INVITE, message, text};
use crate::sip::{Edits, HeaderName, Message, ViaParams};
use std::net::SocketAddr;

fn edited(bytes: &[u8], plan: impl for<'m, 'a> FnOnce(&mut Edits<'m, 'a>)) -> String {
    let message = message(bytes);
    let mut edits = Edits::new(&message);
    plan(&mut edits);
    let mut out = b"before".to_vec();
    edits.write(&mut out);
    assert!(out.starts_with(b"before"));
    text(&out[6..]).to_owned()
}

/// The INVITE with one piece of text in it changed.
fn changed(from: &str, to: &str) -> String {
    let whole = text(INVITE);
    assert_eq!(whole.matches(from).count(), 1, "{from:?}");
    whole.replace(from, to)
}

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

#[test]
fn without_edits_every_byte_comes_out_equal() {
    assert_eq!(edited(INVITE, |_| {}), text(INVITE));
}

#[test]
fn the_request_uri_alone_is_replaced() {
    assert_eq!(
        edited(INVITE, |e| e.set_request_uri(b"sip:x")),
        changed("sip:bob@contoso.test SIP", "sip:x SIP")
    );
    let response = b"SIP/2.0 200 OK\r\n\r\n";
    assert_eq!(
        edited(response, |e| e.set_request_uri(b"sip:x")),
        text(response)
    );
}

#[test]
fn our_via_goes_on_top() {
    assert_eq!(
        edited(INVITE, |e| e.prepend_via(
            "edge.test",
            b"z9hG4bKz",
            ViaParams::Alias
        )),
        changed(
            "v: SIP",
            "Via: SIP/2.0/TLS edge.test;branch=z9hG4bKz;alias\r\nv: SIP"
        )
    );
    assert_eq!(
        edited(b"A b SIP/2.0\r\nX: y\r\n\r\n", |e| {
            e.prepend_via("e:1", b"z", ViaParams::Plain);
        }),
        "A b SIP/2.0\r\nVia: SIP/2.0/TLS e:1;branch=z\r\nX: y\r\n\r\n"
    );
}

#[test]
fn the_top_via_alone_is_stamped() {
    let bytes = INVITE;
    assert_eq!(
        edited(bytes, |e| stamp(e, bytes, "[2001:db8::1]:40000")),
        changed(
            ";rport;branch=z9hG4bKaa ,",
            ";rport=40000;branch=z9hG4bKaa;received=2001:db8::1 ,"
        )
    );
}

/// The bytes must be those that are edited, not equal ones.
fn stamp(edits: &mut Edits<'_, '_>, bytes: &[u8], source: &str) {
    let via = message(bytes).top_via().unwrap();
    edits.stamp_top_via(&via, at(source));
}

fn stamped(via: &str, source: &str) -> String {
    let bytes = format!("A b SIP/2.0\r\nVia: {via}\r\n\r\n");
    let out = edited(bytes.as_bytes(), |e| stamp(e, bytes.as_bytes(), source));
    out.strip_prefix("A b SIP/2.0\r\nVia: ")
        .unwrap()
        .trim_end()
        .to_owned()
}

#[test]
fn received_is_written_for_names_and_foreign_addresses_and_with_rport() {
    for (via, source, expected) in [
        (
            "SIP/2.0/TLS a",
            "192.0.2.1:9",
            "SIP/2.0/TLS a;received=192.0.2.1",
        ),
        (
            "SIP/2.0/TLS 192.0.2.2;x",
            "192.0.2.1:9",
            "SIP/2.0/TLS 192.0.2.2;x;received=192.0.2.1",
        ),
        (
            "SIP/2.0/TLS 192.0.2.1:5;x",
            "192.0.2.1:9",
            "SIP/2.0/TLS 192.0.2.1:5;x",
        ),
        (
            "SIP/2.0/TLS 192.0.2.1",
            "[::ffff:192.0.2.1]:9",
            "SIP/2.0/TLS 192.0.2.1",
        ),
        ("SIP/2.0/TLS [::1]", "[::1]:9", "SIP/2.0/TLS [::1]"),
        (
            "SIP/2.0/TLS [::2]",
            "[::1]:9",
            "SIP/2.0/TLS [::2];received=::1",
        ),
        (
            "SIP/2.0/TLS 192.0.2.1;rport",
            "192.0.2.1:9",
            "SIP/2.0/TLS 192.0.2.1;rport=9;received=192.0.2.1",
        ),
    ] {
        assert_eq!(stamped(via, source), expected);
    }
}

#[test]
fn what_the_sender_wrote_as_received_or_rport_is_overwritten() {
    for (via, expected) in [
        (
            "SIP/2.0/TLS a;received=6.6.6.6;rport=6;branch=z",
            "SIP/2.0/TLS a;rport=9;branch=z;received=192.0.2.1",
        ),
        (
            "SIP/2.0/TLS 192.0.2.1 ; Received = [::6] ; x",
            "SIP/2.0/TLS 192.0.2.1  ; x",
        ),
        (
            "SIP/2.0/TLS a;RPORT = 6;rport=7;received;received=1",
            "SIP/2.0/TLS a;RPORT=9;received=192.0.2.1",
        ),
    ] {
        assert_eq!(stamped(via, "192.0.2.1:9"), expected);
    }
}

#[test]
fn vias_are_popped_by_value_and_by_line() {
    assert_eq!(
        edited(INVITE, |e| e.pop_via()),
        changed(
            "SIP/2.0/TLS phone.contoso.test;rport;branch=z9hG4bKaa , ",
            ""
        )
    );
    let two = "v: SIP/2.0/TLS phone.contoso.test;rport;branch=z9hG4bKaa , SIP/2.0/TLS 192.0.2.9;branch=z9hG4bKbb\r\n";
    assert_eq!(
        edited(INVITE, |e| {
            e.pop_via();
            e.pop_via();
        }),
        changed(two, "")
    );
    let last = b"SIP/2.0 200 OK\r\nVia : SIP/2.0/TLS a\r\n ;branch=z\r\nX: y\r\n\r\n";
    assert_eq!(
        edited(last, |e| e.pop_via()),
        "SIP/2.0 200 OK\r\nX: y\r\n\r\n"
    );
}

#[test]
fn routes_are_popped_over_lines_and_lists() {
    let lines = [
        "Route: <sip:a.test;lr>, \"x,y\" <sip:b.test;lr>\r\n",
        "ROUTE: <sip:c.test;lr>,\r\n <sip:d,d@d.test;lr>\r\n",
    ];
    let all = lines.concat();
    for (first, last, left) in [
        (0, 0, all.clone()),
        (
            1,
            0,
            format!("Route: \"x,y\" <sip:b.test;lr>\r\n{}", lines[1]),
        ),
        (2, 0, lines[1].to_owned()),
        (3, 0, "ROUTE: <sip:d,d@d.test;lr>\r\n".to_owned()),
        (4, 0, String::new()),
        (9, 3, String::new()),
        (0, 1, format!("{}ROUTE: <sip:c.test;lr>\r\n", lines[0])),
        (0, 2, lines[0].to_owned()),
        (0, 3, "Route: <sip:a.test;lr>\r\n".to_owned()),
        (
            1,
            1,
            "Route: \"x,y\" <sip:b.test;lr>\r\nROUTE: <sip:c.test;lr>\r\n".to_owned(),
        ),
        (1, 2, "Route: \"x,y\" <sip:b.test;lr>\r\n".to_owned()),
        (2, 2, String::new()),
        (3, 2, String::new()),
    ] {
        let out = edited(INVITE, |e| {
            e.pop_routes(first);
            (0..last).for_each(|_| e.pop_last_route());
        });
        assert_eq!(out, changed(&all, &left), "first {first}, last {last}");
    }
}

#[test]
fn max_forwards_is_replaced_in_place_or_inserted_below_the_vias() {
    assert_eq!(
        edited(INVITE, |e| e.set_max_forwards(67)),
        changed("0068 ", "67 ")
    );
    assert_eq!(
        edited(
            b"A b SIP/2.0\r\nX: y\r\nv: SIP/2.0/TLS a\r\nZ: z\r\n\r\n",
            |e| {
                e.set_max_forwards(70);
            }
        ),
        "A b SIP/2.0\r\nX: y\r\nv: SIP/2.0/TLS a\r\nMax-Forwards: 70\r\nZ: z\r\n\r\n"
    );
}

#[test]
fn record_routes_go_above_the_received_ones_the_last_call_on_top() {
    assert_eq!(
        edited(INVITE, |e| {
            e.prepend_record_route(b"sip:one;lr");
            e.prepend_record_route(b"sip:two;lr");
        }),
        changed(
            "Record-Route: <sip:r.test",
            "Record-Route: <sip:two;lr>\r\nRecord-Route: <sip:one;lr>\r\nRecord-Route: <sip:r.test"
        )
    );
    assert_eq!(
        edited(INVITE, |e| e.prepend_path(b"sip:p;lr")),
        changed("z9hG4bKcc\r\n", "z9hG4bKcc\r\nPath: <sip:p;lr>\r\n")
    );
}

#[test]
fn a_whole_new_route_can_be_set() {
    let routes = "Route: <sip:a.test;lr>, \"x,y\" <sip:b.test;lr>\r\nROUTE: <sip:c.test;lr>,\r\n <sip:d,d@d.test;lr>\r\n";
    assert_eq!(
        edited(INVITE, |e| {
            e.append_route(b"sip:1");
            e.strip(HeaderName::Route);
            e.append_route(b"sip:2");
        }),
        changed(routes, "Route: <sip:1>\r\nRoute: <sip:2>\r\n")
    );
    assert_eq!(
        edited(INVITE, |e| e.append_route(b"sip:z")),
        changed(routes, &format!("{routes}Route: <sip:z>\r\n"))
    );
}

#[test]
fn strip_removes_lines_with_their_folds_and_never_others() {
    assert_eq!(
        edited(INVITE, |e| {
            e.strip(HeaderName::PAssertedIdentity);
            e.strip(HeaderName::Other);
            e.strip(HeaderName::Privacy);
        }),
        changed(
            "P-Asserted-Identity: <sip:eve@contoso.test>,\r\n\t<tel:+1>\r\n",
            ""
        )
    );
}

#[test]
fn all_edits_compose() {
    let bytes = INVITE;
    let out = edited(bytes, |e| {
        e.strip(HeaderName::PAssertedIdentity);
        e.pop_routes(2);
        e.set_max_forwards(67);
        stamp(e, bytes, "192.0.2.7:7");
        e.prepend_record_route(b"sip:e;lr");
        e.prepend_via("e.test", b"z9hG4bKq", ViaParams::Plain);
        e.set_request_uri(b"sip:bob@192.0.2.77");
    });
    let expected = text(INVITE)
        .replace("sip:bob@contoso.test SIP", "sip:bob@192.0.2.77 SIP")
        .replace(
            "v: SIP",
            "Via: SIP/2.0/TLS e.test;branch=z9hG4bKq\r\nv: SIP",
        )
        .replace(
            ";rport;branch=z9hG4bKaa ,",
            ";rport=7;branch=z9hG4bKaa;received=192.0.2.7 ,",
        )
        .replace("0068", "67")
        .replace("Route: <sip:a.test;lr>, \"x,y\" <sip:b.test;lr>\r\n", "")
        .replace(
            "P-Asserted-Identity: <sip:eve@contoso.test>,\r\n\t<tel:+1>\r\n",
            "",
        )
        .replace(
            "Record-Route: <sip:r",
            "Record-Route: <sip:e;lr>\r\nRecord-Route: <sip:r",
        );
    assert_eq!(out, expected);
    assert_eq!(Message::parse(out.as_bytes()).unwrap().fault(), None);
}

#[test]
fn a_popped_via_is_not_stamped() {
    let bytes = b"A b SIP/2.0\r\nVia: SIP/2.0/TLS a;rport\r\n\r\n";
    let out = edited(bytes, |e| {
        stamp(e, bytes, "192.0.2.7:7");
        e.pop_via();
    });
    assert_eq!(out, "A b SIP/2.0\r\n\r\n");
}
