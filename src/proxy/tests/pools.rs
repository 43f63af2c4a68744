//! Pools and health: OPTIONS pings, what requests meet, Retry-After (RFC 3261 §21.5.4), drain, groups and fail-back.
use super::world::*;
use crate::observe::Event;
use crate::proxy::LinkId;
use crate::topology::{Health, Strategy, Topology};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// The usual topology with pings to the home pool every 10 s, 2 s to answer, twice down, twice up, 30 s to fail back.
fn pinged() -> Topology {
    let mut topology = topology();
    topology.pools[0].health = Some(Health::default());
    topology
}

/// A MESSAGE of a call of its own.
fn message(w: &mut World, client: LinkId, number: u32) {
    let text = Request::of("MESSAGE")
        .branch(&format!("z9hG4bKm{number}"))
        .to_string()
        .replace("call-1", &format!("call-{number}"));
    w.send(client, &text);
}

/// Lets time pass while the links in `answering` answer every ping with 200; gives when each ping came.
fn live(w: &mut World, answering: &[LinkId], time: Duration) -> Vec<Instant> {
    live_with(w, answering, "200 OK", time)
}

fn live_with(w: &mut World, answering: &[LinkId], status: &str, time: Duration) -> Vec<Instant> {
    let (mut seen, end) = (Vec::new(), w.now + time);
    while w.now < end {
        w.pass(Duration::from_millis(100));
        for link in answering {
            while let Some(ping) = w.take(*link) {
                assert!(ping.starts_with("OPTIONS "), "{ping}");
                seen.push(w.now);
                w.send(*link, &answer(&ping, "100 Trying", ""));
                w.send(*link, &answer(&ping, status, ""));
            }
        }
    }
    seen
}

fn members(w: &mut World) -> Vec<(&'static str, String, &'static str)> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only member events are of interest"
    )]
    let seen = w
        .events
        .iter()
        .filter_map(|event| match event {
            Event::PeerUnavailable { peer, reason, .. } => {
                Some(("down", peer.clone(), reason.code()))
            }
            Event::PeerAvailable { peer, .. } => Some(("up", peer.clone(), "")),
            _ => None,
        })
        .collect();
    w.events.clear();
    seen
}

#[test]
fn a_ping_names_the_peer_in_its_request_line_and_us_in_contact_and_from() {
    let mut w = World::with(pinged(), 1);
    let fe01 = w.peer(FE01);
    w.pass(SECOND);
    let ping = w.expect(
        fe01,
        "OPTIONS sip:fe01.contoso.test;transport=tls SIP/2.0\r\n",
    );
    let contact = field(&ping, "Contact").unwrap();
    assert_eq!(contact, format!("<sip:{NODE};transport=tls>"));
    assert!(
        field(&ping, "From")
            .unwrap()
            .starts_with(&format!("<sip:{NODE}>;tag="))
    );
    assert_eq!(field(&ping, "To"), Some("<sip:fe01.contoso.test>"));
    assert_eq!(field(&ping, "Max-Forwards"), Some("70"));
    assert_eq!(field(&ping, "Content-Length"), Some("0"));
    assert_eq!(fields(&ping, "Via").len(), 1);
    assert!(
        field(&ping, "Via")
            .unwrap()
            .starts_with(&format!("SIP/2.0/TLS {NODE};branch=z9hG4bK"))
    );
}

#[test]
fn a_member_that_has_no_connection_gets_one_for_its_ping() {
    let mut w = World::with(pinged(), 1);
    w.pass(SECOND);
    assert_eq!(w.connects.len(), 2, "the partner's pool has no health");
    let fe02 = w.peer(FE02);
    w.expect(fe02, "OPTIONS");
}

#[test]
fn pings_keep_their_rhythm_and_an_answer_of_any_kind_is_life() {
    let mut w = World::with(pinged(), 1);
    let (fe01, fe02) = (w.peer(FE01), w.peer(FE02));
    let begun = w.now;
    let seen = live(&mut w, &[fe01, fe02], 100 * SECOND);
    assert_eq!(seen.len(), 20);
    assert!(seen[19] >= begun + 90 * SECOND);
    for status in [
        "404 Not Found",
        "500 Server Error",
        "405 Method Not Allowed",
        "403 Forbidden",
    ] {
        live_with(&mut w, &[fe01, fe02], status, 10 * SECOND);
    }
    assert_eq!(members(&mut w), []);
}

#[test]
fn a_silent_member_is_down_in_the_time_that_check_prints_and_comes_back_after_its_answers_and_the_fail_back()
 {
    let mut w = World::with(pinged(), 1);
    let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
    let seen = live(&mut w, &[fe01, fe02], 30 * SECOND);
    let died = seen.iter().rev().nth(1).copied().unwrap();
    let left = (died + Health::default().detection()).saturating_duration_since(w.now);
    live(&mut w, &[fe02], left);
    assert_eq!(members(&mut w), [("down", FE01.to_owned(), "ping_timeout")]);
    while w.take(fe01).is_some() {}
    message(&mut w, client, 1);
    let got = w.expect(fe02, "MESSAGE");
    w.answers(fe02, &got, 200);
    w.silent(fe01);

    // One answer is not enough; two are, but first choice it is only after the fail-back.
    live(&mut w, &[fe01, fe02], 11 * SECOND);
    assert_eq!(members(&mut w), []);
    live(&mut w, &[fe01, fe02], 10 * SECOND);
    assert_eq!(members(&mut w), [("up", FE01.to_owned(), "")]);
    message(&mut w, client, 2);
    let got = w.expect(fe02, "MESSAGE");
    w.answers(fe02, &got, 200);
    live(&mut w, &[fe01, fe02], 31 * SECOND);
    message(&mut w, client, 3);
    w.expect(fe01, "MESSAGE");
}

#[test]
fn one_failure_between_answers_takes_nobody_down() {
    let mut w = World::with(pinged(), 1);
    let (fe01, fe02) = (w.peer(FE01), w.peer(FE02));
    for _ in 0..5 {
        live(&mut w, &[fe01, fe02], 10 * SECOND);
        live(&mut w, &[fe02], 10 * SECOND);
        while w.take(fe01).is_some() {}
    }
    assert_eq!(members(&mut w), []);
}

#[test]
fn a_ping_whose_connection_breaks_or_is_never_made_or_is_answered_503_has_failed() {
    for way in ["connection_lost", "connect_failed", "ping_unavailable"] {
        let mut w = World::with(pinged(), 1);
        let fe02 = w.peer(FE02);
        for _ in 0..2 {
            match way {
                "connect_failed" => {
                    w.pass(SECOND);
                    w.connect_failed(FE01);
                }
                "connection_lost" => {
                    let fe01 = w.peer(FE01);
                    w.pass(SECOND);
                    w.expect(fe01, "OPTIONS");
                    w.lose(fe01);
                }
                _ => {
                    let fe01 = w.peer(FE01);
                    w.pass(SECOND);
                    let ping = w.expect(fe01, "OPTIONS");
                    w.answers(fe01, &ping, 503);
                    w.lose(fe01);
                }
            }
            live(&mut w, &[fe02], 9 * SECOND);
        }
        assert_eq!(members(&mut w), [("down", FE01.to_owned(), way)]);
    }
}

#[test]
fn one_shard_pings_and_all_shards_know() {
    let mut w = World::with(pinged(), 3);
    let links: Vec<[LinkId; 2]> = (0..3)
        .map(|shard| [w.peer_in(shard, FE01), w.peer_in(shard, FE02)])
        .collect();
    let mut pings = [0; 2];
    for _ in 0..300 {
        w.pass(Duration::from_millis(100));
        for pair in &links {
            while w.take(pair[0]).is_some() {
                pings[0] += 1;
            }
            while let Some(ping) = w.take(pair[1]) {
                pings[1] += 1;
                w.answers(pair[1], &ping, 200);
            }
        }
    }
    assert_eq!(
        pings,
        [3, 3],
        "one ping each 10 s, whatever the number of shards"
    );
    assert_eq!(members(&mut w), [("down", FE01.to_owned(), "ping_timeout")]);
    for shard in 0..3u8 {
        let client = w.client_in(shard);
        message(&mut w, client, u32::from(shard));
        let pair = links[usize::from(shard)];
        w.expect(pair[1], "MESSAGE");
        w.silent(pair[0]);
    }
}

#[test]
fn an_answer_to_a_ping_counts_from_the_pinged_peer_only() {
    let mut w = World::with(pinged(), 1);
    let (fe01, partner) = (w.peer(FE01), w.peer(PARTNER));
    w.pass(SECOND);
    let ping = w.expect(fe01, "OPTIONS");
    w.answers(partner, &ping, 200);
    assert_eq!(w.reasons(), ["response_wrong_peer"]);
    w.answers(fe01, &ping, 200);
    w.answers(fe01, &ping, 200);
    assert_eq!(w.reasons(), ["response_unmatched"], "the second time");
}

#[test]
fn requests_without_any_answer_take_a_member_down_and_an_answer_brings_it_back_after_its_rest() {
    let mut w = World::new();
    let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
    for n in 0..2 {
        message(&mut w, client, n);
        w.expect(fe01, "MESSAGE");
        w.pass(17 * SECOND);
        let got = w.expect(fe02, "MESSAGE");
        w.answers(fe02, &got, 200);
    }
    assert_eq!(members(&mut w), [("down", FE01.to_owned(), "silence")]);
    message(&mut w, client, 2);
    w.expect(fe02, "MESSAGE");
    w.silent(fe01);
    w.pass(31 * SECOND);
    message(&mut w, client, 3);
    let got = w.expect(fe01, "MESSAGE");
    w.answers(fe01, &got, 200);
    assert_eq!(members(&mut w), [("up", FE01.to_owned(), "")]);
}

/// A home server that is a proxy says nothing for a phone that is silent (RFC 4320 §4.2); whoever owns that phone must not be
/// able to take the server from the others.
#[test]
fn what_a_silent_phone_behind_a_living_member_does_not_answer_takes_no_member_down() {
    let mut w = World::new();
    let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
    for n in 0..8 {
        message(&mut w, client, 10 * n);
        w.expect(fe01, "MESSAGE");
        w.pass(5 * SECOND);
        // The servers live: something else comes from them in that time.
        for server in [fe01, fe02] {
            w.ask(
                server,
                Request::of("OPTIONS")
                    .uri("sip:edge01.contoso.test")
                    .branch(&format!("z9hG4bKping{n}")),
            );
            w.expect(server, "SIP/2.0 200");
        }
        w.pass(12 * SECOND);
        w.expect(fe02, "MESSAGE");
        w.pass(17 * SECOND);
        while w.take(client).is_some() {}
    }
    assert_eq!(members(&mut w), []);
    // An INVITE that nobody says anything to counts all the same, and once is enough while the other one lives.
    w.ask(client, Request::invite().branch("z9hG4bKinvite"));
    w.expect(fe01, "INVITE");
    w.pass(9 * SECOND);
    let got = w.expect(fe02, "INVITE");
    w.answers(fe02, &got, 486);
    w.expect(fe02, "ACK");
    assert_eq!(members(&mut w), [("down", FE01.to_owned(), "silence")]);
}

#[test]
fn a_503_with_retry_after_keeps_new_requests_away_for_that_time_and_one_without_does_not() {
    let mut w = World::new();
    let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
    for (n, more, away) in [(0, "", false), (1, "Retry-After: 20 (later)\n", true)] {
        message(&mut w, client, 10 * n);
        let got = w.expect(fe01, "MESSAGE");
        w.answers_with(fe01, &got, 503, more);
        let got = w.expect(fe02, "MESSAGE");
        w.answers(fe02, &got, 200);
        message(&mut w, client, 10 * n + 1);
        let next = if away { fe02 } else { fe01 };
        let got = w.expect(next, "MESSAGE");
        w.answers(next, &got, 200);
    }
    assert_eq!(members(&mut w), [("down", FE01.to_owned(), "retry_after")]);
    // With the other held off as well nobody is left: not even as a last resort is a request sent there.
    message(&mut w, client, 20);
    let got = w.expect(fe02, "MESSAGE");
    w.answers_with(fe02, &got, 503, "Retry-After: 5\n");
    message(&mut w, client, 21);
    w.silent(fe01);
    w.silent(fe02);
    assert_eq!(w.reasons().last(), Some(&"peer_held_off"));
    w.pass(21 * SECOND);
    message(&mut w, client, 22);
    w.expect(fe01, "MESSAGE");
}

#[test]
fn a_dialog_follows_its_route_set_to_a_member_that_drains_or_is_down_and_new_calls_do_not() {
    let mut w = World::new();
    let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
    w.ask(client, Request::invite());
    let invite = w.expect(fe01, "INVITE");
    w.answers(fe01, &invite, 200);
    w.expect(client, "SIP/2.0 200");
    let route = route_of(&invite);

    let mut drained = topology();
    drained.pools[0].drain = vec![drained.pools[0].peers[0].0];
    w.load(drained);
    message(&mut w, client, 5);
    w.expect(fe02, "MESSAGE");
    w.silent(fe01);
    let bye = Request::of("BYE")
        .in_dialog()
        .more(&route)
        .branch("z9hG4bKb")
        .cseq(2);
    w.ask(client, bye);
    w.expect(fe01, "BYE");

    let mut out_of_service = topology();
    out_of_service.pools[0].drain = out_of_service.pools[0].peers.iter().map(|p| p.0).collect();
    w.load(out_of_service);
    message(&mut w, client, 55);
    w.expect(client, "SIP/2.0 503");
    assert_eq!(w.reasons().last(), Some(&"no_member"));

    // Back in service, and down: the same.
    w.load(topology());
    message(&mut w, client, 6);
    w.expect(fe01, "MESSAGE");
    let key = crate::proxy::leg::PeerKey::of(FE01);
    w.health.of(key).take_down(None, w.now);
    message(&mut w, client, 7);
    w.expect(fe02, "MESSAGE");
    let again = Request {
        branch: "z9hG4bKc",
        cseq: 3,
        ..bye
    };
    w.send(client, &again.to_string());
    w.expect(fe01, "BYE");
}

#[test]
fn what_is_known_of_a_member_outlives_a_reload() {
    let mut w = World::with(pinged(), 1);
    let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
    live(&mut w, &[fe02], 30 * SECOND);
    assert_eq!(members(&mut w).len(), 1);
    while w.take(fe01).is_some() {}
    w.load(pinged());
    message(&mut w, client, 1);
    w.expect(fe02, "MESSAGE");
    w.silent(fe01);
    // Without pings nobody would ever bring it back: requests may try it again.
    w.load(topology());
    message(&mut w, client, 2);
    w.expect(fe01, "MESSAGE");
}

#[test]
fn groups_are_tried_in_order_and_share_their_calls() {
    let mut topology = topology();
    let third = topology.pools[1].peers[0];
    topology.pools[0].peers.push(third);
    topology.pools[0].strategy = Strategy::Ordered;
    topology.pools[0].priorities = vec![2, 1, 1];
    let mut w = World::with(topology, 1);
    let client = w.client();
    let (fe01, fe02, third) = (w.peer(FE01), w.peer(FE02), w.peer(PARTNER));
    let mut got = [0; 3];
    for n in 0..200 {
        message(&mut w, client, n);
        for (count, link) in got.iter_mut().zip([fe01, fe02, third]) {
            if let Some(message) = w.take(link) {
                *count += 1;
                w.answers(link, &message, 200);
            }
        }
    }
    assert_eq!(got[0], 0, "the second group is not needed");
    assert!(got[1] > 60 && got[2] > 60, "{got:?}");
    for fqdn in [FE02, PARTNER] {
        w.health
            .of(crate::proxy::leg::PeerKey::of(fqdn))
            .take_down(None, w.now);
    }
    message(&mut w, client, 1_000);
    w.expect(fe01, "MESSAGE");
}

#[test]
fn a_peer_gets_as_many_connections_as_the_topology_says_and_a_dialog_keeps_to_one() {
    let mut topology = topology();
    topology.peers[0].connections = 3;
    let mut w = World::with(topology, 1);
    let client = w.client();
    message(&mut w, client, 0);
    let mut links = vec![w.peer(FE01)];
    for n in 1..3 {
        message(&mut w, client, n);
        assert_eq!(w.connects.len(), n as usize + 1, "one at a time");
        links.push(w.peer(FE01));
    }
    for n in 3..100 {
        message(&mut w, client, n);
    }
    assert_eq!(w.connects.len(), 3);
    let mut loads: Vec<usize> = Vec::new();
    for link in &links {
        let mut load = 0;
        while w.take(*link).is_some() {
            load += 1;
        }
        loads.push(load);
    }
    assert_eq!(loads.iter().sum::<usize>(), 100);
    assert!(loads.iter().all(|load| *load > 10), "{loads:?}");
    for n in 0..20 {
        w.ask(
            client,
            Request::of("MESSAGE").branch(&format!("z9hG4bKsame{n}")),
        );
    }
    let took: Vec<usize> = links
        .iter()
        .map(|link| std::iter::from_fn(|| w.take(*link)).count())
        .collect();
    assert_eq!(took.iter().filter(|n| **n > 0).count(), 1, "{took:?}");
    // A connection more that cannot be had takes nobody out.
    w.lose(links[0]);
    message(&mut w, client, 200);
    let fe01 = w.generation.topology().peer_by_name(FE01).unwrap();
    let dialled = |w: &World| w.connects.iter().filter(|p| **p == fe01).count();
    assert_eq!(dialled(&w), 4);
    w.connect_failed(FE01);
    message(&mut w, client, 201);
    assert_eq!(dialled(&w), 4, "not before its pause is over");
    assert_eq!(
        links[1..]
            .iter()
            .map(|l| std::iter::from_fn(|| w.take(*l)).count())
            .sum::<usize>(),
        2
    );
}

/// The certificate says who asks. Kamailio and OpenSIPS ping as `dispatcher@localhost`, Teams in its region's name.
#[test]
fn a_peers_options_for_this_node_is_answered_whatever_its_from() {
    let mut w = World::new();
    let (client, partner, fe01) = (w.client(), w.peer(PARTNER), w.peer(FE01));
    for from in [
        "sip:dispatcher@localhost",
        "sip:sip-du-a-eu.pstnhub.microsoft.com:5061",
        "sip:10.0.0.7:5061;transport=tls",
        "sip:[2001:db8::7]",
        "sip:anonymous@anonymous.invalid",
        "sip:ping@contoso.test",
        "sip:fe01.contoso.test",
        "tel:+4930123",
        "urn:service:sos",
    ] {
        let ping = Request::of("OPTIONS")
            .uri("sip:edge01.contoso.test")
            .from(&format!("\"ping\" <{from}>;tag=a"))
            .to("<sip:edge01.contoso.test>")
            .to_string();
        for peer in [partner, fe01] {
            w.send(peer, &ping);
            w.expect(peer, "SIP/2.0 200");
        }
        if !from.contains("contoso.test") && !from.contains("anonymous") {
            w.send(client, &ping);
            w.refused(client, "SIP/2.0 403", "from_not_allowed");
        }
        // A user at our name is asked for at home, and there the From counts.
        let user = ping.replace("OPTIONS sip:", "OPTIONS sip:bob@");
        w.send(partner, &user);
        assert!(
            !w.take(partner).unwrap().starts_with("SIP/2.0 200"),
            "{from}"
        );
        w.events.clear();
    }
    w.silent(fe01);
}

#[test]
fn an_options_for_this_node_is_answered_by_it_whatever_its_max_forwards() {
    let mut w = World::new();
    let (client, partner, fe01) = (w.client(), w.peer(PARTNER), w.peer(FE01));
    for (link, from) in [
        (client, "<sip:alice@contoso.test>;tag=a"),
        (partner, "<sip:edge.fabrikam.test>;tag=a"),
        (partner, "<sip:fabrikam.test>;tag=a"),
        (fe01, "<sip:fe01.contoso.test>;tag=a"),
    ] {
        for forwards in ["0", "70"] {
            let text = Request::of("OPTIONS")
                .uri(&format!("sip:{NODE}:5061;transport=tls"))
                .from(from)
                .to_string()
                .replace("Max-Forwards: 70", &format!("Max-Forwards: {forwards}"));
            w.send(link, &text);
            w.expect(link, "SIP/2.0 200");
        }
    }
    // Somebody else's name, or a user: no ping of ours.
    for (uri, from, status) in [
        (
            "sip:contoso.test",
            "<sip:fabrikam.test>;tag=a",
            "SIP/2.0 483",
        ),
        (
            "sip:bob@edge01.contoso.test",
            "<sip:fabrikam.test>;tag=a",
            "SIP/2.0 483",
        ),
    ] {
        let text = Request::of("OPTIONS")
            .uri(uri)
            .from(from)
            .to_string()
            .replace("Max-Forwards: 70", "Max-Forwards: 0");
        w.send(partner, &text);
        w.expect(partner, status);
    }
}
