//! Messages as streams carry them: large, joined, split; keep-alives; what cannot be framed (RFC 3261 §18.3).
use crate::harness::{LOOK, SOON, World};
use sipward_lab::Ended;

#[tokio::test]
async fn a_body_of_64_kb_passes_octet_by_octet_in_both_directions() {
    let world = World::new().await;
    let (bob, path) = world.registered("bob").await;
    // Every octet value, so that no text handling can hide.
    let body: Vec<u8> = (0..65_536_u32).map(|n| (n % 256) as u8).collect();
    let sent = bob
        .request("MESSAGE", "sip:alice@contoso.test")
        .body("application/octet-stream", &body)
        .send()
        .await
        .unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    assert!(got.message.body == body);
    world.fe01.reply(&got, 200).await.unwrap();
    bob.answer(&sent, 200).await.unwrap();
    let sent = world
        .fe01
        .request("MESSAGE", bob.contact())
        .header("Route", &path)
        .body("application/octet-stream", &body)
        .send()
        .await
        .unwrap();
    let got = bob.expect("MESSAGE").await.unwrap();
    assert!(got.message.body == body);
    bob.reply(&got, 200).await.unwrap();
    world.fe01.answer(&sent, 200).await.unwrap();
}

#[tokio::test]
async fn two_hundred_messages_in_one_segment_arrive_in_order() {
    let world = World::with(|t| {
        t.section("[limits]").raw("transactions_per_client", "500");
    })
    .await;
    let alice = world.client("alice").await;
    let requests: Vec<_> = (0..200)
        .map(|n| {
            alice
                .message("sip:bob@contoso.test", &format!("{n}"))
                .build()
        })
        .collect();
    let octets: Vec<u8> = requests
        .iter()
        .flat_map(sipward_lab::SipMessage::to_bytes)
        .collect();
    alice.wire().send_raw(&octets).await.unwrap();
    for n in 0..200 {
        let got = world.fe01.expect("MESSAGE").await.unwrap();
        assert_eq!(got.message.body, n.to_string().as_bytes());
        world.fe01.reply(&got, 200).await.unwrap();
    }
    for request in &requests {
        let branch = request.branch();
        alice
            .expect_where("a 200", |m| m.status() == Some(200) && m.branch() == branch)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn one_message_in_two_hundred_segments_arrives_whole() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let request = alice
        .message("sip:bob@contoso.test", &"split ".repeat(100))
        .build();
    alice
        .wire()
        .send_in_segments(&request.to_bytes(), 200)
        .await
        .unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    assert_eq!(got.message.body, request.body);
    world.fe01.reply(&got, 200).await.unwrap();
    alice.expect_status(200).await.unwrap();
}

#[tokio::test]
async fn what_a_proxy_must_not_touch_arrives_as_it_was_written() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let odd =
        "X-Odd  :  two  spaces ;a=\"q,uo\\\"ted\"\r\n\tfolded\r\ns: compact\r\nX-odd: again\r\n";
    let plain = alice
        .message("sip:bob@contoso.test", "x")
        .build()
        .to_bytes();
    let text = String::from_utf8(plain).unwrap();
    let with_odd = text.replacen("Content-Type", &format!("{odd}Content-Type"), 1);
    alice.wire().send_raw(with_odd.as_bytes()).await.unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    assert!(String::from_utf8_lossy(&got.raw).contains(odd));
}

#[tokio::test]
async fn keep_alives_are_answered_between_messages_only() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    alice.wire().ping(SOON).await.unwrap();
    let request = alice.message("sip:bob@contoso.test", "a\r\n\r\nb").build();
    alice.wire().send_raw(&request.to_bytes()).await.unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    assert_eq!(got.message.body, b"a\r\n\r\nb");
    world.fe01.reply(&got, 200).await.unwrap();
    alice.expect_status(200).await.unwrap();
    alice.wire().ping(SOON).await.unwrap();
    assert_eq!(alice.wire().pongs(), 2);
}

#[tokio::test]
pub(crate) async fn what_cannot_be_framed_is_answered_400_and_the_connection_closed() {
    let world = World::new().await;
    let broken = [
        ("", 400, "no_content_length"),
        (
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            400,
            "duplicate_content_length",
        ),
        (
            "Content-Length: 1\r\nl: 1\r\n",
            400,
            "duplicate_content_length",
        ),
        ("Content-Length: +1\r\n", 400, "bad_content_length"),
        ("Content-Length: 4000000000\r\n", 413, "body_too_large"),
    ];
    for (lengths, status, _) in broken {
        let client = world.client("mallory").await;
        let text = String::from_utf8(client.message("sip:b@contoso.test", "x").build().to_bytes())
            .unwrap();
        let text = text.replace("Content-Length: 1\r\n", lengths);
        client.wire().send_raw(text.as_bytes()).await.unwrap();
        client.expect_status(status).await.unwrap();
        assert_eq!(client.wire().ended(SOON).await.unwrap(), Ended::CloseNotify);
    }
    let log = world.stop().await;
    let closed = log.named("connection_closed");
    // A shard records the end after the remote has seen it, when another may be busy with the next connection already.
    let mut reasons: Vec<_> = closed.iter().filter_map(|e| e["reason"].as_str()).collect();
    reasons.sort_unstable();
    let mut wanted = broken.map(|(_, _, reason)| reason);
    wanted.sort_unstable();
    assert_eq!(reasons, wanted);
}

/// RFC 4475 §3.1.2.2 asks for a timer; octets that trickle in do not wind it up again.
#[tokio::test]
pub(crate) async fn a_head_and_a_body_that_trickle_in_each_end_at_their_deadline() {
    let world = World::with(|t| {
        t.section("[limits]")
            .text("head_timeout", "1s")
            .text("body_timeout", "1s");
    })
    .await;
    let head = "MESSAGE sip:bob@contoso.test SIP/2.0\r\nX-Slow: ";
    let body = "MESSAGE sip:bob@contoso.test SIP/2.0\r\nContent-Length: 60000\r\n\r\n";
    for (begun, reason) in [(head, "head_timeout"), (body, "body_timeout")] {
        let mallory = world.client("mallory").await;
        let wire = mallory.wire();
        let mark = world.edge.log.mark();
        wire.send_raw(begun.as_bytes()).await.unwrap();
        while wire.send_raw(b"x").await.is_ok() {
            tokio::time::sleep(LOOK).await;
        }
        let closed = world
            .edge
            .log
            .wait_after(mark, "connection_closed", |_| true)
            .await
            .unwrap();
        assert_eq!(closed["reason"], reason);
    }
    assert!(world.fe01.untaken().await.is_empty());
    world.stop().await;
}
