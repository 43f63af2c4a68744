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
async fn a_call_that_is_up_at_the_stop_has_its_record() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    world.fe01.accept(&invite).await.unwrap();
    let ok = alice.answer(&call, 200).await.unwrap();
    alice.ack(&call, &ok).await.unwrap();
    world.fe01.expect("ACK").await.unwrap();
    let log = world.stop().await;
    let ended = log.named("call_ended");
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_eq!(ended[0]["ended_by"], "node_stopped");
    assert_eq!(ended[0]["from"], "sip:alice@contoso.test");
    assert!(ended[0]["talk_ms"].is_u64(), "{ended:?}");
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

/// Maintenance: what is new is refused, dialogs go on, and it can be ended; then clients go within the time.
#[tokio::test]
pub(crate) async fn clients_are_let_go_for_maintenance_while_dialogs_go_on() {
    let mut world = World::with(|t| {
        t.section("[limits]").text("handover", "1h");
    })
    .await;
    let (alice, path) = world.registered("alice").await;
    let (bob, _) = world.registered("bob").await;
    let wire = world.dial(&world.fe01).await;
    let call = world.fe01.invite(alice.contact()).header("Route", &path);
    let call = call.on(&wire).send().await.unwrap();
    let invite = alice.expect("INVITE").await.unwrap();
    alice.accept(&invite).await.unwrap();
    let ok = world.fe01.answer(&call, 200).await.unwrap();
    let mut dialog = world.fe01.ack(&call, &ok).await.unwrap();
    alice.expect("ACK").await.unwrap();

    let (code, drain) = world.edge.command(&["drain", "--clients"]).await;
    assert_eq!((code, &drain["clients"]), (Some(0), &2.into()), "{drain}");
    assert_eq!(drain["over_ms"], 3_600_000, "{drain}");
    let (_, page) = world.edge.command_text(&["status"]).await;
    assert!(page.contains("letting go    2 clients left"), "{page}");
    let late = world.fe01.invite(alice.contact()).header("Route", &path);
    let late = late.on(&wire).send().await.unwrap();
    let refusal = world.fe01.answer(&late, 503).await.unwrap();
    assert_eq!(refusal.message.header("retry-after"), Some("30"));
    let register = bob.register().send().await.unwrap();
    bob.answer(&register, 503).await.unwrap();
    let info = world.fe01.within(&mut dialog, "INFO").on(&wire);
    let info = info.send().await.unwrap();
    let got = alice.expect("INFO").await.unwrap();
    alice.reply(&got, 200).await.unwrap();
    world.fe01.answer(&info, 200).await.unwrap();

    let cancel = ["drain", "--clients", "--cancel"];
    let (code, kept) = world.edge.command(&cancel).await;
    assert_eq!((code, &kept["clients"]), (Some(0), &2.into()), "{kept}");
    world.logged("clients_kept", |_| true).await;
    let sent = bob
        .message("sip:x@contoso.test", "hi")
        .send()
        .await
        .unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    bob.answer(&sent, 200).await.unwrap();

    let reload = world.reload_with(|t| {
        t.section("[limits]").text("handover", "300ms");
    });
    assert_eq!(reload.await["result"], "ok");
    world.edge.command(&["drain", "--clients"]).await;
    for client in [&alice, &bob] {
        let ended = client.wire().ended(SOON).await.unwrap();
        assert_eq!(ended, Ended::CloseNotify);
    }
    world.logged("clients_gone", |_| true).await;
    let (_, page) = world.edge.command_text(&["status"]).await;
    assert!(page.contains("no client is left"), "{page}");
    let log = world.stop().await;
    let closed = log.named("connection_closed").into_iter();
    let gone = closed.filter(|e| e["reason"] == "let_go").count();
    assert_eq!(gone, 2, "{}", log.to_text());
}
