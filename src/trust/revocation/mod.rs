//! Revocation of one certificate: the CRLs that were ever proven, which of them come into force, and OCSP responses.
pub(crate) mod admission;
mod age;
pub(crate) mod clearance;
mod covering;
pub(crate) mod crl_signature;
pub(crate) mod distribution;
pub(crate) mod issuers;
pub(crate) mod ledger;
pub(crate) mod ocsp;
mod ocsp_response;
pub(crate) mod offers;
pub(crate) mod record;
pub(crate) mod room;
pub(crate) mod scope_key;
pub(crate) mod series;
