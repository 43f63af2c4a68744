//! The keys of `[boundary]`, and the table of fields that it shares with `[[peer]]`.
use super::key::{FLAG, TEXTS, ValueType};
use super::{Compare, ShownValue, Text, keys};
use crate::topology::Boundary;
use crate::topology::trust_fields::FIELD_NAMES;

/// The words are the names of known fields, so that a misspelt one is found when the file is read.
const FIELD_LIST: ValueType = ValueType::Words(FIELD_NAMES, 0);

keys! {
    /// Which fields of a trust domain pass, as it is written.
    pub(crate) struct RawFields {
        strip_in: Vec<Text> = optional("none"), FIELD_LIST, reload,
            "Fields to remove from what it sends, besides those of the table below.";
        keep_in: Vec<Text> = optional("none"), FIELD_LIST, reload,
            "Fields to leave in although the table strips them.";
        require_in: Vec<Text> = optional("none"), FIELD_LIST, reload,
            "Fields without which its requests are answered 403, in-dialog ones excepted.";
        strip_out: Vec<Text> = optional("none"), FIELD_LIST, reload,
            "Fields to remove from what is sent to it, besides those of the table below.";
        keep_out: Vec<Text> = optional("none"), FIELD_LIST, reload,
            "Fields to leave in although the table strips them. What Privacy asks to withhold is withheld all the same.";
    }
}

keys! {
    /// `[boundary]` as it is written.
    pub(crate) struct RawBoundary compares (), Boundary {
        // An empty table is the same as none.
        clients: RawFields = optional("none"), ValueType::Table(RawFields::KEYS), reload,
            "Changes for clients."
            => Compare::Value(|(), boundary| ShownValue::digest(&boundary.clients));
        // What these two change is compared at each peer.
        home: RawFields = optional("none"), ValueType::Table(RawFields::KEYS), reload,
            "The same for all home peers. A peer's own `fields` come on top."
            => Compare::Elsewhere;
        federated: RawFields = optional("none"), ValueType::Table(RawFields::KEYS), reload,
            "The same for all federated peers."
            => Compare::Elsewhere;
        deny_domains: Vec<Text> = optional("none"), TEXTS, reload,
            "Domains, each with all below it (`*.` with a name: only that), that no request may name in From, To or Request-URI, \
             in any method. Wins over every list that allows."
            => Compare::Value(|(), boundary| ShownValue::list(&boundary.deny_domains));
        peer_name: bool = default(false), FLAG, reload,
            "Whether home servers learn the verified name of the peer that a request came from, in `X-Sipward-Peer`. That field is \
             removed from whatever comes in, and never sent to anybody else.";
        client_address: bool = default(false), FLAG, reload,
            "Whether home servers learn the true address of the client that a request came from, in `X-Sipward-Client: 192.0.2.7;port=40000`, \
             so that they can refuse it by its address. That field is removed from whatever comes in, and never sent to anybody else.";
    }
}
