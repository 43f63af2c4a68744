//! Which of several servers a sender is that one certificate names (RFC 5922 §7.4): a pool's or a wildcard certificate
//! stands for every server of a pool, and yet a dialog runs with one of them.
//!
//! What is found here is for routing only, never for rights. The certificate, which is proven, names each of the
//! candidates, and all of them grant the same: who lies about which of them it is gains nothing. An address or a host
//! that several of them have tells nothing, and the sender stays who it was taken for.
use super::leg::PeerKey;
use crate::sip::{Address, HeaderName, Host, Message};
use crate::topology::{DialAddress, FastMap, Peer, PeerKind, PeerTerms, Topology};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Entries that bear a name or address, each with the port that goes with it.
type Bearers = SmallVec<[(PeerKey, Option<u16>); 1]>;

/// Which of the entries of its certificate a request names.
#[derive(Default)]
pub(crate) struct Claims {
    /// Where requests of its dialog are to go: by its topmost Record-Route, else its Contact (RFC 3261 §12.1.1). A BYE
    /// has neither, and comes from where its Via says.
    pub(crate) dialog: Option<PeerKey>,
    /// Who is at the far end of the connection: by Via (RFC 3261 §18.1.1), and only where that says nothing by the others.
    pub(crate) connection: Option<PeerKey>,
}

/// Entries that grant the same, at least two.
pub(crate) struct Group {
    pub(crate) kind: PeerKind,
    /// In their order.
    pub(crate) keys: Vec<PeerKey>,
}

/// The entries of one generation that grant the same as others, by what tells them apart.
#[derive(Default)]
pub(crate) struct Lookalikes {
    groups: FastMap<PeerKey, Arc<Group>>,
    by_address: HashMap<IpAddr, Bearers>,
    by_name: HashMap<Box<str>, Bearers>,
}

impl Lookalikes {
    pub(crate) fn of(topology: &Topology) -> Self {
        let mut groups: HashMap<PeerTerms, Vec<&Peer>> = HashMap::new();
        for peer in topology.peers() {
            groups.entry(peer.terms()).or_default().push(peer);
        }
        let mut lookalikes = Self::default();
        // No certificate stands for entries that grant different things, so one that is alone needs no place here.
        for peers in groups.into_values().filter(|peers| peers.len() > 1) {
            let keys = peers.iter().map(|peer| PeerKey::of(peer.name.as_str()));
            let mut keys: Vec<PeerKey> = keys.collect();
            keys.sort_unstable();
            let kind = peers.first().map_or(PeerKind::Federated, |peer| peer.kind);
            let group = Arc::new(Group { kind, keys });
            for peer in peers {
                lookalikes.add(peer, &group);
            }
        }
        lookalikes
    }

    fn add(&mut self, peer: &Peer, group: &Arc<Group>) {
        let key = PeerKey::of(peer.name.as_str());
        self.groups.insert(key, Arc::clone(group));
        let names = self.by_name.entry(peer.fqdn.as_str().into());
        names.or_default().push((key, None));
        for address in &peer.addresses {
            match address {
                DialAddress::Socket(at) => {
                    let bearers = self.by_address.entry(at.ip().to_canonical());
                    bearers.or_default().push((key, Some(at.port())));
                }
                DialAddress::Host(host, port) => {
                    let bearers = self.by_name.entry(host.to_ascii_lowercase().into());
                    bearers.or_default().push((key, Some(*port)));
                }
            }
        }
    }

    /// The entries that grant the same as this one, itself included.
    pub(crate) fn group(&self, key: PeerKey) -> Option<&Group> {
        self.groups.get(&key).map(|group| &**group)
    }

    /// The one candidate whose entry has the address that a connection came from. Its port is one of the moment.
    pub(crate) fn at_address(&self, candidates: &[PeerKey], remote: IpAddr) -> Option<PeerKey> {
        self.one_of(
            candidates,
            self.by_address.get(&remote.to_canonical())?,
            None,
        )
    }

    /// What a request says of its sender, which is one of these candidates.
    pub(crate) fn claims(&self, candidates: &[PeerKey], message: &Message<'_>) -> Claims {
        let by_first = |name| {
            let first: Address<'_> = message.addresses(name).next()?.ok()?;
            let uri = first.parse_uri().ok()?;
            self.named(candidates, &uri.host, uri.port)
        };
        let target = by_first(HeaderName::RecordRoute).or_else(|| by_first(HeaderName::Contact));
        let via = message.top_via().ok();
        let sender = via.and_then(|via| self.named(candidates, &via.host, via.port));
        Claims {
            dialog: target.or(sender),
            connection: sender.or(target),
        }
    }

    fn named(&self, candidates: &[PeerKey], host: &Host<'_>, port: Option<u16>) -> Option<PeerKey> {
        let mut buffer = [0; 253];
        let bearers = match host.ip() {
            Some(address) => self.by_address.get(&address.to_canonical())?,
            None => self.by_name.get(host.lower(&mut buffer)?)?,
        };
        self.one_of(candidates, bearers, Some(port.unwrap_or(5061)))
    }

    /// The only candidate among these bearers; of several the only one at the port, as where two servers share a host.
    fn one_of(
        &self,
        candidates: &[PeerKey],
        bearers: &Bearers,
        port: Option<u16>,
    ) -> Option<PeerKey> {
        let group = self.group(*candidates.first()?)?;
        let only = |at_port: Option<u16>| {
            let mut meant = bearers
                .iter()
                .filter(|(key, at)| {
                    candidates.contains(key)
                        && group.keys.binary_search(key).is_ok()
                        && (at_port.is_none() || at_port == *at)
                })
                .map(|(key, _)| *key);
            let first = meant.next()?;
            meant.all(|other| other == first).then_some(first)
        };
        only(None).or_else(|| only(Some(port?)))
    }
}
