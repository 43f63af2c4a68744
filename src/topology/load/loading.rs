//! One loading of a topology, as every step of it sees it: lines, the files beside the topology, names.
use crate::topology::findings::{Findings, Source};
use crate::topology::keys::Text;
use crate::topology::nearest::did_you_mean;
use crate::topology::{
    DnsName, Domain, LARGEST_FILE, NameError, NamedFile, TopologyId, TopologyReason,
    closed_directory, read_regular,
};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Comparisons of names that one loading spends on suggestions.
///
/// A suggestion costs a comparison with every known name. A file of ten thousand peers with ten
/// thousand misspelt references would need a hundred million of them.
const COMPARISONS: usize = 1_000_000;

/// One loading: the file, the time, and what was found.
///
/// One value that goes through all steps, in place of six arguments. Only what several steps need is in
/// it; what one step passes to the next is an argument.
pub(super) struct Loading<'a, 't> {
    pub(super) source: &'a Source<'t>,
    pub(super) found: &'a mut Findings,
    /// Of the topology that is being loaded.
    pub(super) id: TopologyId,
    /// Unix seconds for which validity is checked.
    pub(super) at: i64,
    /// `node.fqdn`, once it is known.
    pub(super) fqdn: Option<DnsName>,
    /// `node.domains`, once they are known.
    pub(super) home: HashSet<Domain>,
    /// The names and addresses of this node.
    pub(super) own: HashSet<Domain>,
    /// The names of home servers.
    pub(super) home_servers: HashSet<Domain>,
    /// Every name above a home domain, a name of this node or a home server.
    pub(super) above_home: HashSet<String>,
    /// What was read, the topology first.
    pub(super) files: Vec<NamedFile>,
    /// Names that may still be compared with an unknown one, so that a file full of mistakes is read as fast as a good one.
    pub(super) comparisons: usize,
}

/// What a finding is about: a value of the topology file, or a line of it.
pub(super) trait Located {
    fn line(self, source: &Source<'_>) -> u32;
}

impl Located for u32 {
    fn line(self, _: &Source<'_>) -> u32 {
        self
    }
}

impl<T> Located for &Spanned<T> {
    fn line(self, source: &Source<'_>) -> u32 {
        source.line_of(self)
    }
}

impl<'a, 't> Loading<'a, 't> {
    /// One that has read nothing yet but the topology's own text.
    ///
    /// The topology's own text counts as the first file: a later look must notice that it changed.
    pub(super) fn new(source: &'a Source<'t>, found: &'a mut Findings, at: i64) -> Self {
        Self {
            source,
            found,
            id: TopologyId::next(),
            at,
            fqdn: None,
            home: HashSet::new(),
            own: HashSet::new(),
            home_servers: HashSet::new(),
            above_home: HashSet::new(),
            files: vec![NamedFile::holding(
                source.path().to_owned(),
                source.text().as_bytes(),
            )],
            comparisons: COMPARISONS,
        }
    }
    /// The line of a value.
    pub(super) fn line<T>(&self, value: &Spanned<T>) -> u32 {
        self.source.line_of(value)
    }
    /// Adds a finding about a value or a line of the topology file.
    pub(super) fn add(
        &mut self,
        code: TopologyReason,
        at: impl Located,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let line = at.line(self.source);
        self.found.add(code, line, what, remedy);
    }
    /// A path of the file, relative to the file's own directory.
    ///
    /// A topology with its certificates can be moved as one directory.
    pub(super) fn path(&self, text: &Text) -> PathBuf {
        // Without a directory in its path the file is in the working directory, and so is what it
        // names.
        let base = self.source.path().parent().unwrap_or(Path::new(""));
        base.join(text.get_ref())
    }
    /// Reads a file that the topology names; what prevents it is reported.
    ///
    /// Every file is remembered with a digest, so that `watch` can find out whether anything that the
    /// topology was made of has changed. A missing file has a code of its own, since it is the most
    /// frequent mistake and its remedy is another.
    pub(super) fn read(&mut self, text: &Text, what: &str) -> Option<Vec<u8>> {
        let path = self.path(text);
        let shown = path.display();
        match read_regular(&path, LARGEST_FILE) {
            Ok(bytes) => {
                self.files.push(NamedFile::holding(path, &bytes));
                return Some(bytes);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.add(
                TopologyReason::FileMissing,
                text,
                format!("{what} {shown} does not exist"),
                "correct the path (a relative one starts at the topology file's directory) or put the file there",
            ),
            Err(error) => match closed_directory(&path) {
                Some(directory) => self.closed(text, &format!("{what} {shown}"), directory),
                None => self.unreadable(text, format!("{what} {shown} cannot be read: {error}")),
            },
        }
        None
    }
    /// For what lies behind a directory that the user of this process may not search.
    pub(super) fn closed(&mut self, at: impl Located, it: &str, directory: &Path) {
        let shown = directory.display();
        let what = format!("{it} cannot be reached: the directory {shown} cannot be searched");
        let remedy = format!(
            "let the user that sipward runs as search it: chgrp its group and chmod g+x {shown}"
        );
        self.add(TopologyReason::FileUnreadable, at, what, remedy);
    }
    /// For what is there and cannot be used: no permission, no regular file, too large.
    fn unreadable(&mut self, text: &Text, what: String) {
        let remedy = "name a regular file that the user sipward runs as may read";
        self.add(TopologyReason::FileUnreadable, text, what, remedy);
    }
    /// Warns of a secret that every user may read, or that others may replace.
    ///
    /// A warning and no fault: whether a group may read the key is the operator's decision. Others must
    /// neither read nor write it, and the group must not write: who can replace a key can be this node.
    pub(super) fn check_secret(&mut self, text: &Text, what: &str) {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let path = self.path(text);
            // That it is not there is reported by the reading that follows.
            let Ok(data) = std::fs::metadata(&path) else {
                return;
            };
            // Only the permission bits: set-id bits of a file mean nothing here.
            let mode = data.permissions().mode() & 0o777;
            if data.is_file() && mode & 0o027 != 0 {
                let what = format!("{what} {} has mode {mode:04o}", path.display());
                let remedy = format!(
                    "chmod 600 {} (or 640 with a group of its own)",
                    path.display()
                );
                self.add(TopologyReason::KeyReadableByOthers, text, what, remedy);
            }
        }
    }
    /// A host name or domain; what is not one is reported.
    ///
    /// In the one form in which names are compared everywhere.
    pub(super) fn name(&mut self, text: &Text, what: &str) -> Option<DnsName> {
        let name = DnsName::parse(text.get_ref());
        name.map_err(|error| self.no_name(text, what, error)).ok()
    }
    /// A list of domains without repetitions; what is wrong in it is reported.
    ///
    /// For this node's own names: a pattern would make everything below a name home.
    pub(super) fn domains(&mut self, list: &[Text], what: &str) -> Vec<Domain> {
        self.parsed(list, what, Domain::parse)
    }
    /// As [`Self::domains`], where `*.` with a name stands for all below that name.
    ///
    /// For partners, their pools and deny lists.
    pub(super) fn patterns(&mut self, list: &[Text], what: &str) -> Vec<Domain> {
        self.parsed(list, what, Domain::parse_pattern)
    }
    /// Repetitions are reported by what they mean: `Contoso.test` and `contoso.test.` are the same.
    fn parsed(
        &mut self,
        list: &[Text],
        what: &str,
        parse: impl Fn(&str) -> Result<Domain, NameError>,
    ) -> Vec<Domain> {
        let mut domains: Vec<Domain> = Vec::with_capacity(list.len());
        let mut known = HashSet::with_capacity(list.len());
        for text in list {
            let domain = parse(text.get_ref());
            let Ok(domain) = domain.map_err(|error| self.no_name(text, what, error)) else {
                continue;
            };
            if known.insert(domain.clone()) {
                domains.push(domain);
            } else {
                self.twice(text, what, domain.as_str());
            }
        }
        domains
    }
    /// The remedy comes from the parser, which knows what is wrong with the name.
    fn no_name(&mut self, text: &Text, what: &str, error: NameError) {
        let what = format!("{what} \"{}\" is not a name", text.get_ref());
        let remedy = error.to_string();
        self.add(TopologyReason::InvalidName, text, what, remedy);
    }
    /// What an unknown name may have been meant to be, while that costs little enough.
    ///
    /// Empty when the budget is spent: the fault is reported all the same.
    pub(super) fn suggestion(&mut self, name: &str, known: &[String]) -> String {
        if known.len() > self.comparisons {
            return String::new();
        }
        self.comparisons -= known.len();
        did_you_mean(name, known.iter().map(String::as_str))
    }
    /// Reports a name that is in one list twice.
    ///
    /// A fault and not a warning, since one of the two was most likely meant to be something else.
    pub(super) fn twice(&mut self, at: impl Located, what: &str, name: &str) {
        let what = format!("{what} \"{name}\" is there twice");
        let remedy = "remove one of the two";
        self.add(TopologyReason::DuplicateName, at, what, remedy);
    }
}
