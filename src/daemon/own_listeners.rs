//! After a reload: a handshake with each listener of this node, to see that the new certificate is what it shows.
use super::reload_report::{ServedCheck, ServedResult};
use crate::edge::{Denial, Edge, Served, served};
use crate::proxy::NamedParty;
use crate::topology::{Identity, Listener, Topology, reached_at};
use crate::trust::Generation;
use rustls_pki_types::UnixTime;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Handshakes at most: enough for every listener of a usual node with the identities that it chooses by SNI.
const MOST: usize = 32;
/// For all of them together: the one who waits for the reload waits for this too.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks every listener for every identity that it should show. What cannot be asked in time is reported so, and harms
/// nothing.
pub(super) async fn check(
    generation: &Generation,
    addresses: &[(String, SocketAddr)],
    edge: &Edge,
) -> Vec<ServedCheck> {
    let denied = edge.denials();
    let topology = generation.topology();
    let now = UnixTime::now();
    // Each begins as "not in time", which is what stays of those that the bound cuts off.
    let mut asked: Vec<ServedCheck> = Vec::new();
    let mut running = JoinSet::new();
    for (listener, address) in addresses {
        // One that the topology no longer has shows nothing any more. By name: addresses stay as
        // they were bound.
        let Some(entry) = topology.listeners().iter().find(|l| l.name == *listener) else {
            continue;
        };
        for (identity, name) in shown(topology, entry, now) {
            let Some(leaf) = identity.server.chain.first().cloned() else {
                continue;
            };
            // More would take longer than anybody waits; what is not asked is not reported as good.
            if asked.len() == MOST {
                break;
            }
            let (position, address, name) = (asked.len(), *address, name.to_owned());
            asked.push(ServedCheck {
                listener: listener.clone(),
                address,
                identity: identity.name.clone(),
                result: ServedResult::Unknown,
                detail: Some("it took too long".to_owned()),
            });
            let balancers = entry.proxy_protocol.clone();
            let checks = Arc::clone(edge.own_checks());
            running.spawn(async move {
                let shown = served(address, &name, leaf, &balancers, &checks);
                (position, shown.await)
            });
        }
    }
    // In the order in which they finish, each into its own place.
    let all = async {
        while let Some(outcome) = running.join_next().await {
            if let Ok((position, found)) = outcome
                && let Some(check) = asked.get_mut(position)
            {
                (check.result, check.detail) = match found {
                    Served::Expected => (ServedResult::Expected, None),
                    Served::Other => (ServedResult::Other, None),
                    Served::Unknown(why) => (
                        ServedResult::Unknown,
                        Some(because(why, check.address, &denied)),
                    ),
                };
            }
        }
    };
    // What was found before the time was up is kept; the rest is broken off with `running`.
    let _ = tokio::time::timeout(PATIENCE, all).await;
    asked
}

/// Why it could not be asked.
///
/// Whom an operator denies may be this node, and then nothing else is wrong.
fn because(why: String, bound: SocketAddr, denied: &[Denial]) -> String {
    let own = reached_at(bound).ip();
    let is_own = |denial: &&Denial| matches!(&denial.party, NamedParty::Network(network) if network.contains(&own));
    match denied.iter().find(is_own) {
        Some(denial) => format!(
            "{} is denied (sipward deny list), and this node asks from {own}: {why}",
            denial.party
        ),
        None => why,
    }
}

/// The identities that a listener shows now, each with a name that asks for it: its own, and those that it chooses by SNI
/// while their windows are open.
fn shown<'t>(
    topology: &'t Topology,
    listener: &Listener,
    now: UnixTime,
) -> impl Iterator<Item = (&'t Identity, &'t str)> {
    let own = topology.identity(topology.identity_at(listener.identity, now));
    // Only those that are shown now; one that takes over later is checked when it does.
    let by_sni = listener.sni.iter().map(|r| topology.identity(*r));
    let by_sni =
        by_sni.filter(move |identity| identity.name != own.name && identity.window.is_open(now));
    std::iter::once(own)
        .chain(by_sni)
        .filter_map(move |identity| {
            // A name that the listener's own identity carries as well gets that one.
            let mut names = identity.names.iter();
            let name = names.find(|n| identity.name == own.name || !own.names.contains(n))?;
            Some((identity, name.as_str()))
        })
}
