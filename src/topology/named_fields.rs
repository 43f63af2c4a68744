//! Rules of the boundary about header fields beyond the table of a trust domain's own.
use crate::sip::{NameRules, ProductTexts};

/// What is done with fields that no row of the table of fields stands for; usually nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NamedFields {
    /// What goes of what it sends.
    pub strip_in: NameRules,
    /// What goes of what is sent to it.
    pub strip_out: NameRules,
    /// What programs are called in what is sent to it.
    pub products: ProductTexts,
}

impl NamedFields {
    /// Whether there is anything to do.
    pub fn is_empty(&self) -> bool {
        self.strip_in.is_empty() && self.strip_out.is_empty() && self.products.is_empty()
    }
}
