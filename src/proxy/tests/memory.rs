//! What is kept for whom, with its bounds: of a connection, of its source or peer, and of the node.
use super::message::{Request, field, route_of};
use super::world::{FE01, World, topology};
use crate::observe::Event;
use crate::proxy::LinkId;
use std::time::Duration;

/// A source of clients, and another one.
const BUSY: [u8; 4] = [198, 51, 100, 1];
const OTHER: [u8; 4] = [198, 51, 100, 2];

/// Sends a request that nobody answers for now; returns what the home server has got, or why not.
fn asks(
    w: &mut World,
    (client, home): (LinkId, LinkId),
    method: &str,
    number: u32,
) -> Result<String, String> {
    let branch = format!("z9hG4bKn{number}");
    let request = Request::of(method).branch(&branch).cseq(number);
    w.ask(client, request);
    if let Some(got) = w.take(home) {
        return Ok(got);
    }
    let refusal = w.expect(client, "SIP/2.0 503");
    assert_eq!(field(&refusal, "Retry-After"), Some("1"));
    Err(w.reasons().concat())
}

/// A call of this client that the home server accepts.
fn calls(w: &mut World, (client, home): (LinkId, LinkId), number: u32) {
    let branch = format!("z9hG4bKc{number}");
    let invite = Request::invite().branch(&branch).to_string();
    let invite = invite.replace("call-1", &format!("call-{number}"));
    w.send(client, &invite);
    let got = w.pick(home, "INVITE");
    w.answers(home, &got, 200);
    w.pick(client, "SIP/2.0 200");
}

#[test]
fn a_source_that_leaves_its_calls_and_comes_again_has_room_for_no_more() {
    let mut topology = topology();
    topology.limits.calls_per_client = 2;
    topology.limits.calls_per_source = 5;
    let mut w = World::with(topology, 1);
    let home = w.peer(FE01);
    for round in 0..4 {
        let client = w.client_from(BUSY);
        (0..2).for_each(|n| calls(&mut w, (client, home), 10 * round + n));
        w.lose(client);
    }
    assert_eq!(w.calls(), 5);
    let not_kept = w.events.iter().filter_map(|event| {
        if let Event::CallNotKept { reason, remote, .. } = event {
            Some((reason.code(), remote.ip()))
        } else {
            None
        }
    });
    let not_kept: Vec<_> = not_kept.collect();
    assert_eq!(not_kept, [("source_calls", BUSY.into()); 3]);
    // Nobody else is concerned, and what they take is the source's.
    let (busy, other) = (w.client_from(BUSY), w.client_from(OTHER));
    calls(&mut w, (other, home), 90);
    assert_eq!(w.calls(), 6);
    let held = |w: &World, link| w.cores[0].account(link).map(|it| it.party_bytes());
    w.pass(Duration::from_secs(40));
    let (of_busy, of_other) = (held(&w, busy), held(&w, other));
    assert!(
        of_other > Some(400)
            && of_busy
                .zip(of_other)
                .is_some_and(|(all, one)| all > 4 * one)
    );
    // They end as calls do, and make room.
    w.pass(Duration::from_secs(12 * 3_600));
    assert_eq!(w.calls(), 0);
    w.all_freed();
    calls(&mut w, (busy, home), 91);
    assert_eq!(w.calls(), 1);
}

#[test]
fn a_source_that_leaves_and_comes_again_has_the_budget_that_it_had() {
    let mut topology = topology();
    topology.limits.transactions_per_client = 4;
    topology.limits.transactions_per_source = 10;
    let mut w = World::with(topology, 1);
    let home = w.peer(FE01);
    let mut got = Vec::new();
    for round in 0..5 {
        let client = w.client_from(BUSY);
        let passed = (0..4).map(|n| asks(&mut w, (client, home), "MESSAGE", 10 * round + n));
        let passed: Vec<_> = passed.collect();
        let refused = passed.iter().filter_map(|it| it.as_ref().err());
        assert!(refused.into_iter().all(|reason| reason == "source_budget"));
        got.extend(passed.into_iter().flatten());
        w.lose(client);
    }
    assert_eq!(got.len(), 10);
    // Nobody else is concerned.
    let other = w.client_from(OTHER);
    assert!(asks(&mut w, (other, home), "MESSAGE", 90).is_ok());
    // Who has an answer makes room.
    w.answers(home, &got[0], 200);
    let client = w.client_from(BUSY);
    assert!(asks(&mut w, (client, home), "MESSAGE", 91).is_ok());
    w.pass(Duration::from_secs(40));
    let about = |event: &Event| matches!(event, Event::BoundLeft { .. });
    assert_eq!(w.events.iter().filter(|it| about(it)).count(), 1);
    w.all_freed();
}

#[test]
fn what_waits_is_counted_in_bytes_for_its_connection_and_its_source() {
    for (of_connection, of_source) in [(200_000, usize::MAX), (usize::MAX, 200_000)] {
        let mut topology = topology();
        topology.limits.memory_per_client = of_connection;
        topology.limits.memory_per_source = of_source;
        let mut w = World::with(topology, 1);
        let (client, again, home) = (w.client_from(BUSY), w.client_from(BUSY), w.peer(FE01));
        let large = format!("X-Large: {}\n", "x".repeat(30_000));
        let send = |w: &mut World, client, number: u32| {
            let branch = format!("z9hG4bKn{number}");
            let request = Request::of("MESSAGE").branch(&branch).cseq(number);
            w.ask(client, request.more(&large));
            w.take(home)
        };
        let got: Vec<_> = (0..20).filter_map(|n| send(&mut w, client, n)).collect();
        // Each takes its bytes and some for itself.
        assert_eq!(got.len(), 7);
        assert!(w.reasons().iter().all(|it| *it == "too_much_held"));
        assert_eq!(send(&mut w, again, 21).is_some(), of_source == usize::MAX);
        for request in &got {
            w.answers(home, request, 200);
        }
        assert!(send(&mut w, client, 30).is_some());
        w.pass(Duration::from_secs(40));
        w.all_freed();
    }
}

#[test]
fn a_peer_has_bounds_of_its_own_over_all_of_its_connections() {
    let mut topology = topology();
    topology.limits.transactions_per_peer = 3;
    let mut w = World::with(topology, 1);
    let (one, two) = (w.peer(FE01), w.peer(FE01));
    let client = w.client();
    let route = w.register(client, one, "");
    let ask = |w: &mut World, home, number: u32| {
        let branch = format!("z9hG4bKp{number}");
        let request = Request::of("MESSAGE").branch(&branch).cseq(number);
        w.ask(home, request.more(&route));
        w.take(client)
    };
    let got: Vec<_> = (0..3).filter_map(|n| ask(&mut w, one, n)).collect();
    assert_eq!(got.len(), 3);
    assert!(ask(&mut w, two, 4).is_none());
    assert_eq!(w.reasons(), ["source_budget"]);
    w.answers(client, &got[0], 200);
    assert!(ask(&mut w, two, 5).is_some());
}

#[test]
fn near_the_bound_of_all_nothing_new_begins_and_calls_go_on() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let node = std::sync::Arc::clone(w.cores[0].memory().node());
    let first = asks(&mut w, (client, home), "INVITE", 1).unwrap();
    w.answers(home, &first, 200);
    let route = route_of(&w.expect(client, "SIP/2.0 200"));
    node.set_bound(1);
    // What was reported counts: a step of it.
    w.cores[0].memory().set_tables(1 << 20);
    assert_eq!(
        asks(&mut w, (client, home), "INVITE", 2),
        Err("memory_full".to_owned())
    );
    let bye = Request::of("BYE").in_dialog().branch("z9hG4bKbye");
    w.ask(client, bye.cseq(3).more(&route));
    w.expect(home, "BYE");
    node.set_bound(usize::MAX);
    w.events.clear();
    assert!(asks(&mut w, (client, home), "MESSAGE", 4).is_ok());
}

#[test]
fn answered_invites_count_for_their_source_until_their_time_is_over() {
    let mut topology = topology();
    topology.limits.answered_per_source = 3 * crate::proxy::answered::COST;
    let mut w = World::with(topology, 1);
    let (client, home) = (w.client_from(BUSY), w.peer(FE01));
    for number in 0..3 {
        let got = asks(&mut w, (client, home), "INVITE", number).unwrap();
        w.answers(home, &got, 200);
        w.expect(client, "SIP/2.0 200");
    }
    w.lose(client);
    let client = w.client_from(BUSY);
    let refused = asks(&mut w, (client, home), "INVITE", 9);
    assert_eq!(refused, Err("too_many_answered".to_owned()));
    // What leaves no record behind passes, and nobody else is concerned.
    w.events.clear();
    assert!(asks(&mut w, (client, home), "MESSAGE", 8).is_ok());
    let other = w.client_from(OTHER);
    assert!(asks(&mut w, (other, home), "INVITE", 11).is_ok());
    w.pass(Duration::from_secs(33));
    w.events.clear();
    assert!(asks(&mut w, (client, home), "INVITE", 10).is_ok());
}

#[test]
fn answered_invites_of_a_peer_are_one_sum_over_its_connections() {
    let mut topology = topology();
    topology.limits.answered_per_peer = 2 * crate::proxy::answered::COST;
    let mut w = World::with(topology, 1);
    let (one, two) = (w.peer(FE01), w.peer(FE01));
    let client = w.client();
    let route = w.register(client, one, "");
    let call = |w: &mut World, home, number: u32| {
        let branch = format!("z9hG4bKp{number}");
        let request = Request::of("INVITE").branch(&branch).cseq(number);
        w.ask(home, request.more(&route));
        let got = w.take(client)?;
        w.answers(client, &got, 200);
        w.expect(home, "SIP/2.0 200");
        Some(())
    };
    assert_eq!(call(&mut w, one, 1).and(call(&mut w, two, 2)), Some(()));
    for (home, number) in [(one, 3), (two, 4)] {
        assert!(call(&mut w, home, number).is_none());
        w.expect(home, "SIP/2.0 503");
    }
    assert_eq!(w.reasons(), ["too_many_answered"; 2]);
    w.pass(Duration::from_secs(33));
    assert!(call(&mut w, two, 5).is_some());
}

#[test]
fn a_client_that_leaves_takes_its_refused_invites_with_it() {
    let body = format!("X-Large: {}\n", "x".repeat(30_000));
    for is_registered in [false, true] {
        let mut w = World::new();
        let (client, home) = (w.client(), w.peer(FE01));
        if is_registered {
            w.register(client, home, "");
        }
        let before = w.cores[0].memory().held();
        // More than one look at the list, and some acknowledged among them.
        for number in 0..100 {
            let branch = format!("z9hG4bKn{number}");
            let invite = || Request::of("INVITE").branch(&branch).cseq(number);
            w.ask(client, invite().more(&body));
            let got = w.expect(home, "INVITE");
            w.answers(home, &got, 407);
            w.expect(home, "ACK");
            w.expect(client, "SIP/2.0 407");
            if number % 3 == 0 {
                w.ask(client, Request::of("ACK").branch(&branch).cseq(number));
            }
        }
        let held = w.cores[0].memory().held() - before;
        // Of each no more than its record, whatever it was.
        assert!(held <= 67 * 192, "{held}");
        assert_eq!(w.cores[0].transactions(), 66);
        // The last of them would stay for 32 seconds more.
        w.lose(client);
        if is_registered {
            assert_eq!(w.cores[0].transactions(), 66);
            w.pass(Duration::from_secs(30));
        }
        assert_eq!(w.cores[0].transactions(), 0);
        assert!(w.cores[0].memory().held() <= before);
    }
}

#[test]
fn what_a_client_has_asked_ends_with_it_and_its_late_answer_is_no_stray() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let body = format!("X-Large: {}\n", "x".repeat(20_000));
    let invite = Request::invite().more(&body);
    w.ask(client, invite);
    let ringing = w.expect(home, "INVITE");
    w.rings(home, &ringing);
    let text = asks(&mut w, (client, home), "MESSAGE", 2).unwrap();
    let silent = asks(&mut w, (client, home), "INVITE", 3).unwrap();
    w.lose(client);
    // What rings is cancelled at once, what has not rung as soon as it does.
    let cancel = w.expect(home, "CANCEL");
    assert_eq!(field(&cancel, "CSeq"), Some("1 CANCEL"));
    w.silent(home);
    w.answers(home, &ringing, 487);
    w.expect(home, "ACK");
    w.events.clear();
    w.answers(home, &text, 200);
    let strays = w.reasons();
    assert!(!strays.contains(&"response_unmatched"), "{strays:?}");
    w.rings(home, &silent);
    w.expect(home, "CANCEL");
    w.answers(home, &silent, 487);
    w.expect(home, "ACK");
    // Nothing of it is left but what waits for Timer H.
    assert_eq!(w.cores[0].open_transactions(), 0);
    w.pass(Duration::from_secs(40));
    w.all_freed();
}

#[test]
fn what_a_registered_client_has_asked_waits_for_half_a_minute() {
    for shards in [1, 2] {
        for comes_back in [true, false] {
            let mut w = World::with(topology(), shards);
            let (client, home) = (w.client(), w.peer(FE01));
            w.register(client, home, "");
            let branch = "z9hG4bKcall";
            w.ask(client, Request::invite().branch(branch));
            let ringing = w.expect(home, "INVITE");
            w.rings(home, &ringing);
            w.lose(client);
            w.silent(home);
            w.pass(Duration::from_secs(20));
            let again = w.client();
            if comes_back {
                w.register(again, home, "");
            }
            w.pass(Duration::from_secs(15));
            if comes_back {
                w.silent(home);
                w.answers(home, &ringing, 200);
                w.pick(again, "SIP/2.0 200");
            } else {
                w.expect(home, "CANCEL");
                w.answers(home, &ringing, 487);
                w.expect(home, "ACK");
            }
        }
    }
}

#[test]
fn tables_that_a_flood_has_made_large_are_small_again_after_it() {
    const COUNT: u32 = 10_000;
    let mut topology = topology();
    topology.limits.transactions_per_client = COUNT as usize;
    let mut w = World::with(topology, 1);
    let (client, home) = (w.client(), w.peer(FE01));
    for number in 0..COUNT {
        asks(&mut w, (client, home), "MESSAGE", number).unwrap();
    }
    let slots = |w: &World| w.cores[0].contexts.room();
    assert!(slots(&w) >= COUNT as usize);
    w.pass(Duration::from_secs(40));
    assert!(slots(&w) <= 4_096, "{}", slots(&w));
    // What comes next has a slot and a timer as ever.
    asks(&mut w, (client, home), "MESSAGE", COUNT).unwrap();
    w.pass(Duration::from_secs(40));
    w.all_freed();
}
