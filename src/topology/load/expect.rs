//! `[[expect]]`: unit tests of the policy, with the chains they judge.
use super::identity::chain;
use super::loading::Loading;
use super::section_names::SectionNames;
use crate::topology::keys::expect::{ExpectedVerdict, RawExpect};
use crate::topology::{Direction, DnsName, Expectation, IdentityRef, Peer};

/// Resolves one expectation; `None` when something of it is missing or broken, which is then reported.
///
/// An expectation is resolved like everything else, so that a test of a peer that is gone is found and
/// not skipped. It is judged later, by the generation that is made of this topology.
pub(super) fn load(
    raw: &RawExpect,
    line: u32,
    (peers, identities): ((&SectionNames, &[Option<Peer>]), &SectionNames),
    loading: &mut Loading<'_, '_>,
) -> Option<Expectation> {
    let file = raw.certificate.as_ref()?;
    // Expired chains are welcome: that they are refused is worth a test.
    let (chain, _) = chain("certificate", file, loading)?;
    let (names, peers) = peers;
    // In normalised form, as peers are registered.
    let (mut peer, mut covered) = (None, None);
    if let Some(text) = &raw.peer {
        let name = loading.name(text, "[[expect]] peer")?;
        // Who connects is known by the entry's own name only.
        let is_dialled = raw.direction == Some(Direction::Outbound);
        match covering(&name, peers).filter(|_| is_dialled && !names.has(name.as_str())) {
            Some(at) => (peer, covered) = (Some(at), Some(name)),
            None => peer = Some(names.find(name.as_str(), text, "[[expect]]", loading)?),
        }
    }
    let identity = match &raw.identity {
        Some(text) => Some(identities.find(text.get_ref(), text, "[[expect]]", loading)?),
        None => None,
    };
    Some(Expectation {
        at: raw.at,
        identity: identity.map(IdentityRef),
        peer: peer.map(|at| loading.id.peer(at)),
        name: covered,
        chain,
        certificate: loading.path(file),
        direction: raw.direction?,
        accept: raw.verdict? == ExpectedVerdict::Accept,
        reason: raw.reason.as_ref().map(|text| text.get_ref().clone()),
        line,
    })
}

/// The first entry whose `covers` has the name.
fn covering(name: &DnsName, peers: &[Option<Peer>]) -> Option<u32> {
    let covers = |peer: &Option<Peer>| {
        peer.as_ref()
            .is_some_and(|it| it.covers_name(name.as_str()))
    };
    u32::try_from(peers.iter().position(covers)?).ok()
}
