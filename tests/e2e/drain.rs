//! SIGTERM: no new connections, open transactions finish, close_notify, exit 0.
use crate::harness::{SOON, World};
use sipward_lab::{Client, Ended, EventLog};

/// What each `stopped` event counts; there must be one.
fn abandoned(log: &EventLog) -> Vec<u64> {
    let stopped = log.named("stopped");
    assert_eq!(stopped.len(), 1, "{}", log.to_text());
    stopped
        .iter()
        .filter_map(|e| e["abandoned"].as_u64())
        .collect()
}

#[tokio::test]
async fn an_idle_daemon_stops_at_once_and_says_goodbye() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let log = world.stop().await;
    assert_eq!(alice.wire().ended(SOON).await.unwrap(), Ended::CloseNotify);
    assert_eq!(abandoned(&log), [0]);
}

#[tokio::test]
async fn a_pending_request_is_finished_before_the_end() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let sent = alice
        .message("sip:bob@contoso.test", "hi")
        .send()
        .await
        .unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    world.edge.signal("TERM");
    world.edge.log.wait("drain", |_| true).await.unwrap();
    // The event comes first, the listener goes right after it.
    let face = world.lab.face(&world.edge);
    let closed = async {
        while Client::connect(&face, "late", "sip:late@contoso.test")
            .await
            .is_ok()
        {}
    };
    tokio::time::timeout(SOON, closed)
        .await
        .expect("a draining daemon must not accept");
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    let (status, log) = world.edge.exited().await;
    assert_eq!(status.code(), Some(0));
    assert_eq!(abandoned(&log), [0]);
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_abandoned_and_counted() {
    let world = World::with(|t| {
        t.section("[limits]").text("drain", "300ms");
    })
    .await;
    let alice = world.client("alice").await;
    alice
        .message("sip:bob@contoso.test", "hi")
        .send()
        .await
        .unwrap();
    world.fe01.expect("MESSAGE").await.unwrap();
    let log = world.stop().await;
    assert_eq!(abandoned(&log), [1]);
}
