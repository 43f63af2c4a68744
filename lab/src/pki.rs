//! A throw-away PKI in memory (RFC 5280): authorities, leaves with every oddity a test needs, and CRLs.

mod authority;
mod clock;
mod crl;
mod error;
mod issued;
mod key;
mod params;
mod pem;
mod pin;
mod serial;
mod spec;
#[cfg(test)]
mod tests;

pub use authority::Authority;
pub(crate) use clock::date;
pub use clock::now;
pub use crl::CrlSpec;
pub use error::PkiError;
pub use issued::{Issued, self_signed};
pub use key::{KeyKind, SigningKey};
pub use pem::chain_pem;
pub(crate) use pem::write_file;
pub use pin::pin;
pub use serial::Serial;
pub use spec::{AuthoritySpec, LeafSpec, Usage};
