//! Holds a table of the file against its rows: unknown keys, wrong types, values out of range and missing keys, all at once.
//!
//! Reading does not end at the first mistake, as serde's would. Every mistake is reported with its line and taken out of
//! the table, so that the later steps go on with what is left and find the rest.
use super::key::{Key, Presence, ValueType};
use super::toml_value::written_time;
use crate::topology::TopologyReason;
use crate::topology::findings::{Findings, Source};
use crate::topology::moment::moment;
use crate::topology::nearest::{did_you_mean, nearest};
use crate::topology::quantity::{duration, size};
use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeString, DeTable, DeValue};

/// Where a table stands, as messages name it.
///
/// Two forms, because there are two kinds of messages. What is wrong with the form of the file names
/// the header, as the operator sees it on the page; what is wrong with a value names the entry, since
/// there may be fifty peers.
pub(super) struct TablePlace {
    /// By its header: `[[peer]]`, `[[trust]] revocation`.
    pub(super) header: String,
    /// In front of a key, by its name: `node.`, `peer "fe01.contoso.test" `.
    pub(super) prefix: String,
}

/// A key with a value at its place and line.
///
/// Passed along instead of three arguments: each message needs all of them.
/// The line is that of the key, which is where the operator has to look also when the value runs over
/// several lines.
struct At<'k> {
    key: &'k Key,
    place: &'k TablePlace,
    line: u32,
}

impl At<'_> {
    /// For messages about the form: `[[peer]] kind`.
    fn by_header(&self) -> String {
        format!("{} {}", self.place.header, self.key.name)
    }
    /// For messages about the value: `peer "fe01.contoso.test" kind`.
    fn by_name(&self) -> String {
        format!("{}{}", self.place.prefix, self.key.name)
    }
    /// The same key with another type, for the entries of a list.
    fn entry(&self) -> String {
        format!("an entry of {}", self.by_header())
    }
}

/// Keeps the entries that pass. The map's own `retain` does not show the places of the keys.
///
/// The table is rebuilt and not filtered in place; tables of the file are small.
pub(super) fn retain<'i>(
    table: &mut DeTable<'i>,
    mut keep: impl FnMut(&Spanned<DeString<'i>>, &mut Spanned<DeValue<'i>>) -> bool,
) {
    for (key, mut value) in std::mem::take(table) {
        if keep(&key, &mut value) {
            table.insert(key, value);
        }
    }
}

/// One reading of a file.
///
/// Holds what reports need. It has no state of its own: tables may be read in any order.
pub(super) struct TableReader<'a, 't> {
    /// For the line of each key and entry.
    pub(super) source: &'a Source<'t>,
    /// Where faults go; the reader never stops because of one.
    pub(super) found: &'a mut Findings,
}

impl TableReader<'_, '_> {
    /// Reports something at a line of the file.
    pub(super) fn add(
        &mut self,
        code: TopologyReason,
        line: u32,
        what: String,
        remedy: impl Into<String>,
    ) {
        self.found.add(code, line, what, remedy);
    }

    /// Checks one table and takes out what is wrong in it.
    ///
    /// Unknown keys are errors and never ignored: a misspelt `deny` that is passed over would leave a
    /// door open that the operator believes to be shut.
    pub(super) fn table(
        &mut self,
        place: &TablePlace,
        keys: &[Key],
        table: &mut DeTable<'_>,
        line: u32,
    ) {
        // What is misspelt or wrong is there, only not well: that it is missing is not reported on top.
        let mut reported = Vec::new();
        retain(table, |name, value| {
            // The span of a key begins with its first letter, whatever stands before it on the line.
            let line = self.source.line_of(name);
            let name: &str = name.get_ref();
            // A linear search: no table has more than some twenty keys.
            let Some(key) = keys.iter().find(|key| key.name == name) else {
                let names = keys.iter().map(|key| key.name);
                // The nearest key counts as present: whoever writes `knid` has not forgotten `kind`.
                reported.extend(nearest(name, names.clone()));
                // Within a third of its letters; farther away a suggestion would only mislead.
                let hint = did_you_mean(name, names);
                let what = format!("unknown key `{name}` in {}{hint}", place.header);
                let remedy = "correct the name or remove the line; docs/topology.md lists all keys";
                self.add(TopologyReason::UnknownKey, line, what, remedy);
                return false;
            };
            let fits = self.value(&At { key, place, line }, value);
            // A value of the wrong type is taken out of the table, so that the key's default stands in
            // until the file is corrected; loading goes on to find the rest, and its result is dropped.
            if !fits {
                reported.push(key.name);
            }
            fits
        });
        // Missing keys come last, at the line of the table: they have no line of their own.
        for key in keys.iter().filter(|key| key.is_required()) {
            if !table.contains_key(key.name) && !reported.contains(&key.name) {
                let what = format!("{} has no `{}`", place.header, key.name);
                let remedy = format!("add {} = ...", key.name);
                self.add(TopologyReason::MissingKey, line, what, remedy);
            }
        }
    }

    /// Whether a value fits its row; what does not is reported.
    ///
    /// The match pairs the wanted type with the one that is there; every pair that is not listed is the
    /// wrong type. Sizes and durations are strings or numbers, so both are listed for them.
    fn value(&mut self, at: &At<'_>, value: &mut Spanned<DeValue<'_>>) -> bool {
        let line = at.line;
        match (at.key.value, value.get_mut()) {
            // What the text must be is known only to the section that it belongs to; here it must only
            // be there.
            (ValueType::Text, DeValue::String(text)) => self.text(&at.by_header(), text, line),
            (ValueType::Flag, DeValue::Boolean(_)) => true,
            (ValueType::Integer(..) | ValueType::Size(..), DeValue::Integer(number)) => {
                self.in_range(at, integer(number), number.as_str(), "")
            }
            // A number without a unit could mean seconds or milliseconds, so it is refused as an
            // unreadable duration and not as a wrong type: the remedy is to add the unit.
            (ValueType::Duration(..), DeValue::Integer(number)) => {
                self.no_duration(at, number.as_str())
            }
            (ValueType::Duration(_, _, never), DeValue::String(text)) => {
                // The word for "not at all" is no duration and has no range.
                never == Some(text) || self.duration(at, text)
            }
            (ValueType::Size(..), DeValue::String(text)) => self.size(at, text),
            // Both forms are in use: in quotes as JSON has it, and as TOML's own.
            (ValueType::Time, DeValue::String(_) | DeValue::Datetime(_)) => {
                self.time(at, value.get_ref())
            }
            // Case matters: the words are the file's own, and one spelling of each is enough.
            (ValueType::Word(words) | ValueType::WordOrTable(words, _), DeValue::String(word)) => {
                // A table that may also be a word is checked as a word here and as a table below.
                self.word(&at.by_header(), words, word, line)
            }
            // A bad entry of a list is reported, and left out when the list is taken over.
            // The rest of the list is still good: with the whole list gone, a federated peer would be
            // said to have no domains.
            (ValueType::Texts(least, most), DeValue::Array(list)) => {
                self.length(at, list.len(), least, most);
                self.entries(at, list, ValueType::Text)
            }
            (ValueType::Words(words, least), DeValue::Array(list)) => {
                self.length(at, list.len(), least, usize::MAX);
                self.entries(at, list, ValueType::Word(words))
            }
            // Each number has a line of its own, that of its name; these tables are often written over
            // several lines.
            (ValueType::Numbers(least, most), DeValue::Table(table)) => {
                retain(table, |name, value| {
                    let at = At {
                        line: self.source.line_of(name),
                        ..*at
                    };
                    let of = format!(" of \"{}\"", name.get_ref());
                    if let DeValue::Integer(number) = value.get_ref() {
                        return self.in_range(&at, integer(number), number.as_str(), &of);
                    }
                    let what = format!("{}{of}", at.by_header());
                    self.wrong_type(
                        &what,
                        value.get_ref(),
                        ValueType::Integer(least, most),
                        at.line,
                    )
                });
                true
            }
            (ValueType::Table(inner) | ValueType::WordOrTable(_, inner), DeValue::Table(table)) => {
                self.inner(at, inner, table)
            }
            // Also what TOML has and no key wants: floats, and dates where no time is wanted.
            (wanted, value) => self.wrong_type(&at.by_header(), value, wanted, line),
        }
    }

    /// The entries of a list, each of which has a line of its own.
    fn entries(&mut self, at: &At<'_>, list: &DeArray<'_>, wanted: ValueType) -> bool {
        for entry in list.iter() {
            let line = self.source.line_of(entry);
            match (entry.get_ref().as_str(), wanted) {
                (Some(word), ValueType::Word(words)) => self.word(&at.entry(), words, word, line),
                (Some(text), _) => self.text(&at.entry(), text, line),
                (None, _) => self.wrong_type(&at.entry(), entry.get_ref(), wanted, line),
            };
        }
        true
    }

    /// A table as the value of a key; without a key that it needs it is no use.
    ///
    /// A default table stands in for one that is no use, and its faults have been reported.
    fn inner(&mut self, at: &At<'_>, inner: &[Key], table: &mut DeTable<'_>) -> bool {
        let place = TablePlace {
            header: at.by_header(),
            prefix: format!("{}.", at.by_name()),
        };
        self.table(&place, inner, table, at.line);
        // Asked after the check, so that a key that is there with a wrong value counts as missing, too.
        let mut required = inner.iter().filter(|key| key.is_required());
        required.all(|key| table.contains_key(key.name))
    }

    /// An empty name would be looked up and not found later, with a message about something else.
    fn text(&mut self, what: &str, text: &str, line: u32) -> bool {
        // White space alone is as empty as nothing.
        let blank = text.trim().is_empty();
        if blank {
            let what = format!("{what} is empty");
            let remedy = "write a value or remove the line";
            self.add(TopologyReason::WrongType, line, what, remedy);
        }
        !blank
    }

    /// The remedy lists all words: there are never more than a handful, fields of the boundary
    /// excepted.
    fn word(&mut self, what: &str, words: &[&'static str], word: &str, line: u32) -> bool {
        // A list of words that holds an unknown one keeps the others.
        let known = words.contains(&word);
        if !known {
            let hint = did_you_mean(word, words.iter().copied());
            let what = format!("{what} does not know \"{word}\"{hint}");
            let remedy = format!("write {}", quoted(words));
            self.add(TopologyReason::UnknownWord, line, what, remedy);
        }
        known
    }

    /// An empty list is kept, as is one that is too long: the fault is about the list as a whole.
    fn length(&mut self, at: &At<'_>, length: usize, least: usize, most: usize) {
        // The name of the entry, since lists of this kind are in every entry.
        let what = at.by_name();
        if length < least {
            let what = format!("{what} is an empty list");
            let remedy = "add at least one entry";
            self.add(TopologyReason::EmptyList, at.line, what, remedy);
        } else if length > most {
            let what = format!("{what} has {length} entries");
            let remedy = format!("name at most {most}");
            self.add(TopologyReason::OutOfRange, at.line, what, remedy);
        }
    }

    /// In milliseconds, the unit of all ranges. A duration that has more of them than 64 bits hold is
    /// out of every range.
    fn duration(&mut self, at: &At<'_>, text: &str) -> bool {
        // Unit and number are checked together: neither alone is a duration.
        let Some(read) = duration(text) else {
            return self.no_duration(at, &format!("\"{text}\""));
        };
        let millis = u64::try_from(read.as_millis()).ok();
        self.in_range(at, millis, &format!("\"{text}\""), "")
    }

    /// All units are in the remedy: `10sec` and `1.5s` are the usual mistakes.
    fn no_duration(&mut self, at: &At<'_>, written: &str) -> bool {
        let never = at.key.value.never();
        let never = never.map_or_else(String::new, |never| format!(", or \"{never}\""));
        let units = "write a number with a unit: \"500ms\", \"10s\", \"5m\", \"6h\" or \"1d\"";
        self.unreadable(
            at,
            TopologyReason::InvalidDuration,
            written,
            &format!("{units}{never}"),
        )
    }

    /// Units are binary, as in memory; `64K` and `64kb` are refused, since it would have to be guessed
    /// which of the two was meant.
    fn size(&mut self, at: &At<'_>, text: &str) -> bool {
        let written = format!("\"{text}\"");
        match size(text) {
            Some(bytes) => self.in_range(at, Some(bytes), &written, ""),
            None => {
                let remedy = "write bytes as a number, or as \"64KiB\", \"16MiB\" or \"1GiB\"";
                self.unreadable(at, TopologyReason::InvalidSize, &written, remedy)
            }
        }
    }

    /// TOML knows times without an offset and dates without a time. Both are refused: a certificate
    /// must not change over at another moment because the daemon runs in another time zone.
    fn time(&mut self, at: &At<'_>, value: &DeValue<'_>) -> bool {
        // As the operator wrote it: a TOML date-time loses nothing by being printed.
        let written = written_time(value).unwrap_or_default();
        moment(&written).is_some()
            || self.unreadable(at, TopologyReason::InvalidTime, &written, WRITE_TIME)
    }

    fn unreadable(
        &mut self,
        at: &At<'_>,
        code: TopologyReason,
        written: &str,
        remedy: &str,
    ) -> bool {
        let what = format!("{} = {written} cannot be read", at.by_name());
        self.add(code, at.line, what, remedy);
        false
    }

    /// Whether a number lies in the range of its key; `None` is a number that no range has.
    ///
    /// The remedy names the range, the way out if there is one, and what the key is about, so that
    /// nobody has to open the docs to choose a value.
    fn in_range(&mut self, at: &At<'_>, number: Option<u64>, written: &str, of: &str) -> bool {
        let (Some((least, most)), Some((shown_least, shown_most))) =
            (at.key.value.bounds(), at.key.value.range())
        else {
            return true;
        };
        // Both ends belong to the range.
        let fits = number.is_some_and(|number| (least..=most).contains(&number));
        if !fits {
            // What holds without the key differs with its presence: a default, something that depends
            // on others, or nothing.
            let otherwise = match (at.key.value.never(), at.key.presence) {
                (Some(never), _) => format!(", or \"{never}\""),
                (None, Presence::Default(default)) => {
                    format!(" (default {})", default(at.key.value))
                }
                (None, Presence::Optional(_)) => ", or remove the line".to_owned(),
                (None, Presence::Required) => String::new(),
            };
            let what = format!("{}{of} = {written} is out of range", at.by_name());
            let remedy = format!(
                "choose {shown_least} to {shown_most}{otherwise}. {}",
                at.key.gist()
            );
            self.add(TopologyReason::OutOfRange, at.line, what, remedy);
        }
        fits
    }

    /// Reports a value of another type than the key wants.
    ///
    /// Returns `false`, which is what every caller returns then.
    pub(super) fn wrong_type(
        &mut self,
        what: &str,
        value: &DeValue<'_>,
        wanted: ValueType,
        line: u32,
    ) -> bool {
        let is = value.type_str();
        // TOML's type names: only `array` and `integer` begin with a vowel.
        let article = if is.starts_with(['a', 'i']) {
            "an"
        } else {
            "a"
        };
        let what = format!("{what} is {article} {is}, not {}", wanted.named());
        self.add(TopologyReason::WrongType, line, what, wanted.example());
        false
    }
}

/// `None` for what is negative or too large for any key.
///
/// TOML writes numbers in four radices; the parser keeps the digits and the radix.
fn integer(number: &DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

const WRITE_TIME: &str =
    "write RFC 3339 with an offset, 1970 or later, as \"2026-12-01T00:00:00Z\"";

fn quoted(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    quoted.join(" or ")
}

fn names(keys: &[Key]) -> String {
    let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
    names.join(", ")
}

/// How a type is called and written, for messages.
impl ValueType {
    /// What a value of this type is called.
    fn named(self) -> &'static str {
        match self {
            Self::Text | Self::Word(_) => "a string",
            Self::Flag => "true or false",
            Self::Integer(..) => "a whole number",
            Self::Duration(..) => "a string with a unit",
            Self::Size(..) => "a number or a string with a unit",
            Self::Time => "a time",
            Self::Texts(..) | Self::Words(..) => "a list of strings",
            Self::Numbers(..) | Self::Table(_) => "a table",
            Self::WordOrTable(..) => "a string or a table",
        }
    }

    /// How a value of this type is written.
    fn example(self) -> String {
        match self {
            Self::Text => "write it in double quotes".to_owned(),
            Self::Flag => "write true or false without quotes".to_owned(),
            Self::Integer(..) => "write a whole number without quotes".to_owned(),
            Self::Duration(..) => "write a number with a unit, such as \"10s\"".to_owned(),
            Self::Size(..) => {
                "write bytes as a number, or as \"64KiB\", \"16MiB\" or \"1GiB\"".to_owned()
            }
            Self::Time => WRITE_TIME.to_owned(),
            Self::Word(words) => format!("write {}", quoted(words)),
            Self::Texts(..) => "write [\"...\", \"...\"]".to_owned(),
            Self::Words(words, _) => format!("write a list of {}", quoted(words)),
            Self::Numbers(..) => "write { \"name\" = 1, ... }".to_owned(),
            Self::Table(keys) => format!("write a table with {}", names(keys)),
            Self::WordOrTable(words, keys) => {
                format!("write {} or a table with {}", quoted(words), names(keys))
            }
        }
    }
}
