//! Calls that are being set up, or are changed or ended, while their phone goes from one process to the other: at each step, from
//! both sides.
use crate::harness::tls::{VERSIONS, client_config, shake};
use crate::harness::{SOON, World, message_passes};
use crate::upgrade::{call, home_asks, number_of, phone_asks, stop, upgrade, world};
use sipward_lab::site::{EDGE, HOME};
use sipward_lab::{Client, Dialog, EventLog, Sent, SipMessage};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The old process closes the phone's connection, and the phone comes back to the new one.
async fn moves(world: &World, phone: Client, user: &str) -> Client {
    let (_, listed) = world.edge.command(&["connections", "--user", user]).await;
    let kicked = world.edge.command(&["kick", &number_of(&listed)]).await;
    assert_eq!(kicked.1["connections"], 1, "{}", kicked.1);
    phone.wire().ended(SOON).await.unwrap();
    world.registered(user).await.0
}

/// The CANCEL of a request, to be sent on any connection.
fn cancel_of(call: &Sent) -> SipMessage {
    let mut cancel = SipMessage::request("CANCEL", call.message.uri().unwrap_or_default());
    for name in ["Via", "Max-Forwards", "Route", "From", "To", "Call-ID"] {
        if let Some(value) = call.message.header(name) {
            cancel.push(name, value);
        }
    }
    let (number, _) = call.message.cseq().unwrap();
    cancel.push("CSeq", &format!("{number} CANCEL"));
    cancel
}

/// No request was refused, and no message dropped.
async fn all_well(world: World, pid: u64) -> EventLog {
    let log = stop(world.edge, pid).await;
    for event in ["request_refused", "message_dropped"] {
        assert_eq!(log.named(event).len(), 0, "{}", log.to_text());
    }
    log
}

#[tokio::test]
async fn a_call_that_rings_during_an_upgrade_is_answered_after_it() {
    let world = world("1h").await;
    let (alice, path) = world.registered("alice").await;
    let wire = world.dial(&world.fe01).await;
    let call = world.fe01.invite(alice.contact()).header("Route", &path);
    let call = call.on(&wire).send().await.unwrap();
    let invite = alice.expect("INVITE").await.unwrap();
    alice.reply(&invite, 180).await.unwrap();
    world.fe01.answer(&call, 180).await.unwrap();
    let pid = upgrade(&world.edge).await;
    let mut of_phone = alice.accept(&invite).await.unwrap();
    let ok = world.fe01.answer(&call, 200).await.unwrap();
    let mut of_home = world.fe01.ack(&call, &ok).await.unwrap();
    alice.expect("ACK").await.unwrap();
    of_phone.cseq = 100;
    let newer = world.dial(&world.fe01).await;
    home_asks(&world.fe01, &newer, &mut of_home, &alice, "INVITE").await;
    phone_asks(&alice, &mut of_phone, &world.fe01, "BYE").await;
    all_well(world, pid).await;
}

#[tokio::test]
async fn a_phone_that_moves_while_it_rings_answers_at_the_new_process() {
    let world = world("1h").await;
    let (alice, path) = world.registered("alice").await;
    let wire = world.dial(&world.fe01).await;
    let call = world.fe01.invite(alice.contact()).header("Route", &path);
    let call = call.on(&wire).send().await.unwrap();
    let invite = alice.expect("INVITE").await.unwrap();
    alice.reply(&invite, 180).await.unwrap();
    world.fe01.answer(&call, 180).await.unwrap();
    let pid = upgrade(&world.edge).await;
    let (_bob, _) = world.registered("bob").await;
    let alice = moves(&world, alice, "alice").await;
    let again = alice.expect("INVITE").await.unwrap();
    // A phone that has kept its transaction takes it for a repetition.
    assert_eq!(again.message.branch(), invite.message.branch());
    let mut of_phone = alice.accept(&again).await.unwrap();
    let ok = world.fe01.answer(&call, 200).await.unwrap();
    let mut of_home = world.fe01.ack(&call, &ok).await.unwrap();
    alice.expect("ACK").await.unwrap();
    of_phone.cseq = 100;
    let newer = world.dial(&world.fe01).await;
    home_asks(&world.fe01, &newer, &mut of_home, &alice, "INFO").await;
    phone_asks(&alice, &mut of_phone, &world.fe01, "INVITE").await;
    home_asks(&world.fe01, &newer, &mut of_home, &alice, "BYE").await;
    // Both connections of its only client are gone.
    world.logged("former_gone", |_| true).await;
    all_well(world, pid).await;
}

#[tokio::test]
async fn a_call_is_cancelled_by_its_caller_over_the_servers_newer_connection() {
    let world = world("1h").await;
    let (_bob, _) = world.registered("bob").await;
    let (alice, path) = world.registered("alice").await;
    let older = world.dial(&world.fe01).await;
    let mut calls = Vec::new();
    for _ in 0..2 {
        let call = world.fe01.invite(alice.contact()).header("Route", &path);
        let call = call.on(&older).send().await.unwrap();
        let invite = alice.expect("INVITE").await.unwrap();
        alice.reply(&invite, 180).await.unwrap();
        world.fe01.answer(&call, 180).await.unwrap();
        calls.push((call, invite));
    }
    let pid = upgrade(&world.edge).await;
    let newer = world.dial(&world.fe01).await;
    // While the phone is where it was, and after it has moved.
    let (second, first) = (calls.pop().unwrap(), calls.pop().unwrap());
    let draft = world.fe01.draft(cancel_of(&first.0)).on(&newer);
    draft.send().await.unwrap();
    let got = alice.expect("CANCEL").await.unwrap();
    alice.reply(&got, 200).await.unwrap();
    alice.reply(&first.1, 487).await.unwrap();
    world.fe01.answer(&first.0, 487).await.unwrap();
    alice.expect("ACK").await.unwrap();
    let alice = moves(&world, alice, "alice").await;
    let again = alice.expect("INVITE").await.unwrap();
    let draft = world.fe01.draft(cancel_of(&second.0)).on(&newer);
    draft.send().await.unwrap();
    let got = alice.expect("CANCEL").await.unwrap();
    assert_eq!(got.message.branch(), again.message.branch());
    alice.reply(&got, 200).await.unwrap();
    alice.reply(&again, 487).await.unwrap();
    world.fe01.answer(&second.0, 487).await.unwrap();
    alice.expect("ACK").await.unwrap();
    all_well(world, pid).await;
}

#[tokio::test]
async fn a_phone_that_moves_while_it_calls_hears_of_it_and_cancels_at_the_new_process() {
    let world = world("1h").await;
    let (_bob, _) = world.registered("bob").await;
    let (alice, _) = world.registered("alice").await;
    let mut calls = Vec::new();
    for _ in 0..2 {
        let call = alice.invite("sip:carol@contoso.test").send().await.unwrap();
        let invite = world.fe01.expect("INVITE").await.unwrap();
        world.fe01.reply(&invite, 180).await.unwrap();
        alice.answer(&call, 180).await.unwrap();
        calls.push((call, invite));
    }
    let pid = upgrade(&world.edge).await;
    let alice = moves(&world, alice, "alice").await;
    let (second, first) = (calls.pop().unwrap(), calls.pop().unwrap());
    // The one is answered, the other cancelled.
    world.fe01.accept(&first.1).await.unwrap();
    let is_first =
        |m: &SipMessage| m.status() == Some(200) && m.call_id() == first.0.message.call_id();
    let ok = alice.expect_where("200", is_first).await.unwrap();
    let mut dialog = alice.ack(&first.0, &ok).await.unwrap();
    world.fe01.expect("ACK").await.unwrap();
    phone_asks(&alice, &mut dialog, &world.fe01, "BYE").await;
    let cancel = alice.draft(cancel_of(&second.0)).on(alice.wire()).send();
    alice.answer(&cancel.await.unwrap(), 200).await.unwrap();
    let got = world.fe01.expect("CANCEL").await.unwrap();
    assert_eq!(got.message.branch(), second.1.message.branch());
    world.fe01.reply(&got, 200).await.unwrap();
    world.fe01.reply(&second.1, 487).await.unwrap();
    let is_second =
        |m: &SipMessage| m.status() == Some(487) && m.call_id() == second.0.message.call_id();
    alice.expect_where("487", is_second).await.unwrap();
    world.fe01.expect("ACK").await.unwrap();
    all_well(world, pid).await;
}

/// Nobody answers an ACK, so that nobody would miss it.
#[tokio::test]
async fn an_ack_for_a_phone_between_the_two_arrives_whichever_process_it_comes_to() {
    let world = world("1h").await;
    let (_bob, _) = world.registered("bob").await;
    for way in 0..2 {
        let user = ["alice", "carol"][way];
        let (phone, path) = world.registered(user).await;
        let older = world.dial(&world.fe01).await;
        let call = world.fe01.invite(phone.contact()).header("Route", &path);
        let call = call.on(&older).send().await.unwrap();
        let invite = phone.expect("INVITE").await.unwrap();
        phone.accept(&invite).await.unwrap();
        let ok = world.fe01.answer(&call, 200).await.unwrap();
        if way == 0 {
            upgrade(&world.edge).await;
        }
        let newer = world.dial(&world.fe01).await;
        let dialog = Dialog::caller(&call.message, &ok.message).unwrap();
        let mut ack = SipMessage::request("ACK", &dialog.target);
        ack.push(
            "Via",
            &format!("SIP/2.0/TLS fe01.contoso.test;branch=z9hG4bKack{way}"),
        );
        ack.push("Max-Forwards", "70");
        dialog
            .routes
            .iter()
            .for_each(|route| ack.push("Route", route));
        ack.push("From", &dialog.local);
        ack.push("To", &dialog.remote);
        ack.push("Call-ID", &dialog.call_id);
        ack.push("CSeq", "1 ACK");
        let (_, listed) = world.edge.command(&["connections", "--user", user]).await;
        world.edge.command(&["kick", &number_of(&listed)]).await;
        phone.wire().ended(SOON).await.unwrap();
        let wire = [&older, &newer][way];
        world.fe01.draft(ack).on(wire).send().await.unwrap();
        let (phone, _) = world.registered(user).await;
        phone.expect("ACK").await.unwrap();
    }
    let (_, status) = world.edge.command(&["status"]).await;
    all_well(world, status["pid"].as_u64().unwrap()).await;
}

/// A phone that has sent before it knew that it is let go: what it has sent counts.
#[tokio::test]
async fn what_a_phone_sends_while_its_connection_is_being_closed_arrives() {
    let world = world("1s").await;
    let face = world.lab.face(&world.edge);
    let config = client_config(VERSIONS[1], &face.roots, None);
    let mut phone = shake(config, world.edge.address, EDGE).await.unwrap();
    // Registered by hand: this end must be able to go on writing after it has read the end.
    let helper = world.client("dave").await;
    let text = |message: SipMessage| message.to_bytes();
    let register = helper.register().build();
    phone.write_all(&text(register)).await.unwrap();
    let asked = world.fe01.expect("REGISTER").await.unwrap();
    world.fe01.reply(&asked, 200).await.unwrap();
    let mut buffer = vec![0; 65_536];
    let length = phone.read(&mut buffer).await.unwrap();
    assert!(buffer[..length].starts_with(b"SIP/2.0 200"));
    let path = asked.message.header("path").unwrap().to_owned();
    let wire = world.dial(&world.fe01).await;
    let call = world.fe01.invite(helper.contact()).header("Route", &path);
    let call = call.on(&wire).send().await.unwrap();
    let length = phone.read(&mut buffer).await.unwrap();
    let invite = SipMessage::parse(&buffer[..length]).unwrap();
    let mut answer = invite.answer(200, "phone");
    answer.push("Contact", &format!("<{}>", helper.contact()));
    phone.write_all(&text(answer.clone())).await.unwrap();
    let ok = world.fe01.answer(&call, 200).await.unwrap();
    world.fe01.ack(&call, &ok).await.unwrap();
    let length = phone.read(&mut buffer).await.unwrap();
    assert!(buffer[..length].starts_with(b"ACK"));
    let dialog = Dialog::callee(&invite, &answer).unwrap();
    let pid = upgrade(&world.edge).await;
    // Let go: the old process writes nothing more, and reads on.
    while phone.read(&mut buffer).await.unwrap() > 0 {}
    let mut bye = SipMessage::request("BYE", &dialog.target);
    bye.push("Via", "SIP/2.0/TLS 127.0.0.1;branch=z9hG4bKbye");
    bye.push("Max-Forwards", "70");
    dialog
        .routes
        .iter()
        .for_each(|route| bye.push("Route", route));
    bye.push("From", &dialog.local);
    bye.push("To", &dialog.remote);
    bye.push("Call-ID", &dialog.call_id);
    bye.push("CSeq", "7 BYE");
    phone.write_all(&text(bye)).await.unwrap();
    let got = world.fe01.expect("BYE").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    drop(phone);
    // The answer waits for it at the new process.
    let again = Client::connect(&face, "dave", &format!("sip:dave@{HOME}"))
        .await
        .unwrap();
    again.draft(helper.register().build()).send().await.unwrap();
    let asked = world.fe01.expect("REGISTER").await.unwrap();
    world.fe01.reply(&asked, 200).await.unwrap();
    let is_of_bye = |m: &SipMessage| m.cseq() == Some((7, "BYE"));
    again.expect_where("200 to BYE", is_of_bye).await.unwrap();
    stop(world.edge, pid).await;
}

/// The home server has sent before it knew that the old process leaves it.
#[tokio::test]
async fn what_runs_when_the_old_process_leaves_its_servers_is_answered_over_their_other_connection()
{
    let world = world("1h").await;
    let (alice, path) = world.registered("alice").await;
    let older = world.dial(&world.fe01).await;
    let (mut of_home, _) = call(&world.fe01, &older, &alice, &path).await;
    let pid = upgrade(&world.edge).await;
    let newer = world.dial(&world.fe01).await;
    let asked = world.fe01.within(&mut of_home, "INFO").on(&older);
    let asked = asked.send().await.unwrap();
    alice.expect("INFO").await.unwrap();
    // Its last client is gone, and it waits for the answer to this.
    let alice = moves(&world, alice, "alice").await;
    let again = alice.expect("INFO").await.unwrap();
    older.ended(SOON).await.unwrap();
    alice.reply(&again, 200).await.unwrap();
    world.fe01.answer(&asked, 200).await.unwrap();
    home_asks(&world.fe01, &newer, &mut of_home, &alice, "BYE").await;
    world.logged("former_gone", |_| true).await;
    all_well(world, pid).await;
}

/// The old process connects to nobody any more: the new one finds that a server is dead, and says so.
#[tokio::test]
async fn a_phone_at_the_old_process_passes_over_servers_that_only_the_new_one_finds_dead() {
    let world = world("1h").await;
    let (alice, _) = world.registered("alice").await;
    let pid = upgrade(&world.edge).await;
    world.fe01.kill();
    for _ in 0..3 {
        message_passes(&alice, &world.fe02).await;
    }
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe02.expect("INVITE").await.unwrap();
    world.fe02.reply(&invite, 486).await.unwrap();
    alice.answer(&call, 486).await.unwrap();
    // A request that stays without an answer is not answered with 408: this one has an answer, since its server says none.
    world.fe02.kill();
    let sent = alice.message("sip:bob@contoso.test", "hi").send().await;
    alice.answer(&sent.unwrap(), 503).await.unwrap();
    let log = stop(world.edge, pid).await;
    let refused = log.named("request_refused");
    assert_eq!(refused.len(), 1, "{}", log.to_text());
    assert_eq!(refused[0]["reason"], "peer_unreachable");
    assert_eq!(log.named("message_dropped").len(), 0, "{}", log.to_text());
}

/// Without a registration a call does not follow its phone: that is kept until its call or the time is over.
#[tokio::test]
async fn an_unregistered_phone_is_kept_as_long_as_its_call_and_the_time_last() {
    const TIME: time::Duration = time::Duration::seconds(8);
    let world = world("8s").await;
    let older = world.dial(&world.fe01).await;
    let mut calls = Vec::new();
    // More than there are shards: several are in one, which lets its clients go one after the other.
    for number in 0..6 {
        let phone = world.client(&format!("phone{number}")).await;
        let sent = phone.invite("sip:x@contoso.test").send().await.unwrap();
        let got = world.fe01.expect("INVITE").await.unwrap();
        let of_home = world.fe01.accept(&got).await.unwrap();
        let ok = phone.answer(&sent, 200).await.unwrap();
        let of_phone = phone.ack(&sent, &ok).await.unwrap();
        world.fe01.expect("ACK").await.unwrap();
        calls.push((phone, of_phone, of_home));
    }
    let _idle = world.client("idle").await;
    let pid = upgrade(&world.edge).await;
    // Both sides are served meanwhile.
    let (phone, of_phone, of_home) = &mut calls[0];
    of_home.cseq = 100;
    home_asks(&world.fe01, &older, of_home, phone, "INFO").await;
    // Whichever connection the far side takes.
    let newer = world.dial(&world.fe01).await;
    home_asks(&world.fe01, &newer, of_home, phone, "INVITE").await;
    home_asks(&world.fe01, &newer, of_home, phone, "INFO").await;
    phone_asks(phone, of_phone, &world.fe01, "BYE").await;
    // And of one that comes in at the new process, over the connection with the old one.
    let late = world.client("late").await;
    let sent = late.invite("sip:x@contoso.test").send().await.unwrap();
    let got = world.fe01.expect("INVITE").await.unwrap();
    let mut of_home = world.fe01.accept(&got).await.unwrap();
    let ok = late.answer(&sent, 200).await.unwrap();
    late.ack(&sent, &ok).await.unwrap();
    world.fe01.expect("ACK").await.unwrap();
    of_home.cseq = 100;
    home_asks(&world.fe01, &older, &mut of_home, &late, "INVITE").await;
    home_asks(&world.fe01, &older, &mut of_home, &late, "BYE").await;
    world.logged("former_gone", |_| true).await;
    for (phone, ..) in &calls {
        phone.wire().ended(SOON).await.unwrap();
    }
    let log = all_well(world, pid).await;
    let at = |event: &serde_json::Value| {
        let at = event["ts"].as_str().unwrap();
        time::OffsetDateTime::parse(at, &time::format_description::well_known::Rfc3339).unwrap()
    };
    let began = at(&log.named("upgraded")[0]);
    let closed = log.named("connection_closed").into_iter();
    let gone = closed.filter(|e| e["reason"] == "let_go");
    let early = gone.filter(|event| at(event) - began < TIME - time::Duration::SECOND);
    // The one without a call, and the one whose call was over.
    assert!(early.count() <= 2, "{}", log.to_text());
}
