//! Peers: the servers that may connect and be connected to, and what each may say.
//!
//! Each line answers a question that comes up in the first call with a partner: which name must the certificate have, for
//! which domains may it speak, what is done to its fields, which address is dialled.
use super::vouching::vouching;
use crate::cli::output::{Page, any, listed};
use crate::sip::HeaderName;
use crate::topology::{Lookup, NamePolicy, Peer, PeerKind, PurposePolicy, Stage, Topology};
use std::io;

/// Every peer with the trust sets that vouch for it.
pub(super) fn peers(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    page.title("Peers: servers that may connect and be connected to")?;
    // A set is read once, however many peers it vouches for: thousands of peers may share one with hundreds of anchors.
    let mut sets: Vec<Option<Vec<u8>>> = vec![None; topology.trusts().len()];
    for peer in topology.peers() {
        page.item(peer.name.as_str(), peer.kind.word())?;
        for reference in &peer.trust {
            let Some(shown) = sets.get_mut(reference.index()) else {
                continue;
            };
            if shown.is_none() {
                let mut out = Vec::new();
                let now = page.now;
                vouching(topology.trust(*reference), &mut Page { out: &mut out, now })?;
                *shown = Some(out);
            }
            page.out.write_all(shown.as_deref().unwrap_or_default())?;
        }
        self::peer(topology, peer, page)?;
    }
    Ok(())
}

/// One peer: its name, its key, the domains that it speaks for, and how it is reached.
fn peer(topology: &Topology, peer: &Peer, page: &mut Page<'_>) -> io::Result<()> {
    // What its certificate must be made out to (RFC 5922 §7.2): wildcards and CNs are exceptions that the file must name.
    let mut name = match peer.names {
        NamePolicy::Exact => format!("{} exactly", peer.fqdn),
        NamePolicy::OneLabelWildcard => format!("{}, or a wildcard for its first label", peer.fqdn),
    };
    if peer.common_name {
        name.push_str("; as CN too, if there is no subjectAltName");
    }
    page.field("certificate name", &name)?;
    // The extended key usage that is asked for depends on which side of the handshake the peer is on (RFC 5280 §4.2.1.12).
    // Many CAs issue certificates for servers only, so the usual policy accepts those in both roles.
    let purpose = match peer.purpose {
        PurposePolicy::ServerOrClient => {
            "as a client of this node: server or client; as a server: server"
        }
        PurposePolicy::Strict => "strict; as a client of this node: client; as a server: server",
    };
    page.field("purpose", purpose)?;
    // Only what differs from the default is shown: most peers are valid at all times and have no pins.
    page.field_if("counts", peer.window.if_any())?;
    // One of the keys must be in the chain; a second one is there before a renewal.
    let pins: Vec<String> = peer.pins.iter().map(ToString::to_string).collect();
    page.fields("one key among", &pins)?;
    // Observed: an operator who introduces pins sees in the log what they would refuse, before they do.
    let observed = "observed: pins and the strictest policies refuse nobody";
    page.field_if("stage", (peer.stage == Stage::Observe).then_some(observed))?;
    // For whom it may speak is the sharpest of its rights, so it is put in full, exceptions included.
    let from = match peer.kind {
        PeerKind::Home => "any domain".to_owned(),
        PeerKind::Sibling => "what a peer that it names may, signed with the token keys".to_owned(),
        PeerKind::Federated => {
            let mut from = listed(&peer.domains);
            if peer.boundary.anonymous.is_some() {
                from.push_str(", nobody (below .invalid)");
            }
            if peer.assert_identity {
                from.push_str(", a number (tel) that is global or of these domains");
            }
            from
        }
    };
    page.field("From may name", &from)?;
    // What it claims about callers counts only as far as this line (RFC 3325 §4).
    page.field("asserted identity", asserted(peer))?;
    let rules = &peer.boundary.fields;
    // A message without one of these is refused, which a partner must know before it is switched on.
    let required = any(rules.require_in.names().map(HeaderName::as_str));
    page.field_if("required fields", required)?;
    page.field_if("may not name", any(&peer.boundary.deny))?;
    // Both are agreements with this partner alone, so they are shown with it and not in the section on the boundary.
    let hidden = peer.boundary.hide_topology.then_some("hidden from it");
    page.field_if("topology", hidden)?;
    let no_sips = (!peer.boundary.sips).then_some("never sent to it");
    page.field_if("sips URIs", no_sips)?;
    // Without addresses the page shows the questions to DNS, so that an operator can ask the same by hand.
    let addresses = any(&peer.addresses).unwrap_or_else(|| by_dns(peer));
    page.field("dialled at", &addresses)?;
    // Per shard: a node with eight shards dials up to eight times as many.
    let several = Some(peer.connections).filter(|n| *n > 1);
    let several = several.map(|n| format!("up to {n} from each shard"));
    page.field_if("connections", several)?;
    // Where a request of a dialog may lead besides, once its connection is gone.
    let covered = any(&peer.covers).map(|names| format!("in dialogs as well: {names}"));
    page.field_if("covers", covered)?;
    page.field_if("knows this node as", peer.advertise.as_ref())?;
    page.field_if("reaches", any(&peer.to_domains))?;
    page.field("is shown", &topology.identity(peer.identity).name)
}

/// What becomes of the fields in which it asserts who a caller is (RFC 3325 §5).
fn asserted(peer: &Peer) -> &'static str {
    let field = HeaderName::PAssertedIdentity;
    let of_anonymous = peer.boundary.anonymous;
    // The rules of the boundary can be changed field by field; the sentence follows the one that decides about identity.
    match (peer.kind, peer.boundary.fields.strip_in.has(field)) {
        (PeerKind::Home | PeerKind::Sibling, false) => "believed and passed on",
        (PeerKind::Federated, false) => {
            "believed and passed on, never for a name of the home side; of an anonymous caller or a number only what From may name"
        }
        (PeerKind::Federated, true) if of_anonymous.is_some_and(|strip| !strip.has(field)) => {
            "stripped; of an anonymous caller numbers and names within its domains pass"
        }
        (PeerKind::Home | PeerKind::Federated | PeerKind::Sibling, true) => "stripped",
    }
}

/// What DNS is asked for a peer without `address` (RFC 3263 §4).
fn by_dns(peer: &Peer) -> String {
    let host = format!("A/AAAA of {}, port 5061", peer.fqdn);
    match peer.dns {
        Lookup::Sip => format!("SRV _sips._tcp.{}, else {host}", peer.fqdn),
        // RFC 3263 knows no such record; it is how Lync and Skype for Business find a partner's edge.
        Lookup::Federation if !peer.domains.is_empty() => {
            let names = peer
                .domains
                .iter()
                .map(|domain| format!("_sipfederationtls._tcp.{domain}"));
            format!("SRV {}, else {host}", listed(names))
        }
        Lookup::Federation | Lookup::Address => host,
    }
}
