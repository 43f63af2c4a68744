//! What a decision is asked.
use crate::topology::Direction;
use crate::trust::certificate::chain::ParsedChain;
use crate::trust::decision::presented::Presented;
use crate::trust::generation::loaded::Generation;
use rustls_pki_types::UnixTime;

/// Who presented what, and by which generation and for which moment it is judged.
#[derive(Clone, Copy)]
pub(crate) struct TrustQuestion<'q> {
    pub(crate) presented: &'q Presented<'q>,
    /// The presented chain, parsed once: all that is asked about it shares its budget and what was found out about its
    /// signatures.
    pub(crate) chain: &'q ParsedChain<'q>,
    pub(crate) direction: Direction,
    pub(crate) generation: &'q Generation,
    pub(crate) at: UnixTime,
}
