//! Where requests go: domains, the pools that serve them, and what clients may ask for.
//!
//! An operator compares this page with what a partner or a registrar expects: which domain leads where, in which order
//! members are tried, and how long a dead one costs. All of it is computed from the file; no connection is made.
use crate::cli::output::{Page, any, counted, listed};
use crate::proxy::{FAILOVER_SILENCE, REST};
use crate::topology::{
    ClientPath, Domain, Health, PeerRef, Pool, Strategy, Topology, show_duration,
};
use std::collections::HashSet;
use std::io;

/// Each domain with the pool that serves it, in columns.
pub(super) fn domains(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    page.title("Domains: where requests go")?;
    // The first column is as wide as the longest domain, so that pools stand below each other.
    let domains = topology.pools().iter().flat_map(|pool| &pool.domains);
    let width = domains.map(|domain| domain.as_str().len()).max();
    let width = width.unwrap_or(0);
    let home: HashSet<&Domain> = topology.node().domains.iter().collect();
    for pool in topology.pools() {
        let mut members = members(topology, pool);
        if let Some(callers) = any(&pool.from_domains) {
            members.push_str(&format!("; for callers of {callers}"));
        }
        // Every domain has a line of its own: operators search for a domain, not for a pool.
        for domain in &pool.domains {
            let home = home.contains(domain);
            // Padded to one width, so that the column behind it is straight.
            let kind = if home { "home     " } else { "federated" };
            let line = format!("{:<width$}", domain.as_str());
            page.item(&line, &format!("{kind}  pool {}: {members}", pool.name))?;
        }
    }
    Ok(())
}

/// How soon a dead member is noticed, and when it is used again. Without `health` no pings are sent, and only requests
/// that fail reveal it.
pub(super) fn pools(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    page.title("Pools: how a dead member is noticed")?;
    for pool in topology.pools() {
        page.line(&pool.name)?;
        // The figures below are derived from the keys of `health`: what counts for an operator is how long calls run into a
        // dead server, and how long a revived one stays idle.
        let Some(health) = pool.health else {
            let requests = counted(Health::default().down_after.into(), "request");
            let (each, rest) = (show_duration(FAILOVER_SILENCE), show_duration(REST));
            let noticed = format!(
                "by a failed connect, until the next try; by {requests} in a row without any answer \
                 (an INVITE: {each} each), for {rest}"
            );
            page.field("no pings", &noticed)?;
            continue;
        };
        let every = show_duration(health.options_every);
        let wait = show_duration(health.timeout);
        let down = counted(health.down_after.into(), "failure");
        let up = counted(health.up_after.into(), "answer");
        let options =
            format!("every {every}, {wait} to answer, down after {down}, back after {up}");
        page.field("OPTIONS", &options)?;
        let after = show_duration(health.detection());
        page.field("passed over", &format!("at most {after} after its death"))?;
        let again = show_duration(health.recovery());
        let again = format!("at most {again} after its revival");
        page.field("first choice again", &again)?;
    }
    Ok(())
}

/// The members of a pool with what differs from the default, and the strategy if there is a choice.
fn members(topology: &Topology, pool: &Pool) -> String {
    // Weight and group are shown where they differ from the default or decide something.
    let weighted = pool.strategy == Strategy::Weighted;
    let groups = pool.priorities.iter().map(Some);
    let groups = groups.chain(std::iter::repeat(None));
    let drained: HashSet<PeerRef> = pool.drain.iter().copied().collect();
    let members = listed(pool.peers.iter().zip(groups).map(|((r, weight), group)| {
        let mut remarks = Vec::new();
        // Groups are tried in order; within one the strategy chooses.
        if let Some(group) = group {
            remarks.push(format!("group {group}"));
        }
        if weighted || *weight != 1 {
            remarks.push(format!("weight {weight}"));
        }
        // It still serves running dialogs and receives no new calls.
        if drained.contains(r) {
            remarks.push("drains".to_owned());
        }
        let name = &topology.peer(*r).name;
        if remarks.is_empty() {
            name.to_string()
        } else {
            format!("{name} ({})", remarks.join(", "))
        }
    }));
    // With one member there is nothing to choose.
    if pool.peers.len() == 1 {
        members
    } else {
        format!("{members}; {}", pool.strategy.word())
    }
}

/// What a connection may do that is no peer's.
pub(super) fn clients(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    page.title("Clients: connections that belong to no peer")?;
    // Clients have no entry of their own in the file; what they may do follows from listeners and node.
    let listeners = topology.listeners().iter();
    let through = listeners.filter(|listener| listener.accept.clients());
    // A node between servers only: the rest of the section would be about nobody.
    let Some(through) = any(through.map(|listener| &listener.name)) else {
        return page.line("none may connect");
    };
    page.field("enter through", &through)?;
    let domains = listed(&topology.node().domains);
    let from = format!("{domains}, nobody (below .invalid)");
    page.field("From may name", &from)?;
    let by_pool = "the home pool, whatever the Request-URI is";
    page.field("requests go to", by_pool)?;
    let by_route = "where the Route leads that this node has signed";
    page.field("in a dialog", by_route)?;
    // Only what differs from the default: a registrar that is set otherwise finds no client, and says so to nobody.
    for pool in topology.pools() {
        if pool.path == ClientPath::Contact {
            let found = format!(
                "by the registrars of pool {} in Contact, without a Path",
                pool.name
            );
            page.field("are found", &found)?;
        }
        if pool.flow_status != Pool::FLOW_STATUS {
            let gone = format!("{} to home servers of pool {}", pool.flow_status, pool.name);
            page.field("when they are gone", &gone)?;
        }
    }
    Ok(())
}
