//! The words that stand for choices in the topology file: one table to read them, show them and suggest them.
use super::raw::{RawAccept, RawClientCertificates, RawVerdict};
use super::{
    Direction, LogFormat, LogRequests, Lookup, NamePolicy, PeerKind, PurposePolicy,
    RevocationScope, Scheduling, Stage, Strategy,
};

macro_rules! words {
    ($($type:ident { $($variant:ident = $word:literal),+ $(,)? })+) => { $(
        impl $type {
            /// Every word, in the order of the table.
            pub(crate) const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word that stands for it in the topology file.
            pub(crate) fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let word = String::deserialize(from)?;
                [$(Self::$variant),+]
                    .into_iter()
                    .find(|value| value.word() == word)
                    .ok_or_else(|| serde::de::Error::unknown_variant(&word, Self::WORDS))
            }
        }
    )+ };
}

words! {
    Scheduling { Batch = "batch", Inherit = "inherit" }
    PeerKind { Home = "home", Federated = "federated" }
    NamePolicy { Exact = "exact", OneLabelWildcard = "one-label-wildcard" }
    PurposePolicy { ServerOrClient = "server-or-client", Strict = "strict" }
    RevocationScope { Chain = "chain", Leaf = "leaf" }
    Stage { Enforce = "enforce", Observe = "observe" }
    Lookup { Sip = "sip", Federation = "federation", Address = "address" }
    Strategy { CallIdHash = "call-id-hash", Weighted = "weighted", Ordered = "ordered" }
    LogRequests { All = "all", Calls = "calls", Refused = "refused" }
    LogFormat { Json = "json", Human = "human", Auto = "auto" }
    Direction { Inbound = "inbound", Outbound = "outbound" }
    RawAccept { Client = "client", Peer = "peer" }
    RawClientCertificates { Refuse = "refuse", Ignore = "ignore", Require = "require" }
    RawVerdict { Accept = "accept", Refuse = "refuse" }
}
