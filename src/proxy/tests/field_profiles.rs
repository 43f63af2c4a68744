//! What Skype for Business, Lync and Teams do that no other server does.
use super::world::*;
use crate::sip::{HeaderName, HeaderSet};
use crate::topology::Domain;

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
    w.ask(partner, Request::invite().from(EVE));
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
        &Request::invite()
            .uri("sip:x@fabrikam.test")
            .more(&more)
            .to_string(),
    );
    let invite = w.expect(partner, "INVITE");
    for line in more.lines() {
        assert!(
            invite.contains(&format!("\r\n{line}\r\n")),
            "{line} not in {invite}"
        );
    }
    w.answers_with(
        partner,
        &invite,
        200,
        "Contact: <sip:x@edge.fabrikam.test>\n",
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
    w.ask(partner[1], Request::invite().from(EVE));
    let invite = w.expect(home, "INVITE");
    w.rings(home, &invite);
    w.expect(partner[1], "SIP/2.0 180");
    w.ask(partner[3], Request::of("CANCEL").from(EVE));
    w.expect(partner[3], "SIP/2.0 200");
    w.expect(home, "CANCEL");
    w.answers(home, &invite, 487);
    w.expect(home, "ACK");
    w.expect(partner[1], "SIP/2.0 487");
    w.ask(partner[2], Request::of("ACK").from(EVE));
    // A request to it is answered on whichever it likes.
    w.send(
        home,
        &Request::of("MESSAGE")
            .uri("sip:x@fabrikam.test")
            .branch("z9hG4bK2")
            .to_string(),
    );
    let (at, message) = partner
        .iter()
        .find_map(|link| w.take(*link).map(|message| (*link, message)))
        .expect("one of them gets it");
    let other = *partner.iter().find(|link| **link != at).unwrap();
    w.answers(other, &message, 200);
    w.expect(home, "SIP/2.0 200");
    w.all_freed();
    // When one is lost the others serve.
    w.lose(partner[0]);
    w.lose(partner[1]);
    w.send(
        home,
        &Request::of("MESSAGE")
            .uri("sip:x@fabrikam.test")
            .branch("z9hG4bK3")
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
    let ping = |from| {
        Request::of("OPTIONS")
            .uri("sip:edge01.contoso.test:5061;transport=tls")
            .to("<sip:edge01.contoso.test:5061>")
            .from(from)
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
        &Request::invite()
            .from(EVE)
            .uri(uri)
            .to(to)
            .branch("z9hG4bK3")
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
    Request::of("REGISTER")
        .uri("sip:contoso.test")
        .to("<sip:alice@contoso.test>")
        .more(more)
}

#[test]
fn ms_keep_alive_is_agreed_on_with_the_next_hop_and_goes_no_further() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, register(OFFER));
    let asked = w.expect(home, "REGISTER");
    assert_eq!(field(&asked, "Ms-Keep-Alive"), None);
    // A challenge agrees on nothing.
    w.answers(home, &asked, 401);
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
    w.answers_with(home, &asked, 200, theirs);
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
    w.answers_with(home, &asked, 200, theirs);
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
        w.answers(home, &asked, 200);
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
            Request::of("MESSAGE").uri(uri).from(sender).more(more),
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
            Request::of("OPTIONS")
                .uri("sip:edge01.contoso.test")
                .more(OFFER),
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
        Request::of("NEGOTIATE")
            .uri("sip:edge01.contoso.test:5061")
            .from(EVE)
            .more(OFFER),
    );
    let answer = w.expect(partner, "SIP/2.0 405");
    assert_eq!(field(&answer, "Ms-Keep-Alive"), None);
    w.silent(home);
}

/// The topology of config/teams-direct-routing.toml.
fn direct_routing() -> World {
    let mut topology = teams();
    for peer in &mut topology.peers[3..] {
        peer.domains = vec![domain("*.pstnhub.microsoft.com")];
        peer.boundary.hide_topology = true;
    }
    topology.pools[2].domains = vec![domain("*.pstnhub.microsoft.com")];
    World::with(topology, 1)
}

/// A message of Teams' SIP proxy: fields in capitals, the region's server in Record-Route, a Contact with parameters of its
/// own, the caller's number at the name that we dial.
fn of_teams(method: &str, uri: &str, to_tag: &str, more: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\nFROM: \"Berta\"<sip:+4930123@sip.pstnhub.microsoft.com:5061;user=phone>;tag=9d8e\n\
         TO: <sip:+4930456@edge01.contoso.test:5061;user=phone>{to_tag}\nCSEQ: {} {method}\nCALL-ID: t-1\nMAX-FORWARDS: 69\n\
         VIA: SIP/2.0/TLS 52.114.75.24:5061;branch=z9hG4bK{method}{}\n\
         CONTACT: <sip:api-du-a-euwe.pstnhub.microsoft.com:443;x-i=57e1bca0;x-c=57e1bca0/d/8/6f1f7d>\n\
         USER-AGENT: Microsoft.PSTNHub.SIPProxy\nX-MS-SBC: Contoso/1.0\n{more}",
        to_tag.len() + 1,
        to_tag.len(),
    )
}

/// A Contact at our own name, as Teams finds the tenant.
#[track_caller]
fn ours(message: &str) -> String {
    let contact = field(message, "Contact").unwrap();
    let uri = contact.trim_matches(['<', '>']);
    let (user, place) = uri.split_once('@').unwrap();
    assert!(user.starts_with("sip:h."), "{contact}");
    assert!(
        place.starts_with("edge01.contoso.test;transport=tls"),
        "{contact}"
    );
    assert!(
        !message.contains("10.0.0.11") && !message.contains("pbx.contoso.test"),
        "{message}"
    );
    uri.to_owned()
}

#[test]
fn teams_calls_and_hangs_up_by_what_stands_in_our_contact() {
    let mut w = direct_routing();
    let (pbx, teams) = (w.peer(FE01), w.peer(TEAMS[0]));
    let uri = "sip:+4930456@edge01.contoso.test:5061;user=phone;transport=tls";
    let recorded = "RECORD-ROUTE: <sip:sip-du-a-eu.pstnhub.microsoft.com:5061;transport=tls;lr>\n";
    w.send(teams, &of_teams("INVITE", uri, "", recorded));
    let invite = w.expect(pbx, &format!("INVITE {uri} "));
    assert!(invite.contains("\r\nX-MS-SBC: Contoso/1.0\r\n"), "{invite}");
    let routes = fields(&invite, "Record-Route");
    assert!(routes[0].contains("@edge01.contoso.test;transport=tls;lr"));
    assert!(routes[1].contains("sip-du-a-eu"));
    let contact = "Contact: <sip:+4930456@10.0.0.11:5061;transport=tls;x=y>\n";
    w.answers_with(pbx, &invite, 183, contact);
    ours(&w.expect(teams, "SIP/2.0 183"));
    w.answers_with(pbx, &invite, 200, contact);
    let ok = w.expect(teams, "SIP/2.0 200");
    let target = ours(&ok);
    let route = format!("ROUTE: {}\n", field(&ok, "Record-Route").unwrap());
    for method in ["ACK", "INVITE", "REFER", "BYE"] {
        w.send(teams, &of_teams(method, &target, ";tag=b", &route));
        let got = w.expect(
            pbx,
            &format!("{method} sip:+4930456@10.0.0.11:5061;transport=tls;x=y SIP"),
        );
        assert_eq!(field(&got, "Route"), None, "{got}");
        if method != "ACK" {
            w.answers_with(pbx, &got, 200, contact);
            w.expect(teams, "SIP/2.0 200");
        }
    }
    assert_eq!(w.reasons(), Vec::<&str>::new());
}

#[test]
fn the_pbx_calls_teams_whose_second_server_ends_the_call_on_a_connection_of_its_own() {
    for contact in [
        "<sip:+4930456@10.0.0.11:5061;transport=tls>",
        "<sip:pbx.contoso.test:5061;transport=tls>",
        "\"PBX\" <sip:+4930456@contoso.test>",
    ] {
        let mut w = direct_routing();
        let pbx = w.peer(FE01);
        let number = "sip:+4930123@sip.pstnhub.microsoft.com;user=phone";
        w.ask(
            pbx,
            Request::invite()
                .uri(number)
                .from("<sip:+4930456@edge01.contoso.test;user=phone>;tag=a")
                .to(&format!("<{number}>"))
                .more(&format!(
                    "Contact: {contact}\nP-Asserted-Identity: <tel:+4930456>\n"
                )),
        );
        w.connect_failed(TEAMS[0]);
        let second = w.dialled(TEAMS[1]);
        let invite = w.expect(second, &format!("INVITE {number} "));
        assert!(field(&invite, "P-Asserted-Identity").is_some());
        let name = invite.find("sip:h.").unwrap();
        let target = &invite[name..name + invite[name..].find('>').unwrap()];
        assert!(
            target.contains("@edge01.contoso.test;transport=tls"),
            "{invite}"
        );
        let far = "RECORD-ROUTE: <sip:sip-du-a-us.pstnhub.microsoft.com:5061;transport=tls;lr>\n\
                   CONTACT: <sip:api-du-a-uswe.pstnhub.microsoft.com:443;x-i=1>\n";
        w.answers_with(second, &invite, 200, far);
        w.expect(pbx, "SIP/2.0 200");
        let inbound = w.peer(TEAMS[0]);
        w.ask(
            inbound,
            Request {
                method: "BYE",
                uri: target,
                from: &format!("<{number}>;tag=b"),
                to: "<sip:+4930456@edge01.contoso.test;user=phone>;tag=a",
                more: &format!("ROUTE: {}\n", field(&invite, "Record-Route").unwrap()),
                branch: "z9hG4bKbye",
                cseq: 7,
            },
        );
        let uri = &contact[contact.find('<').unwrap() + 1..contact.len() - 1];
        let bye = w.expect(pbx, &format!("BYE {uri} SIP"));
        w.answers(pbx, &bye, 200);
        w.expect(inbound, "SIP/2.0 200");
        assert_eq!(w.reasons(), Vec::<&str>::new());
    }
}

/// It knows us by the host of Contact, and uses no method that Allow does not name.
#[test]
fn a_ping_to_teams_has_our_name_in_contact_and_says_what_we_take() {
    let mut topology = teams();
    topology.pools[2].health = Some(crate::topology::Health::default());
    let mut w = World::with(topology, 1);
    let teams = w.dialled(TEAMS[1]);
    w.pass(std::time::Duration::from_secs(1));
    let ping = w.expect(
        teams,
        "OPTIONS sip:sip2.pstnhub.microsoft.com;transport=tls SIP/2.0",
    );
    assert_eq!(
        field(&ping, "Contact"),
        Some("<sip:edge01.contoso.test;transport=tls>")
    );
    assert!(field(&ping, "Allow").unwrap().contains("REFER"), "{ping}");
}
