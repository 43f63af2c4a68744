//! Flows of one client on real connections (RFC 5626): two at a time, one that dies, one that comes back, in a call too.
use crate::harness::World;
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

/// Closes a client's connection and waits until the edge knows.
async fn lose(world: &World, client: &Client) {
    let remote = client.wire().local().to_string();
    client.wire().close().await.unwrap();
    world
        .logged("connection_closed", |e| e["remote"] == remote)
        .await;
}

#[tokio::test]
async fn two_flows_of_one_client_serve_side_by_side_and_one_alone() {
    let world = World::new().await;
    let (first, one) = flow(&world, 1).await;
    let (second, two) = flow(&world, 2).await;
    serves(&world, &one, &first).await;
    serves(&world, &two, &second).await;
    assert!(first.untaken().await.is_empty() && second.untaken().await.is_empty());
    lose(&world, &first).await;
    // Nobody else takes its place, and it is waited for.
    let sent = world
        .fe01
        .message(first.contact(), "hi")
        .header("Route", &one)
        .send()
        .await
        .unwrap();
    serves(&world, &two, &second).await;
    assert!(second.untaken().await.is_empty());
    let (third, again) = flow(&world, 1).await;
    assert_eq!(again, one);
    let got = third.expect("MESSAGE").await.unwrap();
    third.reply(&got, 200).await.unwrap();
    world.fe01.answer(&sent, 200).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_client_that_comes_back_has_its_path_and_its_call_again() {
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
    assert_eq!(old, new);
    for method in ["NOTIFY", "INVITE", "BYE"] {
        let sent = world.fe01.within(&mut dialog, method).send().await.unwrap();
        let got = after.expect(method).await.unwrap();
        after.reply(&got, 200).await.unwrap();
        world.fe01.answer(&sent, 200).await.unwrap();
    }
    serves(&world, &new, &after).await;
    assert!(after.untaken().await.is_empty());
    world.stop().await;
}
