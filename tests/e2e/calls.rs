//! Whole calls: dialogs over the signed route, 2xx retransmissions, the ACK on its own way.
use crate::harness::{World, automatic, hangs_up};
use sipward_lab::{Client, Dialog, Registrar};

#[tokio::test]
async fn a_call_from_client_to_server_is_hung_up_from_either_side() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    for caller_hangs_up in [true, false] {
        let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
        let invite = world.fe01.expect("INVITE").await.unwrap();
        assert!(invite.message.values("record-route")[0].contains(";lr"));
        assert_eq!(invite.message.header("max-forwards"), Some("69"));
        world.fe01.reply(&invite, 180).await.unwrap();
        alice.answer(&call, 180).await.unwrap();
        let mut theirs = world.fe01.accept(&invite).await.unwrap();
        let ok = alice.answer(&call, 200).await.unwrap();
        assert_eq!(ok.message.values("via").len(), 1);
        let mut ours = alice.ack(&call, &ok).await.unwrap();
        world.fe01.expect("ACK").await.unwrap();
        if caller_hangs_up {
            let bye = alice.bye(&mut ours).await.unwrap();
            let got = world.fe01.expect("BYE").await.unwrap();
            assert_eq!(got.message.header("route"), None);
            world.fe01.reply(&got, 200).await.unwrap();
            alice.answer(&bye, 200).await.unwrap();
        } else {
            hangs_up(&world.fe01, &mut theirs, &alice).await;
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn an_in_dialog_request_goes_where_the_token_says_whatever_its_request_uri_says() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    world.fe01.accept(&invite).await.unwrap();
    let ok = alice.answer(&call, 200).await.unwrap();
    let mut dialog = alice.ack(&call, &ok).await.unwrap();
    world.fe01.expect("ACK").await.unwrap();
    dialog.target = "sip:carol@fabrikam.test".to_owned();
    let info = alice.within(&mut dialog, "INFO").send().await.unwrap();
    let got = world.fe01.expect("INFO").await.unwrap();
    assert_eq!(got.message.uri(), Some("sip:carol@fabrikam.test"));
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&info, 200).await.unwrap();
}

#[tokio::test]
async fn client_home_client_calls_pass_over_the_registered_path() {
    let World {
        lab,
        edge,
        fe01,
        fe02: _fe02,
        partner,
        ..
    } = World::new().await;
    let home = automatic(fe01, &Registrar::default(), &edge);
    let alice = lab.client(&edge, "alice").await;
    let bob = lab.client(&edge, "bob").await;
    for client in [&alice, &bob] {
        let sent = client.register().send().await.unwrap();
        client.answer(&sent, 200).await.unwrap();
    }
    assert!(home.registrar().path("bob@contoso.test").is_some());
    partner
        .dial(edge.address, sipward_lab::site::EDGE)
        .await
        .unwrap();
    for caller in [&*alice, &*partner] {
        let call = caller.invite("sip:bob@contoso.test").send().await.unwrap();
        let invite = bob.expect("INVITE").await.unwrap();
        bob.reply(&invite, 180).await.unwrap();
        caller.answer(&call, 180).await.unwrap();
        let mut theirs = bob.accept(&invite).await.unwrap();
        let ok = caller.answer(&call, 200).await.unwrap();
        caller.ack(&call, &ok).await.unwrap();
        bob.expect("ACK").await.unwrap();
        hangs_up(&bob, &mut theirs, caller).await;
    }
    edge.stop().await;
}

#[tokio::test]
async fn a_retransmitted_2xx_and_its_acks_pass_end_to_end() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    for _ in 0..3 {
        world.fe01.reply(&invite, 200).await.unwrap();
        let ok = alice.answer(&call, 200).await.unwrap();
        alice.ack(&call, &ok).await.unwrap();
        world.fe01.expect("ACK").await.unwrap();
    }
}

#[tokio::test]
async fn a_refusal_is_acknowledged_hop_by_hop() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    world.fe01.reply(&invite, 486).await.unwrap();
    alice.answer(&call, 486).await.unwrap();
    let ack = world.fe01.expect("ACK").await.unwrap();
    assert_eq!(ack.message.branch(), invite.message.branch());
    assert_eq!(ack.message.values("via").len(), 1);
}

/// The INVITE of Alice to Bob is answered; both dialogs.
async fn talk(world: &World, alice: &Client) -> (Dialog, Dialog) {
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    world.fe01.reply(&invite, 180).await.unwrap();
    alice.answer(&call, 180).await.unwrap();
    let theirs = world.fe01.accept(&invite).await.unwrap();
    let ok = alice.answer(&call, 200).await.unwrap();
    let ours = alice.ack(&call, &ok).await.unwrap();
    world.fe01.expect("ACK").await.unwrap();
    (ours, theirs)
}

#[tokio::test]
async fn status_counts_calls_and_each_has_one_record_when_it_ends() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let (_ours, mut theirs) = talk(&world, &alice).await;
    world.status_once(|status| status["calls"] == 1).await;
    let (_, page) = world.edge.command_text(&["status"]).await;
    assert!(page.contains("calls         1 up"), "{page}");
    hangs_up(&world.fe01, &mut theirs, &alice).await;
    world.status_once(|status| status["calls"] == 0).await;
    let ended = world.logged("call_ended", |_| true).await;
    assert_eq!(ended["ended_by"], "callee", "{ended}");
    assert_eq!(ended["from"], "sip:alice@contoso.test", "{ended}");
    assert_eq!(ended["request_uri"], "sip:bob@contoso.test", "{ended}");
    assert_eq!(ended["to_peer"], "fe01.contoso.test", "{ended}");
    assert_eq!(ended["status"], 200, "{ended}");
    assert!(ended["talk_ms"].is_number() && ended["ringing_ms"].is_number());
    // The connections are those of their handshakes.
    for key in ["connection", "to_connection"] {
        let number = &ended[key];
        world
            .logged("handshake_accepted", |e| e["connection"] == *number)
            .await;
    }
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    world.fe01.reply(&invite, 486).await.unwrap();
    alice.answer(&call, 486).await.unwrap();
    let failed = world.logged("call_ended", |e| e["status"] == 486).await;
    assert!(failed["talk_ms"].is_null(), "{failed}");
    world.stop().await;
}

#[tokio::test]
async fn a_call_without_a_bye_ends_when_nothing_is_heard_of_it_for_long() {
    let world = World::with(|t| {
        t.section("[limits]").raw("call_idle", "\"1s\"");
    })
    .await;
    let alice = world.client("alice").await;
    talk(&world, &alice).await;
    let ended = world.logged("call_ended", |_| true).await;
    assert_eq!(ended["ended_by"], "call_idle", "{ended}");
    world.status_once(|status| status["calls"] == 0).await;
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn calls_beyond_the_bounds_go_on_and_are_not_kept() {
    let mut world = World::with(|t| {
        t.section("[limits]").raw("calls_per_client", "1");
    })
    .await;
    let alice = world.client("alice").await;
    // Of three calls two at least are kept by one of the two shards.
    for _ in 0..3 {
        talk(&world, &alice).await;
    }
    let refused = world.logged("call_not_kept", |e| e["reason"] == "client_calls");
    assert!(refused.await["call_id"].is_string());
    world
        .reload_with(|t| {
            t.section("[limits]").raw("calls", "1");
        })
        .await;
    let bob = world.client("bob").await;
    for _ in 0..3 {
        talk(&world, &bob).await;
    }
    world
        .logged("call_not_kept", |e| e["reason"] == "calls_full")
        .await;
    world.stop().await;
}
