//! `[hep]`: copies of messages for a collector, sent by a thread of its own.
//!
//! It is a trace without an end: the shards copy into the same bounded queue, and what a slow network leaves there is lost
//! and counted. A reload that changes the section ends one and begins another.
//!
//! What leaves the node is masked, always: HEP has no encryption, and a collector keeps what it gets for months. No event
//! names who reads it there; that it is sent, and where to, is logged.
use super::Daemon;
use super::trace::{HepSender, Shown, masked};
use crate::edge::{TraceFeed, TraceGuard, TraceSelection, TracedItem};
use crate::observe::{Event, Log};
use crate::topology::HepSettings;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// From one try to begin to the next.
const RETRY: Duration = Duration::from_secs(2);
/// What a shard gets to answer.
const FOR_SHARDS: Duration = Duration::from_secs(5);
/// Losses are logged no more often than this.
const BETWEEN_LOSSES: Duration = Duration::from_secs(60);

/// Sends what `[hep]` of whichever generation is in force asks for. It ends with the daemon's runtime, and the thread with
/// it.
pub(super) async fn run(daemon: Arc<Daemon>) {
    let mut reloads = daemon.serving();
    // Dropping the guard takes the taps out of the shards, and without these the thread ends.
    let mut sends: Option<(HepSettings, TraceGuard)> = None;
    // The settings that the log has as those that cannot be followed.
    let mut reported = None;
    loop {
        let wanted = daemon.generation().topology().hep().clone();
        if sends
            .as_ref()
            .is_some_and(|(settings, _)| *settings != wanted)
        {
            sends = None;
        }
        if let (None, Some(address)) = (&sends, wanted.address) {
            match begin(&daemon, &wanted, address).await {
                Ok(guard) => {
                    daemon.log.record(Event::HepSending { address });
                    sends = Some((wanted, guard));
                }
                // Once, however often it is tried.
                Err(error) if reported.as_ref() != Some(&wanted) => {
                    daemon.log.record(Event::HepLost {
                        address,
                        dropped: 0,
                        detail: Some(error.to_string()),
                    });
                    reported = Some(wanted);
                }
                Err(_) => {}
            }
        }
        tokio::select! {
            changed = reloads.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(RETRY), if sends.is_none() => {}
        }
    }
}

/// Begins the trace, and the thread that sends.
async fn begin(
    daemon: &Arc<Daemon>,
    settings: &HepSettings,
    address: SocketAddr,
) -> io::Result<TraceGuard> {
    // In the family of the collector, or the system finds no way.
    let own: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    // A port of its own for each: the collector knows a node by its number and not by that.
    let socket = UdpSocket::bind(own)?;
    // With an address of its own a socket hears that nobody listens there.
    socket.connect(address)?;
    // One list or both: who names clients alone wants no peers.
    let selection = match settings.peers.is_empty() && settings.clients.is_empty() {
        true => TraceSelection::All,
        false => TraceSelection::Parties {
            peers: settings.peers.clone(),
            networks: settings.clients.clone(),
        },
    };
    // Without bodies, so that they are not even copied.
    let begun = daemon.edge.trace(selection, false, FOR_SHARDS).await;
    let begun = begun.and_then(TraceFeed::apart);
    let (feed, guard) = begun.ok_or(io::ErrorKind::TimedOut)?;
    // For the thread, which sees nothing of a topology.
    let sender = HepSender {
        // The key has no higher number.
        capture_id: u32::try_from(settings.capture_id).unwrap_or(u32::MAX),
        password: settings.password.as_ref().map(|it| it.0.clone()),
    };
    let log = daemon.log.clone();
    std::thread::Builder::new()
        .name("sipward-hep".to_owned())
        .spawn(move || send(feed, &sender, &socket, address, &log))?;
    Ok(guard)
}

/// Sends until the trace ends.
#[expect(
    clippy::disallowed_methods,
    reason = "how often losses are logged: no message's time comes from here"
)]
fn send(
    mut feed: TraceFeed,
    sender: &HepSender,
    socket: &UdpSocket,
    address: SocketAddr,
    log: &Log,
) {
    // Counted together, since an operator wants to know that the collector's picture has holes.
    let (mut unsent, mut reported, mut detail) = (0, 0, None);
    let mut next_report: Option<Instant> = None;
    while let Some(record) = feed.next_blocking() {
        // Refusals have no form in HEP; the collector sees the answer.
        if let TracedItem::Message(message) = &record.item
            && message.is_framed
        {
            let shown = masked(&message.bytes, Shown::default());
            let packet = sender.packet(record.at, message, &shown);
            // Of the one before, as the system reports it: nobody listens there, or no way leads there.
            if let Err(error) = socket.send(&packet) {
                unsent += 1;
                detail = Some(error.to_string());
            }
        }
        // With the record that has just come: a silent line loses nothing, and needs no look.
        let lost = unsent + feed.dropped();
        let now = Instant::now();
        if lost > reported && next_report.is_none_or(|at| at <= now) {
            log.record(Event::HepLost {
                address,
                dropped: lost - reported,
                detail: detail.take(),
            });
            reported = lost;
            next_report = Some(now + BETWEEN_LOSSES);
        }
    }
}
