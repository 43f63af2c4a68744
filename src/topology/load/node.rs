//! `[node]`: this daemon.
use super::loading::Loading;
use crate::topology::Node;
use crate::topology::keys::node::RawNode;

/// Resolves the section; `None` when something of it is missing or broken, which is then reported.
pub(super) fn load(raw: &RawNode, loading: &mut Loading<'_, '_>) -> Option<Node> {
    let fqdn = raw
        .fqdn
        .as_ref()
        .and_then(|text| loading.name(text, "node.fqdn"));
    let advertise = raw.advertise.as_ref();
    let advertise = advertise.and_then(|text| loading.name(text, "node.advertise"));
    let domains = raw
        .domains
        .as_ref()
        .map(|list| loading.domains(list, "node domain"));
    let aliases = loading.domains(&raw.aliases, "node alias");
    Some(Node {
        fqdn: fqdn?,
        // One that is no name was reported.
        advertise,
        domains: domains?,
        aliases,
        advertise_port: raw.advertise_port,
        shards: raw.shards,
        scheduling: raw.scheduling,
        confinement: raw.confinement,
        // Neither created nor looked at here: `check` loads topologies on machines where the daemon
        // does not run.
        state: raw.state.as_ref().map(|text| loading.path(text)),
    })
}
