//! `ms-keep-alive` (MS-CONMGMT §2.2.1): what the two ends of one connection agree on to keep it, so
//! that it goes no further than the next hop. Who asks for keep-alives between hops gets for an
//! answer how long a connection may be silent here.
//!
//! The interval must be shorter than the time after which a silent client's connection is closed
//! here, with room for one transaction, or the client learns too late that it is gone.
use crate::sip::{HeaderName, Message};
use crate::topology::Limits;
use std::time::Duration;

/// What Lync servers say themselves.
const USUAL: Duration = Duration::from_secs(300);
/// What a connection may be silent beyond what was said: a transaction's time (MS-CONMGMT §3.4.2).
const GRACE: Duration = Duration::from_secs(32);

/// Whether the sender offers to keep its connection by keep-alives between hops: `UAC;hop-hop=yes`.
///
/// A field that stands there twice, which it must not, offers nothing.
pub(super) fn is_offered(message: &Message<'_>) -> bool {
    if !message.has(HeaderName::MsKeepAlive) {
        return false;
    }
    let mut lines = message
        .lines()
        .filter(|line| line.name == HeaderName::MsKeepAlive);
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return false;
    };
    let mut parts = line.value.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    let is_uac = parts
        .next()
        .is_some_and(|role| role.eq_ignore_ascii_case(b"UAC"));
    is_uac
        && parts.any(|part| {
            let mut sides = part.splitn(2, |b| *b == b'=').map(<[u8]>::trim_ascii);
            let mut side_is = |wanted: &[u8]| {
                sides
                    .next()
                    .is_some_and(|side| side.eq_ignore_ascii_case(wanted))
            };
            side_is(b"hop-hop") && side_is(b"yes")
        })
}

/// How often something must come at least, in whole seconds: sooner than a silent client is closed.
pub(super) fn interval(limits: &Limits) -> u32 {
    let idle = limits.client_idle;
    let bound = match idle.checked_sub(GRACE) {
        Some(rest) if rest > idle / 2 => rest,
        Some(_) | None => idle / 2,
    };
    u32::try_from(bound.min(USUAL).as_secs()).map_or(1, |seconds| seconds.max(1))
}
