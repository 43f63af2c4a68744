//! What policy is asked: who sends, and what the request wants.
//!
//! The sender's kind is looked up in the current generation for each request: a peer that a reload
//! has made a home server, or has removed, is judged as what it is now, whatever it was when its
//! connection came up.
use super::inbound::InboundRequest;
use super::leg::{Leg, PeerKey};
use super::link_id::LinkId;
use super::links::Links;
use super::route::Routed;
use super::same_party::OtherEntries;
use crate::sip::Host;
use crate::topology::PeerKind;

/// What policy reads of a request.
pub(crate) struct Question<'r, 'm, 'a> {
    pub(crate) request: &'r InboundRequest<'m, 'a>,
    pub(crate) routed: &'r Routed<'a>,
    /// Where it wants to go next: the first Route value that is left, else the Request-URI; `maddr`
    /// wins over the host (RFC 3263 §4).
    pub(crate) target: Host<'a>,
    /// It was hidden from the sender and sealed for it: it was given to it to be called.
    pub(crate) is_sealed: bool,
    /// For weighted pools.
    pub(crate) random: u64,
    /// What else the sender's certificate stands for.
    pub(crate) also: OtherEntries,
}

/// The sender as policy sees it: a leg, with the kind that its peer has in the current generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sender {
    Client(LinkId),
    Home(PeerKey),
    Federated(PeerKey),
}

impl Sender {
    /// The peer, if it is one.
    pub(crate) fn peer(self) -> Option<PeerKey> {
        match self {
            Self::Client(_) => None,
            Self::Home(key) | Self::Federated(key) => Some(key),
        }
    }
    pub(crate) fn of(leg: Leg, links: &Links) -> Option<Self> {
        match leg {
            Leg::Client(link) => Some(Self::Client(link)),
            Leg::Peer(key) => {
                let peer = links.peer(key)?;
                peer.current?;
                Some(match peer.kind {
                    PeerKind::Home => Self::Home(key),
                    PeerKind::Federated => Self::Federated(key),
                })
            }
        }
    }
}
