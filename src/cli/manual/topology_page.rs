//! sipward.toml(5): every key of the topology file, from the table by which the file is read.
//!
//! The same rows as docs/topology.md, in the form of a page: no tables, as terminals are narrow, and no links, as there is nothing to
//! follow. What the docs have beside their tables (examples, the fields of the boundary) is not repeated.
use crate::topology::keys::{Effect, Key, Presence, SECTIONS, ValueType};
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// The page.
pub(super) fn text() -> String {
    let mut page = Roff::new();
    page.control("TH", ["SIPWARD.TOML", "5"]);
    // The form that makewhatis(8) reads.
    page.control("SH", ["NAME"]);
    page.text([roman("sipward.toml - the topology file of sipward(1)")]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([roman(
        "One TOML file says who may connect, which CA may vouch for whom, and where each domain goes. An unknown key is an error; sipward check names its line and the nearest key. Relative paths are relative to the file. sipward reload takes a changed file as a whole or not at all.",
    )]);
    // In the order of the docs, which is that in which a file is best read.
    for section in SECTIONS {
        page.control("SH", [section.header().as_str()]);
        keys(&mut page, section.keys);
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([roman("sipward(1), sipward-check(1), sipward-init(1)")]);
    // Escaped by the crate: a line that begins with a dot is no request.
    page.to_roff()
}

/// The keys of a section or of a table in it, those of inner tables indented below their key.
fn keys(page: &mut Roff, of: &[Key]) {
    for key in of {
        page.control("TP", []);
        page.text([
            bold(key.name),
            roman(" ("),
            italic(value(key.value)),
            roman(")"),
        ]);
        page.text(meaning(key.meaning));
        // What an operator asks next: must it be there, and what holds if not.
        let without = match key.presence {
            Presence::Required => "Required.".to_owned(),
            Presence::Optional(instead) => format!("Without it: {}.", plain(instead)),
            Presence::Default(default) => format!("Default: {}.", default(key.value)),
        };
        // A reload is the rule and needs no words.
        let effect = match key.effect {
            Effect::Reload => "",
            Effect::Restart => " A change takes a restart.",
            Effect::RestartInPart => " A change takes a restart in part.",
        };
        page.control("br", []);
        page.text([roman(format!("{without}{effect}"))]);
        // A table of one section may be that of another as well; it is shown at each.
        if let ValueType::Table(inner) | ValueType::WordOrTable(_, inner) = key.value {
            page.control("RS", []);
            keys(page, inner);
            page.control("RE", []);
        }
    }
}

/// What a value may be, in few words.
fn value(of: ValueType) -> String {
    let words = |words: &[&str]| words.join(" | ");
    let range = of.range();
    let range = range.map_or_else(String::new, |(least, most)| format!(", {least} to {most}"));
    match of {
        ValueType::Text => "text".to_owned(),
        ValueType::Flag => "true | false".to_owned(),
        ValueType::Integer(..) => format!("number{range}"),
        // Milliseconds to days, each with its unit.
        ValueType::Duration(..) => match of.never() {
            Some(never) => format!("duration{range}, or {never}"),
            None => format!("duration{range}"),
        },
        ValueType::Size(..) => format!("size{range}"),
        ValueType::Time => "time".to_owned(),
        ValueType::Word(list) => words(list),
        ValueType::Texts(..) => "list".to_owned(),
        // Of header fields there are dozens: docs/topology.md has the table.
        ValueType::Words(list, _) if list.len() > 4 => "list of fields".to_owned(),
        ValueType::Words(list, _) => format!("list of {}", words(list)),
        ValueType::Numbers(..) => format!("table of numbers{range}"),
        ValueType::Table(_) => "table".to_owned(),
        ValueType::WordOrTable(list, _) => format!("{}, or a table", words(list)),
    }
}

/// The docs' Markdown as a line of a page: code becomes bold, of links the text stays.
fn meaning(text: &str) -> Vec<Inline> {
    let text = without_links(text);
    // Backticks come in pairs: the docs are held to that by their own tables.
    let parts = text.split('`').enumerate();
    parts
        .map(|(at, part)| {
            // Every second part stood between backticks.
            if at % 2 == 1 { bold(part) } else { roman(part) }
        })
        .collect()
}

/// Words that stand in a sentence of this page.
fn plain(text: &str) -> String {
    without_links(text).replace('`', "")
}

/// `[text](target)` becomes `text`; a reference to another place of the docs goes, as there is none here.
fn without_links(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    // A bracket that belongs to no link stays.
    while let Some((before, link)) = rest.split_once("](") {
        let (_, after) = link.split_once(')').unwrap_or(("", ""));
        let (begin, shown) = before.rsplit_once('[').unwrap_or((before, ""));
        kept.push_str(begin);
        kept.push_str(shown);
        rest = after;
    }
    kept.push_str(rest);
    // Only `(below)` is left of most of them.
    kept.replace(" (below)", "").replace(" ( below)", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_each_section_and_no_markdown() {
        let page = text();
        for section in SECTIONS {
            assert!(page.contains(section.name), "{}", section.name);
        }
        assert!(!page.contains("](") && !page.contains('`'), "{page}");
        assert!(page.contains("The name that its certificate must carry"));
    }

    #[test]
    fn of_a_link_the_text_stays() {
        assert_eq!(
            without_links("A ([below](#a)), [b](c) and d."),
            "A, b and d."
        );
        assert_eq!(without_links("no link [x] (y)"), "no link [x] (y)");
    }
}
