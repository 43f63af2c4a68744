//! Which server a proposal is about, and the file that does not list it.
use crate::topology::{DnsName, Topology};
use std::path::Path;

/// Which server, where, and of which file.
///
/// One value in place of four arguments, which go through all steps together.
pub(in crate::cli) struct Asked<'a> {
    pub(in crate::cli) config: &'a Path,
    pub(in crate::cli) topology: &'a Topology,
    pub(in crate::cli) fqdn: &'a DnsName,
    /// As it would stand in `address`; `None`: DNS finds it.
    pub(in crate::cli) address: Option<&'a str>,
}

impl Asked<'_> {
    /// Who serves this domain in the file: a new entry with it would share the domain's calls with them.
    pub(in crate::cli) fn servers_of(&self, domain: &str) -> Vec<&str> {
        let pools = self.topology.pools().iter();
        let of_domain = pools.filter(|pool| pool.domains.iter().any(|it| it.as_str() == domain));
        let members = of_domain.flat_map(|pool| &pool.peers);
        members
            .map(|(peer, _)| self.topology.peer(*peer).name.as_str())
            .collect()
    }

    /// Whether the name lies in a home domain: then it is a home server that is missing, and no partner.
    pub(in crate::cli) fn is_home(&self) -> bool {
        let name = self.fqdn.as_str();
        // A name below a home domain cannot be a partner's: loading refuses that, so the proposal must not say it.
        let mut domains = self.topology.node().domains.iter();
        domains.any(|domain| {
            let rest = name.strip_suffix(domain.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }
}
