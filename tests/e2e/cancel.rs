//! CANCEL and its races (RFC 3261 §9, §16.10).
use crate::harness::World;
use sipward_lab::Client;

#[tokio::test]
async fn a_cancel_is_answered_at_once_and_ends_the_invite_with_487() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    world.fe01.reply(&invite, 180).await.unwrap();
    alice.answer(&call, 180).await.unwrap();
    let cancel = alice.cancel(&call).await.unwrap();
    alice.answer(&cancel, 200).await.unwrap();
    let got = world.fe01.expect("CANCEL").await.unwrap();
    assert_eq!(got.message.branch(), invite.message.branch());
    assert_eq!(got.message.uri(), invite.message.uri());
    world.fe01.reply(&got, 200).await.unwrap();
    world.fe01.reply(&invite, 487).await.unwrap();
    alice.answer(&call, 487).await.unwrap();
    world.fe01.expect("ACK").await.unwrap();
}

#[tokio::test]
async fn a_cancel_before_any_answer_waits_for_a_provisional_one() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    let cancel = alice.cancel(&call).await.unwrap();
    alice.answer(&cancel, 200).await.unwrap();
    // Nothing may be cancelled yet (RFC 3261 §9.1); the provisional answer releases it.
    assert!(world.fe01.untaken().await.is_empty());
    world.fe01.reply(&invite, 180).await.unwrap();
    let got = world.fe01.expect("CANCEL").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    world.fe01.reply(&invite, 487).await.unwrap();
    alice.answer(&call, 487).await.unwrap();
}

#[tokio::test]
async fn a_200_that_crosses_the_cancel_wins() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    world.fe01.reply(&invite, 180).await.unwrap();
    alice.answer(&call, 180).await.unwrap();
    let cancel = alice.cancel(&call).await.unwrap();
    world.fe01.reply(&invite, 200).await.unwrap();
    alice.answer(&cancel, 200).await.unwrap();
    let ok = alice.answer(&call, 200).await.unwrap();
    alice.ack(&call, &ok).await.unwrap();
    world.fe01.expect("ACK").await.unwrap();
}

#[tokio::test]
async fn a_cancel_without_an_invite_is_answered_481_and_not_relayed() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let sent = alice
        .request("CANCEL", "sip:bob@contoso.test")
        .send()
        .await
        .unwrap();
    alice.answer(&sent, 481).await.unwrap();
    assert!(world.fe01.untaken().await.is_empty());
}

#[tokio::test]
async fn another_connection_cannot_cancel() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let mallory = world.client("mallory").await;
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    world.fe01.reply(&invite, 180).await.unwrap();
    alice.answer(&call, 180).await.unwrap();
    let mut stolen = call.clone();
    stolen.wire = mallory.wire().clone();
    let cancel = mallory.cancel(&stolen).await.unwrap();
    mallory.answer(&cancel, 481).await.unwrap();
    assert!(world.fe01.untaken().await.is_empty());
}

/// An INVITE and its CANCEL as the octets of one segment.
fn invite_and_cancel(client: &Client) -> Vec<u8> {
    let invite = client.invite("sip:bob@contoso.test").build();
    let mut cancel = client.request("CANCEL", "sip:bob@contoso.test").build();
    for name in ["Via", "From", "To", "Call-ID"] {
        cancel.set(name, invite.header(name).unwrap());
    }
    let mut octets = invite.to_bytes();
    octets.extend(cancel.to_bytes());
    octets
}

async fn cancelled(client: &Client) {
    client
        .expect_where("the 200 of the CANCEL", |m| {
            m.status() == Some(200) && m.cseq() == Some((1, "CANCEL"))
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_cancel_in_the_same_segment_as_its_invite_is_honoured() {
    let world = World::new().await;
    let (alice, _) = world.registered("alice").await;
    let octets = invite_and_cancel(&alice);
    alice.wire().send_raw(&octets).await.unwrap();
    cancelled(&alice).await;
    let invite = world.fe01.expect("INVITE").await.unwrap();
    world.fe01.reply(&invite, 180).await.unwrap();
    let cancel = world.fe01.expect("CANCEL").await.unwrap();
    world.fe01.reply(&cancel, 200).await.unwrap();
    world.fe01.reply(&invite, 487).await.unwrap();
    alice.expect_status(487).await.unwrap();
}

#[tokio::test]
pub(crate) async fn an_invite_that_still_waits_for_its_connection_is_cancelled_unsent() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    // No connection to a home server is up yet, and none can be made before this segment is read to its end.
    let octets = invite_and_cancel(&alice);
    alice.wire().send_raw(&octets).await.unwrap();
    cancelled(&alice).await;
    alice.expect_status(487).await.unwrap();
    let log = world.edge.stop().await;
    assert!(
        log.named("request_relayed")
            .iter()
            .all(|e| e["status"] == 487 || e["method"] == "CANCEL")
    );
    assert!(world.fe01.untaken().await.is_empty());
}
