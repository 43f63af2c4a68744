//! Two processes of one node, the old one with the clients that are not let go yet, the new one with the listeners: each reaches
//! the clients of the other, and neither is cut off from a client that is between the two.
use super::pair::{Pair, SECOND, invite, request, route_of};
use super::world::*;

const OLD: usize = 0;
const NEW: usize = 1;

fn each(test: impl Fn(Pair)) {
    for shards in [1, 3] {
        test(Pair::of_processes(shards));
    }
}

#[test]
fn a_phone_of_the_old_process_is_called_through_the_new_one() {
    each(|mut pair| {
        let (phone, path) = pair.phone(OLD);
        pair.sends(NEW, &invite(&path, "z9hG4bK1"));
        let called = pair.nodes[OLD].expect(phone, "INVITE sip:alice@10.0.0.1");
        assert_eq!(fields(&called, "X-Sipward-Origin"), Vec::<String>::new());
        pair.answers(OLD, phone, &called, 180);
        pair.nodes[NEW].expect(pair.homes[NEW], "SIP/2.0 180");
        pair.answers(OLD, phone, &called, 200);
        let dialog = route_of(&pair.nodes[NEW].expect(pair.homes[NEW], "SIP/2.0 200"));
        pair.sends(NEW, &request("ACK", &dialog, "z9hG4bK2"));
        pair.nodes[OLD].expect(phone, "ACK");
        for (at, method) in [(NEW, "INVITE"), (OLD, "INFO"), (NEW, "BENOTIFY")] {
            pair.sends(at, &request(method, &dialog, &format!("z9hG4bK{method}")));
            let got = pair.nodes[OLD].expect(phone, method);
            if method != "BENOTIFY" {
                pair.answers(OLD, phone, &got, 200);
                pair.nodes[at].expect(pair.homes[at], "SIP/2.0 200");
            }
        }
        pair.sends(NEW, &request("BYE", &dialog, "z9hG4bK9"));
        pair.nodes[OLD].expect(phone, "BYE");
        assert!(pair.nodes.iter_mut().all(|node| node.reasons().is_empty()));
    });
}

#[test]
fn a_dialog_that_began_before_the_upgrade_follows_its_phone_to_the_new_process() {
    each(|mut pair| {
        let (phone, path) = pair.phone(OLD);
        pair.sends(OLD, &invite(&path, "z9hG4bK1"));
        let called = pair.nodes[OLD].expect(phone, "INVITE");
        pair.answers(OLD, phone, &called, 200);
        let dialog = route_of(&pair.nodes[OLD].expect(pair.homes[OLD], "SIP/2.0 200"));
        pair.sends(OLD, &request("ACK", &dialog, "z9hG4bKa"));
        pair.nodes[OLD].expect(phone, "ACK");
        // The home server asks the new process, although nothing of the call is known there, while the phone is with the old one.
        pair.sends(NEW, &request("UPDATE", &dialog, "z9hG4bK2"));
        let update = pair.nodes[OLD].expect(phone, "UPDATE");
        pair.answers(OLD, phone, &update, 200);
        pair.nodes[NEW].expect(pair.homes[NEW], "SIP/2.0 200");
        pair.nodes[OLD].lose(phone);
        let (phone, _) = pair.phone(NEW);
        // By either connection of the home server: neither waits.
        for at in [OLD, NEW] {
            pair.sends(at, &request("INFO", &dialog, &format!("z9hG4bK3{at}")));
            let info = pair.nodes[NEW].expect(phone, "INFO");
            pair.answers(NEW, phone, &info, 200);
            pair.nodes[at].expect(pair.homes[at], "SIP/2.0 200");
        }
        let own = Request::of("BYE").in_dialog().more(&dialog).to_string();
        pair.nodes[NEW].send(phone, &own);
        pair.nodes[NEW].expect(pair.homes[NEW], "BYE");
        assert!(pair.nodes.iter_mut().all(|node| node.reasons().is_empty()));
    });
}

#[test]
fn a_phone_between_the_two_is_waited_for_by_whichever_was_asked() {
    each(|mut pair| {
        for at in [OLD, NEW] {
            let (phone, path) = pair.phone(OLD);
            pair.nodes[OLD].lose(phone);
            let branch = format!("z9hG4bK{at}");
            pair.sends(at, &invite(&path, &branch));
            pair.pass(2 * SECOND);
            let (phone, _) = pair.phone(NEW);
            // The new process gives it at once; the old one asks again a second later.
            pair.pass(2 * SECOND);
            let called = pair.nodes[NEW].expect(phone, "INVITE");
            pair.answers(NEW, phone, &called, 486);
            pair.nodes[at].pick(pair.homes[at], "SIP/2.0 486");
            pair.nodes[NEW].lose(phone);
            pair.pass(31 * SECOND);
            pair.nodes.iter_mut().for_each(|node| drop(node.reasons()));
        }
    });
}

/// Nobody would learn of its loss: what has no answer does not wait for a phone where that does not come back.
#[test]
fn an_ack_at_the_old_process_follows_its_phone_to_the_new_one() {
    each(|mut pair| {
        let (phone, path) = pair.phone(OLD);
        let cores = pair.nodes[OLD].cores.iter_mut();
        cores.for_each(|core| core.retire(true));
        pair.sends(OLD, &invite(&path, "z9hG4bK1"));
        let called = pair.nodes[OLD].expect(phone, "INVITE");
        pair.answers(OLD, phone, &called, 200);
        let dialog = route_of(&pair.nodes[OLD].pick(pair.homes[OLD], "SIP/2.0 200"));
        pair.nodes[OLD].lose(phone);
        let (phone, _) = pair.phone(NEW);
        pair.sends(OLD, &request("ACK", &dialog, "z9hG4bK1a"));
        pair.nodes[NEW].expect(phone, "ACK");
    });
}

/// Each looks at the clock by itself, so that one of the two is the first to see that it was set.
#[test]
fn a_clock_that_is_set_while_one_hands_over_to_the_other_costs_no_message() {
    each(|mut pair| {
        let (phone, path) = pair.phone(OLD);
        let (now, later) = (pair.nodes[NEW].now, 4_000_000_000);
        let cores = pair.nodes[NEW].cores.iter_mut();
        cores.for_each(|core| core.set_calendar(now, later));
        pair.sends(NEW, &invite(&path, "z9hG4bK1"));
        let called = pair.nodes[OLD].expect(phone, "INVITE");
        pair.answers(OLD, phone, &called, 200);
        let dialog = route_of(&pair.nodes[NEW].expect(pair.homes[NEW], "SIP/2.0 200"));
        pair.sends(NEW, &request("ACK", &dialog, "z9hG4bK2"));
        pair.nodes[OLD].expect(phone, "ACK");
        assert!(pair.nodes.iter_mut().all(|node| node.reasons().is_empty()));
    });
}

/// A client that was gone long before is not waited for.
#[test]
fn what_neither_has_is_gone_at_once() {
    each(|mut pair| {
        let (phone, path) = pair.phone(OLD);
        pair.nodes[OLD]
            .cores
            .iter_mut()
            .for_each(|core| core.retire(true));
        pair.nodes[OLD].lose(phone);
        pair.pass(31 * SECOND);
        pair.nodes[OLD].reasons();
        pair.sends(NEW, &invite(&path, "z9hG4bK1"));
        pair.nodes[NEW].refused(pair.homes[NEW], "SIP/2.0 430", "flow_gone");
        assert_eq!(pair.nodes[OLD].reasons(), ["flow_gone"]);
    });
}

#[test]
fn the_other_process_may_hand_over_and_nothing_else() {
    let mut pair = Pair::of_processes(1);
    let (_, path) = pair.phone(OLD);
    let link = pair.siblings[OLD][0];
    pair.nodes[OLD].send(link, &invite(&path, "z9hG4bK1"));
    assert_eq!(pair.nodes[OLD].reasons(), ["sibling_not_permitted"]);
    let forged = format!("{path}X-Sipward-Origin: AQBrSdIfARWT1Afp54kak6Dkzqv34AFtqJKvMBKBtA\n");
    pair.nodes[OLD].send(link, &invite(&forged, "z9hG4bK2"));
    assert_eq!(pair.nodes[OLD].reasons(), ["origin_forged"]);
}

#[test]
fn when_the_old_process_is_gone_nobody_asks_it() {
    each(|mut pair| {
        let (phone, path) = pair.phone(NEW);
        pair.kill(OLD);
        pair.nodes[NEW].send(pair.homes[NEW], &invite(&path, "z9hG4bK1"));
        pair.nodes[NEW].expect(phone, "INVITE");
        pair.nodes[NEW].lose(phone);
        pair.nodes[NEW].pass(31 * SECOND);
        pair.nodes[NEW].reasons();
        pair.nodes[NEW].send(pair.homes[NEW], &invite(&path, "z9hG4bK2"));
        pair.nodes[NEW].pick(pair.homes[NEW], "SIP/2.0 430");
    });
}
