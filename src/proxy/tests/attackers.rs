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

/// Two tenants, each with a server of its own.
#[test]
fn another_tenants_registrar_binds_nobody_of_this_one() {
    let mut site = topology();
    let other = domain("tailspin.test");
    site.node.domains.push(other.clone());
    let mut pool = site.pools[0].clone();
    pool.domains = vec![other];
    pool.peers.remove(0);
    site.pools[0].peers.truncate(1);
    site.pools.push(pool);
    let mut w = World::with(site, 1);
    let (alice, mallory) = (w.client(), w.client());
    let (home, tenant) = (w.peer(FE01), w.peer(FE02));
    let path = w.register(alice, home, "");
    w.pass(Duration::from_secs(31));
    // From chooses the tenant's pool, To names the victim; the tenant's registrar says yes.
    let register = registration("sip:alice@contoso.test", "z9hG4bKm", "").replace(
        "From: <sip:alice@contoso.test>",
        "From: <sip:m@tailspin.test>",
    );
    w.send(mallory, &register);
    let asked = w.expect(tenant, "REGISTER");
    w.send(tenant, &answer(&asked, "200 OK", CONTACT));
    w.expect(mallory, "SIP/2.0 200");
    for (server, branch) in [(home, "z9hG4bK1"), (tenant, "z9hG4bK2")] {
        w.send(server, &invite(&path, branch));
        w.expect(alice, "INVITE");
    }
    w.silent(mallory);
    assert_eq!(w.kept.get(&mallory), None);
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
    for (route, branch) in [
        (&path, "z9hG4bK2"),
        (&new, "z9hG4bK3"),
        (&dialog, "z9hG4bK4"),
    ] {
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
    // And the registrar's calls go to the phone that is registered.
    w.send(home, &invite(&new, "z9hG4bK5"));
    w.expect(next, "INVITE");
    w.silent(phone);
}
