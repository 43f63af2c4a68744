//! Tells code, comments and strings of a Rust file apart, as far as these tests need it.

/// A piece of prose in a source file, and the line on which it stands (from 1).
pub(crate) struct Prose {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// A file taken apart. `code` has the length and the lines of the file, with comments and the insides of strings blanked.
pub(crate) struct Lexed {
    pub(crate) code: String,
    pub(crate) comments: Vec<Prose>,
    pub(crate) strings: Vec<Prose>,
}

/// Reads one file.
pub(crate) fn lex(text: &str) -> Lexed {
    let mut lexer = Lexer {
        rest: text,
        line: 1,
        out: Lexed {
            code: String::new(),
            comments: vec![],
            strings: vec![],
        },
    };
    while lexer.step() {}
    lexer.out
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    out: Lexed,
}

impl Lexer<'_> {
    fn step(&mut self) -> bool {
        let rest = self.rest;
        let Some(first) = rest.chars().next() else {
            return false;
        };
        if rest.starts_with("//") {
            let end = rest.find('\n').unwrap_or(rest.len());
            self.prose(end, 0, 0, true);
        } else if rest.starts_with("/*") {
            self.prose(block_comment(rest), 0, 0, true);
        } else if first == '"' {
            self.prose(string(rest), 1, 1, false);
        } else if let Some((open, len, close)) = raw_string(rest).filter(|_| !self.after_word()) {
            self.prose(len, open, close, false);
        } else if let Some(len) = character(rest) {
            self.blank(len);
        } else {
            self.keep(first.len_utf8());
        }
        true
    }

    /// Whether the last byte belongs to a word, so that an `r` behind it begins no raw string.
    fn after_word(&self) -> bool {
        self.out
            .code
            .ends_with(|it: char| it.is_alphanumeric() || it == '_')
    }

    fn prose(&mut self, len: usize, open: usize, close: usize, comment: bool) {
        let text = self.rest[open..len - close].to_owned();
        let piece = Prose {
            line: self.line,
            text,
        };
        if comment {
            self.out.comments.push(piece);
            self.blank(len);
        } else {
            self.out.strings.push(piece);
            self.keep(open);
            self.blank(len - open - close);
            self.keep(close);
        }
    }

    fn keep(&mut self, len: usize) {
        let (taken, rest) = self.rest.split_at(len);
        self.line += taken.matches('\n').count();
        self.out.code.push_str(taken);
        self.rest = rest;
    }

    fn blank(&mut self, len: usize) {
        let (taken, rest) = self.rest.split_at(len);
        self.line += taken.matches('\n').count();
        self.out
            .code
            .extend(taken.chars().map(|it| if it == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }
}

/// The length of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            match rest.chars().next() {
                Some(it) => at += it.len_utf8(),
                None => return at,
            }
        }
    }
}

/// The length of a string with both quotes.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, it) in text.char_indices().skip(1) {
        match it {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A raw string at the start of `text`: the lengths of its opening, of all of it and of its end.
fn raw_string(text: &str) -> Option<(usize, usize, usize)> {
    let prefix = ["r", "br", "cr"].into_iter().find(|it| {
        text.strip_prefix(*it).is_some_and(|rest| {
            rest.starts_with('"') || rest.starts_with("#\"") || rest.starts_with("##")
        })
    })?;
    let hashes = text[prefix.len()..]
        .chars()
        .take_while(|it| *it == '#')
        .count();
    let open = prefix.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    let len = text.get(open..)?.find(&end)? + open + end.len();
    Some((open, len, end.len()))
}

/// The length of a character literal, which must not be taken for a lifetime.
fn character(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    let mut chars = body.chars();
    if chars.next()? == '\\' {
        let end = body.char_indices().skip(2).find(|(_, it)| *it == '\'')?.0;
        return Some(end + 2);
    }
    let first = body.chars().next()?;
    (chars.next()? == '\'').then_some(first.len_utf8() + 2)
}
