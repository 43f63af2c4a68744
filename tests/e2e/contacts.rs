//! A registrar that keeps no Path, on real connections: it calls the Contact that it has.
use crate::harness::World;
use sipward_lab::{Client, Received};

/// A pool whose registrars keep no Path.
async fn world() -> World {
    World::with(|t| {
        t.find("[[pool]]", "name", "front-end")
            .unwrap()
            .text("path", "contact");
    })
    .await
}

fn contact_uri(message: &Received) -> String {
    let contact = message.message.header("contact").unwrap();
    contact.split(['<', '>']).nth(1).unwrap().to_owned()
}

/// A client registers, and fe01 grants it; the URI that fe01 keeps, and the client's own.
async fn registers(world: &World, client: &Client) -> [String; 2] {
    let (register, ok) = world.registers(client).await;
    assert_eq!(register.message.header("path"), None);
    assert_eq!(contact_uri(&ok), client.contact());
    let kept = contact_uri(&register);
    assert!(kept.starts_with("sip:c."), "{kept}");
    [kept, client.contact().to_owned()]
}

/// fe01 calls what it keeps, and hangs up.
async fn is_called(world: &World, client: &Client, [kept, own]: &[String; 2]) {
    let call = world.fe01.invite(kept).send().await.unwrap();
    let invite = client.expect("INVITE").await.unwrap();
    assert_eq!(invite.message.uri(), Some(&**own));
    let mut of_client = client.accept(&invite).await.unwrap();
    let ok = world.fe01.answer(&call, 200).await.unwrap();
    assert_eq!(contact_uri(&ok), client.contact());
    let mut of_home = world.fe01.ack(&call, &ok).await.unwrap();
    client.expect("ACK").await.unwrap();
    of_client.cseq = 100;
    let info = client.within(&mut of_client, "INFO").send().await.unwrap();
    let got = world.fe01.expect("INFO").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    client.answer(&info, 200).await.unwrap();
    let bye = world.fe01.bye(&mut of_home).await.unwrap();
    let got = client.expect("BYE").await.unwrap();
    client.reply(&got, 200).await.unwrap();
    world.fe01.answer(&bye, 200).await.unwrap();
}

/// Over one connection, over the next, and after a restart with the keys; the registrar knows of none of it. The lab's
/// phones have another Contact on each connection, and a registrar may keep the former one.
#[tokio::test]
async fn a_phone_is_called_by_its_contact_wherever_it_is() {
    let world = world().await;
    let alice = world.client("alice").await;
    let kept = registers(&world, &alice).await;
    is_called(&world, &alice, &kept).await;
    alice.wire().cut();
    let alice = world.client("alice").await;
    let next = registers(&world, &alice).await;
    for contact in [&kept, &next] {
        is_called(&world, &alice, contact).await;
    }
    let world = world.restarted(|_| {}).await;
    world.dial(&world.fe01).await;
    let alice = world.client("alice").await;
    registers(&world, &alice).await;
    for contact in [&kept, &next] {
        is_called(&world, &alice, contact).await;
    }
    // Under another key it is worth nothing.
    let key = format!("1 {}\n", "ab".repeat(32));
    world.lab.site.write("tokens.key", &key).unwrap();
    assert_eq!(world.edge.reload().await["result"], "ok");
    let port = format!(":{};", world.edge.address.port());
    let (user, _) = kept[0].split_once('@').unwrap();
    let here = format!("{user}@edge01.contoso.test{port}transport=tls");
    let sent = world.fe01.message(&here, "hi").send().await.unwrap();
    world.fe01.answer(&sent, 403).await.unwrap();
    world.refused("token_forged").await;
    world.stop().await;
}
