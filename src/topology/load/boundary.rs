//! `[boundary]` and the boundary keys of `[[peer]]`: which fields of a trust domain cross the boundary, and which
//! domains nobody may name.
use super::loading::Loading;
use crate::sip::{HeaderName, HeaderSet, ProductTexts};
use crate::topology::field_list::FieldList;
use crate::topology::keys::Text;
use crate::topology::keys::boundary::{RawBoundary, RawFields};
use crate::topology::keys::peer::RawPeer;
use crate::topology::trust_fields::FieldChanges;
use crate::topology::{
    Boundary, DomainSet, FieldRules, FieldTrust, NamedFields, Node, PeerBoundary, PeerKind,
    TopologyReason,
};

/// Bytes of the value of User-Agent or Server.
const LONGEST_PRODUCT: usize = 200;

impl FieldChanges {
    /// One table of the file, for clients, for a kind of peer or for one peer. What may stand in a list is the
    /// same in all of them but `require_in`.
    fn read(raw: &RawFields, place: &str, loading: &mut Loading<'_, '_>) -> Self {
        let mut list =
            |texts: &[Text], key: &str| FieldList::read(texts, &format!("{place} {key}"), loading);
        let (strip_in, keep_in) = (
            list(&raw.strip_in, "strip_in"),
            list(&raw.keep_in, "keep_in"),
        );
        let (strip_out, keep_out) = (
            list(&raw.strip_out, "strip_out"),
            list(&raw.keep_out, "keep_out"),
        );
        // A field that is both stripped and kept has no meaning that could be guessed. That a more
        // specific table takes back what a general one does is fine, and is not looked at here.
        for (stripped, kept, texts, which) in [
            (&strip_in, &keep_in, &raw.keep_in, "strip_in and keep_in"),
            (
                &strip_out,
                &keep_out,
                &raw.keep_out,
                "strip_out and keep_out",
            ),
        ] {
            if let (Some(field), Some(text)) = (stripped.clash(kept), texts.first()) {
                loading.twice(text, &format!("{place} {which}"), &field);
            }
        }
        Self {
            strip_in,
            keep_in,
            require_in: set(&raw.require_in, &format!("{place} require_in"), loading),
            strip_out,
            keep_out,
            products: ProductTexts {
                user_agent: product(raw.user_agent.as_ref(), "user_agent", place, loading),
                server: product(raw.server.as_ref(), "server", place, loading),
            },
        }
    }
}

/// A text for the value of a field; what could end the line is reported.
fn product(
    text: Option<&Text>,
    key: &str,
    place: &str,
    loading: &mut Loading<'_, '_>,
) -> Option<Box<str>> {
    let text = text?;
    let value = text.get_ref().trim();
    // RFC 3261 §20.35 has tokens and comments; all that is printed does no harm.
    let is_printed = value
        .bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if !is_printed || value.len() > LONGEST_PRODUCT {
        let what = format!("{place} {key} {value:?} cannot be the value of a header field");
        let remedy = "write at most 200 printable ASCII characters, such as \"contoso\"";
        loading.add(TopologyReason::FieldNotPermitted, text, what, remedy);
        return None;
    }
    Some(value.into())
}

/// The fields of a list of words; reading has checked that each is one of them.
///
/// Repetitions are reported: in a list of nineteen similar names the second was most likely meant to be
/// another.
fn set(list: &[Text], what: &str, loading: &mut Loading<'_, '_>) -> HeaderSet {
    let mut set = HeaderSet::EMPTY;
    for text in list {
        let name = HeaderName::from_bytes(text.get_ref().as_bytes());
        if set.has(name) {
            loading.twice(text, what, text.get_ref());
        }
        set = set.with(HeaderSet::of(name));
    }
    set
}

/// `[boundary]` as far as peers depend on it.
///
/// What the section has for home and federated peers ends up in each peer; only the part about clients
/// stays on its own.
pub(super) struct LoadedBoundary {
    pub(super) boundary: Boundary,
    /// Its `deny_domains`.
    pub(super) denied: DomainSet,
    home: FieldChanges,
    federated: FieldChanges,
}

/// Resolves `[boundary]`.
///
/// Without the section every list is empty, and the defaults of the table of fields hold.
pub(super) fn load(
    raw: &RawBoundary,
    node: Option<&Node>,
    loading: &mut Loading<'_, '_>,
) -> LoadedBoundary {
    // The defaults of RFC 3325 §5; the file only changes them.
    let mut loaded = LoadedBoundary {
        boundary: Boundary::default(),
        denied: DomainSet::default(),
        home: FieldChanges::default(),
        federated: FieldChanges::default(),
    };
    let clients = FieldChanges::read(&raw.clients, "boundary clients", loading);
    let (fields, named) = (
        loaded.boundary.clients,
        &mut loaded.boundary.named_of_clients,
    );
    loaded.boundary.clients = fields.changed(&clients, named);
    loaded.home = FieldChanges::read(&raw.home, "boundary home", loading);
    loaded.federated = FieldChanges::read(&raw.federated, "boundary federated", loading);
    loaded.boundary.peer_name = raw.peer_name;
    loaded.boundary.client_address = raw.client_address;
    let texts = &raw.deny_domains;
    loaded.boundary.deny_domains = loading.patterns(texts, "boundary deny_domains");
    loaded.denied = loaded.boundary.deny_domains.iter().collect();
    // A denied home domain would refuse every request of every user. `deny` wins over everything else,
    // so nothing could allow it again.
    for domain in node.iter().flat_map(|node| &node.domains) {
        if loaded.denied.covers(domain.as_str()) {
            let line = texts.first().map_or(0, |text| loading.line(text));
            let what = format!("boundary deny_domains denies the home domain {domain}");
            let remedy = "remove it, and what it lies below, from one of the two lists";
            loading.add(TopologyReason::HomeDomainDenied, line, what, remedy);
        }
    }
    loaded
}

/// Resolves the boundary of one peer.
///
/// Three layers, each on top of the one before: what the trust in the peer's assertions means, what the
/// section has for its kind, and what its own entry has.
pub(super) fn of_peer(
    raw: &RawPeer,
    kind: PeerKind,
    assert_identity: bool,
    role: &LoadedBoundary,
    place: &str,
    loading: &mut Loading<'_, '_>,
) -> PeerBoundary {
    // The section's table for the kind of peer.
    let by_role = match kind {
        PeerKind::Home => &role.home,
        PeerKind::Federated => &role.federated,
        // What crosses to a sibling has a sender and a receiver of its own, whose rules hold.
        PeerKind::Sibling => &FieldChanges::default(),
    };
    // The entry's own table comes last and wins.
    let own = FieldChanges::read(&raw.fields, &format!("{place} fields"), loading);
    let mut named = NamedFields::default();
    let fields = FieldRules::standard(FieldTrust::of_peer(assert_identity))
        .changed(by_role, &mut named)
        .changed(&own, &mut named);
    // Of an anonymous caller only P-Asserted-Identity holds the identity; what a list strips on purpose is stripped.
    // The one field that an anonymous caller is allowed to be identified by (RFC 3323, RFC 3325 §7).
    let asserted = HeaderSet::of(HeaderName::PAssertedIdentity);
    // `strip_in` of the file, as opposed to what is stripped for want of trust.
    let on_purpose = by_role.strip_in.set.without(own.keep_in.set);
    let on_purpose = on_purpose.with(own.strip_in.set);
    // Whoever is believed in general may also send calls without a name, unless the entry forbids it.
    let anonymous = raw
        .anonymous
        .as_ref()
        .map_or(assert_identity, |flag| *flag.get_ref());
    PeerBoundary {
        fields,
        named,
        anonymous: (anonymous && kind == PeerKind::Federated).then(|| {
            fields
                .strip_in
                .without(asserted)
                .with(on_purpose.both(asserted))
        }),
        deny: loading.patterns(&raw.deny, &format!("{place} deny")),
        sips: raw.sips,
        hide_topology: raw.hide_topology,
    }
}
