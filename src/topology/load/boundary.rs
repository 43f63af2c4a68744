//! `[boundary]` and the boundary keys of `[[peer]]`: which fields of a trust domain cross the boundary, and which
//! domains nobody may name.
use super::loading::Loading;
use crate::sip::{HeaderName, HeaderSet};
use crate::topology::keys::Text;
use crate::topology::keys::boundary::{RawBoundary, RawFields};
use crate::topology::keys::peer::RawPeer;
use crate::topology::trust_fields::FieldChanges;
use crate::topology::{
    Boundary, DomainSet, FieldRules, FieldTrust, Node, PeerBoundary, PeerKind, TopologyReason,
};

impl FieldChanges {
    /// One table of the file, for clients, for a kind of peer or for one peer. The five lists have the
    /// same words.
    fn read(raw: &RawFields, place: &str, loading: &mut Loading<'_, '_>) -> Self {
        let mut set = |list: &[Text], key: &str| set(list, &format!("{place} {key}"), loading);
        let changes = Self {
            strip_in: set(&raw.strip_in, "strip_in"),
            keep_in: set(&raw.keep_in, "keep_in"),
            require_in: set(&raw.require_in, "require_in"),
            strip_out: set(&raw.strip_out, "strip_out"),
            keep_out: set(&raw.keep_out, "keep_out"),
        };
        // A field that is both stripped and kept has no meaning that could be guessed. That a more
        // specific table takes back what a general one does is fine, and is not looked at here.
        for (stripped, kept, list, which) in [
            (
                changes.strip_in,
                changes.keep_in,
                &raw.keep_in,
                "strip_in and keep_in",
            ),
            (
                changes.strip_out,
                changes.keep_out,
                &raw.keep_out,
                "strip_out and keep_out",
            ),
        ] {
            let clash = stripped.both(kept).names().next();
            if let (Some(field), Some(text)) = (clash, list.first()) {
                loading.twice(text, &format!("{place} {which}"), field.as_str());
            }
        }
        changes
    }
}

/// The fields of a list; reading has checked that each is one of the words.
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
    loaded.boundary.clients = loaded.boundary.clients.changed(&clients);
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
    let fields = FieldRules::standard(FieldTrust::of_peer(assert_identity))
        .changed(by_role)
        .changed(&own);
    // Of an anonymous caller only P-Asserted-Identity holds the identity; what a list strips on purpose is stripped.
    // The one field that an anonymous caller is allowed to be identified by (RFC 3323, RFC 3325 §7).
    let asserted = HeaderSet::of(HeaderName::PAssertedIdentity);
    // `strip_in` of the file, as opposed to what is stripped for want of trust.
    let on_purpose = by_role.strip_in.without(own.keep_in).with(own.strip_in);
    // Whoever is believed in general may also send calls without a name, unless the entry forbids it.
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
        deny: loading.patterns(&raw.deny, &format!("{place} deny")),
        sips: raw.sips,
        hide_topology: raw.hide_topology,
    }
}
