//! Words that do not come back, and what to write instead.

use crate::prose;
use crate::sources::{File, Repository};

/// Where a word is looked for.
enum Where {
    /// In documents, comments and sentences that the program prints.
    Prose(&'static [&'static str]),
    /// In names, as a word of its own.
    Name(&'static [&'static str]),
    /// As the whole name of a type.
    Type(&'static [&'static str]),
}
use Where::{Name, Prose, Type};

/// A word, or a few of a kind.
pub(crate) struct Word {
    pub(crate) name: &'static str,
    at: Where,
    pub(crate) instead: &'static str,
    /// A line with this text may use it.
    unless: Option<&'static str>,
}

const fn word(name: &'static str, at: Where, instead: &'static str) -> Word {
    Word {
        name,
        at,
        instead,
        unless: None,
    }
}

/// The list.
pub(crate) const WORDS: &[Word] = &[
    word(
        "gives",
        Prose(&["gives", "gave"]),
        "a function returns; a file, a row or a peer has, sends or says which noun",
    ),
    word(
        "mend",
        Prose(&["mend", "mends", "mended", "mending"]),
        "fix",
    ),
    word("told", Prose(&["told"]), "logged, sent, reported"),
    Word {
        name: "octets",
        at: Prose(&["octet", "octets"]),
        instead: "byte, except for the dotted octets of an IPv4 address",
        unless: Some("IPv4"),
    },
    word(
        "us",
        Prose(&["us", "ours", "we", "our"]),
        "local, this node, the daemon",
    ),
    word("theirs", Prose(&["theirs"]), "remote, the peer's"),
    word(
        "odd words",
        Prose(&["deaf", "lent", "mates", "docket"]),
        "plain English",
    ),
    word("mend (name)", Name(&["mend", "mends", "mended"]), "fix"),
    word("told (name)", Name(&["told"]), "logged, sent, reported"),
    word(
        "give (name)",
        Name(&["give", "gives", "gave"]),
        "return, build, make",
    ),
    word(
        "us and them (name)",
        Name(&["them", "ours", "their", "theirs"]),
        "local and remote",
    ),
    word(
        "odd words (name)",
        Name(&["docket", "faces", "deaf", "lent", "mates", "whose"]),
        "what the thing is called in this field",
    ),
    word(
        "odd types",
        Type(&["Docket", "Faces", "Letter", "Standing", "Way", "Whose"]),
        "what the thing is called in this field",
    ),
];

impl Word {
    /// Each place at which it stands, as `file:line: the line`.
    pub(crate) fn find(&self, house: &Repository) -> Vec<String> {
        let mut places = Vec::new();
        match self.at {
            Prose(words) => {
                for document in &house.documents {
                    for (number, line) in document.text.lines().enumerate() {
                        self.prose(words, &document.path, number + 1, line, &mut places);
                    }
                }
                for file in house.sources() {
                    let printed = file.strings.iter().filter(|it| it.text.contains(' '));
                    for piece in file.comments.iter().chain(printed) {
                        if !file.test_lines.contains(&piece.line) {
                            for (number, line) in piece.text.lines().enumerate() {
                                self.prose(
                                    words,
                                    &file.path,
                                    piece.line + number,
                                    line,
                                    &mut places,
                                );
                            }
                        }
                    }
                }
            }
            Name(words) => {
                for file in house.sources() {
                    names(
                        file,
                        |name| {
                            prose::parts(name)
                                .iter()
                                .any(|it| words.contains(&it.as_str()))
                        },
                        &mut places,
                    );
                }
            }
            Type(types) => {
                for file in house.sources() {
                    names(file, |name| types.contains(&name), &mut places);
                }
            }
        }
        places.retain(|place| self.unless.is_none_or(|it| !place.contains(it)));
        places
    }

    fn prose(
        &self,
        words: &[&str],
        path: &str,
        number: usize,
        line: &str,
        places: &mut Vec<String>,
    ) {
        if prose::sentence(line)
            .iter()
            .any(|it| words.contains(&it.as_str()))
        {
            places.push(format!("{path}:{number}: {}", line.trim()));
        }
    }
}

fn names(file: &File, is_wrong: impl Fn(&str) -> bool, places: &mut Vec<String>) {
    for (number, line) in file.code.lines().enumerate() {
        for name in prose::identifiers(line).filter(|it| is_wrong(it)) {
            places.push(format!("{}:{}: {name}", file.path, number + 1));
        }
    }
}
