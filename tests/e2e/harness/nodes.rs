//! Several nodes of one site on real connections, their home server and their phones.
use super::{Edge, Lab, in_two_shards};
use sipward_lab::pki::LeafSpec;
use sipward_lab::site::{EDGE, TopologyText};
use sipward_lab::{Client, Dialog, EdgeTarget, End, Received, Server, Wire};

pub(crate) const NODES: [&str; 3] = [
    "node1.contoso.test",
    "node2.contoso.test",
    "node3.contoso.test",
];

/// Nodes that go by the name EDGE, and their home server with a connection to each.
pub(crate) struct Nodes {
    pub(crate) lab: Lab,
    pub(crate) edges: Vec<Edge>,
    pub(crate) fe01: Server,
    pub(crate) wires: Vec<Wire>,
}

/// The topology of one node; its siblings come when their ports are known.
pub(crate) fn topology(lab: &Lab, at: usize, fe01: &Server) -> TopologyText {
    let mut topology = lab
        .site
        .topology(&[("fe01.contoso.test", fe01.address())], None);
    in_two_shards(&mut topology);
    topology
        .section("[node]")
        .text("fqdn", NODES[at])
        .text("advertise", EDGE)
        .raw("advertise_port", "5061");
    let mut spec = LeafSpec::server(EDGE);
    spec.dns.push(NODES[at].to_owned());
    let issued = lab.site.enterprise.issue(&spec).unwrap();
    let name = format!("node{at}");
    lab.site.issue(&name, &issued).unwrap();
    topology
        .section("[[identity]]")
        .text("certificate", &format!("{name}.chain.pem"))
        .text("private_key", &format!("{name}.key.pem"));
    topology
}

/// Starts a node in a directory of its own.
pub(crate) async fn start(lab: &Lab, at: usize, topology: &TopologyText) -> Edge {
    let file = format!("node{at}.toml");
    let file = lab.site.write(&file, &topology.to_toml()).unwrap();
    let runtime = lab.site.path().join(format!("run{at}"));
    std::fs::create_dir_all(&runtime).unwrap();
    Edge::start_in(&file, &runtime).await
}

impl Nodes {
    /// So many nodes, each of which lists the others in their order and is connected to them.
    pub(crate) async fn new(count: usize) -> Self {
        let lab = Lab::new();
        let fe01 = lab.home("fe01").await;
        let (mut files, mut edges) = (Vec::new(), Vec::new());
        for at in 0..count {
            let file = topology(&lab, at, &fe01);
            edges.push(start(&lab, at, &file).await);
            files.push(file);
        }
        for (at, file) in files.iter_mut().enumerate() {
            for other in (0..count).filter(|other| *other != at) {
                file.add("[[sibling]]")
                    .text("fqdn", NODES[other])
                    .list("trust", &["enterprise-ca"])
                    .list("address", &[&edges[other].address.to_string()]);
            }
            let name = format!("node{at}.toml");
            lab.site.write(&name, &file.to_toml()).unwrap();
            let reload = edges[at].reload().await;
            assert_eq!(reload["result"], "ok", "{reload}");
        }
        // They ping each other.
        for (at, edge) in edges.iter().enumerate() {
            for other in (0..count).filter(|other| *other != at) {
                edge.log
                    .wait("handshake_accepted", |e| e["peer"] == NODES[other])
                    .await
                    .unwrap();
            }
        }
        let mut wires = Vec::new();
        for edge in &edges {
            wires.push(fe01.dial(edge.address, EDGE).await.unwrap());
        }
        Self {
            lab,
            edges,
            fe01,
            wires,
        }
    }

    /// A phone registers at this node; gives its Path as well.
    pub(crate) async fn phone(&self, at: usize, user: &str) -> (Client, String) {
        let target = EdgeTarget {
            address: self.edges[at].address,
            ..self.lab.face(&self.edges[at])
        };
        let client = Client::connect(&target, user, &format!("sip:{user}@contoso.test"))
            .await
            .unwrap();
        let sent = client.register().send().await.unwrap();
        let register = self.fe01.expect("REGISTER").await.unwrap();
        self.fe01.reply(&register, 200).await.unwrap();
        client.answer(&sent, 200).await.unwrap();
        let path = register.message.header("path").unwrap().to_owned();
        (client, path)
    }

    /// The home server calls a phone through this node; the dialogs of both sides.
    pub(crate) async fn call(&self, at: usize, phone: &Client, path: &str) -> (Dialog, Dialog) {
        let call = self.fe01.invite(phone.contact()).header("Route", path);
        let call = call.on(&self.wires[at]).send().await.unwrap();
        let invite = phone.expect("INVITE").await.unwrap();
        let origin = invite.message.header("x-sipward-origin");
        assert_eq!(origin, None);
        let mut of_phone = phone.accept(&invite).await.unwrap();
        let ok = self.fe01.answer(&call, 200).await.unwrap();
        let of_home = self.fe01.ack(&call, &ok).await.unwrap();
        phone.expect("ACK").await.unwrap();
        of_phone.cseq = 100;
        (of_home, of_phone)
    }

    /// The home server asks in a dialog through this node, and the phone answers.
    pub(crate) async fn asks(
        &self,
        at: usize,
        dialog: &mut Dialog,
        phone: &Client,
        method: &str,
    ) -> Received {
        let sent = self.fe01.within(dialog, method).on(&self.wires[at]);
        let sent = sent.send().await.unwrap();
        let got = phone.expect(method).await.unwrap();
        phone.reply(&got, 200).await.unwrap();
        self.fe01.answer(&sent, 200).await.unwrap();
        got
    }
}

/// A phone asks in its dialog, and the home server answers.
pub(crate) async fn phone_asks(phone: &Client, dialog: &mut Dialog, home: &End, method: &str) {
    let sent = phone.within(dialog, method).send().await.unwrap();
    let got = home.expect(method).await.unwrap();
    home.reply(&got, 200).await.unwrap();
    phone.answer(&sent, 200).await.unwrap();
}
