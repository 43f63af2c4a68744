//! The text that Prometheus reads: its own format (0.0.4), and OpenMetrics 1.0.
use super::families::{MetricFamily, MetricKind};
use std::fmt::{Display, Write as _};

/// In which of the two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Prometheus' text format, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0: a family is named without the suffix of its samples, and the text says where it ends.
    OpenMetrics,
}

impl Dialect {
    /// What an `Accept` header asks for: OpenMetrics only if it is named and not liked less than plain text.
    pub fn accepted(accept: &str) -> Self {
        let best = |wanted: &str| {
            let entries = accept.split(',').filter_map(|entry| {
                let mut parts = entry.split(';').map(str::trim);
                let kind = parts.next()?;
                let quality =
                    parts.find_map(|it| it.strip_prefix("q=")?.trim().parse::<f32>().ok());
                kind.eq_ignore_ascii_case(wanted)
                    .then(|| quality.unwrap_or(1.0))
            });
            entries.fold(0.0, f32::max)
        };
        let open = best("application/openmetrics-text");
        if open > 0.0 && open >= best("text/plain") {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// The `Content-Type` of the text.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A text that is being written. Each family is begun once, and all its samples follow.
pub struct Exposition {
    text: String,
    dialect: Dialect,
}

/// The samples of the family that was begun last.
pub struct FamilySamples<'e> {
    text: &'e mut String,
    family: &'static MetricFamily,
}

impl Exposition {
    /// Nothing yet.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            text: String::new(),
            dialect,
        }
    }

    /// Begins a family.
    pub fn family(&mut self, family: &'static MetricFamily) -> FamilySamples<'_> {
        let (mut name, mut kind) = (family.name, family.kind.word());
        if self.dialect == Dialect::OpenMetrics {
            let suffix = match family.kind {
                MetricKind::Counter => "_total",
                MetricKind::Info => "_info",
                MetricKind::Gauge | MetricKind::Histogram => "",
            };
            name = name.strip_suffix(suffix).unwrap_or(name);
        } else if family.kind == MetricKind::Info {
            kind = MetricKind::Gauge.word();
        }
        let text = &mut self.text;
        // Texts of this program, without a line end or a backslash: a test holds that.
        put(
            text,
            format_args!("# HELP {name} {}\n# TYPE {name} {kind}\n", family.help),
        );
        FamilySamples { text, family }
    }

    /// The whole text.
    pub fn finish(mut self) -> String {
        if self.dialect == Dialect::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

impl FamilySamples<'_> {
    /// One sample, with a value for each label of the family.
    pub fn add(&mut self, labels: &[&str], value: impl Display) {
        self.sample("", labels, None, value);
    }

    /// A histogram: buckets with their upper ends, each counting what is below it; how many there are, and their sum.
    pub fn histogram(&mut self, labels: &[&str], buckets: &[(f64, u64)], count: u64, sum: f64) {
        for (end, below) in buckets {
            // With a decimal point in both formats, so that a series is the same whichever is asked for.
            self.sample("_bucket", labels, Some(&format!("{end:?}")), below);
        }
        self.sample("_bucket", labels, Some("+Inf"), count);
        self.sample("_sum", labels, None, sum);
        self.sample("_count", labels, None, count);
    }

    /// One line.
    fn sample(&mut self, suffix: &str, labels: &[&str], le: Option<&str>, value: impl Display) {
        self.text.push_str(self.family.name);
        self.text.push_str(suffix);
        let names = self.family.labels.iter().copied();
        let pairs = names.zip(labels.iter().copied());
        let mut open = '{';
        for (name, value) in pairs.chain(le.map(|le| ("le", le))) {
            self.text.push(open);
            open = ',';
            self.text.push_str(name);
            self.text.push_str("=\"");
            push_escaped(self.text, value);
            self.text.push('"');
        }
        if open == ',' {
            self.text.push('}');
        }
        put(self.text, format_args!(" {value}\n"));
    }
}

impl MetricKind {
    /// As `# TYPE` has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

/// A label's value: both formats escape the same three characters.
fn push_escaped(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            _ => text.push(c),
        }
    }
}

/// A string takes whatever is written to it.
fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(what);
}
