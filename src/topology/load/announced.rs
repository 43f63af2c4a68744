//! Whether those who know this node by a name find it in the certificate that they are shown.
//!
//! Listeners are checked for the name that they announce where they are loaded. Here stand the names that the other side
//! goes by: a sibling lists `node.fqdn` and nothing else, and a home server lists one of the names that it meets in messages.
use super::loading::Loading;
use crate::topology::{
    Accept, CertificateFacts, DnsName, Identity, KeyPair, PeerKind, Topology, TopologyReason,
};

/// Warns of identities that siblings and home servers do not know this node by.
///
/// A warning and no fault: what the other side compares is its own affair, and may be another certificate's name.
pub(super) fn check(topology: &Topology, loading: &mut Loading<'_, '_>) {
    let node = &topology.node;
    let announced = topology.listeners.iter().flat_map(|l| &l.advertise);
    let announced: Vec<&DnsName> = node.advertise.iter().chain(announced).collect();
    for peer in &topology.peers {
        let identity = topology.identity(peer.identity);
        let names = shown_names(identity);
        let (fqdn, what) = (&node.fqdn, format!("the identity \"{}\"", identity.name));
        match peer.kind {
            PeerKind::Sibling if !names.contains(fqdn) => {
                let what = format!(
                    "the sibling \"{}\" is shown {what}, which does not carry node.fqdn {fqdn}",
                    peer.fqdn
                );
                let remedy = format!(
                    "have its certificate (client_certificate, if there is one) reissued with DNS:{fqdn}, or name another `identity`"
                );
                let code = TopologyReason::SiblingSeesNoFqdn;
                loading.add(code, peer.line, what, remedy);
            }
            // Without another name it is the listeners' certificates that matter, which are checked.
            PeerKind::Home
                if !announced.is_empty()
                    && !names.contains(fqdn)
                    && !announced.iter().any(|name| names.contains(name)) =>
            {
                let known = announced[..].iter().map(|name| name.as_str());
                let known = known.chain([fqdn.as_str()]).collect::<Vec<_>>().join(", ");
                let what = format!(
                    "the home server \"{}\" is shown {what}, which carries none of {known}",
                    peer.fqdn
                );
                let remedy = "have the certificate reissued with one of these names, or name another `identity`";
                let code = TopologyReason::IdentityUnannounced;
                loading.add(code, peer.line, what, remedy);
            }
            PeerKind::Sibling | PeerKind::Home | PeerKind::Federated => {}
        }
    }
    check_dialled(topology, loading);
}

/// Siblings ask for `node.fqdn` when they connect, wherever they do.
fn check_dialled(topology: &Topology, loading: &mut Loading<'_, '_>) {
    let mut siblings = topology.peers.iter();
    let Some(sibling) = siblings.find(|peer| peer.kind == PeerKind::Sibling) else {
        return;
    };
    let fqdn = &topology.node.fqdn;
    let listeners = topology.listeners.iter();
    let for_peers: Vec<_> = listeners
        .filter(|listener| listener.accept != Accept::Clients)
        .collect();
    let mut shown = for_peers
        .iter()
        .flat_map(|listener| std::iter::once(&listener.identity).chain(&listener.sni));
    if !shown.any(|at| topology.identity(*at).names.contains(fqdn)) {
        // Two mistakes with one effect: no certificate helps where nobody may come in.
        let (what, remedy) = match for_peers.is_empty() {
            true => (
                "there is a [[sibling]], and no listener takes peers: none can connect here"
                    .to_owned(),
                "add \"peer\" to `accept` of a [[listener]]".to_owned(),
            ),
            false => (
                format!(
                    "there is a [[sibling]], and no listener for peers has an identity that carries node.fqdn {fqdn}"
                ),
                format!("have the certificate of one reissued with DNS:{fqdn} too"),
            ),
        };
        let code = TopologyReason::SiblingSeesNoFqdn;
        loading.add(code, sibling.line, what, remedy);
    }
}

/// The names of the certificate that is shown when connecting out.
fn shown_names(identity: &Identity) -> Vec<DnsName> {
    let leaf = |pair: &KeyPair| CertificateFacts::read(pair.chain.first()?);
    match identity.client.as_ref().and_then(leaf) {
        Some(facts) => facts.names(),
        None => identity.names.clone(),
    }
}
