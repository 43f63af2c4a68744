//! Figures as a table and as JSON, and the ratios to HAProxy with their bars.
use super::Outcome;
use super::phases::Figures;
use super::target::Kind;
use serde_json::json;

/// What sipward is to reach; a bound that is not reached is explained in docs/performance.md.
enum Bar {
    /// At most so many times HAProxy's figure.
    AtMost(f64),
    /// At least so many times HAProxy's figure.
    AtLeast(f64),
    /// At most this figure itself.
    Bound(f64),
    /// At most so many times another figure of our own.
    Beside(&'static str, f64),
}

/// Key, name, bar.
const ROWS: [(&str, &str, Bar); 11] = [
    (
        "message_cpu_us",
        "CPU us per relayed message at 2,000 MESSAGE/s",
        Bar::AtMost(0.4),
    ),
    ("message_p99_us", "p99 at that load, us", Bar::AtMost(0.6)),
    (
        "closed_per_s",
        "closed loop, 100 outstanding: MESSAGE/s",
        Bar::AtLeast(1.2),
    ),
    (
        "closed_cpu_us",
        "CPU us per message in it",
        Bar::AtMost(0.8),
    ),
    ("calls_per_s", "calls/s, closed loop", Bar::AtLeast(1.0)),
    (
        "keepalives_cpu_us",
        "CPU us for 1,000 CRLF keep-alives",
        Bar::AtMost(0.2),
    ),
    (
        "handshake_cpu_us",
        "full TLS 1.3 handshake, CPU us",
        Bar::AtMost(0.4),
    ),
    (
        "idle_bytes",
        "idle TLS client connection, bytes of PSS",
        Bar::Bound(8_500.0),
    ),
    (
        "message_cpu_us_beside_all",
        "CPU us per message at that load beside 15,000 idle clients, and beside 100",
        Bar::Beside("message_cpu_us_beside_100", 1.15),
    ),
    (
        "closed_cpu_us_beside_all",
        "the same in the closed loop",
        Bar::Beside("closed_cpu_us_beside_100", 1.15),
    ),
    (
        "transaction_bytes_above_message",
        "a transaction that waits for its answer, bytes of PSS above its message",
        Bar::Bound(2_048.0),
    ),
];

/// The figures of several starts of each program.
#[derive(Default)]
pub(crate) struct Comparison {
    runs: Vec<(Kind, Figures)>,
}

impl Comparison {
    pub(crate) fn add(&mut self, kind: Kind, figures: Figures) {
        self.runs.push((kind, figures));
    }

    /// The median over a program's starts.
    fn median(&self, kind: Kind, key: &str) -> Option<f64> {
        let mut all: Vec<f64> = self
            .runs
            .iter()
            .filter(|(k, _)| *k == kind)
            .filter_map(|(_, figures)| figures.get(key).copied())
            .collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied()
    }

    /// The table, in Markdown, and one line of JSON with every run.
    pub(crate) fn show(&self) {
        println!("\n| figure | HAProxy raw relay | Kamailio stateful | sipward | bar | reached |");
        println!("|---|---|---|---|---|---|");
        for (key, name, bar) in &ROWS {
            let [haproxy, kamailio, sipward] = Kind::ALL.map(|kind| self.median(kind, key));
            let few = match bar {
                Bar::Beside(few, _) => self.median(Kind::Sipward, few),
                Bar::AtMost(_) | Bar::AtLeast(_) | Bar::Bound(_) => None,
            };
            let ratio = sipward
                .zip(few.or(haproxy))
                .map(|(ours, theirs)| ours / theirs);
            let (wanted, met) = match bar {
                Bar::AtMost(bar) => (format!("≤ {bar} × HAProxy"), ratio.map(|r| r <= *bar)),
                Bar::AtLeast(bar) => (format!("≥ {bar} × HAProxy"), ratio.map(|r| r >= *bar)),
                Bar::Bound(bar) => (format!("≤ {bar:.0}"), sipward.map(|s| s <= *bar)),
                Bar::Beside(_, bar) => (
                    format!("≤ {bar} × {}", number(few)),
                    ratio.map(|r| r <= *bar),
                ),
            };
            println!(
                "| {name} | {} | {} | {} | {wanted} | {}{} |",
                number(haproxy),
                number(kamailio),
                number(sipward),
                match met {
                    Some(true) => "yes",
                    Some(false) => "no",
                    None => "not measured",
                },
                ratio.map_or_else(String::new, |r| format!(", {r:.2} ×")),
            );
        }
        let runs: Vec<_> = self
            .runs
            .iter()
            .map(|(kind, figures)| json!({ "program": kind.name(), "figures": figures }))
            .collect();
        println!("\n{}", json!({ "bench": "load", "runs": runs }));
    }
}

/// One program's figures.
pub(crate) fn show(kind: Kind, figures: &Figures) {
    println!("\n{}", kind.name());
    for (name, figure) in figures {
        println!("{name:<28} {:>14}", number(Some(*figure)));
    }
    println!(
        "{}",
        json!({ "bench": "load", "program": kind.name(), "figures": figures })
    );
}

/// Fails if anything was refused or lost.
pub(crate) fn faultless(figures: &Figures) -> Outcome<()> {
    let faults: f64 = ["errors", "lost", "sustained_refused", "sustained_lost"]
        .iter()
        .filter_map(|key| figures.get(key))
        .sum();
    if faults > 0.0 {
        return Err(format!("{faults} requests were refused or lost").into());
    }
    Ok(())
}

fn number(figure: Option<f64>) -> String {
    match figure {
        None => "–".to_owned(),
        Some(figure) if figure.abs() < 100.0 => format!("{figure:.1}"),
        Some(figure) => format!("{figure:.0}"),
    }
}
