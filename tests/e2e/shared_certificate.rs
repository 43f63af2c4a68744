//! Two home servers with one certificate, as pools of Lync and pairs of Asterisk have: each dialog stays with the server that
//! it began with.
use crate::harness::{Edge, Lab, hangs_up};
use sipward_lab::pki::LeafSpec;
use sipward_lab::site::EDGE;
use sipward_lab::{Server, ServerSpec, Wire};
use std::net::{Ipv4Addr, SocketAddr};

const NAMES: [&str; 2] = ["fe01.contoso.test", "fe02.contoso.test"];

/// The pair, each server at one of these addresses, and the partner.
struct Pair {
    servers: [Server; 2],
    partner: Server,
    edge: Edge,
    _lab: Lab,
}

impl Pair {
    /// With so many shards, which get connections in turn.
    async fn new(at: [Ipv4Addr; 2], shards: u8) -> Self {
        let lab = Lab::new();
        let both = LeafSpec {
            dns: NAMES.map(str::to_owned).to_vec(),
            ..LeafSpec::server(NAMES[0])
        };
        let identity = &lab.site.enterprise.issue(&both).unwrap();
        let server = async |which: usize| {
            let fqdn = NAMES[which];
            let spec = ServerSpec {
                party: fqdn.split('.').next().unwrap(),
                fqdn,
                aor: &format!("sip:{fqdn}"),
                identity,
                roots: &lab.roots,
                transcript: &lab.transcript,
                listen: Some(SocketAddr::from((at[which], 0))),
            };
            Server::start(&spec).await.unwrap()
        };
        let servers = [server(0).await, server(1).await];
        let partner = lab.partner().await;
        let [one, two] = [0, 1].map(|which| (NAMES[which], servers[which].address()));
        let mut topology = lab.site.topology(&[one, two], Some(partner.address()));
        topology.section("[limits]").raw("gather", "0");
        topology
            .section("[node]")
            .raw("shards", &shards.to_string());
        let edge = lab.edge(&topology).await;
        Self {
            servers,
            partner,
            edge,
            _lab: lab,
        }
    }

    /// A connection of each server, the second one's first.
    async fn wires(&self) -> [Wire; 2] {
        let [one, two] = &self.servers;
        let second = two.dial_from_own(self.edge.address, EDGE).await.unwrap();
        let first = one.dial_from_own(self.edge.address, EDGE).await.unwrap();
        [first, second]
    }

    /// A server calls the partner, who takes the call and hangs up.
    async fn calls_and_is_hung_up(&self, which: usize, wire: &Wire) {
        let server = &self.servers[which];
        let call = server.invite("sip:carol@fabrikam.test").on(wire);
        let call = call.from("sip:alice@contoso.test").send().await.unwrap();
        let invite = self.partner.expect("INVITE").await.unwrap();
        let mut theirs = self.partner.accept(&invite).await.unwrap();
        let ok = server.answer(&call, 200).await.unwrap();
        server.ack(&call, &ok).await.unwrap();
        self.partner.expect("ACK").await.unwrap();
        hangs_up(&self.partner, &mut theirs, server).await;
        assert!(self.servers[1 - which].untaken().await.is_empty());
    }
}

const ONE_EACH: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3)];

/// Both servers call in turns. Returns whom the edge dialled by the end.
async fn dialled(at: [Ipv4Addr; 2], shards: u8) -> Vec<String> {
    let pair = Pair::new(at, shards).await;
    let wires = pair.wires().await;
    for which in [0, 1, 1, 0] {
        pair.calls_and_is_hung_up(which, &wires[which]).await;
    }
    // Only the log of a daemon that has ended is whole.
    let log = pair.edge.stop().await;
    let dialled = log.named("handshake_accepted").into_iter();
    let dialled = dialled.filter(|e| e["direction"] == "outbound");
    dialled
        .filter_map(|e| e["peer"].as_str().map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn the_address_of_each_tells_them_apart() {
    // In one shard each has its own connection, and only the partner is dialled.
    assert_eq!(dialled(ONE_EACH, 1).await, ["edge.fabrikam.test"]);
}

#[tokio::test]
async fn the_address_of_each_tells_them_apart_in_two_shards() {
    // The last BYE comes to the shard that has no connection with its server yet: that one is dialled, and no other.
    let dialled = dialled(ONE_EACH, 2).await;
    assert!(!dialled.iter().any(|peer| peer == NAMES[1]), "{dialled:?}");
}

#[tokio::test]
async fn behind_one_address_their_contacts_tell_them_apart() {
    let dialled = dialled([Ipv4Addr::LOCALHOST; 2], 2).await;
    assert!(!dialled.iter().any(|peer| peer == NAMES[1]), "{dialled:?}");
}
