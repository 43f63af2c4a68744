//! Every event against its row, and against hostile contents.
mod docs;
mod limits;
mod queue;
pub(in crate::observe) mod sample;

use super::event::Event;
use super::keys::ALL_KEYS;
use super::value::FieldType;
use super::{EventKind, HandshakeSides, Log, MemoryLog};
use crate::reason::{TopologyReason, TrustReason};
use crate::trust::Decision;
use sample::{Filling, HOSTILE, Sample as _, long};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Every event with this text and these bytes wherever it has some; `full`: with every field that may be missing.
fn sample(text: &str, bytes: &[u8], full: bool) -> Vec<Event> {
    Event::samples(&Filling { text, bytes, full })
}

/// What is recorded within a limit, or limited by nobody, is written.
fn recorded(events: Vec<Event>) -> MemoryLog {
    let (log, memory) = Log::memory();
    events.into_iter().for_each(|event| log.record(event));
    memory
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "an event with another kind of field fails the test"
)]
fn kind_of(value: &serde_json::Value) -> FieldType {
    match value {
        serde_json::Value::String(_) => FieldType::Text,
        serde_json::Value::Number(_) => FieldType::Number,
        serde_json::Value::Bool(_) => FieldType::Flag,
        serde_json::Value::Array(items) if items.iter().all(serde_json::Value::is_string) => {
            FieldType::List
        }
        other => panic!("no event has such a field: {other}"),
    }
}

/// The keys of an event, as its line has them.
fn keys_of(event: &Event) -> Vec<&'static str> {
    let mut seen = Vec::new();
    event.fields(&mut |key, _| seen.push(key.name));
    seen
}

#[test]
fn every_event_has_the_fields_of_its_row_in_that_order() {
    let mut events = sample("x", b"x", true);
    events.extend(sample("x", b"x", false));
    // A decision that found little.
    let sparse = Filling {
        text: "x",
        bytes: b"x",
        full: false,
    };
    events.push(Event::HandshakeRefused {
        sides: HandshakeSides::inbound(([192, 0, 2, 1], 5061).into(), "edge", None),
        reason: TrustReason::NotInTopology.into(),
        detail: None,
        decision: Some(Arc::new(Decision::sample(&sparse))),
    });
    for event in events {
        let row = event.kind().row();
        let seen = keys_of(&event);
        let unique: BTreeSet<_> = seen.iter().collect();
        assert_eq!(unique.len(), seen.len(), "{}: no key twice", row.name);
        let mut left = seen.into_iter().peekable();
        for field in row.fields() {
            let there = left.next_if_eq(&field.key.name).is_some();
            assert!(there || field.optional, "{}: {}", row.name, field.key.name);
        }
        assert_eq!(left.next(), None, "{}", row.name);
    }
}

#[test]
fn a_full_sample_shows_every_field_of_its_row() {
    for event in sample("x", b"x", true) {
        let row = event.kind().row();
        let keys: Vec<_> = row.fields().map(|field| field.key.name).collect();
        assert_eq!(keys_of(&event), keys, "{}", row.name);
    }
}

#[test]
fn every_key_is_used_and_has_one_type_and_no_name_comes_back() {
    let mut types = BTreeMap::new();
    for kind in EventKind::ALL {
        for field in kind.row().fields() {
            let known = *types.entry(field.key.name).or_insert(field.kind);
            assert_eq!(known, field.kind, "{}", field.key.name);
        }
    }
    let keys: BTreeSet<_> = ALL_KEYS.iter().map(|key| key.name).collect();
    assert_eq!(keys, types.into_keys().collect());
    assert_eq!(keys.len(), ALL_KEYS.len(), "no key twice");
    let former: Vec<_> = ALL_KEYS.iter().filter_map(|key| key.former).collect();
    assert!(former.iter().all(|name| !keys.contains(name)), "{former:?}");
    let names: BTreeSet<_> = EventKind::ALL.iter().map(|kind| kind.row().name).collect();
    let former: Vec<_> = EventKind::ALL
        .iter()
        .flat_map(|kind| kind.row().former)
        .collect();
    assert!(
        former.iter().all(|name| !names.contains(*name)),
        "{former:?}"
    );
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
    for bytes in &hostile {
        let text = String::from_utf8_lossy(bytes).into_owned();
        for full in [true, false] {
            let sample = sample(&text, bytes, full);
            for (line, event) in recorded(sample.clone()).lines().iter().zip(&sample) {
                let name = event.name();
                assert!(line.len() < 48 * 1024, "{name} has {} bytes", line.len());
                assert!(
                    !line.chars().any(crate::topology::acts_on_reader),
                    "{name} holds a raw control character"
                );
                let map: BTreeMap<String, serde_json::Value> =
                    serde_json::from_str(line).expect(line);
                assert_eq!(map["event"], name);
                assert_eq!(map["schema"], 1);
                for (key, value) in map
                    .iter()
                    .filter(|(key, _)| !["schema", "ts", "level", "event"].contains(&key.as_str()))
                {
                    let field = event.kind().row().fields().find(|f| f.key.name == key);
                    assert_eq!(kind_of(value), field.expect(key).kind, "{key}");
                }
            }
        }
    }
}

#[test]
fn a_short_hostile_text_comes_back_whole_from_json() {
    for text in HOSTILE {
        let event = Event::Warning {
            reason: TopologyReason::RevocationOff.into(),
            detail: text.to_owned(),
        };
        let lines = recorded(vec![event]).lines();
        let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["detail"], text);
    }
}

#[test]
fn a_line_for_a_terminal_is_one_line_without_control_characters() {
    for text in HOSTILE
        .iter()
        .map(|text| (*text).to_owned())
        .chain(HOSTILE.iter().map(|text| long(text)))
    {
        for event in sample(&text, text.as_bytes(), true) {
            let has_details = matches!(event.name(), "reload" | "start_refused" | "forecast");
            let name = event.name();
            let written = recorded(vec![event]).human_lines().remove(0);
            assert!(
                !written
                    .chars()
                    .any(|c| c != '\n' && crate::topology::acts_on_reader(c)),
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
    let lines = recorded(vec![Event::TokenKeyRandom {}]).lines();
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
