//! Requests of a dialog with a partner: over the connection that the dialog runs on while that lives.
use super::world::*;
use crate::proxy::{LinkEvent, LinkId};
use crate::topology::DnsName;

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
    let [first, second, _] = [0, 0, 0].map(|shard| w.peer_in(shard, PARTNER));
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
    // Whatever takes its place is the peer as such: one of its connections, the same for all that follows.
    w.expect(first, "ACK");
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

/// A call of the partner whose connection is gone; the routes of its dialog up to this node.
fn cut_off(w: &mut World, fe01: LinkId) -> String {
    let partner = w.peer(PARTNER);
    let more = route_of(&call(w, partner, fe01));
    w.lose(partner);
    more
}

/// The name of the last connect that was asked for.
fn asked(w: &World) -> Option<&str> {
    w.connect_names.last().unwrap().as_deref()
}

#[test]
fn a_dialog_without_its_connection_goes_to_the_host_of_its_route_that_the_entry_covers() {
    let mut w = World::with(regions(), 1);
    let fe01 = w.peer(FE01);
    let more = cut_off(&mut w, fe01) + "Route: <sip:A.Region.test:443;transport=tls;lr>\n";
    let peer = w.dialled(PARTNER);
    w.ask(fe01, back("INFO", "z9hG4bK1", 2, &more));
    w.ask(fe01, back("ACK", "z9hG4bK2", 2, &more));
    assert_eq!(asked(&w), Some("a.region.test"));
    assert_eq!(w.connects.len(), 1);
    let region = w.dialled_region("a.region.test");
    w.expect(region, "ACK");
    let info = w.expect(region, "INFO");
    assert!(field(&info, "Route").unwrap().contains("A.Region.test"));
    w.answers(region, &info, 200);
    w.expect(fe01, "SIP/2.0 200");
    // It serves this name and not the peer as such, and what it sends is the partner's.
    w.ask(
        fe01,
        Request::invite()
            .uri("sip:eve@fabrikam.test")
            .branch("z9hG4bKn"),
    );
    w.expect(peer, "INVITE");
    let bye = Request {
        method: "BYE",
        uri: "sip:bob@10.0.0.1",
        cseq: 9,
        branch: "z9hG4bK3",
        ..Request::invite().from(EVE).in_dialog()
    };
    let own = more.lines().next().unwrap().to_owned() + "\n";
    w.ask(region, bye.more(&own));
    w.expect(fe01, "BYE");
    w.ask(fe01, back("INFO", "z9hG4bK4", 3, &more));
    w.expect(region, "INFO");
    assert_eq!(w.connects.len(), 1);
    assert_eq!(w.reasons(), Vec::<&str>::new());
}

#[test]
fn a_name_that_cannot_be_reached_leaves_it_to_the_peer() {
    let mut w = World::with(regions(), 1);
    let fe01 = w.peer(FE01);
    let more = cut_off(&mut w, fe01) + "Route: <sip:a.region.test;lr>\n";
    let peer = w.dialled(PARTNER);
    w.ask(fe01, back("BYE", "z9hG4bK1", 2, &more));
    w.ask(fe01, back("ACK", "z9hG4bK2", 2, &more));
    w.silent(peer);
    let reference = *w.connects.last().unwrap();
    let name = DnsName::parse("a.region.test").unwrap();
    w.connect_ended_under(reference, Some(name));
    w.expect(peer, "BYE");
    w.expect(peer, "ACK");
    // Nor is it waited for as long as it is known to be away; the peer itself is well.
    w.ask(fe01, back("INFO", "z9hG4bK3", 3, &more));
    w.expect(peer, "INFO");
    assert_eq!(w.connects.len(), 1);
    w.ask(
        fe01,
        Request::invite()
            .uri("sip:eve@fabrikam.test")
            .branch("z9hG4bKn"),
    );
    w.expect(peer, "INVITE");
}

#[test]
fn only_a_covered_host_of_the_home_sides_next_route_is_dialled() {
    let mut w = World::with(regions(), 1);
    let fe01 = w.peer(FE01);
    let own = cut_off(&mut w, fe01);
    let peer = w.dialled(PARTNER);
    for (at, route) in [
        "Route: <sip:region.test;lr>\n",
        "Route: <sip:a.region.test.evil.test;lr>\n",
        "Route: <sip:192.0.2.9;lr>\n",
        "Route: <sip:a.region.test;maddr=192.0.2.9;lr>\n",
        "Route: <sip:other.test;lr>\nRoute: <sip:a.region.test;lr>\n",
        "",
    ]
    .into_iter()
    .enumerate()
    {
        let (branch, more) = (format!("z9hG4bK{at}"), own.clone() + route);
        w.ask(fe01, back("INFO", &branch, 2 + at as u32, &more));
        w.expect(peer, "INFO");
    }
    // Without the token of a dialog it is a route like any other.
    let more = "Route: <sip:a.region.test;lr>\n";
    w.ask(fe01, back("INFO", "z9hG4bKo", 20, more));
    w.refused(fe01, "SIP/2.0 403", "route_not_permitted");
    // Neither the partner nor a client leads this node there.
    let more = own.clone() + "Route: <sip:b.region.test;lr>\n";
    let info = Request {
        cseq: 9,
        ..Request::of("INFO").from(EVE).in_dialog()
    };
    w.ask(peer, info.more(&more).branch("z9hG4bKp"));
    w.expect(fe01, "INFO");
    let client = w.client();
    w.ask(
        client,
        Request::of("INFO")
            .in_dialog()
            .more(&more)
            .branch("z9hG4bKc"),
    );
    w.refused(client, "SIP/2.0 403", "token_not_for_origin");
    assert!(w.connects.is_empty());
}

#[test]
fn for_a_seventeenth_name_the_one_that_was_used_longest_ago_goes() {
    let mut w = World::with(regions(), 1);
    let fe01 = w.peer(FE01);
    let own = cut_off(&mut w, fe01);
    let mut cseq = 2;
    let mut info = |w: &mut World, name: &str| {
        cseq += 1;
        let (branch, more) = (
            format!("z9hG4bK{cseq}"),
            format!("{own}Route: <sip:{name};lr>\n"),
        );
        w.ask(fe01, back("INFO", &branch, cseq, &more));
    };
    let names: Vec<String> = (0..17).map(|at| format!("n{at}.{REGIONS}")).collect();
    let mut links = Vec::new();
    for name in &names[..16] {
        info(&mut w, name);
        let link = w.dialled_region(name);
        let asked = w.expect(link, "INFO");
        // The second one's stays open.
        if links.len() != 1 {
            w.answers(link, &asked, 200);
            w.expect(fe01, "SIP/2.0 200");
        }
        links.push(link);
    }
    assert!(w.closed.is_empty());
    info(&mut w, &names[0]);
    let asked = w.expect(links[0], "INFO");
    w.answers(links[0], &asked, 200);
    w.expect(fe01, "SIP/2.0 200");
    info(&mut w, &names[16]);
    // Not the first, which was used since, nor the second, on which something runs.
    assert_eq!(w.closed, [(links[2], "name_displaced")]);
    assert_eq!(w.connects.len(), 17);
    w.lose(links[2]);
    info(&mut w, &names[2]);
    assert_eq!(w.closed.last(), Some(&(links[3], "name_displaced")));
    // The call, and the three that wait.
    w.all_but(4);
}

#[test]
fn a_reload_that_covers_a_name_no_more_leaves_its_dialogs_to_the_peer() {
    let mut w = World::with(regions(), 1);
    let fe01 = w.peer(FE01);
    let more = cut_off(&mut w, fe01) + "Route: <sip:a.region.test;lr>\n";
    w.ask(fe01, back("INFO", "z9hG4bK1", 2, &more));
    w.ask(
        fe01,
        back(
            "INFO",
            "z9hG4bK2",
            3,
            &(more.replace("a.region", "b.region")),
        ),
    );
    let region = w.dialled_region("a.region.test");
    let info = w.expect(region, "INFO");
    w.load(topology());
    w.link_event(0, LinkEvent::Withdrawn { link: region });
    // The one that waited for the other name has the peer tried.
    assert_eq!(w.connect_names, [None]);
    let peer = w.dialled(PARTNER);
    w.expect(peer, "INFO");
    w.answers(region, &info, 200);
    w.expect(fe01, "SIP/2.0 200");
    w.ask(fe01, back("BYE", "z9hG4bK3", 4, &more));
    w.expect(peer, "BYE");
    w.silent(region);
}
