//! Transactions that are in one process of this node, while their client or server is at the other one already.
use super::pair::{Pair, SECOND, invite, request, route_of};
use super::world::*;
use crate::proxy::{LinkEvent, LinkId};

const OLD: usize = 0;
const NEW: usize = 1;

/// The old process hands over.
fn each(test: impl Fn(Pair)) {
    for shards in [1, 3] {
        let mut pair = Pair::of_processes(shards);
        pair.retire();
        test(pair);
    }
}

/// Nothing was refused or dropped.
#[track_caller]
fn all_well(pair: &mut Pair) {
    for node in &mut pair.nodes {
        let reasons = node.reasons();
        assert!(reasons.is_empty(), "{reasons:?}");
    }
}

/// The phone has lost its connection to the old process, and registers at the new one.
fn moves(pair: &mut Pair, phone: LinkId) -> LinkId {
    pair.nodes[OLD].lose(phone);
    let (phone, _) = pair.phone(NEW);
    pair.pump();
    phone
}

/// The CANCEL or ACK that belongs to a request: its Via, Call-ID, From and Route.
fn of(request: &str, method: &str, to: &str) -> String {
    let uri = request.split(' ').nth(1).unwrap();
    let line = |name| request.lines().find(|line| line.starts_with(name)).unwrap();
    let (via, from, call_id) = (line("Via"), line("From"), line("Call-ID"));
    format!(
        "{method} {uri} SIP/2.0\n{via}\nMax-Forwards: 70\n{from}\nTo: {to}\n{call_id}\nCSeq: 1 {method}\n\n"
    )
}

fn call_of_phone() -> String {
    Request::invite()
        .uri("sip:bob@contoso.test")
        .from("<sip:alice@contoso.test>;tag=a")
        .to("<sip:bob@contoso.test>")
        .branch("z9hG4bKp")
        .to_string()
}

#[test]
fn a_call_that_rings_follows_its_phone_under_the_branch_that_it_knows() {
    each(|mut pair| {
        let (phone, path) = pair.phone(OLD);
        pair.sends(OLD, &invite(&path, "z9hG4bK1"));
        let called = pair.nodes[OLD].expect(phone, "INVITE");
        pair.answers(OLD, phone, &called, 180);
        pair.nodes[OLD].expect(pair.homes[OLD], "SIP/2.0 180");
        let phone = moves(&mut pair, phone);
        // It may have kept its transaction or not.
        let again = pair.nodes[NEW].expect(phone, "INVITE");
        assert_eq!(again, called);
        pair.answers(NEW, phone, &called, 200);
        let dialog = route_of(&pair.nodes[OLD].expect(pair.homes[OLD], "SIP/2.0 200"));
        for at in [OLD, NEW] {
            pair.sends(at, &request("ACK", &dialog, &format!("z9hG4bKa{at}")));
            pair.nodes[NEW].expect(phone, "ACK");
        }
        all_well(&mut pair);
    });
}

#[test]
fn a_refusal_of_a_phone_that_has_moved_is_acknowledged_there() {
    each(|mut pair| {
        let (phone, path) = pair.phone(OLD);
        pair.sends(OLD, &invite(&path, "z9hG4bK1"));
        let called = pair.nodes[OLD].expect(phone, "INVITE");
        pair.answers(OLD, phone, &called, 180);
        let phone = moves(&mut pair, phone);
        pair.nodes[NEW].expect(phone, "INVITE");
        pair.answers(NEW, phone, &called, 486);
        pair.nodes[NEW].expect(phone, "ACK");
        pair.nodes[OLD].pick(pair.homes[OLD], "SIP/2.0 486");
        all_well(&mut pair);
    });
}

#[test]
fn a_call_that_its_caller_cancels_is_cancelled_where_the_phone_is() {
    each(|mut pair| {
        for at in [OLD, NEW] {
            let (phone, path) = pair.phone(OLD);
            let call = invite(&path, &format!("z9hG4bK{at}"));
            pair.sends(OLD, &call);
            let called = pair.nodes[OLD].expect(phone, "INVITE");
            pair.answers(OLD, phone, &called, 180);
            pair.nodes[OLD].expect(pair.homes[OLD], "SIP/2.0 180");
            let phone = moves(&mut pair, phone);
            pair.nodes[NEW].expect(phone, "INVITE");
            // By the connection that the INVITE came on, or by the newest.
            pair.sends(at, &of(&call, "CANCEL", "<sip:alice@contoso.test>"));
            pair.nodes[NEW].expect(phone, "CANCEL");
            pair.answers(NEW, phone, &called, 487);
            pair.nodes[NEW].expect(phone, "ACK");
            pair.nodes[OLD].pick(pair.homes[OLD], "SIP/2.0 200");
            pair.nodes[OLD].pick(pair.homes[OLD], "SIP/2.0 487");
            all_well(&mut pair);
            pair.nodes[NEW].lose(phone);
            pair.pass(700 * SECOND);
            pair.nodes.iter_mut().for_each(|node| drop(node.reasons()));
        }
    });
}

#[test]
fn a_phone_that_calls_learns_at_the_new_process_what_comes_of_it() {
    each(|mut pair| {
        let (phone, _) = pair.phone(OLD);
        pair.says(OLD, phone, &call_of_phone());
        let asked = pair.nodes[OLD].expect(pair.homes[OLD], "INVITE");
        pair.answers(OLD, pair.homes[OLD], &asked, 180);
        pair.nodes[OLD].expect(phone, "SIP/2.0 180");
        let phone = moves(&mut pair, phone);
        // The server's answer may come over its other connection.
        pair.answers(NEW, pair.homes[NEW], &asked, 183);
        pair.nodes[NEW].expect(phone, "SIP/2.0 183");
        pair.answers(OLD, pair.homes[OLD], &asked, 200);
        let dialog = route_of(&pair.nodes[NEW].expect(phone, "SIP/2.0 200"));
        let ack = Request::of("ACK").in_dialog().more(&dialog).to_string();
        pair.says(NEW, phone, &ack);
        pair.nodes[NEW].expect(pair.homes[NEW], "ACK");
        all_well(&mut pair);
    });
}

#[test]
fn a_phone_cancels_at_the_new_process_what_it_has_begun_at_the_old_one() {
    each(|mut pair| {
        let (phone, _) = pair.phone(OLD);
        pair.says(OLD, phone, &call_of_phone());
        let asked = pair.nodes[OLD].expect(pair.homes[OLD], "INVITE");
        pair.answers(OLD, pair.homes[OLD], &asked, 180);
        let phone = moves(&mut pair, phone);
        let call = call_of_phone();
        pair.says(NEW, phone, &of(&call, "CANCEL", "<sip:bob@contoso.test>"));
        pair.nodes[NEW].expect(phone, "SIP/2.0 200");
        pair.nodes[OLD].expect(pair.homes[OLD], "CANCEL");
        pair.answers(OLD, pair.homes[OLD], &asked, 487);
        let ended = pair.nodes[NEW].expect(phone, "SIP/2.0 487");
        // Acknowledged over the new connection: the transaction ends.
        let before = pair.nodes[OLD].cores[usize::from(phone.shard())].transactions();
        pair.says(NEW, phone, &of(&call, "ACK", field(&ended, "To").unwrap()));
        let after = pair.nodes[OLD].cores[usize::from(phone.shard())].transactions();
        assert_eq!((before, after), (1, 0));
        all_well(&mut pair);
    });
}

#[test]
fn a_cancel_that_neither_knows_is_answered_481_once() {
    let mut pair = Pair::of_processes(1);
    pair.retire();
    {
        for at in [OLD, NEW] {
            let cancel = of(
                &invite("", "z9hG4bKx"),
                "CANCEL",
                "<sip:alice@contoso.test>",
            );
            pair.sends(at, &cancel);
            let own = pair.nodes[at].take(pair.homes[at]);
            let other = pair.nodes[1 - at].take(pair.homes[1 - at]);
            let answer = own.or(other).unwrap();
            assert!(answer.starts_with("SIP/2.0 481"), "{answer}");
            pair.nodes[at].silent(pair.homes[at]);
        }
    }
}

/// Between the two: it was let go, and is not back yet.
#[test]
fn what_nobody_answers_waits_for_a_phone_at_whichever_process_it_comes_in() {
    each(|mut pair| {
        let (phone, path) = pair.phone(OLD);
        pair.sends(OLD, &invite(&path, "z9hG4bK1"));
        let called = pair.nodes[OLD].expect(phone, "INVITE");
        pair.answers(OLD, phone, &called, 200);
        let dialog = route_of(&pair.nodes[OLD].pick(pair.homes[OLD], "SIP/2.0 200"));
        pair.nodes[OLD].lose(phone);
        for at in [OLD, NEW] {
            pair.sends(at, &request("ACK", &dialog, &format!("z9hG4bKa{at}")));
            pair.sends(at, &request("BENOTIFY", &dialog, &format!("z9hG4bKb{at}")));
        }
        pair.pass(5 * SECOND);
        let (phone, _) = pair.phone(NEW);
        pair.pump();
        for _ in 0..2 {
            pair.nodes[NEW].expect(phone, "ACK");
            pair.nodes[NEW].expect(phone, "BENOTIFY");
        }
        all_well(&mut pair);
    });
}

#[test]
fn a_request_that_comes_between_the_two_waits_at_the_new_process_and_is_found_at_once() {
    each(|mut pair| {
        for at in [OLD, NEW] {
            let (phone, path) = pair.phone(OLD);
            pair.nodes[OLD].lose(phone);
            pair.sends(at, &invite(&path, &format!("z9hG4bK{at}")));
            pair.pass(5 * SECOND);
            let (phone, _) = pair.phone(NEW);
            pair.pump();
            let called = pair.nodes[NEW].expect(phone, "INVITE");
            pair.answers(NEW, phone, &called, 486);
            pair.nodes[at].pick(pair.homes[at], "SIP/2.0 486");
            pair.nodes[NEW].lose(phone);
            pair.pass(700 * SECOND);
            pair.nodes.iter_mut().for_each(|node| drop(node.reasons()));
        }
    });
}

/// TCP does not tell: the phone has another network, and registers over it.
#[test]
fn a_phone_that_is_at_the_new_process_is_no_longer_sought_at_its_dead_connection() {
    each(|mut pair| {
        let (dead, path) = pair.phone(OLD);
        pair.sends(OLD, &invite(&path, "z9hG4bK1"));
        let called = pair.nodes[OLD].expect(dead, "INVITE");
        let (phone, _) = pair.phone(NEW);
        pair.pass(SECOND);
        assert_eq!(pair.nodes[NEW].expect(phone, "INVITE"), called);
        pair.answers(NEW, phone, &called, 200);
        let dialog = route_of(&pair.nodes[OLD].pick(pair.homes[OLD], "SIP/2.0 200"));
        pair.sends(OLD, &request("ACK", &dialog, "z9hG4bKa"));
        pair.nodes[NEW].expect(phone, "ACK");
        pair.sends(OLD, &request("BYE", &dialog, "z9hG4bKb"));
        pair.nodes[NEW].expect(phone, "BYE");
        pair.nodes[OLD].silent(dead);
        all_well(&mut pair);
    });
}

/// It has sent before it knew.
#[test]
fn what_comes_on_a_connection_that_is_being_closed_counts() {
    each(|mut pair| {
        let (phone, path) = pair.phone(OLD);
        pair.sends(OLD, &invite(&path, "z9hG4bK1"));
        let called = pair.nodes[OLD].expect(phone, "INVITE");
        pair.answers(OLD, phone, &called, 200);
        let dialog = route_of(&pair.nodes[OLD].pick(pair.homes[OLD], "SIP/2.0 200"));
        let leaving = LinkEvent::Leaving { link: phone };
        pair.nodes[OLD].link_event(phone.shard(), leaving);
        let own = |method| Request::of(method).in_dialog().more(&dialog).to_string();
        pair.says(OLD, phone, &own("ACK"));
        pair.nodes[OLD].expect(pair.homes[OLD], "ACK");
        pair.says(OLD, phone, &own("BYE"));
        let bye = pair.nodes[OLD].expect(pair.homes[OLD], "BYE");
        // What it begins it begins again when it is back.
        pair.says(OLD, phone, &call_of_phone());
        pair.nodes[OLD].silent(pair.homes[OLD]);
        pair.answers(OLD, pair.homes[OLD], &bye, 200);
        pair.nodes[OLD].silent(phone);
        pair.nodes[OLD].lose(phone);
        let (phone, _) = pair.phone(NEW);
        pair.pump();
        pair.nodes[NEW].expect(phone, "SIP/2.0 200");
        all_well(&mut pair);
    });
}

#[test]
fn a_server_that_the_old_process_leaves_is_answered_over_its_other_connection() {
    each(|mut pair| {
        let (phone, path) = pair.phone(OLD);
        let home = pair.homes[OLD];
        let leaving = LinkEvent::Leaving { link: home };
        pair.nodes[OLD].link_event(home.shard(), leaving);
        pair.sends(OLD, &invite(&path, "z9hG4bK1"));
        let called = pair.nodes[OLD].expect(phone, "INVITE");
        pair.answers(OLD, phone, &called, 486);
        pair.nodes[NEW].expect(pair.homes[NEW], "SIP/2.0 486");
        // And what a client begins goes to it that way.
        pair.nodes[OLD].lose(home);
        pair.says(OLD, phone, &call_of_phone());
        let asked = pair.nodes[NEW].expect(pair.homes[NEW], "INVITE");
        pair.answers(NEW, pair.homes[NEW], &asked, 486);
        pair.nodes[OLD].pick(phone, "SIP/2.0 486");
        pair.nodes[NEW].expect(pair.homes[NEW], "ACK");
        assert!(pair.nodes[OLD].connects.is_empty());
        all_well(&mut pair);
    });
}

/// On another one a BYE could come before it.
#[test]
fn an_ack_that_crosses_goes_over_the_connection_of_its_dialog() {
    let mut pair = Pair::of_processes(1);
    pair.retire();
    let (phone, _) = pair.phone(OLD);
    let home = pair.homes[OLD];
    pair.nodes[OLD].lose(home);
    // One that the node has made, and two that the server has.
    let links = [
        pair.homes[NEW],
        pair.nodes[NEW].peer(FE01),
        pair.nodes[NEW].peer(FE01),
    ];
    pair.says(OLD, phone, &call_of_phone());
    let taken = |pair: &mut Pair| {
        let mut links = links.iter();
        links.find_map(|link| Some((*link, pair.nodes[NEW].take(*link)?)))
    };
    let (link, asked) = taken(&mut pair).unwrap();
    pair.answers(NEW, link, &asked, 200);
    let dialog = route_of(&pair.nodes[OLD].pick(phone, "SIP/2.0 200"));
    for (cseq, method) in [(1, "ACK"), (2, "BYE")] {
        let request = Request::of(method).in_dialog().branch(method).cseq(cseq);
        pair.says(OLD, phone, &request.more(&dialog).to_string());
        let (over, got) = taken(&mut pair).unwrap();
        assert!(got.starts_with(method), "{got}");
        assert_eq!(over, link, "{method}");
    }
    all_well(&mut pair);
}
