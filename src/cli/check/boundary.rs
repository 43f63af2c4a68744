//! The boundary: which header fields cross between the trust domain and the rest (RFC 3325, RFC 3323).
//!
//! Field by field, because a single missing row is how a private identity leaves a trust domain. The rules are those that
//! result after defaults and switches, not those that the file has.
use crate::cli::output::{Page, any, field_names, listed};
use crate::sip::HeaderName;
use crate::topology::{FieldRules, FieldTrust, NamedFields, Topology};
use std::io;

/// What is stripped in which direction: of clients, of each peer that is not inside the trust domain, and of all.
pub(super) fn boundary(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    let boundary = topology.boundary();
    page.title("Boundary: what crosses between the trust domain and the rest")?;
    // One block for each role: what is taken out of its messages, and out of those towards it.
    let role = |(of, named): (&FieldRules, &NamedFields), page: &mut Page<'_>| -> io::Result<()> {
        page.field("stripped from", &field_names(of.strip_in))?;
        page.field("stripped towards", &field_names(of.strip_out))?;
        page.field("for Privacy: id", &field_names(of.strip_private))?;
        page.field("for Privacy: history", &field_names(of.strip_history))?;
        let required = any(of.require_in.names().map(HeaderName::as_str));
        page.field_if("required fields", required)?;
        // By their names alone, the widest table first; the last that fits decides.
        for (title, rules) in [
            ("by name from", &named.strip_in),
            ("by name towards", &named.strip_out),
        ] {
            let shown = rules.shown().map(|(name, strips)| {
                let way = if strips { "stripped" } else { "kept" };
                format!("{name} {way}")
            });
            page.field_if(title, any(shown))?;
        }
        // What programs are called towards this role.
        page.field_if("User-Agent", named.products.user_agent.as_deref())?;
        page.field_if("Server", named.products.server.as_deref())
    };
    page.line("clients")?;
    role((&boundary.clients, &boundary.named_of_clients), page)?;
    // Peers inside the trust domain exchange every field, so they are left out.
    let inside = FieldRules::standard(FieldTrust::Inside);
    let peers = topology.peers().iter();
    for peer in
        peers.filter(|peer| peer.boundary.fields != inside || !peer.boundary.named.is_empty())
    {
        page.item(peer.name.as_str(), peer.kind.word())?;
        role((&peer.boundary.fields, &peer.boundary.named), page)?;
        // Callers that withhold their identity may have rules of their own (RFC 3323 §4.1).
        let anonymous = peer.boundary.anonymous;
        let other = anonymous.filter(|strip| *strip != peer.boundary.fields.strip_in);
        page.field_if("where anonymous", other.map(field_names))?;
    }
    page.line("all")?;
    page.field("denied domains", &listed(&boundary.deny_domains))?;
    let informed = if boundary.peer_name {
        "sent to home servers, in X-Sipward-Peer"
    } else {
        "not sent to anybody"
    };
    page.field("sender's name", informed)?;
    let informed = if boundary.client_address {
        "sent to home servers, in X-Sipward-Client"
    } else {
        "not sent to anybody"
    };
    page.field("client's address", informed)
}
