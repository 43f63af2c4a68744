//! The text formats, and docs/metrics.md: `UPDATE_DOCS=1 cargo test --lib observe` writes its table.
use super::families as names;
use super::*;
use crate::topology::Limits;
use std::collections::HashSet;
use std::fmt::Write as _;

#[test]
fn open_metrics_is_written_when_it_is_asked_for_and_not_liked_less() {
    // What Prometheus 2.42 sends.
    let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    for (accept, dialect) in [
        (prometheus, Dialect::OpenMetrics),
        ("application/openmetrics-text", Dialect::OpenMetrics),
        (
            "text/plain, Application/OpenMetrics-Text",
            Dialect::OpenMetrics,
        ),
        (
            "text/plain;version=0.0.4;q=0.5, application/openmetrics-text;q=0.2",
            Dialect::Prometheus,
        ),
        ("application/openmetrics-text;q=0", Dialect::Prometheus),
        ("application/openmetrics-text;q=nan", Dialect::Prometheus),
        (
            "text/html,application/xhtml+xml,*/*;q=0.8",
            Dialect::Prometheus,
        ),
        ("", Dialect::Prometheus),
    ] {
        assert_eq!(Dialect::accepted(accept), dialect, "{accept}");
    }
}

fn written(dialect: Dialect) -> String {
    let mut text = Exposition::new(dialect);
    text.family(&names::BUILD_INFO).add(&["1.0"], 1);
    text.family(&names::HANDSHAKES)
        .add(&["refused", "a\"b\\c\nd"], 3);
    text.family(&names::READY).add(&[], 1);
    text.family(&names::REQUEST_DURATION).histogram(
        &["client_to_home", "invite"],
        &[(0.0025, 1), (1.0, 2)],
        3,
        0.5,
    );
    text.finish()
}

#[test]
fn both_formats_have_the_same_samples_under_their_own_names_of_families() {
    let (classic, open) = (written(Dialect::Prometheus), written(Dialect::OpenMetrics));
    let samples = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(samples(&classic), samples(&open));
    assert_eq!(
        samples(&open),
        [
            r#"sipward_build_info{version="1.0"} 1"#,
            r#"sipward_handshakes_total{outcome="refused",reason="a\"b\\c\nd"} 3"#,
            "sipward_ready 1",
            r#"sipward_request_duration_seconds_bucket{direction="client_to_home",transaction="invite",le="0.0025"} 1"#,
            r#"sipward_request_duration_seconds_bucket{direction="client_to_home",transaction="invite",le="1.0"} 2"#,
            r#"sipward_request_duration_seconds_bucket{direction="client_to_home",transaction="invite",le="+Inf"} 3"#,
            r#"sipward_request_duration_seconds_sum{direction="client_to_home",transaction="invite"} 0.5"#,
            r#"sipward_request_duration_seconds_count{direction="client_to_home",transaction="invite"} 3"#,
        ]
    );
    assert!(classic.contains("# TYPE sipward_build_info gauge\n"));
    assert!(classic.contains("# TYPE sipward_handshakes_total counter\n"));
    assert!(open.contains("# TYPE sipward_build info\n"));
    assert!(open.contains("# TYPE sipward_handshakes counter\n"));
    assert!(open.ends_with("\n# EOF\n") && !classic.contains("EOF"));
}

#[test]
fn each_family_is_named_once_as_prometheus_wants_it() {
    let mut seen = HashSet::new();
    for family in FAMILIES {
        let name = family.name;
        assert!(seen.insert(name), "{name} twice");
        let own = name.starts_with("sipward_") || name.starts_with("process_");
        assert!(own, "{name}");
        let counts = family.kind == MetricKind::Counter;
        assert_eq!(name.ends_with("_total"), counts, "{name}");
        // No escape is written for these.
        assert!(!family.help.contains(['\\', '\n', '"', '|']), "{name}");
        assert!(family.help.ends_with('.'), "{name}");
    }
}

#[test]
fn each_limit_that_bites_is_a_key_of_the_topology_and_no_reason_counts_twice() {
    let mut reasons = HashSet::new();
    for (limit, of) in LIMITS_THAT_BITE.iter().chain(ENDS_BY_INTENT) {
        assert!(Limits::KEYS.iter().any(|key| key.name == *limit), "{limit}");
        assert!(of.iter().all(|reason| reasons.insert(*reason)), "{limit}");
    }
    for (limit, with) in COUNTED_WITH {
        let mut bounds = LIMITS_THAT_BITE.iter().chain(ENDS_BY_INTENT);
        assert!(bounds.any(|(it, _)| it == with), "{limit}");
    }
}

/// What ends nothing: where a client goes, how long a binding or a call is kept without a sign of life, and the queue of the
/// log, which is counted apart.
const NEVER_BITE: &[&str] = &["gather", "binding_grace", "call_idle", "log_queue"];

#[test]
fn every_bound_of_the_topology_says_how_often_it_bit() {
    for key in Limits::KEYS {
        let counted = LIMITS_THAT_BITE.iter().chain(ENDS_BY_INTENT);
        let mut counted = counted
            .map(|(limit, _)| limit)
            .chain(COUNTED_WITH.iter().map(|(limit, _)| limit));
        let is_counted = counted.any(|limit| *limit == key.name);
        let never = NEVER_BITE.contains(&key.name);
        assert!(
            is_counted != never,
            "limits.{}: which reason is it?",
            key.name
        );
    }
}

const BEGIN: &str = "| metric | type | labels | meaning |\n|---|---|---|---|\n";

#[test]
fn the_docs_have_the_table() {
    let mut table = BEGIN.to_owned();
    for family in FAMILIES {
        let labels: Vec<_> = family.labels.iter().map(|it| format!("`{it}`")).collect();
        writeln!(
            table,
            "| `{}` | {} | {} | {} |",
            family.name,
            family.kind.word(),
            labels.join(", "),
            family.help
        )
        .unwrap();
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let page = std::fs::read_to_string(file).unwrap();
    let at = page.find(BEGIN).unwrap();
    let rest = page[at..]
        .find("\n\n")
        .map_or(page.len(), |end| at + end + 1);
    let whole = format!("{}{table}{}", &page[..at], &page[rest..]);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(file, &whole).unwrap();
        return;
    }
    assert!(
        page == whole,
        "docs/metrics.md is not what the table says: UPDATE_DOCS=1 cargo test --lib observe"
    );
}
