//! Transfers to addresses of the home side that are hidden from the partner: it calls what it was shown.
use crate::harness::{World, hangs_up};
use sipward_lab::site::PARTNER_EDGE;

#[tokio::test]
async fn a_partner_follows_an_attended_transfer_to_a_hidden_address() {
    let world = World::with(|t| {
        let partner = t.find("[[peer]]", "fqdn", PARTNER_EDGE).unwrap();
        partner.raw("hide_topology", "true");
    })
    .await;
    let (fe01, partner) = (&world.fe01, &world.partner);
    let home = world.dial(fe01).await;
    let refer = fe01.request("REFER", "sip:x@fabrikam.test").on(&home);
    let to = "<sip:carol@10.0.0.11:5061?Replaces=c1%4010.0.0.11%3Bto-tag%3D1%3Bfrom-tag%3D2>";
    let sent = refer
        .from("sip:alice@contoso.test")
        .header("Refer-To", to)
        .send()
        .await
        .unwrap();
    let got = partner.expect("REFER").await.unwrap();
    let shown = got.message.header("refer-to").unwrap().to_owned();
    assert!(shown.starts_with("<sip:h."), "{shown}");
    partner.reply(&got, 202).await.unwrap();
    fe01.answer(&sent, 202).await.unwrap();

    let uri = shown.trim_matches(['<', '>']).split_once('?').unwrap().0;
    let wire = world.dial(partner).await;
    let call = partner
        .invite(uri)
        .on(&wire)
        .header("Replaces", "c1@10.0.0.11;to-tag=1;from-tag=2");
    let call = call.send().await.unwrap();
    let invite = fe01.expect("INVITE").await.unwrap();
    let target = invite.message.uri().unwrap();
    assert!(target.starts_with("sip:carol@10.0.0.11:5061"), "{target}");
    let replaces = invite.message.header("replaces");
    assert_eq!(replaces, Some("c1@10.0.0.11;to-tag=1;from-tag=2"));
    let mut theirs = fe01.accept(&invite).await.unwrap();
    let ok = partner.answer(&call, 200).await.unwrap();
    partner.ack(&call, &ok).await.unwrap();
    fe01.expect("ACK").await.unwrap();
    hangs_up(fe01, &mut theirs, partner).await;
    world.stop().await;
}
