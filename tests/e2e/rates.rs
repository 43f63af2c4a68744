//! Who sends too much: read more slowly, closed where nothing of it leads anywhere, and refused where it connects too often.
use crate::harness::tls::{VERSIONS, client_config, connect, shake};
use crate::harness::{SOON, World, message_passes};
use sipward_lab::Client;
use sipward_lab::site::EDGE;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A request of this method for the edge itself, in no dialog.
fn request(method: &str, number: usize) -> String {
    format!(
        "{method} sip:{EDGE} SIP/2.0\r\nVia: SIP/2.0/TLS c.test;branch=z9hG4bK{number}\r\nMax-Forwards: 70\r\nFrom: <sip:a@contoso.test>;tag=1\r\nTo: <sip:{EDGE}>\r\nCall-ID: {number}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

#[tokio::test]
pub(crate) async fn a_client_at_twice_its_rate_is_read_more_slowly_and_loses_nothing() {
    const COUNT: usize = 240;
    let world = World::with(|t| {
        t.section("[limits]")
            .raw("client_rate", "30")
            .raw("client_burst", "50");
    })
    .await;
    let config = client_config(VERSIONS[1], &world.lab.roots, None);
    let mut tls = shake(config, world.edge.address, EDGE).await.unwrap();
    // One by one, so that they do not come with one read.
    for number in 0..COUNT {
        tls.write_all(request("OPTIONS", number).as_bytes())
            .await
            .unwrap();
        tls.flush().await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let slowed = world.logged("reading_slowed", |_| true).await;
    assert_eq!(slowed["reason"], "too_many_messages", "{slowed}");
    // Others are not concerned.
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    let (mut answers, mut text) = (0, Vec::new());
    let all = async {
        while answers < COUNT {
            let mut buffer = [0; 4_096];
            let came = tls.read(&mut buffer).await.unwrap();
            assert_ne!(came, 0);
            text.extend_from_slice(&buffer[..came]);
            let text = String::from_utf8_lossy(&text);
            answers = text.matches("SIP/2.0 200").count();
        }
    };
    tokio::time::timeout(SOON, all).await.unwrap();
    let resumed = world.logged("reading_resumed", |_| true).await;
    assert_eq!(resumed["connection"], slowed["connection"]);
    let log = world.stop().await;
    assert_eq!(log.named("reading_slowed").len(), 1, "one for the row");
}

#[tokio::test]
pub(crate) async fn a_client_whose_messages_lead_nowhere_is_closed_after_a_thousand() {
    let world = World::with(|t| {
        t.section("[node]").raw("shards", "2");
        t.section("[limits]").raw("gather", "0");
    })
    .await;
    let config = client_config(VERSIONS[1], &world.lab.roots, None);
    let mut tls = shake(config, world.edge.address, EDGE).await.unwrap();
    for number in 0..1_100 {
        // It may be closed before the last.
        if tls
            .write_all(request("ACK", number).as_bytes())
            .await
            .is_err()
        {
            break;
        }
    }
    // What the session still holds.
    let _ = tls.flush().await;
    let closed = world
        .logged("connection_closed", |e| e["reason"] == "leads_nowhere")
        .await;
    let messages = closed["messages_in"].as_u64().unwrap();
    assert!(messages >= 1_000, "{closed}");
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn a_password_is_guessed_a_few_times_a_minute_and_no_more() {
    let world = World::with(|t| {
        t.section("[node]").raw("shards", "1");
        t.section("[limits]").raw("failed_logins", "3");
    })
    .await;
    let config = client_config(VERSIONS[1], &world.lab.roots, None);
    let mut tls = shake(config, world.edge.address, EDGE).await.unwrap();
    for number in 0..4 {
        let message = request("MESSAGE", number)
            .replace("MESSAGE sip:edge01", "MESSAGE sip:bob@edge01")
            .replace(
                "Call-ID",
                "Proxy-Authorization: Digest username=\"a\"\r\nCall-ID",
            );
        tls.write_all(message.as_bytes()).await.unwrap();
        if number < 3 {
            let got = world.fe01.expect("MESSAGE").await.unwrap();
            world.fe01.reply(&got, 407).await.unwrap();
            // The edge has counted it when the answer is here.
            let call_id = number.to_string();
            world
                .logged("request_relayed", |e| e["call_id"] == *call_id)
                .await;
        }
    }
    let refused = world
        .logged("request_refused", |e| e["reason"] == "credentials_refused")
        .await;
    assert_eq!(refused["status"], 503, "{refused}");
    world.stop().await;
}

/// Each with another account, all before a server has refused the first.
#[tokio::test]
pub(crate) async fn of_one_source_so_many_passwords_wait_for_an_answer_and_no_more() {
    let world = World::with(|t| {
        t.section("[node]").raw("shards", "1");
        t.section("[limits]").raw("failed_logins", "1");
    })
    .await;
    let config = client_config(VERSIONS[1], &world.lab.roots, None);
    let mut tls = shake(config, world.edge.address, EDGE).await.unwrap();
    for number in 0..11 {
        let credentials = format!("Authorization: Digest username=\"a{number}\"\r\nCall-ID");
        let message = request("MESSAGE", number)
            .replace("MESSAGE sip:edge01", "MESSAGE sip:bob@edge01")
            .replace("Call-ID", &credentials);
        tls.write_all(message.as_bytes()).await.unwrap();
    }
    let refused = world
        .logged("request_refused", |e| e["reason"] == "credentials_waiting")
        .await;
    assert_eq!(refused["status"], 503, "{refused}");
    assert_eq!(refused["call_id"], "10", "{refused}");
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn a_source_that_connects_without_end_is_refused_for_the_rest_of_the_second() {
    let world = World::with(|t| {
        t.section("[limits]").raw("connects_per_source", "20");
    })
    .await;
    let flood = async {
        loop {
            for _ in 0..40 {
                drop(connect(world.edge.address).await);
            }
            // Ports are not without end.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let refused = tokio::select! {
        refused = world.logged("handshake_refused", |_| true) => refused,
        () = flood => unreachable!(),
    };
    assert_eq!(refused["reason"], "too_many_connects", "{refused}");
    for event in ["bound_reached", "bound_left"] {
        let event = world.logged(event, |_| true).await;
        assert_eq!(event["reason"], "too_many_connects", "{event}");
    }
    // Who comes in while the second lasts is turned away.
    let comes_in = async {
        let face = world.lab.face(&world.edge);
        loop {
            let alice = Client::connect(&face, "alice", "sip:alice@contoso.test").await;
            match alice {
                Ok(alice) => break alice,
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    let alice = tokio::time::timeout(SOON, comes_in).await.unwrap();
    message_passes(&alice, &world.fe01).await;
    world.stop().await;
}
