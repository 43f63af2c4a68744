//! What holds of every row.
use super::*;
use std::collections::HashMap;

#[test]
fn a_code_stands_for_one_thing() {
    let mut seen = HashMap::new();
    for (at, reason) in Reason::all().enumerate() {
        let code = reason.code();
        assert_eq!(reason.index(), at, "{code}");
        let earlier = seen.insert(code, reason.layer());
        assert_eq!(
            earlier,
            None,
            "{code} has a second row in {:?}",
            reason.layer()
        );
        let in_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        assert!(code.bytes().all(in_word), "{code}");
    }
    assert_eq!(seen.len(), Reason::COUNT);
}

#[test]
fn every_row_is_whole() {
    for reason in Reason::all() {
        for text in [reason.what(), reason.check(), reason.remedy()] {
            assert!(text.len() > 5, "{reason}: {text:?}");
        }
        for former in reason.former() {
            assert_ne!(*former, reason.code());
        }
        if let Learns::Status(status, text) = reason.learns() {
            assert!((400..700).contains(&status), "{reason}");
            // It stands inside a quoted string, and says less than the log.
            assert!(!text.contains(['"', '\\']) && text.len() < 40, "{reason}");
        }
    }
}

#[test]
fn a_shared_row_is_one_reason() {
    assert_eq!(ConnectionReason::Draining.reason(), MessageReason::Draining);
    assert_eq!(AlertReason::CloseNotify.code(), "close_notify");
    assert_ne!(
        Reason::from(MessageReason::NoRoute),
        MessageReason::NoMember
    );
}
