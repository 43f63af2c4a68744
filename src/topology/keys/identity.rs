//! The keys of `[[identity]]`: a certificate of this node.
use super::key::{TEXT, TIME};
use super::{Compare, ShownValue, Text, keys};
use crate::topology::moment::{show_moment, show_time};
use crate::topology::{CertificateFacts, Identity, KeyPair, Topology};
use rustls_pki_types::UnixTime;
use toml::Spanned;

// The key of a pair is never compared: a new key comes with a new chain, and a digest of a private key
// must not end up in a log.
keys! {
    /// `[[identity]]` as it is written.
    pub(crate) struct RawIdentity compares Topology, Identity {
        name: Option<Text> = required, TEXT, reload,
            "What listeners and peers call it."
            => Compare::Elsewhere;
        certificate: Option<Text> = required, TEXT, reload,
            "File with the leaf first, then its issuers in order, without the root."
            => Compare::Change(renewed);
        private_key: Option<Text> = required, TEXT, reload,
            "File with the leaf's key, without a passphrase, mode 0600."
            => Compare::Elsewhere;
        client_certificate: Option<Text> = optional("`certificate`"), TEXT, reload,
            "File with the chain to show when connecting out. Goes with `client_private_key`."
            => Compare::Change(client_renewed);
        client_private_key: Option<Text> = optional("`private_key`"), TEXT, reload,
            "Its key."
            => Compare::Elsewhere;
        // The two ends of a window are two keys, so each shows its own change.
        not_before: Option<Spanned<UnixTime>> = optional("always"), TIME, reload,
            "When it begins to be shown."
            => Compare::Value(|_, item| bound(item.window.not_before));
        not_after: Option<Spanned<UnixTime>> = optional("never"), TIME, reload,
            "When it ceases to be shown."
            => Compare::Value(|_, item| bound(item.window.not_after));
        // A response is renewed every few days, so that it changed is worth a word, but not its
        // content.
        ocsp: Option<Text> = optional("none"), TEXT, reload,
            "File with an OCSP response in DER about `certificate`, stapled to it as a server. Read again as often as the CRLs, \
             and dropped at the first reading at which it is no longer current, genuine and good. One about another certificate \
             is an error."
            => Compare::Value(|_, item| ShownValue::digest(&item.staple.as_ref().map(|staple| &staple.response)));
    }
}

/// One end of a window.
///
/// Shared by every section that has a window.
pub(super) fn bound(end: Option<u64>) -> ShownValue {
    end.map_or(ShownValue::Absent, |end| ShownValue::Text(show_moment(end)))
}

/// The end of the new certificate is what an operator wants to see after a renewal.
fn until(pair: &KeyPair) -> String {
    let leaf = pair
        .chain
        .first()
        .and_then(|der| CertificateFacts::read(der));
    leaf.map_or_else(String::new, |leaf| {
        format!(", valid until {}", show_time(leaf.not_after))
    })
}

/// By content: the path usually stays the same, and a reload is how the new file is taken up.
fn renewed(old: &Identity, new: &Identity) -> Option<String> {
    (old.server.chain != new.server.chain)
        .then(|| format!("certificate renewed{}", until(&new.server)))
}

/// It may also come or go; without it the server certificate is shown in both directions.
fn client_renewed(old: &Identity, new: &Identity) -> Option<String> {
    let chain = |identity: &Identity| identity.client.as_ref().map(|pair| pair.chain.clone());
    (chain(old) != chain(new)).then(|| match &new.client {
        Some(pair) => format!("client certificate renewed{}", until(pair)),
        None => "client certificate removed".to_owned(),
    })
}
