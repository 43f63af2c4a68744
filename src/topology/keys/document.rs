//! Reads the whole document: its sections, each by its rows.
use super::reader::{TablePlace, TableReader, retain};
use super::sections::{Document, SECTIONS, Section};
use super::{limit_pairs, limits};
use crate::topology::TopologyReason;
use crate::topology::findings::{Findings, Source};
use crate::topology::nearest::{did_you_mean, nearest};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Checks the document and takes over what is good in it.
///
/// Sections are checked in the order of their names, not of the file; findings are sorted by line at
/// the end.
pub(crate) fn read(
    document: &mut DeTable<'_>,
    source: &Source<'_>,
    found: &mut Findings,
) -> Document {
    // One for all sections: it only carries the places and the findings.
    let mut reader = TableReader { source, found };
    // A section whose misspelling, or wrong form, was reported is not reported as missing, too.
    let mut misspelt = Vec::new();
    retain(document, |key, value| {
        let name: &str = key.get_ref();
        // Of a section that comes several times this is the first; its entries have lines of their own.
        let line = source.line_of(key);
        // Top-level keys are sections: there are none of another kind.
        let Some(section) = SECTIONS.iter().find(|section| section.name == name) else {
            let names = SECTIONS.iter().map(|section| section.name);
            misspelt.extend(nearest(name, names.clone()));
            let hint = did_you_mean(name, names);
            let what = format!("unknown section or key `{name}`{hint}");
            let remedy = "correct the name or remove it; docs/topology.md lists all sections";
            reader.add(TopologyReason::UnknownKey, line, what, remedy);
            return false;
        };
        let good = read_section(&mut reader, section, value, line);
        if !good {
            misspelt.push(section.name);
        }
        good
    });
    // Without a line: what is not there has none.
    for section in SECTIONS {
        // Sections that may be left out have a default for every key.
        if section.is_needed()
            && !document.contains_key(section.name)
            && !misspelt.contains(&section.name)
        {
            let what = format!("there is no {} section", section.header());
            let remedy =
                "add one; docs/topology.md shows its keys, config/minimal.toml a whole file";
            found.add_whole(TopologyReason::MissingKey, what, remedy);
        }
    }
    // Taken over even if something was reported, so that loading can go on to find faults in the files
    // that the document names.
    let read = Document::from_checked(document);
    // Relations between keys of one table are looked at where the lines are still at hand.
    limits::check(&read.limits, document, source, found);
    limit_pairs::check(&read.limits, document, source, found);
    read
}

/// The header that the section at this offset needs, if it is written as `[peer]` for `[[peer]]`: TOML allows that once, and
/// calls the second one a duplicate key.
pub(crate) fn repeated_header(text: &str, at: usize) -> Option<String> {
    let begin = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(begin..)?.lines().next()?;
    let name = line.trim().strip_prefix('[')?.split(']').next()?.trim();
    let section = SECTIONS.iter().find(|section| section.name == name)?;
    (!section.is_single()).then(|| section.header())
}

/// Whether a section is written as it must be; what is wrong in it is reported and taken out.
///
/// `[peer]` for `[[peer]]` and the other way round are the usual mistakes. They parse as TOML, but
/// would make one entry of many or the other way round.
fn read_section(
    reader: &mut TableReader<'_, '_>,
    section: &Section,
    value: &mut Spanned<DeValue<'_>>,
    line: u32,
) -> bool {
    // The form in which the section has to be written, for every message about it.
    let header = section.header();
    let single = section.is_single();
    // An inline array of tables is the same to TOML as `[[name]]` headers, and as good.
    let tables: Vec<&mut Spanned<DeValue<'_>>> = match value.get_mut() {
        // Each entry is checked on its own, so that one bad entry costs only itself.
        DeValue::Array(entries) if !single => entries.iter_mut().collect(),
        DeValue::Table(_) if single => vec![value],
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => {
            let what = format!("{} must be written as {header}", section.name);
            let remedy = format!("open it with a line {header}");
            reader.add(TopologyReason::WrongType, line, what, remedy);
            return false;
        }
    };
    for entry in tables {
        // A section that may come once has the line of its key: the span of a table does not begin with its header.
        let line = if single {
            line
        } else {
            reader.source.line_of(entry)
        };
        let DeValue::Table(table) = entry.get_mut() else {
            let what = format!("{header} is not a table");
            let remedy = format!("write {header}");
            reader.add(TopologyReason::WrongType, line, what, remedy);
            return false;
        };
        let place = TablePlace {
            prefix: prefix(section, table),
            header: header.clone(),
        };
        reader.table(&place, section.keys, table, line);
    }
    true
}

/// How messages name a key of this table: by the name that the table has, if it has one.
///
/// The name is read from the unchecked table. If it is missing or no string, that is reported on its
/// own, and the header stands in.
fn prefix(section: &Section, table: &DeTable<'_>) -> String {
    if section.is_single() {
        return format!("{}.", section.name);
    }
    let name = table.get("name").or_else(|| table.get("fqdn"));
    match name.and_then(|name| name.get_ref().as_str()) {
        Some(name) => format!("{} \"{name}\" ", section.name),
        None => format!("{} ", section.header()),
    }
}
