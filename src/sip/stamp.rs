//! What a server writes into the topmost Via of a request (RFC 3261 §18.2.1, RFC 3581 §4).
use super::Via;
use super::grammar::offset_in;
use super::params::Params;
use super::via::StampPlaces;
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
    let is_source = via.host.ip().is_some_and(|ip| ip.to_canonical() == address);
    if let Some(StampPlaces { rport, end }) = via.stamps {
        if let Some((from, to)) = rport {
            stamp(base + from..base + to, Stamp::Rport(source.port()));
        }
        if rport.is_some() || !is_source {
            stamp(base + end..base + end, Stamp::Received(address));
        }
        return;
    }
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
    if has_rport || !is_source {
        stamp(end..end, Stamp::Received(address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stamps(value: &[u8], via: &Via<'_>) -> Vec<(Range<usize>, Stamp)> {
        let mut stamps = Vec::new();
        let source = SocketAddr::from(([192, 0, 2, 1], 5071));
        plan(value, via, source, |range, stamp| {
            stamps.push((range, stamp))
        });
        stamps
    }

    proptest! {
        #[test]
        fn places_that_were_noted_are_those_that_a_walk_finds(
            host in "192\\.0\\.2\\.1|edge\\.test|\\[::ffff:192\\.0\\.2\\.1\\]",
            params in prop::collection::vec(";[a-c]{1,3}(=[a-c]{1,3})?|;r?port(=[0-9]{1,3})?|;RPORT|;received=[0-9.]{1,4}|;branch=z9hG4bK1", 0..6)
        ) {
            let value = format!("SIP/2.0/TLS {host}:5061{}", params.concat());
            let value = value.as_bytes();
            if let Ok(via) = Via::parse(value) {
                let walked = Via { stamps: None, ..via };
                prop_assert_eq!(stamps(value, &via), stamps(value, &walked));
            }
        }
    }

    #[test]
    fn what_only_a_receiver_may_write_is_walked_over() {
        let noted = |value: &str| Via::parse(value.as_bytes()).unwrap().stamps.is_some();
        assert!(noted("SIP/2.0/TLS a.test;rport;branch=z9hG4bK1"));
        assert!(!noted(
            "SIP/2.0/TLS a.test;rport;received=1.2.3.4;branch=z9hG4bK1"
        ));
        assert!(!noted("SIP/2.0/TLS a.test;rport;branch=z9hG4bK1;rport=1"));
    }
}
