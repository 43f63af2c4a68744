//! Names: which ones a certificate presents, which peers they stand for, and which names of the topology a certificate touches.
pub(crate) mod entry;
pub(crate) mod lenient;
pub(crate) mod presented;
pub(crate) mod presented_name;
pub(crate) mod topology_names;
