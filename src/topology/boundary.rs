//! `[boundary]` and the boundary keys of `[[peer]]`: which fields of a trust domain cross to and from whom (RFC 3324,
//! RFC 3325 §5 and its companions), and which domains nobody may name.
use super::TopologyReason;
use super::context::Context;
use super::raw::{RawBoundary, RawFields, RawPeer, Text};
use super::{Domain, DomainSet, Node, PeerKind};
use crate::sip::{HeaderName, HeaderSet};
use toml::Spanned;

/// Which fields of a trust domain pass between this node and one party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct FieldRules {
    /// Taken out of what it sends.
    pub strip_in: HeaderSet,
    /// A request of its own that lacks one of these is refused.
    pub require_in: HeaderSet,
    /// Taken out of what is sent to it.
    pub strip_out: HeaderSet,
    /// Taken out of what is sent to it when the sender asks for `Privacy: id` (RFC 3325 §7).
    pub strip_private: HeaderSet,
    /// Taken out of what is sent to it when the sender asks for `Privacy: history` (RFC 7044 §10.1.2).
    pub strip_history: HeaderSet,
}

/// What the boundary is for one peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerBoundary {
    /// The fields.
    pub fields: FieldRules,
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
    pub fn standard(trust: FieldTrust) -> Self {
        let fields = FieldRules::standard(trust);
        Self {
            fields,
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
    /// Domains, with all below them, that no request may name, whatever else allows them.
    pub deny_domains: Vec<Domain>,
    /// Whether home servers are told the verified name of the peer that a request came from.
    pub peer_name: bool,
}

impl Default for Boundary {
    fn default() -> Self {
        Self {
            clients: FieldRules::standard(FieldTrust::Client),
            deny_domains: Vec::new(),
            peer_name: false,
        }
    }
}

/// How far a party belongs to the trust domain (RFC 3324 §2.3: configuration says so, a certificate alone does not).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldTrust {
    /// A client.
    Client,
    /// A peer without `assert_identity`.
    Outside,
    /// A peer with it.
    Inside,
}

impl FieldTrust {
    /// Of a peer.
    pub fn of_peer(assert_identity: bool) -> Self {
        if assert_identity {
            Self::Inside
        } else {
            Self::Outside
        }
    }
}

/// What happens to a field on one way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Keep,
    Strip,
    /// Stripped when privacy of the identity is asked for.
    Private,
    /// Stripped when privacy of the history is asked for.
    History,
}

/// A field and what happens to it by default, outside the trust domain.
struct Row {
    field: HeaderName,
    from_client: Way,
    from_outside: Way,
    to_client: Way,
    to_outside: Way,
}

macro_rules! rows {
    ($($field:ident $from_client:ident $from_outside:ident $to_client:ident $to_outside:ident;)+) => {
        /// The fields of a trust domain: from a client, from a peer outside, to a client, to a peer outside. Inside,
        /// all are kept.
        const ROWS: &[Row] = &[$(Row {
            field: HeaderName::$field,
            from_client: Way::$from_client,
            from_outside: Way::$from_outside,
            to_client: Way::$to_client,
            to_outside: Way::$to_outside,
        }),+];
        /// Their names, as the topology file writes them.
        const NAMES: &[&str] = &[$(HeaderName::$field.as_str()),+];
    };
}

rows! {
    // RFC 3325 §5, §7 and its precursor.
    PAssertedIdentity         Strip Strip Private Private;
    RemotePartyId             Strip Strip Private Private;
    // RFC 3325 §9.2, RFC 6050 §4.2: a wish to the home servers, which drop it when they have used it.
    PPreferredIdentity        Keep  Strip Strip   Strip;
    PPreferredService         Keep  Strip Strip   Strip;
    // RFC 6050 §4.1, RFC 5502 §6, RFC 5002 §6, RFC 4457 §5.
    PAssertedService          Strip Strip Strip   Strip;
    PServedUser               Strip Strip Strip   Strip;
    PProfileKey               Strip Strip Strip   Strip;
    PUserDatabase             Strip Strip Strip   Strip;
    // RFC 7315 §4. A client tells its access network itself; the called and associated identities are meant for it.
    PChargingVector           Strip Strip Strip   Strip;
    PChargingFunctionAddresses Strip Strip Strip  Strip;
    PVisitedNetworkId         Strip Strip Strip   Strip;
    PAccessNetworkInfo        Keep  Strip Strip   Strip;
    PCalledPartyId            Strip Strip Keep    Strip;
    PAssociatedUri            Strip Strip Keep    Strip;
    // RFC 5009 §8.
    PEarlyMedia               Strip Strip Keep    Strip;
    // RFC 7044 §10.1.2, RFC 5806 §11.
    HistoryInfo               Strip Strip History History;
    Diversion                 Strip Strip Private Private;
    // Whatever else is private: the names say for whom.
    PrivateP                  Strip Strip Keep    Strip;
    PrivateMs                 Strip Strip Keep    Strip;
}

/// The table of docs/topology.md, which a test compares with that file.
#[cfg(test)]
pub(super) fn docs() -> String {
    let word = |way: Way| match way {
        Way::Keep => "kept",
        Way::Strip => "stripped",
        Way::Private => "`id`",
        Way::History => "`history`",
    };
    let mut table = String::from(
        "| field | from a client | from outside | to a client | to outside |\n|---|---|---|---|---|\n",
    );
    for row in ROWS {
        let ways = [
            row.from_client,
            row.from_outside,
            row.to_client,
            row.to_outside,
        ];
        let ways = ways.map(word).join(" | ");
        table.push_str(&format!("| {} | {ways} |\n", row.field.as_str()));
    }
    table
}

/// The words of the lists of fields.
pub(super) const WORDS: &[&str] = NAMES;

impl FieldRules {
    /// The defaults.
    pub fn standard(trust: FieldTrust) -> Self {
        // Only this node says who the sender is, and what is agreed on a connection is for its two ends (MS-CONMGMT).
        let mut rules = Self {
            strip_in: HeaderSet::of(HeaderName::PeerName)
                .with(HeaderSet::of(HeaderName::MsKeepAlive)),
            ..Self::default()
        };
        for row in ROWS {
            let field = HeaderSet::of(row.field);
            let (from, to) = match trust {
                FieldTrust::Client => (row.from_client, row.to_client),
                FieldTrust::Outside => (row.from_outside, row.to_outside),
                FieldTrust::Inside => (Way::Keep, Way::Keep),
            };
            if from == Way::Strip {
                rules.strip_in = rules.strip_in.with(field);
            }
            let set = match to {
                Way::Keep => continue,
                Way::Strip => &mut rules.strip_out,
                Way::Private => &mut rules.strip_private,
                Way::History => &mut rules.strip_history,
            };
            *set = set.with(field);
        }
        rules
    }

    /// These rules with the changes of one table.
    fn changed(mut self, by: &Changes) -> Self {
        self.strip_in = self.strip_in.without(by.keep_in).with(by.strip_in);
        self.require_in = self.require_in.with(by.require_in);
        self.strip_out = self.strip_out.without(by.keep_out).with(by.strip_out);
        // What a sender asks for by Privacy stands above `keep_out` (RFC 3325 §7).
        self
    }
}

/// What one table of the file changes.
#[derive(Clone, Copy, Default)]
struct Changes {
    strip_in: HeaderSet,
    keep_in: HeaderSet,
    require_in: HeaderSet,
    strip_out: HeaderSet,
    keep_out: HeaderSet,
}

impl Changes {
    fn read(raw: Option<&Spanned<RawFields>>, place: &str, context: &mut Context<'_, '_>) -> Self {
        let Some(raw) = raw.map(Spanned::get_ref) else {
            return Self::default();
        };
        let changes = Self {
            strip_in: set(
                raw.strip_in.as_deref(),
                &format!("{place} strip_in"),
                context,
            ),
            keep_in: set(raw.keep_in.as_deref(), &format!("{place} keep_in"), context),
            require_in: set(
                raw.require_in.as_deref(),
                &format!("{place} require_in"),
                context,
            ),
            strip_out: set(
                raw.strip_out.as_deref(),
                &format!("{place} strip_out"),
                context,
            ),
            keep_out: set(
                raw.keep_out.as_deref(),
                &format!("{place} keep_out"),
                context,
            ),
        };
        let clashes = [
            (
                changes.strip_in,
                changes.keep_in,
                raw.keep_in.as_deref(),
                "strip_in and keep_in",
            ),
            (
                changes.strip_out,
                changes.keep_out,
                raw.keep_out.as_deref(),
                "strip_out and keep_out",
            ),
        ];
        for (stripped, kept, list, which) in clashes {
            let clash = stripped.both(kept).names().next();
            if let (Some(field), Some(text)) = (clash, list.and_then(<[Text]>::first)) {
                let line = context.line(text);
                context.twice(line, &format!("{place} {which}"), field.as_str());
            }
        }
        changes
    }
}

/// The fields of a list; the shape check knows that each is one of the words.
fn set(list: Option<&[Text]>, what: &str, context: &mut Context<'_, '_>) -> HeaderSet {
    let mut set = HeaderSet::EMPTY;
    for text in list.unwrap_or_default() {
        let name = HeaderName::from_bytes(text.get_ref().as_bytes());
        if set.has(name) {
            let line = context.line(text);
            context.twice(line, what, text.get_ref());
        }
        set = set.with(HeaderSet::of(name));
    }
    set
}

/// `[boundary]` as far as peers depend on it.
pub(super) struct Loaded {
    pub(super) boundary: Boundary,
    /// Its `deny_domains`.
    pub(super) denied: DomainSet,
    home: Changes,
    federated: Changes,
}

/// Resolves `[boundary]`.
pub(super) fn load(
    raw: Option<&Spanned<RawBoundary>>,
    node: Option<&Node>,
    context: &mut Context<'_, '_>,
) -> Loaded {
    let mut loaded = Loaded {
        boundary: Boundary::default(),
        denied: DomainSet::default(),
        home: Changes::default(),
        federated: Changes::default(),
    };
    let Some(raw) = raw.map(Spanned::get_ref) else {
        return loaded;
    };
    let clients = Changes::read(raw.clients.as_ref(), "boundary clients", context);
    loaded.boundary.clients = loaded.boundary.clients.changed(&clients);
    loaded.home = Changes::read(raw.home.as_ref(), "boundary home", context);
    loaded.federated = Changes::read(raw.federated.as_ref(), "boundary federated", context);
    loaded.boundary.peer_name = raw.peer_name.unwrap_or(false);
    let texts = raw.deny_domains.as_deref().unwrap_or_default();
    loaded.boundary.deny_domains = context.patterns(texts, "boundary deny_domains");
    loaded.denied = loaded.boundary.deny_domains.iter().collect();
    for domain in node.iter().flat_map(|node| &node.domains) {
        if loaded.denied.covers(domain.as_str()) {
            let line = texts.first().map_or(0, |text| context.line(text));
            context.add(
                TopologyReason::HomeDomainDenied,
                line,
                format!("boundary deny_domains denies the home domain {domain}"),
                "take it, and what it lies below, out of one of the two lists",
            );
        }
    }
    loaded
}

/// Resolves the boundary of one peer.
pub(super) fn of_peer(
    raw: &RawPeer,
    kind: PeerKind,
    assert_identity: bool,
    role: &Loaded,
    place: &str,
    context: &mut Context<'_, '_>,
) -> PeerBoundary {
    let by_role = match kind {
        PeerKind::Home => &role.home,
        PeerKind::Federated => &role.federated,
    };
    let own = Changes::read(raw.fields.as_ref(), &format!("{place} fields"), context);
    let fields = FieldRules::standard(FieldTrust::of_peer(assert_identity))
        .changed(by_role)
        .changed(&own);
    // Whose caller is anonymous says who it is by P-Asserted-Identity only; what a list takes out on purpose is out.
    let asserted = HeaderSet::of(HeaderName::PAssertedIdentity);
    let on_purpose = by_role.strip_in.without(own.keep_in).with(own.strip_in);
    let anonymous = raw
        .anonymous
        .as_ref()
        .map_or(assert_identity, |flag| *flag.get_ref());
    PeerBoundary {
        fields,
        anonymous: (anonymous && kind == PeerKind::Federated).then(|| {
            fields
                .strip_in
                .without(asserted)
                .with(on_purpose.both(asserted))
        }),
        deny: context.patterns(
            raw.deny.as_deref().unwrap_or_default(),
            &format!("{place} deny"),
        ),
        sips: raw.sips.unwrap_or(true),
        hide_topology: raw.hide_topology.unwrap_or(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_the_name_of_a_known_field() {
        for (word, row) in WORDS.iter().zip(ROWS) {
            assert_eq!(HeaderName::from_bytes(word.as_bytes()), row.field);
        }
    }

    #[test]
    fn nobody_else_says_the_peers_name_or_what_another_connection_has_agreed_on() {
        let ours = HeaderSet::of(HeaderName::PeerName).with(HeaderSet::of(HeaderName::MsKeepAlive));
        for trust in [FieldTrust::Client, FieldTrust::Outside, FieldTrust::Inside] {
            let rules = FieldRules::standard(trust);
            assert_eq!(rules.strip_in.both(ours), ours);
        }
        let inside = FieldRules::standard(FieldTrust::Inside);
        assert_eq!(inside.strip_in, ours);
        assert!(inside.strip_out.is_empty() && inside.strip_private.is_empty());
    }
}
