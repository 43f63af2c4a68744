//! Servers that share a certificate: which of them a call is from, by the address that the connection comes from or by
//! what the request says, and where the dialog's requests go then.
use super::world::*;
use crate::proxy::LinkId;
use crate::proxy::leg::PeerKey;
use crate::proxy::lookalikes::Lookalikes;
use crate::topology::{DialAddress, DnsName, Topology};
use std::net::{IpAddr, SocketAddr};

/// Two home servers in one pool, with one certificate.
const PAIR: [&str; 2] = [TEAMS[0], TEAMS[1]];
const ADDRESSES: [[u8; 4]; 2] = [[10, 0, 0, 11], [10, 0, 0, 12]];

/// The pair, each at these addresses.
fn pair(addresses: [&[&str]; 2]) -> Topology {
    let mut topology = topology();
    for (at, peer) in topology.peers[..2].iter_mut().enumerate() {
        *peer = peer.clone().renamed(DnsName::parse(PAIR[at]).unwrap());
        let addresses = addresses[at].iter();
        peer.addresses = addresses
            .map(|text| match text.parse::<SocketAddr>() {
                Ok(address) => DialAddress::Socket(address),
                Err(_) => DialAddress::Host((*text).to_owned(), 5061),
            })
            .collect();
    }
    topology
}

fn usual() -> Topology {
    pair([&["10.0.0.11:5061"], &["10.0.0.12:5061"]])
}

/// A call to the partner with these header lines, answered; gives its token.
fn calls(w: &mut World, from: LinkId, partner: LinkId, more: &str) -> String {
    let invite = Request::invite()
        .uri("sip:carol@fabrikam.test")
        .to("<sip:carol@fabrikam.test>");
    w.ask(from, invite.more(more));
    let invite = w.expect(partner, "INVITE");
    w.answers(partner, &invite, 200);
    w.expect(from, "SIP/2.0 200");
    route_of(&invite)
}

/// The callee hangs up.
fn hangs_up(w: &mut World, partner: LinkId, route: &str) {
    let bye = Request::of("BYE")
        .uri("sip:alice@10.0.0.1")
        .from("<sip:carol@fabrikam.test>;tag=b")
        .to("<sip:alice@contoso.test>;tag=a");
    w.ask(partner, bye.more(route).branch("z9hG4bKbye"));
}

/// Which of the pair the core wants a connection to.
fn dials(w: &mut World) -> Option<String> {
    let peer = w.connects.pop()?;
    Some(w.generation.topology().peer(peer).fqdn.to_string())
}

#[test]
fn the_address_tells_whose_call_it_is_whichever_server_connected_first() {
    for order in [[0, 1], [1, 0]] {
        for caller in [0, 1] {
            let mut w = World::with(usual(), 1);
            let mut links = [None; 2];
            for at in order {
                links[at] = Some(w.peer_from(ADDRESSES[at], 0, PAIR[at]));
            }
            let [own, other] = [links[caller].unwrap(), links[1 - caller].unwrap()];
            let partner = w.peer(PARTNER);
            let route = calls(&mut w, own, partner, "");
            hangs_up(&mut w, partner, &route);
            let bye = w.expect(own, "BYE");
            w.answers(own, &bye, 200);
            w.expect(partner, "SIP/2.0 200");
            w.silent(other);
            assert_eq!(dials(&mut w), None);
        }
    }
}

#[test]
fn a_message_that_another_shard_hands_over_is_from_the_same_server() {
    let mut w = World::with(usual(), 2);
    let (own, partner) = (w.peer_from(ADDRESSES[1], 1, PAIR[1]), w.peer_in(1, PARTNER));
    let invite = Request::invite()
        .uri("sip:carol@fabrikam.test")
        .to("<sip:carol@fabrikam.test>");
    w.ask(own, invite);
    let got = w.expect(partner, "INVITE");
    w.rings(partner, &got);
    w.expect(own, "SIP/2.0 180");
    // Its CANCEL comes on a connection of the other shard, where nobody knows the INVITE.
    let other = w.peer_from(ADDRESSES[1], 0, PAIR[1]);
    w.ask(
        other,
        Request {
            method: "CANCEL",
            ..invite
        },
    );
    w.expect(other, "SIP/2.0 200");
    w.expect(partner, "CANCEL");
}

#[test]
fn an_address_that_no_entry_gives_leaves_it_to_the_request() {
    let contact = |host: &str| format!("Contact: <sip:alice@{host};transport=tls>\n");
    let route = |host: &str| format!("Record-Route: <sip:{host};lr>\n");
    for (more, is_known) in [
        (contact(PAIR[0]), true),
        (contact(PAIR[1]), true),
        (contact("SIP2.pstnhub.Microsoft.com.:5061"), true),
        (contact("10.0.0.12"), true),
        (contact("[::ffff:10.0.0.12]:5061"), true),
        (route("10.9.9.9") + &contact(PAIR[1]), true),
        // What names none of them, or somebody whom the certificate does not name, says nothing.
        (contact("10.9.9.9"), false),
        (contact(PARTNER), false),
        (contact(FE02), false),
        (String::new(), false),
    ] {
        let mut w = World::with(usual(), 1);
        let (older, own, partner) = (w.peer(PAIR[0]), w.peer(PAIR[0]), w.peer(PARTNER));
        let token = calls(&mut w, own, partner, &more);
        hangs_up(&mut w, partner, &token);
        // Else either may be the first of the pair, and that one is asked.
        let [asked, other] = if is_known { [own, older] } else { [older, own] };
        w.expect(asked, "BYE");
        w.silent(other);
        assert_eq!(dials(&mut w), None, "{more}");
    }
}

#[test]
fn a_dialog_goes_to_its_record_route_although_another_server_has_sent_it() {
    for (via, route, contact, expected) in [
        (PAIR[0], "", PAIR[1], 1),
        (PAIR[1], "", PAIR[0], 0),
        (PAIR[1], PAIR[0], PAIR[1], 0),
        // A proxy in front of phones.
        (PAIR[0], PAIR[1], "10.0.0.11", 1),
    ] {
        let mut w = World::with(usual(), 1);
        let (shared, partner) = (w.peer(PAIR[0]), w.peer(PARTNER));
        let mut more = format!("Contact: <sip:alice@{contact}>\n");
        if !route.is_empty() {
            more += &format!("Record-Route: <sip:{route};lr>\n");
        }
        let invite = Request::invite()
            .uri("sip:carol@fabrikam.test")
            .to("<sip:carol@fabrikam.test>");
        let text = invite.more(&more).to_string();
        w.send(shared, &text.replace("ua.invalid", via));
        let invite = w.expect(partner, "INVITE");
        w.answers(partner, &invite, 200);
        w.expect(shared, "SIP/2.0 200");
        hangs_up(&mut w, partner, &route_of(&invite));
        assert_eq!(dials(&mut w).as_deref(), Some(PAIR[expected]));
        let dialled = w.dialled(PAIR[expected]);
        w.expect(dialled, "BYE");
        w.silent(shared);
        // What begins goes over the connection on which the sender has said who it is.
        let client = w.client();
        if via == PAIR[0] {
            w.ask(client, Request::of("MESSAGE").branch("z9hG4bKm"));
            w.expect(shared, "MESSAGE");
        }
    }
}

#[test]
fn a_request_without_contact_is_from_where_its_via_says() {
    let mut w = World::with(usual(), 1);
    let shared = w.peer(PAIR[0]);
    let text = Request::invite().to_string();
    // For its own domain, so that it goes to the other server.
    for (at, host) in ["sip2.pstnhub.microsoft.com", "10.0.0.11:5061"]
        .iter()
        .enumerate()
    {
        let branch = format!("z9hG4bKv{at}");
        let text = text.replace(
            "ua.invalid:5061;branch=z9hG4bKone",
            &format!("{host};branch={branch}"),
        );
        w.send(shared, &text);
        assert_eq!(dials(&mut w).as_deref(), Some(PAIR[at]), "{host}");
    }
}

#[test]
fn two_servers_of_one_host_are_told_apart_by_their_ports() {
    let topology = || pair([&["10.0.0.11:5061"], &["10.0.0.11:5071", "pbx.contoso.test"]]);
    for (contact, is_second) in [
        ("10.0.0.11", false),
        ("10.0.0.11:5071", true),
        ("pbx.contoso.test:5062", true),
        ("10.0.0.11:5081", false),
    ] {
        let mut w = World::with(topology(), 1);
        // The address is that of both, and the port of a connection is any.
        let [older, own] = [0, 1].map(|_| w.peer_from(ADDRESSES[0], 0, PAIR[0]));
        let partner = w.peer(PARTNER);
        let first = format!("Contact: <sip:bob@{}>\n", PAIR[0]);
        w.ask(
            older,
            Request::of("OPTIONS")
                .uri("sip:edge01.contoso.test")
                .more(&first),
        );
        w.expect(older, "SIP/2.0 200");
        let more = format!("Contact: <sip:alice@{contact}>\n");
        let token = calls(&mut w, own, partner, &more);
        hangs_up(&mut w, partner, &token);
        let [asked, other] = if is_second {
            [own, older]
        } else {
            [older, own]
        };
        w.expect(asked, "BYE");
        w.silent(other);
    }
}

#[test]
fn a_connection_that_may_be_anothers_serves_while_the_server_cannot_be_dialled() {
    let mut w = World::with(usual(), 1);
    let (client, shared) = (w.client(), w.peer(PAIR[1]));
    w.ask(client, Request::invite());
    assert_eq!(dials(&mut w).as_deref(), Some(PAIR[0]));
    w.silent(shared);
    w.connect_failed(PAIR[0]);
    let invite = w.expect(shared, "INVITE");
    w.answers(shared, &invite, 200);
    w.expect(client, "SIP/2.0 200");
    let more = route_of(&invite);
    let bye = Request::of("BYE").in_dialog().more(&more).cseq(2);
    w.ask(client, bye.branch("z9hG4bKbye"));
    w.expect(shared, "BYE");
    assert_eq!(dials(&mut w), None);
    // After the pause the next request goes at once, and the server is dialled beside it.
    w.pass(std::time::Duration::from_secs(2));
    w.ask(client, Request::of("MESSAGE").branch("z9hG4bKm"));
    w.expect(shared, "MESSAGE");
    assert_eq!(dials(&mut w).as_deref(), Some(PAIR[0]));
    let own = w.dialled(PAIR[0]);
    w.ask(client, Request::of("MESSAGE").branch("z9hG4bKn").cseq(2));
    w.expect(own, "MESSAGE");
    assert_eq!(w.reasons(), Vec::<&str>::new());
}

#[test]
fn a_reload_that_gives_addresses_tells_the_servers_apart() {
    let mut w = World::with(pair([&[], &[]]), 1);
    let (links, partner) = (
        [0, 1].map(|at| w.peer_from(ADDRESSES[at], 0, PAIR[at])),
        w.peer(PARTNER),
    );
    w.load(usual());
    let token = calls(&mut w, links[1], partner, "");
    hangs_up(&mut w, partner, &token);
    w.expect(links[1], "BYE");
    w.silent(links[0]);
}

#[test]
fn only_entries_that_grant_the_same_and_that_the_certificate_names_are_told_apart() {
    let keys = PAIR.map(PeerKey::of);
    let [here, there] = ADDRESSES.map(IpAddr::from);
    let same = Lookalikes::of(&usual());
    assert_eq!(same.at_address(&keys, here), Some(keys[0]));
    assert_eq!(same.at_address(&keys, there), Some(keys[1]));
    assert_eq!(same.at_address(&keys[..1], there), None);
    assert_eq!(same.at_address(&[], here), None);
    let mut topology = usual();
    topology.peers[1].assert_identity = false;
    let different = Lookalikes::of(&topology);
    assert_eq!(different.at_address(&keys, there), None);
}
