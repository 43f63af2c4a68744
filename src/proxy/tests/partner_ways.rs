//! Requests of a dialog with a partner: over the connection that the dialog runs on while that lives.
use super::world::*;
use crate::proxy::{LinkEvent, LinkId};

/// The partner calls on this connection and the home server answers; gives the INVITE as that got it.
fn call(w: &mut World, partner: LinkId, fe01: LinkId) -> String {
    let invite = Request::invite().from(EVE);
    w.ask(partner, invite);
    let invite = w.expect(fe01, "INVITE");
    w.answers(fe01, &invite, 200);
    w.expect(partner, "SIP/2.0 200");
    invite
}

/// What the callee sends in that dialog.
fn back<'a>(method: &'a str, branch: &'a str, cseq: u32, more: &'a str) -> Request<'a> {
    Request {
        method,
        uri: "sip:eve@192.0.2.9",
        from: "<sip:bob@contoso.test>;tag=b",
        to: EVE,
        branch,
        cseq,
        more,
    }
}

#[test]
fn a_dialog_stays_on_its_connection_and_goes_on_by_another_when_that_is_lost() {
    let mut w = World::new();
    let fe01 = w.peer(FE01);
    let [first, second, third] = [0, 0, 0].map(|shard| w.peer_in(shard, PARTNER));
    let invite = call(&mut w, second, fe01);
    let more = route_of(&invite);
    for (at, method) in ["INVITE", "INFO", "BENOTIFY", "ACK"].iter().enumerate() {
        let branch = format!("z9hG4bK{at}");
        w.ask(fe01, back(method, &branch, 2 + at as u32, &more));
        let got = w.expect(second, method);
        if at < 2 {
            w.answers(second, &got, 200);
            w.expect(fe01, "SIP/2.0 200");
        }
    }
    w.lose(second);
    w.ask(fe01, back("ACK", "z9hG4bKa", 2, &more));
    w.ask(fe01, back("BYE", "z9hG4bKb", 9, &more));
    // Whatever takes its place is the peer as such: any of its connections.
    w.expect(third, "ACK");
    let bye = w.expect(first, "BYE");
    w.answers(first, &bye, 200);
    w.expect(fe01, "SIP/2.0 200");
    assert_eq!(w.reasons(), Vec::<&str>::new());
    assert!(w.connects.is_empty());
}

#[test]
fn what_the_home_side_has_begun_stays_on_the_connection_that_it_was_sent_on() {
    let mut w = World::new();
    let fe01 = w.peer(FE01);
    let first = w.dialled(PARTNER);
    w.ask(
        fe01,
        Request::invite()
            .uri("sip:eve@fabrikam.test")
            .to("<sip:eve@fabrikam.test>"),
    );
    let invite = w.expect(first, "INVITE");
    w.answers(first, &invite, 200);
    w.expect(fe01, "SIP/2.0 200");
    let second = w.dialled(PARTNER);
    let more = route_of(&invite);
    // A re-INVITE on the way records a route that says the same.
    let again = Request::invite()
        .uri("sip:eve@fabrikam.test")
        .to("<sip:eve@fabrikam.test>;tag=b")
        .branch("z9hG4bKre")
        .cseq(2);
    w.ask(fe01, again.more(&more));
    let invite = w.expect(first, "INVITE");
    w.answers(first, &invite, 200);
    w.expect(fe01, "SIP/2.0 200");
    let more = route_of(&invite);
    let bye = Request {
        method: "BYE",
        branch: "z9hG4bKbye",
        cseq: 3,
        ..again
    };
    w.ask(fe01, bye.more(&more));
    w.expect(first, "BYE");
    w.silent(second);
}

#[test]
fn a_connection_that_takes_no_requests_is_passed_over() {
    let mut w = World::new();
    let fe01 = w.peer(FE01);
    let [first, second] = [w.peer(PARTNER), w.peer(PARTNER)];
    let more = route_of(&call(&mut w, second, fe01));
    let bye = |w: &mut World, cseq| {
        let branch = format!("z9hG4bKb{cseq}");
        w.ask(fe01, back("BYE", &branch, cseq, &more));
    };
    w.link_event(0, LinkEvent::Full { link: second });
    bye(&mut w, 2);
    w.expect(first, "BYE");
    w.link_event(0, LinkEvent::Clear { link: second });
    bye(&mut w, 3);
    w.expect(second, "BYE");
    w.link_event(0, LinkEvent::Withdrawn { link: second });
    bye(&mut w, 4);
    w.expect(first, "BYE");
    w.silent(second);
}

#[test]
fn a_request_whose_connection_breaks_goes_to_the_peer_again_unless_it_was_heard() {
    let mut w = World::new();
    let fe01 = w.peer(FE01);
    let [first, second] = [w.peer(PARTNER), w.peer(PARTNER)];
    let more = route_of(&call(&mut w, second, fe01));
    w.ask(fe01, back("INFO", "z9hG4bKi", 2, &more));
    w.ask(fe01, back("INVITE", "z9hG4bKr", 3, &more));
    w.expect(second, "INFO");
    let invite = w.expect(second, "INVITE");
    w.rings(second, &invite);
    w.expect(fe01, "SIP/2.0 180");
    w.lose(second);
    let info = w.expect(first, "INFO");
    w.answers(first, &info, 200);
    w.expect(fe01, "SIP/2.0 200");
    // The INVITE was heard: its answer may come over another connection, and so does its CANCEL.
    w.silent(first);
    w.ask(fe01, back("CANCEL", "z9hG4bKr", 3, &more));
    w.expect(fe01, "SIP/2.0 200");
    w.expect(first, "CANCEL");
    w.answers(first, &invite, 487);
    w.expect(first, "ACK");
    w.expect(fe01, "SIP/2.0 487");
}

#[test]
fn the_connection_may_be_another_shards() {
    let mut w = World::with(topology(), 3);
    let fe01 = w.peer_in(0, FE01);
    let (own, other) = (w.peer_in(0, PARTNER), w.peer_in(2, PARTNER));
    let invite = {
        // The home server has a connection there too, and calls back over the one that it likes.
        let fe01_there = w.peer_in(2, FE01);
        call(&mut w, other, fe01_there)
    };
    let more = route_of(&invite);
    w.ask(fe01, back("INFO", "z9hG4bKi", 2, &more));
    let info = w.expect(other, "INFO");
    w.answers(other, &info, 200);
    w.expect(fe01, "SIP/2.0 200");
    w.ask(fe01, back("ACK", "z9hG4bKa", 2, &more));
    w.expect(other, "ACK");
    // One that is heard and then lost: what belongs to it is sent from here.
    w.ask(fe01, back("INVITE", "z9hG4bKr", 3, &more));
    let ringing = w.expect(other, "INVITE");
    w.rings(other, &ringing);
    w.expect(fe01, "SIP/2.0 180");
    w.lose(other);
    w.ask(fe01, back("CANCEL", "z9hG4bKr", 3, &more));
    w.expect(fe01, "SIP/2.0 200");
    w.expect(own, "CANCEL");
    w.ask(fe01, back("BYE", "z9hG4bKb", 4, &more));
    let bye = w.expect(own, "BYE");
    w.answers(own, &bye, 200);
    w.expect(fe01, "SIP/2.0 200");
    // Nobody waits for an answer to these: the shard that had the connection brings them to the peer.
    w.ask(fe01, back("ACK", "z9hG4bKb", 4, &more));
    assert_eq!(w.connect_shards, [2]);
    let there = w.peer_in(2, PARTNER);
    w.expect(there, "ACK");
    assert_eq!(w.reasons(), Vec::<&str>::new());
}

#[test]
fn a_connection_of_another_shard_that_takes_no_requests_gives_them_back() {
    let mut w = World::with(topology(), 2);
    let fe01 = w.peer_in(0, FE01);
    let (own, other, fe01_there) = (
        w.peer_in(0, PARTNER),
        w.peer_in(1, PARTNER),
        w.peer_in(1, FE01),
    );
    let more = route_of(&call(&mut w, other, fe01_there));
    w.link_event(1, LinkEvent::Withdrawn { link: other });
    w.ask(fe01, back("BYE", "z9hG4bKb", 2, &more));
    w.expect(own, "BYE");
    w.silent(other);
}

#[test]
fn a_token_of_another_run_leads_to_no_connection_but_to_its_peer() {
    let mut before = World::new();
    let [fe01, _, second] = [FE01, PARTNER, PARTNER].map(|name| before.peer(name));
    let more = route_of(&call(&mut before, second, fe01));
    let mut w = World::restarted(topology(), 2);
    let [fe01, first, same] = [FE01, PARTNER, PARTNER].map(|name| w.peer(name));
    assert_eq!(same, second);
    w.ask(fe01, back("BYE", "z9hG4bKb", 2, &more));
    w.expect(first, "BYE");
    w.silent(same);
    assert_eq!(w.reasons(), Vec::<&str>::new());
}
