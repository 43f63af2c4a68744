//! `[[listener]] client_certificates`: what a certificate means there that speaks for no peer, and who may vouch for clients.
use super::TopologyReason;
use super::context::{Context, Names};
use super::raw::{RawClientCertificates, RawListener};
use super::{Accept, ClientCertificates, TrustRef};

/// Resolves the key with its `client_trust`; `None` when something of it is wrong, which is then reported.
pub(super) fn load(
    raw: &RawListener,
    line: u32,
    accept: Accept,
    trusts: &Names,
    place: &str,
    context: &mut Context<'_, '_>,
) -> Option<ClientCertificates> {
    let written = raw.client_certificates.as_ref();
    if !accept.clients() {
        let of_clients = written
            .map(|word| context.line(word))
            .or_else(|| raw.client_trust.as_ref().map(|list| context.line(list)));
        let Some(line) = of_clients else {
            return Some(ClientCertificates::Refuse);
        };
        context.add(
            TopologyReason::NoClientsHere,
            line,
            format!("{place} says what clients' certificates mean, and accepts no clients"),
            "add \"client\" to its `accept`, or take client_certificates and client_trust out",
        );
        return None;
    }
    let word = written.map_or(RawClientCertificates::Ignore, |word| *word.get_ref());
    match (word, &raw.client_trust) {
        (RawClientCertificates::Require, Some(list)) => {
            context.filled(list, &format!("{place} client_trust"));
            let mut sets = Vec::new();
            let mut whole = !list.get_ref().is_empty();
            for text in list.get_ref() {
                let line = context.line(text);
                match trusts.find(text.get_ref(), line, place, context) {
                    None => whole = false,
                    Some(at) if sets.contains(&TrustRef(at)) => {
                        context.twice(line, &format!("{place} client_trust"), text.get_ref());
                    }
                    Some(at) => sets.push(TrustRef(at)),
                }
            }
            whole.then_some(ClientCertificates::Require(sets))
        }
        (RawClientCertificates::Require, None) => {
            let line = written.map_or(line, |word| context.line(word));
            context.add(
                TopologyReason::MissingKey,
                line,
                format!("{place} requires certificates of clients and has no `client_trust`"),
                "name the trust sets that may vouch for clients: client_trust = [\"phones\"]",
            );
            None
        }
        (RawClientCertificates::Ignore | RawClientCertificates::Refuse, Some(list)) => {
            let line = context.line(list);
            context.add(
                TopologyReason::ClientTrustUnused,
                line,
                format!("{place} has a `client_trust`, and requires no certificate of clients"),
                "set client_certificates = \"require\", or take client_trust out",
            );
            None
        }
        (RawClientCertificates::Ignore, None) => Some(ClientCertificates::Ignore),
        (RawClientCertificates::Refuse, None) => Some(ClientCertificates::Refuse),
    }
}
