//! The shape of the document against the schema: unknown keys, wrong types and missing keys, all at once.
//!
//! serde's own `deny_unknown_fields` ends at the first mistake. This pass reports every one with its line, and takes
//! out of the document what it has reported, so that the later passes can go on and find the rest.
use super::TopologyReason;
use super::findings::{Findings, Source};
use super::nearest::{did_you_mean, nearest};
use super::schema::{Count, Key, Kind, SECTIONS, Section};
use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeString, DeTable, DeValue};

/// Checks the whole document; afterwards it deserialises into [`super::raw::Raw`].
pub(super) fn check(document: &mut DeTable<'_>, source: &Source<'_>, found: &mut Findings) {
    let mut shape = Shape { source, found };
    let mut misspelt = Vec::new();
    retain(document, |key, value| {
        let name: &str = key.get_ref();
        let line = shape.source.line_of(key);
        let Some(section) = SECTIONS.iter().find(|section| section.name == name) else {
            let names = SECTIONS.iter().map(|section| section.name);
            misspelt.extend(nearest(name, names.clone()));
            shape.found.add(
                TopologyReason::UnknownKey,
                line,
                format!(
                    "unknown section or key `{name}`{}",
                    did_you_mean(name, names)
                ),
                "correct the name or take it out; docs/topology.md lists all sections",
            );
            return false;
        };
        shape.section(section, value, line)
    });
    for section in SECTIONS {
        let needed = matches!(section.count, Count::One | Count::Some);
        let there = document
            .iter()
            .any(|(key, _)| key.get_ref() == section.name);
        if needed && !there && !misspelt.contains(&section.name) {
            found.add_whole(
                TopologyReason::MissingKey,
                format!("there is no {} section", section.header()),
                "add one; docs/topology.md shows its keys, config/minimal.toml a whole file",
            );
        }
    }
}

/// Keeps the entries that pass, with the places of their keys.
fn retain<'i>(
    table: &mut DeTable<'i>,
    mut keep: impl FnMut(&Spanned<DeString<'i>>, &mut Spanned<DeValue<'i>>) -> bool,
) {
    for (key, mut value) in std::mem::take(table) {
        if keep(&key, &mut value) {
            table.insert(key, value);
        }
    }
}

struct Shape<'a, 't> {
    source: &'a Source<'t>,
    found: &'a mut Findings,
}

impl Shape<'_, '_> {
    fn section(&mut self, section: &Section, value: &mut Spanned<DeValue<'_>>, line: u32) -> bool {
        let keys = (section.keys)();
        let header = section.header();
        let single = matches!(section.count, Count::One | Count::Optional);
        let tables: Vec<&mut Spanned<DeValue<'_>>> = match value.get_mut() {
            DeValue::Array(entries) if !single => entries.iter_mut().collect(),
            DeValue::Table(_) if single => vec![value],
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => {
                let what = format!("must be written as {header}");
                self.wrong(
                    section.name,
                    line,
                    &what,
                    &format!("open it with a line {header}"),
                );
                return false;
            }
        };
        for entry in tables {
            // A section that may come once is placed by its key: the span of a table is its header's too.
            let line = if single {
                line
            } else {
                self.source.line_of(entry)
            };
            let DeValue::Table(table) = entry.get_mut() else {
                self.wrong(&header, line, "is not a table", &format!("write {header}"));
                return false;
            };
            self.table(&header, &keys, table, line);
        }
        true
    }

    /// Checks one table and takes out what is wrong in it.
    fn table(&mut self, place: &str, keys: &[Key], table: &mut DeTable<'_>, line: u32) {
        let mut misspelt = Vec::new();
        let mut wrong = Vec::new();
        retain(table, |name, value| {
            let line = self.source.line_of(name);
            let name: &str = name.get_ref();
            let Some(key) = keys.iter().find(|key| key.name == name) else {
                let names = keys.iter().map(|key| key.name);
                misspelt.extend(nearest(name, names.clone()));
                let hint = did_you_mean(name, names);
                self.found.add(
                    TopologyReason::UnknownKey,
                    line,
                    format!("unknown key `{name}` in {place}{hint}"),
                    "correct the name or take it out; docs/topology.md lists all keys",
                );
                return false;
            };
            let fits = self.value(&format!("{place} {name}"), key.kind, value, line);
            if !fits {
                wrong.push(key.name);
            }
            fits
        });
        for key in keys.iter().filter(|key| key.required) {
            let there = table.iter().any(|(name, _)| name.get_ref() == key.name);
            if !there && !misspelt.contains(&key.name) && !wrong.contains(&key.name) {
                self.found.add(
                    TopologyReason::MissingKey,
                    line,
                    format!("{place} has no `{}`", key.name),
                    format!("add {} = ...", key.name),
                );
            }
        }
    }

    /// Whether the value fits; what does not is reported. `what` names it.
    fn value(
        &mut self,
        what: &str,
        kind: Kind,
        value: &mut Spanned<DeValue<'_>>,
        line: u32,
    ) -> bool {
        match (kind, value.get_mut()) {
            (Kind::Text, DeValue::String(text)) => {
                let empty = text.trim().is_empty();
                if empty {
                    self.wrong(
                        what,
                        line,
                        "is empty",
                        "give it a value or take the line out",
                    );
                }
                !empty
            }
            (Kind::Integer, DeValue::Integer(number)) => self.integer(what, number, line),
            (Kind::Flag, DeValue::Boolean(_))
            | (Kind::Quantity | Kind::Moment, DeValue::String(_))
            | (Kind::Moment, DeValue::Datetime(_)) => true,
            (Kind::Quantity, DeValue::Integer(number)) => self.integer(what, number, line),
            (Kind::Texts, DeValue::Array(list)) => {
                self.list(list, &format!("an entry of {what}"), Kind::Text)
            }
            (Kind::Words(words), DeValue::Array(list)) => {
                self.list(list, &format!("an entry of {what}"), Kind::Word(words))
            }
            (Kind::Word(words) | Kind::WordOrTable(words, _), DeValue::String(word)) => {
                self.word(what, words, word, line)
            }
            (Kind::Numbers, DeValue::Table(table)) => {
                retain(table, |name, value| {
                    let line = self.source.line_of(name);
                    let what = format!("{what} of {}", name.get_ref());
                    self.value(&what, Kind::Integer, value, line)
                });
                true
            }
            (Kind::Table(keys) | Kind::WordOrTable(_, keys), DeValue::Table(table)) => {
                self.table(what, keys, table, line);
                // What is left of a table that lacks a needed key would not deserialise.
                let complete =
                    |key: &&Key| table.iter().any(|(name, _)| name.get_ref() == key.name);
                keys.iter()
                    .filter(|key| key.required)
                    .all(|key| complete(&key))
            }
            (kind, value) => {
                let is = format!("is {}, not {}", article(value.type_str()), wanted(kind));
                self.wrong(what, line, &is, &example(kind));
                false
            }
        }
    }

    fn list(&mut self, list: &mut DeArray<'_>, what: &str, kind: Kind) -> bool {
        let mut fits = true;
        for entry in list.iter_mut() {
            let line = self.source.line_of(entry);
            fits &= self.value(what, kind, entry, line);
        }
        fits
    }

    fn word(&mut self, what: &str, words: &[&'static str], word: &str, line: u32) -> bool {
        let known = words.contains(&word);
        if !known {
            let hint = did_you_mean(word, words.iter().copied());
            self.found.add(
                TopologyReason::UnknownWord,
                line,
                format!("{what} does not know \"{word}\"{hint}"),
                format!("write {}", quoted(words)),
            );
        }
        known
    }

    fn integer(&mut self, what: &str, number: &DeInteger<'_>, line: u32) -> bool {
        let fits = i64::from_str_radix(number.as_str(), number.radix()).is_ok();
        if !fits {
            self.found.add(
                TopologyReason::OutOfRange,
                line,
                format!("{what} = {} is out of range", number.as_str()),
                "write a smaller number",
            );
        }
        fits
    }

    fn wrong(&mut self, what: &str, line: u32, is: &str, remedy: &str) {
        self.found.add(
            TopologyReason::WrongType,
            line,
            format!("{what} {is}"),
            remedy,
        );
    }
}

fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}

fn quoted(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    quoted.join(" or ")
}

fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Word(_) => "a string",
        Kind::Integer => "a whole number",
        Kind::Flag => "true or false",
        Kind::Texts | Kind::Words(_) => "a list of strings",
        Kind::Quantity => "a number or a string with a unit",
        Kind::Moment => "a time",
        Kind::Numbers | Kind::Table(_) => "a table",
        Kind::WordOrTable(..) => "a string or a table",
    }
}

fn example(kind: Kind) -> String {
    match kind {
        Kind::Text => "write it in double quotes".to_owned(),
        Kind::Integer => "write a whole number without quotes".to_owned(),
        Kind::Flag => "write true or false without quotes".to_owned(),
        Kind::Texts => "write [\"...\", \"...\"]".to_owned(),
        Kind::Word(words) => format!("write {}", quoted(words)),
        Kind::Words(words) => format!("write a list of {}", quoted(words)),
        Kind::Quantity => "write a number, or a string such as \"10s\" or \"64KiB\"".to_owned(),
        Kind::Moment => {
            "write RFC 3339 with an offset, 1970 or later, as \"2026-12-01T00:00:00Z\"".to_owned()
        }
        Kind::Numbers => "write { \"name\" = 1, ... }".to_owned(),
        Kind::Table(keys) => format!("write a table with {}", names(keys)),
        Kind::WordOrTable(words, keys) => {
            format!("write {} or a table with {}", quoted(words), names(keys))
        }
    }
}

fn names(keys: &[Key]) -> String {
    let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
    names.join(", ")
}
