//! The sections and keys that a topology file may have, as data: the shape check and the docs' test follow it.
use super::raw::{RawAccept, RawClientCertificates, RawVerdict};
use super::{
    Direction, LogFormat, LogRequests, Lookup, NamePolicy, PeerKind, PurposePolicy,
    RevocationScope, Scheduling, Stage, Strategy,
};
use super::{boundary, limits};

/// What a key's value looks like.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A string.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Flag,
    /// A list of strings.
    Texts,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of these words.
    Words(&'static [&'static str]),
    /// A number, or a string with a unit.
    Quantity,
    /// A time of RFC 3339, in quotes or as TOML's date-time.
    Moment,
    /// A table of whole numbers by name.
    Numbers,
    /// A table with these keys.
    Table(&'static [Key]),
    /// One of these words, or a table with these keys.
    WordOrTable(&'static [&'static str], &'static [Key]),
}

/// A key of a section.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    /// As written.
    pub(crate) name: &'static str,
    /// What its value looks like.
    pub(crate) kind: Kind,
    /// Whether it must be there.
    pub(crate) required: bool,
}

/// How often a section may occur.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
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
    pub(crate) count: Count,
    /// Its keys.
    pub(crate) keys: fn() -> Vec<Key>,
}

impl Section {
    /// The header line that opens the section.
    pub(crate) fn header(&self) -> String {
        match self.count {
            Count::One | Count::Optional => format!("[{}]", self.name),
            Count::Some | Count::Any => format!("[[{}]]", self.name),
        }
    }
}

const fn must(name: &'static str, kind: Kind) -> Key {
    Key {
        name,
        kind,
        required: true,
    }
}

const fn may(name: &'static str, kind: Kind) -> Key {
    Key {
        name,
        kind,
        required: false,
    }
}

const NODE: &[Key] = &[
    must("fqdn", Kind::Text),
    must("domains", Kind::Texts),
    may("aliases", Kind::Texts),
    may("advertise_port", Kind::Integer),
    may("shards", Kind::Integer),
    may("scheduling", Kind::Word(Scheduling::WORDS)),
    may("state", Kind::Text),
];

const IDENTITY: &[Key] = &[
    must("name", Kind::Text),
    must("certificate", Kind::Text),
    must("private_key", Kind::Text),
    may("client_certificate", Kind::Text),
    may("client_private_key", Kind::Text),
    may("not_before", Kind::Moment),
    may("not_after", Kind::Moment),
    may("ocsp", Kind::Text),
];

const GRACE: &[Key] = &[must("grace", Kind::Text)];

const TRUST: &[Key] = &[
    must("name", Kind::Text),
    must("anchors", Kind::Text),
    may("partial_chain", Kind::Flag),
    may("crls", Kind::Texts),
    may("crl_refresh", Kind::Text),
    may("crl_fetch", Kind::Flag),
    may("crl_fetch_local", Kind::Texts),
    may("revocation", Kind::WordOrTable(&["require", "off"], GRACE)),
    may("scope", Kind::Word(RevocationScope::WORDS)),
    may("not_before", Kind::Moment),
    may("not_after", Kind::Moment),
];

const LISTENER: &[Key] = &[
    must("name", Kind::Text),
    must("address", Kind::Text),
    may("identity", Kind::Text),
    may("sni", Kind::Texts),
    may("accept", Kind::Words(RawAccept::WORDS)),
    may(
        "client_certificates",
        Kind::Word(RawClientCertificates::WORDS),
    ),
    may("client_trust", Kind::Texts),
];

const PEER: &[Key] = &[
    must("fqdn", Kind::Text),
    must("kind", Kind::Word(PeerKind::WORDS)),
    must("trust", Kind::Texts),
    may("domains", Kind::Texts),
    may("address", Kind::Texts),
    may("names", Kind::Word(NamePolicy::WORDS)),
    may("common_name", Kind::Flag),
    may("purpose", Kind::Word(PurposePolicy::WORDS)),
    may("assert_identity", Kind::Flag),
    may("anonymous", Kind::Flag),
    may("identity", Kind::Text),
    may("not_before", Kind::Moment),
    may("not_after", Kind::Moment),
    may("stage", Kind::Word(Stage::WORDS)),
    may("pins", Kind::Texts),
    may("dns", Kind::Word(Lookup::WORDS)),
    may("keepalive", Kind::Text),
    may("connections", Kind::Integer),
    may("fields", Kind::Table(FIELDS)),
    may("deny", Kind::Texts),
    may("sips", Kind::Flag),
    may("hide_topology", Kind::Flag),
];

const FIELDS: &[Key] = &[
    may("strip_in", Kind::Words(boundary::WORDS)),
    may("keep_in", Kind::Words(boundary::WORDS)),
    may("require_in", Kind::Words(boundary::WORDS)),
    may("strip_out", Kind::Words(boundary::WORDS)),
    may("keep_out", Kind::Words(boundary::WORDS)),
];

const BOUNDARY: &[Key] = &[
    may("clients", Kind::Table(FIELDS)),
    may("home", Kind::Table(FIELDS)),
    may("federated", Kind::Table(FIELDS)),
    may("deny_domains", Kind::Texts),
    may("peer_name", Kind::Flag),
];

const HEALTH: &[Key] = &[
    may("options_every", Kind::Text),
    may("timeout", Kind::Text),
    may("down_after", Kind::Integer),
    may("up_after", Kind::Integer),
    may("fail_back", Kind::Text),
];

const POOL: &[Key] = &[
    must("name", Kind::Text),
    must("domains", Kind::Texts),
    must("peers", Kind::Texts),
    may("strategy", Kind::Word(Strategy::WORDS)),
    may("weights", Kind::Numbers),
    may("priorities", Kind::Numbers),
    may("drain", Kind::Texts),
    may("health", Kind::Table(HEALTH)),
];

const DNS: &[Key] = &[
    may("servers", Kind::Texts),
    may("timeout", Kind::Text),
    may("stale", Kind::Text),
];

const LOG: &[Key] = &[
    may("requests", Kind::Word(LogRequests::WORDS)),
    may("format", Kind::Word(LogFormat::WORDS)),
];

const TOKENS: &[Key] = &[must("key_file", Kind::Text)];

const ADMIN: &[Key] = &[may("socket", Kind::Text), may("watch", Kind::Text)];

const EXPECT: &[Key] = &[
    must("certificate", Kind::Text),
    must("as", Kind::Word(Direction::WORDS)),
    must("verdict", Kind::Word(RawVerdict::WORDS)),
    may("reason", Kind::Text),
    may("peer", Kind::Text),
    may("at", Kind::Moment),
];

/// The sections, in the order of the docs.
pub(crate) const SECTIONS: &[Section] = &[
    section("node", Count::One, || NODE.to_vec()),
    section("identity", Count::Some, || IDENTITY.to_vec()),
    section("trust", Count::Some, || TRUST.to_vec()),
    section("listener", Count::Some, || LISTENER.to_vec()),
    section("peer", Count::Some, || PEER.to_vec()),
    section("pool", Count::Some, || POOL.to_vec()),
    section("dns", Count::Optional, || DNS.to_vec()),
    section("limits", Count::Optional, || {
        limits::ROWS
            .iter()
            .map(|row| may(row.key, Kind::Quantity))
            .collect()
    }),
    section("log", Count::Optional, || LOG.to_vec()),
    section("tokens", Count::Optional, || TOKENS.to_vec()),
    section("admin", Count::Optional, || ADMIN.to_vec()),
    section("boundary", Count::Optional, || BOUNDARY.to_vec()),
    section("expect", Count::Any, || EXPECT.to_vec()),
];

const fn section(name: &'static str, count: Count, keys: fn() -> Vec<Key>) -> Section {
    Section { name, count, keys }
}
