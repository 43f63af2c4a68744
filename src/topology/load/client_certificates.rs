//! `[[listener]] client_certificates`: what a certificate means there that speaks for no peer, and who may vouch for clients.
use super::loading::Loading;
use super::section_names::SectionNames;
use crate::topology::keys::listener::{ClientCertificateWord, RawListener};
use crate::topology::{Accept, ClientCertificates, TopologyReason, TrustRef};

/// Resolves the key with its `client_trust`; `None` when something of it is wrong, which is then reported.
///
/// The two keys are resolved together: each decides what the other means, and most combinations of them
/// are mistakes.
pub(super) fn load(
    raw: &RawListener,
    line: u32,
    accept: Accept,
    trusts: &SectionNames,
    place: &str,
    loading: &mut Loading<'_, '_>,
) -> Option<ClientCertificates> {
    let written = raw.client_certificates.as_ref();
    // Where no client is accepted the keys would be read as a promise that nothing keeps.
    if !accept.clients() {
        let of_clients = written
            .map(|word| loading.line(word))
            .or_else(|| raw.client_trust.as_ref().map(|list| loading.line(list)));
        let Some(line) = of_clients else {
            return Some(ClientCertificates::Refuse);
        };
        let what = format!("{place} has a key about clients' certificates, but accepts no clients");
        let remedy =
            "add \"client\" to its `accept`, or remove client_certificates and client_trust";
        loading.add(TopologyReason::NoClientsHere, line, what, remedy);
        return None;
    }
    // The default passes over what names nobody: phones show the certificate of their maker to every
    // server that asks, and a listener for peers must ask.
    let word = written.map_or(ClientCertificateWord::Ignore, |word| *word.get_ref());
    match (word, &raw.client_trust) {
        // The only combination in which the sets are used.
        (ClientCertificateWord::Require, Some(list)) => {
            let sets = trusts.find_all(list.get_ref(), "client_trust", place, loading)?;
            let sets: Vec<TrustRef> = sets.into_iter().map(TrustRef).collect();
            // An empty list was reported; it must not become a listener that nobody can vouch for.
            (!sets.is_empty()).then_some(ClientCertificates::Require(sets))
        }
        // Requiring certificates that nobody can vouch for would refuse every client.
        (ClientCertificateWord::Require, None) => {
            let line = written.map_or(line, |word| loading.line(word));
            let what =
                format!("{place} requires certificates of clients and has no `client_trust`");
            let remedy =
                "name the trust sets that may vouch for clients: client_trust = [\"phones\"]";
            loading.add(TopologyReason::MissingKey, line, what, remedy);
            None
        }
        // The operator may believe that the sets have an effect.
        (ClientCertificateWord::Ignore | ClientCertificateWord::Refuse, Some(list)) => {
            let what =
                format!("{place} has a `client_trust`, but requires no certificate of clients");
            let remedy = "set client_certificates = \"require\", or remove client_trust";
            loading.add(TopologyReason::ClientTrustUnused, list, what, remedy);
            None
        }
        (ClientCertificateWord::Ignore, None) => Some(ClientCertificates::Ignore),
        (ClientCertificateWord::Refuse, None) => Some(ClientCertificates::Refuse),
    }
}
