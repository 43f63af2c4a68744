//! Two tenants at one partner: one server with one certificate, which knows this node by a name and an identity for each.
use crate::harness::{Edge, Lab, SOON, in_two_shards};
use serde_json::Value;
use sipward_lab::pki::LeafSpec;
use sipward_lab::site::{EDGE, PARTNER, PARTNER_EDGE, TopologyText};
use sipward_lab::{EventLog, Server, SipMessage, Wire};

/// What the partner knows this node by, which is a home domain of each tenant as well.
pub(crate) const NAMES: [&str; 2] = ["sbc.tenant-a.test", "sbc.tenant-b.test"];
pub(crate) const ENTRIES: [&str; 2] = ["teams-a", "teams-b"];
/// As Teams' regions are listed; the server's own name lies below.
const DOMAINS: [&str; 2] = [PARTNER, "*.fabrikam.test"];

/// A PBX of each tenant, the partner's one server, and the edge.
pub(crate) struct Tenants {
    pub(crate) lab: Lab,
    pbx: [Server; 2],
    pub(crate) partner: Server,
    pub(crate) topology: TopologyText,
    pub(crate) edge: Edge,
}

impl Tenants {
    pub(crate) async fn new(change: impl FnOnce(&mut TopologyText)) -> Self {
        let lab = Lab::new();
        let pbx = [lab.home("fe01").await, lab.home("fe02").await];
        let partner = lab.partner().await;
        let mut topology = lab
            .site
            .topology(&[("fe01.contoso.test", pbx[0].address())], None);
        topology
            .peer("fe02.contoso.test", "home", "enterprise-ca")
            .list("address", &[&pbx[1].address().to_string()]);
        topology
            .section("[node]")
            .list("domains", &["contoso.test", NAMES[0], NAMES[1]]);
        topology
            .section("[[pool]]")
            .list("domains", &["contoso.test", NAMES[0]]);
        topology
            .add("[[pool]]")
            .text("name", "pbx-b")
            .list("domains", &[NAMES[1]])
            .list("peers", &["fe02.contoso.test"]);
        for (name, entry) in NAMES.into_iter().zip(ENTRIES) {
            let issued = lab.site.enterprise.issue(&LeafSpec::server(name)).unwrap();
            lab.site.issue(entry, &issued).unwrap();
            topology
                .add("[[identity]]")
                .text("name", entry)
                .text("certificate", &format!("{entry}.chain.pem"))
                .text("private_key", &format!("{entry}.key.pem"));
            topology
                .peer(PARTNER_EDGE, "federated", "fabrikam-ca")
                .text("name", entry)
                .text("identity", entry)
                .text("advertise", name)
                .list("to_domains", &[name])
                .list("domains", &DOMAINS)
                .list("address", &[&partner.address().to_string()])
                .raw("hide_topology", "true");
            topology
                .add("[[pool]]")
                .text("name", entry)
                .list("domains", &DOMAINS)
                .list("from_domains", &[name])
                .list("peers", &[entry]);
        }
        topology.add("[boundary]").raw("peer_name", "true");
        in_two_shards(&mut topology);
        change(&mut topology);
        let edge = lab.edge(&topology).await;
        Self {
            lab,
            pbx,
            partner,
            topology,
            edge,
        }
    }

    /// The partner's connection to this tenant's name, and the entry that it was accepted for.
    pub(crate) async fn wire(&self, tenant: usize) -> Wire {
        let wire = self.partner.dial(self.edge.address, NAMES[tenant]);
        let wire = wire.await.unwrap();
        let remote = wire.local().to_string();
        let accepted = self
            .edge
            .log
            .wait("handshake_accepted", |e| e["remote"] == remote);
        assert_eq!(accepted.await.unwrap()["peer"], ENTRIES[tenant]);
        wire
    }

    /// `name:port` by which the partner knows this node for a tenant.
    fn face(&self, tenant: usize) -> String {
        format!("{}:{}", NAMES[tenant], self.edge.address.port())
    }

    /// The partner calls a number of this tenant, whose PBX takes the call and hangs up.
    async fn calls_in(&self, tenant: usize, wire: &Wire) {
        let (pbx, face) = (&self.pbx[tenant], self.face(tenant));
        let target = format!("sip:+4930{tenant}@{}", NAMES[tenant]);
        let call = self.partner.invite(&target).on(wire).send().await.unwrap();
        let invite = pbx.expect("INVITE").await.unwrap();
        assert_eq!(
            invite.message.header("X-Sipward-Peer"),
            Some(ENTRIES[tenant])
        );
        let routes = invite.message.values("record-route");
        // Towards the PBX first (RFC 5658 §6).
        assert_eq!(routes.len(), 2, "{routes:?}");
        assert!(routes[0].contains(&format!("@{EDGE}:")), "{routes:?}");
        assert!(routes[1].contains(&format!("@{face};")), "{routes:?}");
        let mut theirs = pbx.accept(&invite).await.unwrap();
        let ok = self.partner.answer(&call, 200).await.unwrap();
        let contact = ok.message.header("contact").unwrap();
        assert!(contact.contains(&format!("@{face}")), "{contact}");
        self.knows_one_name(&ok.message, tenant);
        self.partner.ack(&call, &ok).await.unwrap();
        pbx.expect("ACK").await.unwrap();
        let bye = pbx.bye(&mut theirs).await.unwrap();
        let got = self.partner.expect("BYE").await.unwrap();
        let via = got.message.top_via().unwrap();
        assert!(via.contains(&face), "{via}");
        self.partner.reply(&got, 200).await.unwrap();
        pbx.answer(&bye, 200).await.unwrap();
        self.nobody_else(tenant).await;
    }

    /// Both values that the node has recorded (RFC 5658 §6) have the name by which the partner knows it: the one for the PBX is
    /// sealed.
    fn knows_one_name(&self, message: &SipMessage, tenant: usize) {
        let routes = message.values("record-route");
        assert_eq!(routes.len(), 2, "{routes:?}");
        let face = format!("@{};", self.face(tenant));
        assert!(routes.iter().all(|it| it.contains(&face)), "{routes:?}");
    }

    /// The tenant's PBX calls the partner, which takes the call and hangs up.
    async fn calls_out(&self, tenant: usize, wire: &Wire) {
        let (pbx, face) = (&self.pbx[tenant], self.face(tenant));
        let target = ["sip:carol@fabrikam.test", "sip:carol@edge.fabrikam.test"][tenant];
        let call = pbx.invite(target).on(wire);
        let call = call.from(&format!("sip:+4930@{}", NAMES[tenant]));
        let call = call.send().await.unwrap();
        let invite = self.partner.expect("INVITE").await.unwrap();
        let message = &invite.message;
        let via = message.top_via().unwrap();
        assert!(via.contains(&face), "{via}");
        let routes = message.values("record-route");
        assert!(routes[0].contains(&format!("@{face};")), "{routes:?}");
        let contact = message.header("contact").unwrap();
        assert!(contact.contains(&format!("@{face}")), "{contact}");
        assert!(!message.to_string().contains(NAMES[1 - tenant]));
        self.knows_one_name(message, tenant);
        let mut theirs = self.partner.accept(&invite).await.unwrap();
        let ok = pbx.answer(&call, 200).await.unwrap();
        pbx.ack(&call, &ok).await.unwrap();
        self.partner.expect("ACK").await.unwrap();
        let bye = self.partner.within(&mut theirs, "BYE").on(&invite.wire);
        let bye = bye.send().await.unwrap();
        let got = pbx.expect("BYE").await.unwrap();
        pbx.reply(&got, 200).await.unwrap();
        self.partner.answer(&bye, 200).await.unwrap();
        self.nobody_else(tenant).await;
    }

    /// A call has come to this tenant's PBX, and rings.
    pub(crate) async fn rings(&self, tenant: usize) {
        let invite = self.pbx[tenant].expect("INVITE").await.unwrap();
        self.pbx[tenant].reply(&invite, 180).await.unwrap();
    }

    /// The partner asks for this tenant's name and is refused; gives the reason.
    pub(crate) async fn refused_at(&self, tenant: usize) -> String {
        let mark = self.edge.log.mark();
        let wire = self.partner.dial(self.edge.address, NAMES[tenant]);
        let wire = wire.await.unwrap();
        wire.ended(SOON).await.unwrap();
        let refused = self
            .edge
            .log
            .wait_after(mark, "handshake_refused", |_| true);
        refused.await.unwrap()["reason"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Nothing of this tenant has reached the other one.
    async fn nobody_else(&self, tenant: usize) {
        assert!(self.pbx[1 - tenant].untaken().await.is_empty());
    }

    /// Stops the daemon, which has relayed calls: each request was of one tenant.
    async fn stop(self) -> EventLog {
        let log = self.edge.stop().await;
        let relayed = log.named("request_relayed");
        assert!(!relayed.is_empty(), "{}", log.to_text());
        for request in relayed {
            let [from, to] = ["from_peer", "to_peer"].map(|key| tenant_of(&request[key]));
            assert_eq!(from, to, "{request}");
        }
        log
    }

    async fn refused(&self, code: &str) {
        let refused = self
            .edge
            .log
            .wait("request_refused", |e| e["reason"] == code);
        refused.await.unwrap();
    }
}

/// Whose the entry or the PBX of this name is.
fn tenant_of(peer: &Value) -> usize {
    let own = ENTRIES
        .iter()
        .zip(["fe01.contoso.test", "fe02.contoso.test"]);
    let mut own = own.map(|(entry, pbx)| peer == entry || peer == pbx);
    own.position(|is_own| is_own)
        .unwrap_or_else(|| panic!("{peer} is nobody's"))
}

#[tokio::test]
async fn each_tenant_has_its_name_and_its_calls_both_ways() {
    let world = Tenants::new(|_| {}).await;
    let home = [
        world.pbx[0].dial(world.edge.address, EDGE).await.unwrap(),
        world.pbx[1].dial(world.edge.address, EDGE).await.unwrap(),
    ];
    // The node dials, for each tenant by a connection of its own.
    for tenant in [0, 1, 0] {
        world.calls_out(tenant, &home[tenant]).await;
    }
    for entry in ENTRIES {
        let is_it = |e: &Value| e["direction"] == "outbound" && e["peer"] == entry;
        let dialled = world.edge.log.wait("handshake_accepted", is_it);
        // What the node dials it asks for by the server's own name.
        assert_eq!(dialled.await.unwrap()["sni"], PARTNER_EDGE);
    }
    // The partner dials, each tenant by its name.
    let wires = [world.wire(0).await, world.wire(1).await];
    for tenant in [0, 1, 1, 0] {
        world.calls_in(tenant, &wires[tenant]).await;
        world.calls_out(tenant, &home[tenant]).await;
    }
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn nobody_of_one_tenant_reaches_the_other() {
    let world = Tenants::new(|_| {}).await;
    let home = world.pbx[0].dial(world.edge.address, EDGE).await.unwrap();
    // Whose call it is nobody knows.
    let call = world.pbx[0].invite("sip:carol@fabrikam.test").on(&home);
    let call = call.from("sip:alice@contoso.test").send().await.unwrap();
    world.pbx[0].answer(&call, 403).await.unwrap();
    world.refused("no_pool_for_caller").await;
    let wires = [world.wire(0).await, world.wire(1).await];
    for tenant in [0, 1] {
        let target = format!("sip:+4930@{}", NAMES[1 - tenant]);
        let call = world.partner.invite(&target).on(&wires[tenant]);
        let call = call.send().await.unwrap();
        world.partner.answer(&call, 403).await.unwrap();
        world.refused("home_domain_not_for_peer").await;
    }
    // In a call of the other tenant, by the route that the partner has of it.
    let other = world.pbx[1].dial(world.edge.address, EDGE).await.unwrap();
    let call = world.pbx[1].invite("sip:carol@edge.fabrikam.test");
    let call = call.from(&format!("sip:+4930@{}", NAMES[1])).on(&other);
    let call = call.send().await.unwrap();
    let invite = world.partner.expect("INVITE").await.unwrap();
    let mut theirs = world.partner.accept(&invite).await.unwrap();
    let ok = world.pbx[1].answer(&call, 200).await.unwrap();
    world.pbx[1].ack(&call, &ok).await.unwrap();
    world.partner.expect("ACK").await.unwrap();
    let bye = world.partner.within(&mut theirs, "BYE").on(&wires[0]);
    let bye = bye.send().await.unwrap();
    world.partner.answer(&bye, 403).await.unwrap();
    let refused = world
        .edge
        .log
        .wait("request_refused", |e| e["method"] == "BYE");
    // Its contact was sealed for the other entry, and its route is that one's as well.
    assert_eq!(refused.await.unwrap()["reason"], "token_forged");
    // A name that is nobody's tells of no tenant.
    let stranger = world.partner.dial(world.edge.address, EDGE).await.unwrap();
    stranger.ended(SOON).await.unwrap();
    let refused = world.edge.log.wait("handshake_refused", |_| true);
    let refused = refused.await.unwrap();
    assert_eq!(refused["reason"], "ambiguous_identity");
    for pbx in &world.pbx {
        assert!(pbx.untaken().await.is_empty());
    }
    world.stop().await;
}

#[tokio::test]
async fn pings_name_each_tenants_node() {
    let world = Tenants::new(|topology| {
        for entry in ENTRIES {
            let pool = topology.find("[[pool]]", "name", entry).unwrap();
            pool.raw("health", "{ options_every = \"1s\" }");
        }
    })
    .await;
    let mut left = vec![0, 1];
    while !left.is_empty() {
        let ping = world.partner.expect("OPTIONS").await.unwrap();
        let message = &ping.message;
        let contact = message.header("contact").unwrap();
        let tenant = NAMES
            .iter()
            .position(|name| contact.contains(name))
            .unwrap();
        assert!(contact.contains(&world.face(tenant)), "{contact}");
        let via = message.top_via().unwrap();
        assert!(via.contains(&world.face(tenant)), "{via}");
        assert!(message.header("from").unwrap().contains(NAMES[tenant]));
        world.partner.reply(&ping, 200).await.unwrap();
        left.retain(|other| *other != tenant);
    }
    let status = world.edge.command(&["status"]).await.1;
    let text = status.to_string();
    assert!(ENTRIES.iter().all(|entry| text.contains(entry)), "{text}");
    world.edge.stop().await;
}

#[tokio::test]
async fn an_entry_outside_its_window_leaves_its_connections_to_no_other() {
    let mut world = Tenants::new(|_| {}).await;
    let wires = [world.wire(0).await, world.wire(1).await];
    let entry = world.topology.find("[[peer]]", "name", ENTRIES[0]);
    entry.unwrap().text("not_after", "2026-01-01T00:00:00Z");
    let text = world.topology.to_toml();
    world.lab.site.write("topology.toml", &text).unwrap();
    let mark = world.edge.log.mark();
    assert_eq!(world.edge.reload().await["result"], "ok");
    let withdrawn = world.edge.log.wait_after(mark, "trust_withdrawn", |_| true);
    let withdrawn = withdrawn.await.unwrap();
    assert_eq!(withdrawn["reason"], "peer_no_longer_active", "{withdrawn}");
    wires[0].ended(SOON).await.unwrap();
    assert_eq!(world.refused_at(0).await, "peer_no_longer_active");
    world.calls_in(1, &wires[1]).await;
    let log = world.stop().await;
    let withdrawn = log.named("trust_withdrawn");
    assert!(withdrawn.iter().all(|e| e["peer"] == ENTRIES[0]));
}

#[tokio::test]
pub(crate) async fn a_reload_that_takes_one_entry_out_closes_its_connections_alone() {
    let mut world = Tenants::new(|_| {}).await;
    let wires = [world.wire(0).await, world.wire(1).await];
    for tenant in [0, 1] {
        world.calls_in(tenant, &wires[tenant]).await;
    }
    let (code, plan) = {
        world.topology.remove("[[peer]]", "name", ENTRIES[1]);
        world.topology.remove("[[pool]]", "name", ENTRIES[1]);
        let text = world.topology.to_toml();
        let file = world.lab.site.write("topology.toml", &text).unwrap();
        world.edge.command(&["plan", file.to_str().unwrap()]).await
    };
    assert_eq!(code, Some(4), "{plan}");
    let dropped: Vec<&Value> = plan["dropped"].as_array().unwrap().iter().collect();
    assert!(!dropped.is_empty(), "{plan}");
    assert!(
        dropped.iter().all(|live| live["peer"] == ENTRIES[1]),
        "{plan}"
    );
    let mark = world.edge.log.mark();
    assert_eq!(world.edge.reload().await["result"], "ok");
    let withdrawn = world.edge.log.wait_after(mark, "trust_withdrawn", |_| true);
    let withdrawn = withdrawn.await.unwrap();
    assert_eq!(withdrawn["peer"], ENTRIES[1], "{withdrawn}");
    wires[1].ended(SOON).await.unwrap();
    assert!(wires[0].is_live());
    world.calls_in(0, &wires[0]).await;
    // Who still asks for the one that is gone is not served by the one that is left.
    assert_eq!(world.refused_at(1).await, "identity_not_for_peer");
    let log = world.stop().await;
    let withdrawn = log.named("trust_withdrawn");
    assert!(withdrawn.iter().all(|e| e["peer"] == ENTRIES[1]));
}
