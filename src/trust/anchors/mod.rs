//! The CAs of a trust set: who may vouch, and what an operator should know of them.
pub(crate) mod anchor;
pub(crate) mod fault;
pub(crate) mod index;
pub(crate) mod prepare;
