//! The node itself: its name, its domains, and the certificates that it shows.
//!
//! First on the page, because every other section depends on it: names that are missing here make calls fail at the other
//! end, where the reason is hard to find.
use super::certificate::{subject, validity};
use crate::cli::output::{Page, any, counted, listed};
use crate::topology::Topology;
use std::io;

/// What `[node]` and `[tokens]` result in.
pub(super) fn node(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    let node = topology.node();
    page.title("Node")?;
    page.line(node.fqdn.as_str())?;
    page.field("home domains", &listed(&node.domains))?;
    page.field_if("also addressed as", any(&node.aliases))?;
    // What others see is not the name that stands first then.
    page.field_if("announced as", node.advertise.as_ref())?;
    // Behind a port mapping the port in Via and Record-Route is not the one that is bound.
    page.field_if("announced port", node.advertise_port)?;
    let shards = node.shards.map(|n| n.to_string());
    page.field("shards", shards.as_deref().unwrap_or("one for each core"))?;
    // A key that is made at each start ends all dialogs with a restart, so the page names where the keys come from.
    let tokens = topology.tokens();
    let keys = match (tokens.keys.first(), &tokens.key_file) {
        (Some((id, _)), Some(file)) => {
            let (keys, file) = (counted(tokens.keys.len(), "key"), file.display());
            format!("{keys} from {file}; key {id} signs")
        }
        _ => "a random key, made at each start".to_owned(),
    };
    page.field("route tokens", &keys)
}

/// Each identity: the certificate that it shows as a server, and the one that it shows as a client if that is another.
pub(super) fn identities(topology: &Topology, page: &mut Page<'_>) -> io::Result<()> {
    page.title("Identities: the certificates that this node shows")?;
    for identity in topology.identities() {
        page.item(&identity.name, &subject(&identity.server))?;
        page.field("names", &listed(&identity.names))?;
        // An identity with a window is one half of a planned change of certificates.
        page.field_if("shown", identity.window.if_any())?;
        validity(&identity.server, page)?;
        // Public CAs no longer put clientAuth into server certificates, so a node may need a second one to connect out.
        if let Some(client) = &identity.client {
            page.field("connecting out", &subject(client))?;
            validity(client, page)?;
        }
    }
    Ok(())
}
