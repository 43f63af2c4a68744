//! Text of strangers in a form that any log line and terminal can hold.
use x509_parser::x509::{RelativeDistinguishedName, X509Name};

/// Whether a character could act on a terminal, a pager or a log viewer instead of being seen: controls (C0, DEL, C1),
/// line and paragraph separators, marks that change the direction of writing, and invisible ones.
pub(crate) fn acts_on_reader(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// What a stranger wrote, for a log line or a terminal: at most `most` characters, none of which acts on its reader.
pub(crate) fn printable(text: &str, most: usize) -> String {
    text.chars()
        .map(|c| if acts_on_reader(c) { '?' } else { c })
        .take(most)
        .collect()
}

/// Characters of a name that are kept for logs.
const LONGEST_NAME: usize = 200;

/// Attributes of a name that are written out.
const MOST_ATTRIBUTES: usize = 32;

/// A distinguished name as text that any log line can hold. Of one with very many attributes only the first are written.
pub(crate) fn subject_text(name: &X509Name<'_>) -> String {
    // Writing a name out costs time that grows with its attributes, and strangers choose how many there are.
    let few = name.iter_attributes().nth(MOST_ATTRIBUTES).is_none();
    let text = if few {
        name.to_string()
    } else {
        let first = name.iter_attributes().take(MOST_ATTRIBUTES).cloned();
        let rdns = first.map(|attribute| RelativeDistinguishedName::from_iter([attribute]));
        X509Name::from_iter(rdns).to_string()
    };
    printable(&text, LONGEST_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_and_direction_controls_are_known() {
        for c in [
            '\0', '\n', '\u{1b}', '\u{7f}', '\u{9b}', '\u{202e}', '\u{2028}', '\u{feff}',
        ] {
            assert!(acts_on_reader(c), "{c:?}");
        }
        assert!(!"Zoë 李 @;=<>".chars().any(acts_on_reader));
    }

    #[test]
    fn a_mark_of_direction_is_shown_as_what_it_is_not() {
        assert_eq!(printable("CN=a\u{202e}b\u{9b}c 李", 100), "CN=a?b?c 李");
        assert_eq!(printable("abcdef", 3), "abc");
    }
}
