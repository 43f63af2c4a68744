//! Twice the load that the limits admit, with real connections: what has begun is finished, what is new is refused.
use crate::harness::{World, lines_and_sums};
use sipward::daemon::control::{Reply, Request};
use sipward_lab::{Client, Server};

/// `limits.transactions`: so many calls ring at a time.
const ADMITTED: usize = 100;
/// Calls that are up before that.
const UP: usize = 20;

/// What the server has to answer next of this method gets a 200.
async fn accept(server: &Server, method: &str) {
    let got = server.expect(method).await.unwrap();
    server.reply(&got, 200).await.unwrap();
}

/// Twice as many calls as may ring at a time. The server has those that were admitted, and lets them ring; the others are
/// refused.
async fn ring(
    alice: &Client,
    server: &Server,
) -> (Vec<sipward_lab::Sent>, Vec<sipward_lab::Received>) {
    let mut calls = Vec::new();
    for _ in 0..2 * ADMITTED {
        calls.push(alice.invite("sip:bob@contoso.test").send().await.unwrap());
    }
    let mut ringing = Vec::new();
    for _ in 0..ADMITTED {
        let got = server.expect("INVITE").await.unwrap();
        server.reply(&got, 180).await.unwrap();
        ringing.push(got);
    }
    for call in calls.split_off(ADMITTED) {
        let answer = alice.final_answer(&call).await.unwrap();
        assert_eq!(answer.message.status(), Some(503));
        // A sender that keeps its BYEs back as well (RFC 3261 §21.5.4) does so for a moment.
        assert_eq!(answer.message.header("retry-after"), Some("1"));
    }
    (calls, ringing)
}

#[tokio::test]
pub(crate) async fn at_twice_the_load_every_bye_succeeds_and_new_calls_are_refused() {
    let world = World::with(|t| {
        t.section("[node]").raw("shards", "1");
        t.section("[limits]")
            .raw("transactions", &ADMITTED.to_string())
            .raw("transactions_per_client", "10000")
            .raw("invites_per_client", "5000");
    })
    .await;
    let (alice, server) = (world.client("alice").await, &world.fe01);
    let mut up = Vec::new();
    for _ in 0..UP {
        let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
        accept(server, "INVITE").await;
        let answer = alice.final_answer(&call).await.unwrap();
        up.push(alice.ack(&call, &answer).await.unwrap());
    }
    let (calls, ringing) = ring(&alice, server).await;
    // Each call that is up is put on hold, and ends.
    for dialog in &mut up {
        let hold = alice.within(dialog, "INVITE").with_contact();
        let hold = hold.send().await.unwrap();
        accept(server, "INVITE").await;
        let answer = alice.final_answer(&hold).await.unwrap();
        assert_eq!(answer.message.status(), Some(200));
        alice.ack(&hold, &answer).await.unwrap();
        let bye = alice.bye(dialog).await.unwrap();
        accept(server, "BYE").await;
        let answer = alice.final_answer(&bye).await.unwrap();
        // RFC 7339 asks for no figure; ours is 99.9 %, and of these not one may fail.
        assert_eq!(answer.message.status(), Some(200));
    }
    // What has rung is answered, and ends.
    for (call, got) in calls.iter().zip(&ringing) {
        server.reply(got, 200).await.unwrap();
        let answer = alice.final_answer(call).await.unwrap();
        assert_eq!(answer.message.status(), Some(200));
        let mut dialog = alice.ack(call, &answer).await.unwrap();
        let bye = alice.bye(&mut dialog).await.unwrap();
        accept(server, "BYE").await;
        alice.final_answer(&bye).await.unwrap();
    }
    let Reply::Status(status) = world.edge.ask(Request::Status {}).await else {
        panic!("no status");
    };
    assert_eq!(status.transactions, 0);
    let counted = |event: &str| -> u64 {
        let counts = status.events.iter().filter(|count| count.event == event);
        counts.map(|count| count.count).sum()
    };
    let log = world.stop().await;
    let refused = log.named("request_refused");
    assert!(
        refused
            .iter()
            .all(|e| e["reason"] == "too_many_transactions" && e["status"] == 503)
    );
    assert!(refused.iter().all(|e| e["method"] == "INVITE"));
    // The log has a line for the first of them and sums for the rest.
    let of_calls = ADMITTED as u64;
    let (lines, sums) = lines_and_sums(&log, "request_refused");
    assert_eq!(
        (lines + sums, counted("request_refused")),
        (of_calls, of_calls)
    );
    assert_eq!(log.named("bound_reached").len(), 1);
    // INVITEs and their ACKs, holds too, and BYEs.
    let relayed = 2 * (2 * UP + ADMITTED) + UP + ADMITTED;
    let (lines, sums) = lines_and_sums(&log, "request_relayed");
    assert_eq!(lines + sums, relayed as u64);
    assert_eq!(counted("request_relayed"), lines + sums);
}
