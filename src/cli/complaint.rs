//! What a command says on standard error where it cannot do what it was asked: one line that names it, whatever was typed.
use super::output::plain;
use std::fmt::Display;
use std::io::{self, Write as _};

/// What is longer is cut in its middle: a name that a program has made up may have a hundred thousand characters, and what is
/// wrong with it stands behind it.
const LONGEST: usize = 800;
/// How much of both ends is left then.
const LEFT: usize = 300;

/// Writes `sipward: WHAT` and the end of the line. Nothing in it acts on the terminal, as a name of a file may.
pub(super) fn complain(what: impl Display) {
    let line = in_one_line(&what.to_string());
    // Who has closed standard error does not want to know.
    let _ = writeln!(io::stderr(), "sipward: {line}");
}

/// What clap has found in the command line. It says so in a paragraph, with the usage below; a script that has typed it has one
/// line for its log, and who sits at the terminal knows `--help`.
pub(super) fn complain_of_arguments(error: &clap::Error) {
    let text = error.render().to_string();
    let ends =
        |line: &&str| !line.starts_with("Usage:") && !line.starts_with("For more information");
    let lines = text.lines().take_while(ends).map(str::trim);
    let said: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let said = said.join(" ");
    let said = said.trim_start_matches("error: ");
    complain(format_args!("{said} (--help shows what there is)"));
}

/// A text as one line with a bound.
///
/// Escaped first: what is cut has no half of an escape sequence, and the bound is that of what is shown.
fn in_one_line(text: &str) -> String {
    let shown = plain(text);
    let length = shown.chars().count();
    if length <= LONGEST {
        return shown;
    }
    let begin: String = shown.chars().take(LEFT).collect();
    let end: String = shown.chars().skip(length - LEFT).collect();
    format!("{begin}…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_makes_one_line_and_acts_on_no_terminal() {
        let name = format!("\u{1b}[2J{}\n\u{202e}", "x".repeat(100_000));
        let line = in_one_line(&format!("{name}: no such peer"));
        assert!(line.starts_with(r"\u{1b}[2Jxx"), "{line}");
        assert!(line.ends_with(r"xx\n\u{202e}: no such peer"), "{line}");
        assert_eq!(line.chars().count(), 2 * LEFT + 1);
        assert_eq!(
            in_one_line("edge.toml: no such file"),
            "edge.toml: no such file"
        );
    }
}
