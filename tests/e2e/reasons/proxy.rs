//! Requests that the proxy refuses, and peers that it passes over.
use crate::harness::observed::Observed;
use crate::harness::{SOON, World, message_passes};
use serde_json::Value;
use sipward::reason::MessageReason;
use sipward_lab::site::PARTNER_EDGE;

const BOB: &str = "sip:bob@contoso.test";
const CAROL: &str = "sip:carol@fabrikam.test";

pub(super) async fn what_the_boundary_and_the_rfcs_forbid_is_refused_with_its_reason() {
    let world = World::with(|t| {
        t.add("[boundary]").list("deny_domains", &["evil.test"]);
        let partner = t.find("[[peer]]", "fqdn", PARTNER_EDGE).unwrap();
        partner
            .raw("sips", "false")
            .raw("fields", "{ require_in = [\"Diversion\"] }");
    })
    .await;
    let alice = world.client("alice").await;
    let many = vec!["<sip:edge01.contoso.test;lr>"; 101].join(", ");
    for (draft, reason) in [
        (
            alice.message(BOB, "").set("Max-Breadth", "0"),
            "max_breadth_exceeded",
        ),
        (
            alice.message(BOB, "").set("Route", &many),
            "too_many_routes",
        ),
        (alice.message("sip:x@evil.test", ""), "domain_denied"),
        (
            alice
                .request("INVITE", "sips:bob@contoso.test")
                .set("Contact", "<sip:alice@192.0.2.1>"),
            "sips_contact",
        ),
    ] {
        draft.send().await.unwrap();
        world.refused(reason).await;
    }
    // The answer to a CANCEL is between the two ends of the connection, and has no line.
    let stray = alice.request("CANCEL", BOB).send().await.unwrap();
    assert_eq!(MessageReason::NoTransaction.status(), 481);
    alice.answer(&stray, 481).await.unwrap();
    Observed::of_thread().add(MessageReason::NoTransaction.code());
    let (fe01, partner) = (&world.fe01, &world.partner);
    let (home, outside) = (world.dial(fe01).await, world.dial(partner).await);
    let strange = "<sip:x@third.test>";
    for (draft, reason) in [
        (
            fe01.message("sips:carol@fabrikam.test", "").on(&home),
            "sips_not_allowed",
        ),
        (
            fe01.message(CAROL, "")
                .set("Privacy", "header;critical")
                .on(&home),
            "privacy_critical",
        ),
        (partner.message(BOB, "").on(&outside), "field_required"),
        (
            partner
                .message(BOB, "")
                .set("Diversion", "<sip:x@fabrikam.test>")
                .set("To", strange)
                .on(&outside),
            "to_not_allowed",
        ),
    ] {
        draft.send().await.unwrap();
        world.refused(reason).await;
    }
    world.stop().await;
}

pub(super) async fn a_client_has_a_budget_and_a_drained_pool_takes_nothing() {
    let mut world = World::with(|t| {
        t.section("[limits]").raw("transactions_per_client", "1");
    })
    .await;
    let alice = world.client("alice").await;
    for text in ["1", "2"] {
        alice.message(BOB, text).send().await.unwrap();
    }
    world.refused("client_budget").await;
    world
        .reload_with(|t| {
            t.section("[limits]")
                .raw("transactions_per_client", "10")
                .raw("invites_per_client", "1");
        })
        .await;
    for _ in 0..2 {
        alice.invite(BOB).send().await.unwrap();
    }
    world.refused("too_many_invites").await;
    world
        .reload_with(|t| {
            t.section("[limits]").raw("answered_per_client", "\"1KiB\"");
        })
        .await;
    // Its INVITEs are refused one after the other, and it acknowledges none.
    let bob = world.client("bob").await;
    for _ in 0..7 {
        let invite = bob.invite(BOB).send().await.unwrap();
        let refuses = async {
            let got = world.fe01.expect_where("bob's INVITE", |m| {
                m.method() == Some("INVITE") && m.header("from").is_some_and(|f| f.contains("bob"))
            });
            world.fe01.reply(&got.await.unwrap(), 200).await.unwrap();
        };
        tokio::select! {
            answer = bob.final_answer(&invite) => { answer.unwrap(); }
            () = async { refuses.await; std::future::pending().await } => {}
        }
    }
    world.refused("too_many_answered").await;
    world
        .reload_with(|t| {
            t.section("[limits]")
                .raw("client_rate", "1")
                .raw("client_burst", "1");
        })
        .await;
    let carl = world.client("carl").await;
    for text in ["1", "2"] {
        carl.message(BOB, text).send().await.unwrap();
    }
    world.refused("request_rate").await;
    world
        .reload_with(|t| {
            let members = ["fe01.contoso.test", "fe02.contoso.test"];
            t.section("[[pool]]").list("drain", &members);
        })
        .await;
    let zoe = world.client("zoe").await;
    zoe.message(BOB, "3").send().await.unwrap();
    world.refused("no_member").await;
    world.stop().await;
}

pub(super) async fn servers_that_answer_503_or_for_another_one_are_passed_over() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    alice.message(BOB, "first").send().await.unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    let other = world.dial(&world.fe02).await;
    let answer = world.fe02.answering(&got, 200).on(&other);
    answer.send().await.unwrap();
    world
        .logged("message_dropped", |e| e["reason"] == "response_wrong_peer")
        .await;
    let busy = world.fe01.answering(&got, 503).header("Retry-After", "60");
    busy.send().await.unwrap();
    let got = world.fe02.expect("MESSAGE").await.unwrap();
    let busy = world.fe02.answering(&got, 503).header("Retry-After", "60");
    busy.send().await.unwrap();
    world.refused("downstream_unavailable").await;
    // Once more, and nobody waits for it.
    world.fe02.reply(&got, 503).await.unwrap();
    world
        .logged("message_dropped", |e| e["reason"] == "response_unmatched")
        .await;
    world
        .logged("peer_unavailable", |e| e["reason"] == "retry_after")
        .await;
    alice.message(BOB, "second").send().await.unwrap();
    world.refused("peer_held_off").await;
    world.stop().await;
}

pub(super) async fn a_request_that_comes_back_is_a_loop() {
    let world = World::new().await;
    let wire = world.dial(&world.fe01).await;
    let first = world.fe01.message(CAROL, "round").on(&wire);
    first.send().await.unwrap();
    let got = world.partner.expect("MESSAGE").await.unwrap();
    let text = String::from_utf8(got.raw).unwrap();
    let via = "Via: SIP/2.0/TLS fe01.contoso.test;branch=z9hG4bKagain\r\nVia:";
    let again = text.replacen("Via:", via, 1);
    wire.send_raw(again.as_bytes()).await.unwrap();
    world.refused("loop_detected").await;
    world.stop().await;
}

pub(super) async fn servers_that_never_answer_are_given_up() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    // Timer B of the second server, which has nobody behind it, is the RFC's.
    alice.set_patience(2 * SOON);
    let call = alice.invite(BOB).send().await.unwrap();
    alice.invite(BOB).send().await.unwrap();
    let silent = |e: &Value| e["reason"] == "silence";
    world.logged("peer_unavailable", silent).await;
    alice.answer(&call, 408).await.unwrap();
    world.refused("no_answer").await;
    world.stop().await;
}

pub(super) async fn pings_that_fail_say_how() {
    let world = World::with(|t| {
        let health = "{ options_every = \"200ms\", timeout = \"1s\", down_after = 1 }";
        t.section("[[pool]]").raw("health", health);
    })
    .await;
    let ping = world.fe02.expect("OPTIONS").await.unwrap();
    world.fe02.reply(&ping, 503).await.unwrap();
    for reason in ["ping_unavailable", "ping_timeout"] {
        world
            .logged("peer_unavailable", |e| e["reason"] == reason)
            .await;
    }
    world.stop().await;
}

pub(super) async fn a_ping_is_lost_with_its_connection() {
    let world = World::with(|t| {
        let health = "{ options_every = \"200ms\", timeout = \"9s\", down_after = 1 }";
        t.section("[[pool]]").raw("health", health);
        let fe02 = t.find("[[peer]]", "fqdn", "fe02.contoso.test").unwrap();
        fe02.list("address", &["127.0.0.1:9"]);
    })
    .await;
    world
        .logged("peer_unavailable", |e| e["reason"] == "connect_failed")
        .await;
    let _ping = world.fe01.expect("OPTIONS").await.unwrap();
    world.fe01.kill();
    world
        .logged("peer_unavailable", |e| e["reason"] == "connection_lost")
        .await;
    world.stop().await;
}
