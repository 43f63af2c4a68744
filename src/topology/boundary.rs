//! What the boundary of the trust domain is for clients and for each peer.
use super::{Domain, FieldRules, FieldTrust, NamedFields};
use crate::sip::HeaderSet;

/// What the boundary is for one peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerBoundary {
    /// The fields.
    pub fields: FieldRules,
    /// Other fields.
    pub named: NamedFields,
    /// Domains, with all below them, that requests from it or to it may not name, whatever else allows them.
    pub deny: Vec<Domain>,
    /// Whether it takes sips URIs (RFC 5630).
    pub sips: bool,
    /// Whether names and addresses of the home side are hidden from it.
    pub hide_topology: bool,
    /// What is taken out of its requests whose From is anonymous (RFC 3323); `None`: there may be none.
    pub anonymous: Option<HeaderSet>,
}

impl PeerBoundary {
    /// The defaults for a peer that is trusted with asserted identities, or not.
    ///
    /// Also what an entry is compared with for a plan: only differences from it are facts.
    pub fn standard(trust: FieldTrust) -> Self {
        let fields = FieldRules::standard(trust);
        Self {
            fields,
            named: NamedFields::default(),
            deny: Vec::new(),
            sips: true,
            hide_topology: false,
            anonymous: (trust == FieldTrust::Inside).then_some(fields.strip_in),
        }
    }
}

/// `[boundary]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// The fields of clients.
    pub clients: FieldRules,
    /// Their other fields.
    pub named_of_clients: NamedFields,
    /// Whether anybody has rules about other fields: if not, no message is asked.
    pub has_named: bool,
    /// Domains, with all below them, that no request may name, whatever else allows them.
    pub deny_domains: Vec<Domain>,
    /// Whether home servers learn the verified name of the peer that a request came from.
    pub peer_name: bool,
    /// Whether home servers learn the address of the client that a request came from.
    pub client_address: bool,
}

impl Default for Boundary {
    fn default() -> Self {
        Self {
            clients: FieldRules::standard(FieldTrust::Client),
            named_of_clients: NamedFields::default(),
            has_named: false,
            deny_domains: Vec::new(),
            peer_name: false,
            client_address: false,
        }
    }
}
