//! Hosts, fields and tokens as nobody honest writes them, where routes lead to covered names, siblings and bindings.
use super::pair::*;
use crate::proxy::LinkId;
use crate::topology::{ClientPath, DnsName, Topology};

/// What the home server sends in a dialog that the partner has begun and lost its connection of.
fn back(more: &str, at: usize) -> String {
    Request::of("INFO")
        .uri("sip:eve@192.0.2.9")
        .from("<sip:bob@contoso.test>;tag=b")
        .to(EVE)
        .branch(&format!("z9hG4bK{at}"))
        .cseq(2 + at as u32)
        .more(more)
        .to_string()
}

/// A call of the partner whose connection is gone; the route of its dialog.
fn cut_off(w: &mut World, home: LinkId) -> String {
    let partner = w.peer(PARTNER);
    w.ask(partner, Request::invite().from(EVE));
    let invite = w.expect(home, "INVITE");
    w.answers(home, &invite, 200);
    w.expect(partner, "SIP/2.0 200");
    w.lose(partner);
    route_of(&invite)
}

#[test]
fn no_spelling_of_a_host_leads_to_a_covered_name_that_it_is_not() {
    let mut w = World::with(regions(), 1);
    let home = w.peer(FE01);
    let own = cut_off(&mut w, home);
    let peer = w.dialled(PARTNER);
    // The name of a host goes to the peer as such, and what is no host is refused.
    for (at, (host, passes)) in [
        ("region.test", true),
        ("-a.region.test", true),
        ("a-.region.test", true),
        ("a_b.region.test", true),
        ("a.region.test.evil.test", true),
        ("aregion.test", true),
        ("[::ffff:192.0.2.9]", true),
        ("[2001:db8::9]:5061", true),
        ("192.0.2.9", true),
        ("a..region.test", false),
        (".region.test", false),
        ("a.region.test..", false),
        ("%61.region.test", false),
        ("*.region.test", false),
        ("a.region.test%00.evil.test", false),
        ("a.region.test\\0", false),
        ("[::1%25a.region.test]", false),
        ("0x7f.1", false),
        ("1.2.3", false),
    ]
    .into_iter()
    .enumerate()
    {
        let more = format!("{own}Route: <sip:{host};lr>\n");
        w.send(home, &back(&more, at));
        if passes {
            w.expect(peer, "INFO");
        } else {
            let refused = w.take(home);
            let is_refused = refused.is_none_or(|text| text.starts_with("SIP/2.0 4"));
            assert!(is_refused, "{host}");
        }
        assert_eq!(w.take(peer), None, "{host}");
        assert!(w.connects.is_empty(), "{host}");
    }
}

#[test]
fn of_two_covered_hosts_the_first_is_dialled_however_it_is_written() {
    for first in [
        "a.region.test",
        "A.Region.TEST.",
        "a.region.test:1",
        "eve@a.region.test",
    ] {
        let mut w = World::with(regions(), 1);
        let home = w.peer(FE01);
        let own = cut_off(&mut w, home);
        let more = format!("{own}Route: <sip:{first};lr>, <sip:b.region.test;lr>\n");
        w.send(home, &back(&more, 0));
        let names: Vec<_> = w.connect_names.iter().flatten().collect();
        assert_eq!(names, ["a.region.test"], "{first}");
        let region = w.dialled_region("a.region.test");
        let info = w.expect(region, "INFO");
        // The rest of the route is the region's.
        let routes = fields(&info, "Route").join(", ");
        assert!(routes.contains(first) && routes.contains("b.region.test"));
    }
}

#[test]
fn an_origin_that_is_folded_doubled_or_spelt_otherwise_is_read_or_refused_and_stripped_alike() {
    let mut pair = Pair::new(1);
    let (phone, path) = pair.phone(1);
    let handed = |pair: &mut Pair, branch: &str| {
        pair.nodes[0].send(pair.homes[0], &invite(&path, branch));
        let all = std::iter::from_fn(|| pair.nodes[0].take(pair.siblings[0][0]));
        let mut all = all.filter(|text| text.starts_with("INVITE"));
        all.next().unwrap()
    };
    let genuine = handed(&mut pair, "z9hG4bK1");
    let origin = field(&genuine, "X-Sipward-Origin").unwrap().to_owned();
    let genuine = genuine.replace('\r', "");
    let line = format!("X-Sipward-Origin: {origin}");
    assert!(genuine.contains(&line));
    let half = origin.len() / 2;
    let (head, tail) = origin.split_at(half);
    // Two of them in any form, and one that is broken in the middle.
    for forged in [
        format!("{line}\n{line}"),
        format!("{line}, {origin}"),
        format!("{line},"),
        format!("{line}\nx-sipward-ORIGIN : {origin}"),
        format!("{line}\n {origin}"),
        format!("X-Sipward-Origin: {head}\n {tail}"),
        format!("X-Sipward-Origin: \"{origin}\""),
        format!("X-Sipward-Origin: {origin};x=1"),
        format!("X-Sipward-Origin: {origin}="),
        "X-Sipward-Origin:".to_owned(),
    ] {
        pair.nodes[1].reasons();
        pair.nodes[1].send(pair.siblings[1][0], &genuine.replace(&line, &forged));
        let reasons = pair.nodes[1].reasons();
        assert_eq!(reasons, ["origin_forged"], "{forged}");
        pair.nodes[1].silent(phone);
    }
    while pair.nodes[1].take(pair.siblings[1][0]).is_some() {}
    // One value, written as the grammar allows it: it is the same, and goes no further.
    let folded = format!("x-sipward-ORIGIN :\n  {origin} ");
    pair.nodes[1].send(pair.siblings[1][0], &genuine.replace(&line, &folded));
    let called = pair.nodes[1].pick(phone, "INVITE");
    assert!(
        !called.to_ascii_lowercase().contains("sipward-origin"),
        "{called}"
    );
    // From a client no spelling gets through.
    for (at, spelt) in [
        format!("x-sipward-origin : {origin}"),
        format!("X-SIPWARD-ORIGIN\t:\n {origin}"),
        format!("{line}\n{line}"),
    ]
    .into_iter()
    .enumerate()
    {
        let branch = format!("z9hG4bKc{at}");
        let call = Request::invite().branch(&branch).to_string();
        pair.nodes[1].send(phone, &format!("{call}{spelt}\n"));
        let called = pair.nodes[1].pick(pair.homes[1], "INVITE");
        assert!(
            !called.to_ascii_lowercase().contains("sipward-origin"),
            "{called}"
        );
        pair.nodes[1].answers(pair.homes[1], &called, 486);
    }
}

/// A contact of another user, as its registrar keeps it, registered as one's own or put into a route.
#[test]
fn another_user_of_the_domain_gains_nothing_by_a_kept_contact() {
    let site = || {
        let mut topology = topology();
        topology.pools[0].path = ClientPath::Contact;
        topology
    };
    let mut w = World::with(site(), 1);
    let (alice, mallory, home) = (w.client(), w.client(), w.peer(FE01));
    let mut number = 0;
    let mut registers = |w: &mut World, client: LinkId, user: &str, contact: &str| {
        number += 1;
        let own = format!("<sip:{user}@contoso.test>");
        let (from, branch) = (format!("{own};tag=r"), format!("z9hG4bKr{number}"));
        let more = format!("Contact: <{contact}>\n");
        let register = Request::of("REGISTER").uri("sip:contoso.test");
        let register = register.from(&from).to(&own).branch(&branch).more(&more);
        w.send(client, &register.to_string().replace("call-1", user));
        let asked = w.pick(home, "REGISTER");
        let kept = field(&asked, "Contact").unwrap().to_owned();
        w.answers_with(
            home,
            &asked,
            200,
            &format!("Contact: {kept}\nExpires: 3600\n"),
        );
        w.pick(client, "SIP/2.0 200");
        kept.split(['<', '>']).nth(1).unwrap().to_owned()
    };
    let of_alice = registers(&mut w, alice, "alice", "sip:alice@10.0.0.1;transport=tls");
    let of_mallory = registers(&mut w, mallory, "mallory", &of_alice);
    assert_ne!(of_alice, of_mallory);
    w.events.clear();
    let calls = |w: &mut World, from: LinkId, uri: &str, more: &str, branch: &str| {
        let user = if from == home { "bob" } else { "mallory" };
        let from_field = format!("<sip:{user}@contoso.test>;tag=b");
        let call = Request::of("MESSAGE").uri(uri).from(&from_field);
        w.ask(from, call.branch(branch).more(more));
    };
    // What was registered as mallory's leads to mallory's connection, and alice's to alice's.
    calls(&mut w, home, &of_mallory, "", "z9hG4bK1");
    w.expect(mallory, &format!("MESSAGE {of_alice} "));
    w.silent(alice);
    calls(&mut w, home, &of_alice, "", "z9hG4bK2");
    w.expect(alice, "MESSAGE sip:alice@10.0.0.1");
    w.silent(mallory);
    // As a route of a client's own it leads to nobody.
    for route in [format!("<{of_alice};lr>"), format!("<{of_alice}>")] {
        let more = format!("Route: {route}\n");
        calls(&mut w, mallory, "sip:alice@contoso.test", &more, "z9hG4bK3");
        w.silent(alice);
        while w.take(mallory).is_some() || w.take(home).is_some() {}
    }
}

/// The phone is called, and goes to another connection while the caller hangs up.
#[test]
fn a_binding_that_moves_in_the_middle_of_a_cancel_ends_its_call_once() {
    /// What happens in which order.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Cancel,
        Lose,
        Register,
        Answer(u16),
    }
    use Step::*;
    for steps in [
        [Cancel, Lose, Register, Answer(487)],
        [Lose, Cancel, Register, Answer(487)],
        [Lose, Register, Cancel, Answer(487)],
        [Cancel, Register, Lose, Answer(487)],
        [Register, Cancel, Lose, Answer(487)],
        // The answer has crossed the CANCEL (RFC 3261 §9.1).
        [Cancel, Lose, Register, Answer(200)],
        [Lose, Register, Cancel, Answer(200)],
    ] {
        for shards in [1, 3] {
            let mut w = World::with(topology(), shards);
            w.pass(31 * SECOND);
            let home = w.peer(FE01);
            let old = w.client();
            let path = w.register(old, home, "");
            w.send(home, &invite(&path, "z9hG4bK1"));
            let mut called = w.pick(old, "INVITE");
            w.rings(old, &called);
            w.pick(home, "SIP/2.0 180");
            let mut now = old;
            for step in steps {
                match step {
                    Cancel => w.send(home, &invite(&path, "z9hG4bK1").replace("INVITE", "CANCEL")),
                    Lose => w.lose(old),
                    Register => {
                        now = w.client();
                        w.register(now, home, "");
                    }
                    Answer(status) => {
                        let last = std::iter::from_fn(|| w.take(now));
                        let last = last.filter(|text| text.starts_with("INVITE")).last();
                        called = last.unwrap_or(called);
                        w.answers(now, &called, status);
                        called = String::new();
                    }
                }
            }
            w.pass(240 * SECOND);
            let heard = std::iter::from_fn(|| w.take(home));
            let finals = heard.filter(|text| {
                text.starts_with("SIP/2.0 ")
                    && !text.starts_with("SIP/2.0 1")
                    && text.contains("CSeq: 1 INVITE")
            });
            let finals: Vec<String> = finals.map(|text| text[8..11].to_owned()).collect();
            assert_eq!(finals.len(), 1, "{steps:?} {shards} {finals:?}");
            assert!(
                ["487", "200"].contains(&&*finals[0]),
                "{steps:?} {finals:?}"
            );
        }
    }
}

/// Names of a node that two tenants have for it, and of nobody.
#[test]
fn a_route_at_another_tenants_name_for_this_node_is_judged_by_its_token_alone() {
    let named = |topology: &mut Topology| {
        topology.peers[2].advertise = Some(DnsName::parse("sbc.tenant-a.test").unwrap());
    };
    let mut site = topology();
    named(&mut site);
    let mut w = World::with(site, 1);
    let (home, partner) = (w.peer(FE01), w.dialled(PARTNER));
    let stranger = w.client();
    w.ask(
        home,
        Request::invite()
            .uri("sip:eve@fabrikam.test")
            .to("<sip:eve@fabrikam.test>"),
    );
    let called = w.expect(partner, "INVITE");
    w.answers(partner, &called, 200);
    w.expect(home, "SIP/2.0 200");
    let routes = fields(&called, "Record-Route");
    for (at, route) in routes.iter().enumerate() {
        for host in [
            "SBC.tenant-A.test.",
            "edge01.contoso.test",
            "sbc.tenant-a.test:5061",
        ] {
            let token = route.split([':', '@']).nth(1).unwrap();
            let more = format!("Route: <sip:{token}@{host};transport=tls;lr>\n");
            let branch = format!("z9hG4bK{at}{}", host.len());
            let info = Request::of("INFO").in_dialog().more(&more).branch(&branch);
            w.ask(stranger, info);
            w.refused(stranger, "SIP/2.0 403", "token_not_for_origin");
        }
    }
    w.silent(home);
    w.silent(partner);
}
