//! `sipward explain CODE`: cause, check and remedy of every reason code, out of the tables that docs/reasons.md is made of.
use crate::edge::{alert, reason as edge};
use crate::topology::{CrlRefusal, did_you_mean};
use crate::{proxy, trust};
use serde::Serialize;
use std::io::{self, Write};

/// What is known of a reason code; one code may stand in two tables.
#[derive(Clone, Debug, Serialize)]
pub struct Described {
    /// The stable identifier.
    pub code: &'static str,
    /// What it is about: `trust decision`, `message`, `handshake or connection`, `alert from the other side`, `CRL`.
    pub about: &'static str,
    /// Why it comes.
    pub cause: &'static str,
    /// How to see whether that is it.
    pub check: &'static str,
    /// What to do about it.
    pub mend: &'static str,
    /// What the other side is told: a TLS alert or a SIP status.
    pub told: String,
    /// Where the rule comes from, if an RFC says it.
    pub rule: &'static str,
}

/// Every code of a table.
fn all() -> impl Iterator<Item = Described> {
    let trust = trust::Reason::ALL.iter().map(|reason| Described {
        code: reason.code(),
        about: TRUST,
        cause: reason.sentence(),
        check: reason.check(),
        mend: reason.remedy(),
        told: told(*reason),
        rule: reason.rfc(),
    });
    let edge = edge::ROWS.iter().map(|row| Described {
        code: row.code,
        about: EDGE,
        cause: row.says,
        check: row.check,
        mend: row.remedy,
        told: String::new(),
        rule: "",
    });
    // close_notify is how a connection ends, and stands there.
    let alerts = alert::ALERTS.iter().chain([&alert::OTHER]);
    let alerts = alerts.filter(|alert| edge::row(alert.code).is_none());
    let alerts = alerts.map(|alert| Described {
        code: alert.code,
        about: ALERT,
        cause: alert.meaning,
        check: alert.check,
        mend: alert.remedy,
        told: String::new(),
        rule: "RFC 8446 §6",
    });
    let proxy = proxy::Reason::ALL.iter().map(|reason| Described {
        code: reason.code(),
        about: PROXY,
        cause: reason.what(),
        check: reason.check(),
        mend: reason.remedy(),
        told: match reason.status() {
            0 => "nothing".to_owned(),
            status => format!("{status} \"{}\"", reason.public()),
        },
        rule: "",
    });
    let crls = CrlRefusal::ALL.iter().map(|refusal| Described {
        code: refusal.code(),
        about: CRL,
        cause: refusal.sentence(),
        check: "sipward crls lists those that are held; openssl crl -in FILE -noout -text shows one",
        mend: refusal.remedy(),
        told: String::new(),
        rule: refusal.rfc(),
    });
    trust.chain(edge).chain(alerts).chain(proxy).chain(crls)
}

/// What a refusal says: to a stranger who comes in, one alert for all that precedes an anchor's word.
fn told(reason: trust::Reason) -> String {
    let Some(alert) = reason.alert().and_then(|alert| alert.as_str()) else {
        return "nothing".to_owned();
    };
    let alert = in_words(alert);
    let stranger = in_words("UnknownCA");
    use trust::Step;
    let before_an_anchor = matches!(reason.step(), Step::Chain | Step::Name | Step::Path);
    if before_an_anchor && alert != stranger {
        format!("alert {alert} (a stranger: {stranger})")
    } else {
        format!("alert {alert}")
    }
}

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

const TRUST: &str = "trust decision";
const EDGE: &str = "handshake or connection";
const ALERT: &str = "alert from the other side";
const PROXY: &str = "message";
const CRL: &str = "CRL";

/// What the tables say of a code; empty when none knows it.
pub fn of(code: &str) -> Vec<Described> {
    all().filter(|described| described.code == code).collect()
}

/// What to say of a word that is no reason code.
pub fn unknown(word: &str) -> String {
    let known = all().map(|described| described.code);
    format!(
        "no reason code is called `{word}`{}; docs/reasons.md lists them all",
        did_you_mean(word, known)
    )
}

/// Writes what is known, for people.
pub(super) fn write(described: &[Described], out: &mut dyn Write) -> io::Result<()> {
    for one in described {
        writeln!(out, "{}  ({})", one.code, one.about)?;
        for (name, value) in [
            ("cause", one.cause),
            ("check", one.check),
            ("mend", one.mend),
            ("told", one.told.as_str()),
            ("rule", one.rule),
        ] {
            if !value.is_empty() {
                writeln!(out, "  {name:<6} {value}")?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn table(page: &mut String, about: &str, told: &str) {
        writeln!(
            page,
            "| code | cause | how to check | how to mend | {told} |"
        )
        .unwrap();
        writeln!(page, "|---|---|---|---|---|").unwrap();
        for one in all().filter(|one| one.about == about) {
            let last = if about == TRUST {
                format!("{}; {}", one.told, one.rule)
            } else if about == CRL {
                one.rule.to_owned()
            } else if about == ALERT {
                alert::by_code(one.code)
                    .filter(|alert| alert.code != alert::OTHER.code)
                    .map_or("any other".to_owned(), |alert| alert.number.to_string())
            } else {
                one.told
            };
            // A bar would end the cell.
            let cell = |text: &str| text.replace('|', "\\|");
            writeln!(
                page,
                "| `{}` | {} | {} | {} | {} |",
                one.code,
                cell(one.cause),
                cell(one.check),
                cell(one.mend),
                cell(&last)
            )
            .unwrap();
        }
    }

    fn page() -> String {
        let mut page = String::from(
            "# Reason codes\n\nWhat stands in `reason` of the log's events. A code keeps its meaning; new ones may come. \
             `sipward explain CODE`\nprints one row of this page. A code may stand in two tables: it then means the same on \
             another layer.\n\nThis page is made of the tables in the code, and a test holds it to them \
             (`UPDATE_DOCS=1 cargo test --lib reasons`\nwrites it anew).\n",
        );
        page.push_str("\n## Trust decisions\n\nIn `handshake_refused`, and in `connection_closed` of a connection that was judged \
                       again. `sipward explain\n--config FILE --cert PEM` shows every step.\n\n");
        table(&mut page, TRUST, "what the other side is told; rule");
        page.push_str("\n## Handshakes and connections\n\nIn `handshake_refused`, `handshake_aborted`, `peer_down` and \
                       `connection_closed`.\n\n");
        table(&mut page, EDGE, "what the other side is told");
        page.push_str("\n## Alerts from the other side\n\nIn `handshake_refused_by_peer` and `connection_closed`: what they \
                       refused us with, the number in `alert`.\nPrograms differ in their choice, so the cause is what is meant as a rule.\n\n");
        table(&mut page, ALERT, "number on the wire");
        page.push_str(
            "\n## Messages\n\nIn `request_refused`, `request_relayed` and `message_dropped`.\n\n",
        );
        table(&mut page, PROXY, "what the sender is told");
        page.push_str("\n## CRLs\n\nIn `crl_refused`: why a CRL is not used, or not in place of the one that is held.\n\n");
        table(&mut page, CRL, "rule");
        page
    }

    #[test]
    fn the_page_of_reasons_holds_every_row_of_the_tables() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reasons.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(file, page()).unwrap();
        }
        let documented = std::fs::read_to_string(file).unwrap();
        assert!(
            documented == page(),
            "docs/reasons.md does not hold what the tables say: UPDATE_DOCS=1 cargo test --lib reasons"
        );
    }

    #[test]
    fn every_code_has_a_cause_a_check_and_a_remedy() {
        for one in all() {
            assert!(!of(one.code).is_empty());
            for text in [one.cause, one.check, one.mend] {
                assert!(!text.is_empty(), "{}", one.code);
            }
        }
    }

    #[test]
    fn an_alert_is_described_and_the_end_of_tls_only_once() {
        let described = of("alert_unknown_ca");
        assert_eq!(described.len(), 1);
        assert_eq!(described[0].about, ALERT);
        assert!(described[0].check.contains("shown_subjects"));
        assert_eq!(of("close_notify").len(), 1);
        assert_eq!(of("crl_older").len(), 1);
        assert!(unknown("alert_unknown_cert").contains("did you mean `alert_"));
    }

    #[test]
    fn a_word_that_is_no_code_gets_the_nearest_one() {
        assert!(of("expird").is_empty());
        assert!(
            unknown("expird").contains("`expired`"),
            "{}",
            unknown("expird")
        );
    }
}
