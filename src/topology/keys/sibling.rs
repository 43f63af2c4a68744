//! The keys of `[[sibling]]`: another node of this site, with the same token keys.
use super::key::{FLAG, HOUR, SOME_TEXTS, TEXT, TEXTS, TIME, ValueType, duration};
use super::peer::RawPeer;
use super::{Text, keys};
use crate::topology::{Lookup, NamePolicy, PeerKind, PurposePolicy};
use rustls_pki_types::UnixTime;
use std::time::Duration;
use toml::Spanned;

// The keys of a peer that make sense: who it is, who vouches for it and where it is. What it may send is no setting. It is
// loaded as an entry of the list of peers, and compared there.
keys! {
    /// `[[sibling]]` as it is written.
    pub(crate) struct RawSibling {
        fqdn: Option<Text> = required, TEXT, reload,
            "Its `node.fqdn`, which its certificate must carry.";
        trust: Option<Spanned<Vec<Text>>> = required, SOME_TEXTS, reload,
            "The trust sets that may vouch for this name; no other can.";
        address: Vec<Text> = optional("found by `dns`"), SOME_TEXTS, reload,
            "Where to dial, in order: an IP address or host name, with a port (5061 if there is none).";
        dns: Option<Spanned<Lookup>> = optional("`\"sip\"`"), ValueType::Word(&["sip", "address"]), reload,
            "Without `address`: how its addresses are found, as for a peer.";
        names: NamePolicy = default(NamePolicy::Exact), ValueType::Word(NamePolicy::WORDS), reload,
            "How the names of its certificate are compared with `fqdn`, as for a peer.";
        common_name: bool = default(false), FLAG, reload,
            "Whether the subject's CN counts if there is no subjectAltName.";
        purpose: PurposePolicy = default(PurposePolicy::ServerOrClient), ValueType::Word(PurposePolicy::WORDS), reload,
            "Which extended key usages are good when it connects here, as for a peer.";
        identity: Option<Text> = optional("the first identity"), TEXT, reload,
            "The identity to show when connecting to it. It must carry `node.fqdn`, by which the sibling lists this node.";
        not_before: Option<Spanned<UnixTime>> = optional("always"), TIME, reload,
            "When the entry begins to count.";
        not_after: Option<Spanned<UnixTime>> = optional("never"), TIME, reload,
            "When it ceases to count; connections that rest on it end then.";
        pins: Vec<Text> = optional("any key"), TEXTS, reload,
            "SHA-256 of public keys, of which its chain must have one, as for a peer.";
        keepalive: Option<Duration> = optional("none is sent"), duration(100, HOUR), reload,
            "After how much silence a CRLF keep-alive is sent on a connection that sipward made.";
    }
}

impl RawSibling {
    /// The entry of the list of peers that it is.
    pub(crate) fn as_peer(&self) -> RawPeer {
        RawPeer {
            fqdn: self.fqdn.clone(),
            kind: Some(PeerKind::Sibling),
            trust: self.trust.clone(),
            address: self.address.clone(),
            dns: self.dns.clone(),
            names: self.names,
            common_name: self.common_name,
            purpose: self.purpose,
            identity: self.identity.clone(),
            not_before: self.not_before.clone(),
            not_after: self.not_after.clone(),
            pins: self.pins.clone(),
            keepalive: self.keepalive,
            ..RawPeer::default()
        }
    }
}
