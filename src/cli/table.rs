//! Tables for people: fit for the terminal where the output is one, and as wide as their cells where it goes elsewhere.
//!
//! Not a crate: those wrap cells over several lines, which neither grep nor an eye that looks for a row can follow.
//!
//! A cell may hold what a remote has written: nothing in it acts on the terminal, and none breaks its line.
use super::output::plain;
use std::io::{self, Write};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Between two columns.
///
/// Two blanks, so that a cell with one blank in it is still seen as one.
const GAP: &str = "  ";
/// No column is cut to less than this: a name's beginning must be left.
const NARROWEST: usize = 8;
/// What a cut cell ends with.
const CUT: char = '…';

/// A column.
pub(super) struct Column {
    /// What stands above it.
    head: &'static str,
    /// Numbers end at one edge, and are never cut: half a number is another one.
    is_number: bool,
}

/// A column of text.
pub(super) const fn text(head: &'static str) -> Column {
    Column {
        head,
        is_number: false,
    }
}

/// A column of numbers.
pub(super) const fn number(head: &'static str) -> Column {
    Column {
        head,
        is_number: true,
    }
}

/// Columns, and rows of as many cells.
pub(super) struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// Without rows.
    pub(super) fn new(columns: [Column; N]) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// One row more.
    pub(super) fn row(&mut self, cells: [String; N]) {
        // Here and nowhere else: no command can forget it.
        self.rows.push(cells.map(|cell| plain(&cell)));
    }

    /// Writes it: cut to the terminal, if standard output is one.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        // Standard output alone counts: with `| less` the terminal is somewhere else.
        let size = terminal_size::terminal_size_of(io::stdout());
        self.write_within(size.map(|(width, _)| usize::from(width.0)), out)
    }

    /// Writes it within so many columns of a terminal; `None`: nothing is cut.
    fn write_within(&self, width: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
        // Of all rows, so that no line is set apart from its neighbours.
        let widths = self.widths(width);
        let heads = self.columns.iter().map(|column| column.head);
        write_line(heads, &self.columns, &widths, out)?;
        for row in &self.rows {
            write_line(row.iter().map(String::as_str), &self.columns, &widths, out)?;
        }
        Ok(())
    }

    /// How wide each column is. What is too wide in all is taken from the widest column of text, one character at a time.
    fn widths(&self, most: Option<usize>) -> [usize; N] {
        let mut widths: [usize; N] = std::array::from_fn(|at| {
            let head = self.columns.get(at).map_or(0, |column| column.head.width());
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            cells.map(|cell| cell.width()).max().unwrap_or(0).max(head)
        });
        let most = most.unwrap_or(usize::MAX);
        let gaps = GAP.len() * N.saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > most {
            let columns = widths.iter_mut().zip(&self.columns);
            let texts = columns.filter(|(width, column)| !column.is_number && **width > NARROWEST);
            // Only numbers and short columns are left: a terminal so narrow breaks the lines by itself.
            let Some((widest, _)) = texts.max_by_key(|(width, _)| **width) else {
                break;
            };
            *widest -= 1;
        }
        widths
    }
}

/// One line, without blanks at its end.
fn write_line<'a>(
    cells: impl Iterator<Item = &'a str>,
    columns: &[Column],
    widths: &[usize],
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut line = String::new();
    for ((cell, column), width) in cells.zip(columns).zip(widths) {
        let cell = cut(cell, *width);
        let blanks = " ".repeat(width.saturating_sub(cell.width()));
        if column.is_number {
            line += &blanks;
            line += &cell;
        } else {
            line += &cell;
            line += &blanks;
        }
        line += GAP;
    }
    writeln!(out, "{}", line.trim_end())
}

/// The text, or as much of it as fits with a mark that it was cut.
pub(super) fn cut(cell: &str, width: usize) -> String {
    if cell.width() <= width {
        return cell.to_owned();
    }
    // The mark takes one.
    let mut used = 1;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= width
    };
    let mut kept: String = cell.chars().take_while(fits).collect();
    kept.push(CUT);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(width: Option<usize>, rows: &[[&str; 3]]) -> Vec<String> {
        let mut table = Table::new([number("NUMBER"), text("WHO"), text("FROM")]);
        for row in rows {
            table.row(row.map(str::to_owned));
        }
        let mut out = Vec::new();
        table.write_within(width, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn columns_are_aligned_and_numbers_end_at_one_edge() {
        let rows = [["7", "alice", "192.0.2.1:5061"], ["12345678", "東京", "-"]];
        assert_eq!(
            written(None, &rows),
            [
                "  NUMBER  WHO    FROM",
                "       7  alice  192.0.2.1:5061",
                "12345678  東京   -",
            ]
        );
    }

    #[test]
    fn what_is_too_wide_is_cut_where_it_is_widest_and_numbers_never_are() {
        let long = "edge01.a-very-long-name-of-a-partner.fabrikam.test";
        let lines = written(Some(50), &[["12345678901", long, "192.0.2.1:5061"]]);
        assert!(lines.iter().all(|line| line.width() <= 50), "{lines:?}");
        assert!(lines[1].contains("12345678901") && lines[1].contains('…'));
        assert!(lines[1].contains("192.0.2.1:5061"), "{lines:?}");
        let lines = written(Some(5), &[["12345678901", long, "192.0.2.1:5061"]]);
        assert_eq!(lines[1], "12345678901  edge01.…  192.0.2…");
    }

    #[test]
    fn what_a_remote_wrote_acts_on_no_terminal_and_breaks_no_line() {
        let hostile = "a\u{1b}]0;x\u{7}\r\n\u{9b}2J\u{202e}b";
        let lines = written(None, &[["1", hostile, "-"]]);
        assert_eq!(lines.len(), 2);
        assert!(lines[1].chars().all(|c| c == ' ' || c.is_ascii_graphic()));
        assert!(
            lines[1].contains(r"\u{1b}]0;x\u{7}\r\n\u{9b}2J\u{202e}b"),
            "{lines:?}"
        );
    }
}
