//! Whose requests a pool serves (`[[pool]] from_domains`): several tenants of the home side have the same partner, each with
//! entries of its own, and From tells whose a request is.
//!
//! Home servers alone are asked: they are believed in whom they name, and a request whose From names no tenant goes nowhere.
use crate::reason::MessageReason;
use crate::sip::Host;
use crate::topology::{Domain, FastMap, Topology};
use std::collections::HashMap;

/// Which pool serves a caller, by the position of the first of those that serve the same domains.
#[derive(Default)]
pub(crate) struct Callers(FastMap<usize, HashMap<Box<str>, usize>>);

/// For each pool the position of the first that serves the same domains: its own where it alone serves them. Loading has seen
/// to it that pools share all of their domains or none.
pub(crate) fn firsts(topology: &Topology) -> impl Iterator<Item = usize> {
    let mut firsts: HashMap<&Domain, usize> = HashMap::new();
    let pools = topology.pools().iter().enumerate();
    pools.map(move |(position, pool)| {
        let known = pool.domains.iter().find_map(|domain| firsts.get(domain));
        let first = known.copied().unwrap_or(position);
        firsts.extend(pool.domains.iter().map(|domain| (domain, first)));
        first
    })
}

impl Callers {
    /// Of a topology. Pools without `from_domains` have no place here: they serve whoever calls, and cost a request nothing
    /// but one look-up.
    pub(crate) fn of(topology: &Topology) -> Self {
        let mut callers = Self::default();
        let pools = topology.pools().iter().enumerate().zip(firsts(topology));
        for ((position, pool), first) in
            pools.filter(|((_, pool), _)| !pool.from_domains.is_empty())
        {
            let domains = pool.from_domains.iter();
            let domains = domains.map(|domain| (domain.as_str().into(), position));
            callers.0.entry(first).or_default().extend(domains);
        }
        callers
    }

    /// The pool for a caller of this host, of those behind this position.
    ///
    /// # Errors
    /// [`MessageReason::NoPoolForCaller`]: they serve others.
    pub(crate) fn choose(&self, first: usize, from: &Host<'_>) -> Result<usize, MessageReason> {
        let Some(pools) = self.0.get(&first) else {
            return Ok(first);
        };
        let mut buffer = [0; 253];
        let domain = Domain::of_host(from, &mut buffer);
        let pool = domain.and_then(|domain| pools.get(domain));
        pool.copied().ok_or(MessageReason::NoPoolForCaller)
    }
}
