//! The keys of `[[peer]]`: a server that may connect and be connected to.
use super::boundary::RawFields;
use super::identity::bound;
use super::key::{FLAG, HOUR, SOME_TEXTS, TEXT, TEXTS, TIME, ValueType, duration};
use super::{Compare, ShownValue, Text, keys};
use crate::topology::{Lookup, NamePolicy, Peer, PeerKind, PurposePolicy, Stage, Topology};
use rustls_pki_types::UnixTime;
use std::time::Duration;
use toml::Spanned;

/// The most connections that a shard makes to one peer: more than a few only cost the peer.
const MOST_CONNECTIONS: u64 = 16;

// What concerns the boundary of the trust domain is kept in a struct of its own when loaded, so
// these rows say where they compare. The rows come in the order in which an operator thinks of a
// peer: who it is, who vouches for it, where it is, how its certificate is judged, and what it may
// send.
keys! {
    /// `[[peer]]` as it is written.
    pub(crate) struct RawPeer compares Topology, Peer {
        name: Option<Text> = optional("the `fqdn`"), TEXT, reload,
            "What the entry is known by in pools, commands, logs, metrics and `X-Sipward-Peer`; in the form of a host name, \
             unique over peers and siblings."
            => Compare::Elsewhere;
        fqdn: Option<Text> = required, TEXT, reload,
            "The name that its certificate must carry, in both directions. Several federated entries may have one, each with a `name`, an \
             `identity` and an `advertise` of its own ([below](#several-tenants))."
            => Compare::Value(|_, peer| ShownValue::text(&peer.fqdn));
        kind: Option<PeerKind> = required, ValueType::Word(PeerKind::OF_PEERS), reload,
            "`\"home\"`: a server of the home side. `\"federated\"`: a partner's."
            => Compare::Value(|_, peer| ShownValue::text(&peer.kind.word()));
        // With its line, although only the references in it can be wrong: an unknown set is reported at
        // its own line.
        trust: Option<Spanned<Vec<Text>>> = required, SOME_TEXTS, reload,
            "The trust sets that may vouch for this name; no other can."
            => Compare::Value(|topology, peer| ShownValue::list(peer.trust.iter().map(|set| &topology.trust(*set).name)));
        // Optional in the table although a federated peer needs it: whether it does depends on `kind`,
        // which a row cannot express. Loading reports it.
        domains: Option<Spanned<Vec<Text>>> = optional("none"), TEXTS, reload,
            "Federated, required there: the SIP domains that it may assert in From and that are routed to it. `*.` with a name \
             stands for all below that name, as long as no home domain, home server or name of this node lies there. Home: a \
             part of `node.domains`, for the reader; not needed."
            => Compare::Value(|_, peer| ShownValue::list(&peer.domains));
        // An empty list is a fault: whoever wants DNS to be asked leaves the key out.
        address: Vec<Text> = optional("found by `dns`"), SOME_TEXTS, reload,
            "Where to dial, in order: an IP address or host name, with a port (5061 if there is none). Of servers with one certificate an IP address also says which of them connects."
            => Compare::Value(|_, peer| ShownValue::list(&peer.addresses));
        // Its presence matters: a `dns` beside `address` is reported as unused, the default is not.
        dns: Option<Spanned<Lookup>> = optional("`\"sip\"`"), ValueType::Word(Lookup::WORDS), reload,
            "Without `address`: how its addresses are found. `\"sip\"`: SRV `_sips._tcp` of `fqdn`, and without that A/AAAA of \
             it, port 5061 (RFC 3263). `\"federation\"`: SRV `_sipfederationtls._tcp` of each of `domains` in turn, and without \
             any A/AAAA of `fqdn`. `\"address\"`: A/AAAA of `fqdn`, port 5061. Whatever DNS answers, the certificate must name `fqdn`."
            => Compare::Value(|_, peer| ShownValue::text(&peer.dns.word()));
        covers: Vec<Text> = optional("none"), TEXTS, reload,
            "Federated: further names of its servers, or `*.` with a name of two labels or more for all below that. A request of \
             the home side in a dialog whose connection is gone is sent to the host of its next Route if that is one of them, dialled \
             under that name ([below](#covered-names))."
            => Compare::Value(|_, peer| ShownValue::list(&peer.covers));
        names: NamePolicy = default(NamePolicy::Exact), ValueType::Word(NamePolicy::WORDS), reload,
            "How the names of its certificate are compared with `fqdn`. `\"exact\"`: whole names only (RFC 5922 §7.2). \
             `\"one-label-wildcard\"`: also `*.rest`, for one label.";
        common_name: bool = default(false), FLAG, reload,
            "Whether the subject's CN counts if there is no subjectAltName.";
        purpose: PurposePolicy = default(PurposePolicy::ServerOrClient), ValueType::Word(PurposePolicy::WORDS), reload,
            "Which extended key usages are good when it connects here. `\"server-or-client\"`: serverAuth is as good as \
             clientAuth. `\"strict\"`: serverAuth alone is not. When sipward connects, clientAuth alone is never enough.";
        // The default depends on `kind`.
        assert_identity: Option<bool> = optional("home `true`, federated `false`"), FLAG, reload,
            "Whether its P-Asserted-Identity is believed and passed on (RFC 3325), except for names of the home side if it is \
             federated ([below](#boundary)). From of a federated one may then be a `tel:` number, too: a global one, or a local \
             one whose `phone-context` is global or within its `domains` (RFC 3966 §5.1.5)."
            => Compare::Value(|_, peer| ShownValue::text(&peer.assert_identity));
        // Optional, as its default is the value of another key; with its line, as it is reported at a
        // home peer.
        anonymous: Option<Spanned<bool>> = optional("as `assert_identity`"), FLAG, reload,
            "Federated: whether From of its requests may be anonymous. That is any name below `.invalid`, such as \
             `anonymous.invalid` or `unknown.invalid`, which nobody can have (RFC 2606 §2, RFC 3323 §4.1.1.3), unless this file \
             names it. Of the P-Asserted-Identity of such a request only values within its `domains` and numbers pass \
             ([below](#boundary)), and these pass although others of its requests may assert nothing, unless `strip_in` names \
             the field."
            => Compare::Value(|_, peer| ShownValue::text(&peer.boundary.anonymous.is_some()));
        identity: Option<Text> = optional("the first identity"), TEXT, reload,
            "The identity to show when connecting to it."
            => Compare::Value(|topology, peer| ShownValue::text(&topology.identity(peer.identity).name));
        advertise: Option<Text> = optional("as all peers"), TEXT, reload,
            "Federated: the name by which this peer knows this node, in Via, Record-Route, hidden Contacts and pings, and by which it \
             calls it. Its `identity` must carry it, and a listener for peers show that."
            => Compare::Value(|_, peer| ShownValue::list(&peer.advertise));
        to_domains: Vec<Text> = optional("all home domains"), SOME_TEXTS, reload,
            "Federated: the home domains that its requests reach."
            => Compare::Value(|_, peer| ShownValue::list(&peer.to_domains));
        not_before: Option<Spanned<UnixTime>> = optional("always"), TIME, reload,
            "When the entry begins to count; before, it counts as absent (`peer_not_yet_active`)."
            => Compare::Value(|_, peer| bound(peer.window.not_before));
        not_after: Option<Spanned<UnixTime>> = optional("never"), TIME, reload,
            "When it ceases to count (`peer_no_longer_active`); connections that rest on it end then."
            => Compare::Value(|_, peer| bound(peer.window.not_after));
        // No pins means that any key will do; an empty list is the same and harmless.
        pins: Vec<Text> = optional("any key"), TEXTS, reload,
            "SHA-256 of public keys (SubjectPublicKeyInfo, RFC 7469), in base64 or hex. One of the leaf, its issuers or the \
             anchor must have such a key, in addition to everything else (`pin_mismatch`)."
            => Compare::Value(|_, peer| ShownValue::list(&peer.pins));
        // With its line, since `"observe"` is warned of as long as it is there.
        stage: Option<Spanned<Stage>> = optional("`\"enforce\"`"), ValueType::Word(Stage::WORDS), reload,
            "Whether the pins decide. `\"enforce\"`: they do. `\"observe\"`: they refuse \
             nobody; what they and the strictest reading of every policy (whole names in subjectAltName, `purpose = \"strict\"`, \
             a current CRL for the whole chain) would refuse is the event `would_refuse`."
            => Compare::Value(|_, peer| ShownValue::text(&peer.stage.word()));
        // Two masks of fields would be unreadable; `sipward check` shows what passes.
        fields: RawFields = optional("as its kind"), ValueType::Table(RawFields::KEYS), reload,
            "Changes to what crosses to and from this peer, as under `[boundary]`."
            => Compare::Value(|_, peer| ShownValue::digest(&(&peer.boundary.fields, &peer.boundary.named)));
        deny: Vec<Text> = optional("none"), TEXTS, reload,
            "Domains, each with all below it (`*.` with a name: only that), that no request from it or to it may name. Wins over \
             `domains`."
            => Compare::Value(|_, peer| ShownValue::list(&peer.boundary.deny));
        sips: bool = default(true), FLAG, reload,
            "Whether it takes sips URIs (RFC 5630). `false`: a sips Request-URI for it is answered 480, and its own sip Contact \
             with a sips Request-URI is let pass."
            => Compare::Value(|_, peer| ShownValue::text(&peer.boundary.sips));
        hide_topology: bool = default(false), FLAG, reload,
            "Whether names and addresses of the home side are hidden from it. Via, Record-Route, Path, Service-Route and Contact \
             carry encrypted tokens of this node instead, made with the keys of `[tokens]`; other fields that name the home side \
             are hidden or removed, see below."
            => Compare::Value(|_, peer| ShownValue::text(&peer.boundary.hide_topology));
        keepalive: Option<Duration> = optional("none is sent"), duration(100, HOUR), reload,
            "After how much silence a CRLF keep-alive is sent on a connection that sipward made (RFC 5626 §4.4.1), up to a fifth \
             sooner. Without an answer within 10 s the connection is closed (`no_pong`). Only for peers that answer them. Holds \
             for connections made after the reload.";
        // More than one helps only where a single TLS stream is the bottleneck.
        connections: u8 = default(1), ValueType::Integer(1, MOST_CONNECTIONS), reload,
            "Connections that each shard makes to it under load. The requests of a dialog share one.";
        invites: usize = default(Peer::INVITES), ValueType::Integer(1, 10_000_000), reload,
            "INVITEs without a final answer at a time from all connections with it, in each shard; re-INVITEs may take an eighth \
             more. More are answered 503.";
        rate: usize = default(1_000_000), ValueType::Integer(1, 100_000_000), reload,
            "Requests a second that all connections with it may begin, in each shard; more are answered 503 with Retry-After, and \
             what belongs to dialogs passes. When one connection has sent twice as many messages of any kind, nothing is read from \
             it for the rest of the second.";
    }
}
