//! `pools`: the members of each pool, how they are, and what runs with them.
//!
//! For the question which member is down and why. A peer of several pools stands in each of them with the same health: it
//! is the peer that is up or down, and not its place in a pool.
use super::context::{ControlContext, FOR_SHARDS};
use super::refusal::{ControlRefusal, no_answer};
use crate::edge::RowPage;
use crate::proxy::{Fitness, PeerCondition, PeerLoad};
use crate::topology::{Pool, Topology};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A pool; a federated domain without one in the file has an implicit one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedPool {
    /// Its name, of an implicit one its domain.
    pub pool: String,
    /// The domains that are routed to it.
    pub domains: Vec<String>,
    /// How members are ordered for a request.
    pub strategy: String,
    /// Its members, in the file's order.
    pub members: Vec<ListedMember>,
}

/// A member of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedMember {
    /// Its name in the topology.
    pub peer: String,
    /// Its weight.
    pub weight: u16,
    /// `up`, `down`, or `held`: it has asked to be left alone (Retry-After).
    pub state: String,
    /// It takes nothing new, as the topology says.
    pub drains: bool,
    /// Seconds since it last went down or came back; `None`: it has always been up in this run.
    pub since_s: Option<u64>,
    /// The reason code of why it went down last, or is left alone.
    pub reason: Option<String>,
    /// Requests and connects that have failed in a row.
    pub failures: u32,
    /// Connections with it, in all shards.
    pub connections: usize,
    /// Requests that it has not answered yet.
    pub in_flight: usize,
    /// Messages that wait for a connection to it.
    pub waiting: usize,
    /// What pings have found; `None`: nobody pings it.
    pub pings: Option<ListedPings>,
}

/// The pings of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedPings {
    /// Milliseconds between two.
    pub every_ms: u64,
    /// Sent in this run.
    pub sent: u64,
    /// Answered in time.
    pub answered: u64,
    /// How long the last answer took, in microseconds, a connect included; `None`: there was none.
    pub last_us: Option<u64>,
}

impl ControlContext {
    /// Carries out `pools`: in the order of their names, behind `after`.
    pub(super) async fn pools(
        &self,
        limit: usize,
        after: &str,
    ) -> Result<RowPage<ListedPool>, ControlRefusal> {
        let edge = &self.daemon.edge;
        let loads = edge.peer_loads(FOR_SHARDS).await.ok_or_else(no_answer)?;
        let generation = self.daemon.generation();
        let topology = generation.topology();
        let conditions = edge.conditions(topology);
        let pools = topology.pools().iter();
        // By name and not by place: a reload between two pages moves places.
        let rows = pools.filter(|pool| pool.name.as_str() > after);
        let rows = rows.map(|pool| listed(pool, topology, &conditions, &loads));
        // Sorted and cut as the pages of shards are: a topology may have ten thousand partners.
        let page = RowPage {
            rows: rows.collect(),
            left_off: 0,
        };
        let order = |a: &ListedPool, b: &ListedPool| a.pool.cmp(&b.pool);
        Ok(RowPage::merged(vec![page], limit, order))
    }
}

/// One pool. A member that the conditions do not have is of another generation, which a reload has just brought.
fn listed(
    pool: &Pool,
    topology: &Topology,
    conditions: &[PeerCondition],
    loads: &HashMap<String, PeerLoad>,
) -> ListedPool {
    let members = pool.peers.iter().filter_map(|(peer, weight)| {
        let name = topology.peer(*peer).name.to_string();
        let condition = conditions.get(peer.index())?;
        let load = loads.get(&name).copied().unwrap_or_default();
        let last = condition.last_pong;
        Some(ListedMember {
            peer: name,
            weight: *weight,
            state: word(condition.fitness).to_owned(),
            drains: pool.drain.contains(peer),
            since_s: condition.since.map(|since| since.as_secs()),
            reason: condition.reason.map(|reason| reason.code().to_owned()),
            failures: condition.failures,
            connections: load.connections,
            in_flight: load.in_flight,
            waiting: load.waiting,
            // Pings are the pool's wish; a peer without them is judged by requests alone.
            pings: pool.health.map(|health| ListedPings {
                every_ms: u64::try_from(health.options_every.as_millis()).unwrap_or(u64::MAX),
                sent: condition.pings,
                answered: condition.pongs,
                last_us: u64::try_from(last.as_micros()).ok().filter(|us| *us > 0),
            }),
        })
    });
    ListedPool {
        pool: pool.name.clone(),
        domains: pool.domains.iter().map(ToString::to_string).collect(),
        strategy: pool.strategy.word().to_owned(),
        members: members.collect(),
    }
}

/// For an operator it is up as soon as it is back.
pub(super) fn word(fitness: Fitness) -> &'static str {
    match fitness {
        Fitness::Up | Fitness::Returning => "up",
        Fitness::Down => "down",
        Fitness::Held => "held",
    }
}
