//! Text as HTML: whatever somebody else has chosen is text there, and nothing else.
use crate::topology::acts_on_reader;

/// Text between tags or in an attribute with double quotes. What would act on the reader instead of
/// being seen is replaced.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if acts_on_reader(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_a_tag_an_attribute_or_a_mark_of_direction() {
        let text = "<script>alert(\"&'\")</script>\u{202e}\u{1b}[31m";
        let shown = escaped(text);
        assert!(!shown.contains(['<', '>', '"', '\'', '\u{202e}', '\u{1b}']));
        assert!(shown.starts_with("&lt;script&gt;alert(&quot;&amp;&#39;&quot;)"));
        assert_eq!(escaped("fe01.contoso.test é"), "fe01.contoso.test é");
    }
}
