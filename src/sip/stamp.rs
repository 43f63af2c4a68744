//! What a server writes into the topmost Via of a request (RFC 3261 §18.2.1, RFC 3581 §4).
use super::Via;
use super::grammar::offset_in;
use super::params::Params;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// New text for a range of the Via value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// Nothing: the sender wrote a parameter that only the receiver may write. It could name another client, to whom the
    /// response would then go.
    Nothing,
    /// `=port` behind `rport`.
    Rport(u16),
    /// `;received=address`, IPv6 without brackets (RFC 5118 §4.5).
    Received(IpAddr),
}

/// Plans the stamps of one Via value, in order and apart from each other. `stamp` is called for each with its place in
/// `bytes`, in which the value stands.
///
/// `received` is written when the sent-by host is a name or another address than the source, and whenever there is an
/// `rport`. What the sender wrote there itself is removed in any case.
pub(super) fn plan(
    bytes: &[u8],
    via: &Via<'_>,
    source: SocketAddr,
    mut stamp: impl FnMut(Range<usize>, Stamp),
) {
    // A dual-stack socket reports IPv4 clients as mapped addresses; they know themselves by the plain one.
    let address = source.ip().to_canonical();
    let base = offset_in(bytes, via.params);
    let mut end = base + via.params.len();
    let mut has_rport = false;
    for param in Params::new(via.params).map_while(Result::ok) {
        let range = base + param.start..base + param.end;
        end = range.end;
        if param.name.eq_ignore_ascii_case(b"received") {
            stamp(range, Stamp::Nothing);
        } else if param.name.eq_ignore_ascii_case(b"rport") {
            if std::mem::replace(&mut has_rport, true) {
                stamp(range, Stamp::Nothing);
            } else {
                stamp(
                    base + param.name_end..range.end,
                    Stamp::Rport(source.port()),
                );
            }
        }
    }
    let is_source = via.host.ip().is_some_and(|ip| ip.to_canonical() == address);
    if has_rport || !is_source {
        stamp(end..end, Stamp::Received(address));
    }
}
