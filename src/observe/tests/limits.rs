//! What others can bring about: lines and sums together are exact, and the lines have a bound.
use crate::observe::limits::LineLimits;
use crate::observe::{
    ClosedBy, Event, EventKind, HandshakeSides, Log, MemoryLog, Parties, RequestOutcome, ShardLog,
};
use crate::reason::{ConnectionReason, MessageReason, Reason};
use crate::topology::Direction;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// The limits of one recorder, and what it would write.
#[derive(Default)]
struct Written {
    limits: LineLimits,
    events: Vec<Event>,
}

impl Written {
    /// Records an event at so many seconds after the begin of a window.
    fn record(&mut self, event: Event, seconds: u64) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds);
        let admitted = self.limits.admit(&event, now);
        self.events.append(&mut self.limits.sums);
        if admitted {
            self.events.push(event);
        }
    }

    fn finish(&mut self) {
        self.limits.end_window();
        self.events.append(&mut self.limits.sums);
    }

    /// Lines of this kind, and how many more the sums say there were.
    fn lines_and_sums(&self, kind: EventKind) -> (usize, u64) {
        (
            self.events.iter().filter(|e| e.kind() == kind).count(),
            sums(&self.events, kind),
        )
    }
}

fn sums(events: &[Event], kind: EventKind) -> u64 {
    let counts = events.iter().filter_map(|event| {
        if let Event::EventsSuppressed {
            suppressed, count, ..
        } = event
        {
            (*suppressed == kind).then_some(*count)
        } else {
            None
        }
    });
    counts.sum()
}

fn client(port: u16) -> SocketAddr {
    ([192, 0, 2, 1], port).into()
}

/// A client somewhere else.
fn of_source(source: u32) -> SocketAddr {
    (std::net::Ipv4Addr::from(0x0a00_0000 + source), 5061).into()
}

fn aborted(reason: ConnectionReason) -> Event {
    Event::HandshakeAborted {
        sides: HandshakeSides::inbound(client(5061), "edge", None),
        reason: reason.into(),
        detail: None,
    }
}

fn dialled(peer: &str) -> Event {
    Event::HandshakeAborted {
        sides: HandshakeSides::outbound(client(5061), peer, peer),
        reason: ConnectionReason::Timeout.into(),
        detail: None,
    }
}

fn dropped(peer: Option<&str>) -> Event {
    Event::MessageDropped {
        reason: MessageReason::OriginGone.into(),
        remote: None,
        peer: peer.map(Into::into),
    }
}

fn closed(peer: Option<&str>) -> Event {
    Event::ConnectionClosed {
        connection: 1,
        remote: client(5061),
        peer: peer.map(str::to_owned),
        closed_by: ClosedBy::Remote,
        reason: ConnectionReason::CloseNotify.into(),
        trust_reason: None,
        messages_in: 0,
        messages_out: 0,
        open: Duration::ZERO,
    }
}

fn withdrawn(peer: Option<&str>) -> Event {
    Event::TrustWithdrawn {
        connection: 1,
        direction: Direction::Inbound,
        remote: client(5061),
        peer: peer.map(str::to_owned),
        reason: ConnectionReason::IdentityChanged.into(),
        detail: None,
        decision: None,
        new_decision: None,
    }
}

/// The number of the connection from that address, one for each.
fn number_of(remote: SocketAddr) -> u64 {
    let mut hasher = DefaultHasher::new();
    remote.hash(&mut hasher);
    hasher.finish()
}

fn relayed(remote: SocketAddr, from_peer: Option<&str>) -> Event {
    Event::RequestRelayed {
        request: RequestOutcome {
            method: b"INVITE"[..].into(),
            parties: Parties::default(),
            connection: number_of(remote),
            remote,
            decision: None,
            from_peer: from_peer.map(Into::into),
            to_peer: None,
            to_client: false,
            to_connection: None,
            status: None,
            took: Duration::ZERO,
        },
    }
}

#[test]
fn each_event_and_reason_has_its_lines_and_the_sums_give_the_exact_number() {
    let mut written = Written::default();
    for _ in 0..1000 {
        written.record(aborted(ConnectionReason::Closed), 0);
    }
    for _ in 0..5 {
        written.record(aborted(ConnectionReason::Reset), 9);
    }
    assert_eq!(written.events.len(), 25, "no sum before the window is over");
    written.record(aborted(ConnectionReason::Reset), 10);
    assert!(matches!(
        &written.events[25..],
        [Event::EventsSuppressed { suppressed: EventKind::HandshakeAborted, reason: Some(reason), peer: None, count: 980 },
         Event::HandshakeAborted { .. }] if *reason == ConnectionReason::Closed
    ));
    written.finish();
    assert_eq!(written.events.len(), 27, "the new window owes nothing");
}

#[test]
fn a_flood_of_strangers_hides_no_peer_and_no_peer_hides_another() {
    let mut written = Written::default();
    for _ in 0..100 {
        written.record(aborted(ConnectionReason::Timeout), 0);
        written.record(dialled("a.test"), 0);
    }
    written.record(dialled("b.test"), 0);
    assert_eq!(written.events.len(), 20 + 20 + 1);
    for _ in 0..1000 {
        written.record(dropped(Some("a.test")), 0);
    }
    written.record(dropped(Some("b.test")), 0);
    written.record(dropped(None), 0);
    assert_eq!(written.lines_and_sums(EventKind::MessageDropped), (202, 0));
    written.finish();
    assert_eq!(
        written.lines_and_sums(EventKind::MessageDropped),
        (202, 800)
    );
    assert_eq!(
        written.lines_and_sums(EventKind::HandshakeAborted),
        (41, 160)
    );
}

#[test]
fn clients_that_come_and_go_are_counted_and_peers_are_logged() {
    let mut written = Written::default();
    for _ in 0..100 {
        written.record(closed(None), 0);
        written.record(closed(Some("fe01.contoso.test")), 0);
    }
    assert_eq!(written.events.len(), 120);
    written.finish();
    assert!(matches!(
        written.events.last(),
        Some(Event::EventsSuppressed {
            suppressed: EventKind::ConnectionClosed,
            peer: None,
            count: 80,
            ..
        })
    ));
}

#[test]
fn clients_that_lose_their_trust_are_counted_and_peers_are_logged() {
    let mut written = Written::default();
    for _ in 0..600 {
        written.record(withdrawn(None), 0);
    }
    for _ in 0..100 {
        written.record(withdrawn(Some("fe01.contoso.test")), 0);
    }
    written.finish();
    let kind = EventKind::TrustWithdrawn;
    assert_eq!(written.lines_and_sums(kind), (20 + 100, 580));
}

#[test]
fn relayed_requests_are_limited_for_each_connection_of_a_client_and_not_for_peers() {
    let mut written = Written::default();
    for _ in 0..300 {
        written.record(relayed(client(1), None), 0);
        written.record(relayed(client(2), Some("fe01.contoso.test")), 0);
    }
    for _ in 0..50 {
        written.record(relayed(client(3), None), 0);
    }
    written.finish();
    assert_eq!(
        written.lines_and_sums(EventKind::RequestRelayed),
        (200 + 300 + 50, 100)
    );
}

#[test]
fn more_connections_than_are_kept_apart_are_counted_all_the_same() {
    let mut written = Written::default();
    for source in 0..20_000 {
        written.record(relayed(of_source(source), None), 0);
    }
    let (lines, _) = written.lines_and_sums(EventKind::RequestRelayed);
    assert_eq!(lines, 16_384);
    written.finish();
    assert_eq!(
        written.lines_and_sums(EventKind::RequestRelayed),
        (16_384, 20_000 - 16_384)
    );
}

/// Short connections are no way round the bound of one, nor many addresses; every shard is bounded, and the node.
#[test]
fn relayed_requests_are_limited_for_each_source_and_for_all_clients() {
    let mut written = Written::default();
    for port in 0..48 {
        for _ in 0..150 {
            written.record(relayed(client(port), None), 0);
        }
    }
    let same_64 = |n: u16| SocketAddr::from(([0x2001, 0xdb8, 0, 1, n, 0, 0, 1], 1));
    (0..1_500).for_each(|n| written.record(relayed(same_64(n), None), 0));
    let kind = EventKind::RequestRelayed;
    assert_eq!(written.lines_and_sums(kind), (2_000, 0));
    for source in 0..150 {
        (0..150).for_each(|_| written.record(relayed(of_source(source), None), 0));
    }
    written.finish();
    let all = 48 * 150 + 1_500 + 150 * 150;
    assert_eq!(written.lines_and_sums(kind), (20_000, all - 20_000));
    // What two shards have let through is once more held to the same.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let mut node = LineLimits::default();
    let admitted = (0..2_000).filter(|n| node.admit_for_node(&relayed(client(n / 200), None), now));
    assert_eq!(admitted.count(), 1_000);
}

#[test]
fn a_clock_that_is_set_back_ends_the_window() {
    let mut written = Written::default();
    for _ in 0..30 {
        written.record(aborted(ConnectionReason::Closed), 500);
    }
    written.record(aborted(ConnectionReason::Closed), 0);
    assert_eq!(
        written.lines_and_sums(EventKind::HandshakeAborted),
        (21, 10)
    );
}

#[test]
fn what_comes_late_from_the_window_before_opens_none() {
    let mut written = Written::default();
    for _ in 0..30 {
        written.record(aborted(ConnectionReason::Closed), 10);
        written.record(aborted(ConnectionReason::Closed), 9);
    }
    written.finish();
    assert_eq!(
        written.lines_and_sums(EventKind::HandshakeAborted),
        (20, 40)
    );
}

#[test]
fn the_writer_adds_the_sums_of_recorders_to_its_own() {
    let mut written = Written::default();
    for _ in 0..30 {
        written.record(dialled("a.test"), 0);
    }
    for peer in [None, Some("a.test"), Some("a.test")] {
        let sum = Event::EventsSuppressed {
            suppressed: EventKind::HandshakeAborted,
            reason: Some(ConnectionReason::Timeout.into()),
            peer: peer.map(Into::into),
            count: 100,
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_001);
        let admitted = written.limits.admit_for_node(&sum, now);
        assert!(!admitted, "it has no line of its own");
    }
    written.finish();
    assert_eq!(written.events.len(), 20 + 2, "one for each peer");
    assert_eq!(
        written.lines_and_sums(EventKind::HandshakeAborted),
        (20, 310)
    );
}

/// docs/logging.md: a call record for billing. What nobody has answered is as cheap to bring about as a refusal.
#[test]
fn an_answered_call_always_has_its_line_and_the_others_are_limited() {
    let mut written = Written::default();
    for _ in 0..10_000 {
        written.record(Event::ended_call(Some(Duration::from_secs(7))), 0);
        written.record(Event::ended_call(None), 0);
    }
    written.finish();
    let kind = EventKind::CallEnded;
    assert_eq!(written.lines_and_sums(kind), (10_000 + 20, 9_980));
    // The writer, where the lines of all shards meet, lets the same through.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let mut node = LineLimits::default();
    let mut admitted = |talk| {
        let event = Event::ended_call(talk);
        let all = (0..10_000).filter(|_| node.admit_for_node(&event, now));
        all.count()
    };
    assert_eq!(admitted(Some(Duration::ZERO)), 10_000);
    assert_eq!(admitted(None), 20);
}

#[test]
fn what_an_operator_brings_about_is_always_written() {
    let mut written = Written::default();
    for _ in 0..1000 {
        written.record(
            Event::ControlRequest {
                command: "reload",
                uid: 0,
                reason: None,
            },
            0,
        );
    }
    assert_eq!(written.events.len(), 1000);
}

/// A log with two shards that record the same.
fn two_shards() -> (Log, MemoryLog, [ShardLog; 2]) {
    let (log, memory) = Log::memory();
    let shards = [log.for_shard(), log.for_shard()];
    (log, memory, shards)
}

#[test]
fn counters_count_what_limits_suppress_and_the_reader_sums_the_shards() {
    let (log, memory, shards) = two_shards();
    let gone: Reason = MessageReason::OriginGone.into();
    for _ in 0..1000 {
        for shard in &shards {
            shard.record(dropped(None));
        }
        log.record(aborted(ConnectionReason::Closed));
    }
    shards[0].count(EventKind::RequestRelayed, None);
    let counts = log.counts();
    assert_eq!(counts.of(EventKind::MessageDropped), 2000);
    assert_eq!(
        counts.for_reason(EventKind::MessageDropped, Some(gone)),
        2000
    );
    assert_eq!(counts.for_reason(EventKind::MessageDropped, None), 0);
    assert_eq!(counts.of(EventKind::HandshakeAborted), 1000);
    assert_eq!(counts.of(EventKind::RequestRelayed), 1);
    assert_eq!(counts.of(EventKind::Start), 0);
    shards.iter().for_each(ShardLog::finish);
    log.finish();
    let events = memory.events();
    let lines = events
        .iter()
        .filter(|e| e.kind() == EventKind::MessageDropped)
        .count() as u64;
    assert_eq!(lines + sums(&events, EventKind::MessageDropped), 2000);
    // Twenty for each shard, and as many again for each turn of the clock's window in between.
    assert!(lines <= 40 * 3, "{lines} lines");
}

#[test]
fn counters_of_different_threads_add_up() {
    let (log, _memory) = Log::memory();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let shard = log.for_shard();
            scope.spawn(move || {
                (0..10_000).for_each(|_| shard.count(EventKind::RequestRelayed, None))
            });
        }
        let log = log.clone();
        scope.spawn(move || (0..100).for_each(|_| log.record(aborted(ConnectionReason::Closed))));
    });
    assert_eq!(log.counts().of(EventKind::RequestRelayed), 40_000);
    assert_eq!(log.counts().of(EventKind::HandshakeAborted), 100);
}
