//! Paths from a leaf to an anchor: the search for them, and the rules that each must hold.
pub(crate) mod cert_path;
pub(crate) mod keys;
pub(crate) mod pins;
pub(crate) mod purpose;
pub(crate) mod revocation;
pub(crate) mod search;
pub(crate) mod validity;
