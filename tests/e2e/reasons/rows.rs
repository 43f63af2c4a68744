//! Every row of the registry is provoked by a test, or says here why none can provoke it.
use sipward::reason::{
    AlertReason, ConnectionReason, CrlReason, DaemonReason, FetchReason, HealthReason,
    MessageReason, Reason, Rule, TopologyReason, TrustReason, TrustSetReason,
};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Rows that no test provokes, and why none can.
const UNPROVOKED: [(Reason, &str); 13] = [
    (
        Rule::NoEmptyLine.reason(),
        "framing waits for the empty line, so that a head without one ends as head_timeout or head_too_large",
    ),
    (
        ConnectionReason::ShardBusy.reason(),
        "a shard would have to stand still while thousands of connections arrive",
    ),
    (
        ConnectionReason::Undecided.reason(),
        "the verifier decides on every certificate, or the handshake fails before",
    ),
    (
        ConnectionReason::BackingOff.reason(),
        "it stays between a shard's shell and its core, and is not logged",
    ),
    (
        ConnectionReason::Reloaded.reason(),
        "a reload would have to end between two steps of one dial",
    ),
    (
        DaemonReason::StartFailed.reason(),
        "the system would have to refuse a thread or a runtime",
    ),
    (
        DaemonReason::StateFull.reason(),
        "the state directory is full at gigabytes of CRLs",
    ),
    (
        DaemonReason::ListenerServesAnotherCertificate.reason(),
        "another process would have to take the listener's address from the running daemon",
    ),
    (
        DaemonReason::AcceptFailed.reason(),
        "the test's process shares the limit of descriptors that would have to be reached",
    ),
    (
        DaemonReason::ShardInboxFull.reason(),
        "a shard would have to stand still while thousands of messages cross to it",
    ),
    (
        DaemonReason::ShardFailed.reason(),
        "a shard ends by itself only when the system refuses it a timer or a socket",
    ),
    (
        DaemonReason::SchedulingRefused.reason(),
        "a seccomp filter would have to refuse the call; the service's test runs under the unit that permits it",
    ),
    (
        DaemonReason::ShardKeptGeneration.reason(),
        "the same configurations were built from the same generation a moment before",
    ),
];

/// Rust sources below a folder, the registry and this file left out: both name every code.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("src/reason") {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs" || e == "toml") && path != own_file() {
            found.push(path);
        }
    }
}

fn own_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/reasons/rows.rs")
}

/// The code of a file that runs in tests only, comments left out.
fn test_code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let is_test =
        path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
    let code = if is_test {
        &text[..]
    } else {
        text.split_once("#[cfg(test)]\nmod tests {")
            .map_or("", |(_, tests)| tests)
    };
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// How tests name each reason in Rust: `MessageReason::NoRoute`, by its own enum and by those that share its row.
fn variants() -> HashMap<Reason, Vec<String>> {
    let mut names: HashMap<Reason, Vec<String>> = HashMap::new();
    let mut add = |reason: Reason, word: String| names.entry(reason).or_default().push(word);
    macro_rules! add {
        ($($name:ident),+) => {
            $(for one in $name::ALL {
                add(one.reason(), format!("{}::{one:?}", stringify!($name)));
            })+
        };
    }
    add!(
        AlertReason,
        ConnectionReason,
        CrlReason,
        DaemonReason,
        FetchReason,
        HealthReason,
        MessageReason,
        Rule,
        TopologyReason,
        TrustReason,
        TrustSetReason
    );
    // The trust matrix is long enough to call its enum R.
    for reason in TrustReason::ALL {
        add(reason.reason(), format!("R::{reason:?}"));
    }
    names
}

#[test]
fn every_row_is_provoked_or_says_why_it_cannot_be() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("tests"), &mut files);
    let code: String = files.iter().map(|file| test_code(file)).collect();
    let variants = variants();
    let is_word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    // `NoRoute` is not provoked by a test of `NoRouteAtAll`.
    let names_it = |word: &str| {
        code.match_indices(word)
            .any(|(at, _)| !is_word(code.as_bytes().get(at + word.len())))
    };
    let mut missing = Vec::new();
    for reason in Reason::all() {
        let provoked = names_it(&format!("\"{reason}\""))
            || variants[&reason].iter().any(|word| names_it(word));
        let excused = UNPROVOKED.iter().any(|(row, _)| *row == reason);
        assert!(
            !(provoked && excused),
            "{reason} is provoked: take it out of UNPROVOKED"
        );
        if !provoked && !excused {
            missing.push(reason);
        }
    }
    assert!(missing.is_empty(), "no test provokes {missing:?}");
    assert!(
        UNPROVOKED.len() * 10 <= Reason::COUNT,
        "too many rows are excused"
    );
    assert!(UNPROVOKED.iter().all(|(_, why)| why.len() > 20));
}
