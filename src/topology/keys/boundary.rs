//! The keys of `[boundary]`, and the table of fields that it shares with `[[peer]]`.
use super::key::{FLAG, TEXT, TEXTS, ValueType};
use super::{Compare, ShownValue, Text, keys};
use crate::topology::Boundary;
use crate::topology::trust_fields::FIELD_NAMES;

/// Only fields of the table can be owed: the words are their names.
// Other lists take any name; what is misspelt in those is found when they are resolved.
const FIELD_LIST: ValueType = ValueType::Words(FIELD_NAMES, 0);

keys! {
    /// Which fields of a trust domain pass, as it is written.
    pub(crate) struct RawFields {
        strip_in: Vec<Text> = optional("none"), TEXTS, reload,
            "Fields to remove from what it sends, besides those of the table below: any name, or the beginning of names with an asterisk \
             (`X-*`). What a proxy or a parser needs cannot be chosen (`field_not_permitted`).";
        keep_in: Vec<Text> = optional("none"), TEXTS, reload,
            "Fields to leave in although the table, a pattern of `strip_in` or a wider table strips them.";
        require_in: Vec<Text> = optional("none"), FIELD_LIST, reload,
            "Fields without which its requests are answered 403, in-dialog ones excepted.";
        strip_out: Vec<Text> = optional("none"), TEXTS, reload,
            "Fields to remove from what is sent to it, besides those of the table below.";
        keep_out: Vec<Text> = optional("none"), TEXTS, reload,
            "Fields to leave in although the table, a pattern of `strip_out` or a wider table strips them. What Privacy asks to withhold is withheld all the same.";
        user_agent: Option<Text> = optional("as it came"), TEXT, reload,
            "What User-Agent says in what is sent to it, where that field is there.";
        server: Option<Text> = optional("as it came"), TEXT, reload,
            "The same for Server.";
    }
}

keys! {
    /// `[boundary]` as it is written.
    pub(crate) struct RawBoundary compares (), Boundary {
        // An empty table is the same as none.
        clients: RawFields = optional("none"), ValueType::Table(RawFields::KEYS), reload,
            "Changes for clients."
            => Compare::Value(|(), boundary| ShownValue::digest(&(&boundary.clients, &boundary.named_of_clients)));
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
