//! Entries that grant the same and that one certificate stands for, as those of Teams: one party, wherever a side of a
//! dialog or transaction is compared.
use super::world::*;

const NUMBER: &str = "sip:+4930123@sip.pstnhub.microsoft.com";

/// The PBX calls Teams by the name of one server.
fn call(name: &str) -> String {
    let uri = format!("sip:+4930123@{name};user=phone");
    Request::invite()
        .uri(&uri)
        .from("<sip:+4930456@edge01.contoso.test;user=phone>;tag=a")
        .to(&format!("<{uri}>"))
        .more("Contact: <sip:+4930456@10.0.0.11:5061;transport=tls>\n")
        .to_string()
}

#[test]
fn a_name_that_a_pool_serves_is_the_pools_even_where_a_peer_bears_it() {
    for name in TEAMS {
        let mut w = World::with(teams(), 1);
        let pbx = w.peer(FE01);
        w.send(pbx, &call(name));
        for server in TEAMS {
            let asked = w.connects.pop().unwrap();
            assert_eq!(w.generation.topology().peer(asked).fqdn.as_str(), server);
            w.connect_failed(server);
        }
        assert!(w.connects.is_empty());
        w.refused(pbx, "SIP/2.0 503", "peer_unreachable");
    }
}

#[test]
fn a_route_by_such_a_name_fails_over_too() {
    let mut w = World::with(teams(), 1);
    let pbx = w.peer(FE01);
    let more = format!("Route: <sip:{};transport=tls;lr>\n", TEAMS[0]);
    w.ask(pbx, Request::invite().uri(NUMBER).more(&more));
    w.connect_failed(TEAMS[0]);
    let second = w.dialled(TEAMS[1]);
    let invite = w.expect(second, "INVITE");
    assert!(field(&invite, "Route").is_some());
}

/// A call of the PBX that the first server refuses and the second takes; gives the second's INVITE and connection.
fn failed_over(w: &mut World, pbx: crate::proxy::LinkId) -> (String, crate::proxy::LinkId) {
    w.send(pbx, &call(TEAMS[0]));
    w.connect_failed(TEAMS[0]);
    let second = w.dialled(TEAMS[1]);
    let invite = w.expect(second, "INVITE");
    (invite, second)
}

fn from_teams<'a>(method: &'a str, more: &'a str) -> Request<'a> {
    Request {
        method,
        uri: "sip:+4930456@edge01.contoso.test:5061;transport=tls",
        from: "<sip:+4930123@sip.pstnhub.microsoft.com;user=phone>;tag=b",
        to: "<sip:+4930456@edge01.contoso.test;user=phone>;tag=a",
        more,
        branch: "z9hG4bKteams",
        cseq: 7,
    }
}

#[test]
fn the_dialog_of_the_second_server_goes_on_over_a_connection_that_is_taken_for_the_first() {
    let mut w = World::with(teams(), 1);
    let pbx = w.peer(FE01);
    let (invite, second) = failed_over(&mut w, pbx);
    w.answers(second, &invite, 200);
    w.expect(pbx, "SIP/2.0 200");
    let more = route_of(&invite);
    let inbound = w.peer(TEAMS[1]);
    for (at, method) in ["INVITE", "ACK", "NOTIFY", "BYE"].into_iter().enumerate() {
        let branch = format!("z9hG4bKt{at}");
        let branch = branch.as_str();
        w.ask(
            inbound,
            Request {
                branch,
                ..from_teams(method, &more)
            },
        );
        let got = w.expect(pbx, method);
        if method != "ACK" {
            w.answers(pbx, &got, 200);
            w.expect(inbound, "SIP/2.0 200");
        }
    }
    assert_eq!(w.reasons(), Vec::<&str>::new());
}

#[test]
fn a_callee_may_use_the_name_it_was_called_by_whichever_of_its_entries_it_is_taken_for() {
    let mut w = World::with(teams(), 1);
    let pbx = w.peer(FE01);
    w.send(
        pbx,
        &call(TEAMS[0]).replace(
            "To: <sip:+4930123@sip.pstnhub.microsoft.com;user=phone>",
            "To: <tel:+4930123>",
        ),
    );
    w.connect_failed(TEAMS[0]);
    let second = w.dialled(TEAMS[1]);
    let invite = w.expect(second, "INVITE");
    w.answers(second, &invite, 200);
    w.expect(pbx, "SIP/2.0 200");
    let more = route_of(&invite);
    let inbound = w.peer(TEAMS[0]);
    let from = "<tel:+4930123>;tag=b";
    w.ask(
        inbound,
        Request {
            from,
            ..from_teams("BYE", &more)
        },
    );
    w.expect(pbx, "BYE");
}

#[test]
fn an_answer_counts_on_whichever_connection_of_its_certificate_it_comes() {
    let mut w = World::with(teams(), 1);
    let pbx = w.peer(FE01);
    let (invite, second) = failed_over(&mut w, pbx);
    let inbound = w.peer(TEAMS[0]);
    w.answers(inbound, &invite, 183);
    w.expect(pbx, "SIP/2.0 183");
    // The other entry's own connection serves as well; that of somebody else does not.
    let partner = w.peer(PARTNER);
    w.answers(partner, &invite, 200);
    assert_eq!(w.reasons(), ["response_wrong_peer"]);
    let third = w.dialled(TEAMS[2]);
    w.answers(third, &invite, 200);
    w.expect(pbx, "SIP/2.0 200");
    w.silent(second);
}

#[test]
fn a_retry_after_holds_off_the_server_that_was_asked() {
    let mut w = World::with(teams(), 1);
    let pbx = w.peer(FE01);
    let (invite, second) = failed_over(&mut w, pbx);
    let inbound = w.peer(TEAMS[0]);
    w.answers_with(inbound, &invite, 503, "Retry-After: 60\n");
    w.expect(second, "ACK");
    let held: Vec<_> = w.events.iter().map(|event| format!("{event:?}")).collect();
    assert!(
        held.iter()
            .any(|event| event.contains(TEAMS[1]) && event.contains("retry_after")),
        "{held:?}"
    );
}

#[test]
fn cancel_and_ack_are_known_on_another_connection_of_the_same_party() {
    let mut w = World::with(teams(), 1);
    let (pbx, inbound) = (w.peer(FE01), w.peer(TEAMS[0]));
    let (second, third) = (w.dialled(TEAMS[1]), w.dialled(TEAMS[2]));
    let asks = |method| Request {
        to: "<sip:+4930456@edge01.contoso.test>",
        ..from_teams(method, "")
    };
    w.ask(inbound, asks("INVITE"));
    let invite = w.expect(pbx, "INVITE");
    w.rings(pbx, &invite);
    w.expect(inbound, "SIP/2.0 180");
    w.ask(second, asks("CANCEL"));
    w.expect(second, "SIP/2.0 200");
    w.expect(pbx, "CANCEL");
    w.answers(pbx, &invite, 487);
    w.expect(inbound, "SIP/2.0 487");
    w.ask(third, asks("ACK"));
    w.all_freed();
    assert_eq!(w.reasons(), Vec::<&str>::new());
}

#[test]
fn a_cancel_is_known_although_a_reload_has_changed_who_is_one_party() {
    for with in [false, true] {
        let (one, two) = (teams(), {
            let mut fewer = teams();
            fewer.peers[4].domains.pop();
            fewer.pools[2].peers.remove(1);
            fewer
        });
        let (before, after) = if with { (two, one) } else { (one, two) };
        let mut w = World::with(before, 1);
        let (pbx, first) = (w.peer(FE01), w.dialled(TEAMS[0]));
        let third = w.dialled(TEAMS[2]);
        for link in [first, third] {
            let to = "<sip:+4930456@edge01.contoso.test>";
            w.ask(
                link,
                Request {
                    to,
                    ..from_teams("INVITE", "")
                },
            );
            let invite = w.expect(pbx, "INVITE");
            w.rings(pbx, &invite);
            w.expect(link, "SIP/2.0 180");
            if link == first {
                w.ask(
                    link,
                    Request {
                        to,
                        ..from_teams("CANCEL", "")
                    },
                );
                w.expect(link, "SIP/2.0 200");
                w.expect(pbx, "CANCEL");
                w.answers(pbx, &invite, 487);
                w.expect(pbx, "ACK");
                w.expect(link, "SIP/2.0 487");
                w.ask(
                    link,
                    Request {
                        to,
                        ..from_teams("ACK", "")
                    },
                );
                w.all_freed();
            }
        }
        w.load(after);
        let to = "<sip:+4930456@edge01.contoso.test>";
        w.ask(
            third,
            Request {
                to,
                ..from_teams("CANCEL", "")
            },
        );
        w.expect(third, "SIP/2.0 200");
        w.expect(pbx, "CANCEL");
    }
}

#[test]
fn a_dialog_goes_on_by_an_equal_server_when_its_own_is_gone() {
    let mut w = World::with(teams(), 1);
    let pbx = w.peer(FE01);
    let (invite, second) = failed_over(&mut w, pbx);
    w.answers(second, &invite, 200);
    w.expect(pbx, "SIP/2.0 200");
    w.lose(second);
    let more = route_of(&invite);
    w.ask(
        pbx,
        Request {
            method: "BYE",
            uri: "sip:api-du-a-euwe.pstnhub.microsoft.com:443;transport=tls",
            from: "<sip:+4930456@edge01.contoso.test;user=phone>;tag=a",
            to: "<sip:+4930123@sip.pstnhub.microsoft.com>;tag=b",
            more: &more,
            branch: "z9hG4bKbye",
            cseq: 2,
        },
    );
    w.connect_failed(TEAMS[1]);
    let third = w.dialled(TEAMS[2]);
    // The first is tried before the third, and has nothing but its pause.
    let bye = w.expect(third, "BYE");
    w.answers(third, &bye, 200);
    w.expect(pbx, "SIP/2.0 200");
}

#[test]
fn entries_that_grant_different_things_stay_apart() {
    let mut topology = teams();
    // Two partners whose servers are called alike; one certificate cannot stand for both.
    topology.peers[5].domains.pop();
    topology.pools[2].peers.pop();
    let mut w = World::with(topology, 1);
    let pbx = w.peer(FE01);
    let (invite, second) = failed_over(&mut w, pbx);
    let third = w.dialled(TEAMS[2]);
    w.answers(third, &invite, 200);
    assert_eq!(w.reasons(), ["response_wrong_peer"]);
    w.answers(second, &invite, 200);
    w.expect(pbx, "SIP/2.0 200");
    let more = route_of(&invite);
    w.ask(third, from_teams("BYE", &more));
    w.refused(third, "SIP/2.0 403", "token_not_for_origin");
}

/// A home server whose certificate names a second entry, as pool certificates of Lync do.
#[test]
fn home_servers_of_one_certificate_are_one_party_and_others_are_not() {
    let mut topology = topology();
    for peer in &mut topology.peers[..2] {
        let name = TEAMS[usize::from(peer.fqdn.as_str() == FE02)];
        let name = crate::topology::DnsName::parse(name).unwrap();
        *peer = peer.clone().renamed(name);
    }
    let mut w = World::with(topology, 1);
    let (client, inbound) = (w.client(), w.peer(TEAMS[1]));
    w.ask(client, Request::invite());
    w.connect_failed(TEAMS[0]);
    let invite = w.expect(inbound, "INVITE");
    w.answers(inbound, &invite, 200);
    w.expect(client, "SIP/2.0 200");
    // Which of the two it is nobody knows: what it sends for its own domain goes to the other all the same.
    w.ask(inbound, Request::invite().branch("z9hG4bKx"));
    let asked = w.connects.pop().unwrap();
    let topology = w.generation.topology();
    assert_eq!(topology.peer(asked).fqdn.as_str(), TEAMS[1]);
}
