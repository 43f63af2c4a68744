//! A partner of several regions with one certificate: a dialog stays with the region that it began with, on its connection
//! while that lives, and dialled under the region's own name after that.
use crate::harness::observed::sipward;
use crate::harness::{Edge, Lab, in_two_shards};
use serde_json::Value;
use sipward_lab::pki::{Issued, LeafSpec};
use sipward_lab::site::{EDGE, PARTNER_EDGE, TopologyText};
use sipward_lab::{Data, Dialog, EventLog, NameServer, Server, ServerSpec, Wire};
use std::net::{Ipv4Addr, SocketAddr};

const A: &str = "a.region.test";
const B: &str = "b.region.test";
const FE01: &str = "fe01.contoso.test";

/// The partner as such and two of its regions, all at one port of several addresses, and a home server.
struct Regions {
    lab: Lab,
    names: NameServer,
    peer: Server,
    a: Server,
    b: Server,
    fe01: Server,
    home: Wire,
    topology: TopologyText,
    edge: Edge,
}

/// Servers with this certificate: the first at a free port, the others at the same one of the next addresses.
async fn at_one_port(lab: &Lab, identities: [&Issued; 3]) -> [Server; 3] {
    for _ in 0..50 {
        let mut port = 0;
        let mut servers = Vec::new();
        for (at, identity) in identities.into_iter().enumerate() {
            let party = ["peer", "region-a", "region-b"][at];
            let fqdn = [PARTNER_EDGE, A, B][at];
            let address = Ipv4Addr::new(127, 0, 0, 1 + at as u8);
            let spec = ServerSpec {
                party,
                fqdn,
                aor: "sip:carol@fabrikam.test",
                identity,
                roots: &lab.roots,
                transcript: &lab.transcript,
                listen: Some(SocketAddr::from((address, port))),
            };
            // Somebody else may have the port there.
            let Ok(server) = Server::start(&spec).await else {
                break;
            };
            port = server.address().port();
            servers.push(server);
        }
        if let Ok(servers) = servers.try_into() {
            return servers;
        }
    }
    panic!("no port that is free at three addresses");
}

impl Regions {
    async fn new() -> Self {
        let lab = Lab::new();
        let all = LeafSpec {
            dns: [PARTNER_EDGE, A, B].map(str::to_owned).to_vec(),
            ..LeafSpec::server(PARTNER_EDGE)
        };
        let all = lab.site.fabrikam.issue(&all).unwrap();
        Self::with(lab, [&all, &all, &all], |_| {}).await
    }

    async fn with(
        lab: Lab,
        identities: [&Issued; 3],
        change: impl FnOnce(&mut TopologyText),
    ) -> Self {
        let [peer, a, b] = at_one_port(&lab, identities).await;
        let fe01 = lab.home("fe01").await;
        let names = NameServer::start().unwrap();
        for (name, server) in [(A, &a), (B, &b)] {
            names.set(name, 60, &[Data::Address(server.address().ip())]);
        }
        let mut topology = lab
            .site
            .topology(&[(FE01, fe01.address())], Some(peer.address()));
        let partner = topology.find("[[peer]]", "fqdn", PARTNER_EDGE).unwrap();
        partner.list("covers", &["*.region.test"]);
        topology
            .section("[dns]")
            .list("servers", &[&names.address().to_string()])
            .text("timeout", "3s");
        in_two_shards(&mut topology);
        change(&mut topology);
        let edge = lab.edge(&topology).await;
        let home = fe01.dial(edge.address, EDGE).await.unwrap();
        Self {
            lab,
            names,
            peer,
            a,
            b,
            fe01,
            home,
            topology,
            edge,
        }
    }

    /// A region calls, with its name in Record-Route, and the home server takes the call.
    async fn call(&self, region: &Server, name: &str) -> (Wire, Dialog) {
        let wire = region.dial(self.edge.address, EDGE).await.unwrap();
        let route = format!("<sip:{name};transport=tls;lr>");
        let invite = region.invite("sip:bob@contoso.test").on(&wire);
        let call = invite.header("Record-Route", &route).send().await.unwrap();
        let invite = self.fe01.expect("INVITE").await.unwrap();
        let dialog = self.fe01.accept(&invite).await.unwrap();
        region.answer(&call, 200).await.unwrap();
        (wire, dialog)
    }

    /// The connection is lost, and the daemon knows. The names that it had dialled by then.
    async fn loses(&self, wire: Wire) -> Vec<String> {
        let remote = wire.local().to_string();
        wire.close().await.unwrap();
        let is_it = |e: &Value| e["remote"] == remote;
        let log = self.edge.log.up_to("connection_closed", is_it);
        dialled(&log.await.unwrap())
    }

    /// The home server sends something in the dialog, which arrives there.
    async fn reaches(&self, dialog: &mut Dialog, to: &Server) {
        let info = self.fe01.within(dialog, "INFO").on(&self.home);
        let info = info.send().await.unwrap();
        let got = to.expect("INFO").await.unwrap();
        to.reply(&got, 200).await.unwrap();
        self.fe01.answer(&info, 200).await.unwrap();
    }

    /// The log until this name was dialled.
    async fn until_dialled(&self, name: &str) -> EventLog {
        let log = &self.edge.log;
        let log = log.up_to("handshake_accepted", |e| e["sni"] == name);
        log.await.unwrap()
    }
}

/// The names that were dialled in this log, the partner's own among them.
fn dialled(log: &EventLog) -> Vec<String> {
    let accepted = log.named("handshake_accepted").into_iter();
    let ours = accepted.filter(|e| e["direction"] == "outbound" && e["peer"] == PARTNER_EDGE);
    ours.map(|e| e["sni"].as_str().unwrap().to_owned())
        .collect()
}

/// What `sipward probe` says of this name; nobody answers its OPTIONS.
async fn probed(name: &'static str, file: &str) -> (Option<i32>, Value) {
    let file = file.to_owned();
    let probe = move || sipward(&["probe", name, "--config", &file, "--timeout", "5", "--json"]);
    let output = tokio::task::spawn_blocking(probe).await.unwrap();
    let said = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), said)
}

#[tokio::test]
async fn a_dialog_goes_back_to_its_region_while_the_connection_lives_and_by_its_name_after_that() {
    let r = Regions::new().await;
    let (in_a, mut with_a) = r.call(&r.a, A).await;
    let (in_b, mut with_b) = r.call(&r.b, B).await;
    for _ in 0..2 {
        r.reaches(&mut with_a, &r.a).await;
        r.reaches(&mut with_b, &r.b).await;
    }
    assert_eq!(r.loses(in_a).await, Vec::<String>::new());
    r.reaches(&mut with_a, &r.a).await;
    r.reaches(&mut with_b, &r.b).await;
    assert_eq!(r.loses(in_b).await, [A]);
    r.reaches(&mut with_b, &r.b).await;
    // Each name has a connection of its own, which serves what follows.
    r.reaches(&mut with_a, &r.a).await;
    r.reaches(&mut with_b, &r.b).await;
    assert_eq!(dialled(&r.until_dialled(B).await), [A, B]);
    assert!(r.peer.untaken().await.is_empty());
    let wire = r.a.wire().unwrap();
    let bye = r.fe01.within(&mut with_a, "BYE").on(&r.home);
    let bye = bye.send().await.unwrap();
    let got = r.a.expect("BYE").await.unwrap();
    assert_eq!(got.wire.local(), wire.local());
    r.a.reply(&got, 200).await.unwrap();
    r.fe01.answer(&bye, 200).await.unwrap();
    let (code, listed) = r.edge.command(&["connections", "--peer"]).await;
    assert_eq!(code, Some(0), "{listed}");
    let rows = listed["rows"].as_array().unwrap().iter();
    let mut regions: Vec<_> = rows
        .filter(|row| row["peer"] == PARTNER_EDGE)
        .map(|row| row["sni"].as_str().unwrap())
        .collect();
    regions.sort_unstable();
    assert_eq!(regions, [A, B]);
    let file = r.lab.site.path().join("topology.toml");
    let (code, probed) = probed(A, file.to_str().unwrap()).await;
    assert_eq!((code, &probed["sni"]), (Some(1), &A.into()), "{probed}");
    assert_eq!(probed["peer"], PARTNER_EDGE);
    r.edge.stop().await;
}

#[tokio::test]
async fn a_name_that_is_not_covered_or_not_found_or_not_proven_leaves_it_to_the_peer() {
    let lab = Lab::new();
    let own = lab.site.fabrikam.server(PARTNER_EDGE).unwrap();
    let r = Regions::with(lab, [&own, &own, &own], |_| {}).await;
    for (name, reason) in [
        ("other.test", None),
        ("region.test", None),
        (
            "nowhere.region.test",
            Some(("peer_disconnected", "no_address")),
        ),
        (B, Some(("handshake_refused", "name_mismatch"))),
    ] {
        let (wire, mut dialog) = r.call(&r.a, name).await;
        r.loses(wire).await;
        r.reaches(&mut dialog, &r.peer).await;
        if let Some((event, reason)) = reason {
            let failed = r.edge.log.wait(event, |e| e["sni"] == name).await.unwrap();
            assert_eq!(
                (&failed["peer"], &failed["reason"]),
                (&PARTNER_EDGE.into(), &reason.into())
            );
        }
    }
    assert!(r.b.untaken().await.is_empty());
    let log = r.edge.stop().await;
    assert!(dialled(&log).iter().all(|name| name == PARTNER_EDGE));
}

#[tokio::test]
async fn nobody_but_the_home_side_in_a_dialog_leads_this_node_to_a_region() {
    let r = Regions::new().await;
    let (wire, dialog) = r.call(&r.a, A).await;
    let own = dialog.routes[0].clone();
    // The partner itself: its request goes to the home server, which it is for.
    let info = r.a.request("INFO", "sip:bob@contoso.test").on(&wire);
    let info = info
        .set("Call-ID", &dialog.call_id)
        .set("From", &dialog.remote)
        .set("To", &dialog.local)
        .header("Route", &own)
        .header("Route", &format!("<sip:{B};lr>"));
    info.send().await.unwrap();
    r.fe01.expect("INFO").await.unwrap();
    // A client with that route, and one without a token.
    let alice = r.lab.client(&r.edge, "alice").await;
    let info = alice.request("INFO", "sip:bob@contoso.test");
    let info = info
        .set("Call-ID", &dialog.call_id)
        .set("To", &dialog.local)
        .header("Route", &own)
        .header("Route", &format!("<sip:{B};lr>"));
    alice
        .answer(&info.send().await.unwrap(), 403)
        .await
        .unwrap();
    let info = alice.request("INFO", "sip:bob@contoso.test");
    let info = info.header("Route", &format!("<sip:{B};lr>"));
    alice
        .answer(&info.send().await.unwrap(), 403)
        .await
        .unwrap();
    // A home server outside of a dialog.
    let info = r
        .fe01
        .request("INFO", "sip:carol@fabrikam.test")
        .on(&r.home);
    let info = info.header("Route", &format!("<sip:{B};lr>"));
    r.fe01
        .answer(&info.send().await.unwrap(), 403)
        .await
        .unwrap();
    assert!(r.b.untaken().await.is_empty());
    let log = r.edge.stop().await;
    assert_eq!(dialled(&log), Vec::<String>::new());
    assert_eq!(r.names.asked(B), 0);
}

#[tokio::test]
pub(crate) async fn a_seventeenth_name_takes_the_place_of_the_one_that_was_used_longest_ago() {
    let lab = Lab::new();
    let any = LeafSpec {
        dns: vec![PARTNER_EDGE.to_owned(), "*.region.test".to_owned()],
        ..LeafSpec::server(PARTNER_EDGE)
    };
    let any = lab.site.fabrikam.issue(&any).unwrap();
    let r = Regions::with(lab, [&any, &any, &any], |topology| {
        let partner = topology.find("[[peer]]", "fqdn", PARTNER_EDGE).unwrap();
        partner.text("names", "one-label-wildcard");
    })
    .await;
    let (wire, mut dialog) = r.call(&r.a, A).await;
    r.loses(wire).await;
    let names: Vec<String> = (1..=17).map(|at| format!("n{at}.region.test")).collect();
    for name in &names {
        r.names.set(name, 60, &[Data::Address(r.a.address().ip())]);
        dialog.routes[1] = format!("<sip:{name};transport=tls;lr>");
        r.reaches(&mut dialog, &r.a).await;
    }
    let log = r.until_dialled(&names[16]).await;
    assert_eq!(dialled(&log), names);
    let gone = |e: &Value| e["reason"] == "name_displaced";
    let closed = r.edge.log.wait("connection_closed", gone).await.unwrap();
    let mut accepted = log.named("handshake_accepted").into_iter();
    let first = accepted.find(|e| e["sni"] == names[0].as_str()).unwrap();
    assert_eq!(closed["connection"], first["connection"]);
    r.edge.stop().await;
}

#[tokio::test]
async fn a_reload_that_covers_the_name_no_more_ends_its_connection() {
    let mut r = Regions::new().await;
    let (wire, mut dialog) = r.call(&r.a, A).await;
    r.loses(wire).await;
    r.reaches(&mut dialog, &r.a).await;
    let partner = r.topology.find("[[peer]]", "fqdn", PARTNER_EDGE).unwrap();
    partner.without("covers");
    let file = r
        .lab
        .site
        .write("topology.toml", &r.topology.to_toml())
        .unwrap();
    let plan = r.edge.command(&["plan", file.to_str().unwrap()]).await.1;
    assert_eq!(plan["dropped"][0]["reason"], "not_in_topology", "{plan}");
    r.edge.reload().await;
    let withdrawn = r.edge.log.wait("trust_withdrawn", |_| true).await.unwrap();
    assert_eq!(withdrawn["reason"], "not_in_topology");
    assert!(withdrawn["detail"].as_str().unwrap().contains(A));
    r.reaches(&mut dialog, &r.peer).await;
    r.edge.stop().await;
}

#[test]
fn an_expectation_may_be_about_a_name_that_an_entry_covers() {
    let lab = Lab::new();
    let region = lab.site.fabrikam.server(A).unwrap();
    lab.site.issue("region", &region).unwrap();
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    let check = |expected: &[(&str, &str, &str)]| {
        let mut topology = lab.site.topology(&[(FE01, nowhere)], Some(nowhere));
        let partner = topology.find("[[peer]]", "fqdn", PARTNER_EDGE).unwrap();
        partner.list("covers", &["*.region.test"]);
        for (way, peer, verdict) in expected {
            topology
                .add("[[expect]]")
                .text("certificate", "region.chain.pem")
                .text("as", way)
                .text("peer", peer)
                .text("verdict", verdict);
        }
        let file = lab.site.write("expect.toml", &topology.to_toml()).unwrap();
        let file = file.to_str().unwrap().to_owned();
        let output = sipward(&["check", &file, "--json"]);
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let good = [("outbound", A, "accept"), ("outbound", B, "refuse")];
    let (code, said) = check(&good);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = check(&[("outbound", B, "accept")]);
    assert!(
        code != Some(0) && said.contains("expectation_failed"),
        "{said}"
    );
    // Who connects is known by the entry's own name.
    let (code, said) = check(&[("inbound", A, "accept")]);
    assert!(
        code != Some(0) && said.contains("unknown_reference"),
        "{said}"
    );
}
