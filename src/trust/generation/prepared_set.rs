//! What is prepared of one trust set, so that no handshake reads certificates of CAs again.
use crate::trust::anchors::index::Anchors;
use crate::trust::revocation::{issuers::Issuers, offers::UnusedCrl};
use std::sync::Arc;

/// The CAs of a trust set, and what was offered to it in vain.
#[derive(Clone)]
pub(super) struct PreparedSet {
    pub(super) anchors: Arc<Anchors>,
    pub(super) issuers: Arc<Issuers>,
    /// CRLs that are not used, with nothing in their place.
    pub(super) unfit: Vec<UnusedCrl>,
}
