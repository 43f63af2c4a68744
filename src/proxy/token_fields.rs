//! The fields of a token as bytes: numbers, the highest byte first, and legs, each behind a letter for its kind.
use super::binding::BindingId;
use super::leg::{Leg, PeerKey};
use super::link_id::LinkId;
use super::token_text::LONGEST;

/// A token's bytes, as many as were written.
#[derive(Clone, Copy)]
pub(super) struct Raw {
    room: [u8; LONGEST],
    length: usize,
}

impl Raw {
    pub(super) fn new() -> Self {
        Self {
            room: [0; LONGEST],
            length: 0,
        }
    }

    /// Writes these behind what was written. There is room for every token, and beyond that nothing is written.
    #[inline]
    pub(super) fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        let rest = self.room.get_mut(self.length..).unwrap_or_default();
        if let Some(place) = rest.first_chunk_mut() {
            *place = bytes;
            self.length += N;
        }
    }
}

impl std::ops::Deref for Raw {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.room.get(..self.length).unwrap_or_default()
    }
}

impl std::ops::DerefMut for Raw {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.room.get_mut(..self.length).unwrap_or_default()
    }
}

/// Why a user part is no token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TokenFault {
    /// Not of a token's form: a user part like any other.
    Foreign,
    /// Of a token's form, but signed by none of this node's keys, or altered.
    Forged,
}

/// The kind of a leg whose connection the token names.
const CONNECTED: u8 = b'c';

/// A leg as tokens have it.
#[inline]
pub(super) fn push_leg(raw: &mut Raw, leg: Leg) {
    let (kind, value) = match leg {
        Leg::Peer(key) => (b'p', key.0),
        Leg::Client(link) => (b'f', link.as_u64()),
        Leg::Binding(id) => (b'b', id.as_u64()),
    };
    raw.put([kind]);
    raw.put(value.to_be_bytes());
}

/// The leg of a peer whose connection the token names.
pub(super) fn push_connected(raw: &mut Raw, peer: PeerKey) {
    raw.put([CONNECTED]);
    raw.put(peer.0.to_be_bytes());
}

/// What is left to be read of a token's bytes.
pub(crate) struct Fields<'a> {
    left: &'a [u8],
    /// The leg that has a connection of its own.
    pub(crate) connected: Option<PeerKey>,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(signed: &'a [u8]) -> Self {
        Self {
            left: signed,
            connected: None,
        }
    }
    fn take<const N: usize>(&mut self) -> Result<[u8; N], TokenFault> {
        let (head, rest) = self
            .left
            .split_first_chunk::<N>()
            .ok_or(TokenFault::Forged)?;
        self.left = rest;
        Ok(*head)
    }
    pub(crate) fn u8(&mut self) -> Result<u8, TokenFault> {
        self.take::<1>().map(|[b]| b)
    }
    pub(crate) fn u32(&mut self) -> Result<u32, TokenFault> {
        self.take().map(u32::from_be_bytes)
    }
    pub(crate) fn u64(&mut self) -> Result<u64, TokenFault> {
        self.take().map(u64::from_be_bytes)
    }
    pub(crate) fn leg(&mut self) -> Result<Leg, TokenFault> {
        match (self.u8()?, self.u64()?) {
            (b'p', key) => Ok(Leg::Peer(PeerKey(key))),
            (CONNECTED, key) => {
                self.connected = Some(PeerKey(key));
                Ok(Leg::Peer(PeerKey(key)))
            }
            (b'f', link) => Ok(Leg::Client(LinkId::from_u64(link))),
            (b'b', id) => Ok(Leg::Binding(BindingId::from_u64(id))),
            _ => Err(TokenFault::Forged),
        }
    }
}

/// A connection that nobody can have here: of another run, which is over, or that of the other process of this node.
const DEAD: Leg = Leg::Client(LinkId::from_u64(u64::MAX));

/// The same leg, if it is not a connection.
pub(crate) fn dead(leg: Leg) -> Leg {
    match leg {
        Leg::Peer(_) | Leg::Binding(_) => leg,
        Leg::Client(_) => DEAD,
    }
}

/// Whether it is a connection of another run.
pub(crate) fn is_dead(leg: Leg) -> bool {
    leg == DEAD
}
