//! The sections of the file, in the order of the docs, and the whole file as it was read.
use super::admin::RawAdmin;
use super::boundary::RawBoundary;
use super::dns::RawDns;
use super::expect::RawExpect;
use super::hep::RawHep;
use super::http::RawHttp;
use super::identity::RawIdentity;
use super::key::Key;
use super::limits::Limits;
use super::listener::RawListener;
use super::log::RawLog;
use super::node::RawNode;
use super::peer::RawPeer;
use super::pool::RawPool;
use super::sibling::RawSibling;
use super::tokens::RawTokens;
use super::toml_value::FromToml;
use super::trust::RawTrust;
use toml::Spanned;
use toml::de::DeTable;

/// How often a section may occur.
///
/// Also decides between `[name]` and `[[name]]`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occurrence {
    /// `[name]`, once, needed.
    One,
    /// `[name]`, once or not at all.
    Optional,
    /// `[[name]]`, at least once.
    Some,
    /// `[[name]]`, any number of times.
    Any,
}

/// A section of the file.
pub(crate) struct Section {
    /// As written.
    pub(crate) name: &'static str,
    /// How often it may occur.
    pub(crate) occurrence: Occurrence,
    /// Its keys.
    pub(crate) keys: &'static [Key],
}

impl Section {
    /// Whether it is one table, and not an array of tables.
    pub(crate) fn is_single(&self) -> bool {
        matches!(self.occurrence, Occurrence::One | Occurrence::Optional)
    }

    /// Whether there is no topology without it.
    pub(crate) fn is_needed(&self) -> bool {
        matches!(self.occurrence, Occurrence::One | Occurrence::Some)
    }

    /// The header line that opens the section.
    pub(crate) fn header(&self) -> String {
        if self.is_single() {
            format!("[{}]", self.name)
        } else {
            format!("[[{}]]", self.name)
        }
    }
}

// The struct and the list are made together: a section that is read but not documented, or the other
// way round, cannot be written.
macro_rules! sections {
    ($($name:ident: $type:ty = $occurrence:ident $keys:ty;)+) => {
        /// Every section.
        pub(crate) const SECTIONS: &[Section] = &[$(Section {
            name: stringify!($name),
            occurrence: Occurrence::$occurrence,
            keys: <$keys>::KEYS,
        }),+];

        /// The file as it is written, without what was reported. A section that has a default for every key is never
        /// missing; `node` and `tokens` are, when they are.
        pub(crate) struct Document {
            $(pub(crate) $name: $type,)+
        }

        impl Document {
            /// Takes over a document that was checked.
            pub(super) fn from_checked(document: &DeTable<'_>) -> Self {
                Self {
                    $($name: document
                        .get(stringify!($name))
                        .and_then(FromToml::from_toml)
                        .unwrap_or_default(),)+
                }
            }
        }
    };
}

sections! {
    node: Option<RawNode> = One RawNode;
    identity: Vec<Spanned<RawIdentity>> = Some RawIdentity;
    trust: Vec<Spanned<RawTrust>> = Some RawTrust;
    listener: Vec<Spanned<RawListener>> = Some RawListener;
    peer: Vec<Spanned<RawPeer>> = Some RawPeer;
    pool: Vec<Spanned<RawPool>> = Some RawPool;
    sibling: Vec<Spanned<RawSibling>> = Any RawSibling;
    dns: RawDns = Optional RawDns;
    limits: Limits = Optional Limits;
    log: RawLog = Optional RawLog;
    tokens: Option<RawTokens> = Optional RawTokens;
    admin: RawAdmin = Optional RawAdmin;
    http: RawHttp = Optional RawHttp;
    hep: RawHep = Optional RawHep;
    boundary: RawBoundary = Optional RawBoundary;
    expect: Vec<Spanned<RawExpect>> = Any RawExpect;
}
