//! `[[expect]]`: unit tests of the policy, with the chains they judge.
use super::identity::chain;
use super::loading::Loading;
use super::section_names::SectionNames;
use crate::topology::Expectation;
use crate::topology::keys::expect::{ExpectedVerdict, RawExpect};

/// Resolves one expectation; `None` when something of it is missing or broken, which is then reported.
///
/// An expectation is resolved like everything else, so that a test of a peer that is gone is found and
/// not skipped. It is judged later, by the generation that is made of this topology.
pub(super) fn load(
    raw: &RawExpect,
    line: u32,
    peers: &SectionNames,
    loading: &mut Loading<'_, '_>,
) -> Option<Expectation> {
    let file = raw.certificate.as_ref()?;
    // Expired chains are welcome: that they are refused is worth a test.
    let (chain, _) = chain("certificate", file, loading)?;
    // In normalised form, as peers are registered.
    let peer = match &raw.peer {
        Some(text) => {
            let name = loading.name(text, "[[expect]] peer")?;
            Some(peers.find(name.as_str(), text, "[[expect]]", loading)?)
        }
        None => None,
    };
    Some(Expectation {
        at: raw.at,
        peer: peer.map(|at| loading.id.peer(at)),
        chain,
        certificate: loading.path(file),
        direction: raw.direction?,
        accept: raw.verdict? == ExpectedVerdict::Accept,
        reason: raw.reason.as_ref().map(|text| text.get_ref().clone()),
        line,
    })
}
