//! The topology that the core's tests are about, and the certificates of its servers.
use crate::topology::{
    Boundary, ClientPath, Confinement, DnsName, Domain, FieldTrust, Identity, IdentityRef, KeyPair,
    LogFormat, LogIdentities, LogRequests, LogSettings, NamePolicy, Node, Peer, PeerBoundary,
    PeerKind, PeerRef, Pool, Revocation, RevocationScope, Scheduling, Strategy, TokenSettings,
    Topology, TopologyId, TrustRef, TrustSet, Window,
};
use crate::trust::Generation;
use rustls_pki_types::{CertificateDer, UnixTime};
use sipward_lab::pki::{Authority, Issued, LeafSpec};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

pub(super) const HOME: &str = "contoso.test";
pub(super) const NODE: &str = "edge01.contoso.test";
pub(super) const FE01: &str = "fe01.contoso.test";
pub(super) const FE02: &str = "fe02.contoso.test";
/// Two nodes that go by the name of [`NODE`].
pub(super) const THIRD: &str = "edge03.contoso.test";
pub(super) const NODES: [&str; 2] = ["node1.contoso.test", "node2.contoso.test"];
pub(super) const PARTNER: &str = "edge.fabrikam.test";
/// Below it the partner has its regions.
pub(super) const REGIONS: &str = "region.test";
/// Three entries that grant the same and that one certificate stands for.
pub(super) const TEAMS: [&str; 3] = [
    "sip.pstnhub.microsoft.com",
    "sip2.pstnhub.microsoft.com",
    "sip3.pstnhub.microsoft.com",
];

pub(super) struct Pki {
    anchor: CertificateDer<'static>,
    pub(super) chains: HashMap<&'static str, Vec<CertificateDer<'static>>>,
    edge: Issued,
}

pub(super) fn pki() -> &'static Pki {
    static PKI: OnceLock<Pki> = OnceLock::new();
    PKI.get_or_init(|| {
        let ca = Authority::root("core test CA").unwrap();
        let mut chains = [FE01, FE02, PARTNER, NODES[0], NODES[1], THIRD]
            .into_iter()
            .map(|n| (n, ca.server(n).unwrap().chain))
            .collect::<HashMap<_, _>>();
        let shared = LeafSpec {
            dns: TEAMS.map(str::to_owned).to_vec(),
            ..LeafSpec::server(TEAMS[0])
        };
        let shared = ca.issue(&shared).unwrap().chain;
        chains.extend(TEAMS.map(|n| (n, shared.clone())));
        let regions = LeafSpec {
            dns: vec![PARTNER.to_owned(), format!("*.{REGIONS}")],
            ..LeafSpec::server(PARTNER)
        };
        chains.insert(REGIONS, ca.issue(&regions).unwrap().chain);
        let edge = ca.server(NODE).unwrap();
        Pki {
            anchor: ca.certificate().clone(),
            chains,
            edge,
        }
    })
}

fn name(text: &str) -> DnsName {
    DnsName(Arc::from(text))
}

/// A domain, an address, or all below a name.
pub(super) fn domain(text: &str) -> Domain {
    Domain::parse_pattern(text).unwrap()
}

/// A pool for the domain that it is called by.
fn pool(called: &str, peers: Vec<(PeerRef, u16)>) -> Pool {
    Pool {
        name: called.to_owned(),
        domains: vec![domain(called)],
        from_domains: Vec::new(),
        peers,
        strategy: Strategy::Ordered,
        health: None,
        drain: Vec::new(),
        flow_status: 430,
        path: ClientPath::Path,
        priorities: Vec::new(),
        line: 1,
    }
}

/// Every request has a line.
fn log_settings() -> LogSettings {
    LogSettings {
        requests: LogRequests::All,
        identities: LogIdentities::Full,
        format: LogFormat::Json,
        file: None,
    }
}

/// Two home servers in one pool, one partner, two domains.
pub(super) fn topology() -> Topology {
    let peer = |fqdn: &str, kind, domains: &[&str]| Peer {
        kind,
        domains: domains.iter().map(|d| domain(d)).collect(),
        trust: vec![TrustRef(0)],
        assert_identity: kind == PeerKind::Home,
        boundary: PeerBoundary::standard(FieldTrust::of_peer(kind == PeerKind::Home)),
        line: 1,
        ..Peer::named(name(fqdn), IdentityRef(0))
    };
    let mut topology = Topology {
        id: TopologyId::next(),
        path: "test.toml".into(),
        node: Node {
            fqdn: name(NODE),
            domains: vec![domain(HOME)],
            aliases: Vec::new(),
            advertise: None,
            advertise_port: None,
            shards: None,
            scheduling: Scheduling::Inherit,
            confinement: Confinement::Off,
            state: None,
        },
        identities: vec![Identity {
            window: Window::default(),
            name: "edge".to_owned(),
            server: KeyPair {
                chain: pki().edge.chain.clone(),
                key: pki().edge.key.clone_key(),
            },
            client: None,
            staple: None,
            names: vec![name(NODE)],
            line: 1,
        }],
        trusts: vec![TrustSet {
            name: "ca".to_owned(),
            anchors: vec![pki().anchor.clone()],
            partial_chain: false,
            crl_sources: Vec::new(),
            crls: Vec::new(),
            crl_refresh: None,
            crl_fetch: false,
            crl_fetch_local: Vec::new(),
            revocation: Revocation::Off,
            scope: RevocationScope::Chain,
            window: Window::default(),
            line: 1,
        }],
        listeners: Vec::new(),
        peers: vec![
            peer(FE01, PeerKind::Home, &[]),
            peer(FE02, PeerKind::Home, &[]),
            peer(PARTNER, PeerKind::Federated, &["fabrikam.test"]),
        ],
        peer_index: crate::topology::PeerIndex::default(),
        pools: Vec::new(),
        dns: crate::topology::DnsSettings::default(),
        limits: crate::topology::Limits::default(),
        log: log_settings(),
        tokens: TokenSettings::default(),
        admin: crate::topology::AdminSettings::default(),
        http: crate::topology::HttpSettings::default(),
        hep: Default::default(),
        boundary: Boundary::default(),
        expectations: Vec::new(),
        warnings: Vec::new(),
        files: Vec::new(),
    };
    let [fe01, fe02, partner] = [0, 1, 2].map(|at| (reference(&topology, at), 1));
    topology.pools = vec![
        pool(HOME, vec![fe01, fe02]),
        pool("fabrikam.test", vec![partner]),
    ];
    topology
}

/// As node `at` of two that are siblings has it.
pub(super) fn one_of_two(mut topology: Topology, at: usize) -> Topology {
    topology.node.fqdn = name(NODES[at]);
    topology.node.advertise = Some(name(NODE));
    let sibling = Peer {
        kind: PeerKind::Sibling,
        ..topology.peers[0].clone().renamed(name(NODES[1 - at]))
    };
    topology.peers.push(sibling);
    topology
}

/// The peer at this position.
pub(super) fn reference(topology: &Topology, position: usize) -> PeerRef {
    topology.peer_refs().nth(position).unwrap().0
}

/// As Teams Direct Routing is set up: the node's FQDN is a home domain, and one pool of three names is the partner.
pub(super) fn teams() -> Topology {
    let mut topology = topology();
    let fqdn = domain(NODE);
    topology.node.domains.push(fqdn.clone());
    topology.pools[0].domains.push(fqdn);
    let domains: Vec<Domain> = TEAMS.iter().map(|n| domain(n)).collect();
    let mut pool = topology.pools[1].clone();
    pool.domains = domains.clone();
    pool.peers.clear();
    for fqdn in TEAMS {
        topology.peers.push(Peer {
            domains: domains.clone(),
            assert_identity: true,
            boundary: PeerBoundary {
                sips: false,
                ..PeerBoundary::standard(FieldTrust::of_peer(true))
            },
            ..topology.peers[2].clone().renamed(name(fqdn))
        });
        pool.peers
            .push((reference(&topology, topology.peers.len() - 1), 1));
    }
    topology.pools.push(pool);
    topology
}

/// The partner's entry covers the names of its regions.
pub(super) fn regions() -> Topology {
    let mut topology = topology();
    topology.peers[2].covers = vec![domain(&format!("*.{REGIONS}"))];
    topology.peers[2].names = NamePolicy::OneLabelWildcard;
    topology
}

/// A generation of this topology.
pub(super) fn generation(topology: Topology) -> Arc<Generation> {
    Arc::new(Generation::build(1, topology, UnixTime::now()).unwrap())
}
