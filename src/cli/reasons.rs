//! `sipward explain CODE` and docs/reasons.md: both walk the registry of reasons.
use crate::reason::{Learns, Reason, TrustReason};
use crate::trust::Step;
use serde::Serialize;

/// What is known of a reason code.
///
/// The names of its fields are the keys of `explain CODE --json`, which scripts read: they stay, whatever words the page for
/// people uses.
#[derive(Clone, Debug, Serialize)]
pub struct Described {
    /// The stable identifier.
    pub code: &'static str,
    /// The part of the daemon that it comes from: `trust decision`, `message` ...
    pub about: &'static str,
    /// What happened.
    pub cause: &'static str,
    /// How to see whether that is it.
    pub check: &'static str,
    /// What to do about it.
    #[serde(rename = "fix")]
    pub remedy: &'static str,
    /// What the sender learns: a TLS alert or a SIP status.
    #[serde(rename = "sent")]
    pub learned: String,
    /// Where the rule comes from, if an RFC says it.
    pub rule: &'static str,
    /// Codes that earlier versions wrote for it.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub formerly: &'static [&'static str],
}

impl From<Reason> for Described {
    fn from(reason: Reason) -> Self {
        Self {
            code: reason.code(),
            about: reason.layer().about(),
            cause: reason.what(),
            check: reason.check(),
            remedy: reason.remedy(),
            learned: learns(reason),
            rule: reason.rfc(),
            formerly: reason.former(),
        }
    }
}

impl Described {
    /// The page for people: names and values, empty ones included.
    pub(super) fn rows(&self) -> Vec<(&'static str, String)> {
        // In the order in which an operator works: what happened, whether that is it, what to do; then what the other side saw.
        vec![
            ("cause", self.cause.to_owned()),
            ("check", self.check.to_owned()),
            ("fix", self.remedy.to_owned()),
            ("sent", self.learned.clone()),
            ("rule", self.rule.to_owned()),
            ("was", self.formerly.join(", ")),
        ]
    }
}

/// What the sender learns, in words: always less than the log, because a stranger could find out by trial which names and
/// anchors the topology has.
fn learns(reason: Reason) -> String {
    match reason.learns() {
        Learns::Status(status, text) => format!("{status} \"{text}\""),
        Learns::Nothing => "nothing".to_owned(),
        Learns::Alert(alert) => {
            let own = in_words(alert.as_str().unwrap_or_default());
            // Whoever has no anchor to vouch for it gets one alert for everything, so that it cannot feel its way.
            let before_an_anchor = TrustReason::from_code(reason.code()).is_some_and(|reason| {
                matches!(reason.step(), Step::Chain | Step::Name | Step::Path)
            });
            if before_an_anchor && own != UNKNOWN_CA {
                format!("alert {own} (a stranger: {UNKNOWN_CA})")
            } else {
                format!("alert {own}")
            }
        }
    }
}

/// The alert for a remote that no anchor vouches for.
const UNKNOWN_CA: &str = "unknown_ca";

/// An alert's name as RFC 8446 §6 writes it: `UnknownCA` is unknown_ca.
fn in_words(name: &str) -> String {
    let mut words = String::new();
    let mut small = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && small {
            words.push('_');
        }
        small = c.is_ascii_lowercase();
        words.push(c.to_ascii_lowercase());
    }
    words
}

/// What the registry knows of a code, former codes included; empty when nothing.
///
/// A word can be one row's code and another row's former code, as `domain_denied` is: then both are described, since the
/// line that is being looked up may have been written by either version.
pub fn of(code: &str) -> Vec<Described> {
    Reason::all()
        .filter(|reason| reason.code() == code || reason.former().contains(&code))
        .map(Described::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::alert::alert_reason;
    use crate::reason::{DaemonReason, Layer, TopologyReason};
    use rustls::AlertDescription;
    use std::fmt::Write as _;

    /// What stands above the table of a layer.
    fn heading(layer: Layer) -> (&'static str, &'static str) {
        match layer {
            Layer::Form => (
                "The form of messages",
                "In `connection_closed`, and behind `malformed_request` and `response_malformed`. docs/conformance.md says what each rule protects.",
            ),
            Layer::Message => (
                "Messages",
                "In `request_refused`, `request_relayed` and `message_dropped`.",
            ),
            Layer::Trust => (
                "Trust decisions",
                "In `handshake_refused`, and in `connection_closed` of a connection that was judged again. `sipward explain --config FILE --cert PEM` shows every step.",
            ),
            Layer::TrustSet => (
                "Trust sets",
                "In `warning`, and in the output of `sipward check`.",
            ),
            Layer::Crl => (
                "CRLs",
                "In `crl_refused`, and in the output of `sipward check`.",
            ),
            Layer::Fetch => ("Fetching CRLs", "In `crl_fetch_failed`."),
            Layer::Connection => (
                "Handshakes and connections",
                "In `handshake_refused`, `handshake_aborted`, `connection_closed`, `peer_disconnected` and `trust_withdrawn`.",
            ),
            Layer::Alert => (
                "Alerts from the remote",
                "In `handshake_refused_by_peer` and `connection_closed`; the number on the wire stands before what happened.",
            ),
            Layer::Health => ("Health of peers", "In `peer_unavailable`."),
            Layer::Topology => (
                "Topology",
                "In the output of `sipward check`, in `start_refused` and `reload`, and as `reason` of `warning`.",
            ),
            Layer::Daemon => (
                "The daemon",
                "In `start_refused`, `control_unavailable`, `control_request`, `crl_state_failed`, `overloaded`, as `reason` of `warning`, and in replies of the control socket.",
            ),
        }
    }

    /// The number of an alert on the wire, for its row.
    fn number(reason: Reason) -> Option<u8> {
        (0..=u8::MAX).find(|number| {
            let known = alert_reason(AlertDescription::from(*number));
            known != crate::reason::AlertReason::Other && reason == known
        })
    }

    fn table(layer: Layer, page: &mut String) {
        let (title, intro) = heading(layer);
        write!(
            page,
            "\n## {title}\n\n{intro}\n\n| code | what happened | how to check | how to fix | what the sender learns | rule |\n|---|---|---|---|---|---|\n"
        )
        .unwrap();
        // A bar would end the cell.
        let cell = |text: &str| text.replace('|', "\\|");
        for reason in Reason::all().filter(|reason| reason.layer() == layer) {
            let prefix = match (number(reason), TopologyReason::from_code(reason.code())) {
                (Some(number), _) if layer == Layer::Alert => format!("{number}: "),
                (None, Some(found)) => format!("{}: ", found.severity().word()),
                _ => String::new(),
            };
            let one = Described::from(reason);
            let former: Vec<_> = one
                .formerly
                .iter()
                .map(|code| format!("`{code}`"))
                .collect();
            let former = match former.as_slice() {
                [] => String::new(),
                codes => format!(" (formerly {})", codes.join(", ")),
            };
            writeln!(
                page,
                "| `{}`{former} | {prefix}{} | {} | {} | {} | {} |",
                one.code,
                cell(one.cause),
                cell(one.check),
                cell(one.remedy),
                cell(&one.learned),
                one.rule
            )
            .unwrap();
        }
    }

    fn page() -> String {
        let mut page = String::from(
            "# Reason codes\n\nEvery code that the log, the commands and the control socket write. A code keeps its meaning; new ones may come.\n\
             `sipward explain CODE` prints one row of this page, and knows former codes.\n\n\
             What the sender learns is a TLS alert, or a SIP answer: its status, with the text of this page in `Warning: 399` and the\n\
             reason phrase of RFC 3261 in the status line.\n\n\
             This page is made from the registry in `src/reason`, and a test holds it to that (`UPDATE_DOCS=1 cargo test --lib\ncli::reasons` writes it).\n",
        );
        for layer in Layer::ALL {
            table(layer, &mut page);
        }
        page
    }

    #[test]
    fn the_docs_are_made_from_the_registry() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reasons.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(file, page()).unwrap();
            return;
        }
        assert_eq!(
            std::fs::read_to_string(file).unwrap(),
            page(),
            "docs/reasons.md is not what the registry says: UPDATE_DOCS=1 cargo test --lib cli::reasons"
        );
    }

    /// The quoted words of a text: codes, names and keys, in the docs.
    fn quoted(text: &str) -> impl Iterator<Item = &str> {
        text.split('`').skip(1).step_by(2)
    }

    #[test]
    fn other_docs_use_the_codes_of_the_registry() {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/");
        let read = |name: &str| std::fs::read_to_string(format!("{docs}{name}")).unwrap();
        let control = read("control.md");
        let errors = control.split("`code` is one of").nth(1).unwrap();
        let codes: Vec<_> = errors
            .lines()
            .skip_while(|line| !line.starts_with("| `"))
            .map_while(|line| quoted(line.strip_prefix("| ")?).next())
            .collect();
        assert!(codes.len() > 5, "{codes:?}");
        for code in codes {
            assert!(
                DaemonReason::from_code(code).is_some(),
                "control.md: {code}"
            );
        }
        let events = read("events.md");
        let mut seen = 0;
        for cell in events
            .split(" | ")
            .filter_map(|cell| cell.split("`reason` is ").nth(1))
        {
            for code in quoted(cell) {
                seen += 1;
                assert!(!of(code).is_empty(), "events.md: {code}");
                assert!(
                    of(code).iter().any(|one| one.code == code),
                    "events.md, a former code: {code}"
                );
            }
        }
        assert!(seen > 3, "{seen}");
        // What a row says of an event's fields: each stands in the table of fields.
        for reason in Reason::all() {
            for text in [reason.check(), reason.remedy()] {
                let mut rest = text;
                while let Some((before, after)) = rest.split_once("` of the event") {
                    let field = before.rsplit('`').next().unwrap();
                    let row = format!("\n| `{field}` | ");
                    assert!(
                        events.contains(&row),
                        "{}: no event has `{field}`",
                        reason.code()
                    );
                    rest = after;
                }
            }
        }
    }

    #[test]
    fn a_code_is_described_by_its_current_or_a_former_name() {
        let described = of("alert_unknown_ca");
        assert_eq!(described[0].about, Layer::Alert.about());
        assert!(described[0].check.contains("shown_subjects"));
        for code in [
            "close_notify",
            "crl_older",
            "bare_lf",
            "ping_timeout",
            "unknown_key",
        ] {
            assert_eq!(of(code).len(), 1, "{code}");
        }
        let codes = |word| of(word).iter().map(|one| one.code).collect::<Vec<_>>();
        assert_eq!(
            codes("domain_denied"),
            ["domain_denied", "home_domain_denied"]
        );
        assert_eq!(codes("in_use"), ["socket_in_use"]);
    }
}
