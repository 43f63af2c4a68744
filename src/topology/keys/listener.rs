//! The keys of `[[listener]]`: where sipward listens, and who may connect.
use super::key::{SOME_TEXTS, TEXT, TEXTS, ValueType};
use super::{Compare, ShownValue, Text, keys, words};
use crate::topology::{Listener, Topology};
use toml::Spanned;

words! {
    /// A word of `accept`.
    pub(crate) enum AcceptWord {
        /// Connections without a certificate.
        Client = "client",
        /// Listed servers.
        Peer = "peer",
    }

    /// A word of `client_certificates`.
    pub(crate) enum ClientCertificateWord {
        /// Passed over, if it has to do with nobody that the topology names.
        Ignore = "ignore",
        /// Refused.
        Refuse = "refuse",
        /// Needed, from `client_trust`.
        Require = "require",
    }
}

// Sockets are made once, at the start. What a listener shows and accepts is looked up for each
// connection, so a reload changes it.
keys! {
    /// `[[listener]]` as it is written.
    pub(crate) struct RawListener compares Topology, Listener {
        name: Option<Text> = required, TEXT, reload,
            "Its name in logs."
            => Compare::Elsewhere;
        address: Option<Text> = required, TEXT, restart,
            "IP address with port: `0.0.0.0:5061`, `[::]:5061`. Without a port: 5061. Port 0 lets the system choose. Listeners \
             come and go with a restart, too. A socket that systemd hands over (`config/sipward.socket`) serves the listener of its \
             `FileDescriptorName=`, else the one with this address."
            => Compare::Value(|_, listener| ShownValue::text(&listener.address));
        identity: Option<Text> = optional("the first identity"), TEXT, reload,
            "The identity to show without SNI, or when no other carries the name asked for."
            => Compare::Value(|topology, listener| ShownValue::text(&topology.identity(listener.identity).name));
        sni: Option<Vec<Text>> = optional("all identities"), TEXTS, reload,
            "Further identities, chosen by SNI. No two of one listener may carry the same name."
            => Compare::Value(|topology, listener| {
                ShownValue::list(listener.sni.iter().map(|identity| &topology.identity(*identity).name))
            });
        accept: Option<Spanned<Vec<AcceptWord>>> = optional("both"), ValueType::Words(AcceptWord::WORDS, 1),
            restart_in_part,
            "Who may come in. `\"client\"`: phones and other clients. `\"peer\"`: listed servers with a certificate. A reload changes \
             who may come in. A restart is needed as far as it chooses the port that is announced: that of the first listener that \
             takes clients, and peers."
            => Compare::Value(|_, listener| ShownValue::Text(format!("{:?}", listener.accept).to_ascii_lowercase()));
        client_certificates: Option<Spanned<ClientCertificateWord>> =
            optional("`\"ignore\"`"), ValueType::Word(ClientCertificateWord::WORDS), reload,
            "What a certificate means that speaks for no peer. `\"ignore\"`: it is passed over, and the connection is a client's, \
             if it has to do with nobody that this file names; see below. `\"refuse\"`: whoever shows one is refused. \
             `\"require\"`: clients must show one that `client_trust` vouches for. Only with `\"client\"` in `accept`."
            => Compare::Value(|_, listener| ShownValue::text(&listener.client_certificates.word()));
        client_trust: Option<Spanned<Vec<Text>>> = optional("none"), SOME_TEXTS, reload,
            "With `client_certificates = \"require\"`, and required there: the trust sets that may vouch for clients."
            => Compare::Value(|topology, listener| {
                ShownValue::list(listener.client_certificates.trust().iter().map(|set| &topology.trust(*set).name))
            });
        // As the node's.
        advertise: Option<Text> = optional("`node.advertise`"), TEXT, restart,
            "The name in Via, Record-Route and Path for whom this listener serves, where inside and outside know the node by \
             different names. That of the first listener that takes clients is announced to clients, that of the first that \
             takes peers to peers. An identity of the listener must carry it."
            => Compare::Value(|_, listener| listener.advertise.as_ref().map_or(ShownValue::Absent, ShownValue::text));
        // From where a header is taken, from there it is required: the address alone decides between the two kinds of
        // connections, and never what comes on them.
        proxy_protocol: Vec<Text> = optional("none"), TEXTS, reload,
            "Addresses and networks (`10.0.0.0/24`) of layer-4 balancers, which say first whom a connection is from (PROXY \
             protocol, version 1 or 2). From there a header is required before TLS, within `limits.proxy_header_timeout`; from \
             any other address it is refused. What it names counts as the source, in bounds, Via and the log. Connections of the \
             balancer itself (LOCAL, UNKNOWN, its own end as the source, or closed without a word) are its health checks: they are \
             counted and have no line in the log."
            => Compare::Value(|_, listener| ShownValue::list(&listener.proxy_protocol));
    }
}
