//! One certificate, and the chain of those that were presented, from bytes to what path validation asks of them.
pub(crate) mod chain;
pub(crate) mod constraints;
pub(crate) mod extensions;
pub(crate) mod general_name;
pub(crate) mod key;
pub(crate) mod parsed;
pub(crate) mod purposes;
pub(crate) mod signature;
pub(crate) mod subtree;
pub(crate) mod text;
pub(crate) mod validity;
