//! `[[expect]]`: unit tests of the policy, with the chains they judge.
use super::Expectation;
use super::context::Context;
use super::identity::chain;
use super::raw::{RawExpect, RawVerdict};

/// Resolves one expectation; `None` when something of it is missing or broken, which is then reported.
pub(super) fn load(
    raw: &RawExpect,
    line: u32,
    context: &mut Context<'_, '_>,
) -> Option<Expectation> {
    let file = raw.certificate.as_ref()?;
    let (chain, _) = chain("certificate", file, context)?;
    Some(Expectation {
        chain,
        certificate: context.path(file),
        direction: raw.direction?,
        accept: raw.verdict? == RawVerdict::Accept,
        reason: raw.reason.as_ref().map(|text| text.get_ref().clone()),
        line,
    })
}
