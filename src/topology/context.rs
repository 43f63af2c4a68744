//! What every resolving step needs: lines, the files beside the topology, names and references.
use super::TopologyReason;
use super::findings::{Findings, Source};
use super::nearest::did_you_mean;
use super::raw::Text;
use super::{DnsName, Domain, NameError, NamedFile, open_regular};
use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// No certificate, key or CRL file is larger; the largest public CRLs have some ten million octets.
pub(super) const LARGEST_FILE: u64 = 64 * 1024 * 1024;

/// Comparisons of names that one loading spends on suggestions.
pub(super) const COMPARISONS: usize = 1_000_000;

/// One loading: the file, the time, and what was found.
pub(super) struct Context<'a, 't> {
    pub(super) source: &'a Source<'t>,
    pub(super) found: &'a mut Findings,
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

impl Context<'_, '_> {
    pub(super) fn line<T>(&self, value: &Spanned<T>) -> u32 {
        self.source.line_of(value)
    }
    pub(super) fn add(
        &mut self,
        code: TopologyReason,
        line: u32,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.found.add(code, line, what, remedy);
    }
    /// A path of the file, relative to the file's own directory.
    pub(super) fn path(&self, text: &Text) -> PathBuf {
        let base = self.source.path().parent().unwrap_or(Path::new(""));
        base.join(text.get_ref())
    }
    /// Reads a file that the topology names; what hinders is reported.
    pub(super) fn read(&mut self, text: &Text, what: &str) -> Option<Vec<u8>> {
        let path = self.path(text);
        let line = self.line(text);
        let shown = path.display();
        let file = match open_regular(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.add(
                    TopologyReason::FileMissing,
                    line,
                    format!("{what} {shown} does not exist"),
                    "correct the path (a relative one starts at the topology file's directory) or put the file there",
                );
                return None;
            }
            Err(error) => {
                self.unreadable(line, format!("{what} {shown} cannot be read: {error}"));
                return None;
            }
        };
        let mut octets = Vec::new();
        match file.take(LARGEST_FILE + 1).read_to_end(&mut octets) {
            Ok(_) if octets.len() as u64 > LARGEST_FILE => {
                self.unreadable(line, format!("{what} {shown} is larger than 64 MiB"));
                None
            }
            Ok(_) => {
                self.files.push(NamedFile::holding(path, &octets));
                Some(octets)
            }
            Err(error) => {
                self.unreadable(line, format!("{what} {shown} cannot be read: {error}"));
                None
            }
        }
    }
    fn unreadable(&mut self, line: u32, what: String) {
        self.add(
            TopologyReason::FileUnreadable,
            line,
            what,
            "name a regular file that the user sipward runs as may read",
        );
    }
    /// Warns of a secret that every user may read, or that others may replace.
    pub(super) fn check_secret(&mut self, text: &Text, what: &str) {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let path = self.path(text);
            let Ok(data) = std::fs::metadata(&path) else {
                return;
            };
            let mode = data.permissions().mode() & 0o777;
            if data.is_file() && mode & 0o027 != 0 {
                let line = self.line(text);
                self.add(
                    TopologyReason::KeyReadableByOthers,
                    line,
                    format!("{what} {} has mode {mode:04o}", path.display()),
                    format!(
                        "chmod 600 {} (or 640 with a group of its own)",
                        path.display()
                    ),
                );
            }
        }
    }
    /// A host name or domain; what is none is reported.
    pub(super) fn name(&mut self, text: &Text, what: &str) -> Option<DnsName> {
        match DnsName::parse(text.get_ref()) {
            Ok(name) => Some(name),
            Err(error) => {
                self.no_name(text, what, error);
                None
            }
        }
    }
    /// A list of domains without repetitions; what is wrong in it is reported.
    pub(super) fn domains(&mut self, list: &[Text], what: &str) -> Vec<Domain> {
        self.parsed(list, what, Domain::parse)
    }
    /// As [`Self::domains`], where `*.` with a name stands for all below that name.
    pub(super) fn patterns(&mut self, list: &[Text], what: &str) -> Vec<Domain> {
        self.parsed(list, what, Domain::parse_pattern)
    }
    fn parsed(
        &mut self,
        list: &[Text],
        what: &str,
        parse: impl Fn(&str) -> Result<Domain, NameError>,
    ) -> Vec<Domain> {
        let mut domains: Vec<Domain> = Vec::with_capacity(list.len());
        let mut known = HashSet::with_capacity(list.len());
        for text in list {
            let domain = match parse(text.get_ref()) {
                Ok(domain) => domain,
                Err(error) => {
                    self.no_name(text, what, error);
                    continue;
                }
            };
            if known.insert(domain.clone()) {
                domains.push(domain);
            } else {
                let line = self.line(text);
                self.twice(line, what, domain.as_str());
            }
        }
        domains
    }
    fn no_name(&mut self, text: &Text, what: &str, error: NameError) {
        let line = self.line(text);
        self.add(
            TopologyReason::InvalidName,
            line,
            format!("{what} \"{}\" is not a name", text.get_ref()),
            error.to_string(),
        );
    }
    /// What an unknown name may have been meant to be, while that costs little enough.
    fn suggestion(&mut self, name: &str, known: &[String]) -> String {
        if known.len() > self.comparisons {
            return String::new();
        }
        self.comparisons -= known.len();
        did_you_mean(name, known.iter().map(String::as_str))
    }
    /// Reports a name that is in one list twice.
    pub(super) fn twice(&mut self, line: u32, what: &str, name: &str) {
        self.add(
            TopologyReason::DuplicateName,
            line,
            format!("{what} \"{name}\" is there twice"),
            "take one of the two out",
        );
    }
    /// Reports an empty list that needs an entry; whether it has one.
    pub(super) fn filled<T>(&mut self, list: &Spanned<Vec<T>>, what: &str) -> bool {
        let filled = !list.get_ref().is_empty();
        if !filled {
            let line = self.line(list);
            self.add(
                TopologyReason::EmptyList,
                line,
                format!("{what} is an empty list"),
                "give it at least one entry",
            );
        }
        filled
    }
}

/// The names of one kind of section, with their positions.
pub(super) struct Names {
    kind: &'static str,
    /// Of a name that stands twice, which is a fault, the first.
    positions: HashMap<String, u32>,
    /// In the order of the file, for suggestions.
    known: Vec<String>,
    sections: usize,
}

impl Names {
    /// Registers a name for each section; a repeated one is reported.
    pub(super) fn register<'n>(
        kind: &'static str,
        names: impl Iterator<Item = Option<(String, &'n Text)>>,
        context: &mut Context<'_, '_>,
    ) -> Self {
        let mut registered = Self {
            kind,
            positions: HashMap::new(),
            known: Vec::new(),
            sections: 0,
        };
        let mut lines: HashMap<String, u32> = HashMap::new();
        for (position, name) in (0u32..).zip(names) {
            registered.sections += 1;
            let Some((name, text)) = name else {
                continue;
            };
            let line = context.line(text);
            if let Some(first) = lines.get(&name) {
                let what = format!("{kind} \"{name}\" is defined twice, first in line {first}");
                context.add(
                    TopologyReason::DuplicateName,
                    line,
                    what,
                    "merge the two sections, or give one of them another name",
                );
                continue;
            }
            lines.insert(name.clone(), line);
            registered.known.push(name.clone());
            registered.positions.insert(name, position);
        }
        registered
    }
    /// The position of the first section, where one is taken that nobody names; `None` when there is none at all, which
    /// the shape check has reported.
    pub(super) fn first(&self) -> Option<u32> {
        (self.sections > 0).then_some(0)
    }
    /// The position of a name; an unknown one is reported with the nearest that is known.
    pub(super) fn find(
        &self,
        name: &str,
        line: u32,
        place: &str,
        context: &mut Context<'_, '_>,
    ) -> Option<u32> {
        let position = self.positions.get(name).copied();
        if position.is_none() {
            let hint = context.suggestion(name, &self.known);
            let kind = self.kind;
            context.add(
                TopologyReason::UnknownReference,
                line,
                format!("{place} names the {kind} \"{name}\", which is not defined{hint}"),
                format!("correct the name or add a [[{kind}]] section for it"),
            );
        }
        position
    }
}
