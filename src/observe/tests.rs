//! Every event against its row, the documentation, and hostile contents.
use super::table::{FIELDS, Field, Kind, ROWS, Row};
use super::{Event, Log, RequestEvent, Shown};
use crate::topology::{Direction, PeerRef};
use crate::trust::{Decision, MatchedKind, TrustReason, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What strangers and files may put into a text.
const HOSTILE: [&str; 8] = [
    "",
    "plain",
    "quote\" backslash\\ newline\n return\r tab\t nul\0",
    "\u{1b}[2J\u{1b}]0;title\u{7} \u{9b}31m \u{7f} \u{8}",
    "\u{202e}gpj.exe\u{2066} \u{2028}{\"event\":\"forged\"}\u{2029} \u{feff}\u{e0041}",
    "}\n{\"ts\":\"x\",\"event\":\"start\"}",
    "𝕏ÄÖ李 =,;'`$(reboot) <script>",
    "\u{0}\u{1}\u{2}\u{1f}",
];

fn long(pattern: &str) -> String {
    pattern.repeat(10_000 / pattern.len().max(1))
}

fn decision(text: &str, full: bool) -> Arc<Decision> {
    let many = vec![text.to_owned(); 50];
    Arc::new(Decision {
        id: text.to_owned(),
        verdict: if full {
            Verdict::Accept
        } else {
            Verdict::Refuse
        },
        detail: None,
        reason: if full {
            TrustReason::Accepted
        } else {
            TrustReason::NotInTopology
        },
        direction: Direction::Inbound,
        peer: full.then_some(PeerRef(0)),
        peer_fqdn: full.then(|| text.to_owned()),
        names: many.clone(),
        matched: full.then(|| (text.to_owned(), MatchedKind::SipUri)),
        subjects: many.clone(),
        fingerprints: many,
        anchor: full.then(|| (text.to_owned(), text.to_owned())),
        crl: full.then(|| (text.to_owned(), u64::MAX)),
        purpose: full.then_some("serverAuth"),
        would_refuse: full.then(|| (TrustReason::PinMismatch, Some(text.to_owned()))),
        valid_until: full.then_some(u64::MAX),
        anchored: false,
        generation: u64::MAX,
        line: full.then_some(u32::MAX),
        listener: None,
    })
}

/// Every event with this text and these octets wherever it has some; `full`: with every field that may be missing.
#[expect(clippy::too_many_lines, reason = "one sample of each event")]
fn events(text: &str, octets: &[u8], full: bool) -> Vec<Event> {
    let owned = || text.to_owned();
    let maybe = || full.then(|| text.to_owned());
    let address: SocketAddr = "[2001:db8::1]:5061".parse().unwrap();
    let path = || {
        use std::os::unix::ffi::OsStrExt;
        std::path::PathBuf::from(std::ffi::OsStr::from_bytes(octets))
    };
    let took = Duration::from_micros(1234);
    let request = |refused| {
        Event::Request(RequestEvent {
            refused,
            reason: full.then_some("loop_detected".into()),
            method: octets.into(),
            call_id: octets.into(),
            remote: address,
            from_peer: maybe().map(Arc::from),
            to_peer: maybe().map(Arc::from),
            to_client: full,
            status: full.then_some(482),
            took,
        })
    };
    vec![
        Event::Start {
            version: "1.2.3",
            topology: path(),
            shards: 2,
        },
        Event::StartRefused {
            topology: path(),
            reason: "topology_faults".into(),
            details: vec![owned(); 200],
        },
        Event::Listening {
            listener: owned(),
            address,
            accept: "both",
        },
        Event::Ready { generation: 1 },
        Event::ControlListening { path: path() },
        Event::ControlUnavailable {
            path: path(),
            reason: "socket_in_use".into(),
            detail: owned(),
        },
        Event::ControlRequest {
            command: "reload",
            uid: 0,
            reason: full.then_some("not_permitted".into()),
        },
        Event::TokenKeyRandom,
        Event::Warning {
            code: "revocation_off".into(),
            what: owned(),
        },
        Event::HandshakeAccepted {
            direction: "inbound",
            connection: 7,
            remote: address,
            via: owned(),
            sni: maybe(),
            version: owned(),
            cipher: owned(),
            group: owned(),
            decision: full.then(|| decision(text, true)),
            took,
        },
        Event::HandshakeRefused {
            direction: "outbound",
            remote: address,
            via: owned(),
            sni: maybe(),
            reason: "not_in_topology".into(),
            detail: maybe(),
            decision: Some(decision(text, full)),
        },
        Event::HandshakeRefusedByPeer {
            direction: "outbound",
            remote: address,
            via: owned(),
            sni: maybe(),
            reason: "alert_unknown_ca".into(),
            alert: 48,
            detail: "they do not trust the CA that issued our certificate",
            shown: full.then(|| {
                Arc::new(Shown {
                    identity: owned(),
                    subjects: vec![owned(); 50],
                    fingerprints: vec![owned(); 50],
                })
            }),
            decision: Some(decision(text, full)),
        },
        Event::HandshakeAborted {
            direction: "inbound",
            remote: address,
            via: owned(),
            sni: maybe(),
            reason: "closed".into(),
            detail: maybe(),
        },
        Event::HandshakesSuppressed {
            of: "handshake_aborted",
            direction: "inbound",
            reason: "closed".into(),
            peer: maybe(),
            count: 980,
        },
        Event::ClientsSuppressed {
            of: "connection_closed",
            reason: full.then_some("close_notify".into()),
            count: 980,
        },
        Event::TrustWithdrawn {
            connection: 7,
            direction: "inbound",
            remote: address,
            peer: maybe(),
            reason: "revoked".into(),
            detail: maybe(),
            decision: maybe(),
            new_decision: maybe(),
        },
        Event::WouldRefuse {
            direction: "inbound",
            remote: address,
            decision: decision(text, full),
        },
        Event::ConnectionClosed {
            connection: 7,
            remote: address,
            peer: maybe(),
            by: "them",
            reason: "close_notify".into(),
            trust_reason: full.then_some("revoked".into()),
            messages_in: 1,
            messages_out: 2,
            open: Duration::from_secs(3),
        },
        request(false),
        request(true),
        Event::PeerUp {
            peer: owned(),
            shard: 1,
        },
        Event::PeerDown {
            peer: owned(),
            shard: 1,
            reason: "connect_failed".into(),
            retry_in: full.then_some(took),
        },
        Event::MemberDown {
            peer: owned(),
            reason: "ping_timeout".into(),
            retry_in: full.then_some(took),
        },
        Event::MemberUp {
            peer: owned(),
            down: took,
        },
        Event::LookupStale { peer: owned() },
        Event::MessageDropped {
            reason: "no_transaction".into(),
            remote: full.then_some(address),
            peer: maybe().map(Arc::from),
        },
        Event::Reload {
            generation: 2,
            trigger: "signal",
            result: "ok",
            details: vec![owned(); 200],
            served: vec![owned(); 200],
            took,
        },
        Event::CrlUpdated {
            trust: owned(),
            file: path(),
            issuer: owned(),
            revoked: 3,
            next_update: 5,
            generation: 2,
        },
        Event::CrlRefused {
            trust: owned(),
            file: path(),
            issuer: maybe(),
            reason: "crl_older".into(),
            detail: owned(),
        },
        Event::CrlFetchFailed {
            trust: owned(),
            uri: owned(),
            reason: "fetch_timeout".into(),
            detail: owned(),
        },
        Event::CrlStaleSoon {
            trust: owned(),
            file: path(),
            issuer: owned(),
            next_update: 5,
            left: took,
        },
        Event::CrlStale {
            trust: owned(),
            file: path(),
            issuer: owned(),
            next_update: 5,
        },
        Event::CrlStateFailed {
            file: path(),
            reason: "state_unwritable".into(),
            detail: owned(),
        },
        Event::CrlForgotten {
            series: owned(),
            issuer: owned(),
            number: maybe(),
            uid: 1,
            pid: full.then_some(1),
            generation: 2,
        },
        Event::Forecast {
            generation: 1,
            soon: full,
            ends_at: full.then_some(u64::MAX),
            relaxed: vec![owned(); 200],
            details: vec![owned(); 200],
        },
        Event::Drain {
            transactions: full.then_some(3),
        },
        Event::Stopped { abandoned: 0 },
        Event::Library {
            level: tracing::Level::WARN,
            target: owned(),
            message: owned(),
        },
        Event::LogDropped { lines: 4 },
    ]
}

fn emitted(events: Vec<Event>) -> super::MemoryLog {
    let (log, memory) = Log::memory();
    events.into_iter().for_each(|event| log.record(event));
    memory
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "an event with another kind of field fails the test"
)]
fn kind_of(value: &serde_json::Value) -> Kind {
    match value {
        serde_json::Value::String(_) => Kind::Text,
        serde_json::Value::Number(_) => Kind::Number,
        serde_json::Value::Bool(_) => Kind::Flag,
        serde_json::Value::Array(items) if items.iter().all(serde_json::Value::is_string) => {
            Kind::List
        }
        other => panic!("no event has such a field: {other}"),
    }
}

#[test]
fn every_event_has_the_fields_of_its_row_in_that_order() {
    for full in [true, false] {
        for event in events("x", b"x", full) {
            let row = event.row();
            let mut seen = Vec::new();
            event.fields(&mut |name, _| seen.push(name));
            if full {
                assert_eq!(seen, row.keys().collect::<Vec<_>>(), "{}", row.name);
            }
            let needed = row.fields.iter().filter(|key| !key.ends_with('?'));
            assert!(needed.clone().all(|key| seen.contains(key)), "{}", row.name);
            assert!(
                seen.iter().all(|key| row.keys().any(|k| k == *key)),
                "{}",
                row.name
            );
        }
    }
}

#[test]
fn the_sample_shows_every_row_and_every_field() {
    let sample = events("x", b"x", true);
    let names: Vec<_> = sample.iter().map(Event::name).collect();
    assert_eq!(names, ROWS.iter().map(|row| row.name).collect::<Vec<_>>());
    let used: BTreeSet<_> = ROWS.iter().flat_map(|row| row.keys()).collect();
    let known: BTreeSet<_> = FIELDS.iter().map(|field| field.name).collect();
    assert_eq!(used, known);
    assert_eq!(known.len(), FIELDS.len(), "no field twice");
}

#[test]
fn every_line_is_valid_json_of_the_promised_types_whatever_it_holds() {
    let mut hostile: Vec<Vec<u8>> = HOSTILE
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .collect();
    hostile.extend(HOSTILE.iter().map(|text| long(text).into_bytes()));
    hostile.push((0..=255).collect());
    hostile.push(vec![0xff; 10_000]);
    for octets in &hostile {
        let text = String::from_utf8_lossy(octets).into_owned();
        for full in [true, false] {
            let sample = events(&text, octets, full);
            for (line, event) in emitted(sample.clone()).lines().iter().zip(&sample) {
                let name = event.name();
                assert!(line.len() < 48 * 1024, "{name} has {} octets", line.len());
                assert!(
                    !line.chars().any(super::text::acts_on_reader),
                    "{name} holds a raw control character"
                );
                let map: BTreeMap<String, serde_json::Value> =
                    serde_json::from_str(line).expect(line);
                assert_eq!(map["event"], name);
                for (key, value) in map
                    .iter()
                    .filter(|(key, _)| !["ts", "level", "event"].contains(&key.as_str()))
                {
                    let field = super::table::field(key).expect(key);
                    assert_eq!(kind_of(value), field.kind, "{key}");
                }
            }
        }
    }
}

#[test]
fn a_short_hostile_text_comes_back_whole_from_json() {
    for text in HOSTILE {
        let event = Event::Warning {
            code: "revocation_off".into(),
            what: text.to_owned(),
        };
        let lines = emitted(vec![event]).lines();
        let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["what"], text);
    }
}

#[test]
fn a_line_for_a_terminal_is_one_line_without_control_characters() {
    for text in HOSTILE
        .iter()
        .map(|text| (*text).to_owned())
        .chain(HOSTILE.iter().map(|text| long(text)))
    {
        for event in events(&text, text.as_bytes(), true) {
            let has_details = matches!(event.name(), "reload" | "start_refused" | "forecast");
            let name = event.name();
            let written = emitted(vec![event]).human_lines().remove(0);
            assert!(
                !written
                    .chars()
                    .any(|c| c != '\n' && super::text::acts_on_reader(c)),
                "{name}"
            );
            let mut lines = written.lines();
            assert!(lines.next().unwrap().contains(name));
            assert!(
                lines.all(|line| has_details && line.starts_with("    ")),
                "{name}"
            );
        }
    }
}

#[test]
fn the_time_of_an_event_is_the_time_of_its_call() {
    let before = time::OffsetDateTime::now_utc();
    let lines = emitted(vec![Event::TokenKeyRandom]).lines();
    let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    let format = time::format_description::well_known::Rfc3339;
    let at = time::OffsetDateTime::parse(line["ts"].as_str().unwrap(), &format).unwrap();
    assert!(at >= before - Duration::from_micros(1) && at <= time::OffsetDateTime::now_utc());
}

#[test]
fn the_level_of_an_event_follows_its_outcome() {
    let reload = |result| Event::Reload {
        generation: 1,
        trigger: "signal",
        result,
        details: vec![],
        served: vec![],
        took: Duration::ZERO,
    };
    assert_eq!(reload("ok").level(), tracing::Level::INFO);
    assert_eq!(reload("refused").level(), tracing::Level::ERROR);
    assert_eq!(
        Event::Stopped { abandoned: 0 }.level(),
        tracing::Level::INFO
    );
    assert_eq!(
        Event::Stopped { abandoned: 1 }.level(),
        tracing::Level::WARN
    );
}

#[test]
fn a_waiting_test_gets_an_event_of_another_thread_and_gives_up_in_time() {
    let (log, memory) = Log::memory();
    let thread = std::thread::spawn(move || log.record(Event::Ready { generation: 5 }));
    let found = memory.wait_for(
        |event| matches!(event, Event::Ready { .. }),
        Duration::from_secs(10),
    );
    assert!(matches!(found, Some(Event::Ready { generation: 5 })));
    assert!(
        memory
            .wait_for(|event| event.name() == "drain", Duration::from_millis(1))
            .is_none()
    );
    thread.join().unwrap();
}

/// The tables of docs/events.md.
fn documented() -> String {
    let mut text = String::from("| event | level | when | fields |\n|---|---|---|---|\n");
    for Row {
        name,
        level,
        otherwise,
        when,
        fields,
    } in ROWS
    {
        let word = |level: &tracing::Level| level.as_str().to_lowercase();
        let level = match otherwise {
            None => word(level),
            Some((other, condition)) => format!("{}; {}: {condition}", word(level), word(other)),
        };
        let fields: Vec<_> = fields.iter().map(|key| format!("`{key}`")).collect();
        let fields = if fields.is_empty() {
            "none".to_owned()
        } else {
            fields.join(", ")
        };
        writeln!(text, "| `{name}` | {level} | {when} | {fields} |").unwrap();
    }
    text.push_str("\n| field | type | on a terminal | meaning |\n|---|---|---|---|\n");
    for Field {
        name,
        kind,
        human,
        meaning,
    } in FIELDS
    {
        let kind = match kind {
            Kind::Text => "text",
            Kind::Number => "number",
            Kind::Flag => "true or false",
            Kind::List => "list of texts",
        };
        writeln!(
            text,
            "| `{name}` | {kind} | {} | {meaning} |",
            if *human { "yes" } else { "no" }
        )
        .unwrap();
    }
    text
}

#[test]
fn the_documentation_has_the_tables_of_the_code() {
    let page = include_str!("../../docs/events.md");
    let documented = documented();
    assert!(
        page.contains(&documented),
        "docs/events.md must hold exactly this:\n\n{documented}"
    );
}
