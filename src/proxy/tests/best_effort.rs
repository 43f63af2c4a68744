//! BENOTIFY, which is never answered (MS-SIP §3.5): relayed in all directions, and nothing of it stays.
use super::world::*;
use crate::observe::Event;
use std::time::Duration;

const DIALOG_TO: &str = "<sip:bob@contoso.test>;tag=b";

/// As long as any timer of a transaction runs, and Timer C.
const LONG: Duration = Duration::from_secs(600);

fn benotify<'a>(branch: &'a str, more: &'a str) -> Request<'a> {
    Request::of("BENOTIFY")
        .to(DIALOG_TO)
        .branch(branch)
        .more(more)
}

/// A subscription of the client's: gives the route by which the server notifies.
fn subscribe(w: &mut World, client: crate::proxy::LinkId, home: crate::proxy::LinkId) -> String {
    w.ask(
        client,
        Request {
            method: "SUBSCRIBE",
            branch: "z9hG4bKsub",
            // As every SUBSCRIBE of Communicator, Lync and SIPE has it.
            more: "Contact: <sip:alice@192.0.2.50:5061;transport=tls>\nEvent: presence\nSupported: ms-benotify\n\
                   Proxy-Require: ms-benotify\n",
            ..Request::invite()
        },
    );
    let asked = w.expect(home, "SUBSCRIBE");
    assert_eq!(field(&asked, "Proxy-Require"), Some("ms-benotify"));
    w.answers_with(
        home,
        &asked,
        200,
        "Contact: <sip:fe01.contoso.test:5061>\nSupported: ms-benotify\n",
    );
    w.expect(client, "SIP/2.0 200");
    w.all_freed();
    field(&asked, "Record-Route").unwrap().to_owned()
}

#[track_caller]
fn nothing_stays(w: &mut World) {
    w.all_freed();
    w.pass(LONG);
    let down = |event: &Event| {
        matches!(
            event,
            Event::PeerUnavailable { .. } | Event::PeerDisconnected { .. }
        )
    };
    assert!(!w.events.iter().any(down));
    assert_eq!(w.reasons(), [""; 0]);
}

#[test]
fn a_home_server_notifies_a_client_and_a_thousand_unanswered_ones_leave_nothing() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let route = subscribe(&mut w, client, home);
    w.events.clear();
    for number in 0..1000 {
        let branch = format!("z9hG4bKn{number}");
        let more = format!("Route: {route}\nEvent: presence\n");
        let request = Request {
            uri: "sip:alice@192.0.2.50:5061;transport=tls",
            ..benotify(&branch, &more)
        };
        w.ask(home, request);
        let got = w.expect(client, "BENOTIFY sip:alice@192.0.2.50:5061;transport=tls ");
        assert_eq!(field(&got, "Route"), None, "ours is taken out");
        assert_eq!(field(&got, "Max-Forwards"), Some("69"));
        assert_eq!(fields(&got, "Via").len(), 2);
    }
    w.silent(home);
    assert!(
        w.events.is_empty(),
        "no line, not even with all requests logged"
    );
    nothing_stays(&mut w);
    w.silent(home);
    // What waits for nothing takes no place: the pool's member is as good as before.
    w.ask(client, Request::invite());
    w.expect(home, "INVITE");
}

#[test]
fn an_answer_to_it_is_ignored() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let route = subscribe(&mut w, client, home);
    w.events.clear();
    w.ask(home, benotify("z9hG4bKn", &format!("Route: {route}\n")));
    let got = w.expect(client, "BENOTIFY");
    for status in ["100 Trying", "200 OK", "481 Gone", "503 No"] {
        w.send(client, &answer(&got, status, ""));
    }
    w.silent(home);
    nothing_stays(&mut w);
}

#[test]
fn a_partner_and_a_home_server_notify_each_other() {
    let mut w = World::new();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    w.ask(
        partner,
        Request {
            from: EVE,
            ..benotify("z9hG4bK1", "")
        },
    );
    w.expect(home, "BENOTIFY sip:bob@contoso.test ");
    w.ask(
        home,
        Request {
            uri: "sip:x@fabrikam.test",
            ..benotify("z9hG4bK2", "")
        },
    );
    w.expect(partner, "BENOTIFY sip:x@fabrikam.test ");
    w.silent(home);
    w.silent(partner);
    nothing_stays(&mut w);
}

/// Every reason for which another request would be answered.
#[test]
fn a_refused_one_is_not_answered_either_and_the_log_says_why() {
    let mut w = World::new();
    let (client, home, partner) = (w.client(), w.peer(FE01), w.peer(PARTNER));
    let stranger = "<sip:mallory@elsewhere.test>;tag=a";
    for (link, request, reason) in [
        (
            partner,
            Request {
                from: stranger,
                ..benotify("z9hG4bK1", "")
            },
            "from_not_allowed",
        ),
        (
            client,
            Request {
                from: stranger,
                ..benotify("z9hG4bK2", "")
            },
            "from_not_allowed",
        ),
        (
            home,
            Request {
                uri: "sip:x@nowhere.test",
                ..benotify("z9hG4bK3", "")
            },
            "no_route",
        ),
        (
            home,
            Request {
                uri: "mailto:x@nowhere.test",
                ..benotify("z9hG4bK4", "")
            },
            "unsupported_scheme",
        ),
        (
            client,
            benotify("z9hG4bK5", "Route: <sip:forged@edge01.contoso.test;lr>\n"),
            "token_forged",
        ),
        (
            client,
            benotify("z9hG4bK6", "Proxy-Require: ms-benotify, other\n"),
            "bad_extension",
        ),
        (client, benotify("z9hG4bK", ""), "bad_branch"),
        (
            client,
            benotify("z9hG4bK9", "Max-Breadth: 0\n"),
            "max_breadth_exceeded",
        ),
        (
            client,
            Request {
                to: "<sip:bob@contoso.test",
                ..benotify("z9hG4bK8", "")
            },
            "malformed_request",
        ),
    ] {
        w.ask(link, request);
        for at in [client, home, partner] {
            w.silent(at);
        }
        assert!(
            matches!(&w.events[..], [Event::RequestRefused { request, .. }] if request.status.is_none())
        );
        assert_eq!(w.reasons(), [reason]);
    }
    nothing_stays(&mut w);
}

#[test]
fn it_goes_to_the_next_server_when_the_first_is_gone_and_waits_for_a_connection_when_all_are() {
    let mut w = World::new();
    let partner = w.peer(PARTNER);
    let second = w.peer(FE02);
    let benotify = |branch| Request {
        from: EVE,
        ..benotify(branch, "")
    };
    w.ask(partner, benotify("z9hG4bK1"));
    w.expect(second, "BENOTIFY");
    assert!(
        w.connects.is_empty(),
        "who can be reached at once is asked first"
    );
    w.lose(second);
    w.ask(partner, benotify("z9hG4bK2"));
    assert_eq!(w.connects.len(), 1);
    let first = w.peer(FE01);
    w.expect(first, "BENOTIFY");
    w.lose(first);
    // Nobody can be connected to: it is lost, and nobody is told.
    w.ask(partner, benotify("z9hG4bK3"));
    w.connect_failed(FE01);
    w.silent(partner);
    w.all_freed();
}

/// Draining takes nothing new, and lets what has begun go on.
#[test]
fn a_node_that_drains_lets_those_of_a_subscription_pass() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let route = subscribe(&mut w, client, home);
    w.cores[0].start_draining();
    w.events.clear();
    w.ask(home, benotify("z9hG4bK1", &format!("Route: {route}\n")));
    w.expect(client, "BENOTIFY");
    w.ask(client, benotify("z9hG4bK2", ""));
    w.silent(home);
    w.silent(client);
    assert!(w.events.is_empty());
}

/// To a partner from whom the home side is hidden as anything else.
#[test]
fn a_partner_that_is_shown_nothing_is_shown_nothing_in_it() {
    let mut topology = topology();
    topology.peers[2].boundary.hide_topology = true;
    let mut w = World::with(topology, 1);
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    w.ask(
        home,
        Request {
            uri: "sip:x@fabrikam.test",
            ..benotify(
                "z9hG4bK2",
                "Record-Route: <sip:fe01.contoso.test:5061;lr>\nContact: <sip:alice@10.1.2.3>\n",
            )
        },
    );
    let got = w.expect(partner, "BENOTIFY");
    assert!(
        !got.contains("fe01") && !got.contains("10.1.2.3") && !got.contains("ua.invalid"),
        "{got}"
    );
    w.answers(partner, &got, 200);
    w.silent(home);
    nothing_stays(&mut w);
}

/// What nobody answers must not push out what ends calls.
#[test]
fn those_that_wait_for_a_connection_leave_room_for_others() {
    let mut topology = topology();
    topology.limits.connect_queue = 8;
    let mut w = World::with(topology, 1);
    let (client, home, partner) = (w.client(), w.peer(FE01), w.peer(PARTNER));
    w.ask(client, Request::invite());
    let invite = w.expect(home, "INVITE");
    w.answers_with(home, &invite, 200, "Contact: <sip:bob@192.0.2.9>\n");
    w.expect(client, "SIP/2.0 200");
    w.lose(home);
    for number in 0..20 {
        let branch = format!("z9hG4bKn{number}");
        w.ask(
            partner,
            Request {
                from: EVE,
                ..benotify(&branch, "")
            },
        );
        // What a stranger sends waits for nothing.
        w.ask(client, benotify(&format!("z9hG4bKc{number}"), ""));
    }
    let route = field(&invite, "Record-Route").unwrap();
    w.ask(
        client,
        Request::of("ACK")
            .branch("z9hG4bKack")
            .to(DIALOG_TO)
            .more(&format!("Route: {route}\n")),
    );
    let home = w.peer(FE01);
    let mut got = Vec::new();
    while let Some(message) = w.take(home) {
        got.push(message.split(' ').next().unwrap().to_owned());
    }
    let count = |method: &str| got.iter().filter(|m| *m == method).count();
    assert_eq!((count("BENOTIFY"), count("ACK")), (4, 1));
}

/// No transaction counts them, so time does.
#[test]
fn a_client_sends_no_more_of_them_in_a_second_than_it_may_have_transactions_open() {
    let mut topology = topology();
    topology.limits.transactions_per_client = 5;
    let mut w = World::with(topology, 1);
    let (client, other, home) = (w.client(), w.client(), w.peer(FE01));
    for round in 0..3 {
        for number in 0..9 {
            w.ask(client, benotify(&format!("z9hG4bK{round}{number}"), ""));
            if number < 5 {
                w.expect(home, "BENOTIFY");
            }
            w.silent(home);
        }
        assert_eq!(w.reasons(), ["client_budget"; 4]);
        w.ask(other, benotify(&format!("z9hG4bKother{round}"), ""));
        w.expect(home, "BENOTIFY");
        w.silent(client);
        w.pass(Duration::from_secs(1));
    }
    // A server is trusted with what it sends.
    for number in 0..50 {
        let branch = format!("z9hG4bKh{number}");
        w.ask(
            home,
            Request {
                uri: "sip:x@nowhere.test",
                ..benotify(&branch, "")
            },
        );
    }
    assert_eq!(w.reasons(), ["no_route"; 50]);
}

#[test]
fn it_crosses_shards_to_the_client() {
    let mut w = World::with(topology(), 2);
    let (client, home) = (w.client_in(1), w.peer_in(0, FE01));
    let other = w.peer_in(1, FE01);
    let path = w.register(client, other, "");
    w.ask(
        home,
        Request {
            uri: "sip:alice@192.0.2.50:5061",
            ..benotify("z9hG4bKn", &path)
        },
    );
    w.expect(client, "BENOTIFY");
    w.silent(home);
}

/// A client that is gone: another request would be answered 430, and its sender would stop.
#[test]
fn for_a_client_that_is_gone_it_is_dropped_without_a_line() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let route = subscribe(&mut w, client, home);
    w.lose(client);
    w.events.clear();
    w.ask(home, benotify("z9hG4bKn", &format!("Route: {route}\n")));
    w.silent(home);
    w.all_freed();
    assert!(w.events.is_empty());
}

#[test]
fn even_one_that_cannot_be_framed_is_not_answered() {
    let head = |method: &str| {
        format!(
            "{method} sip:a@contoso.test SIP/2.0\r\nVia: SIP/2.0/TLS a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\n\r\n"
        )
    };
    for (method, is_answered) in [
        ("NOTIFY", true),
        ("BENOTIFY", false),
        ("ACK", false),
        ("benotify", true),
    ] {
        let mut out = Vec::new();
        let source = std::net::SocketAddr::from(([192, 0, 2, 1], 5061));
        let wrote =
            crate::sip::write_unframed_reply(head(method).as_bytes(), source, 400, b"t", &mut out);
        assert_eq!(wrote, is_answered, "{method}");
    }
}
