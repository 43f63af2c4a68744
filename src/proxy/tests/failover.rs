//! Serial failover in a pool (RFC 3261 §16.7, RFC 3263 §4.3) and peers that come and go.
use super::world::*;
use crate::proxy::{LinkEvent, RemoteIdentity};
use std::time::Duration;

#[test]
fn a_503_moves_on_with_a_new_branch_and_a_new_token() {
    let mut w = World::new();
    let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
    w.ask(client, Request::invite());
    let first = w.expect(fe01, "INVITE");
    w.answers(fe01, &first, 503);
    w.expect(fe01, "ACK");
    let second = w.expect(fe02, "INVITE");
    assert_ne!(fields(&first, "Via")[0], fields(&second, "Via")[0]);
    assert_eq!(fields(&first, "Via")[1], fields(&second, "Via")[1]);
    assert_ne!(
        field(&first, "Record-Route"),
        field(&second, "Record-Route")
    );
    w.answers(fe02, &second, 200);
    w.expect(client, "SIP/2.0 200");
    // What the first still says is nobody's answer.
    w.answers(fe01, &first, 200);
    w.silent(client);
}

#[test]
fn when_all_answer_503_the_client_hears_500() {
    let mut w = World::new();
    let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
    w.ask(client, Request::of("MESSAGE"));
    for home in [fe01, fe02] {
        let message = w.expect(home, "MESSAGE");
        w.answers_with(home, &message, 503, "Retry-After: 10\n");
    }
    w.expect(client, "SIP/2.0 500");
    assert_eq!(w.reasons(), vec!["downstream_unavailable"]);
    w.all_freed();
}

#[test]
fn another_final_answer_does_not_move_on() {
    let mut w = World::new();
    let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
    for (n, status) in ["302 Moved", "404 Not Found", "500 Server Error", "600 Busy"]
        .into_iter()
        .enumerate()
    {
        let branch = format!("z9hG4bKs{n}");
        w.send(client, &Request::invite().branch(&branch).to_string());
        let invite = w.expect(fe01, "INVITE");
        w.send(fe01, &answer(&invite, status, ""));
        w.expect(fe01, "ACK");
        w.expect(client, &format!("SIP/2.0 {status}"));
        w.silent(fe02);
    }
}

#[test]
fn a_request_waits_for_the_connection_and_then_goes() {
    let mut w = World::new();
    let client = w.client();
    w.ask(client, Request::invite());
    w.ask(client, Request::invite().branch("z9hG4bK2"));
    assert_eq!(w.connects.len(), 1, "one connect serves both");
    let home = w.peer(FE01);
    w.expect(home, "INVITE");
    w.expect(home, "INVITE");
}

#[test]
fn a_failed_connect_moves_on_and_when_none_is_left_it_is_503() {
    let mut w = World::new();
    let client = w.client();
    w.ask(client, Request::invite());
    w.connect_failed(FE01);
    assert_eq!(w.connects.len(), 2);
    w.connect_failed(FE02);
    w.expect(client, "SIP/2.0 503");
    assert_eq!(w.reasons(), vec!["peer_unreachable"]);
    // Both are known to be down, and there is nobody else: each is looked at once more, whatever its pause.
    for branch in ["z9hG4bK2", "z9hG4bK3"] {
        w.ask(client, Request::invite().branch(branch));
        w.silent(client);
    }
    assert_eq!(
        (w.connects.len(), w.urgent),
        (4, 2),
        "one connect serves both"
    );
    w.connect_failed(FE01);
    w.silent(client);
    w.connect_failed(FE02);
    w.expect(client, "SIP/2.0 503");
    w.expect(client, "SIP/2.0 503");
    // After the pause they are tried as usual.
    w.pass(Duration::from_secs(2));
    w.ask(client, Request::invite().branch("z9hG4bK4"));
    assert_eq!((w.connects.len(), w.urgent), (5, 2));
}

#[test]
fn whichever_server_comes_back_first_takes_what_has_nowhere_else_to_go() {
    for first in [FE01, FE02] {
        let mut w = World::new();
        let client = w.client();
        w.ask(client, Request::invite());
        w.connect_failed(FE01);
        w.connect_failed(FE02);
        w.expect(client, "SIP/2.0 503");
        w.ask(client, Request::invite().branch("z9hG4bK2"));
        let back = w.peer(first);
        let invite = w.expect(back, "INVITE");
        // The other one's failure is nobody's any more.
        w.connect_failed(if first == FE01 { FE02 } else { FE01 });
        w.silent(client);
        w.answers(back, &invite, 486);
        w.expect(client, "SIP/2.0 486");
    }
}

#[test]
fn what_waits_for_a_connection_fits_into_its_queue() {
    let mut topology = topology();
    topology.limits.send_queue = 10_000;
    topology.pools[0].peers.truncate(1);
    let mut w = World::with(topology, 1);
    let client = w.client();
    let mut sent = 0;
    while w.take(client).is_none() {
        let branch = format!("z9hG4bKq{sent}");
        w.send(client, &Request::of("MESSAGE").branch(&branch).to_string());
        sent += 1;
        assert!(sent < 20);
    }
    assert_eq!(w.reasons(), vec!["connect_queue_full"]);
    let home = w.peer(FE01);
    let mut bytes = 0;
    for _ in 1..sent {
        bytes += w.expect(home, "MESSAGE").len();
    }
    assert!((2_000..=10_000).contains(&bytes), "{bytes} in {sent}");
    // There is room again once it is there, and after a failure.
    w.lose(home);
    w.ask(client, Request::of("MESSAGE").branch("z9hG4bKnext"));
    w.connect_failed(FE01);
    w.ask(client, Request::of("MESSAGE").branch("z9hG4bKlast"));
    assert_eq!(w.urgent, 1);
    let home = w.peer(FE01);
    w.expect(home, "MESSAGE");
}

#[test]
fn the_queue_for_a_connect_is_bounded() {
    let mut topology = topology();
    topology.limits.connect_queue = 2;
    topology.pools[0].peers.truncate(1);
    let mut w = World::with(topology, 1);
    let client = w.client();
    for n in 0..3 {
        let branch = format!("z9hG4bKq{n}");
        w.send(client, &Request::of("MESSAGE").branch(&branch).to_string());
    }
    w.expect(client, "SIP/2.0 503");
    assert_eq!(w.reasons(), vec!["connect_queue_full"]);
    let home = w.peer(FE01);
    w.expect(home, "MESSAGE");
    w.expect(home, "MESSAGE");
    w.silent(home);
}

#[test]
fn a_connection_that_breaks_before_any_answer_moves_the_request_on() {
    let mut w = World::new();
    let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
    w.ask(client, Request::of("MESSAGE"));
    w.expect(fe01, "MESSAGE");
    w.lose(fe01);
    let message = w.expect(fe02, "MESSAGE");
    w.answers(fe02, &message, 200);
    w.expect(client, "SIP/2.0 200");
    w.all_freed();
}

#[test]
fn a_ringing_call_survives_the_loss_of_the_servers_connection() {
    let mut w = World::new();
    let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
    w.ask(client, Request::invite());
    let invite = w.expect(fe01, "INVITE");
    w.rings(fe01, &invite);
    w.expect(client, "SIP/2.0 180");
    w.lose(fe01);
    w.silent(fe02);
    let again = w.peer(FE01);
    w.answers(again, &invite, 200);
    w.expect(client, "SIP/2.0 200");
}

#[test]
fn a_full_connection_takes_no_new_request() {
    let mut w = World::new();
    let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
    w.link_event(0, LinkEvent::Full { link: fe01 });
    w.ask(client, Request::of("MESSAGE"));
    w.silent(fe01);
    w.expect(fe02, "MESSAGE");
    // Of those who have filled it.
    let large = format!("X-Large: {}\n", "x".repeat(30_000));
    for number in 10..13 {
        let branch = format!("z9hG4bK{number}");
        w.ask(client, Request::of("MESSAGE").branch(&branch).more(&large));
        w.expect(fe02, "MESSAGE");
    }
    w.link_event(0, LinkEvent::Full { link: fe02 });
    w.send(
        client,
        &Request::of("MESSAGE").branch("z9hG4bK2").to_string(),
    );
    w.expect(client, "SIP/2.0 503");
    assert_eq!(w.reasons(), vec!["peer_congested"]);
    w.link_event(0, LinkEvent::Clear { link: fe01 });
    w.send(
        client,
        &Request::of("MESSAGE").branch("z9hG4bK3").to_string(),
    );
    w.expect(fe01, "MESSAGE");
}

#[test]
fn where_the_queue_is_long_who_has_not_filled_it_passes_and_so_do_dialogs() {
    let mut topology = topology();
    topology.limits.send_queue = 8_192;
    let mut w = World::with(topology, 1);
    let (busy, other) = (w.client(), w.client());
    let (home, last) = (w.peer(FE01), w.peer(FE02));
    w.ask(busy, Request::invite());
    let invite = w.expect(home, "INVITE");
    w.answers(home, &invite, 200);
    let route = route_of(&w.expect(busy, "SIP/2.0 200"));
    let large = format!("X-Large: {}\n", "x".repeat(30_000));
    for number in 0..3 {
        let branch = format!("z9hG4bKl{number}");
        w.ask(busy, Request::of("MESSAGE").branch(&branch).more(&large));
        w.expect(home, "MESSAGE");
    }
    for link in [home, last] {
        w.link_event(0, LinkEvent::Full { link });
    }
    w.ask(busy, Request::of("MESSAGE").branch("z9hG4bKmore"));
    w.expect(busy, "SIP/2.0 503");
    w.silent(home);
    w.silent(last);
    // The same connection ends its call, and somebody else begins one.
    for (method, cseq) in [("ACK", 1), ("BYE", 2)] {
        let branch = format!("z9hG4bK{method}");
        let request = Request::of(method).in_dialog().branch(&branch);
        w.ask(busy, request.cseq(cseq).more(&route));
        w.expect(home, method);
    }
    w.ask(other, Request::of("MESSAGE").branch("z9hG4bKother"));
    w.expect(last, "MESSAGE");
    // Half of the queue is there for them, so that it never comes to the length at which it is closed.
    let passes = |w: &mut World, number: u32| {
        let branch = format!("z9hG4bKo{number}");
        w.ask(other, Request::of("MESSAGE").branch(&branch).cseq(number));
        w.take(last).is_some()
    };
    let passed = (0..40).filter(|number| passes(&mut w, *number)).count();
    assert!((3..20).contains(&passed), "{passed}");
    w.link_event(0, LinkEvent::Clear { link: last });
    assert!(passes(&mut w, 50));
}

/// It has no transaction by whose number it is bounded: sent without end it would end the connection for all.
#[test]
fn of_what_is_repeated_when_it_is_lost_a_long_queue_takes_little() {
    let mut topology = topology();
    topology.limits.send_queue = 16_384;
    let mut w = World::with(topology, 1);
    let (client, home) = (w.client(), w.peer(FE01));
    let path = w.register(client, home, "");
    w.ask(client, Request::invite());
    let invite = w.expect(home, "INVITE");
    w.answers(home, &invite, 200);
    let route = route_of(&w.expect(client, "SIP/2.0 200"));
    w.ask(
        home,
        Request::invite().branch("z9hG4bKring").more(&path).cseq(7),
    );
    let rings = w.expect(client, "INVITE");
    w.link_event(0, LinkEvent::Full { link: home });
    let large = format!("X-Large: {}\n", "x".repeat(9_000));
    let acks = |w: &mut World, more: &str| {
        let more = format!("{route}{more}");
        w.ask(client, Request::of("ACK").in_dialog().more(&more));
        w.take(home).is_some()
    };
    assert!(!acks(&mut w, &large));
    assert_eq!(w.reasons(), ["peer_congested"]);
    w.answers_with(client, &rings, 183, &large);
    w.silent(home);
    assert_eq!(w.reasons(), ["peer_congested"]);
    // What is usual is small, and passes.
    w.answers(client, &rings, 180);
    w.expect(home, "SIP/2.0 180");
    let passed = (0..40).filter(|_| acks(&mut w, "")).count();
    assert!((2..20).contains(&passed), "{passed}");
    // An answer passes, and is repeated when it is lost.
    w.answers_with(client, &rings, 200, &large);
    w.expect(home, "SIP/2.0 200");
    w.answers_with(client, &rings, 200, &large);
    w.silent(home);
    w.link_event(0, LinkEvent::Clear { link: home });
    assert!(acks(&mut w, &large));
    w.answers_with(client, &rings, 200, &large);
    w.expect(home, "SIP/2.0 200");
}

#[test]
fn while_draining_dialogs_go_on_and_nothing_new_begins() {
    let mut w = World::new();
    let (client, fe01) = (w.client(), w.peer(FE01));
    w.ask(client, Request::invite());
    let invite = w.expect(fe01, "INVITE");
    w.answers(fe01, &invite, 200);
    w.expect(client, "SIP/2.0 200");
    w.cores[0].start_draining();
    assert_eq!(w.cores[0].pending(), 0);
    let route = route_of(&invite);
    w.send(
        client,
        &Request::of("BYE")
            .in_dialog()
            .more(&route)
            .branch("z9hG4bKb")
            .cseq(2)
            .to_string(),
    );
    let bye = w.expect(fe01, "BYE");
    w.answers(fe01, &bye, 200);
    w.expect(client, "SIP/2.0 200");
    w.ask(client, Request::invite().branch("z9hG4bKn"));
    let reply = w.expect(client, "SIP/2.0 503");
    assert!(field(&reply, "Retry-After").is_some());
    assert_eq!(w.reasons().last(), Some(&"draining"));
}

#[test]
fn after_a_silent_target_the_next_one_still_gets_the_time_to_connect() {
    let mut w = World::new();
    let (client, fe01) = (w.client(), w.peer(FE01));
    w.ask(client, Request::invite());
    w.expect(fe01, "INVITE");
    w.pass(Duration::from_millis(8_500));
    assert_eq!(w.connects.len(), 1);
    w.pass(Duration::from_secs(3));
    let fe02 = w.peer(FE02);
    let invite = w.expect(fe02, "INVITE");
    w.answers(fe02, &invite, 486);
    w.expect(client, "SIP/2.0 100");
    w.expect(client, "SIP/2.0 486");
}

#[test]
fn a_503_after_another_final_answer_begins_no_further_branch() {
    let mut w = World::new();
    let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
    w.ask(client, Request::invite());
    let invite = w.expect(fe01, "INVITE");
    w.answers(fe01, &invite, 486);
    w.expect(client, "SIP/2.0 486");
    w.answers(fe01, &invite, 503);
    w.silent(fe02);
    w.silent(client);
}

#[test]
fn a_cancelled_call_is_not_taken_to_another_target() {
    for broken in [false, true] {
        let mut w = World::new();
        let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
        w.ask(client, Request::invite());
        let invite = w.expect(fe01, "INVITE");
        w.ask(client, Request::of("CANCEL"));
        w.expect(client, "SIP/2.0 200");
        if broken {
            w.lose(fe01);
        } else {
            w.answers(fe01, &invite, 503);
        }
        w.expect(client, "SIP/2.0 487");
        w.silent(fe02);
    }
}

#[test]
fn a_503_with_retry_after_keeps_new_requests_away_for_that_time_and_one_without_does_not() {
    let mut w = World::new();
    let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
    let begin = |w: &mut World, branch: &str| {
        let request = Request::of("MESSAGE").branch(branch);
        w.ask(client, request);
    };
    w.ask(client, Request::invite());
    let invite = w.expect(fe01, "INVITE");
    w.answers(fe01, &invite, 200);
    w.expect(client, "SIP/2.0 200");
    // Without: only that request moves on.
    begin(&mut w, "z9hG4bK1");
    let got = w.expect(fe01, "MESSAGE");
    w.answers(fe01, &got, 503);
    w.expect(fe02, "MESSAGE");
    begin(&mut w, "z9hG4bK2");
    let got = w.expect(fe01, "MESSAGE");
    // With: nothing new for 20 seconds.
    w.send(
        fe01,
        &answer(
            &got,
            "503 Service Unavailable",
            "Retry-After: 20 (busy);duration=3\n",
        ),
    );
    w.expect(fe02, "MESSAGE");
    w.pass(Duration::from_secs(19));
    begin(&mut w, "z9hG4bK3");
    w.silent(fe01);
    let got = w.expect(fe02, "MESSAGE");
    // What belongs to a dialog goes there all the same.
    let route = route_of(&invite);
    w.ask(
        client,
        Request::of("BYE")
            .in_dialog()
            .branch("z9hG4bKbye")
            .cseq(2)
            .more(&route),
    );
    w.expect(fe01, "BYE");
    // When all ask for a pause, the answer does not wait for it.
    w.answers_with(fe02, &got, 503, "Retry-After: 9000000000\n");
    while w.take(client).is_some() {}
    begin(&mut w, "z9hG4bK4");
    w.expect(client, "SIP/2.0 503");
    assert_eq!(w.reasons().last(), Some(&"peer_held_off"));
    w.pass(Duration::from_secs(2));
    begin(&mut w, "z9hG4bK5");
    w.expect(fe01, "MESSAGE");
    // No server keeps us away for longer than five minutes.
    w.pass(Duration::from_secs(300));
    // Nobody has answered the BYE in its share of the time: the other server of the pool was asked.
    w.expect(fe02, "BYE");
    w.lose(fe01);
    begin(&mut w, "z9hG4bK6");
    w.connect_failed(FE01);
    w.expect(fe02, "MESSAGE");
}

/// The server of a dialog is gone: another one of its pool takes over, and what it sends on is taken as the first one's.
#[test]
fn a_request_in_a_dialog_goes_to_the_next_server_of_the_pool_when_its_own_is_gone() {
    let mut w = World::new();
    let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
    w.ask(client, Request::invite());
    let invite = w.expect(fe01, "INVITE");
    w.answers(fe01, &invite, 200);
    w.expect(client, "SIP/2.0 200");
    w.lose(fe01);
    let route = route_of(&invite);
    w.ask(
        client,
        Request::of("BYE")
            .in_dialog()
            .branch("z9hG4bKbye")
            .cseq(2)
            .more(&route),
    );
    w.connect_failed(FE01);
    let bye = w.expect(fe02, "BYE");
    w.answers(fe02, &bye, 200);
    w.expect(client, "SIP/2.0 200");
}

/// Two home servers of one pool in a dialog, and one of them is gone: the other does not get its own request back.
#[test]
fn a_request_in_a_dialog_never_goes_back_to_the_server_that_sent_it() {
    let mut w = World::new();
    let (fe01, fe02) = (w.peer(FE01), w.peer(FE02));
    w.ask(fe01, Request::invite().uri("sip:bob@fe02.contoso.test"));
    let invite = w.expect(fe02, "INVITE");
    w.answers(fe02, &invite, 200);
    w.expect(fe01, "SIP/2.0 200");
    w.lose(fe02);
    let route = route_of(&invite);
    w.ask(
        fe01,
        Request::of("BYE")
            .in_dialog()
            .uri("sip:bob@fe02.contoso.test")
            .branch("z9hG4bKbye")
            .cseq(2)
            .more(&route),
    );
    w.connect_failed(FE02);
    w.expect(fe01, "SIP/2.0 5");
    w.silent(fe01);
}

/// The reload has put another server at the position that the failed connect was asked for.
#[test]
fn a_connect_of_an_earlier_generation_that_fails_concerns_nobody() {
    let mut w = World::new();
    let client = w.client();
    w.ask(client, Request::invite());
    let asked = w.connects[0];
    let mut without = topology();
    without.peers.remove(0);
    for at in [0, 1] {
        without.pools[at].peers = vec![(reference(&without, at), 1)];
    }
    w.load(without);
    w.connect_ended(asked);
    w.silent(client);
    let fe02 = w.peer(FE02);
    w.expect(fe02, "INVITE");
}

#[test]
fn a_connection_that_was_decided_on_while_it_ended_stays_ended() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let identity = RemoteIdentity::Peer(w.peer_id(FE01));
    w.lose(home);
    let before = w.connects.len();
    w.link_event(
        home.shard(),
        LinkEvent::Confirmed {
            link: home,
            identity,
            remote: ([10, 0, 0, 11], 5061).into(),
            requests: true,
        },
    );
    w.ask(client, Request::of("MESSAGE"));
    // Over the ended one it would wait for an answer that cannot come.
    assert!(w.connects.len() > before, "another connection is asked for");
    let again = w.peer(FE01);
    w.pick(again, "MESSAGE");
}
