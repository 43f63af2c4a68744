//! An outline of a topology: what it routes and grants, and what of it only a restart changes, small enough to be compared with another's.
use crate::topology::{Domain, Grants, PeerRef, RestartSettings, Topology};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

/// What a topology routes and what of it only a restart changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// The peers' names.
    pub peers: Vec<String>,
    /// Where each domain goes.
    pub routes: BTreeMap<String, Route>,
    /// What only a restart can change; of a daemon, what it was started with.
    #[serde(rename = "fixed")]
    pub restart_settings: RestartSettings,
    /// What it grants, apart from the trust sets.
    #[serde(default)]
    pub grants: Grants,
}

/// Where a domain goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The pool's name.
    pub pool: String,
    /// Names of its members, those that drain apart.
    pub targets: Vec<String>,
    /// How the pool orders them for a request.
    #[serde(default)]
    pub strategy: String,
}

impl Outline {
    /// Of a topology.
    pub fn of(topology: &Topology) -> Self {
        let names = topology.peers().iter().map(|p| p.name.to_string());
        let mut routes = BTreeMap::new();
        for pool in topology.pools() {
            // A member that drains takes nothing new.
            let drained: HashSet<&PeerRef> = pool.drain.iter().collect();
            let targets = pool.peers.iter();
            let targets: Vec<String> = targets
                .filter(|(peer, _)| !drained.contains(peer))
                .map(|(peer, _)| topology.peer(*peer).name.to_string())
                .collect();
            for domain in &pool.domains {
                let route = Route {
                    pool: pool.name.clone(),
                    targets: targets.clone(),
                    strategy: pool.strategy.word().to_owned(),
                };
                // Pools may share a domain and differ in whom they serve: each of them is a route of its own, so that a plan
                // tells of the tenant whose route changes.
                let callers: Vec<&str> = pool.from_domains.iter().map(Domain::as_str).collect();
                let domain = match callers.as_slice() {
                    [] => domain.to_string(),
                    callers => format!("{domain} for callers of {}", callers.join(", ")),
                };
                routes.insert(domain, route);
            }
        }
        Self {
            peers: names.collect(),
            routes,
            restart_settings: topology.restart_settings(),
            grants: topology.grants(),
        }
    }
}
