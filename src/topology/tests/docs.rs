//! docs/topology.md: every line about a key is made from the table, and so is the table of fields.
//!
//! `UPDATE_DOCS=1 cargo test --lib topology::` writes what the tables say into the file.
use super::*;
use crate::topology::keys::{Effect, Key, Presence, SECTIONS, ValueType};

/// What a value may be, as an operator writes it.
fn value(of: ValueType) -> String {
    let words = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
        words.join(", ")
    };
    let range = of
        .range()
        .map(|(least, most)| format!("{least} to {most}"))
        .unwrap_or_default();
    match of {
        ValueType::Text => "text".to_owned(),
        ValueType::Flag => "`true`, `false`".to_owned(),
        ValueType::Integer(..) => format!("number, {range}"),
        ValueType::Duration(_, _, None) => format!("duration, {range}"),
        ValueType::Duration(_, _, Some(never)) => format!("duration, {range}, or `\"{never}\"`"),
        ValueType::Size(..) => format!("size, {range}"),
        ValueType::Time => "time".to_owned(),
        ValueType::Word(list) => words(list),
        ValueType::Texts(_, usize::MAX) => "list".to_owned(),
        ValueType::Texts(_, most) => format!("list, {most} at most"),
        ValueType::Words(list, _) if list.len() > 4 => "list of fields".to_owned(),
        ValueType::Words(list, _) => format!("list of {}", words(list)),
        ValueType::Numbers(..) => format!("table of numbers, {range}"),
        ValueType::Table(_) => "table".to_owned(),
        ValueType::WordOrTable(list, _) => format!("{}, table", words(list)),
    }
}

fn row(key: &Key) -> String {
    let default = match key.presence {
        Presence::Required => "**required**".to_owned(),
        Presence::Optional(instead) => instead.to_owned(),
        Presence::Default(default) => format!("`{}`", default(key.value)),
    };
    let effect = match key.effect {
        Effect::Reload => "reload",
        Effect::Restart => "**restart**",
        Effect::RestartInPart => "reload, in part **restart**",
    };
    format!(
        "| `{}` | {} | {default} | {effect} | {} |\n",
        key.name,
        value(key.value),
        key.meaning
    )
}

fn table(title: &str, keys: &[Key]) -> String {
    let rows: String = keys.iter().map(row).collect();
    format!(
        "| {title} | value | without it | a change takes | meaning |\n|---|---|---|---|---|\n{rows}"
    )
}

fn inner(key: &Key) -> Option<&'static [Key]> {
    let (ValueType::Table(keys) | ValueType::WordOrTable(_, keys)) = key.value else {
        return None;
    };
    Some(keys)
}

/// The tables of a section: its own, and one for each table that is the value of a key. One that several sections share
/// stands in the last of them.
fn tables(position: usize) -> String {
    let section = &SECTIONS[position];
    let mut text = table("key", section.keys);
    let mut shown: Vec<*const Key> = Vec::new();
    for keys in section.keys.iter().filter_map(inner) {
        let is_shown_later = SECTIONS[position + 1..].iter().any(|later| {
            later
                .keys
                .iter()
                .filter_map(inner)
                .any(|other| std::ptr::eq(other, keys))
        });
        if is_shown_later || shown.contains(&keys.as_ptr()) {
            continue;
        }
        shown.push(keys.as_ptr());
        let owners = section
            .keys
            .iter()
            .filter(|key| inner(key).is_some_and(|other| std::ptr::eq(other, keys)));
        let owners: Vec<String> = owners.map(|key| format!("`{}`", key.name)).collect();
        text.push('\n');
        text.push_str(&table(&format!("key of {}", owners.join(", ")), keys));
    }
    text
}

/// What only a restart changes.
fn restarts() -> String {
    let mut text = String::new();
    for section in SECTIONS {
        for key in section.keys {
            let part = match key.effect {
                Effect::Reload => continue,
                Effect::Restart => "",
                Effect::RestartInPart => ", in part: see there",
            };
            let of = if section.is_single() {
                format!("`{}.{}`", section.name, key.name)
            } else {
                format!("`{}` of a `{}`", key.name, section.header())
            };
            text.push_str(&format!("* {of}{part}.\n"));
        }
    }
    text
}

/// The text with one block of a part replaced: the tables (or the list) that begin with this line, until other text comes.
fn replaced(docs: &str, title: &str, begins: &str, block: &str) -> String {
    let part = docs
        .find(&format!("\n## {title}\n"))
        .unwrap_or_else(|| panic!("no part {title}"));
    let at = docs[part..]
        .find(&format!("\n{begins}"))
        .unwrap_or_else(|| panic!("no {begins} in {title}"));
    let first = part + at + 1;
    let lines = docs[first..].split_inclusive('\n');
    let old: String = lines
        .take_while(|line| *line == "\n" || line.starts_with(&begins[..1]))
        .collect();
    let old = old.trim_end_matches('\n');
    format!(
        "{}{}{}",
        &docs[..first],
        block.trim_end_matches('\n'),
        &docs[first + old.len()..]
    )
}

#[test]
fn the_docs_say_what_the_tables_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/topology.md");
    let written = std::fs::read_to_string(path).unwrap();
    let mut docs = written.clone();
    for (position, section) in SECTIONS.iter().enumerate() {
        docs = replaced(
            &docs,
            &format!("`{}`", section.header()),
            "| key |",
            &tables(position),
        );
    }
    docs = replaced(&docs, "`[boundary]`", "| field |", &trust_fields::docs());
    docs = replaced(&docs, "What needs a restart", "* ", &restarts());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &docs).unwrap();
        return;
    }
    let differs = written
        .lines()
        .zip(docs.lines())
        .find(|(is, should)| is != should);
    assert!(
        written == docs,
        "{differs:#?}\nUPDATE_DOCS=1 cargo test --lib topology:: writes docs/topology.md anew"
    );
}

#[test]
fn every_meaning_is_a_sentence_that_fits_a_table() {
    for section in SECTIONS {
        for key in section.keys {
            let whole = key.meaning.ends_with('.')
                && !key.meaning.contains('\n')
                && !key.meaning.contains('|');
            assert!(whole, "{} {}", section.name, key.name);
            assert!(!key.gist().is_empty());
        }
    }
}
