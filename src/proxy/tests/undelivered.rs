//! Requests of the process that hands over which the other one cannot deliver: their transactions learn of it at once.
use super::pair::{Pair, SECOND, invite};
use super::world::*;
use crate::proxy::{LinkEvent, LinkId};
use crate::topology::DnsName;

const OLD: usize = 0;
const NEW: usize = 1;

/// The old process hands over, and has left the home server: whatever it has for that crosses.
fn each(test: impl Fn(Pair)) {
    for shards in [1, 3] {
        let mut pair = Pair::of_processes(shards);
        pair.retire();
        test(pair);
    }
}

/// A phone at the old process, whose home server is gone there.
fn phone(pair: &mut Pair) -> LinkId {
    let (phone, _) = pair.phone(OLD);
    let home = pair.homes[OLD];
    pair.nodes[OLD].lose(home);
    phone
}

/// The same, and the new process has no connection to it either.
fn cut_off(pair: &mut Pair) -> LinkId {
    let phone = phone(pair);
    let home = pair.homes[NEW];
    pair.nodes[NEW].lose(home);
    pair.nodes[NEW].connects.clear();
    phone
}

fn asks(pair: &mut Pair, phone: LinkId, method: &str, branch: &str) {
    let request = match method {
        "INVITE" => Request::invite(),
        _ => Request::of(method),
    };
    pair.says(OLD, phone, &request.branch(branch).to_string());
}

fn connect_failed(pair: &mut Pair, fqdn: &str) {
    pair.nodes[NEW].connect_failed(fqdn);
    pair.pump();
}

fn comes_up(pair: &mut Pair, fqdn: &str) -> LinkId {
    let link = pair.nodes[NEW].peer(fqdn);
    pair.pump();
    link
}

/// It arrives at this server, and its answer at the phone.
fn is_served(pair: &mut Pair, phone: LinkId, server: LinkId, method: &str) {
    let asked = pair.nodes[NEW].expect(server, method);
    pair.answers(NEW, server, &asked, 200);
    pair.nodes[OLD].pick(phone, "SIP/2.0 200");
    pair.nodes[NEW].silent(server);
}

#[test]
fn a_server_that_cannot_be_connected_to_is_followed_by_the_next_at_once() {
    each(|mut pair| {
        for method in ["INVITE", "MESSAGE"] {
            let phone = cut_off(&mut pair);
            asks(&mut pair, phone, method, &format!("z9hG4bK{method}"));
            assert_eq!(pair.nodes[NEW].connects.len(), 1);
            connect_failed(&mut pair, FE01);
            let second = comes_up(&mut pair, FE02);
            is_served(&mut pair, phone, second, method);
            // Known to be down for a moment: the next request begins with the other one.
            asks(&mut pair, phone, method, &format!("z9hG4bK2{method}"));
            is_served(&mut pair, phone, second, method);
            pair.nodes[NEW].lose(second);
            pair.pass(40 * SECOND);
            pair.homes = [OLD, NEW].map(|at: usize| pair.nodes[at].peer(FE01));
            pair.pump();
            pair.nodes.iter_mut().for_each(|node| drop(node.reasons()));
        }
    });
}

#[test]
fn when_none_can_be_connected_to_the_caller_learns_it_at_once() {
    each(|mut pair| {
        let phone = cut_off(&mut pair);
        asks(&mut pair, phone, "INVITE", "z9hG4bK1");
        connect_failed(&mut pair, FE01);
        connect_failed(&mut pair, FE02);
        pair.nodes[OLD].refused(phone, "SIP/2.0 503", "peer_unreachable");
        // The last one is looked at whatever its pause; the first is passed over in its own.
        let before = pair.nodes[NEW].connects.len();
        asks(&mut pair, phone, "MESSAGE", "z9hG4bK2");
        assert_eq!(pair.nodes[NEW].connects.len(), before + 1);
        assert_eq!(pair.nodes[NEW].urgent, 1);
        let second = comes_up(&mut pair, FE02);
        is_served(&mut pair, phone, second, "MESSAGE");
    });
}

#[test]
fn a_connection_that_is_lost_before_the_answer_is_one_more_failure() {
    each(|mut pair| {
        for method in ["INVITE", "MESSAGE"] {
            let phone = phone(&mut pair);
            asks(&mut pair, phone, method, &format!("z9hG4bK{method}"));
            let home = pair.homes[NEW];
            pair.nodes[NEW].expect(home, method);
            pair.nodes[NEW].lose(home);
            pair.pump();
            let second = comes_up(&mut pair, FE02);
            is_served(&mut pair, phone, second, method);
            pair.nodes[NEW].lose(second);
            pair.pass(40 * SECOND);
            pair.homes = [OLD, NEW].map(|at: usize| pair.nodes[at].peer(FE01));
            pair.pump();
        }
    });
}

/// RFC 3261 §16.9 is for who has not answered: a call that rings may be taken over another connection.
#[test]
fn a_call_that_rings_outlives_the_connection_it_was_sent_on() {
    each(|mut pair| {
        let phone = phone(&mut pair);
        asks(&mut pair, phone, "INVITE", "z9hG4bK1");
        let home = pair.homes[NEW];
        let asked = pair.nodes[NEW].expect(home, "INVITE");
        pair.answers(NEW, home, &asked, 180);
        pair.nodes[OLD].pick(phone, "SIP/2.0 180");
        pair.nodes[NEW].lose(home);
        pair.pump();
        let home = comes_up(&mut pair, FE01);
        pair.answers(NEW, home, &asked, 200);
        pair.nodes[OLD].pick(phone, "SIP/2.0 200");
    });
}

#[test]
fn what_a_server_does_not_read_or_is_not_to_get_goes_to_the_next() {
    each(|mut pair| {
        let phone = phone(&mut pair);
        let second = comes_up(&mut pair, FE02);
        let link = pair.homes[NEW];
        pair.nodes[NEW].link_event(link.shard(), LinkEvent::Full { link });
        asks(&mut pair, phone, "MESSAGE", "z9hG4bK1");
        is_served(&mut pair, phone, second, "MESSAGE");
        pair.nodes[NEW].link_event(link.shard(), LinkEvent::Clear { link });
        pair.nodes[NEW].link_event(link.shard(), LinkEvent::Withdrawn { link });
        asks(&mut pair, phone, "MESSAGE", "z9hG4bK2");
        connect_failed(&mut pair, FE01);
        is_served(&mut pair, phone, second, "MESSAGE");
        pair.nodes[NEW].silent(link);
    });
}

#[test]
fn a_peer_that_the_new_process_does_not_list_is_followed_by_the_next() {
    each(|mut pair| {
        let phone = cut_off(&mut pair);
        asks(&mut pair, phone, "MESSAGE", "z9hG4bK1");
        let mut without = topology();
        without.pools[0].peers.remove(0);
        without.peers[0] = without.peers[0]
            .clone()
            .renamed(DnsName::parse("fe09.test").unwrap());
        pair.nodes[NEW].load(without);
        pair.pump();
        let second = comes_up(&mut pair, FE02);
        is_served(&mut pair, phone, second, "MESSAGE");
        pair.pass(2 * SECOND);
        asks(&mut pair, phone, "MESSAGE", "z9hG4bK2");
        is_served(&mut pair, phone, second, "MESSAGE");
    });
}

#[test]
fn no_more_waits_for_a_connection_than_there_is_room_for() {
    let mut pair = Pair::of_processes(1);
    pair.retire();
    let phone = cut_off(&mut pair);
    pair.nodes[NEW].cores[0].env.limits.connect_queue = 2;
    for number in 0..3 {
        asks(&mut pair, phone, "MESSAGE", &format!("z9hG4bK{number}"));
    }
    assert_eq!(
        pair.nodes[NEW].connects.len(),
        2,
        "the last asks the next server"
    );
    let first = comes_up(&mut pair, FE01);
    let sent = std::iter::from_fn(|| pair.nodes[NEW].take(first)).count();
    assert_eq!(sent, 2);
    let second = comes_up(&mut pair, FE02);
    is_served(&mut pair, phone, second, "MESSAGE");
}

/// Its transaction has asked somebody else, and nobody would cancel it there.
#[test]
fn what_has_waited_too_long_for_a_connection_is_not_sent() {
    each(|mut pair| {
        let phone = cut_off(&mut pair);
        asks(&mut pair, phone, "INVITE", "z9hG4bK1");
        pair.pass(9 * SECOND);
        let second = comes_up(&mut pair, FE02);
        is_served(&mut pair, phone, second, "INVITE");
        let first = comes_up(&mut pair, FE01);
        pair.nodes[NEW].silent(first);
    });
}

#[test]
fn when_the_new_process_is_gone_the_old_one_connects_by_itself() {
    each(|mut pair| {
        let phone = phone(&mut pair);
        let home = pair.homes[NEW];
        asks(&mut pair, phone, "MESSAGE", "z9hG4bK1");
        pair.nodes[NEW].expect(home, "MESSAGE");
        pair.kill(NEW);
        assert_eq!(pair.nodes[OLD].connects.len(), 1);
        let second = pair.nodes[OLD].peer(FE02);
        let asked = pair.nodes[OLD].expect(second, "MESSAGE");
        pair.nodes[OLD].answers(second, &asked, 200);
        pair.nodes[OLD].pick(phone, "SIP/2.0 200");
    });
}

/// TCP has not told the new process either when the request is written.
#[test]
fn a_phone_that_loses_its_connection_at_the_new_process_gets_the_request_again() {
    each(|mut pair| {
        let (phone, path) = pair.phone(OLD);
        pair.nodes[OLD].lose(phone);
        let (phone, _) = pair.phone(NEW);
        pair.pump();
        pair.sends(OLD, &invite(&path, "z9hG4bK1"));
        let called = pair.nodes[NEW].expect(phone, "INVITE");
        pair.answers(NEW, phone, &called, 180);
        pair.nodes[OLD].expect(pair.homes[OLD], "SIP/2.0 180");
        pair.nodes[NEW].lose(phone);
        pair.pump();
        pair.pass(3 * SECOND);
        let (phone, _) = pair.phone(NEW);
        pair.pump();
        assert_eq!(pair.nodes[NEW].expect(phone, "INVITE"), called);
        pair.answers(NEW, phone, &called, 486);
        pair.nodes[OLD].pick(pair.homes[OLD], "SIP/2.0 486");
    });
}

#[test]
fn a_phone_that_does_not_come_back_is_waited_for_as_long_as_within_a_process() {
    each(|mut pair| {
        for method in ["INVITE", "MESSAGE"] {
            let (phone, path) = pair.phone(OLD);
            pair.nodes[OLD].lose(phone);
            let call = Request::of(method)
                .uri("sip:alice@10.0.0.1")
                .from("<sip:bob@contoso.test>;tag=b")
                .to("<sip:alice@contoso.test>")
                .branch(&format!("z9hG4bK{method}"))
                .more(&path)
                .to_string();
            pair.sends(OLD, &call);
            pair.pass(29 * SECOND);
            let home = pair.homes[OLD];
            if method == "INVITE" {
                pair.nodes[OLD].expect(home, "SIP/2.0 100");
            } else {
                while pair.nodes[OLD].take(home).is_some() {}
            }
            pair.nodes[OLD].silent(home);
            pair.pass(2 * SECOND);
            pair.nodes[OLD].refused(home, "SIP/2.0 430", "flow_gone");
        }
    });
}
