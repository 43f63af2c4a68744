//! `[[expect]]`: unit tests of the policy, with the chains they judge.
use super::context::{Context, Names};
use super::identity::chain;
use super::raw::{RawExpect, RawVerdict};
use super::window::read_moment;
use super::{Expectation, PeerRef};

/// Resolves one expectation; `None` when something of it is missing or broken, which is then reported.
pub(super) fn load(
    raw: &RawExpect,
    line: u32,
    peers: &Names,
    context: &mut Context<'_, '_>,
) -> Option<Expectation> {
    let file = raw.certificate.as_ref()?;
    let (chain, _) = chain("certificate", file, context)?;
    let at = match &raw.at {
        Some(value) => Some(read_moment(value, "[[expect]] at", context)?),
        None => None,
    };
    let peer = match &raw.peer {
        Some(text) => {
            let name = context.name(text, "[[expect]] peer")?;
            let at = context.line(text);
            Some(PeerRef(peers.find(
                name.as_str(),
                at,
                "[[expect]]",
                context,
            )?))
        }
        None => None,
    };
    Some(Expectation {
        at,
        peer,
        chain,
        certificate: context.path(file),
        direction: raw.direction?,
        accept: raw.verdict? == RawVerdict::Accept,
        reason: raw.reason.as_ref().map(|text| text.get_ref().clone()),
        line,
    })
}
