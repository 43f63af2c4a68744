//! What loading has found so far, and the step from a byte of the file to its line.
use super::{CrlReason, Fault, Warning};
use super::{Severity, TopologyReason};
use std::path::{Path, PathBuf};

/// The topology file as text, with the start of each line.
///
/// Lines are found by the places of line ends, which are collected once: a fault in each of a hundred
/// thousand lines must not walk through the file each time.
pub(crate) struct Source<'t> {
    path: PathBuf,
    starts: Vec<usize>,
    text: &'t str,
}

impl<'t> Source<'t> {
    // Only LF counts: TOML knows CR LF and LF, and both end with LF.
    pub(crate) fn new(path: &Path, text: &'t str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        let starts = std::iter::once(0)
            .chain(newlines.map(|(at, _)| at + 1))
            .collect();
        Self {
            path: path.to_owned(),
            starts,
            text,
        }
    }
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
    pub(crate) fn text(&self) -> &'t str {
        self.text
    }
    /// The line, from 1, of a byte of the text.
    ///
    /// An offset behind the end is in the last line.
    pub(crate) fn line(&self, offset: usize) -> u32 {
        let before = self.starts.partition_point(|start| *start <= offset);
        u32::try_from(before).unwrap_or(u32::MAX).max(1)
    }
    /// The line of a value.
    pub(crate) fn line_of<T>(&self, value: &toml::Spanned<T>) -> u32 {
        self.line(value.span().start)
    }
}

/// Faults that are kept: a generated file may have a fault in each of a million sections, and whoever corrects it begins with
/// the first.
const MOST_FAULTS: usize = 10_000;

/// Collects faults and warnings; a code's severity decides which of the two it is.
///
/// Warnings are kept although loading succeeds: `check` prints them, and the daemon logs them at each
/// load.
pub(crate) struct Findings {
    path: PathBuf,
    faults: Vec<Fault>,
    /// Those beyond [`MOST_FAULTS`].
    more: usize,
    warnings: Vec<Warning>,
}

impl Findings {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            faults: Vec::new(),
            more: 0,
            warnings: Vec::new(),
        }
    }
    /// Adds a finding about a line of the topology file.
    ///
    /// The usual form: nearly everything is about a line of the topology file.
    pub(crate) fn add(
        &mut self,
        code: TopologyReason,
        line: u32,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let file = self.path.clone();
        self.add_in(file, code, Some(line), what.into(), remedy.into());
    }
    /// Adds a finding about the topology file as a whole.
    ///
    /// For what is not there, such as a section, and so has no line.
    pub(crate) fn add_whole(
        &mut self,
        code: TopologyReason,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let file = self.path.clone();
        self.add_in(file, code, None, what.into(), remedy.into());
    }
    /// Adds a finding about a line of another file.
    ///
    /// A key file has lines of its own. A certificate has none, and is reported at the line that names
    /// it.
    pub(crate) fn add_in(
        &mut self,
        file: PathBuf,
        code: TopologyReason,
        line: Option<u32>,
        what: String,
        remedy: String,
    ) {
        let finding = Fault {
            file,
            line,
            code: code.into(),
            what,
            remedy,
        };
        match code.severity() {
            Severity::Fault => self.add_fault(finding),
            Severity::Warning => self.warnings.push(finding),
        }
    }
    /// Adds the fault that a CRL file cannot be used.
    ///
    /// A CRL is refused for reasons of its own, with remedies of their own; at loading each of them is
    /// a fault.
    pub(crate) fn add_crl(&mut self, refusal: CrlReason, line: u32, what: String) {
        self.add_fault(Fault {
            file: self.path.clone(),
            line: Some(line),
            code: refusal.into(),
            what,
            remedy: refusal.remedy().to_owned(),
        });
    }
    fn add_fault(&mut self, fault: Fault) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(fault);
        } else {
            self.more += 1;
        }
    }
    /// For checks that would only repeat what was found.
    pub(crate) fn is_fatal(&self) -> bool {
        !self.faults.is_empty()
    }
    /// Faults and warnings, each in the order of files and lines.
    ///
    /// Sorted, because sections are read in the order of their names and files in the order of the
    /// steps; the operator reads the file from the top. The topology's own faults come before those of
    /// other files.
    pub(crate) fn into_parts(mut self) -> (Vec<Fault>, Vec<Warning>) {
        let main = self.path;
        let order = |f: &Fault| (f.file != main, f.file.clone(), f.line);
        self.faults.sort_by_key(order);
        // One mistake can be found on two paths, for instance a file that two keys name.
        self.faults.dedup();
        self.warnings.sort_by_key(order);
        self.warnings.dedup();
        if self.more > 0 {
            self.faults.push(Fault {
                file: main,
                line: None,
                code: TopologyReason::OutOfRange.into(),
                what: format!("{} more faults were found, and are not listed", self.more),
                remedy: "correct those that are listed first".to_owned(),
            });
        }
        (self.faults, self.warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_in_the_line_that_starts_at_or_before_it() {
        let source = Source::new(Path::new("t"), "a\nbc\n\nd");
        let lines: Vec<u32> = (0..7).map(|at| source.line(at)).collect();
        assert_eq!(lines, [1, 1, 2, 2, 2, 3, 4]);
    }
}
