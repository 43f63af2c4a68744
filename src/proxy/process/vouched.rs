//! Whom the other process of this node says that a message has come from.
use crate::proxy::binding::BindingId;
use smallvec::SmallVec;

/// The sender of a message that the other process has read, and hands over since it has not begun there.
///
/// Numbers that mean the same in both: of bindings, since both have the token keys, and of names. A client without a
/// registration has none, and is nobody to the other process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum VouchedSender {
    /// A client whose connection holds these bindings, the first of its bindings first.
    Client(SmallVec<[BindingId; 1]>),
    /// A peer, by the number of its name.
    Peer(u64),
}

impl VouchedSender {
    /// The bindings of a client.
    pub(crate) fn bindings(&self) -> &[BindingId] {
        match self {
            Self::Client(ids) => ids,
            Self::Peer(_) => &[],
        }
    }
}
