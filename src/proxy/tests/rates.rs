//! How much may begin in a time: of a client's connection, and of a peer over all of its connections. What belongs to dialogs
//! is the last to suffer.
use super::message::{Request, field, route_of};
use super::world::{FE01, World, topology};
use crate::proxy::LinkId;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Sends a text that nobody answers; returns whether it has passed. One that has not says when to try again.
fn passes(w: &mut World, (from, to): (LinkId, LinkId), number: u32, more: &str) -> bool {
    let branch = format!("z9hG4bKr{number}");
    let text = Request::of("MESSAGE").branch(&branch).cseq(number);
    w.ask(from, text.more(more));
    if w.take(to).is_some() {
        return true;
    }
    let refusal = w.expect(from, "SIP/2.0 503");
    assert_eq!(field(&refusal, "Retry-After"), Some("1"));
    false
}

#[test]
fn a_client_above_its_rate_begins_nothing_and_goes_on_with_its_calls() {
    let mut topology = topology();
    topology.limits.client_rate = 10;
    topology.limits.client_burst = 20;
    let mut w = World::with(topology, 1);
    let (client, other, home) = (w.client(), w.client(), w.peer(FE01));
    w.ask(client, Request::invite());
    let invite = w.expect(home, "INVITE");
    w.answers(home, &invite, 200);
    let route = route_of(&w.expect(client, "SIP/2.0 200"));
    // The INVITE was the first of the burst.
    let passed = (0..30)
        .filter(|n| passes(&mut w, (client, home), *n, ""))
        .count();
    assert_eq!(passed, 19);
    assert_eq!(w.reasons(), ["request_rate"; 11]);
    // In the same moment, and of the same connection.
    let ack = Request::of("ACK").in_dialog().branch("z9hG4bKack");
    w.ask(client, ack.more(&route));
    w.expect(home, "ACK");
    let bye = Request::of("BYE").in_dialog().branch("z9hG4bKbye");
    w.ask(client, bye.cseq(99).more(&route));
    let bye = w.expect(home, "BYE");
    w.answers(home, &bye, 200);
    w.expect(client, "SIP/2.0 200");
    assert!(passes(&mut w, (other, home), 100, ""));
    // From then on half of twice as many pass.
    let passed = (200..240).filter(|n| {
        w.pass(SECOND / 20);
        passes(&mut w, (client, home), *n, "")
    });
    let passed = passed.count();
    assert!((19..=21).contains(&passed), "{passed}");
}

#[test]
fn a_peer_has_one_rate_and_so_many_calls_over_all_of_its_connections() {
    let mut topology = topology();
    topology.peers[0].rate = 10;
    topology.peers[0].invites = 3;
    let mut w = World::with(topology, 1);
    let (one, two) = (w.peer(FE01), w.peer(FE01));
    let client = w.client();
    let route = w.register(client, one, "");
    let ways = [one, two];
    let passed = (0..16).filter(|n| passes(&mut w, (ways[*n as usize % 2], client), *n, &route));
    assert_eq!(passed.count(), 10);
    assert_eq!(w.reasons(), ["request_rate"; 6]);
    w.pass(SECOND);
    let calls = (0..5_u32).map(|number| {
        let from = ways[number as usize % 2];
        let branch = format!("z9hG4bKi{number}");
        let invite = Request::of("INVITE").branch(&branch).cseq(number);
        w.ask(from, invite.more(&route));
        (from, w.take(client))
    });
    let calls: Vec<_> = calls.collect();
    let ring: Vec<_> = calls
        .iter()
        .filter_map(|(from, got)| Some((*from, got.as_ref()?)))
        .collect();
    assert_eq!(ring.len(), 3);
    assert_eq!(w.reasons(), ["too_many_invites"; 2]);
    // One that is answered makes room on any of them.
    w.answers(client, ring[0].1, 486);
    let invite = Request::of("INVITE").branch("z9hG4bKmore").cseq(9);
    w.ask(two, invite.more(&route));
    w.expect(client, "ACK");
    w.expect(client, "INVITE");
}
