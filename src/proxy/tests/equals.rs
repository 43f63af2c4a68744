//! Entries that grant the same and that one certificate stands for, as those of Teams: one party, wherever a side of a
//! dialog or transaction is compared.
use super::world::*;

const NUMBER: &str = "sip:+4930123@sip.pstnhub.microsoft.com";

/// The PBX calls Teams by the name of one server.
fn call(name: &str) -> String {
    let uri = format!("sip:+4930123@{name};user=phone");
    Request {
        uri: &uri,
        from: "<sip:+4930456@edge01.contoso.test;user=phone>;tag=a",
        to: &format!("<{uri}>"),
        more: "Contact: <sip:+4930456@10.0.0.11:5061;transport=tls>\n",
        ..Request::default()
    }
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
    w.ask(
        pbx,
        Request {
            uri: NUMBER,
            more: &more,
            ..Request::default()
        },
    );
    w.connect_failed(TEAMS[0]);
    let second = w.dialled(TEAMS[1]);
    let invite = w.expect(second, "INVITE");
    assert!(field(&invite, "Route").is_some());
}
