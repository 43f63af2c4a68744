//! Traces: the messages of a call while they pass, masked, with refusals in place, and never in the way of a call.
use crate::harness::{SOON, World, message_passes};
use serde_json::Value;
use sipward_lab::Client;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

const FE01: &str = "fe01.contoso.test";

/// Runs a trace, and `then` when it has begun; what the trace has printed.
async fn traced(world: &World, arguments: &[&str], then: impl Future) -> (Option<i32>, String) {
    let log = &world.edge.log;
    let mark = log.mark();
    let trace = world.edge.command_text(arguments);
    let traffic = async {
        log.wait_after(mark, "trace_started", |_| true)
            .await
            .unwrap();
        then.await;
    };
    tokio::join!(trace, traffic).0
}

/// A call with a key in its body, and a request of the same client that is refused.
async fn call_and_refusal(world: &World, alice: &Client) {
    let invite = alice.invite("sip:bob@contoso.test");
    let invite = invite
        .header(
            "Authorization",
            "Digest username=\"alice\", response=\"c0ffee\"",
        )
        .body(
            "application/sdp",
            b"v=0\r\na=crypto:1 X inline:secretkey\r\n",
        );
    let sent = invite.send().await.unwrap();
    let got = world.fe01.expect("INVITE").await.unwrap();
    assert!(
        got.message
            .header("authorization")
            .unwrap()
            .contains("c0ffee")
    );
    world.fe01.reply(&got, 486).await.unwrap();
    alice.answer(&sent, 486).await.unwrap();
    world.fe01.expect("ACK").await.unwrap();
    let hostile = alice.message("sip:bob@contoso.test", "x");
    let hostile = hostile.set("From", "<sip:eve@fabrikam.test>;tag=1");
    let sent = hostile.send().await.unwrap();
    alice.answer(&sent, 403).await.unwrap();
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn a_call_is_traced_on_both_its_hops_without_its_secrets_and_the_refusal_is_in_place() {
    let world = World::new().await;
    let (alice, _) = world.registered("alice").await;
    let trace = [
        "trace", "--user", "alice", "--json", "--for", "60s", "--limit", "20",
    ];
    let traffic = async {
        call_and_refusal(&world, &alice).await;
        let fills = async {
            loop {
                message_passes(&alice, &world.fe01).await;
            }
        };
        tokio::select! {
            _ = world.logged("trace_ended", |_| true) => {}
            () = fills => unreachable!(),
        }
    };
    let (code, text) = traced(&world, &trace, traffic).await;
    assert_eq!(code, Some(0), "{text}");
    for secret in ["c0ffee", "secretkey"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let lines = lines(&text);
    assert_eq!(lines[0]["trace"]["selected"], "user alice");
    let end = &lines.last().unwrap()["end"];
    assert_eq!(
        (&end["because"], &end["lines"]),
        (&"limit".into(), &20.into()),
        "{text}"
    );
    let messages: Vec<&Value> = lines.iter().map(|line| &line["message"]).collect();
    let is = |message: &Value, direction: &str, start: &str, peer: Value| {
        let text = message["text"].as_str().unwrap_or_default();
        message["direction"] == direction && text.starts_with(start) && message["peer"] == peer
    };
    let at = |direction, start, peer: Value| {
        let found = messages
            .iter()
            .position(|it| is(it, direction, start, peer.clone()));
        found.unwrap_or_else(|| panic!("{direction} {start}: {text}"))
    };
    let call = [
        at("received", "INVITE", Value::Null),
        at("sent", "INVITE", FE01.into()),
        at("received", "SIP/2.0 486", FE01.into()),
        at("sent", "SIP/2.0 486", Value::Null),
        at("received", "MESSAGE", Value::Null),
        at("sent", "SIP/2.0 403", Value::Null),
    ];
    assert!(call.is_sorted(), "{call:?}: {text}");
    let invite = messages[call[1]];
    let sent = invite["text"].as_str().unwrap();
    assert!(
        sent.contains("Authorization: Digest realm=\"masked\"\r\n"),
        "{sent}"
    );
    assert!(sent.contains("<sip:masked@edge01.contoso.test") && sent.ends_with("\r\n\r\n"));
    assert!(sent.contains("Content-Length: 0") && invite["body_bytes"].as_u64() > Some(20));
    let refusal = lines
        .iter()
        .position(|line| !line["refusal"].is_null())
        .unwrap();
    let refused = &lines[refusal]["refusal"]["line"];
    assert_eq!(refused["reason"], "from_not_allowed");
    assert_eq!(refusal, call[5] + 1, "behind the answer that it has caused");
    let log = world.stop().await;
    assert_eq!(log.named("trace_started")[0]["selected"], "user alice");
    let ended = &log.named("trace_ended")[0];
    assert_eq!(
        (&ended["count"], &ended["dropped"]),
        (&20.into(), &0.into())
    );
}

#[tokio::test]
async fn a_trace_is_drawn_as_a_ladder_and_written_as_a_capture_that_nobody_else_may_read() {
    let world = World::new().await;
    let (alice, _) = world.registered("alice").await;
    let capture = world
        .lab
        .site
        .write("old", "")
        .unwrap()
        .with_file_name("trace.pcapng");
    let file = capture.to_str().unwrap();
    let trace = ["trace", "--for", "5s", "--show-bodies", "--pcap", file];
    let (code, text) = traced(&world, &trace, call_and_refusal(&world, &alice)).await;
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "traces everything",
        "sip:alice@contoso.test -> sip:bob@contoso.test  Call-ID ",
        "fe01.contoso.test",
        "|<- INVITE -",
        "|-- INVITE -",
        "|<- 486 INVITE -",
        "x request_refused from_not_allowed, 403, MESSAGE, of 127.0.0.1:",
        "(sipward explain from_not_allowed)",
        "; the time is over",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let written = std::fs::read(&capture).unwrap();
    assert_eq!(written[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    let has = |part: &[u8]| written.windows(part.len()).any(|it| it == part);
    assert!(
        has(b"secretkey") && !has(b"c0ffee"),
        "bodies alone were asked for"
    );
    let mode = std::fs::metadata(&capture).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // A file that is there is nobody's to overwrite.
    for wrong in [
        &["trace", "--pcap", file][..],
        &["trace", "--user", "alice", "--connection", "7"],
        &["trace", "--peer", "nobody.contoso.test"],
        &["trace", "--for", "2h"],
        &["trace", "--limit", "0"],
    ] {
        assert_eq!(world.edge.command_text(wrong).await.0, Some(2), "{wrong:?}");
    }
    let log = world.stop().await;
    let started = &log.named("trace_started")[0];
    assert_eq!(
        (&started["detail"], &started["level"]),
        (&"shows bodies".into(), &"warn".into())
    );
    assert_eq!(log.named("trace_started").len(), 1);
}

#[tokio::test]
async fn each_selection_takes_its_own_and_nothing_else() {
    let world = World::new().await;
    let (alice, bob) = (world.client("alice").await, world.registered("bob").await.0);
    let (_, listed) = world.edge.command(&["connections", "--user", "bob"]).await;
    let number = listed["rows"][0]["connection"].to_string();
    let selections = [
        ("--client", "bob"),
        ("--connection", number.as_str()),
        ("--peer", FE01),
        ("--peer", "edge.fabrikam.test"),
        ("--client", "192.0.2.0/24"),
        ("--call-id", "of-bob"),
    ];
    for (option, selected) in selections {
        let trace = ["trace", option, selected, "--json", "--for", "5s"];
        let traffic = async {
            for (client, id) in [(&alice, "of-alice"), (&bob, "of-bob")] {
                let sent = client.message("sip:x@contoso.test", "x").set("Call-ID", id);
                let sent = sent.send().await.unwrap();
                let got = world.fe01.expect("MESSAGE").await.unwrap();
                world.fe01.reply(&got, 200).await.unwrap();
                client.answer(&sent, 200).await.unwrap();
            }
        };
        let (code, text) = traced(&world, &trace, traffic).await;
        assert_eq!(code, Some(0));
        let of = |who: &str| text.matches(&format!("<sip:{who}@")).count() > 0;
        let of_whom = (of("alice"), of("bob"));
        let expected = match option {
            "--peer" => (selected == FE01, selected == FE01),
            _ => (false, !selected.contains('/')),
        };
        assert_eq!(of_whom, expected, "{option} {selected}: {text}");
        let clients = text.matches("\"peer\":null").count();
        let trying = text.matches("\"SIP/2.0 100").count();
        match option {
            "--peer" => assert_eq!(clients, 0),
            // A busy machine may let a 100 become due.
            "--call-id" => assert_eq!(clients - trying, 2, "both hops: {text}"),
            _ => assert!(!text.contains(FE01) || clients > 0),
        }
    }
}

#[tokio::test]
async fn who_does_not_read_a_trace_loses_messages_and_no_call_waits_for_it() {
    let world = World::new().await;
    let (alice, _) = world.registered("alice").await;
    let mut idle = UnixStream::connect(&world.edge.socket).unwrap();
    idle.write_all(
        b"{\"command\":\"trace\",\"for_s\":600,\"limit\":100000,\"shown\":{\"bodies\":true}}\n",
    )
    .unwrap();
    world.logged("trace_started", |_| true).await;
    let body = "x".repeat(40_000);
    for _ in 0..10 {
        // More than waits for who reads a trace, and sooner than the daemon closes it.
        let mut sent = Vec::new();
        for _ in 0..20 {
            let message = alice.message("sip:bob@contoso.test", &body);
            sent.push(message.send().await.unwrap());
        }
        for message in &sent {
            let got = world.fe01.expect("MESSAGE").await.unwrap();
            world.fe01.reply(&got, 200).await.unwrap();
            alice.answer(message, 200).await.unwrap();
        }
    }
    // The daemon has closed it by then: what it has taken is whole lines but for the last.
    world.logged("trace_ended", |_| true).await;
    idle.set_read_timeout(Some(SOON)).unwrap();
    let mut taken = Vec::new();
    idle.read_to_end(&mut taken).unwrap();
    assert!(taken.len() < 3_000_000, "{}", taken.len());
    let log = world.stop().await;
    let ended = &log.named("trace_ended")[0];
    assert!(ended["dropped"].as_u64() > Some(0), "{ended}");
}
