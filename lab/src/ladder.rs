//! Draws a transcript as a ladder: one column for each party, one arrow for each message on each leg.
//!
//! Plain ASCII of fixed width, so that it survives terminals, logs and mail.
use super::TranscriptEntry;

/// The columns of a drawing.
#[derive(Clone, Debug)]
pub struct Ladder {
    columns: Vec<String>,
}

/// Characters from one column's line to the next: room for an arrow with a start line's essence.
const STEP: usize = 22;

impl Ladder {
    /// Columns from left to right; parties of the transcript that are not among them are left out.
    pub fn new(columns: &[&str]) -> Self {
        Self {
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        }
    }

    /// The drawing, each line ended by LF.
    pub fn draw(&self, entries: &[TranscriptEntry]) -> String {
        let mut lines = vec![self.heads()];
        for entry in entries {
            match (self.column(&entry.from), self.column(&entry.to)) {
                (Some(from), Some(to)) if from == to => lines.push(self.remark(from, &entry.text)),
                (Some(from), Some(to)) => lines.push(self.arrow(from, to, &label(entry))),
                _ => {}
            }
        }
        lines
            .iter()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect()
    }

    /// The number of a party's column; `None` for one that this drawing leaves out.
    fn column(&self, party: &str) -> Option<usize> {
        self.columns.iter().position(|c| c == party)
    }

    /// The names above the columns.
    fn heads(&self) -> String {
        let cells = self.columns.iter().map(|name| format!("{name:<STEP$}"));
        format!("  {}", cells.collect::<String>())
    }

    /// The empty rung: a line under each head.
    ///
    /// A line with nothing but the columns' verticals.
    fn rung(&self) -> Vec<char> {
        let cells = self.columns.iter().map(|_| format!("{:<STEP$}", "  |"));
        format!("  {}", cells.collect::<String>()).chars().collect()
    }

    /// A message: its label stands at the sender's end, the head at the receiver's.
    fn arrow(&self, from: usize, to: usize, label: &str) -> String {
        let (left, right) = (place(from.min(to)), place(from.max(to)));
        let width = right.saturating_sub(left).saturating_sub(1);
        let text: String = format!(" {label} ")
            .chars()
            .take(width.saturating_sub(3))
            .collect();
        let fill = width.saturating_sub(text.chars().count()).saturating_sub(1);
        let shaft = if from < to {
            format!("-{text}{}>", "-".repeat(fill.saturating_sub(1)))
        } else {
            format!("<{}{text}-", "-".repeat(fill.saturating_sub(1)))
        };
        overlay(self.rung(), left.saturating_add(1), &shaft)
    }

    /// A remark of one party, which may run across the columns to its right.
    fn remark(&self, column: usize, text: &str) -> String {
        overlay(self.rung(), place(column), &format!("* {text} "))
    }
}

/// Where a column's vertical line stands.
fn place(column: usize) -> usize {
    column.saturating_mul(STEP).saturating_add(4)
}

/// A line with a text over it from this character on.
fn overlay(rung: Vec<char>, at: usize, text: &str) -> String {
    let mut out: String = rung.iter().take(at).collect();
    out.push_str(text);
    out.extend(rung.iter().skip(at.saturating_add(text.chars().count())));
    out
}

/// A request's method and user, a response's status and phrase.
fn label(entry: &TranscriptEntry) -> String {
    if let Some(answer) = entry.text.strip_prefix("SIP/2.0 ") {
        return answer.to_owned();
    }
    entry.text.split(' ').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SipMessage;
    use crate::Transcript;

    #[test]
    fn arrows_point_from_sender_to_receiver_across_columns() {
        let t = Transcript::new();
        t.message("a", "edge", &SipMessage::request("INVITE", "sip:b@x"));
        t.message("b", "edge", &SipMessage::request("x", "y").answer(180, ""));
        t.message("edge", "a", &SipMessage::request("x", "y").answer(200, ""));
        t.note("b", "killed");
        let drawn = Ladder::new(&["a", "edge", "b"]).draw(&t.since(0));
        let lines: Vec<_> = drawn.lines().collect();
        assert_eq!(
            lines,
            [
                "  a                     edge                  b",
                "    |- INVITE ----------->|                     |",
                "    |                     |<------ 180 Ringing -|",
                "    |<----------- 200 OK -|                     |",
                "    |                     |                     * killed",
            ]
        );
    }
}
