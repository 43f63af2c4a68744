//! What others could try with a phone's registration and calls (docs/threats.md), and gain nothing by.
use super::world::*;
use std::time::Duration;

const CONTACT: &str = "Contact: <sip:alice@10.0.0.1;transport=tls>;expires=600\n";

/// A call of the home side along a Path.
fn invite(route: &str, branch: &str) -> String {
    Request::invite()
        .uri("sip:alice@10.0.0.1")
        .from("<sip:bob@contoso.test>;tag=b")
        .branch(branch)
        .more(route)
        .to_string()
}

#[test]
fn another_user_registers_itself_and_moves_nobody_else() {
    let mut w = World::new();
    let (alice, mallory, home) = (w.client(), w.client(), w.peer(FE01));
    let path = w.register(alice, home, "");
    // With Alice's own device, Call-ID and Contact, of which only the user is Mallory's.
    let register = registration("sip:mallory@contoso.test", "z9hG4bKm", "");
    w.send(mallory, &register);
    let asked = w.expect(home, "REGISTER");
    assert_ne!(format!("Route: {}\n", field(&asked, "Path").unwrap()), path);
    w.send(home, &answer(&asked, "200 OK", CONTACT));
    w.expect(mallory, "SIP/2.0 200");
    // What it writes of itself as Alice counts for nothing without the registrar.
    let register = registration("sip:alice@contoso.test", "z9hG4bKn", "");
    w.send(mallory, &register);
    let asked = w.expect(home, "REGISTER");
    for status in ["401 Unauthorized", "500 Server Internal Error"] {
        w.send(home, &answer(&asked, status, CONTACT));
    }
    w.expect(mallory, "SIP/2.0 401");
    w.send(home, &invite(&path, "z9hG4bK1"));
    w.expect(alice, "INVITE");
    w.silent(mallory);
}

/// Two tenants, each with a server of its own; the second's is FE02.
fn tenants() -> World {
    tenants_with(crate::topology::ClientPath::Path)
}

/// The same, where registrars learn the way to a client like this.
fn tenants_with(path: crate::topology::ClientPath) -> World {
    let mut site = topology();
    site.pools[0].path = path;
    let other = domain("tailspin.test");
    site.node.domains.push(other.clone());
    let mut pool = site.pools[0].clone();
    pool.domains = vec![other];
    pool.peers.remove(0);
    site.pools[0].peers.truncate(1);
    site.pools.push(pool);
    World::with(site, 1)
}

#[test]
fn a_register_goes_to_the_pool_of_its_to_and_another_tenants_server_learns_no_path() {
    let mut w = tenants();
    let (alice, mallory) = (w.client(), w.client());
    let (home, tenant) = (w.peer(FE01), w.peer(FE02));
    let path = w.register(alice, home, "");
    let register = registration("sip:alice@contoso.test", "z9hG4bKm", "").replace(
        "From: <sip:alice@contoso.test>",
        "From: <sip:m@tailspin.test>",
    );
    w.send(mallory, &register);
    w.silent(tenant);
    let asked = w.expect(home, "REGISTER");
    // Who is not let in by the own registrar is bound by nobody.
    w.send(home, &answer(&asked, "403 Forbidden", CONTACT));
    w.expect(mallory, "SIP/2.0 403");
    w.events.clear();
    let nowhere = registration("sip:alice@elsewhere.test", "z9hG4bKn", "")
        .replace("From: <sip:alice@elsewhere", "From: <sip:m@contoso");
    w.send(mallory, &nowhere);
    w.refused(mallory, "SIP/2.0 403", "to_not_allowed");
    w.send(home, &invite(&path, "z9hG4bK1"));
    w.expect(alice, "INVITE");
    w.silent(mallory);
    assert_eq!(w.kept.get(&mallory), None);
}

/// Whoever has read the Path of another tenant's user, or the contact that its registrar keeps, calls nobody by it.
#[test]
fn another_tenants_server_reaches_nobody_by_a_path_or_contact_that_it_has_learned() {
    let mut w = tenants();
    let (alice, home, tenant) = (w.client(), w.peer(FE01), w.peer(FE02));
    let path = w.register(alice, home, "");
    for (at, method) in ["INVITE", "MESSAGE", "OPTIONS", "NOTIFY"]
        .iter()
        .enumerate()
    {
        let text = invite(&path, &format!("z9hG4bK{at}")).replace("INVITE", method);
        w.send(tenant, &text);
        w.refused(tenant, "SIP/2.0 403", "token_not_for_origin");
        w.silent(alice);
    }
    w.send(home, &invite(&path, "z9hG4bKh"));
    w.expect(alice, "INVITE");
    let mut w = tenants_with(crate::topology::ClientPath::Contact);
    let (alice, home, tenant) = (w.client(), w.peer(FE01), w.peer(FE02));
    w.send(
        alice,
        &registration("sip:alice@contoso.test", "z9hG4bKr", ""),
    );
    let asked = w.expect(home, "REGISTER");
    let kept = field(&asked, "Contact").unwrap();
    w.send(
        home,
        &answer(&asked, "200 OK", &format!("Contact: {kept};expires=600\n")),
    );
    w.expect(alice, "SIP/2.0 200");
    let kept = kept.split(['<', '>']).nth(1).unwrap();
    let call = |branch| invite("", branch).replace("sip:alice@10.0.0.1", kept);
    w.send(tenant, &call("z9hG4bK1"));
    w.refused(tenant, "SIP/2.0 403", "token_not_for_origin");
    w.silent(alice);
    w.send(home, &call("z9hG4bK2"));
    w.expect(alice, "INVITE sip:alice@10.0.0.1");
}

/// A server takes over dialogs of its own pool's servers, and of nobody else's; one in no pool serves all.
#[test]
fn another_tenants_server_sends_nothing_in_a_dialog_whose_route_it_has_learned() {
    let mut w = tenants();
    let (alice, home, tenant) = (w.client(), w.peer(FE01), w.peer(FE02));
    let path = w.register(alice, home, "");
    w.send(home, &invite(&path, "z9hG4bK1"));
    let called = w.expect(alice, "INVITE");
    w.answers(alice, &called, 200);
    let dialog = format!("Route: {}\n", field(&called, "Record-Route").unwrap());
    let from_tenant = |method: &str| {
        let text = Request::of(method).in_dialog().branch(method);
        text.more(&dialog).to_string().replace("tag=a", "tag=t")
    };
    for method in ["BYE", "INVITE", "INFO", "NOTIFY"] {
        w.send(tenant, &from_tenant(method));
        w.refused(tenant, "SIP/2.0 403", "token_not_for_origin");
    }
    w.silent(alice);
    // The pool that has it no more: it serves the whole site then.
    let mut site = w.generation.topology().clone();
    site.pools.pop();
    site.node.domains.pop();
    w.load(site);
    w.send(tenant, &from_tenant("UPDATE"));
    w.expect(alice, "UPDATE");
}

/// A home server that routes by Route or Request-URI would bring back the 200 of whoever they name.
#[test]
fn another_tenants_registrar_binds_nobody_of_this_one() {
    let mut w = tenants();
    let (alice, mallory, home) = (w.client(), w.client(), w.peer(FE01));
    w.register(alice, home, "");
    let refused = |w: &mut World, uri: &str, routes: &str, branch: &str| {
        let register = registration("sip:alice@contoso.test", branch, "")
            .replace("REGISTER sip:contoso.test", &format!("REGISTER {uri}"));
        w.send(mallory, &(register + routes));
        w.silent(home);
        w.refused(mallory, "SIP/2.0 403", "route_not_permitted");
    };
    let own = "sip:contoso.test";
    for (at, routes) in [
        "<sip:fe02.contoso.test;lr>",
        "<sip:tailspin.test:5070;lr>",
        "<sip:fe01.contoso.test;maddr=fe02.contoso.test;lr>",
        "<sip:fe01.contoso.test;lr>, <sip:fe02.contoso.test;lr>",
        "<sip:fe01.contoso.test;lr>\nRoute: <sip:tailspin.test;lr>",
        "<sip:fe01.contoso.test;lr>, <sip:contoso.test;lr;maddr=192.0.2.99>",
        "<sip:fe01.contoso.test;lr>, <sip:edge01.contoso.test;lr>",
        "<sip:fe01.contoso.test;lr>, <sip:edge.fabrikam.test;lr>",
        "<sip:fe01.contoso.test;lr>, <sip:elsewhere.test;lr>",
    ]
    .iter()
    .enumerate()
    {
        let routes = format!("Route: {routes}\n");
        refused(&mut w, own, &routes, &format!("z9hG4bKr{at}"));
    }
    for (at, uri) in [
        "sip:tailspin.test",
        "sip:fe02.contoso.test",
        "sip:contoso.test;maddr=fe02.contoso.test",
        "sip:fabrikam.test",
        "sip:elsewhere.test",
    ]
    .iter()
    .enumerate()
    {
        refused(&mut w, uri, "", &format!("z9hG4bKu{at}"));
    }
    // What names the own pool passes: its domain, a server of it, this node.
    for (at, uri) in [own, "sip:fe01.contoso.test", "sip:edge01.contoso.test"]
        .iter()
        .enumerate()
    {
        let register = registration("sip:alice@contoso.test", &format!("z9hG4bKo{at}"), "")
            .replace("REGISTER sip:contoso.test", &format!("REGISTER {uri}"));
        let routes = "Route: <sip:edge01.contoso.test;lr>, <sip:fe01.contoso.test;lr>\n";
        w.send(mallory, &(register + routes));
        w.expect(home, "REGISTER");
    }
}

/// A server that follows a Route with the attacker's own Path would else take its phone for a registrar.
#[test]
fn no_register_goes_to_a_phone() {
    let mut w = World::new();
    let (phone, home) = (w.client(), w.peer(FE01));
    let path = w.register(phone, home, "");
    w.send(
        home,
        &(registration("sip:alice@contoso.test", "z9hG4bKx", "") + &path),
    );
    w.refused(home, "SIP/2.0 403", "route_not_permitted");
    w.silent(phone);
}

#[test]
fn a_phone_that_replays_its_old_path_reaches_nobody() {
    let mut w = World::new();
    let (phone, home) = (w.client(), w.peer(FE01));
    let path = w.register(phone, home, "");
    w.send(home, &invite(&path, "z9hG4bK1"));
    let called = w.expect(phone, "INVITE");
    let dialog = route_of(&called);
    // Its user was given another phone, and the registrar has dropped this one.
    let register = registration("sip:alice@contoso.test", "z9hG4bKend", "");
    w.send(phone, &register);
    let asked = w.pick(home, "REGISTER");
    w.answers(home, &asked, 200);
    w.pick(phone, "SIP/2.0 200");
    let next = w.client();
    let new = w.register(next, home, ";+sip.instance=\"<urn:uuid:2>\";reg-id=1");
    assert_ne!(path, new);
    w.pass(Duration::from_secs(31));
    w.events.clear();
    for (route, branch) in [(&path, "z9hG4bK2"), (&new, "z9hG4bK3")] {
        w.ask(
            phone,
            Request::of("MESSAGE")
                .in_dialog()
                .branch(branch)
                .more(route),
        );
        w.refused(phone, "SIP/2.0 403", "token_not_for_origin");
    }
    w.silent(next);
    // It may end the call that it has.
    let bye = Request::of("BYE").in_dialog().branch("z9hG4bK4");
    w.ask(phone, bye.more(&dialog));
    w.pick(home, "BYE");
    // And the registrar's calls go to the phone that is registered.
    w.send(home, &invite(&new, "z9hG4bK5"));
    w.expect(next, "INVITE");
    w.silent(phone);
}

/// RFC 3261 §16.5, §16.12: whoever gets a request brings it to its `maddr`, or to the next Route value.
#[test]
fn a_partner_has_a_home_server_bring_a_request_nowhere() {
    let mut w = World::new();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    let mut asks = |uri: &str, routes: &str, branch: &str| {
        let call = Request::invite()
            .uri(uri)
            .from("<sip:x@fabrikam.test>;tag=x")
            .branch(branch);
        let routes = match routes {
            "" => String::new(),
            routes => format!("Route: {routes}\n"),
        };
        w.send(partner, &call.more(&routes).to_string());
        (w.take(home), w.take(partner), w.reasons())
    };
    let bob = "sip:bob@contoso.test";
    for (at, (uri, routes)) in [
        ("sip:bob@contoso.test;maddr=198.51.100.66", ""),
        ("sip:bob@contoso.test;MADDR=third.example", ""),
        ("sip:bob@contoso.test;maddr=fe02.contoso.test", ""),
        ("sip:bob@contoso.test;maddr=edge.fabrikam.test", ""),
        (bob, "<sip:fe01.contoso.test;lr>, <sip:third.example;lr>"),
        (
            bob,
            "<sip:fe01.contoso.test;lr>\nRoute: <sip:edge.fabrikam.test;lr>",
        ),
        (
            bob,
            "<sip:fe01.contoso.test;lr>, <sip:fe02.contoso.test;maddr=third.example;lr>",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let (forwarded, answer, reasons) = asks(uri, routes, &format!("z9hG4bKm{at}"));
        assert_eq!(
            (forwarded, &reasons[..]),
            (None, &["route_not_permitted"][..]),
            "{uri} {routes}"
        );
        assert!(answer.unwrap().starts_with("SIP/2.0 403"));
    }
    // One that names this node has done its work here, and goes no further.
    for (at, (uri, routes)) in [
        ("sip:bob@contoso.test;maddr=edge01.contoso.test", ""),
        ("sip:bob@contoso.test;maddr=192.0.2.1", ""),
        (bob, "<sip:fe01.contoso.test;lr>, <sip:contoso.test;lr>"),
    ]
    .into_iter()
    .enumerate()
    {
        let (forwarded, _, _) = asks(uri, routes, &format!("z9hG4bKn{at}"));
        let forwarded = forwarded.unwrap_or_else(|| panic!("{uri} {routes}"));
        assert!(
            forwarded.starts_with("INVITE sip:bob@contoso.test SIP/2.0"),
            "{forwarded}"
        );
    }
}

/// A To tag that its sender has invented makes one more request of its call out of a new one. That reaches the server which
/// the call runs with, as anything of the call does, and answers 481 for a dialog that it does not know (RFC 3261 §12.2.2).
#[test]
fn an_invented_to_tag_reaches_the_server_of_the_call_and_nobody_else() {
    for is_client in [true, false] {
        let mut w = World::new();
        let (client, partner) = (w.client(), w.peer(PARTNER));
        let (fe01, other) = (w.peer(FE01), w.client());
        let (link, from) = match is_client {
            true => (client, "<sip:alice@contoso.test>;tag=1"),
            false => (partner, "<sip:eve@fabrikam.test>;tag=1"),
        };
        w.ask(link, Request::invite().from(from));
        let invite = w.expect(fe01, "INVITE");
        w.answers(fe01, &invite, 200);
        w.expect(link, "SIP/2.0 200");
        let route = format!("Route: {}\n", field(&invite, "Record-Route").unwrap());
        let forged = Request::of("INVITE").to("<sip:bob@contoso.test>;tag=invented");
        let forged = forged.from(from).uri("sip:x@third.example").cseq(7);
        w.ask(link, forged.more(&route).branch("z9hG4bK1"));
        let reached = w.expect(fe01, "INVITE");
        w.answers(fe01, &reached, 481);
        w.expect(link, "SIP/2.0 481");
        w.expect(fe01, "ACK");
        // In nobody else's name, in no other call, past no route, as no registration, and from nobody else.
        let beyond = format!("{route}Route: <sip:edge.fabrikam.test;lr>\n");
        w.ask(
            link,
            forged
                .from("<sip:x@third.example>;tag=1")
                .more(&route)
                .branch("z9hG4bK2"),
        );
        w.refused(link, "SIP/2.0 403", "from_not_allowed");
        let elsewhere = forged.more(&route).branch("z9hG4bK3").to_string();
        w.send(
            link,
            &elsewhere.replace("Call-ID: call-1", "Call-ID: another"),
        );
        w.refused(link, "SIP/2.0 403", "token_forged");
        w.ask(link, forged.more(&beyond).branch("z9hG4bK4"));
        w.refused(link, "SIP/2.0 403", "route_not_permitted");
        if !is_client {
            w.ask(
                link,
                forged.uri("tel:+1900555").more(&route).branch("z9hG4bK5"),
            );
            w.refused(link, "SIP/2.0 403", "not_home_domain");
            let publish = Request {
                method: "PUBLISH",
                ..forged
            };
            w.ask(link, publish.more(&route).branch("z9hG4bK6"));
            w.refused(link, "SIP/2.0 403", "not_home_domain");
        }
        let client_as = forged.from("<sip:alice@contoso.test>;tag=1");
        w.ask(other, client_as.more(&route).branch("z9hG4bK7"));
        w.refused(other, "SIP/2.0 403", "token_not_for_origin");
        w.silent(fe01);
        w.silent(other);
    }
}
