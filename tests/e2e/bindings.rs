//! Calls that outlive their client's connection, the daemon's process and its keys, on real connections.
use crate::harness::{Lab, SOON, World, message_passes};
use serde_json::{Value, json};
use sipward_lab::{Client, Dialog, End, Received};
use std::time::Duration;

/// fe01 calls a registered client; the dialogs of both sides.
async fn call(world: &World, client: &Client, path: &str) -> (Dialog, Dialog) {
    let call = world.fe01.invite(client.contact()).header("Route", path);
    let call = call.send().await.unwrap();
    let invite = client.expect("INVITE").await.unwrap();
    let mut of_client = client.accept(&invite).await.unwrap();
    let ok = world.fe01.answer(&call, 200).await.unwrap();
    let of_home = world.fe01.ack(&call, &ok).await.unwrap();
    client.expect("ACK").await.unwrap();
    of_client.cseq = 100;
    (of_home, of_client)
}

/// One side asks in a dialog, and the other answers.
async fn asks(from: &End, dialog: &mut Dialog, to: &End, method: &str) -> Received {
    let sent = from.within(dialog, method).send().await.unwrap();
    let got = to.expect(method).await.unwrap();
    to.reply(&got, 200).await.unwrap();
    from.answer(&sent, 200).await.unwrap();
    got
}

/// The call goes on from both sides, and ends.
async fn goes_on(home: &End, client: &Client, (of_home, of_client): &mut (Dialog, Dialog)) {
    for method in ["INFO", "NOTIFY", "UPDATE", "MESSAGE", "INVITE"] {
        asks(home, of_home, client, method).await;
    }
    asks(client, of_client, home, "INFO").await;
    asks(home, of_home, client, "BYE").await;
}

#[tokio::test]
async fn a_call_goes_on_over_the_next_connection_of_its_phone() {
    let world = World::new().await;
    let (mut alice, path) = world.registered("alice").await;
    let mut dialogs = call(&world, &alice, &path).await;
    // Each lies in another shard than the one before, in turn.
    for _ in 0..3 {
        alice.wire().cut();
        alice = world.client("alice").await;
        world.registers(&alice).await;
        asks(&world.fe01, &mut dialogs.0, &alice, "INFO").await;
    }
    goes_on(&world.fe01, &alice, &mut dialogs).await;
    world.stop().await;
}

#[tokio::test]
async fn a_request_that_comes_while_the_phone_is_away_waits_for_it() {
    let world = World::new().await;
    let (alice, path) = world.registered("alice").await;
    let mut dialogs = call(&world, &alice, &path).await;
    alice.wire().close().await.unwrap();
    world
        .logged("connection_closed", |e| e["peer"].is_null())
        .await;
    let bye = world.fe01.bye(&mut dialogs.0).await.unwrap();
    let alice = world.client("alice").await;
    world.registers(&alice).await;
    let got = alice.expect("BYE").await.unwrap();
    alice.reply(&got, 200).await.unwrap();
    world.fe01.answer(&bye, 200).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_ringing_call_follows_its_phone_and_so_does_the_answer_to_a_caller() {
    let world = World::new().await;
    let (alice, path) = world.registered("alice").await;
    let sent = world.fe01.invite(alice.contact()).header("Route", &path);
    let sent = sent.send().await.unwrap();
    let rung = alice.expect("INVITE").await.unwrap();
    alice.reply(&rung, 180).await.unwrap();
    world.fe01.answer(&sent, 180).await.unwrap();
    let calling = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let called = world.fe01.expect("INVITE").await.unwrap();
    alice.wire().cut();
    let alice = world.client("alice").await;
    world.registers(&alice).await;
    let again = alice.expect("INVITE").await.unwrap();
    assert_eq!(
        again.message.values("via"),
        rung.message.values("via"),
        "the same branch"
    );
    alice.accept(&again).await.unwrap();
    world.fe01.answer(&sent, 200).await.unwrap();
    world.fe01.accept(&called).await.unwrap();
    alice.answer(&calling, 200).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn kick_in_a_call_ends_no_call() {
    let world = World::new().await;
    let mark = world.edge.log.mark();
    let (alice, path) = world.registered("alice").await;
    let log = &world.edge.log;
    let of_client = |e: &Value| e["peer"].is_null();
    let up = log
        .wait_after(mark, "handshake_accepted", of_client)
        .await
        .unwrap();
    let mut dialogs = call(&world, &alice, &path).await;
    let (code, kicked) = world
        .edge
        .command(&["kick", &up["connection"].to_string()])
        .await;
    assert_eq!((code, kicked), (Some(0), json!({"connections": 1})));
    alice.wire().ended(SOON).await.unwrap();
    let alice = world.client("alice").await;
    world.registers(&alice).await;
    goes_on(&world.fe01, &alice, &mut dialogs).await;
    world.stop().await;
}

/// Everything but the keys is gone: the call goes on when the phone has registered anew. Under other keys nothing of it
/// is worth anything.
#[tokio::test]
async fn a_restart_in_a_call_ends_no_call() {
    let world = World::new().await;
    let (alice, path) = world.registered("alice").await;
    let mut dialogs = call(&world, &alice, &path).await;
    let first = format!(":{}", world.edge.address.port());
    let world = world.restarted(|_| {}).await;
    // The home server is back first, and its request waits for the phone.
    world.dial(&world.fe01).await;
    let early = world
        .fe01
        .within(&mut dialogs.0, "INFO")
        .send()
        .await
        .unwrap();
    let alice = world.client("alice").await;
    world.registers(&alice).await;
    let got = alice.expect("INFO").await.unwrap();
    alice.reply(&got, 200).await.unwrap();
    world.fe01.answer(&early, 200).await.unwrap();
    goes_on(&world.fe01, &alice, &mut dialogs).await;
    let other_key = format!("1 {}\n", "ab".repeat(32));
    let rekey = |lab: &Lab| drop(lab.site.write("tokens.key", &other_key).unwrap());
    let world = world.restarted(rekey).await;
    // The harness has the port chosen anew; in service it stays.
    let path = path.replace(&first, &format!(":{}", world.edge.address.port()));
    let wire = world.dial(&world.fe01).await;
    let sent = world.fe01.message("sip:alice@127.0.0.1", "hi");
    let sent = sent.header("Route", &path).on(&wire);
    let sent = sent.send().await.unwrap();
    world.fe01.answer(&sent, 403).await.unwrap();
    world.refused("token_forged").await;
    world.stop().await;
}

#[tokio::test]
async fn keys_are_rotated_in_a_call() {
    let world = World::new().await;
    let (alice, path) = world.registered("alice").await;
    let mut dialogs = call(&world, &alice, &path).await;
    let old = std::fs::read_to_string(world.lab.site.path().join("tokens.key")).unwrap();
    let new = format!("2 {}\n", "cd".repeat(32));
    world
        .lab
        .site
        .write("tokens.key", &format!("{new}{old}"))
        .unwrap();
    assert_eq!(world.edge.reload().await["result"], "ok");
    asks(&world.fe01, &mut dialogs.0, &alice, "INFO").await;
    alice.wire().cut();
    let alice = world.client("alice").await;
    world.registers(&alice).await;
    goes_on(&world.fe01, &alice, &mut dialogs).await;
    world.stop().await;
}

#[tokio::test]
async fn a_client_without_a_registration_takes_its_call_along() {
    let world = World::new().await;
    for _ in 0..3 {
        let alice = world.client("alice").await;
        let sent = alice.invite("sip:bob@contoso.test").send().await.unwrap();
        let invite = world.fe01.expect("INVITE").await.unwrap();
        let mut of_home = world.fe01.accept(&invite).await.unwrap();
        let ok = alice.answer(&sent, 200).await.unwrap();
        let mut of_client = alice.ack(&sent, &ok).await.unwrap();
        world.fe01.expect("ACK").await.unwrap();
        of_home.cseq = 100;
        let remote = alice.wire().local().to_string();
        alice.wire().close().await.unwrap();
        world
            .logged("connection_closed", |e| e["remote"] == remote)
            .await;
        let alice = world.client("alice").await;
        asks(&alice, &mut of_client, &world.fe01, "INFO").await;
        asks(&world.fe01, &mut of_home, &alice, "INFO").await;
        asks(&alice, &mut of_client, &world.fe01, "BYE").await;
    }
    world.stop().await;
}

#[tokio::test]
async fn a_registered_phone_is_kept_beyond_client_idle_and_gets_an_empty_line_now_and_then() {
    let world = World::with(|t| {
        t.section("[limits]")
            .text("client_idle", "2s")
            .text("ping_clients", "1s");
    })
    .await;
    let (alice, path) = world.registered("alice").await;
    let stranger = world.client("bob").await;
    message_passes(&stranger, &world.fe01).await;
    stranger.wire().ended(SOON).await.unwrap();
    // It has had a line each second for longer than that.
    let pinged = async {
        while alice.wire().pongs() < 4 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, pinged).await.unwrap();
    assert!(alice.wire().is_live());
    let mut dialogs = call(&world, &alice, &path).await;
    asks(&world.fe01, &mut dialogs.0, &alice, "BYE").await;
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn registrations_beyond_the_bounds_are_granted_and_not_kept() {
    let world = World::with(|t| {
        t.section("[limits]")
            .raw("bindings", "1")
            .raw("bindings_per_client", "1");
    })
    .await;
    // Each of the two shards keeps one: of three, one at least is not kept.
    let mut clients = Vec::new();
    for user in ["alice", "bob", "carol"] {
        clients.push(world.registered(user).await);
    }
    let full = world.logged("binding_refused", |e| e["reason"] == "bindings_full");
    assert!(full.await["remote"].is_string());
    // Another user over a connection that holds one already.
    for (client, _) in &clients {
        let dave = "<sip:dave@contoso.test>";
        let register = client
            .register()
            .set("To", dave)
            .set("From", &format!("{dave};tag=d"));
        let sent = register.send().await.unwrap();
        let asked = world.fe01.expect("REGISTER").await.unwrap();
        world.fe01.reply(&asked, 200).await.unwrap();
        client.answer(&sent, 200).await.unwrap();
    }
    world
        .logged("binding_refused", |e| e["reason"] == "client_bindings")
        .await;
    world.stop().await;
}

/// docs/threats.md: another user of the home domain, a callee and an old Path, with all that they can have seen.
#[tokio::test]
async fn whoever_has_read_a_call_gains_nothing_by_it() {
    let world = World::new().await;
    let (alice, path) = world.registered("alice").await;
    let (mallory, _) = world.registered("mallory").await;
    let (of_home, of_client) = call(&world, &alice, &path).await;
    // The route set of either side, over another client's connection.
    for dialog in [&of_home, &of_client] {
        let mut stolen = dialog.clone();
        let sent = mallory.within(&mut stolen, "BYE").send().await.unwrap();
        mallory.answer(&sent, 403).await.unwrap();
    }
    // The Path, as a client and as a partner.
    world.dial(&world.partner).await;
    for end in [&mallory as &End, &world.partner] {
        let sent = end
            .message(alice.contact(), "hi")
            .header("Route", &path)
            .send()
            .await
            .unwrap();
        end.answer(&sent, 403).await.unwrap();
    }
    // A registration that the registrar refuses moves nothing.
    let sent = mallory
        .register()
        .set("To", "<sip:alice@contoso.test>")
        .set("From", "<sip:alice@contoso.test>;tag=m")
        .send()
        .await
        .unwrap();
    let asked = world.fe01.expect("REGISTER").await.unwrap();
    world.fe01.reply(&asked, 403).await.unwrap();
    mallory.answer(&sent, 403).await.unwrap();
    let mut dialog = of_home;
    asks(&world.fe01, &mut dialog, &alice, "BYE").await;
    assert!(mallory.untaken().await.is_empty());
    world.stop().await;
}
