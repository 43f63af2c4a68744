//! The bound on lines of relayed requests of clients: by connection, by source, and of all of them.
//!
//! Who makes the lines asks first, so that nothing is written down of a request that has none: who calls again and again
//! would else pay for lines that are thrown away. Recorder and writer ask once more, of what comes to them.
use crate::topology::FastMap;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;

/// Relayed requests of one connection of a client that have a line in a window: more than a person or a busy gateway with
/// a line of its own makes, and fewer than a flood.
pub(super) const REQUEST_LINES: u32 = 200;
/// The same of all connections of one source, an address or an IPv6 /64: a site behind one address, and fewer than what
/// short connections could bring.
pub(super) const SOURCE_REQUESTS: u32 = 1_000;
/// The same of all clients.
pub(super) const CLIENT_REQUESTS: u32 = 20_000;
/// Connections of clients whose relayed requests are counted apart. The requests of those beyond have no line in this
/// window. So many new connections in ten seconds are a flood, and a table that grows with it would be one more.
const MOST_CONNECTIONS: usize = 16_384;

/// What one window has seen. It is forgotten when the next one begins.
#[derive(Debug, Default)]
pub(crate) struct RequestLines {
    /// The number of the window.
    window: u64,
    /// By the number of the connection.
    connections: FastMap<u64, OfConnection>,
    /// The lines of each source; no more than there are connections.
    sources: Vec<u32>,
    /// Where each source stands in these. Looked at once for each connection, since strangers choose where they come from
    /// and the map is one that holds out against that.
    source_places: HashMap<u64, usize>,
    /// The lines of all of them.
    all: u32,
}

/// Relayed requests of one connection of a client.
#[derive(Clone, Copy, Debug)]
struct OfConnection {
    lines: u32,
    /// Its source's place.
    source: usize,
}

impl RequestLines {
    /// Whether a request of this connection has a line in the window, which it then is.
    pub(crate) fn admit(&mut self, connection: u64, address: IpAddr, window: u64) -> bool {
        if window != self.window {
            self.forget();
            self.window = window;
        }
        let number = self.connections.len();
        let of_connection = match self.connections.entry(connection) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(_) if number >= MOST_CONNECTIONS => return false,
            Entry::Vacant(place) => {
                let next = self.sources.len();
                let source = *self.source_places.entry(source_of(address)).or_insert(next);
                if source == next {
                    self.sources.push(0);
                }
                place.insert(OfConnection { lines: 0, source })
            }
        };
        let Some(of_source) = self.sources.get_mut(of_connection.source) else {
            return false;
        };
        let has_room = of_connection.lines < REQUEST_LINES
            && *of_source < SOURCE_REQUESTS
            && self.all < CLIENT_REQUESTS;
        if has_room {
            of_connection.lines += 1;
            *of_source += 1;
            self.all += 1;
        }
        has_room
    }

    /// Forgets what was seen; the room for it stays, which is bounded, and the next window needs it.
    pub(super) fn forget(&mut self) {
        self.connections.clear();
        self.sources.clear();
        self.source_places.clear();
        self.all = 0;
    }
}

/// Who can take as many addresses as it likes: an IPv4 address, or the first 64 bits of an IPv6 one.
fn source_of(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    }
}
