//! Lines counted: of code, of comment, of test.

use crate::sources::{File, Repository};
use std::fmt;
use std::ops::AddAssign;

/// Lines of one kind per line of code.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ratio {
    part: usize,
    code: usize,
}

impl Ratio {
    /// The lines of code.
    pub(crate) fn code(self) -> usize {
        self.code
    }

    /// In hundredths, rounded down.
    pub(crate) fn hundredths(self) -> usize {
        self.part * 100 / self.code.max(1)
    }
}

impl AddAssign for Ratio {
    fn add_assign(&mut self, other: Self) {
        self.part += other.part;
        self.code += other.code;
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = self.hundredths();
        write!(
            f,
            "{}.{:02} ({} of {})",
            hundredths / 100,
            hundredths % 100,
            self.part,
            self.code
        )
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

fn is_code(line: &str) -> bool {
    !line.trim().is_empty() && !is_comment(line)
}

/// Lines that are neither blank nor a comment.
pub(crate) fn code_lines(text: &str) -> usize {
    text.lines().filter(|it| is_code(it)).count()
}

/// The comments of a file per line of its code, without what is under `#[cfg(test)]`.
pub(crate) fn comments(file: &File) -> Ratio {
    let mut ratio = Ratio::default();
    for (number, line) in file.text.lines().enumerate() {
        if !file.test_lines.contains(&(number + 1)) {
            ratio.part += usize::from(is_comment(line));
            ratio.code += usize::from(is_code(line));
        }
    }
    ratio
}

/// Test code per code of a folder: its own tests, and those under `tests/` whose paths begin as `elsewhere` says.
pub(crate) fn tests(house: &Repository, folder: &str, elsewhere: &[&str]) -> Ratio {
    let mut ratio = Ratio::default();
    for file in house
        .daemon()
        .files
        .iter()
        .filter(|it| it.folder() == folder)
    {
        for (number, line) in file.text.lines().enumerate().filter(|(_, it)| is_code(it)) {
            if file.test || file.test_lines.contains(&(number + 1)) {
                ratio.part += 1;
            } else {
                ratio.code += 1;
            }
            let _ = line;
        }
    }
    for file in house
        .tests
        .iter()
        .filter(|file| elsewhere.iter().any(|it| file.path.starts_with(it)))
    {
        ratio.part += code_lines(&file.text);
    }
    ratio
}
