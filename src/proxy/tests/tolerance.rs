//! What the proxy does not use is no reason to refuse; what it uses is read as RFC 3261's grammar allows.
use super::world::*;

/// Lines and fields as odd as the field has them; each must arrive as it was sent.
#[test]
fn odd_fields_that_decide_nothing_pass_as_they_are() {
    for (number, (from, to, more)) in [
        ("<sip:a@contoso.test>;tag=a;x=", "<sip:b@contoso.test>", ""),
        ("<sip:a@contoso.test>;tag=a;", "<sip:b@contoso.test>;", ""),
        ("<sip:a@contoso.test>;;tag=a", "<sip:b@contoso.test>;tag=", ""),
        ("Anna (desk) <sip:a@contoso.test>;tag=a", "Bob [2] <sip:b@contoso.test>", ""),
        ("<sip:a@contoso.test;transport=tls;transport=tls>;tag=a", "<sip:@contoso.test>", ""),
        ("<sip:@contoso.test>;tag=a", "<sip:100%@contoso.test>", ""),
        ("<sip:a@contoso.test;lr;lr=on>;tag = a ; x = y z", "<sip:b@contoso.test>", ""),
        ("<sip:a@contoso.test>;tag=a", "<tel:1-800-FLOWERS>", ""),
        ("<sip:a@contoso.test>;tag=a", "<sip:b@contoso.test:99999>", ""),
        (
            "<sip:a@contoso.test>;tag=a",
            "<sip:b@contoso.test>",
            "Proxy-Require:\nContact: <sip:a@192.0.2.1;x=>;expires=;;\nSupported: ,path,\nExpires: soon\nAccept: */*;q=\nDate: yesterday\n",
        ),
        (
            "<sip:a@contoso.test>;tag=a",
            "<sip:b@contoso.test>",
            "Via: SIP/2.0/TLS [fe80::1%25eth0]:5061;branch=z9hG4bKlow;received=\nRecord-Route: <sip:h;lr\n",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut w = World::new();
        let (client, home) = (w.client(), w.peer(FE01));
        let branch = format!("z9hG4bK{number}");
        w.ask(client, Request::invite().from(from).to(to).more(more).branch(&branch));
        let sent = w.expect(home, "INVITE");
        for line in more.lines() {
            assert!(sent.contains(&format!("\r\n{line}\r\n")), "{line}: {sent}");
        }
        for line in [format!("From: {from}"), format!("To: {to}")] {
            assert!(sent.contains(&format!("\r\n{line}\r\n")), "{line}: {sent}");
        }
    }
}

/// The topmost Via of a request: only its branch counts, and who sent it is known by the connection.
#[test]
fn an_odd_topmost_via_is_stamped_and_answered() {
    for via in [
        "SIP/2.0/TLS 192.0.2.1:5061;rport=;received=;alias=;branch=z9hG4bKx",
        "SIP / 2.0 / TLS\t192.0.2.1 : 5061 ; branch = z9hG4bKx ; alias =",
        "SIP/2.0/TLS [fe80::1%25eth0]:5061;branch=z9hG4bKx;rport",
        "SIP/2.0/TLS phone_1:65536;branch=z9hG4bKx;x=a b",
        "sip/2.0/tls 10.0.0.300;branch=z9hG4bKx",
    ] {
        let mut w = World::new();
        let (client, home) = (w.client(), w.peer(FE01));
        let request = Request::invite().to_string();
        let (start, rest) = request.split_once("Via: ").unwrap();
        let (_, rest) = rest.split_once('\n').unwrap();
        w.send(client, &format!("{start}Via: {via}\n{rest}"));
        let sent = w.expect(home, "INVITE");
        assert!(
            sent.contains(";received=198.51.100.") || sent.contains(";received=192."),
            "{sent}"
        );
        w.answers(home, &sent, 200);
        let ok = w.expect(client, "SIP/2.0 200");
        assert!(ok.contains("branch"), "{ok}");
    }
}

/// A server that writes our Via in another way than we did, as the grammar lets it, or adds to it.
#[test]
fn our_own_via_is_known_however_it_comes_back() {
    let ways: [fn(&str) -> String; 9] = [
        |via| via.replace(";alias", ";alias="),
        |via| format!("{via};received=;rport="),
        |via| format!("{via};received=192.0.2.1;x=a b"),
        |via| via.replace("SIP/2.0/TLS ", "SIP / 2.0 / TLS  "),
        |via| via.replace("edge01.contoso.test", "EDGE01.Contoso.TEST"),
        |via| via.replace("edge01.contoso.test", "edge01.contoso.test."),
        |via| {
            let (host, rest) = via.split_once(';').unwrap();
            match host.rsplit_once(':') {
                Some((host, port)) => format!("{host} : {port} ; {rest}"),
                None => format!("{host} : 5061 ; {rest}"),
            }
        },
        |via| via.replace(";branch=", " ;\n branch = "),
        |via| via.replace(";branch=", ";BRANCH="),
    ];
    for (number, way) in ways.into_iter().enumerate() {
        let mut w = World::new();
        let (client, home) = (w.client(), w.peer(FE01));
        w.ask(client, Request::invite());
        let sent = w.expect(home, "INVITE");
        let via = field(&sent, "Via").unwrap();
        let changed = way(via);
        assert_ne!(via, changed, "way {number}");
        let ok = answer(&sent, "200 OK", "").replacen(via, &changed, 1);
        w.send(home, &ok);
        w.expect(client, "SIP/2.0 200");
        assert_eq!(w.reasons(), [""; 0], "way {number}");
    }
}

/// What decides is still refused, whoever writes it.
#[test]
fn what_decides_stays_strict() {
    for (find, replace) in [
        (";branch=z9hG4bK1", ";branch=z9hG4bK1;branch=z9hG4bK2"),
        (";branch=z9hG4bK1", ";branch=z9hG4bK1;;"),
        (";branch=z9hG4bK1", ";branch=\"z9hG4bK1"),
        (";tag=a", ";tag=a;tag=b"),
        ("From: ", "From: <sip:b@contoso.test>\nFrom: "),
        ("Max-Forwards: 70", "Max-Forwards: 70\nMax-Forwards: 70"),
        (
            "INVITE sip:bob@contoso.test",
            "INVITE sip:bob@contoso.test;maddr=a.test;maddr=b.test",
        ),
        (
            "INVITE sip:bob@contoso.test",
            "INVITE sip:bob@contoso.test?Route=x",
        ),
        (
            "INVITE sip:bob@contoso.test",
            "INVITE sip:bob@contoso.test@fabrikam.test",
        ),
        ("CSeq: 1 INVITE", "CSeq: 1 BYE"),
        ("Call-ID: call-1", "Call-ID: call 1"),
    ] {
        let mut w = World::new();
        let (client, home) = (w.client(), w.peer(FE01));
        let request = Request::invite().branch("z9hG4bK1");
        let text = request.to_string();
        let changed = text.replacen(find, replace, 1);
        assert_ne!(text, changed, "{find} in {text}");
        w.send(client, &changed);
        w.expect(client, "SIP/2.0 400");
        w.silent(home);
    }
}
