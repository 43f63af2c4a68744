//! A sibling that is lost while it has a request: another one, or the client itself, gets it, and it is answered once.
use super::pair::*;
use crate::proxy::leg::PeerKey;
use crate::proxy::{LinkEvent, LinkId};
use crate::topology::{DnsName, Topology};

/// As [`one_of_two`], with a third sibling behind the other one.
fn of_three(mut topology: Topology) -> Topology {
    let third = topology.peers.last().unwrap().clone();
    topology.peers.push(third.renamed(DnsName(THIRD.into())));
    topology
}

/// Each request of these, handed to node 1, which has said so much of it (0: nothing).
fn each_handed(test: impl Fn(Pair, &str, u16)) {
    for (method, said) in [
        ("INVITE", 0),
        ("INVITE", 100),
        ("INVITE", 180),
        ("MESSAGE", 0),
        ("MESSAGE", 100),
    ] {
        for shards in [1, 3] {
            let mut pair = Pair::with(shards, of_three);
            let (phone, path) = pair.phone(1);
            let text = match method {
                "INVITE" => invite(&path, "z9hG4bK1"),
                _ => request(method, &path, "z9hG4bK1"),
            };
            pair.sends(0, &text);
            let got = pair.nodes[1].expect(phone, method);
            match (method, said) {
                (_, 180) => {
                    pair.answers(1, phone, &got, 180);
                    pair.nodes[0].pick(pair.homes[0], "SIP/2.0 180");
                }
                // The node itself says so after a while.
                ("INVITE", 100) => pair.pass(SECOND),
                (_, 100) => pair.pass(4 * SECOND),
                (_, _) => {}
            }
            while pair.nodes[0].take(pair.homes[0]).is_some() {}
            pair.nodes[0].reasons();
            test(pair, method, said);
        }
    }
}

/// The third node's connection in each shard, of which nothing is wired.
fn third(pair: &mut Pair) -> Vec<LinkId> {
    let shards = 0..pair.siblings[0].len() as u8;
    let links = shards.map(|shard| pair.nodes[0].peer_in(shard, THIRD));
    let links = links.collect();
    // It answers pings.
    let now = pair.nodes[0].now;
    pair.nodes[0].health.of(PeerKey::of(THIRD)).bring_up(now);
    links
}

/// The first message but a ping that one of these connections has got.
fn handed(pair: &mut Pair, links: &[LinkId]) -> Option<(LinkId, String)> {
    links.iter().find_map(|link| {
        let mut all = std::iter::from_fn(|| pair.nodes[0].take(*link));
        let got = all.find(|text| !text.starts_with("OPTIONS"))?;
        Some((*link, got))
    })
}

/// What the home server hears from node 0 besides provisional answers.
fn finals(pair: &mut Pair) -> Vec<String> {
    let all = std::iter::from_fn(|| pair.nodes[0].take(pair.homes[0]));
    let all = all.filter(|text| text.starts_with("SIP/2.0 ") && !text.starts_with("SIP/2.0 1"));
    all.map(|text| text[8..11].to_owned()).collect()
}

#[test]
fn what_a_lost_sibling_had_goes_to_the_next_one_and_is_answered_once() {
    each_handed(|mut pair, method, said| {
        let links = third(&mut pair);
        pair.kill(1);
        let got = handed(&mut pair, &links);
        let (link, got) = got.unwrap_or_else(|| panic!("{method} after {said}"));
        assert!(got.starts_with(method), "{got}");
        pair.nodes[0].answers(link, &got, 200);
        pair.pass(60 * SECOND);
        assert_eq!(finals(&mut pair), ["200"], "{method} after {said}");
    });
}

#[test]
fn what_a_lost_sibling_had_waits_for_its_client_and_is_answered_once() {
    for comes in [true, false] {
        each_handed(|mut pair, method, said| {
            pair.kill(1);
            pair.pass(5 * SECOND);
            assert_eq!(finals(&mut pair), [""; 0], "{method} after {said}");
            if comes {
                let (phone, _) = pair.phone(0);
                let got = pair.nodes[0].expect(phone, method);
                pair.answers(0, phone, &got, 200);
            }
            pair.pass(60 * SECOND);
            let status = if comes { "200" } else { "430" };
            assert_eq!(finals(&mut pair), [status], "{method} after {said}");
        });
    }
}

#[test]
fn a_call_that_is_cancelled_goes_nowhere_from_a_lost_sibling() {
    let mut pair = Pair::with(1, of_three);
    let (phone, path) = pair.phone(1);
    pair.sends(0, &invite(&path, "z9hG4bK1"));
    let called = pair.nodes[1].expect(phone, "INVITE");
    pair.answers(1, phone, &called, 180);
    pair.sends(0, &invite(&path, "z9hG4bK1").replace("INVITE", "CANCEL"));
    let links = third(&mut pair);
    pair.kill(1);
    pair.pass(60 * SECOND);
    assert_eq!(finals(&mut pair), ["200", "487"]);
    assert_eq!(handed(&mut pair, &links), None);
}

#[test]
fn a_sibling_that_keeps_one_connection_has_lost_nothing_that_rings() {
    let mut pair = Pair::with(3, of_three);
    let (phone, path) = pair.phone(1);
    let links = third(&mut pair);
    pair.sends(0, &invite(&path, "z9hG4bK1"));
    let called = pair.nodes[1].expect(phone, "INVITE");
    pair.answers(1, phone, &called, 180);
    for shard in [0, 1] {
        for node in [0, 1] {
            let link = pair.siblings[node][shard];
            pair.nodes[node].lose(link);
        }
    }
    pair.pass(5 * SECOND);
    assert_eq!(handed(&mut pair, &links), None);
    // Its answer comes by another connection.
    for node in [0, 1] {
        let link = pair.nodes[node].peer_in(0, NODES[1 - node]);
        pair.siblings[node][0] = link;
    }
    pair.answers(1, phone, &called, 200);
    pair.pass(60 * SECOND);
    assert_eq!(finals(&mut pair), ["200"]);
}

#[test]
fn a_request_that_waits_learns_of_a_sibling_that_another_shard_is_connected_to() {
    let mut pair = Pair::with(3, of_three);
    let (_, path) = pair.phone(1);
    pair.kill(1);
    pair.sends(0, &invite(&path, "z9hG4bK1"));
    // Past the pauses in which others are asked often, and with a connect of its shard that has failed.
    pair.pass(12 * SECOND);
    let failed = LinkEvent::ConnectFailed {
        peer: pair.nodes[0]
            .generation
            .topology()
            .peer_by_name(NODES[1])
            .unwrap(),
        name: None,
        reason: "connection_refused".into(),
        retry_at: pair.nodes[0].now + 20 * SECOND,
    };
    pair.nodes[0].link_event(0, failed);
    pair.nodes[0].connect_shards.clear();
    pair.nodes[0].peer_in(2, NODES[1]);
    assert!(pair.nodes[0].connect_shards.contains(&0));
    let asked = pair.nodes[0].peer_in(0, NODES[1]);
    assert!(pair.nodes[0].take(asked).unwrap().starts_with("INVITE"));
}
