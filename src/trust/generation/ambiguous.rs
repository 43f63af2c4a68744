//! Certificates that would speak for peers of different rights, and are therefore refused (RFC 5922 §7.4): those that the
//! file shows, and the wildcards that its entries allow.
use crate::reason::TrustReason;
use crate::topology::{Direction, Fault, NamePolicy, Peer, Topology};
use crate::trust::StepRefusal;
use crate::trust::certificate::chain::Chain;
use crate::trust::names::presented::PresentedNames;
use rustls_pki_types::UnixTime;
use std::collections::BTreeSet;

/// Notes that name both entries. Handshakes decide by the same function, so that what is warned of is what would happen.
///
/// A note and not a fault: the servers may have certificates of their own, with whole names.
pub(super) fn note_ambiguous(topology: &Topology, at: UnixTime, notes: &mut Vec<Fault>) {
    let wildcards: BTreeSet<&str> = topology
        .peers()
        .iter()
        .filter(|peer| peer.names == NamePolicy::OneLabelWildcard)
        .filter_map(|peer| Some(peer.fqdn.as_str().split_once('.')?.1))
        .collect();
    let wildcards = wildcards.into_iter().map(|parent| {
        let names = PresentedNames::of_wildcard(parent);
        let refused = ambiguity(&names, topology, None, at);
        (format!("a certificate for *.{parent}"), refused)
    });
    let shown = topology.expectations().iter().filter_map(|expectation| {
        // Who expects just that knows it.
        let expected = expectation.reason.as_deref() == Some(TrustReason::AmbiguousIdentity.code());
        if expectation.direction != Direction::Inbound || expected {
            return None;
        }
        let names = PresentedNames::of(Chain::parse(&expectation.chain).ok()?.leaf()).ok()?;
        let identity = expectation
            .identity
            .map(|own| topology.identity(own).name.as_str());
        let refused = ambiguity(&names, topology, identity, expectation.at.unwrap_or(at));
        Some((expectation.certificate.display().to_string(), refused))
    });
    for (certificate, refused) in wildcards.chain(shown) {
        if let Some(StepRefusal {
            reason: reason @ TrustReason::AmbiguousIdentity,
            detail: Some(both),
            line,
        }) = refused
        {
            notes.push(Fault {
                file: topology.path().to_owned(),
                line,
                code: reason.into(),
                what: format!("{certificate} speaks for {both}, which grant different things: it will be refused"),
                remedy: reason.remedy().to_owned(),
            });
        }
    }
}

/// Why a certificate with these names would be refused, whichever identity it is shown of those that tell the entries which it
/// names apart.
fn ambiguity(
    names: &PresentedNames,
    topology: &Topology,
    identity: Option<&str>,
    at: UnixTime,
) -> Option<StepRefusal> {
    let refused = names.find_peer(topology, identity, at).err()?;
    let is_shared = |peer: &Peer| topology.peers_called(peer.fqdn.as_str()).len() > 1;
    let named = topology.peers().iter();
    let named = named.filter(|peer| is_shared(peer) && names.speak_for(peer).is_ok());
    let shown: BTreeSet<&str> = named
        .map(|peer| topology.identity(peer.identity).name.as_str())
        .collect();
    if identity.is_some() || shown.is_empty() {
        return Some(refused);
    }
    let shown = shown.into_iter();
    let mut refused = shown.filter_map(|own| names.find_peer(topology, Some(own), at).err());
    // One whose entry is outside its window is refused for that, and says nothing of the others.
    refused.find(|refusal| refusal.reason == TrustReason::AmbiguousIdentity)
}
