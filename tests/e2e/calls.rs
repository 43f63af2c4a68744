//! Whole calls: dialogs over the signed route, 2xx retransmissions, the ACK on its own way.
use crate::harness::{World, automatic, hangs_up};
use sipward_lab::Registrar;

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
