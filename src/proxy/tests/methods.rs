//! Every method in both directions, early dialogs of a request that was forked below us, and route sets of several
//! proxies (RFC 3261 §12.2, §16.12; RFC 3262, 3311, 3903, 6665, 3515, 6086, 3428).
use super::world::*;
use crate::proxy::LinkId;

/// All that may be sent inside a dialog.
const IN_DIALOG: [&str; 11] = [
    "INVITE",
    "UPDATE",
    "PRACK",
    "INFO",
    "REFER",
    "SUBSCRIBE",
    "NOTIFY",
    "MESSAGE",
    "OPTIONS",
    "FROBNICATE",
    "BYE",
];

/// An INVITE of the client as the home server saw it, not answered yet.
fn ringing(w: &mut World, client: LinkId, home: LinkId) -> String {
    w.ask(client, Request::invite());
    w.expect(home, "INVITE")
}

/// The Path that a client's registration got.
fn path_of(w: &mut World, client: LinkId, home: LinkId) -> String {
    let path = w.register(client, home, "");
    path.trim_start_matches("Route: ").trim_end().to_owned()
}

/// Sends a request and its 200 through, and gives it as it came out.
#[track_caller]
fn passes(w: &mut World, from: LinkId, to: LinkId, request: &Request<'_>) -> String {
    w.send(from, &request.to_string());
    let got = w.expect(
        to,
        &format!("{} {} SIP/2.0\r\n", request.method, request.uri),
    );
    assert_eq!(fields(&got, "Via").len(), 2);
    w.answers(to, &got, 200);
    let ok = w.expect(from, "SIP/2.0 200");
    assert_eq!(fields(&ok, "Via").len(), 1);
    got
}

#[test]
fn early_dialogs_of_a_fork_below_us_each_keep_their_tag_and_every_2xx_passes() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let invite = ringing(&mut w, client, home);
    let with_tag = |status: &str, tag: &str| {
        answer(&invite, status, "").replace(";tag=b", &format!(";tag={tag}"))
    };
    let mut own = None;
    for (status, tag) in [
        ("180 Ringing", "one"),
        ("183 Session Progress", "two"),
        ("180 Ringing", "three"),
        ("180 Ringing", "one"),
        ("200 OK", "two"),
        ("200 OK", "one"),
    ] {
        w.send(home, &with_tag(status, tag));
        let got = w.expect(client, &format!("SIP/2.0 {status}"));
        assert!(field(&got, "To").unwrap().ends_with(&format!(";tag={tag}")));
        // The client has no registration, and sees a value of its own (RFC 5658), the same each time.
        let seen = field(&got, "Record-Route").map(str::to_owned);
        assert!(seen.is_some() && seen.as_deref() != field(&invite, "Record-Route"));
        assert_eq!(*own.get_or_insert_with(|| seen.clone()), seen);
    }
    // RFC 6026 §7.1: after a 2xx no provisional answer and no failure of another fork.
    w.send(home, &with_tag("180 Ringing", "three"));
    w.send(home, &with_tag("486 Busy Here", "three"));
    w.silent(client);
    // Both dialogs are acknowledged, and the one that nobody wants is ended.
    let route = route_of(&invite);
    for (tag, branch) in [("two", "z9hG4bKa2"), ("one", "z9hG4bKa1")] {
        let to = format!("<sip:bob@contoso.test>;tag={tag}");
        w.ask(
            client,
            Request::of("ACK").to(&to).branch(branch).more(&route),
        );
        let ack = w.expect(home, "ACK");
        assert_eq!(field(&ack, "To"), Some(to.as_str()));
    }
    let bye = Request::of("BYE")
        .to("<sip:bob@contoso.test>;tag=one")
        .cseq(2)
        .branch("z9hG4bKbye")
        .more(&route);
    passes(&mut w, client, home, &bye);
}

#[test]
fn prack_and_update_pass_in_an_early_dialog_in_both_directions() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let invite = ringing(&mut w, client, home);
    let reliable = "Require: 100rel\nRSeq: 1\nContact: <sip:bob@10.0.0.9>\n";
    w.answers_with(home, &invite, 183, reliable);
    let progress = w.expect(client, "SIP/2.0 183");
    assert_eq!(field(&progress, "RSeq"), Some("1"));
    let route = route_of(&invite);
    let more = format!("{route}RAck: 1 1 INVITE\n");
    let prack = Request::of("PRACK")
        .uri("sip:bob@10.0.0.9")
        .to("<sip:bob@contoso.test>;tag=b")
        .cseq(2)
        .branch("z9hG4bKprack")
        .more(&more);
    let got = passes(&mut w, client, home, &prack);
    assert_eq!(field(&got, "RAck"), Some("1 1 INVITE"));
    assert_eq!(field(&got, "Route"), None);
    for (from, to, uri, whose) in [
        (
            client,
            home,
            "sip:bob@10.0.0.9",
            "<sip:alice@contoso.test>;tag=a",
        ),
        (
            home,
            client,
            "sip:alice@10.0.0.1",
            "<sip:bob@contoso.test>;tag=b",
        ),
    ] {
        let update = Request::of("UPDATE")
            .uri(uri)
            .from(whose)
            .in_dialog()
            .cseq(3)
            .branch("z9hG4bKupdate")
            .more(&route);
        passes(&mut w, from, to, &update);
    }
    // The INVITE was not disturbed by any of it.
    w.answers(home, &invite, 200);
    w.expect(client, "SIP/2.0 200");
}

#[test]
fn every_method_passes_inside_a_dialog_in_both_directions() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let invite = ringing(&mut w, client, home);
    w.answers(home, &invite, 200);
    w.expect(client, "SIP/2.0 200");
    let ours = field(&invite, "Record-Route").unwrap();
    for (n, method) in IN_DIALOG.into_iter().enumerate() {
        for (side, (from, to, whose)) in [
            (client, home, "<sip:alice@contoso.test>;tag=a"),
            (home, client, "<sip:bob@contoso.test>;tag=b"),
        ]
        .into_iter()
        .enumerate()
        {
            let branch = format!("z9hG4bK{n}x{side}");
            let more = format!("Route: {ours}, <sip:next.contoso.test;lr>\nX-Odd :  a\n b\n");
            let request = Request {
                method,
                uri: "sip:there@10.0.0.7;ob",
                from: whose,
                to: "<sip:x@contoso.test>;tag=t",
                cseq: 10 + n as u32,
                branch: &branch,
                more: &more,
            };
            let got = passes(&mut w, from, to, &request);
            assert_eq!(
                field(&got, "Route"),
                Some("<sip:next.contoso.test;lr>"),
                "{method}"
            );
            assert!(got.contains("\r\nX-Odd :  a\r\n b\r\n"), "{method}");
            assert_eq!(
                field(&got, "CSeq"),
                Some(format!("{} {method}", 10 + n).as_str())
            );
        }
    }
}

#[test]
fn what_may_form_a_dialog_is_record_routed_and_nothing_else_is() {
    for (method, recorded) in [
        ("INVITE", true),
        ("SUBSCRIBE", true),
        ("REFER", true),
        ("NOTIFY", true),
        ("FROBNICATE", true),
        ("MESSAGE", false),
        ("PUBLISH", false),
        ("OPTIONS", false),
        ("INFO", false),
    ] {
        let mut w = World::new();
        let (client, home) = (w.client(), w.peer(FE01));
        let path = path_of(&mut w, client, home);
        let request = Request::of(method);
        let got = passes(&mut w, client, home, &request);
        assert_eq!(
            field(&got, "Record-Route").is_some(),
            recorded,
            "{method} from a client"
        );
        let route = format!("Route: {path}\n");
        let request = Request::of(method)
            .uri("sip:alice@10.0.0.1")
            .branch("z9hG4bKdown")
            .more(&route);
        let got = passes(&mut w, home, client, &request);
        assert_eq!(
            field(&got, "Record-Route").is_some(),
            recorded,
            "{method} to a client"
        );
        w.pass(std::time::Duration::from_secs(33));
        w.all_freed();
    }
}

#[test]
fn a_subscription_is_refreshed_and_notified_along_its_route() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let subscribe = Request::of("SUBSCRIBE")
        .more("Event: presence\nExpires: 600\nContact: <sip:alice@10.0.0.1>\n");
    let got = passes(&mut w, client, home, &subscribe);
    let route = route_of(&got);
    // RFC 6665 §4.1.3: the NOTIFY may come before or after the 200 and makes the dialog; it goes the same way.
    for n in 1..4 {
        let branch = format!("z9hG4bKn{n}");
        let notify = Request {
            method: "NOTIFY",
            uri: "sip:alice@10.0.0.1",
            from: "<sip:bob@contoso.test>;tag=b",
            to: "<sip:alice@contoso.test>;tag=a",
            cseq: n,
            branch: &branch,
            more: &format!("{route}Event: presence\nSubscription-State: active\n"),
        };
        let got = passes(&mut w, home, client, &notify);
        assert_eq!(field(&got, "Subscription-State"), Some("active"));
    }
    let more = format!("{route}Event: presence\nExpires: 0\n");
    let refresh = Request::of("SUBSCRIBE")
        .to("<sip:bob@contoso.test>;tag=b")
        .cseq(2)
        .branch("z9hG4bKrefresh")
        .more(&more);
    passes(&mut w, client, home, &refresh);
    w.all_freed();
}

#[test]
fn a_route_set_of_several_proxies_is_followed_in_order_from_both_sides() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let path = path_of(&mut w, client, home);
    // A call to the client that has passed two recording proxies at home.
    let more = format!(
        "Route: {path}\nRecord-Route: <sip:fe01.contoso.test;lr;r2=on>\n\
         Record-Route: <sip:pbx.contoso.test;lr;ftag=c>, <sip:gw.contoso.test;lr>\n"
    );
    let call = Request::invite()
        .uri("sip:alice@10.0.0.1")
        .from("<sip:carol@fabrikam.test>;tag=c")
        .to("<sip:alice@contoso.test>")
        .more(&more);
    w.ask(home, call);
    let invite = w.expect(client, "INVITE");
    let recorded = fields(&invite, "Record-Route");
    assert_eq!(recorded.len(), 3, "ours stands alone on top: {recorded:?}");
    assert!(recorded[0].contains("@edge01.contoso.test"));
    assert_eq!(recorded[1], "<sip:fe01.contoso.test;lr;r2=on>");
    w.answers(client, &invite, 200);
    let ok = w.expect(home, "SIP/2.0 200");
    assert_eq!(fields(&ok, "Record-Route"), recorded);
    // The callee hangs up: its route is what was recorded, top first (RFC 3261 §12.1.1).
    let route: String = recorded.iter().map(|r| format!("Route: {r}\n")).collect();
    let bye = Request::of("BYE")
        .uri("sip:carol@10.9.9.9")
        .from("<sip:alice@contoso.test>;tag=b")
        .to("<sip:carol@fabrikam.test>;tag=c")
        .branch("z9hG4bKbye")
        .more(&route);
    let got = passes(&mut w, client, home, &bye);
    assert_eq!(fields(&got, "Route"), recorded[1..]);
    // The caller's request comes back through the others, and only ours is left of its route.
    let route = format!("Route: {}\n", recorded[0]);
    let bye = Request::of("BYE")
        .uri("sip:alice@10.0.0.1")
        .from("<sip:carol@fabrikam.test>;tag=c")
        .to("<sip:alice@contoso.test>;tag=b")
        .branch("z9hG4bKbye2")
        .more(&route);
    let got = passes(&mut w, home, client, &bye);
    assert_eq!(field(&got, "Route"), None);
}

#[test]
fn a_call_between_partners_passes_us_twice_and_each_side_ends_it() {
    let mut w = World::new();
    let (client, home, partner) = (w.client(), w.peer(FE01), w.peer(PARTNER));
    // Up to the home server, and from there through us again to the partner.
    w.ask(
        client,
        Request::invite()
            .uri("sip:carol@fabrikam.test")
            .to("<sip:carol@fabrikam.test>"),
    );
    let first = w.expect(home, "INVITE");
    let onward = first
        .replacen(
            "Via: ",
            "Via: SIP/2.0/TLS fe01.contoso.test;branch=z9hG4bKfe\r\nVia: ",
            1,
        )
        .replacen(
            "Record-Route",
            "Record-Route: <sip:fe01.contoso.test;lr>\r\nRecord-Route",
            1,
        );
    w.send_bytes(home, onward.as_bytes());
    let second = w.expect(partner, "INVITE sip:carol@fabrikam.test");
    let recorded = fields(&second, "Record-Route");
    assert_eq!(recorded.len(), 3);
    assert_ne!(recorded[0], recorded[2]);
    w.answers(partner, &second, 200);
    let ok = w.expect(home, "SIP/2.0 200");
    // The home server takes its Via off.
    let mut lines: Vec<&str> = ok.split("\r\n").collect();
    let own = lines.iter().position(|l| l.contains("z9hG4bKfe")).unwrap();
    lines.remove(own);
    w.send_bytes(home, lines.join("\r\n").as_bytes());
    w.expect(client, "SIP/2.0 200");
    // The partner hangs up: our partner leg, the home server, our client leg.
    let route: String = recorded.iter().map(|r| format!("Route: {r}\n")).collect();
    let bye = Request::of("BYE")
        .uri("sip:alice@10.0.0.1")
        .from("<sip:carol@fabrikam.test>;tag=b")
        .to("<sip:alice@contoso.test>;tag=a")
        .branch("z9hG4bKbye")
        .more(&route);
    w.ask(partner, bye);
    let at_home = w.expect(home, "BYE sip:alice@10.0.0.1");
    assert_eq!(fields(&at_home, "Route"), recorded[1..]);
    let onward = at_home
        .replacen("Route: <sip:fe01.contoso.test;lr>\r\n", "", 1)
        .replacen(
            "Via: ",
            "Via: SIP/2.0/TLS fe01.contoso.test;branch=z9hG4bKfe2\r\nVia: ",
            1,
        );
    w.send_bytes(home, onward.as_bytes());
    let at_client = w.expect(client, "BYE sip:alice@10.0.0.1");
    assert_eq!(field(&at_client, "Route"), None);
    w.answers(client, &at_client, 200);
    let ok = w.expect(home, "SIP/2.0 200");
    assert_eq!(fields(&ok, "Via").len(), 3);
}
