//! What a shard does about a remote side that sends more than it may: it reads more slowly, and says so once.
//!
//! This is the second step. The first is the core's: of a remote side above its rate requests that begin something are answered
//! 503, and what belongs to dialogs passes (`proxy::admission`). Whoever goes on to twice its rate sends other things, or does
//! not heed that. Then nothing is refused and nothing lost: what is not read stays in the kernel's buffer, and its window slows the
//! sender down. Requests of dialogs and BYE wait like everything else on that connection, and on no other one.
use super::connection::Connection;
use super::shard::Shard;
use crate::observe::Event;
use crate::reason::{ConnectionReason, Reason};
use std::time::{Duration, Instant};

/// Without a further pause for so long the remote side has stopped sending too much.
const CALM: Duration = Duration::from_secs(5);
/// So many times its rate, in messages of any kind, one connection may send before it is read more slowly.
const BEYOND: u64 = 2;
/// The longest pause: keep-alives and other senders' requests on the connection wait too.
const LONGEST: Duration = Duration::from_secs(1);

impl Shard {
    /// Reads nothing from the connection until then.
    pub(super) fn pause(&self, connection: &Connection, until: Instant, reason: Reason) {
        let pause = &connection.pause;
        let until = until.min(super::clock::now() + LONGEST);
        pause.until.set(Some(until));
        // Of a row of pauses the first has an event.
        if pause.calm.replace(Some((until + CALM, reason))).is_none() {
            self.shared.log.record(Event::ReadingSlowed {
                connection: connection.number,
                remote: connection.remote(),
                peer: connection.peer.as_deref().map(str::to_owned),
                reason,
            });
        }
        // Its task may be waiting for the socket just now.
        connection.wake();
    }

    /// A pause has ended, or it was the last.
    pub(super) fn resume(&self, connection: &Connection, now: Instant) {
        let pause = &connection.pause;
        // Reading goes on with the next look at the socket.
        if pause.until.get().is_some_and(|until| until <= now) {
            pause.until.set(None);
        }
        if let Some((at, reason)) = pause.calm.get()
            && at <= now
        {
            pause.calm.set(None);
            self.shared.log.record(Event::ReadingResumed {
                connection: connection.number,
                remote: connection.remote(),
                peer: connection.peer.as_deref().map(str::to_owned),
                reason,
            });
        }
    }

    /// A connection has sent as many messages as it may in a time that is perhaps over.
    pub(super) fn look_at_rate(&self, connection: &Connection, now: Instant) {
        let (rate, burst) = match &connection.peer {
            None => {
                let limits = self.limits();
                (limits.client_rate as u64, limits.client_burst as u64)
            }
            Some(fqdn) => {
                let rate = self.with_topology(|topology| {
                    let peer = topology.peer_by_name(fqdn);
                    peer.and_then(|peer| topology.find_peer(peer))
                        .map(|peer| peer.rate)
                });
                // One that is listed no longer ends its calls: nothing new is taken from it, so that its rate falls by
                // itself, and a pause would only hold its BYEs back.
                let rate = rate.map_or(u64::MAX, |rate| rate as u64);
                (rate, rate)
            }
        };
        let (rate, burst) = (rate.saturating_mul(BEYOND), burst.saturating_mul(BEYOND));
        // Looked at once a second at least: no pause is longer, or keep-alives would wait for too long.
        let (rate, most) = (rate.max(1), burst.min(rate).max(1));
        let time = |count: u64| Duration::from_nanos(count.saturating_mul(1_000_000_000) / rate);
        let times = (time(most), time(burst - burst.min(most)));
        let messages = connection.messages_in.get();
        if let Some(until) = connection.rate.look(messages, most, times, now) {
            self.pause(connection, until, ConnectionReason::TooManyMessages.into());
        }
    }
}
