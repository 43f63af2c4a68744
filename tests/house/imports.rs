//! Which module paths a file uses, and the file that defines what a path names.

use crate::sources::{Crate, File};
use std::collections::{BTreeMap, HashMap};

/// A path from the root of the crate.
pub(crate) type Names = Vec<String>;

/// A name is handed on through at most so many files.
const MOST_RE_EXPORTS: usize = 6;

/// The modules of a crate, with what each imports.
pub(crate) struct Modules<'k> {
    files: HashMap<&'k [String], &'k File>,
    imports: HashMap<&'k str, Vec<Import>>,
}

/// An imported name: what it is called here, where it comes from, and whether it is handed on.
pub(crate) struct Import {
    pub(crate) name: String,
    pub(crate) path: Names,
    pub(crate) public: bool,
}

impl<'k> Modules<'k> {
    /// Reads the imports of every file of a crate.
    pub(crate) fn of(krate: &'k Crate) -> Self {
        let files = krate
            .files
            .iter()
            .filter(|it| !it.path.ends_with("/main.rs"));
        let mut modules = Self {
            files: files.map(|it| (it.module.as_slice(), it)).collect(),
            imports: HashMap::new(),
        };
        for file in &krate.files {
            let imports = modules.read(file);
            modules.imports.insert(&file.path, imports);
        }
        modules
    }

    /// Every path of the crate that a file uses, imports included, from the root of the crate.
    pub(crate) fn paths(&self, file: &File) -> Vec<Names> {
        let imports = self.imports(file);
        let mut found: Vec<Names> = Vec::new();
        let (_, body) = split_uses(&file.code);
        let aliases: BTreeMap<&str, &Names> = imports
            .iter()
            .map(|it| (it.name.as_str(), &it.path))
            .collect();
        for path in words(&body) {
            let Some(first) = path.first() else { continue };
            if let Some(from) = aliases.get(first.as_str()) {
                found.push(from.iter().chain(&path[1..]).cloned().collect());
            } else if let Some(absolute) = (path.len() > 1)
                .then(|| self.absolute(&path, file))
                .flatten()
            {
                found.push(absolute);
            }
        }
        // A trait is used without being named, so an import counts even where no word of the body is its name. What is
        // only handed on is used by who imports it from here.
        found.extend(
            imports
                .iter()
                .filter(|it| !it.public)
                .map(|it| it.path.clone()),
        );
        found.sort();
        found.dedup();
        found
    }

    fn imports(&self, file: &File) -> &[Import] {
        self.imports
            .get(file.path.as_str())
            .map_or(&[], Vec::as_slice)
    }

    /// What a file imports, one entry for each name, braces opened.
    fn read(&self, file: &File) -> Vec<Import> {
        let mut all = Vec::new();
        for (public, tree) in split_uses(&file.code).0 {
            let mut leaves = Vec::new();
            open_braces("", &tree, &mut leaves);
            for leaf in leaves {
                let (path, alias) = match leaf.split_once(" as ") {
                    Some((path, alias)) => (path.to_owned(), Some(alias.trim().to_owned())),
                    None => (leaf, None),
                };
                let mut path: Names = path.split("::").map(|it| it.trim().to_owned()).collect();
                if path.last().is_some_and(|it| it == "self") {
                    path.pop();
                }
                let Some(path) = self.absolute(&path, file) else {
                    continue;
                };
                let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
                all.push(Import { name, path, public });
            }
        }
        all
    }

    /// A path as it reads from the root of the crate; none for one that leads out of the crate.
    fn absolute(&self, path: &[String], file: &File) -> Option<Names> {
        let mut module = file.module.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                module.clear();
                rest = &path[1..];
            }
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|it| it == "super") {
                    module.pop();
                    rest = &rest[1..];
                }
            }
            first => {
                let mut child = module.clone();
                child.push(first.to_owned());
                self.files.get(child.as_slice())?;
            }
        }
        module.extend(rest.iter().cloned());
        Some(module)
    }

    /// The files that a path leads to: the one that defines the thing, and one with code of its own that hands it on, unless
    /// that is a parent of the user. None for a module that only holds others: who imports that names what it wants from
    /// it elsewhere.
    pub(crate) fn used(&self, path: &[String], by: &File) -> Vec<&'k File> {
        let mut used: Vec<&File> = self.search(path, MOST_RE_EXPORTS).into_iter().collect();
        let through = (0..=path.len())
            .rev()
            .find_map(|len| self.files.get(&path[..len]))
            .copied();
        used.extend(through.filter(|it| has_code(it) && !by.module.starts_with(&it.module)));
        used
    }

    fn search(&self, path: &[String], steps: usize) -> Option<&'k File> {
        let len = (0..=path.len())
            .rev()
            .find(|len| self.files.contains_key(&path[..*len]))?;
        let file = *self.files.get(&path[..len])?;
        let Some(name) = path.get(len).filter(|it| *it != "*") else {
            return has_code(file).then_some(file);
        };
        if defines(file, name) || steps == 0 {
            return Some(file);
        }
        if let Some(from) = self.imports(file).iter().find(|it| it.name == *name) {
            return self.search(&from.path, steps - 1);
        }
        for glob in self.imports(file).iter().filter(|it| it.name == "*") {
            let mut path = glob.path.clone();
            path.pop();
            path.push(name.clone());
            if let Some(found) = self.search(&path, steps - 1).filter(|it| defines(it, name)) {
                return Some(found);
            }
        }
        Some(file)
    }
}

/// The `use` statements (whether public, and the tree), and the code without them.
fn split_uses(code: &str) -> (Vec<(bool, String)>, String) {
    let mut statements = Vec::new();
    let mut body = String::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start();
        let visible = trimmed
            .strip_prefix("pub")
            .map(|rest| match rest.strip_prefix('(') {
                Some(rest) => rest.split_once(')').map_or("", |(_, rest)| rest),
                None => rest,
            });
        let Some(rest) = visible.unwrap_or(trimmed).trim_start().strip_prefix("use ") else {
            body.push_str(line);
            body.push('\n');
            continue;
        };
        let mut tree = rest.to_owned();
        while !tree.contains(';') {
            let Some(more) = lines.next() else { break };
            tree.push(' ');
            tree.push_str(more.trim());
        }
        statements.push((
            visible.is_some(),
            tree.split(';').next().unwrap().trim().to_owned(),
        ));
    }
    (statements, body)
}

fn open_braces(prefix: &str, tree: &str, leaves: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, rest)) = tree.split_once('{') else {
        if !tree.is_empty() {
            leaves.push(format!("{prefix}{tree}"));
        }
        return;
    };
    let inner = rest.strip_suffix('}').unwrap_or(rest);
    let prefix = format!("{prefix}{head}");
    let (mut depth, mut start) = (0, 0);
    for (at, it) in inner.char_indices() {
        match it {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                open_braces(&prefix, &inner[start..at], leaves);
                start = at + 1;
            }
            _ => {}
        }
    }
    open_braces(&prefix, &inner[start..], leaves);
}

/// The words of a body, those that `::` ties together as one path.
fn words(body: &str) -> Vec<Names> {
    let mut all: Vec<Names> = Vec::new();
    let bytes: Vec<char> = body.chars().collect();
    let mut at = 0;
    while at < bytes.len() {
        if !(bytes[at].is_alphabetic() || bytes[at] == '_') {
            at += 1;
            continue;
        }
        let member = at > 0 && bytes[at - 1] == '.';
        let mut path = Vec::new();
        loop {
            let start = at;
            while at < bytes.len() && (bytes[at].is_alphanumeric() || bytes[at] == '_') {
                at += 1;
            }
            path.push(bytes[start..at].iter().collect::<String>());
            let tied = bytes.get(at) == Some(&':') && bytes.get(at + 1) == Some(&':');
            if tied
                && bytes
                    .get(at + 2)
                    .is_some_and(|it| it.is_alphabetic() || *it == '_')
            {
                at += 2;
            } else {
                break;
            }
        }
        if !member {
            all.push(path);
        }
    }
    all
}

/// Whether a file defines anything; a `mod.rs` that declares and re-exports does not.
pub(crate) fn has_code(file: &File) -> bool {
    let (_, body) = split_uses(&file.code);
    body.lines().any(|line| {
        let line = line.trim();
        let rest = line
            .strip_prefix("pub(crate) ")
            .or_else(|| line.strip_prefix("pub "))
            .unwrap_or(line);
        !line.is_empty() && !line.starts_with("#") && !rest.starts_with("mod ")
    })
}

fn defines(file: &File, name: &str) -> bool {
    file.code.lines().any(|line| {
        let mut words = line
            .split(|it: char| !it.is_alphanumeric() && it != '_')
            .filter(|it| !it.is_empty());
        let kind = words.find(|it| {
            !matches!(
                *it,
                "pub" | "crate" | "super" | "in" | "async" | "unsafe" | "extern"
            )
        });
        let named = match kind {
            Some("const") => words.find(|it| *it != "fn" && *it != "unsafe"),
            Some(
                "fn" | "struct" | "enum" | "trait" | "type" | "static" | "macro_rules" | "mod",
            ) => words.find(|it| *it != "mut"),
            _ => None,
        };
        named == Some(name)
    })
}
