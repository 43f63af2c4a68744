//! Early dialogs of a call that was forked behind the edge, and what runs inside them (RFC 3261 §13.2.2.4, RFC 3262, RFC
//! 3311).
use crate::harness::World;
use sipward_lab::Dialog;

#[tokio::test]
async fn forked_early_dialogs_prack_update_and_reinvite_pass_in_both_directions() {
    let world = World::new().await;
    let (alice, fe01) = (world.client("alice").await, &world.fe01);
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = fe01.expect("INVITE").await.unwrap();
    // Two phones ring behind the home server.
    let mut early = Vec::new();
    for tag in ["desk", "mobile"] {
        let draft = fe01.answering(&invite, 183);
        let mut progress = draft
            .header("Require", "100rel")
            .header("RSeq", "7")
            .build();
        let to = invite.message.header("to").unwrap();
        progress.set("To", &format!("{to};tag={tag}"));
        fe01.draft(progress).on(&invite.wire).send().await.unwrap();
        let got = alice.answer(&call, 183).await.unwrap();
        assert_eq!(got.message.to_tag(), Some(tag));
        assert_eq!(got.message.header("rseq"), Some("7"));
        early.push(Dialog::caller(&call.message, &got.message).unwrap());
    }
    for dialog in &mut early {
        let prack = alice.within(dialog, "PRACK").header("RAck", "7 1 INVITE");
        let prack = prack.send().await.unwrap();
        let got = fe01.expect("PRACK").await.unwrap();
        assert_eq!(got.message.header("to"), Some(dialog.remote.as_str()));
        assert_eq!(got.message.header("route"), None);
        fe01.reply(&got, 200).await.unwrap();
        alice.answer(&prack, 200).await.unwrap();
    }
    // The mobile changes the session before it is answered, then both answer.
    let mobile = early.pop().unwrap();
    let mut theirs = mirrored(&mobile, &invite.message);
    let update = fe01.within(&mut theirs, "UPDATE").send().await.unwrap();
    let got = alice.expect("UPDATE").await.unwrap();
    alice.reply(&got, 200).await.unwrap();
    fe01.answer(&update, 200).await.unwrap();
    for dialog in [&early[0], &mobile] {
        let mut ok = fe01.answering(&invite, 200).build();
        ok.set("To", &dialog.remote);
        fe01.draft(ok).on(&invite.wire).send().await.unwrap();
        let ok = alice.answer(&call, 200).await.unwrap();
        assert_eq!(ok.message.header("to"), Some(dialog.remote.as_str()));
        alice.ack(&call, &ok).await.unwrap();
        let ack = fe01.expect("ACK").await.unwrap();
        assert_eq!(ack.message.header("to"), Some(dialog.remote.as_str()));
    }
    // The desk phone's dialog is ended, the mobile's is held from each side in turn, and goes on.
    let bye = alice.bye(&mut early[0]).await.unwrap();
    let got = fe01.expect("BYE").await.unwrap();
    fe01.reply(&got, 200).await.unwrap();
    alice.answer(&bye, 200).await.unwrap();
    let mut mobile = mobile;
    let hold = alice.within(&mut mobile, "INVITE").with_contact();
    let hold = hold.send().await.unwrap();
    let got = fe01.expect("INVITE").await.unwrap();
    assert!(got.message.values("record-route")[0].contains("@edge01"));
    fe01.reply(&got, 200).await.unwrap();
    let ok = alice.answer(&hold, 200).await.unwrap();
    alice.ack(&hold, &ok).await.unwrap();
    fe01.expect("ACK").await.unwrap();
    let hold = fe01.within(&mut theirs, "INVITE").with_contact();
    let hold = hold.send().await.unwrap();
    let got = alice.expect("INVITE").await.unwrap();
    alice.reply(&got, 200).await.unwrap();
    let ok = fe01.answer(&hold, 200).await.unwrap();
    fe01.ack(&hold, &ok).await.unwrap();
    alice.expect("ACK").await.unwrap();
    world.stop().await;
}

/// The callee's side of a dialog that the caller holds.
fn mirrored(theirs: &Dialog, invite: &sipward_lab::SipMessage) -> Dialog {
    Dialog {
        call_id: theirs.call_id.clone(),
        local: theirs.remote.clone(),
        remote: theirs.local.clone(),
        target: invite.contact().unwrap(),
        routes: invite.values("record-route"),
        cseq: 100,
    }
}
