//! Everybody around the daemon, and the daemon: three home servers, two partners, a name server, phones.
use super::ledger::{Ledger, Party};
use super::node::{Node, NodeSetup};
use super::server::{self, Role};
use super::{Options, Outcome};
use sipward_lab::pki::{Issued, LeafSpec};
use sipward_lab::site::{EDGE, HOME, PARTNER, PARTNER_EDGE, Site, TopologyText};
use sipward_lab::{Data, Line, NameServer, OwnClock, OwnDisk, Registrar, trust_only};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Home servers in the pool.
const MEMBERS: usize = 3;
/// The partner that is found by DNS.
const SECOND: &str = "litware.test";
const SECOND_EDGE: &str = "edge.litware.test";

/// Everybody.
pub(crate) struct World {
    pub(crate) site: Site,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) members: Arc<Vec<server::Party>>,
    pub(crate) partners: Vec<server::Party>,
    pub(crate) names: NameServer,
    pub(crate) node: tokio::sync::Mutex<Node>,
    /// Somebody whose certificate is revoked.
    pub(crate) stranger: Issued,
    /// Whether the daemon's clock can be stepped, and whether its disk can be filled.
    pub(crate) has_clock: bool,
    pub(crate) has_disk: bool,
    topology: TopologyText,
}

impl World {
    /// Starts everybody but the phones.
    pub(crate) async fn start(options: &Options, ledger: &Arc<Ledger>) -> Outcome<Self> {
        let site = Site::new()?;
        let roots = trust_only(&[&site.enterprise])?;
        let registrar = Registrar::default();
        let mut members = Vec::new();
        for number in 1..=MEMBERS {
            let fqdn = format!("fe0{number}.{HOME}");
            let role = Role {
                party: format!("fe0{number}"),
                identity: site.enterprise.server(&fqdn)?,
                fqdn,
                roots: Arc::clone(&roots),
                registrar: Some(registrar.clone()),
            };
            members.push(server::Party::start(role).await?);
        }
        let mut partners = Vec::new();
        for (party, fqdn) in [("partner", PARTNER_EDGE), ("second", SECOND_EDGE)] {
            let role = Role {
                party: party.to_owned(),
                fqdn: fqdn.to_owned(),
                identity: site.fabrikam.server(fqdn)?,
                roots: Arc::clone(&roots),
                registrar: None,
            };
            partners.push(server::Party::start(role).await?);
        }
        let names = NameServer::start()?;
        let disk = OwnDisk::new(site.path())?;
        let state = disk.as_ref().map(OwnDisk::path);
        let topology = topology(&site, &members, &partners, &names, state)?;
        let file = site.write("topology.toml", &topology.to_toml())?;
        let clock = OwnClock::new(site.path())?;
        let (has_clock, has_disk) = (clock.is_some(), disk.is_some());
        let stranger = site.enterprise.server("stranger.contoso.test")?;
        name(&names, &partners, 1, 1)?;
        let setup = NodeSetup {
            binary: options.binary.clone(),
            topology: file,
            clock,
            disk,
        };
        let node = Node::start(setup).await?;
        let address = node.address()?;
        for member in &members {
            member.set_edge(address).await?;
        }
        Ok(Self {
            site,
            ledger: Arc::clone(ledger),
            members: Arc::new(members),
            partners,
            names,
            node: tokio::sync::Mutex::new(node),
            stranger,
            has_clock,
            has_disk,
            topology,
        })
    }

    /// A home server or a partner.
    pub(crate) fn server(&self, party: Party) -> Option<&server::Party> {
        match party {
            Party::Node => None,
            Party::Member(number) => self.members.get(number),
            Party::Partner(number) => self.partners.get(number),
        }
    }

    /// All of them.
    pub(crate) fn servers(&self) -> Vec<Party> {
        let members = (0..self.members.len()).map(Party::Member);
        let partners = (0..self.partners.len()).map(Party::Partner);
        members.chain(partners).collect()
    }

    /// The domains of the partners, by their numbers.
    pub(crate) fn domains() -> [&'static str; 2] {
        [PARTNER, SECOND]
    }

    /// Writes the topology after a change that the next one knows nothing of.
    pub(crate) fn write_topology(&self, change: impl FnOnce(&mut TopologyText)) -> Outcome<()> {
        let mut topology = self.topology.clone();
        change(&mut topology);
        self.site.write("topology.toml", &topology.to_toml())?;
        Ok(())
    }

    /// A new certificate and key for the edge.
    pub(crate) fn renew_certificate(&self) -> Outcome<()> {
        let issued = self.site.enterprise.issue(&LeafSpec::edge(EDGE, HOME))?;
        self.site.issue("edge", &issued)?;
        Ok(())
    }

    /// What DNS says of the second partner: that it is where this one is.
    pub(crate) fn name_partner(&self, ttl: u32, at: usize) -> Outcome<()> {
        name(&self.names, &self.partners, ttl, at)
    }

    /// Cuts a partner's connections, which are made anew.
    pub(crate) async fn cut_partner(&self, number: usize) -> Outcome<()> {
        let partner = self.partners.get(number).ok_or("no such partner")?;
        partner.relay.set(Line::Reset);
        tokio::time::sleep(Duration::from_millis(50)).await;
        partner.relay.set(Line::Open);
        Ok(())
    }
}

fn name(names: &NameServer, partners: &[server::Party], ttl: u32, at: usize) -> Outcome<()> {
    let port = partners.get(at).ok_or("no such partner")?.relay.address();
    let target = Data::Service(0, 0, port.port(), "host.litware.test".to_owned());
    names.set(&format!("_sips._tcp.{SECOND_EDGE}"), ttl, &[target]);
    let address = Data::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));
    names.set("host.litware.test", ttl, &[address]);
    Ok(())
}

fn topology(
    site: &Site,
    members: &[server::Party],
    partners: &[server::Party],
    names: &NameServer,
    state: Option<&Path>,
) -> Outcome<TopologyText> {
    let home: Vec<(&str, SocketAddr)> = members
        .iter()
        .map(|it| (it.fqdn.as_str(), it.relay.address()))
        .collect();
    let first = partners.first().map(|it| it.relay.address());
    let mut t = site.topology(&home, first);
    t.peer(SECOND_EDGE, "federated", "fabrikam-ca")
        .list("domains", &[SECOND]);
    t.section("[dns]")
        .list("servers", &[&names.address().to_string()])
        .text("timeout", "1s");
    // The same over restarts, and none that the system may meanwhile choose for a connection.
    let first = 20_000 + u16::try_from(std::process::id() % 10_000)?;
    let mut ports = (first..30_000).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let free = ports.find(|address| TcpListener::bind(address).is_ok());
    let free = free.ok_or("no free port")?;
    t.section("[[listener]]").text("address", &free.to_string());
    t.section("[[pool]]").text("strategy", "call-id-hash").raw(
        "health",
        "{ options_every = \"1s\", timeout = \"1s\", down_after = 2, up_after = 2, fail_back = \"0ms\" }",
    );
    t.section("[limits]")
        // Both shards have phones, so that calls cross.
        .raw("gather", "0")
        .text("backoff_max", "2s")
        .text("drain", "3s")
        .text("handover", "3s");
    t.section("[log]").text("requests", "calls");
    if let Some(state) = state {
        t.section("[node]").text("state", &state.to_string_lossy());
    }
    Ok(t)
}
