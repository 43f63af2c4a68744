//! Tests of the trust decision: worlds of authorities and peers, and who gets in.

mod classes;
mod client_rule;
mod constraints;
mod cost;
mod crls;
mod explain;
mod forecast;
mod forged;
mod handshake;
mod keys;
mod matrix;
mod ocsp;
mod paths;
mod policy;
mod rollback;
mod seen;
mod staged;
mod tenants;

use super::{Generation, Presented, TrustReason, decide};
use crate::topology::{
    Accept, Boundary, ClientCertificates, Confinement, Crl, Direction, DnsName, Expectation, Fault,
    FieldTrust, HeldCrl, Identity, IdentityRef, KeyPair, Limits, Listener, LogFormat,
    LogIdentities, LogRequests, LogSettings, NamePolicy, Node, Peer, PeerBoundary, PeerKind,
    PeerName, PurposePolicy, Revocation, RevocationScope, Scheduling, Stage, TokenSettings,
    Topology, TrustRef, TrustSet, Window,
};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use sipward_lab::pki::{self, Authority};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A topology in the making.
#[derive(Default)]
struct World {
    trusts: Vec<TrustSet>,
    peers: Vec<Peer>,
    expectations: Vec<Expectation>,
    identities: Vec<Identity>,
}

impl World {
    /// A trust set without revocation.
    fn trust(self, name: &str, anchors: &[&Authority]) -> Self {
        let anchors: Vec<_> = anchors.iter().map(|a| a.certificate().clone()).collect();
        self.trust_in(name, &anchors)
    }

    /// The same of certificates.
    fn trust_in(mut self, name: &str, anchors: &[CertificateDer<'static>]) -> Self {
        self.trusts.push(TrustSet {
            name: name.to_owned(),
            anchors: anchors.to_vec(),
            partial_chain: false,
            crl_sources: Vec::new(),
            crls: Vec::new(),
            crl_refresh: None,
            crl_fetch: false,
            crl_fetch_local: Vec::new(),
            revocation: Revocation::Off,
            scope: RevocationScope::Chain,
            window: Window::default(),
            line: 10 + u32::try_from(self.trusts.len()).unwrap(),
        });
        self
    }

    /// Gives the last trust set CRLs and a policy.
    fn revocation(
        mut self,
        revocation: Revocation,
        scope: RevocationScope,
        crls: &[CertificateRevocationListDer<'static>],
    ) -> Self {
        let set = self.trusts.last_mut().unwrap();
        set.revocation = revocation;
        set.scope = scope;
        set.crls = held(crls);
        self
    }

    /// Changes the last trust set.
    fn with_set(mut self, change: impl FnOnce(&mut TrustSet)) -> Self {
        change(self.trusts.last_mut().unwrap());
        self
    }

    /// A peer of default policies.
    fn peer(mut self, fqdn: &str, kind: PeerKind, trust: &[&str]) -> Self {
        let line = 100 + u32::try_from(self.peers.len()).unwrap();
        let trust = trust.iter().map(|name| self.trust_ref(name)).collect();
        self.peers.push(Peer {
            name: PeerName::from(DnsName(fqdn.into())),
            fqdn: DnsName(fqdn.into()),
            kind,
            domains: Vec::new(),
            trust,
            addresses: Vec::new(),
            names: NamePolicy::Exact,
            common_name: false,
            purpose: PurposePolicy::ServerOrClient,
            assert_identity: kind == PeerKind::Home,
            identity: IdentityRef(0),
            advertise: None,
            to_domains: Vec::new(),
            dns: crate::topology::Lookup::Sip,
            keepalive: None,
            invites: 100_000,
            rate: 1_000_000,
            connections: 1,
            covers: Vec::new(),
            boundary: PeerBoundary::standard(FieldTrust::of_peer(kind == PeerKind::Home)),
            window: Window::default(),
            stage: Stage::Enforce,
            pins: Vec::new(),
            line,
        });
        self
    }

    /// An identity with this name in its certificate, which nobody looks at here.
    fn identity(mut self, name: &str, carries: &str) -> Self {
        let line = 20 + u32::try_from(self.identities.len()).unwrap();
        self.identities.push(Identity {
            name: name.to_owned(),
            server: KeyPair {
                chain: Vec::new(),
                key: PrivateKeyDer::Pkcs8(Vec::new().into()),
            },
            client: None,
            staple: None,
            names: vec![DnsName(carries.into())],
            window: Window::default(),
            line,
        });
        self
    }

    /// Changes the last peer.
    fn with(mut self, change: impl FnOnce(&mut Peer)) -> Self {
        change(self.peers.last_mut().unwrap());
        self
    }

    fn trust_ref(&self, name: &str) -> TrustRef {
        let position = self.trusts.iter().position(|t| t.name == name).unwrap();
        TrustRef(u32::try_from(position).unwrap())
    }

    fn build(self) -> Result<Generation, Vec<Fault>> {
        Generation::build(7, self.topology(), pki::now())
    }

    fn topology(self) -> Topology {
        let name = DnsName("edge01.contoso.test".into());
        Topology {
            id: crate::topology::TopologyId::next(),
            path: "topology.toml".into(),
            node: Node {
                fqdn: name,
                domains: vec![DnsName("contoso.test".into()).into()],
                aliases: Vec::new(),
                advertise: None,
                advertise_port: None,
                shards: None,
                scheduling: Scheduling::Inherit,
                confinement: Confinement::Off,
                state: None,
            },
            identities: self.identities,
            trusts: self.trusts,
            listeners: Vec::new(),
            peers: self.peers,
            peer_index: crate::topology::PeerIndex::default(),
            pools: Vec::new(),
            dns: crate::topology::DnsSettings::default(),
            limits: Limits::default(),
            log: LogSettings {
                requests: LogRequests::Calls,
                identities: LogIdentities::Full,
                format: LogFormat::Json,
                file: None,
            },
            tokens: TokenSettings::default(),
            admin: crate::topology::AdminSettings::default(),
            http: crate::topology::HttpSettings::default(),
            hep: Default::default(),
            boundary: Boundary::default(),
            expectations: self.expectations,
            warnings: Vec::new(),
            files: Vec::new(),
        }
    }

    fn generation(self) -> Generation {
        self.build().unwrap_or_else(|faults| panic!("{faults:?}"))
    }
}

/// A listener that takes these, and makes this of clients' certificates.
fn listener(accept: Accept, client_certificates: ClientCertificates) -> Listener {
    Listener {
        name: "edge".to_owned(),
        address: SocketAddr::from(([0, 0, 0, 0], 5061)),
        identity: IdentityRef(0),
        sni: Vec::new(),
        accept,
        client_certificates,
        proxy_protocol: Vec::new(),
        advertise: None,
        line: 50,
    }
}

/// CRLs as loading gives them.
fn held(crls: &[CertificateRevocationListDer<'static>]) -> Vec<HeldCrl> {
    let file = |number: usize| PathBuf::from(format!("{number}.crl"));
    (0..)
        .zip(crls)
        .map(|(number, der)| HeldCrl {
            fetched: false,
            file: file(number).into(),
            list: Arc::new(Crl::read(der.to_vec()).unwrap()),
        })
        .collect()
}

/// Now, moved by some seconds.
fn later(seconds: i64) -> UnixTime {
    let now = i64::try_from(pki::now().as_secs()).unwrap();
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now + seconds).unwrap()))
}

fn inbound(generation: &Generation, chain: &[CertificateDer<'_>]) -> TrustReason {
    inbound_at(generation, chain, pki::now())
}

fn inbound_at(generation: &Generation, chain: &[CertificateDer<'_>], at: UnixTime) -> TrustReason {
    match decide(
        &Presented::inbound(chain),
        Direction::Inbound,
        generation,
        at,
    ) {
        Ok(peer) => peer.decision().reason,
        Err(decision) => decision.reason,
    }
}

fn outbound(generation: &Generation, dialled: &str, chain: &[CertificateDer<'_>]) -> TrustReason {
    outbound_at(generation, dialled, chain, pki::now())
}

fn outbound_at(
    generation: &Generation,
    dialled: &str,
    chain: &[CertificateDer<'_>],
    at: UnixTime,
) -> TrustReason {
    let peer = generation.topology().peer_by_name(dialled).unwrap();
    let presented = Presented::outbound(chain, peer);
    match decide(&presented, Direction::Outbound, generation, at) {
        Ok(peer) => peer.decision().reason,
        Err(decision) => decision.reason,
    }
}
