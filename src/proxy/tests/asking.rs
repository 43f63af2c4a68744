//! Which siblings are asked for a client, in which order, how often, and what their refusals mean.
use super::pair::*;
use crate::proxy::Core;
use crate::proxy::leg::PeerKey;
use crate::topology::Topology;

/// As [`one_of_two`], with a third sibling behind the other one.
fn of_three(mut topology: Topology) -> Topology {
    let other = topology.peers.last().unwrap().clone();
    let third = other.renamed(crate::topology::DnsName(THIRD.into()));
    topology.peers.push(third);
    topology
}

/// The third node answers pings, and a connection to it is being made.
fn third_lives(pair: &mut Pair) {
    let now = pair.nodes[0].now;
    pair.nodes[0].health.of(PeerKey::of(THIRD)).bring_up(now);
}

/// Node 1 goes away, and node 0 has been told so by a 503 with Retry-After.
fn drains(pair: &mut Pair) {
    pair.nodes[1]
        .cores
        .iter_mut()
        .for_each(Core::start_draining);
    let now = pair.nodes[0].now;
    let health = pair.nodes[0].health.of(PeerKey::of(NODES[1]));
    health.hold(30 * SECOND, now);
}

#[test]
fn a_call_whose_phone_is_at_a_node_that_goes_away_ends_by_the_others_bye() {
    each(|mut pair| {
        let (phone, path) = pair.phone(1);
        pair.sends(0, &invite(&path, "z9hG4bK1"));
        let called = pair.nodes[1].expect(phone, "INVITE");
        pair.answers(1, phone, &called, 200);
        let dialog = route_of(&pair.nodes[0].expect(pair.homes[0], "SIP/2.0 200"));
        drains(&mut pair);
        pair.sends(0, &request("ACK", &dialog, "z9hG4bK2"));
        pair.nodes[1].expect(phone, "ACK");
        pair.sends(0, &request("BYE", &dialog, "z9hG4bK3"));
        let bye = pair.nodes[1].expect(phone, "BYE");
        pair.answers(1, phone, &bye, 200);
        pair.nodes[0].expect(pair.homes[0], "SIP/2.0 200");
        // Nobody else has the phone, so that what begins reaches it as well.
        pair.sends(0, &invite(&path, "z9hG4bK4"));
        let called = pair.nodes[1].expect(phone, "INVITE");
        pair.answers(1, phone, &called, 486);
        pair.nodes[0].expect(pair.homes[0], "SIP/2.0 486");
        // From a home server it takes nothing new: that has another node.
        pair.sends(1, &invite(&path, "z9hG4bK5"));
        pair.nodes[1].expect(phone, "ACK");
        pair.nodes[1].refused(pair.homes[1], "SIP/2.0 503", "draining");
        pair.nodes[1].silent(phone);
    });
}

#[test]
fn what_begins_goes_to_a_node_that_goes_away_when_all_others_have_not_the_phone() {
    let mut pair = Pair::with(1, of_three);
    let (phone, path) = pair.phone(1);
    pair.sends(0, &invite(&path, "z9hG4bK1"));
    let called = pair.nodes[1].expect(phone, "INVITE");
    pair.answers(1, phone, &called, 200);
    let dialog = route_of(&pair.nodes[0].expect(pair.homes[0], "SIP/2.0 200"));
    drains(&mut pair);
    third_lives(&mut pair);
    // What belongs to the call is for the node that the route names.
    pair.sends(0, &request("INFO", &dialog, "z9hG4bK2"));
    pair.nodes[1].pick(phone, "INFO");
    pair.sends(0, &invite(&path, "z9hG4bK3"));
    // The third node is asked first.
    pair.nodes[1].silent(phone);
    pair.nodes[0].connect_failed(THIRD);
    pair.pump();
    pair.nodes[1].expect(phone, "INVITE");
}

/// A node whose topology lags behind refuses what it is handed; the phone may be at the next one.
#[test]
fn a_sibling_that_refuses_is_passed_over_like_one_that_has_not_the_phone() {
    let mut pair = Pair::with(1, of_three);
    let (phone, path) = pair.phone(1);
    let id = pair.nodes[1].cores[0].env.links.bindings_of(phone).next();
    let mut other = one_of_two(topology(), 1);
    other.peers[0].kind = crate::topology::PeerKind::Federated;
    other.pools[0].peers.remove(0);
    pair.nodes[1].load(other);
    pair.nodes[1].reasons();
    third_lives(&mut pair);
    pair.sends(0, &invite(&path, "z9hG4bK1"));
    assert_eq!(pair.nodes[1].reasons(), ["from_not_allowed"]);
    pair.nodes[1].silent(phone);
    // The third node is asked.
    pair.nodes[0].silent(pair.homes[0]);
    let env = &pair.nodes[0].cores[0].env;
    assert_eq!(env.taken.by(id.unwrap(), env.now), None);
    pair.nodes[0].connect_failed(THIRD);
    // Down since a moment ago, and its clients may come here.
    pair.nodes[0].silent(pair.homes[0]);
    pair.pass(31 * SECOND);
    pair.nodes[0].pick(pair.homes[0], "SIP/2.0 430");
}

/// How much waits for clients at a node.
fn waiting(node: &World) -> usize {
    let waiting = node.cores.iter().map(|core| core.env.directory.waiting());
    waiting.sum()
}

#[test]
fn a_request_waits_once_here_however_often_siblings_are_asked_and_not_at_all_there() {
    each(|mut pair| {
        let (phone, path) = pair.phone(0);
        // Both nodes have lost it a moment ago.
        let (there, _) = pair.phone(1);
        pair.nodes[1].lose(there);
        pair.nodes[0].lose(phone);
        pair.sends(0, &invite(&path, "z9hG4bK1"));
        pair.sends(0, &request("MESSAGE", &path, "z9hG4bK2"));
        for _ in 0..25 {
            assert_eq!([0, 1].map(|at| waiting(&pair.nodes[at])), [2, 0]);
            pair.pass(SECOND);
        }
        // It is found over there: nothing waits here any more.
        let (phone, _) = pair.phone(1);
        pair.pass(10 * SECOND);
        pair.nodes[1].pick(phone, "INVITE");
        assert_eq!([0, 1].map(|at| waiting(&pair.nodes[at])), [0, 0]);
    });
}

/// This shard of node 0 has lost the other node, and has failed to connect to it again.
fn cut_off(pair: &mut Pair, shard: u8) {
    let link = pair.siblings[0][usize::from(shard)];
    pair.nodes[0].lose(link);
    let peer = pair.nodes[0].generation.topology().peer_by_name(NODES[1]);
    let failed = crate::proxy::LinkEvent::ConnectFailed {
        peer: peer.unwrap(),
        name: None,
        reason: "alert_unknown_ca".into(),
        retry_at: pair.nodes[0].now + 20 * SECOND,
    };
    pair.nodes[0].link_event(shard, failed);
}

/// As after a restart of both: the other node has the phone already, and refused the first connection of this one, whose
/// topology it did not have yet.
#[test]
fn a_sibling_whose_connection_comes_up_late_is_asked_at_once() {
    for fresh in [false, true] {
        let mut pair = Pair::new(1);
        if fresh {
            let now = pair.nodes[0].now;
            pair.nodes[0].cores[0].env.directory = crate::proxy::binding::Directory::new(now);
        }
        let (phone, path) = pair.phone(1);
        cut_off(&mut pair, 0);
        pair.sends(0, &invite(&path, "z9hG4bK1"));
        pair.sends(0, &request("MESSAGE", &path, "z9hG4bK2"));
        // Past the pauses in which it is asked often.
        pair.pass(12 * SECOND);
        pair.nodes[1].silent(phone);
        pair.siblings[0][0] = pair.nodes[0].peer(NODES[1]);
        pair.pump();
        let called = pair.nodes[1].expect(phone, "INVITE");
        let message = pair.nodes[1].expect(phone, "MESSAGE");
        pair.answers(1, phone, &called, 486);
        pair.nodes[0].pick(pair.homes[0], "SIP/2.0 486");
        pair.answers(1, phone, &message, 200);
        pair.nodes[0].pick(pair.homes[0], "SIP/2.0 200");
    }
}

#[test]
fn a_sibling_that_comes_up_without_the_phone_changes_nothing_in_the_turns_of_the_others() {
    let mut pair = Pair::new(1);
    let (phone, path) = pair.phone(0);
    pair.nodes[0].lose(phone);
    cut_off(&mut pair, 0);
    pair.nodes[0].send(pair.homes[0], &invite(&path, "z9hG4bK1"));
    let mut asked = vec![pair.pump()];
    // Its connection flaps.
    for second in 1..=40 {
        if second % 2 == 1 && second < 30 {
            pair.nodes[0].lose(pair.siblings[0][0]);
            let link = pair.nodes[0].peer(NODES[1]);
            pair.siblings[0][0] = link;
        }
        pair.nodes.iter_mut().for_each(|node| node.pass(SECOND));
        asked.push(pair.pump());
    }
    let at: Vec<usize> = (0..asked.len()).filter(|at| asked[*at] > 0).collect();
    // The INVITE, a 430 and its ACK each time; at most eight times because it has come up.
    assert_eq!(at, [1, 3, 5, 7, 9, 11, 13, 15, 30]);
    assert_eq!(asked.iter().sum::<usize>(), 3 * 11);
    pair.nodes[0].pick(pair.homes[0], "SIP/2.0 430");
}

/// A sibling that is back has connected to one shard; the others have failed a moment ago, and would wait out a pause.
#[test]
fn a_shard_that_is_cut_off_connects_at_once_to_a_sibling_that_another_shard_has() {
    let mut pair = Pair::new(3);
    let (phone, path) = pair.phone(1);
    cut_off(&mut pair, 0);
    let urgent = pair.nodes[0].urgent;
    pair.sends(0, &invite(&path, "z9hG4bK1"));
    pair.nodes[0].silent(pair.homes[0]);
    assert_eq!(pair.nodes[0].urgent, urgent + 1);
    pair.siblings[0][0] = pair.nodes[0].peer(NODES[1]);
    pair.pump();
    pair.nodes[1].expect(phone, "INVITE");
}

/// The dialog's token names node 0, where the call began; the phone is at node 1, and comes here when that is gone.
#[test]
fn a_call_that_began_here_waits_for_a_phone_that_was_at_a_node_which_is_gone() {
    each(|mut pair| {
        let (phone, path) = pair.phone(1);
        pair.sends(0, &invite(&path, "z9hG4bK0"));
        let called = pair.nodes[1].expect(phone, "INVITE");
        pair.answers(1, phone, &called, 200);
        let dialog = route_of(&pair.nodes[0].expect(pair.homes[0], "SIP/2.0 200"));
        pair.pass(600 * SECOND);
        pair.kill(1);
        for (branch, method) in [("z9hG4bK1", "INVITE"), ("z9hG4bK2", "INFO")] {
            pair.nodes[0].send(pair.homes[0], &request(method, &dialog, branch));
        }
        pair.nodes[0].pass(5 * SECOND);
        let phone = pair.nodes[0].client();
        pair.nodes[0].register(phone, pair.homes[0], "");
        pair.nodes[0].pick(phone, "INVITE");
        pair.nodes[0].pick(phone, "INFO");
        assert!(pair.nodes[0].reasons().is_empty());
    });
}

/// It is stopped: its connections stay, and nothing comes back.
#[test]
fn a_sibling_that_hangs_costs_one_silence_and_not_one_for_each_request() {
    let mut pair = Pair::new(1);
    let (phone, path) = pair.phone(1);
    pair.sends(0, &invite(&path, "z9hG4bK0"));
    let called = pair.nodes[1].expect(phone, "INVITE");
    pair.answers(1, phone, &called, 200);
    let dialog = route_of(&pair.nodes[0].expect(pair.homes[0], "SIP/2.0 200"));
    pair.pass(31 * SECOND);
    // From now on nothing moves between the nodes.
    pair.nodes[0].send(pair.homes[0], &invite(&path, "z9hG4bK1"));
    assert!(
        pair.nodes[0]
            .pick(pair.siblings[0][0], "INVITE")
            .contains("z9hG4bK")
    );
    pair.nodes[0].pass(8 * SECOND);
    for (number, method) in ["INVITE", "INFO", "UPDATE", "BYE", "INVITE"]
        .into_iter()
        .enumerate()
    {
        pair.nodes[0].send(
            pair.homes[0],
            &request(method, &dialog, &format!("z9hG4bKh{number}")),
        );
        while let Some(message) = pair.nodes[0].take(pair.siblings[0][0]) {
            assert!(message.starts_with("OPTIONS"), "{message}");
        }
    }
    // What waits is not lost: the phone comes here.
    let phone = pair.nodes[0].client();
    pair.nodes[0].register(phone, pair.homes[0], "");
    for method in ["INFO", "UPDATE", "BYE"] {
        pair.nodes[0].pick(phone, method);
    }
}

/// At once, after 3 and 9 seconds, and at the end.
#[test]
fn the_siblings_are_asked_four_times_for_a_phone_that_does_not_come() {
    each(|mut pair| {
        let (phone, path) = pair.phone(0);
        pair.nodes[0].lose(phone);
        pair.nodes[0].send(pair.homes[0], &invite(&path, "z9hG4bK1"));
        // The INVITE, a 430 and its ACK each time.
        let mut asked = vec![pair.pump()];
        for _ in 0..40 {
            pair.nodes.iter_mut().for_each(|node| node.pass(SECOND));
            asked.push(pair.pump());
        }
        let at: Vec<usize> = (0..asked.len()).filter(|at| asked[*at] > 0).collect();
        assert_eq!((at, asked.iter().sum()), (vec![0, 3, 9, 30], 12));
        pair.nodes[0].pick(pair.homes[0], "SIP/2.0 430");
    });
}

#[test]
fn what_a_sibling_has_taken_waits_no_more() {
    each(|mut pair| {
        let (phone, path) = pair.phone(0);
        pair.nodes[0].lose(phone);
        let (phone, _) = pair.phone(1);
        pair.sends(0, &invite(&path, "z9hG4bK1"));
        assert_eq!(waiting(&pair.nodes[0]), 1);
        let called = pair.nodes[1].expect(phone, "INVITE");
        pair.answers(1, phone, &called, 180);
        assert_eq!(waiting(&pair.nodes[0]), 0);
    });
}

/// An ACK or a BENOTIFY is written once, in the shard that knows where its client is, and not in a form for each case.
#[test]
fn what_nobody_answers_is_given_to_the_shard_that_knows_its_client_and_copied_nowhere() {
    each(|mut pair| {
        for at in [0, 1] {
            let (phone, path) = pair.phone(at);
            pair.sends(0, &invite(&path, &format!("z9hG4bK{at}")));
            let called = pair.nodes[at].expect(phone, "INVITE");
            pair.answers(at, phone, &called, 200);
            let dialog = route_of(&pair.nodes[0].expect(pair.homes[0], "SIP/2.0 200"));
            pair.nodes[0].asked_of.clear();
            for method in ["ACK", "BENOTIFY"] {
                pair.sends(0, &request(method, &dialog, &format!("z9hG4bK{method}")));
                pair.nodes[at].expect(phone, method);
            }
            assert!(pair.nodes[0].asked_of.is_empty());
            let bye = request("BYE", &dialog, &format!("z9hG4bKb{at}"));
            pair.sends(0, &bye);
            let bye = pair.nodes[at].expect(phone, "BYE");
            pair.answers(at, phone, &bye, 200);
            pair.nodes[0].expect(pair.homes[0], "SIP/2.0 200");
            pair.nodes[at].lose(phone);
            pair.pass(31 * SECOND);
        }
    });
}

#[test]
fn every_shard_has_a_connection_to_each_sibling_before_it_needs_one() {
    let mut node = World::with(one_of_two(topology(), 0), 3);
    node.pass(SECOND);
    let mut shards = node.connect_shards.clone();
    shards.sort_unstable();
    assert_eq!(shards, [0, 1, 2]);
    // One that is down is left to the shard that pings it.
    node.connects.clear();
    node.connect_shards.clear();
    let now = node.now;
    node.health.of(PeerKey::of(NODES[1])).take_down(None, now);
    for shard in 0..3 {
        let peer = node.generation.topology().peer_by_name(NODES[1]).unwrap();
        let failed = crate::proxy::LinkEvent::ConnectFailed {
            peer,
            name: None,
            reason: "connection_refused".into(),
            retry_at: now + SECOND,
        };
        node.link_event(shard, failed);
    }
    node.pass(25 * SECOND);
    let owner = (PeerKey::of(NODES[1]).0 % 3) as u8;
    assert!(!node.connect_shards.is_empty());
    assert!(node.connect_shards.iter().all(|shard| *shard == owner));
}

#[test]
fn nobody_waits_longer_than_a_minute_however_often_a_node_is_lost() {
    let mut pair = Pair::new(1);
    let (phone, path) = pair.phone(1);
    pair.nodes[1].lose(phone);
    pair.pass(40 * SECOND);
    // It begins to wait while the other node is away, which then comes, is asked, and is lost before it answers.
    pair.nodes[0].lose(pair.siblings[0][0]);
    pair.nodes[0].send(pair.homes[0], &invite(&path, "z9hG4bK1"));
    let mut answered = None;
    let step = SECOND * 7 / 10;
    for at in 0..400 {
        // Every wait ends while it is away again.
        match at % 14 {
            2 => pair.siblings[0][0] = pair.nodes[0].peer(NODES[1]),
            12 => pair.nodes[0].lose(pair.siblings[0][0]),
            _ => {}
        }
        pair.nodes[0].pass(step);
        while let Some(got) = pair.nodes[0].take(pair.homes[0]) {
            if !got.starts_with("SIP/2.0 1") {
                answered.get_or_insert((step * at, got));
            }
        }
    }
    let (after, got) = answered.expect("it waits for ever");
    assert!(got.starts_with("SIP/2.0 430"), "{got}");
    assert!(after <= 61 * SECOND, "after {after:?}");
}
