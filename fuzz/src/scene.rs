//! The stage of the bodies that drive cores: a topology with its certificates, made once, and who its servers are.
use rustls_pki_types::UnixTime;
use sipward::proxy::{AdvertisedNames, TokenKeys};
use sipward::topology::{self, Direction};
use sipward::trust::{Generation, PeerId, Presented, decide};
use sipward_lab::site::{EDGE, HOME, PARTNER_EDGE, Site};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

/// What is made once; from the partner the topology is hidden.
pub(super) struct Scene {
    pub(super) generation: Arc<Generation>,
    pub(super) home: PeerId,
    pub(super) partner: PeerId,
    pub(super) keys: Arc<TokenKeys>,
}

pub(super) fn scene() -> &'static Scene {
    static SCENE: OnceLock<Scene> = OnceLock::new();
    SCENE.get_or_init(|| {
        let site = Site::new().unwrap();
        let fe01 = format!("fe01.{HOME}");
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 5061));
        let mut text = site.topology(&[(&fe01, anywhere)], Some(anywhere));
        text.find("[[peer]]", "fqdn", PARTNER_EDGE)
            .unwrap()
            .raw("hide_topology", "true");
        let file = site.write("topology.toml", &text.to_toml()).unwrap();
        let topology = topology::load(&file, UnixTime::now()).unwrap();
        let generation = Generation::build(1, topology, UnixTime::now()).unwrap();
        let id = |issued: sipward_lab::pki::Issued| {
            let presented = Presented::inbound(&issued.chain);
            decide(&presented, Direction::Inbound, &generation, UnixTime::now()).unwrap()
        };
        Scene {
            home: id(site.enterprise.server(&fe01).unwrap()),
            partner: id(site.fabrikam.server(PARTNER_EDGE).unwrap()),
            generation: Arc::new(generation),
            keys: Arc::new(TokenKeys::new(&[], [7; 32])),
        }
    })
}

/// This node's name and address, as its cores have it.
pub(super) fn names() -> AdvertisedNames {
    AdvertisedNames {
        peers: EDGE.to_owned(),
        clients: EDGE.to_owned(),
        addresses: vec![SocketAddr::from(([192, 0, 2, 1], 5061))],
    }
}
