//! Which domain a host belongs to: names, addresses and `*.`, in From, To, Request-URI, Route and the deny lists.
use super::world::*;
use crate::topology::Topology;

const TEAMS_FROM: &str = "<sip:+4930123@sip-du-a-eu.pstnhub.microsoft.com>;tag=a";

/// The partner has all below `pstnhub.test`; a second one has `own.pstnhub.test` and all below `deep.pstnhub.test`.
fn starred() -> Topology {
    let mut t = topology();
    t.peers[2].domains = ["*.pstnhub.test", "fabrikam.test"].map(domain).to_vec();
    t.pools[1].domains = t.peers[2].domains.clone();
    let teams = crate::topology::DnsName::parse(TEAMS[0]).unwrap();
    let mut other = t.peers[2].clone().renamed(teams);
    other.domains = ["own.pstnhub.test", "*.deep.pstnhub.test", "192.0.2.77"]
        .map(domain)
        .to_vec();
    let mut pool = t.pools[1].clone();
    pool.domains = other.domains.clone();
    t.peers.push(other);
    pool.peers = vec![(reference(&t, 3), 1)];
    t.pools.push(pool);
    t
}

#[test]
fn the_most_specific_entry_may_assert_a_domain_and_gets_what_is_for_it() {
    for (host, star, other) in [
        ("a.pstnhub.test", true, false),
        ("A.B.pstnhub.test.", true, false),
        ("fabrikam.test", true, false),
        ("pstnhub.test", false, false),
        ("xpstnhub.test", false, false),
        ("own.pstnhub.test", false, true),
        ("x.own.pstnhub.test", true, false),
        ("x.deep.pstnhub.test", false, true),
        ("deep.pstnhub.test", true, false),
        ("192.0.2.77:5061", false, true),
        ("[::ffff:192.0.2.77]", false, true),
        ("192.0.2.78", false, false),
        (TEAMS[0], false, false),
    ] {
        let mut w = World::with(starred(), 1);
        let (home, star_link, other_link) = (w.peer(FE01), w.peer(PARTNER), w.peer(TEAMS[0]));
        let from = format!("<sip:x@{host}>;tag=a");
        for (at, (link, may)) in [(star_link, star), (other_link, other)]
            .into_iter()
            .enumerate()
        {
            let branch = format!("z9hG4bKf{at}");
            w.ask(link, Request::invite().from(&from).branch(&branch));
            if may {
                w.expect(home, "INVITE");
            } else {
                w.refused(link, "SIP/2.0 403", "from_not_allowed");
            }
        }
        // A peer's own name leads to it without any domain.
        let named = host == TEAMS[0];
        let uri = format!("sip:x@{host}");
        let branch = "z9hG4bKto";
        w.ask(home, Request::invite().uri(&uri).branch(branch));
        match (star, other || named) {
            (true, _) => drop(w.expect(star_link, "INVITE")),
            (_, true) => drop(w.expect(other_link, "INVITE")),
            _ => drop(w.refused(home, "SIP/2.0 404", "no_route")),
        }
        w.silent(star_link);
        w.silent(other_link);
    }
}

#[test]
fn a_partners_to_may_be_below_its_star_and_a_denied_domain_wins() {
    let mut t = starred();
    t.boundary.deny_domains = ["bad.pstnhub.test", "*.half.pstnhub.test", "192.0.2.9"]
        .map(domain)
        .to_vec();
    let mut w = World::with(t, 1);
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    for (at, (to, passes)) in [
        ("a.pstnhub.test", true),
        ("half.pstnhub.test", true),
        ("x.half.pstnhub.test", false),
        ("bad.pstnhub.test", false),
        ("y.bad.pstnhub.test", false),
        ("192.0.2.9:5061", false),
        ("[::ffff:192.0.2.9]", false),
    ]
    .into_iter()
    .enumerate()
    {
        let to = format!("<sip:bob@{to}>");
        let branch = format!("z9hG4bK{at}");
        w.ask(
            partner,
            Request::invite()
                .from("<sip:x@a.pstnhub.test>;tag=a")
                .to(&to)
                .branch(&branch),
        );
        if passes {
            w.expect(home, "INVITE");
        } else {
            w.refused(partner, "SIP/2.0 403", "domain_denied");
        }
    }
}

/// `domains = ["*.pstnhub.microsoft.com"]` says all about Teams: regions in From, three servers in one pool.
#[test]
fn a_star_that_a_pool_serves_stands_for_the_names_of_its_members_too() {
    let mut t = teams();
    let star = vec![domain("*.pstnhub.microsoft.com")];
    for peer in &mut t.peers[3..] {
        peer.domains = star.clone();
    }
    t.pools[2].domains = star;
    let mut w = World::with(t, 1);
    let (pbx, teams) = (w.peer(FE01), w.peer(TEAMS[0]));
    w.ask(
        teams,
        Request::invite()
            .uri("sip:+4930456@edge01.contoso.test:5061;user=phone;transport=tls")
            .from(TEAMS_FROM)
            .to("<sip:+4930456@edge01.contoso.test:5061;user=phone>"),
    );
    w.expect(pbx, "INVITE");
    w.lose(teams);
    w.ask(
        pbx,
        Request::invite()
            .uri("sip:+4930123@sip2.pstnhub.microsoft.com")
            .branch("z9hG4bK2"),
    );
    w.connect_failed(TEAMS[0]);
    let second = w.dialled(TEAMS[1]);
    w.expect(second, "INVITE sip:+4930123@sip2.pstnhub.microsoft.com");
    // A server below the star that is no member of its pool is a server of its own.
    let mut t = teams_with_stranger();
    t.pools[2].peers.remove(2);
    let mut w = World::with(t, 1);
    let pbx = w.peer(FE01);
    w.ask(
        pbx,
        Request::invite().uri("sip:+4930123@sip3.pstnhub.microsoft.com"),
    );
    let asked = w.connects.pop().unwrap();
    assert_eq!(w.generation.topology().peer(asked).fqdn.as_str(), TEAMS[2]);
}

fn teams_with_stranger() -> Topology {
    let mut t = teams();
    t.pools[2].domains = vec![domain("*.pstnhub.microsoft.com")];
    t
}

#[test]
fn addresses_are_home_domains_aliases_and_names_of_routes() {
    let mut t = topology();
    for address in ["203.0.113.5", "2001:db8::5"] {
        t.node.domains.push(domain(address));
        t.pools[0].domains.push(domain(address));
    }
    t.node.aliases = vec![domain("198.51.100.9"), domain("2001:db8::9")];
    let mut w = World::with(t, 1);
    let (client, home, partner) = (w.client(), w.peer(FE01), w.peer(PARTNER));
    let mut branch = (0..).map(|n| format!("z9hG4bK{n}"));
    for host in [
        "203.0.113.5",
        "203.0.113.5:5061",
        "[2001:db8::5]",
        "[2001:DB8:0::5]:5061",
        "[::ffff:203.0.113.5]",
    ] {
        // From of a client, and its registrar.
        w.ask(
            client,
            Request::of("REGISTER")
                .uri(&format!("sip:{host};transport=tls"))
                .from(&format!("<sip:alice@{host}>;tag=a"))
                .to(&format!("<sip:alice@{host}>"))
                .more(&format!(
                    "Route: <sip:{host};transport=tls;lr>\nContact: <sip:alice@10.0.0.1>\n"
                ))
                .branch(&branch.next().unwrap()),
        );
        let register = w.expect(home, "REGISTER");
        assert_eq!(field(&register, "Route"), None);
        w.send(
            home,
            &answer(
                &register,
                "200 OK",
                "Contact: <sip:alice@10.0.0.1>;expires=60\n",
            ),
        );
        w.expect(client, "SIP/2.0 200");
        let path = field(&register, "Path").unwrap().to_owned();
        // A partner calls a user there, and may not be one.
        let (uri, to) = (format!("sip:alice@{host}"), format!("<sip:alice@{host}>"));
        let from = EVE;
        let call = Request::invite().uri(&uri).to(&to);
        w.ask(
            partner,
            Request {
                from,
                branch: &branch.next().unwrap(),
                ..call
            },
        );
        let call = Request::invite().uri(&uri).to(&to);
        w.expect(home, &format!("INVITE {uri} "));
        let from = format!("<sip:alice@{host}>;tag=a");
        w.ask(
            partner,
            Request {
                from: &from,
                branch: &branch.next().unwrap(),
                ..call
            },
        );
        w.refused(partner, "SIP/2.0 403", "from_not_allowed");
        // The path leads to the client by whatever of our addresses it names.
        for own in [host, "198.51.100.9", "[2001:db8::9]:5061", "192.0.2.1"] {
            let route = path.replace("@edge01.contoso.test", &format!("@{own}"));
            w.ask(
                home,
                Request::invite()
                    .uri("sip:alice@10.1.2.3:40123")
                    .more(&format!("Route: {route}\n"))
                    .branch(&branch.next().unwrap()),
            );
            w.expect(client, "INVITE");
        }
        for own in [host, "198.51.100.9:5061", "[2001:db8::9]"] {
            w.ask(
                partner,
                Request::of("OPTIONS")
                    .uri(&format!("sip:{own};transport=tls"))
                    .branch(&branch.next().unwrap()),
            );
            w.expect(partner, "SIP/2.0 200");
        }
    }
    // Addresses that nobody has listed are nobody's.
    for host in ["203.0.113.6", "[2001:db8::6]", "198.51.100.9"] {
        let from = format!("<sip:alice@{host}>;tag=a");
        w.ask(
            client,
            Request::invite()
                .from(&from)
                .branch(&branch.next().unwrap()),
        );
        w.refused(client, "SIP/2.0 403", "from_not_allowed");
    }
}
