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

/// Words that are spelled like a code and are something else, by file.
const OTHER_WORDS: [(&str, &str, &str); 14] = [
    ("cli/crls.rs", "revoked", "a label of the page"),
    ("cli/demo/setup.rs", "revoked", "a file's name"),
    ("cli/ladder_log.rs", "trust_withdrawn", "an event"),
    ("daemon/control/protocol.rs", "drain", "a command"),
    ("daemon/supervisor.rs", "draining", "a status for systemd"),
    ("observe/metrics/limits.rs", "head_timeout", "a key"),
    ("observe/metrics/limits.rs", "body_timeout", "a key"),
    ("observe/metrics/limits.rs", "proxy_header_timeout", "a key"),
    ("observe/", "revoked", "a field"),
    ("observe/", "trust_withdrawn", "an event"),
    ("observe/", "crl_stale", "an event"),
    ("observe/", "drain", "an event"),
    ("topology/crl.rs", "revoked", "a field of Debug"),
    ("trust/revocation/ocsp.rs", "revoked", "a status of OCSP"),
];

/// Every source below a folder, the registry left out.
fn sources(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.ends_with("tests") || path.ends_with("tests.rs");
        if path.is_dir() && !is_test && !path.ends_with("reason") {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") && !is_test {
            found.push(path);
        }
    }
}

/// A code that is written as a string could lose its row without the compiler seeing it.
#[test]
fn no_code_is_a_string_outside_the_registry() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let codes: HashMap<&str, Reason> = Reason::all().map(|r| (r.code(), r)).collect();
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 100, "{}", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file
            .strip_prefix(&root)
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let lines = code.lines().filter(|l| !l.trim_start().starts_with("//"));
        // The odd pieces stand between quotes.
        for word in lines.flat_map(|line| line.split('"').skip(1).step_by(2)) {
            let other = OTHER_WORDS
                .iter()
                .any(|(file, known, _)| name.starts_with(file) && *known == word);
            assert!(
                other || !codes.contains_key(word),
                "{name}: write the enum instead of \"{word}\""
            );
        }
    }
}
