//! Every torture message of RFC 4475 and RFC 5118 through the running daemon: relayed untouched, refused or dropped as
//! its index says, and what comes after it is served, or the connection closed where the framing is lost.
#[path = "../torture/corpus.rs"]
mod corpus;

use crate::harness::{SOON, World};
use corpus::{Case, all};
use sipward::sip::{FrameLimits, Framer, HeaderName, LineTable, Message, Scan};
use sipward_lab::{Client, Ended, Received, Wire};

/// Every domain that a sender or Route of the corpus names, and the client's own.
const DOMAINS: [&str; 6] = [
    "contoso.test",
    "example.com",
    "example.net",
    "example.org",
    "east.example.com",
    "services.example.com",
];
/// A home server for what no client may say of itself.
const SBC: &str = "sbc01.contoso.test";

async fn world() -> World {
    World::with(|t| {
        // In one shard: noise behind a request ends its connection, and what a client that has gone has asked for waits for
        // no connection of another shard to the home server.
        t.section("[node]")
            .list("domains", &DOMAINS)
            .raw("shards", "1");
        t.section("[[pool]]").list("domains", &DOMAINS);
        t.add("[[peer]]")
            .text("fqdn", SBC)
            .text("kind", "home")
            .list("trust", &["enterprise-ca"])
            .list("address", &["127.0.0.1:9"]);
        t.section("[limits]")
            .text("head_timeout", "2s")
            .text("body_timeout", "2s");
    })
    .await
}

fn rows(actions: &[&str], kind: &str) -> Vec<Case> {
    let all = all().into_iter();
    let rows: Vec<Case> = all
        .filter(|c| c.row.kind == kind && actions.contains(&c.row.action.as_str()))
        .collect();
    assert!(!rows.is_empty());
    rows
}

/// The first message of the octets.
fn first(octets: &[u8]) -> &[u8] {
    let limits = FrameLimits {
        head: 65_536,
        body: 65_536,
    };
    match Framer::default().scan(octets, &limits, &mut LineTable::default()) {
        Ok(Scan::Message(message)) => octets.split_at(message.bytes().len()).0,
        other => panic!("no message: {other:?}"),
    }
}

/// Header lines with their folds, by name; and the body.
fn lines(message: &Message<'_>) -> Vec<(HeaderName, Vec<u8>)> {
    message
        .lines()
        .map(|line| {
            let text = [line.raw_name, b":", line.value].concat();
            (line.name, text)
        })
        .collect()
}

/// What a proxy has no business with came out as it went in; what it edits, it edited.
fn assert_untouched(file: &str, sent: &[u8], got: &[u8]) {
    // What RFC 3261 §16.6, RFC 3327 and RFC 5393 let a proxy change.
    const EDITED: [HeaderName; 7] = [
        HeaderName::Via,
        HeaderName::MaxForwards,
        HeaderName::Route,
        HeaderName::RecordRoute,
        HeaderName::Path,
        HeaderName::Supported,
        HeaderName::MaxBreadth,
    ];
    let (sent, got) = (Message::parse(sent).unwrap(), Message::parse(got).unwrap());
    let unused = |message| {
        let mut lines = lines(message);
        lines.retain(|(name, _)| !EDITED.contains(name));
        lines
    };
    assert_eq!(unused(&got), unused(&sent), "{file}");
    assert_eq!(got.body(), sent.body(), "{file}");
    assert_eq!(got.start(), sent.start(), "{file}");
    // Ours on top, the sender's stamped, all others as they came.
    let vias = |message: &Message<'_>| -> Vec<Vec<u8>> {
        let values = message.values(HeaderName::Via);
        values.map(|v| v.unwrap().to_vec()).collect()
    };
    let (before, after) = (vias(&sent), vias(&got));
    assert_eq!(after.len(), before.len() + 1, "{file}");
    assert_eq!(after[2..], before[1..], "{file}");
    let hops = sent.max_forwards().unwrap().map_or(70, |n| n - 1);
    assert_eq!(got.max_forwards().unwrap(), Some(hops), "{file}");
}

/// A request after it is served on the same connection.
async fn still_serves(world: &World, client: &Client, file: &str) {
    let sent = client
        .message("sip:bob@contoso.test", file)
        .send()
        .await
        .unwrap();
    let id = sent.message.call_id().to_owned();
    let got = world
        .fe01
        .expect_where(file, |m| m.call_id() == id)
        .await
        .unwrap();
    assert_eq!(got.message.body, file.as_bytes());
    world.fe01.reply(&got, 200).await.unwrap();
    client.answer(&sent, 200).await.unwrap();
}

/// Waits for a message at the home server by its Call-ID and refuses it, so that no dialog begins.
async fn arrives(world: &World, file: &str, frame: &[u8]) -> Received {
    let message = Message::parse(frame).unwrap();
    let id = String::from_utf8_lossy(message.call_id().unwrap()).into_owned();
    let got = world
        .fe01
        .expect_where(file, |m| {
            m.method().is_some_and(|m| m != "ACK") && m.call_id() == id
        })
        .await
        .unwrap();
    assert_untouched(file, frame, &got.raw);
    world.fe01.reply(&got, 486).await.unwrap();
    got
}

#[tokio::test]
pub(crate) async fn valid_torture_messages_are_relayed_and_what_is_not_used_comes_out_byte_for_byte()
 {
    let world = world().await;
    let sbc = world.lab.home("sbc01").await;
    let mut relayed = 0;
    for Case { row, octets } in rows(&["forward", "reject-or-forward"], "request") {
        let file = &row.file;
        // mpart01 is routed through an element on 127.0.0.1: here that is the daemon.
        let here = format!("<sip:{}>", world.edge.address);
        let octets = replaced(&octets, b"<sip:127.0.0.1:5080>", here.as_bytes());
        // Those of RFC 5118 register with the address that they were sent to: that is the daemon's, too.
        let registrar = format!("REGISTER sip:{} ", world.edge.address);
        let octets = [
            "[2001:db8::10]",
            "[2001:db8::10:5070]",
            "[2001:db8::10]:5070",
        ]
        .iter()
        .fold(octets, |octets, host| {
            let old = format!("REGISTER sip:{host} ");
            replaced(&octets, old.as_bytes(), registrar.as_bytes())
        });
        let frame = first(&octets);
        let from = Message::parse(frame).unwrap().from().unwrap();
        let asserted = from.parse_uri().unwrap().host;
        if DOMAINS.iter().any(|d| asserted.is_name(d)) {
            let client = world.client("alice").await;
            client.wire().send_raw(&octets).await.unwrap();
            let got = arrives(&world, file, frame).await;
            assert_eq!(got.message.method(), row.method.as_deref(), "{file}");
            if let Some(second) = octets.get(frame.len()..).filter(|_| row.stream == "two") {
                // What stands behind the second is noise, which ends the connection before any answer.
                arrives(&world, file, first(second.trim_ascii_start())).await;
                client.wire().ended(SOON).await.unwrap();
            } else {
                let refused = client.expect_where(file, |m| m.status() == Some(486));
                refused.await.unwrap();
                still_serves(&world, &client, file).await;
            }
        } else {
            let wire: Wire = world.dial(&sbc).await;
            wire.send_raw(&octets).await.unwrap();
            arrives(&world, file, frame).await;
            sbc.expect_where(file, |m| m.status() == Some(486))
                .await
                .unwrap();
        }
        relayed += 1;
    }
    assert_eq!(relayed, 31);
}

#[tokio::test]
pub(crate) async fn invalid_torture_messages_get_the_status_of_their_index_and_nothing_passes() {
    let world = world().await;
    let mut refused = 0;
    for Case { row, mut octets } in rows(&["reject"], "request") {
        let file = &row.file;
        if row.stream == "incomplete" {
            // baddn ends before its empty line.
            octets.extend_from_slice(b"\r\n");
        }
        let client = world.client("mallory").await;
        client.wire().send_raw(&octets).await.unwrap();
        let answer = client
            .expect_where(file, |m| m.status().is_some())
            .await
            .unwrap();
        let status = answer.message.status().unwrap();
        assert!(row.status.contains(&status), "{file}: {status}");
        still_serves(&world, &client, file).await;
        refused += 1;
    }
    assert_eq!(refused, 21);
    assert!(
        world.fe01.untaken().await.is_empty(),
        "nothing of it passed"
    );
}

#[tokio::test]
async fn where_the_framing_is_lost_or_never_completes_the_connection_is_closed() {
    let world = world().await;
    let mut closing = rows(&["reject-close", "wait-then-close"], "request");
    closing.extend(
        rows(&["reject"], "request")
            .into_iter()
            .filter(|c| c.row.stream == "incomplete"),
    );
    for Case { row, octets } in closing {
        let file = &row.file;
        let client = world.client("mallory").await;
        client.wire().send_raw(&octets).await.unwrap();
        if row.action == "reject-close" {
            let answer = client
                .expect_where(file, |m| m.status().is_some())
                .await
                .unwrap();
            assert!(
                row.status.contains(&answer.message.status().unwrap()),
                "{file}"
            );
        }
        assert_eq!(
            client.wire().ended(SOON).await.unwrap(),
            Ended::CloseNotify,
            "{file}"
        );
    }
    assert!(
        world.fe01.untaken().await.is_empty(),
        "nothing of it passed"
    );
    let alice = world.client("alice").await;
    still_serves(&world, &alice, "the next connection").await;
}

#[tokio::test]
pub(crate) async fn torture_responses_pass_only_when_they_can_be_read_and_were_asked_for() {
    let world = world().await;
    for Case { row, octets } in rows(&["forward-response", "drop"], "response") {
        let file = &row.file;
        let alice = world.client("alice").await;
        let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
        let invite = world.fe01.expect("INVITE").await.unwrap();
        // As it is, it answers nothing of ours.
        let mark = world.edge.log.mark();
        invite.wire.send_raw(&octets).await.unwrap();
        world
            .edge
            .log
            .wait_after(mark, "message_dropped", |_| true)
            .await
            .unwrap();
        // The same start line and CSeq in answer to the call.
        let torture = Message::parse(&octets).unwrap();
        let line = octets.split(|b| *b == b'\n').next().unwrap();
        let mut text = world.fe01.answering(&invite, 200).build();
        if row.valid {
            assert_eq!(torture.cseq().unwrap().number, 35);
        } else if torture.cseq().is_err() {
            text.set("CSeq", "9292394834772304023312 INVITE");
        }
        let built = text.to_bytes();
        let rest = built.splitn(2, |b| *b == b'\n').nth(1).unwrap();
        let mark = world.edge.log.mark();
        invite
            .wire
            .send_raw(&[line, b"\n", rest].concat())
            .await
            .unwrap();
        if !row.valid {
            world
                .edge
                .log
                .wait_after(mark, "message_dropped", |_| true)
                .await
                .unwrap();
        }
        if row.valid && !line.starts_with(b"SIP/2.0 100") {
            let got = alice.answer(&call, 200).await.unwrap();
            assert!(got.raw.starts_with(line), "{file}");
        } else {
            // A 100 stays here, what cannot be read is dropped; the call goes on.
            world.fe01.reply(&invite, 180).await.unwrap();
            alice.answer(&call, 180).await.unwrap();
            world.fe01.reply(&invite, 486).await.unwrap();
            alice.answer(&call, 486).await.unwrap();
        }
    }
}

/// The octets with one text instead of another.
fn replaced(octets: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    match octets.windows(old.len()).position(|w| w == old) {
        Some(at) => [&octets[..at], new, &octets[at + old.len()..]].concat(),
        None => octets.to_vec(),
    }
}
