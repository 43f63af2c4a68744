//! The file as it is written: one struct for each section, spans for lines, nothing resolved.
use super::{
    Direction, LogFormat, LogRequests, Lookup, NamePolicy, PeerKind, PurposePolicy,
    RevocationScope, Scheduling, Stage, Strategy,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// A string with its place.
pub(super) type Text = Spanned<String>;

/// The file. What is required is optional here too: the shape check has reported what is missing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) node: Option<Spanned<RawNode>>,
    #[serde(default)]
    pub(super) identity: Vec<Spanned<RawIdentity>>,
    #[serde(default)]
    pub(super) trust: Vec<Spanned<RawTrust>>,
    #[serde(default)]
    pub(super) listener: Vec<Spanned<RawListener>>,
    #[serde(default)]
    pub(super) peer: Vec<Spanned<RawPeer>>,
    #[serde(default)]
    pub(super) pool: Vec<Spanned<RawPool>>,
    pub(super) dns: Option<RawDns>,
    pub(super) limits: Option<BTreeMap<String, Spanned<toml::Value>>>,
    pub(super) log: Option<RawLog>,
    pub(super) tokens: Option<RawTokens>,
    pub(super) admin: Option<RawAdmin>,
    pub(super) boundary: Option<Spanned<RawBoundary>>,
    #[serde(default)]
    pub(super) expect: Vec<Spanned<RawExpect>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNode {
    pub(super) fqdn: Option<Text>,
    pub(super) domains: Option<Spanned<Vec<Text>>>,
    pub(super) aliases: Option<Vec<Text>>,
    pub(super) advertise_port: Option<Spanned<i64>>,
    pub(super) shards: Option<Spanned<i64>>,
    pub(super) scheduling: Option<Scheduling>,
    pub(super) state: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIdentity {
    pub(super) name: Option<Text>,
    pub(super) certificate: Option<Text>,
    pub(super) private_key: Option<Text>,
    pub(super) client_certificate: Option<Text>,
    pub(super) client_private_key: Option<Text>,
    pub(super) not_before: Option<Spanned<toml::Value>>,
    pub(super) not_after: Option<Spanned<toml::Value>>,
    pub(super) ocsp: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTrust {
    pub(super) name: Option<Text>,
    pub(super) anchors: Option<Text>,
    pub(super) partial_chain: Option<bool>,
    pub(super) crls: Option<Vec<Text>>,
    pub(super) crl_refresh: Option<Text>,
    pub(super) crl_fetch: Option<Spanned<bool>>,
    pub(super) crl_fetch_local: Option<Vec<Text>>,
    pub(super) revocation: Option<Spanned<toml::Value>>,
    pub(super) scope: Option<RevocationScope>,
    pub(super) not_before: Option<Spanned<toml::Value>>,
    pub(super) not_after: Option<Spanned<toml::Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawListener {
    pub(super) name: Option<Text>,
    pub(super) address: Option<Text>,
    pub(super) identity: Option<Text>,
    pub(super) sni: Option<Vec<Text>>,
    pub(super) accept: Option<Spanned<Vec<RawAccept>>>,
    pub(super) client_certificates: Option<Spanned<RawClientCertificates>>,
    pub(super) client_trust: Option<Spanned<Vec<Text>>>,
}

/// A word of `accept`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RawAccept {
    /// Connections without a certificate.
    Client,
    /// Listed servers.
    Peer,
}

/// A word of `client_certificates`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RawClientCertificates {
    /// Refused.
    Refuse,
    /// Passed over, if it has to do with nobody that the topology names.
    Ignore,
    /// Needed, from `client_trust`.
    Require,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPeer {
    pub(super) fqdn: Option<Text>,
    pub(super) kind: Option<PeerKind>,
    pub(super) trust: Option<Spanned<Vec<Text>>>,
    pub(super) domains: Option<Spanned<Vec<Text>>>,
    pub(super) address: Option<Spanned<Vec<Text>>>,
    pub(super) names: Option<NamePolicy>,
    pub(super) common_name: Option<bool>,
    pub(super) purpose: Option<PurposePolicy>,
    pub(super) assert_identity: Option<bool>,
    pub(super) anonymous: Option<Spanned<bool>>,
    pub(super) identity: Option<Text>,
    pub(super) not_before: Option<Spanned<toml::Value>>,
    pub(super) not_after: Option<Spanned<toml::Value>>,
    pub(super) stage: Option<Spanned<Stage>>,
    pub(super) pins: Option<Vec<Text>>,
    pub(super) dns: Option<Spanned<Lookup>>,
    pub(super) keepalive: Option<Text>,
    pub(super) connections: Option<Spanned<i64>>,
    pub(super) fields: Option<Spanned<RawFields>>,
    pub(super) deny: Option<Vec<Text>>,
    pub(super) sips: Option<bool>,
    pub(super) hide_topology: Option<bool>,
}

/// Which fields of a trust domain pass.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFields {
    pub(super) strip_in: Option<Vec<Text>>,
    pub(super) keep_in: Option<Vec<Text>>,
    pub(super) require_in: Option<Vec<Text>>,
    pub(super) strip_out: Option<Vec<Text>>,
    pub(super) keep_out: Option<Vec<Text>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBoundary {
    pub(super) clients: Option<Spanned<RawFields>>,
    pub(super) home: Option<Spanned<RawFields>>,
    pub(super) federated: Option<Spanned<RawFields>>,
    pub(super) deny_domains: Option<Vec<Text>>,
    pub(super) peer_name: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPool {
    pub(super) name: Option<Text>,
    pub(super) domains: Option<Spanned<Vec<Text>>>,
    pub(super) peers: Option<Spanned<Vec<Text>>>,
    pub(super) strategy: Option<Strategy>,
    pub(super) weights: Option<Spanned<BTreeMap<Spanned<String>, i64>>>,
    pub(super) priorities: Option<Spanned<BTreeMap<Spanned<String>, i64>>>,
    pub(super) drain: Option<Spanned<Vec<Text>>>,
    pub(super) health: Option<Spanned<RawHealth>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHealth {
    pub(super) options_every: Option<Text>,
    pub(super) timeout: Option<Text>,
    pub(super) down_after: Option<Spanned<i64>>,
    pub(super) up_after: Option<Spanned<i64>>,
    pub(super) fail_back: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDns {
    pub(super) servers: Option<Spanned<Vec<Text>>>,
    pub(super) timeout: Option<Text>,
    pub(super) stale: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLog {
    pub(super) requests: Option<LogRequests>,
    pub(super) format: Option<LogFormat>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTokens {
    pub(super) key_file: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAdmin {
    pub(super) socket: Option<Text>,
    pub(super) watch: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExpect {
    pub(super) certificate: Option<Text>,
    #[serde(rename = "as")]
    pub(super) direction: Option<Direction>,
    pub(super) verdict: Option<RawVerdict>,
    pub(super) reason: Option<Text>,
    pub(super) peer: Option<Text>,
    pub(super) at: Option<Spanned<toml::Value>>,
}

/// A word of `verdict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RawVerdict {
    /// The chain shall be accepted.
    Accept,
    /// It shall be refused.
    Refuse,
}
