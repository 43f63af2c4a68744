//! Route values that name this node (RFC 3261 §16.4), where its names are home domains as well: whoever dials users at
//! the node's own name, as Teams does, has such a topology.
use super::world::*;
use crate::proxy::LinkId;
use crate::topology::{DnsName, Domain, Topology};

const EVE: &str = "<sip:+4930123@fabrikam.test;user=phone>;tag=a";
const USER: &str = "sip:+4930456@edge01.contoso.test:5061;user=phone;transport=tls";

/// The node's FQDN is a home domain, which the home pool serves.
fn fqdn_is_home() -> Topology {
    let mut topology = topology();
    for domain in [NODE, "alias.contoso.test"] {
        let domain = Domain::parse(domain).unwrap();
        topology.node.domains.push(domain.clone());
        topology.pools[0].domains.push(domain);
    }
    let alias = Domain::parse("alias.contoso.test").unwrap();
    topology.node.aliases.push(alias);
    topology
}

/// A call from the partner to a user at the node's own name, answered; gives the route of its dialog.
fn call(w: &mut World, partner: LinkId, home: LinkId) -> String {
    w.ask(
        partner,
        Request::invite()
            .uri(USER)
            .from(EVE)
            .to("<sip:+4930456@edge01.contoso.test:5061;user=phone>"),
    );
    let invite = w.expect(home, &format!("INVITE {USER} "));
    w.answers(home, &invite, 200);
    w.expect(partner, "SIP/2.0 200");
    field(&invite, "Record-Route").unwrap().to_owned()
}

#[track_caller]
fn passes(w: &mut World, from: LinkId, to: LinkId, way: &str, at: u32, route: &str) {
    let more = format!("Route: {route}\n");
    let branch = format!("z9hG4bK{at}");
    let (asserts, called) = match way {
        "back" => (
            "<sip:+4930456@edge01.contoso.test:5061>;tag=b",
            "<sip:+4930123@fabrikam.test>;tag=a",
        ),
        _ => (EVE, "<sip:+4930456@edge01.contoso.test:5061>;tag=b"),
    };
    for method in ["INVITE", "ACK", "UPDATE", "BYE"] {
        let branch = format!("{branch}{method}");
        w.ask(
            from,
            Request {
                method,
                uri: "sip:x@10.0.0.11:5061;transport=tls",
                from: asserts,
                to: called,
                more: &more,
                branch: &branch,
                cseq: at,
            },
        );
        let got = w.expect(to, &format!("{method} sip:x@10.0.0.11:5061"));
        assert_eq!(field(&got, "Route"), None, "{got}");
        if method != "ACK" {
            w.answers(to, &got, 200);
            w.expect(from, "SIP/2.0 200");
        }
    }
}

#[test]
fn a_signed_route_at_a_name_that_is_a_home_domain_leads_both_ways() {
    let mut w = World::with(fqdn_is_home(), 1);
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    let route = call(&mut w, partner, home);
    let (scheme, rest) = route.split_once('@').unwrap();
    let params = rest.split_once(';').unwrap().1;
    for (at, host) in [
        "edge01.contoso.test",
        "EDGE01.Contoso.TEST",
        "edge01.contoso.test.",
        "edge01.contoso.test:5061",
        "edge01.contoso.test:15061",
        "alias.contoso.test",
        "contoso.test",
        "192.0.2.1:5061",
        "192.0.2.1",
    ]
    .into_iter()
    .enumerate()
    {
        let route = format!("{scheme}@{host};{params}");
        let at = at as u32 * 2 + 2;
        passes(&mut w, partner, home, "there", at, &route);
        passes(&mut w, home, partner, "back", at + 1, &route);
    }
    assert_eq!(w.reasons(), Vec::<&str>::new());
}

#[test]
fn a_strict_router_hands_over_our_signed_uri_at_a_home_domain_too() {
    let mut w = World::with(fqdn_is_home(), 1);
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    let route = call(&mut w, partner, home);
    let uri = route.trim_matches(['<', '>']);
    w.ask(
        partner,
        Request {
            method: "BYE",
            uri,
            from: EVE,
            to: "<sip:+4930456@edge01.contoso.test>;tag=b",
            more: "Route: <sip:x@10.0.0.11:5061;transport=tls>\n",
            branch: "z9hG4bKbye",
            cseq: 2,
        },
    );
    let bye = w.expect(home, "BYE sip:x@10.0.0.11:5061;transport=tls SIP/2.0");
    assert_eq!(field(&bye, "Route"), None);
}

#[test]
fn a_call_by_path_reaches_the_client_where_the_fqdn_is_a_home_domain() {
    let mut w = World::with(fqdn_is_home(), 1);
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(
        client,
        Request {
            method: "REGISTER",
            uri: "sip:contoso.test",
            to: "<sip:alice@contoso.test>",
            // As baresip writes its outbound proxy.
            more: "Route: <sip:edge01.contoso.test:5061;transport=tls;lr>\nContact: <sip:alice@10.1.2.3:40123;transport=tls>\n",
            ..Request::invite()
        },
    );
    let register = w.expect(home, "REGISTER");
    assert_eq!(field(&register, "Route"), None);
    let path = field(&register, "Path").unwrap();
    let granted = "Contact: <sip:alice@10.1.2.3:40123;transport=tls>;expires=60\n";
    w.send(home, &answer(&register, "200 OK", granted));
    w.expect(client, "SIP/2.0 200");
    w.ask(
        home,
        Request::invite()
            .uri("sip:alice@10.1.2.3:40123;transport=tls")
            .from("<sip:bob@contoso.test>;tag=a")
            .more(&format!("Route: {path}\n"))
            .branch("z9hG4bKcall"),
    );
    w.expect(client, "INVITE sip:alice@10.1.2.3:40123");
}

#[test]
fn what_has_a_tokens_form_at_our_name_must_be_genuine_and_a_user_there_is_the_home_servers() {
    let mut w = World::with(fqdn_is_home(), 1);
    let (home, other, partner) = (w.peer(FE01), w.peer(FE02), w.peer(PARTNER));
    let route = call(&mut w, partner, home);
    let flipped = |c: u8| if c == b'A' { 'B' } else { 'A' };
    let (front, back) = route.split_at(40);
    let forged = format!("{front}{}{}", flipped(back.as_bytes()[0]), &back[1..]);
    for (at, link) in [partner, home].into_iter().enumerate() {
        w.ask(
            link,
            Request::of("BYE")
                .from(EVE)
                .to("<sip:+4930456@edge01.contoso.test>;tag=b")
                .more(&format!("Route: {forged}\n"))
                .branch(&format!("z9hG4bKf{at}")),
        );
        w.refused(link, "SIP/2.0 403", "token_forged");
    }
    // A service route of the home servers that was built upon our name.
    w.ask(
        partner,
        Request::invite()
            .uri(USER)
            .from(EVE)
            .more("Route: <sip:+4930456@edge01.contoso.test;lr>\n")
            .branch("z9hG4bKu"),
    );
    let invite = w.expect(home, "INVITE");
    assert!(field(&invite, "Route").is_some(), "{invite}");
    w.silent(other);
}

#[test]
fn an_alias_that_is_a_home_domain_still_names_the_node_to_whoever_pings_it() {
    let mut w = World::with(fqdn_is_home(), 1);
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    for (at, uri) in [
        "sip:alias.contoso.test",
        "sip:ALIAS.contoso.test.:5061;transport=tls",
        "sip:edge01.contoso.test",
        "sip:192.0.2.1:5061",
    ]
    .into_iter()
    .enumerate()
    {
        w.ask(
            partner,
            Request::of("OPTIONS")
                .uri(uri)
                .from(EVE)
                .to("<sip:edge01.contoso.test>")
                .branch(&format!("z9hG4bK{at}")),
        );
        w.expect(partner, "SIP/2.0 200");
    }
    w.silent(home);
}

/// A node of this FQDN that goes by the name of its site, or by its own.
fn node(fqdn: &str, advertise: Option<&str>) -> Topology {
    let mut topology = fqdn_is_home();
    topology.node.fqdn = DnsName::parse(fqdn).unwrap();
    topology.node.advertise = advertise.map(|name| DnsName::parse(name).unwrap());
    topology
}

#[test]
fn nodes_that_go_by_one_name_take_each_others_routes_and_others_do_not() {
    let shared = Some("sip.contoso.test");
    for (advertise, taken) in [(shared, true), (None, false)] {
        let mut first = World::with(node(NODE, advertise), 1);
        let (home, partner) = (first.peer(FE01), first.peer(PARTNER));
        let route = call(&mut first, partner, home);
        let mut second = World::with(node("edge02.contoso.test", advertise), 1);
        let (home, partner) = (second.peer(FE01), second.peer(PARTNER));
        // As the first node would write it at a start of its own.
        let route = route.replace(NODE, "sip.contoso.test");
        if taken {
            passes(&mut second, partner, home, "there", 2, &route);
            passes(&mut second, home, partner, "back", 3, &route);
            continue;
        }
        let route = route.replace("sip.contoso.test", "edge02.contoso.test");
        let more = format!("Route: {route}\n");
        second.ask(partner, Request::of("BYE").from(EVE).more(&more));
        second.refused(partner, "SIP/2.0 403", "token_forged");
    }
}

#[test]
fn a_name_that_only_a_restart_changes_is_this_nodes_until_then() {
    let mut w = World::with(node(NODE, None), 1);
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    let route = call(&mut w, partner, home);
    w.load(node("edge02.contoso.test", Some("sip.contoso.test")));
    passes(&mut w, partner, home, "there", 2, &route);
    passes(&mut w, home, partner, "back", 3, &route);
}
