//! Reads a topology file: from its text to a [`Topology`], or to every fault in it.
use super::loading::Loading;
use super::resolve::resolve;
use crate::topology::findings::{Findings, Source};
use crate::topology::{Fault, Topology, TopologyReason, keys, read_regular};
use rustls_pki_types::UnixTime;
use std::io;
use std::path::Path;
use toml::de::DeTable;

/// No topology file is larger: some ten thousand peers.
const LARGEST_TOPOLOGY: u64 = 16 * 1024 * 1024;

/// Loads a topology file with every file that it names; `at` is the time for which certificates must be valid.
///
/// # Errors
/// Everything that must be fixed, each with file, line and what to do.
/// The time is an argument, so that a file can be checked for a day to come.
pub fn load(path: &Path, at: UnixTime) -> Result<Topology, Vec<Fault>> {
    let fault = |code: TopologyReason, what: String, remedy: &str| {
        vec![Fault {
            file: path.to_owned(),
            line: None,
            code: code.into(),
            what,
            remedy: remedy.to_owned(),
        }]
    };
    match read_topology(path) {
        Ok(text) => load_text(&text, path, at),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(fault(
            TopologyReason::FileMissing,
            "the topology file does not exist".to_owned(),
            "name an existing file; config/minimal.toml is a start",
        )),
        Err(error) => Err(fault(
            TopologyReason::FileUnreadable,
            format!("the topology file cannot be read: {error}"),
            "name a regular UTF-8 file that the user sipward runs as may read",
        )),
    }
}

/// The text of a topology file. A FIFO or a device would keep whoever reloads waiting, for good.
///
/// # Errors
/// What the system reports; it is no regular file, no UTF-8, or larger than 16 MiB.
pub(crate) fn read_topology(path: &Path) -> io::Result<String> {
    let bytes = read_regular(path, LARGEST_TOPOLOGY)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// As [`load`], with the file's text at hand; `path` is where relative paths start, and what faults name.
///
/// # Errors
/// As [`load`].
/// Either a topology or faults, never both: a file that is half good must not be used by half.
pub fn load_text(text: &str, path: &Path, at: UnixTime) -> Result<Topology, Vec<Fault>> {
    // The text is kept for the lines only; values are copied out of it.
    let source = Source::new(path, text);
    let mut found = Findings::new(path);
    let topology = pass(&source, &mut found, at);
    let (faults, warnings) = found.into_parts();
    match topology {
        Some(mut topology) if faults.is_empty() => {
            topology.warnings = warnings;
            Ok(topology)
        }
        _ => Err(faults),
    }
}

fn pass(source: &Source<'_>, found: &mut Findings, at: UnixTime) -> Option<Topology> {
    let (mut document, errors) = DeTable::parse_recoverable(source.text());
    let mut is_repeated = false;
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        let header = keys::repeated_header(source.text(), at);
        // The keys below it are taken for more of the first such section.
        if is_repeated && header.is_none() && error.message() == "duplicate key" {
            continue;
        }
        is_repeated |= header.is_some();
        let what = format!("this is not TOML: {}", error.message());
        let remedy = header.map_or_else(
            || "correct the line; strings need quotes, lists brackets, a section [name] or [[name]]".to_owned(),
            |header| format!("open each of these sections with a line {header}"),
        );
        found.add(TopologyReason::Syntax, source.line(at), what, remedy);
    }
    // What was recovered from broken lines would be reported as unknown keys and the like.
    if !errors.is_empty() {
        return None;
    }
    let document = keys::read(document.get_mut(), source, found);
    let at = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    resolve(&document, &mut Loading::new(source, found, at))
}
