//! Where requests go: domains, the pools that serve them, and what clients may ask for.
//!
//! An operator compares this page with what a partner or a registrar expects: which domain leads where, in which order
//! members are tried, and how long a dead one costs. All of it is computed from the file; no connection is made.
use crate::cli::output::{Page, counted, listed};
use crate::proxy::{FAILOVER_SILENCE, REST};
use crate::topology::{Domain, Health, PeerRef, Pool, Strategy, Topology, show_duration};
use std::collections::HashSet;
use std::io;

/// Each domain with the pool that serves it, in columns.
pub(super) fn domains(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    page.title("Domains: where requests go")?;
    // The first column is as wide as the longest domain, so that pools stand below each other.
    let width = topology
        .pools()
        .iter()
        .flat_map(|pool| &pool.domains)
        .map(|domain| domain.as_str().len())
        .max()
        .unwrap_or(0);
    let home: HashSet<&Domain> = topology.node().domains.iter().collect();
    for pool in topology.pools() {
        let members = members(topology, pool);
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
        page.item(&pool.name, "")?;
        // The figures below are derived from the keys of `health`: what counts for an operator is how long calls run into a
        // dead server, and how long a revived one stays idle.
        let Some(health) = pool.health else {
            page.field(
                "no pings",
                &format!(
                    "by a failed connect, until the next try; by {} in a row without any answer \
                     (an INVITE: {} each), for {}",
                    counted(usize::from(Health::default().down_after), "request"),
                    show_duration(FAILOVER_SILENCE),
                    show_duration(REST),
                ),
            )?;
            continue;
        };
        page.field(
            "OPTIONS",
            &format!(
                "every {}, {} to answer, down after {}, back after {}",
                show_duration(health.options_every),
                show_duration(health.timeout),
                counted(usize::from(health.down_after), "failure"),
                counted(usize::from(health.up_after), "answer"),
            ),
        )?;
        page.field(
            "passed over",
            &format!(
                "at most {} after its death",
                show_duration(health.detection())
            ),
        )?;
        page.field(
            "first choice again",
            &format!(
                "at most {} after its revival",
                show_duration(health.recovery())
            ),
        )?;
    }
    Ok(())
}

/// The members of a pool with what differs from the default, and the strategy if there is a choice.
fn members(topology: &Topology, pool: &Pool) -> String {
    // Weight and group are shown where they differ from the default or decide something.
    let weighted = pool.strategy == Strategy::Weighted;
    let groups = pool
        .priorities
        .iter()
        .map(Some)
        .chain(std::iter::repeat(None));
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
        let fqdn = &topology.peer(*r).fqdn;
        if remarks.is_empty() {
            fqdn.to_string()
        } else {
            format!("{fqdn} ({})", remarks.join(", "))
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
    let through: Vec<&str> = topology
        .listeners()
        .iter()
        .filter(|listener| listener.accept.clients())
        .map(|listener| listener.name.as_str())
        .collect();
    // A node between servers only: the rest of the section would be about nobody.
    if through.is_empty() {
        return page.item("none may connect", "");
    }
    page.field("enter through", &listed(through))?;
    page.field(
        "From may name",
        &format!(
            "{}, nobody (below .invalid)",
            listed(&topology.node().domains)
        ),
    )?;
    page.field(
        "requests go to",
        "the home pool, whatever the Request-URI is",
    )?;
    page.field(
        "in a dialog",
        "where the Route leads that this node has signed",
    )
}
