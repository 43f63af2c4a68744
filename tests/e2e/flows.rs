//! Flows of one client on real connections (RFC 5626): two at a time, one that dies, one that comes back.
use crate::harness::World;
use sipward_lab::site::EDGE;
use sipward_lab::{Client, End};

const INSTANCE: &str = "+sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-A765-00a0c91e6bf6>\"";

/// A further connection of alice, registered as this flow; gives its Path as well.
async fn flow(world: &World, reg_id: u32) -> (Client, String) {
    let client = world.client("alice").await;
    let uri = client
        .contact()
        .replace(";transport=tls", ";transport=tls;ob");
    let contact = format!("<{uri}>;{INSTANCE};reg-id={reg_id}");
    let sent = client
        .register()
        .set("Contact", &contact)
        .send()
        .await
        .unwrap();
    let register = world.fe01.expect("REGISTER").await.unwrap();
    assert_eq!(register.message.header("contact"), Some(&*contact));
    let path = register.message.header("path").unwrap().to_owned();
    assert!(path.ends_with(";lr;ob>"), "{path}");
    world.fe01.reply(&register, 200).await.unwrap();
    client.answer(&sent, 200).await.unwrap();
    (client, path)
}

/// The home server reaches this end by this Path.
async fn serves(world: &World, path: &str, end: &End) {
    let sent = world
        .fe01
        .message(end.contact(), "hi")
        .header("Route", path)
        .send()
        .await
        .unwrap();
    let got = end.expect("MESSAGE").await.unwrap();
    end.reply(&got, 200).await.unwrap();
    world.fe01.answer(&sent, 200).await.unwrap();
}

/// The Path leads nowhere any more.
async fn is_dead(world: &World, path: &str) {
    let sent = world
        .fe01
        .message("sip:alice@127.0.0.1", "hi")
        .header("Route", path)
        .send()
        .await
        .unwrap();
    world.fe01.answer(&sent, 430).await.unwrap();
}

/// Closes a client's connection and waits until the edge knows.
async fn lose(world: &World, client: &Client) {
    let mark = world.edge.log.mark();
    client.wire().close().await.unwrap();
    world
        .edge
        .log
        .wait_after(mark, "connection_closed", |e| e["peer"].is_null())
        .await
        .unwrap();
}

#[tokio::test]
async fn two_flows_of_one_client_serve_side_by_side_and_one_alone() {
    let world = World::new().await;
    let (first, one) = flow(&world, 1).await;
    let (second, two) = flow(&world, 2).await;
    serves(&world, &one, &first).await;
    serves(&world, &two, &second).await;
    assert!(first.untaken().is_empty() && second.untaken().is_empty());
    lose(&world, &first).await;
    is_dead(&world, &one).await;
    serves(&world, &two, &second).await;
    assert!(second.untaken().is_empty());
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn a_client_that_comes_back_has_a_new_flow_and_its_old_call_is_told_so() {
    let world = World::new().await;
    let (before, old) = flow(&world, 1).await;
    let call = world
        .fe01
        .invite(before.contact())
        .header("Route", &old)
        .send()
        .await
        .unwrap();
    let invite = before.expect("INVITE").await.unwrap();
    before.accept(&invite).await.unwrap();
    let ok = world.fe01.answer(&call, 200).await.unwrap();
    let mut dialog = world.fe01.ack(&call, &ok).await.unwrap();
    before.expect("ACK").await.unwrap();
    lose(&world, &before).await;
    let (after, new) = flow(&world, 1).await;
    assert_ne!(old, new);
    is_dead(&world, &old).await;
    let bye = world.fe01.bye(&mut dialog).await.unwrap();
    world.fe01.answer(&bye, 430).await.unwrap();
    serves(&world, &new, &after).await;
    assert!(after.untaken().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn after_a_restart_a_path_is_430_and_under_other_keys_403() {
    let world = World::new().await;
    let (_alice, path) = flow(&world, 1).await;
    let World {
        lab,
        edge,
        fe01,
        fe02: _fe02,
        partner: _partner,
        topology,
    } = world;
    let before = format!(":{}", edge.address.port());
    edge.stop().await;
    let other_key = format!("1 {}\n", "ab".repeat(32));
    for (key, status, reason) in [
        (None, 430, "flow_gone"),
        (Some(other_key), 403, "token_forged"),
    ] {
        if let Some(key) = key {
            lab.site.write("tokens.key", &key).unwrap();
        }
        let edge = lab.edge(&topology).await;
        // The harness has the port chosen anew; in service it stays.
        let path = path.replace(&before, &format!(":{}", edge.address.port()));
        let wire = fe01.dial(edge.address, EDGE).await.unwrap();
        let sent = fe01
            .message("sip:alice@127.0.0.1", "hi")
            .header("Route", &path)
            .on(&wire)
            .send()
            .await
            .unwrap();
        fe01.answer(&sent, status).await.unwrap();
        edge.log
            .wait("request_refused", |e| e["reason"] == reason)
            .await
            .unwrap();
        edge.stop().await;
    }
}
