//! Listeners: who may connect where, and what is asked of them.
//!
//! The most frequent surprise of a listener is a certificate that is asked for, or not asked for, by who else may connect.
use crate::cli::output::{Page, any, listed};
use crate::topology::{Accept, ClientCertificates, Identity, Topology};
use std::io;

/// Each listener. What clients must show depends on two keys at once (`accept` and `client_certificates`), so it is put
/// into words.
pub(super) fn listeners(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    page.title("Listeners: the addresses that this node serves")?;
    for listener in topology.listeners() {
        page.item(&listener.name, &listener.address.to_string())?;
        let who = match listener.accept {
            Accept::Clients => "clients (TLS)",
            Accept::Peers => "the peers below (MTLS); a certificate is required",
            Accept::Both => "clients (TLS) and the peers below (MTLS)",
        };
        page.field("may connect", who)?;
        // Whether a certificate is requested at all depends on the peers that share the listener: TLS asks before it is
        // known who connects.
        if listener.accept.clients() {
            let sets = listener.client_certificates.trust().iter();
            let sets = listed(sets.map(|r| &topology.trust(*r).name));
            let meaning = match (&listener.client_certificates, listener.accept.peers()) {
                (ClientCertificates::Require(_), _) => {
                    format!("must show a certificate that leads to an anchor of {sets}")
                }
                (ClientCertificates::Ignore | ClientCertificates::Refuse, false) => {
                    "are not asked for a certificate".to_owned()
                }
                (ClientCertificates::Ignore, true) => {
                    "show none, or one that leads to no CA and has no name of this file".to_owned()
                }
                (ClientCertificates::Refuse, true) => "show no certificate".to_owned(),
            };
            page.field("clients", &meaning)?;
        }
        // From there nobody gets in without a header, a mistake that looks like a broken network to whoever comes.
        page.field_if("behind balancers", any(&listener.proxy_protocol))?;
        // Only a name of its own: the node's stands above.
        page.field_if("announced as", listener.advertise.as_ref())?;
        let name = |r| -> &Identity { topology.identity(r) };
        // Which certificate a client sees depends on the name that it asks for (RFC 6066 §3); the first is for all others.
        let mut shown = name(listener.identity).name.clone();
        if !listener.sni.is_empty() {
            let others = listener.sni.iter().map(|r| &name(*r).name);
            shown = format!("{shown}; by SNI also {}", listed(others));
        }
        page.field("shows identity", &shown)?;
    }
    Ok(())
}
