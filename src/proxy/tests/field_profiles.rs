//! What Skype for Business, Lync and Teams do that no other server does.
use super::world::*;
use crate::sip::{HeaderName, HeaderSet};
use crate::topology::Domain;

const EVE: &str = "<sip:eve@fabrikam.test>;tag=a";

/// As a Lync server opens a connection: its own name in From, ours in To, and no hop to spare.
#[test]
fn negotiate_is_answered_hop_by_hop_and_the_connection_goes_on() {
    let mut w = World::new();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    for link in [partner, home] {
        w.send(
            link,
            "NEGOTIATE sip:edge01.contoso.test:5061 SIP/2.0\nVia: SIP/2.0/TLS 192.0.2.9:5061;branch=z9hG4bKn\n\
             Max-Forwards: 0\nFrom: <sip:sip.fabrikam.test>;tag=1;epid=2\nTo: <sip:edge01.contoso.test>\nCall-ID: n-1\n\
             CSeq: 1 NEGOTIATE\nCompression: LZ77-64K\nSupported: NewNegotiate,OCSNative,ECC,IPv6\n",
        );
        let answer = w.expect(link, "SIP/2.0 405");
        assert!(
            field(&answer, "Allow").unwrap().contains("INVITE"),
            "{answer}"
        );
        assert_eq!(field(&answer, "CSeq"), Some("1 NEGOTIATE"));
    }
    w.silent(home);
    w.silent(partner);
    assert!(w.connects.is_empty());
    w.send(
        partner,
        &Request {
            from: EVE,
            ..Request::default()
        }
        .to_string(),
    );
    w.expect(home, "INVITE");
    w.all_but(1);
}

#[test]
fn long_parameters_of_its_routes_come_out_as_they_came() {
    let signature = "ffNGSpZ3".repeat(120);
    let route = format!(
        "<sip:fe01.contoso.test:5061;transport=tls;opaque=state:F:T:Ci.R12c300:Eb.aB:{signature};lr;ms-route-sig={signature}>"
    );
    let via = format!(
        "SIP/2.0/TLS 10.1.1.4:54321;branch=z9hG4bK77.proxy-call-idmasking;ms-received-port=54321;ms-received-cid={signature}"
    );
    let more = format!(
        "Via: {via}\nRecord-Route: {route};tag=CAFE\nContact: <sip:eve@fabrikam.test;opaque=user:epid:{signature};gruu>\n"
    );
    let mut w = World::new();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    w.send(
        home,
        &Request {
            uri: "sip:x@fabrikam.test",
            more: &more,
            ..Request::default()
        }
        .to_string(),
    );
    let invite = w.expect(partner, "INVITE");
    for line in more.lines() {
        assert!(
            invite.contains(&format!("\r\n{line}\r\n")),
            "{line} not in {invite}"
        );
    }
    w.send(
        partner,
        &answer(&invite, "200 OK", "Contact: <sip:x@edge.fabrikam.test>\n"),
    );
    let ok = w.expect(home, "SIP/2.0 200");
    assert!(ok.contains(&format!("\r\nVia: {via}\r\n")), "{ok}");
    assert!(
        ok.contains(&format!("\r\nRecord-Route: {route};tag=CAFE\r\n")),
        "{ok}"
    );
}

#[test]
fn four_connections_of_a_partner_are_one_peer() {
    let mut w = World::new();
    let home = w.peer(FE01);
    let partner: Vec<_> = (0..4).map(|_| w.peer(PARTNER)).collect();
    // A request on one, its CANCEL on another, and its ACK on a third.
    w.send(
        partner[1],
        &Request {
            from: EVE,
            ..Request::default()
        }
        .to_string(),
    );
    let invite = w.expect(home, "INVITE");
    w.send(home, &answer(&invite, "180 Ringing", ""));
    w.expect(partner[1], "SIP/2.0 180");
    w.send(
        partner[3],
        &Request {
            method: "CANCEL",
            from: EVE,
            ..Request::default()
        }
        .to_string(),
    );
    w.expect(partner[3], "SIP/2.0 200");
    w.expect(home, "CANCEL");
    w.send(home, &answer(&invite, "487 Request Terminated", ""));
    w.expect(home, "ACK");
    w.expect(partner[1], "SIP/2.0 487");
    w.send(
        partner[2],
        &Request {
            method: "ACK",
            from: EVE,
            ..Request::default()
        }
        .to_string(),
    );
    // A request to it is answered on whichever it likes.
    w.send(
        home,
        &Request {
            method: "MESSAGE",
            uri: "sip:x@fabrikam.test",
            branch: "z9hG4bK2",
            ..Request::default()
        }
        .to_string(),
    );
    let (at, message) = partner
        .iter()
        .find_map(|link| w.take(*link).map(|message| (*link, message)))
        .expect("one of them gets it");
    let other = *partner.iter().find(|link| **link != at).unwrap();
    w.send(other, &answer(&message, "200 OK", ""));
    w.expect(home, "SIP/2.0 200");
    w.all_freed();
    // When one is lost the others serve.
    w.lose(partner[0]);
    w.lose(partner[1]);
    w.send(
        home,
        &Request {
            method: "MESSAGE",
            uri: "sip:x@fabrikam.test",
            branch: "z9hG4bK3",
            ..Request::default()
        }
        .to_string(),
    );
    assert!(partner[2..].iter().any(|link| w.take(*link).is_some()));
    assert!(w.connects.is_empty());
}

/// Teams sends to our FQDN: a home domain there, and still the name of this node to whoever pings it.
#[test]
fn a_node_whose_fqdn_is_a_home_domain_answers_pings_and_relays_calls() {
    let mut topology = topology();
    topology.node.domains.push(Domain::parse(NODE).unwrap());
    topology.pools[0].domains.push(Domain::parse(NODE).unwrap());
    let mut w = World::with(topology, 1);
    let (home, teams) = (w.peer(FE01), w.peer(PARTNER));
    let from = "<sip:edge.fabrikam.test:5061>;tag=a";
    let ping = |from| Request {
        method: "OPTIONS",
        uri: "sip:edge01.contoso.test:5061;transport=tls",
        to: "<sip:edge01.contoso.test:5061>",
        from,
        ..Request::default()
    };
    // The ping's From names the server itself, which need not be one of its domains.
    w.send(teams, &ping(from).to_string());
    w.expect(teams, "SIP/2.0 200");
    w.send(
        teams,
        &Request {
            branch: "z9hG4bK2",
            ..ping(EVE)
        }
        .to_string(),
    );
    w.expect(teams, "SIP/2.0 200");
    w.silent(home);
    let uri = "sip:+4930123@edge01.contoso.test:5061;user=phone;transport=tls";
    let to = "<sip:+4930123@edge01.contoso.test:5061;user=phone>";
    w.send(
        teams,
        &Request {
            from: EVE,
            uri,
            to,
            branch: "z9hG4bK3",
            ..Request::default()
        }
        .to_string(),
    );
    let invite = w.expect(home, &format!("INVITE {uri} "));
    assert!(
        field(&invite, "Record-Route")
            .unwrap()
            .contains("@edge01.contoso.test"),
        "{invite}"
    );
}

/// MS-CONMGMT: what is agreed on for one connection is for its two ends.
const OFFER: &str = "Ms-Keep-Alive: UAC;hop-hop=yes\n";
const TAKEN: &str = "ms-keep-alive: UAS; tcp=no; hop-hop=yes; end-end=no; timeout=300";

fn register(more: &str) -> Request<'_> {
    Request {
        method: "REGISTER",
        uri: "sip:contoso.test",
        to: "<sip:alice@contoso.test>",
        more,
        ..Request::default()
    }
}

#[test]
fn ms_keep_alive_is_agreed_on_with_the_next_hop_and_goes_no_further() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, register(OFFER));
    let asked = w.expect(home, "REGISTER");
    assert_eq!(field(&asked, "Ms-Keep-Alive"), None);
    // A challenge agrees on nothing.
    w.send(home, &answer(&asked, "401 Unauthorized", ""));
    let challenge = w.expect(client, "SIP/2.0 401");
    assert_eq!(field(&challenge, "ms-keep-alive"), None);
    w.ask(
        client,
        Request {
            branch: "z9hG4bK2",
            ..register(OFFER)
        },
    );
    let asked = w.expect(home, "REGISTER");
    // What the server says of its connection to us is not for the client's connection.
    let theirs = "ms-keep-alive: UAS;hop-hop=yes;timeout=7\n";
    w.send(home, &answer(&asked, "200 OK", theirs));
    let ok = w.expect(client, "SIP/2.0 200");
    assert_eq!(fields(&ok, "ms-keep-alive").len(), 1, "{ok}");
    assert!(ok.contains(&format!("\r\n{TAKEN}\r\n")), "{ok}");
    // Who asks for nothing is told nothing.
    w.ask(
        client,
        Request {
            branch: "z9hG4bK3",
            ..register("")
        },
    );
    let asked = w.expect(home, "REGISTER");
    w.send(home, &answer(&asked, "200 OK", theirs));
    let ok = w.expect(client, "SIP/2.0 200");
    assert_eq!(field(&ok, "ms-keep-alive"), None);
}

#[test]
fn only_a_whole_offer_of_keep_alives_between_hops_is_taken() {
    for (more, taken) in [
        ("ms-keep-alive: UAC;hop-hop=yes\n", true),
        ("MS-KEEP-ALIVE: uac ; TCP=no ; HOP-HOP = YES\n", true),
        ("ms-keep-alive: UAC;end-end=yes;hop-hop=yes;x\n", true),
        ("ms-keep-alive: UAC\n", false),
        ("ms-keep-alive: UAC;hop-hop=no\n", false),
        ("ms-keep-alive: UAC;hop-hop\n", false),
        ("ms-keep-alive: UAS;hop-hop=yes\n", false),
        ("ms-keep-alive: hop-hop=yes\n", false),
        ("ms-keep-alive: ;;=;=yes\n", false),
        ("ms-keep-alive:\n", false),
        (
            "ms-keep-alive: UAC;hop-hop=yes\nms-keep-alive: UAC;hop-hop=yes\n",
            false,
        ),
    ] {
        let mut w = World::new();
        let (client, home) = (w.client(), w.peer(FE01));
        w.ask(client, register(more));
        let asked = w.expect(home, "REGISTER");
        assert_eq!(field(&asked, "ms-keep-alive"), None, "{more}");
        w.send(home, &answer(&asked, "200 OK", ""));
        let ok = w.expect(client, "SIP/2.0 200");
        assert_eq!(field(&ok, "ms-keep-alive").is_some(), taken, "{more}");
    }
}

/// Whatever the fields of `ms-` are allowed to do, this one is not theirs.
#[test]
fn no_list_of_fields_lets_ms_keep_alive_through_in_either_direction() {
    let mut topology = topology();
    let ms = HeaderSet::of(HeaderName::PrivateMs);
    let clients = &mut topology.boundary.clients;
    clients.strip_in = clients.strip_in.without(ms);
    for peer in &mut topology.peers {
        let fields = &mut peer.boundary.fields;
        fields.strip_in = fields.strip_in.without(ms);
        fields.strip_out = fields.strip_out.without(ms);
    }
    let mut w = World::with(topology, 1);
    let (client, home, partner) = (w.client(), w.peer(FE01), w.peer(PARTNER));
    let more = "ms-keep-alive: UAC;hop-hop=yes\nms-conversation-id: 1\n";
    let to_partner = "sip:x@fabrikam.test";
    for (from, to, uri, sender) in [
        (
            client,
            home,
            "sip:bob@contoso.test",
            "<sip:alice@contoso.test>;tag=a",
        ),
        (home, partner, to_partner, "<sip:alice@contoso.test>;tag=a"),
        (partner, home, "sip:bob@contoso.test", EVE),
    ] {
        w.ask(
            from,
            Request {
                method: "MESSAGE",
                uri,
                from: sender,
                more,
                ..Request::default()
            },
        );
        let got = w.expect(to, "MESSAGE");
        assert_eq!(field(&got, "ms-keep-alive"), None);
        assert_eq!(field(&got, "ms-conversation-id"), Some("1"));
        w.send(
            to,
            &answer(&got, "200 OK", "ms-keep-alive: UAS;hop-hop=yes;timeout=9\n"),
        );
        let ok = w.expect(from, "SIP/2.0 200");
        assert_eq!(fields(&ok, "ms-keep-alive").len(), 1, "{ok}");
        assert!(ok.contains(TAKEN), "{ok}");
    }
}

/// A connection is not closed before the time that was said, with a transaction's time to spare.
#[test]
fn the_time_that_is_said_fits_the_time_after_which_a_silent_client_is_closed() {
    for (idle, said) in [(900, 300), (332, 300), (300, 268), (60, 30), (2, 1), (1, 1)] {
        let mut topology = topology();
        topology.limits.client_idle = std::time::Duration::from_secs(idle);
        let mut w = World::with(topology, 1);
        let home = w.peer(FE01);
        // Asked of this node itself, by a server that made the connection.
        w.ask(
            home,
            Request {
                method: "OPTIONS",
                uri: "sip:edge01.contoso.test",
                more: OFFER,
                ..Request::default()
            },
        );
        let ok = w.expect(home, "SIP/2.0 200");
        assert!(
            field(&ok, "ms-keep-alive")
                .unwrap()
                .ends_with(&format!("timeout={said}")),
            "{ok}"
        );
    }
}

#[test]
fn a_refused_negotiate_agrees_on_nothing() {
    let mut w = World::new();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    w.ask(
        partner,
        Request {
            method: "NEGOTIATE",
            uri: "sip:edge01.contoso.test:5061",
            from: EVE,
            more: OFFER,
            ..Request::default()
        },
    );
    let answer = w.expect(partner, "SIP/2.0 405");
    assert_eq!(field(&answer, "Ms-Keep-Alive"), None);
    w.silent(home);
}
