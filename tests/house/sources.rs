//! The repository as files, each read once and taken apart.

use crate::lexer::{self, Prose};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The sources of the workspace, and its documents.
pub(crate) struct Repository {
    pub(crate) crates: Vec<Crate>,
    pub(crate) tests: Vec<File>,
    pub(crate) documents: Vec<Document>,
}

/// A crate by its folder of sources.
pub(crate) struct Crate {
    pub(crate) dir: &'static str,
    pub(crate) files: Vec<File>,
}

/// A text that people read.
pub(crate) struct Document {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A Rust file.
pub(crate) struct File {
    /// From the root of the repository.
    pub(crate) path: String,
    /// The names of its module, from the root of its crate.
    pub(crate) module: Vec<String>,
    pub(crate) text: String,
    /// The text without comments, without the insides of strings, and without items under `#[cfg(test)]`.
    pub(crate) code: String,
    /// The lines that belong to items under `#[cfg(test)]`, from 1.
    pub(crate) test_lines: BTreeSet<usize>,
    pub(crate) comments: Vec<Prose>,
    pub(crate) strings: Vec<Prose>,
    /// The names of the types that it defines.
    pub(crate) types: Vec<String>,
    /// Whether all of it is test code.
    pub(crate) test: bool,
}

const CRATES: &[&str] = &["src", "lab/src"];

/// Reads everything that the tests of this house look at.
pub(crate) fn repository() -> Repository {
    let crates = CRATES
        .iter()
        .filter(|dir| root().join(dir).is_dir())
        .map(|dir| Crate {
            dir,
            files: rust_files(dir, false),
        })
        .collect();
    let mut documents = Vec::new();
    let mut paths = walk(&root().join("docs"));
    paths.push(root().join("README.md"));
    for path in paths {
        if path.extension().is_some_and(|it| it == "md") {
            documents.push(Document {
                path: relative(&path),
                text: std::fs::read_to_string(&path).unwrap(),
            });
        }
    }
    let tests = rust_files("tests", true);
    Repository {
        crates,
        tests,
        documents,
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap()
        .to_string_lossy()
        .into_owned()
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    entries.sort();
    entries
        .into_iter()
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

fn rust_files(dir: &str, test: bool) -> Vec<File> {
    let top = root().join(dir);
    walk(&top)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|it| it == "rs"))
        .map(|path| File::read(&path, &top, test))
        .collect()
}

impl Repository {
    /// The crate of the daemon.
    pub(crate) fn daemon(&self) -> &Crate {
        &self.crates[0]
    }

    /// Every Rust file: sources and tests.
    pub(crate) fn files(&self) -> impl Iterator<Item = &File> {
        self.crates
            .iter()
            .flat_map(|it| &it.files)
            .chain(&self.tests)
    }

    /// Every Rust file that is not a test as a whole.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &File> {
        self.crates.iter().flat_map(Crate::sources)
    }
}

impl Crate {
    /// The files that are not tests as a whole.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|it| !it.test)
    }

    /// The same, without the file that only starts the program.
    pub(crate) fn shipped(&self) -> impl Iterator<Item = &File> {
        self.sources().filter(|it| !it.path.ends_with("/main.rs"))
    }

    /// A file by its path below this crate's folder.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|it| {
            it.path
                .strip_prefix(self.dir)
                .is_some_and(|it| it.strip_prefix('/') == Some(path))
        })
    }

    /// What a file is filed under in the figures: its folder, or its crate where that has none.
    pub(crate) fn place(&self, file: &File) -> String {
        let folder = if self.dir == "src" { file.folder() } else { "" };
        if folder.is_empty() {
            self.dir.to_owned()
        } else {
            folder.to_owned()
        }
    }
}

impl File {
    fn read(path: &Path, top: &Path, test: bool) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let lexed = lexer::lex(&text);
        let mut code = lexed.code;
        let test_lines = blank_tests(&mut code);
        let names: Vec<String> = path
            .strip_prefix(top)
            .unwrap()
            .with_extension("")
            .iter()
            .map(|it| it.to_string_lossy().into_owned())
            .collect();
        let module = match names.split_last() {
            Some((last, folders)) if matches!(last.as_str(), "mod" | "lib" | "main") => {
                folders.to_vec()
            }
            _ => names.clone(),
        };
        Self {
            path: relative(path),
            test: test || names.iter().any(|it| it == "tests"),
            module,
            types: types(&code),
            code,
            test_lines,
            comments: lexed.comments,
            strings: lexed.strings,
            text,
        }
    }

    /// The folder below its crate's, empty for a file that stands beside `lib.rs`.
    pub(crate) fn folder(&self) -> &str {
        self.module.first().map_or("", |it| {
            if self.module.len() > 1 || self.path.ends_with("/mod.rs") {
                it
            } else {
                ""
            }
        })
    }

    /// Whether it lies among the sources, tests of a folder included.
    pub(crate) fn is_source(&self) -> bool {
        CRATES
            .iter()
            .any(|it| self.path.starts_with(&format!("{it}/")))
    }
}

/// Blanks the items under `#[cfg(test)]` and returns their lines.
fn blank_tests(code: &mut String) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    while let Some(start) = code
        .find("#[cfg(test)]")
        .or_else(|| code.find("#[cfg(any(test"))
    {
        let len = item_len(&code[start..]);
        let first = code[..start].matches('\n').count() + 1;
        lines.extend(first..=first + code[start..start + len].matches('\n').count());
        let blank: String = code[start..start + len]
            .chars()
            .map(|it| if it == '\n' { '\n' } else { ' ' })
            .collect();
        code.replace_range(start..start + len, &blank);
    }
    lines
}

/// The length of the item at the start of `code`, with its attributes: to its `;` or its closing brace, or, for a field or
/// a variant, to its comma.
fn item_len(code: &str) -> usize {
    let mut depth = 0_i32;
    let is_item = code
        .split_once(']')
        .map_or("", |(_, rest)| rest)
        .split(|it: char| !it.is_alphanumeric() && it != '_')
        .take(12)
        .any(|it| {
            matches!(
                it,
                "mod" | "fn" | "use" | "impl" | "struct" | "enum" | "const" | "static" | "type"
            )
        });
    for (at, it) in code.char_indices() {
        match it {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' => depth -= 1,
            '}' => {
                depth -= 1;
                if depth <= 0 {
                    return at + usize::from(depth == 0);
                }
            }
            ';' if depth == 0 => return at + 1,
            ',' if depth == 0 && !is_item => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// The types that a file defines. A `type` that is indented belongs to a trait, not to the file.
fn types(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in code.lines() {
        let top = !line.starts_with(' ');
        let mut words = line
            .split(|it: char| !it.is_alphanumeric() && it != '_')
            .filter(|it| !it.is_empty());
        let kind = words.find(|it| !matches!(*it, "pub" | "crate" | "super" | "in" | "unsafe"));
        let is_type = matches!(kind, Some("struct" | "enum" | "trait" | "union"))
            || (top && kind == Some("type"));
        if let Some(name) = words
            .next()
            .filter(|it| is_type && it.starts_with(char::is_uppercase))
        {
            names.push(name.to_owned());
        }
    }
    names
}
