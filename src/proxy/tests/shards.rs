//! What crosses shards: flows of another shard, responses by their branch, CANCELs that miss.
use super::world::*;
use std::time::Duration;

#[test]
fn a_call_to_a_flow_of_another_shard_and_its_cancel_cross_and_come_back() {
    let mut w = World::with(topology(), 3);
    let (fe01, client) = (w.peer_in(0, FE01), w.client_in(2));
    let fe01_in_2 = w.peer_in(2, FE01);
    let path = w.register(client, fe01_in_2, "");
    // The home server happens to call on its connection in shard 0.
    w.send(
        fe01,
        &Request::invite()
            .uri("sip:alice@10.0.0.1")
            .more(&path)
            .to_string(),
    );
    let invite = w.expect(client, "INVITE");
    w.rings(client, &invite);
    w.expect(fe01, "SIP/2.0 180");
    // Its CANCEL comes in on the other connection, in shard 2.
    w.ask(fe01_in_2, Request::of("CANCEL"));
    w.expect(fe01_in_2, "SIP/2.0 200");
    w.expect(client, "CANCEL");
    w.answers(client, &invite, 487);
    w.expect(client, "ACK");
    w.expect(fe01, "SIP/2.0 487");
}

#[test]
fn a_cancel_that_no_shard_knows_is_481_once() {
    let mut w = World::with(topology(), 3);
    let client = w.client_in(1);
    w.ask(client, Request::of("CANCEL"));
    w.expect(client, "SIP/2.0 481");
    w.silent(client);
}

#[test]
fn a_client_of_another_shard_that_is_gone_is_430_when_it_was_waited_for() {
    let mut w = World::with(topology(), 2);
    let (fe01, client, fe01_in_1) = (w.peer_in(0, FE01), w.client_in(1), w.peer_in(1, FE01));
    let path = w.register(client, fe01_in_1, "");
    let invite = |branch| {
        Request::invite()
            .uri("sip:alice@10.0.0.1")
            .more(&path)
            .branch(branch)
            .to_string()
    };
    w.send(fe01, &invite("z9hG4bK1"));
    w.expect(client, "INVITE");
    w.lose(client);
    w.pass(Duration::from_secs(31));
    w.expect(fe01, "SIP/2.0 100");
    w.expect(fe01, "SIP/2.0 430");
    w.send(fe01, &invite("z9hG4bK2"));
    w.expect(fe01, "SIP/2.0 430");
}

#[test]
fn an_ack_without_a_token_is_looked_for_in_every_shard_and_then_dropped() {
    let mut w = World::with(topology(), 2);
    let (client, home) = (w.client_in(0), w.peer_in(0, FE01));
    w.ask(client, Request::of("ACK"));
    w.silent(client);
    w.silent(home);
    assert_eq!(w.reasons(), vec!["ack_unmatched"]);
}
