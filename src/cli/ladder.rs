//! A ladder of messages for the terminal: one column for each party, the time between two messages, and refusals where
//! they happened.
//!
//! It is drawn while messages come, so nobody knows which parties there will be: a new one gets the next column, and the
//! heads are written anew.
//!
//! Plain characters and no colour: a ladder is pasted into mails and tickets. What a remote has written passes `plain`
//! before anything is measured, since an escape takes more columns than what it stands for.
use super::output::plain;
use std::collections::VecDeque;
use std::io::{self, Write};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Columns besides this node's. One more begins a new set, since a terminal has no room for it.
const MOST_PARTIES: usize = 8;
/// Calls that are known by their number.
const MOST_CALLS: usize = 1_000;
/// A column: the narrowest shows a method, the widest a long name.
const NARROWEST: usize = 14;
const WIDEST: usize = 30;
/// What stands before the columns: time, time between, call.
const BEFORE: usize = 30;
/// A terminal that does not say how wide it is.
const USUAL_WIDTH: usize = 120;

/// One thing that happened.
pub(super) struct LadderStep {
    /// When, in microseconds since 1970.
    pub(super) at_us: u64,
    /// Of which call, if that is known.
    pub(super) call_id: String,
    /// What happened.
    pub(super) what: LadderEvent,
}

/// What happened.
pub(super) enum LadderEvent {
    /// A message between this node and a party.
    Message {
        /// The party.
        party: String,
        /// Whether this node received it.
        received: bool,
        /// Method, or status and method.
        label: String,
        /// Who calls whom, to introduce the call.
        about: String,
    },
    /// A refusal, or the end of a call or connection.
    Note(String),
}

/// A ladder as far as it is drawn.
pub(super) struct Ladder {
    node: String,
    parties: Vec<String>,
    /// Of the terminal.
    width: usize,
    last_us: Option<u64>,
    /// The latest calls, with their numbers.
    calls: VecDeque<(String, usize)>,
    last_call: usize,
    /// Whether heads are to be written before the next message.
    heads_due: bool,
}

impl Ladder {
    /// Of this node, for a terminal of so many columns; `None`: it is none, or does not say.
    pub(super) fn new(node: &str, width: Option<usize>) -> Self {
        Self {
            node: plain(node),
            parties: Vec::new(),
            width: width.unwrap_or(USUAL_WIDTH),
            last_us: None,
            calls: VecDeque::new(),
            last_call: 0,
            heads_due: true,
        }
    }

    /// Draws what has happened next.
    pub(super) fn draw(&mut self, step: &LadderStep, out: &mut dyn Write) -> io::Result<()> {
        // A call is introduced before its first message, with who calls whom.
        let call = self.call(step, out)?;
        let between = self.between(step.at_us);
        let before = format!("{} {between:>10} {call:>5}", time_of_day(step.at_us));
        match &step.what {
            LadderEvent::Note(text) => {
                // Behind the lifelines it would be cut: it is what an operator looks for.
                writeln!(out, "{before:<width$}x {}", plain(text), width = BEFORE)
            }
            LadderEvent::Message {
                party,
                received,
                label,
                ..
            } => {
                let column = self.column(party);
                if std::mem::take(&mut self.heads_due) {
                    let heads = self.heads();
                    writeln!(out, "{:width$}{heads}", "", width = BEFORE)?;
                }
                let line = self.arrow(column, *received, &plain(label));
                writeln!(out, "{before:<width$}{line}", width = BEFORE)
            }
        }
    }

    /// The number of a step's call; a new one is introduced in a line of its own.
    fn call(&mut self, step: &LadderStep, out: &mut dyn Write) -> io::Result<String> {
        if step.call_id.is_empty() {
            return Ok(String::new());
        }
        // A walk over a thousand at most, for a line that a person reads.
        let known = self.calls.iter().find(|(id, _)| *id == step.call_id);
        if let Some((_, number)) = known {
            return Ok(format!("#{number}"));
        }
        // Numbers go on: one that was forgotten comes back as another call, and never as an old one.
        self.last_call += 1;
        if self.calls.len() >= MOST_CALLS {
            self.calls.pop_front();
        }
        self.calls.push_back((step.call_id.clone(), self.last_call));
        let about = match &step.what {
            LadderEvent::Message { about, .. } => about.as_str(),
            // The message that it is about was before the trace.
            LadderEvent::Note(_) => "",
        };
        let (number, id) = (self.last_call, plain(&step.call_id));
        writeln!(out, "#{number}  {}  Call-ID {id}", plain(about))?;
        Ok(format!("#{number}"))
    }

    /// The time since the last step.
    fn between(&mut self, at_us: u64) -> String {
        let last = self.last_us.replace(at_us);
        let Some(us) = last.and_then(|last| at_us.checked_sub(last)) else {
            return String::new();
        };
        // Hundredths of a millisecond between two hops, seconds while somebody's phone rings.
        match us {
            0..10_000 => format!("+{}.{:02}ms", us / 1_000, us % 1_000 / 10),
            10_000..10_000_000 => format!("+{}ms", us / 1_000),
            _ => format!("+{}s", us / 1_000_000),
        }
    }

    /// The column of a party, from 1: this node has the first.
    fn column(&mut self, party: &str) -> usize {
        let party = plain(party);
        if let Some(at) = self.parties.iter().position(|it| *it == party) {
            return at + 1;
        }
        // Of many clients nobody sees a picture: the new set has those who talk now.
        if self.parties.len() >= MOST_PARTIES {
            self.parties.clear();
        }
        self.parties.push(party);
        self.heads_due = true;
        self.parties.len()
    }

    /// How wide a column is.
    fn column_width(&self) -> usize {
        // The last column has a head, and nothing behind it but that.
        let columns = self.parties.len() + 1;
        (self.width.saturating_sub(BEFORE) / columns).clamp(NARROWEST, WIDEST)
    }

    /// The names above the columns.
    fn heads(&self) -> String {
        let width = self.column_width();
        let names = std::iter::once(&self.node).chain(&self.parties);
        // A name that is cut still begins above its lifeline.
        let heads = names.map(|name| {
            let shown = cut(name, width - 2);
            let blanks = " ".repeat(width.saturating_sub(shown.width()));
            format!("{shown}{blanks}")
        });
        heads.collect::<String>().trim_end().to_owned()
    }

    /// A message between this node and the party of a column.
    fn arrow(&self, column: usize, received: bool, label: &str) -> String {
        let width = self.column_width();
        // Letters, digits and marks only: each takes one column.
        let label = cut(label, (column * width).saturating_sub(8));
        let mut line = vec![' '; self.parties.len() * width + 1];
        // First the lifelines, then the arrow over those that it passes.
        for lifeline in line.iter_mut().step_by(width) {
            *lifeline = '|';
        }
        let end = column * width;
        for place in line.iter_mut().take(end).skip(1) {
            *place = '-';
        }
        let tip = if received { (1, '<') } else { (end - 1, '>') };
        if let Some(place) = line.get_mut(tip.0) {
            *place = tip.1;
        }
        // At this node's end in both directions, so that labels stand below each other.
        let label = format!(" {label} ");
        for (place, c) in line.iter_mut().skip(3).zip(label.chars()) {
            *place = c;
        }
        line.into_iter().collect()
    }
}

/// As much of a text as fits.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 1;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= width
    };
    let kept: String = text.chars().take_while(fits).collect();
    format!("{kept}…")
}

/// In UTC, as in the log.
fn time_of_day(at_us: u64) -> String {
    let (seconds, ms) = (at_us / 1_000_000 % 86_400, at_us / 1_000 % 1_000);
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{ms:03}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(at_us: u64, party: &str, received: bool, label: &str) -> LadderStep {
        LadderStep {
            at_us,
            call_id: "1@a".to_owned(),
            what: LadderEvent::Message {
                party: party.to_owned(),
                received,
                label: label.to_owned(),
                about: "sip:alice@contoso.test -> sip:bob@contoso.test".to_owned(),
            },
        }
    }

    fn drawn(width: usize, steps: &[LadderStep]) -> Vec<String> {
        let mut ladder = Ladder::new("edge01", Some(width));
        let mut out = Vec::new();
        for step in steps {
            ladder.draw(step, &mut out).unwrap();
        }
        let text = String::from_utf8(out).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn each_party_has_a_column_and_each_message_an_arrow_with_the_time_between() {
        let refusal = LadderStep {
            at_us: 1_003_000,
            call_id: "1@a".to_owned(),
            what: LadderEvent::Note("request_refused no_route".to_owned()),
        };
        let steps = [
            message(1_000_000, "192.0.2.7:5061", true, "INVITE"),
            message(1_000_250, "fe01", false, "INVITE"),
            message(1_002_000, "fe01", true, "200 INVITE"),
            refusal,
        ];
        let line = |at: &str, between: &str, rest: String| {
            format!("00:00:01.{at} {between:>10}    #1 {rest}")
        };
        let dashes = |count| "-".repeat(count);
        let heads = |names: &str| format!("{:30}{names}", "");
        assert_eq!(
            drawn(90, &steps),
            [
                "#1  sip:alice@contoso.test -> sip:bob@contoso.test  Call-ID 1@a".to_owned(),
                heads(&format!("{:30}192.0.2.7:5061", "edge01")),
                line("000", "", format!("|<- INVITE {}|", dashes(19))),
                heads(&format!("{:20}{:20}fe01", "edge01", "192.0.2.7:5061")),
                line("000", "+0.25ms", format!("|-- INVITE {}>|", dashes(28))),
                line("002", "+1.75ms", format!("|<- 200 INVITE {}|", dashes(25))),
                line("003", "+1.00ms", "x request_refused no_route".to_owned()),
            ]
        );
    }

    #[test]
    fn many_parties_and_hostile_names_keep_within_the_terminal_and_act_on_nothing() {
        let steps: Vec<LadderStep> = (0..30)
            .map(|n| message(n, &format!("\u{1b}[2J\u{202e}{n}東京"), n % 2 == 0, "BYE"))
            .collect();
        for line in drawn(60, &steps) {
            assert!(
                !line.chars().any(crate::topology::acts_on_reader),
                "{line:?}"
            );
            assert!(
                line.width() < BEFORE + NARROWEST * (MOST_PARTIES + 1),
                "{line}"
            );
        }
    }

    #[test]
    fn times_are_shown_as_exactly_as_they_are_short() {
        let mut ladder = Ladder::new("edge01", None);
        let shown: Vec<String> = [0, 120, 5_120, 905_120, 60_905_120]
            .map(|at| ladder.between(at))
            .into();
        assert_eq!(shown, ["", "+0.12ms", "+5.00ms", "+900ms", "+60s"]);
        assert_eq!(time_of_day(86_399_999_000), "23:59:59.999");
    }
}
