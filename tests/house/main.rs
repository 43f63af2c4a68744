//! The house rules of the sources: which folder may use which, no circles, sizes, comments, tests and words.
//!
//! Each test measures the whole repository and compares it with `bounds.rs`. `cargo test --test house -- --nocapture`
//! prints the figures.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bounds;
mod circles;
mod figures;
mod imports;
mod lexer;
mod prose;
mod sources;
mod words;

use figures::Ratio;
use imports::Modules;
use sources::{Crate, Repository, repository};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

static REPOSITORY: LazyLock<Repository> = LazyLock::new(repository);

/// Dependencies point down: a folder uses only those that stand before it in the list of `src/lib.rs`.
#[test]
fn folders_use_only_what_lies_below_them() {
    let house = &*REPOSITORY;
    let daemon = house.daemon();
    let order = daemon.order_of_folders();
    assert!(order.len() >= 8, "the list in src/lib.rs has {order:?}");
    let modules = Modules::of(daemon);
    let mut wrong = Vec::new();
    for file in daemon.shipped() {
        let Some(own) = order.iter().position(|it| *it == file.folder()) else {
            continue;
        };
        for path in modules.paths(file) {
            let Some(used) = path.first() else { continue };
            let above = order
                .iter()
                .position(|it| it == used)
                .is_some_and(|it| it > own);
            if above {
                wrong.push(format!("{} uses crate::{}", file.path, path.join("::")));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "dependencies point down only:\n{}",
        wrong.join("\n")
    );
}

/// Every folder of `src/` has its line in the map, so that the order above covers it.
#[test]
fn the_map_in_lib_rs_names_every_folder() {
    let house = &*REPOSITORY;
    let daemon = house.daemon();
    let order: BTreeSet<String> = daemon.order_of_folders().into_iter().collect();
    let folders: BTreeSet<String> = daemon
        .shipped()
        .map(|file| file.folder().to_owned())
        .filter(|it| !it.is_empty())
        .collect();
    assert_eq!(order, folders);
}

/// Two files that import each other cannot be read, moved or tested one at a time.
#[test]
fn files_do_not_import_each_other_in_circles() {
    let house = &*REPOSITORY;
    let mut allowed: BTreeSet<&str> = bounds::FILES_ON_CIRCLES.iter().copied().collect();
    let mut wrong = Vec::new();
    for krate in &house.crates {
        for circle in circles::circles(krate) {
            println!("{circle}");
            let new: Vec<&String> = circle
                .files
                .iter()
                .filter(|it| !allowed.remove(it.as_str()))
                .collect();
            if !new.is_empty() {
                wrong.push(format!("{new:?} may not lie on {circle}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("no longer on a circle, to be struck from tests/house/bounds.rs: {allowed:?}");
}

/// The first sentence of a doc comment is its summary in an index of names: an empty line parts it from what follows. Only a
/// sentence that ends its line is looked at; one that goes on in the same line is a paragraph of prose.
#[test]
fn the_first_sentence_of_docs_stands_alone() {
    let mut wrong = Vec::new();
    for file in REPOSITORY.files() {
        let doc = |line: &str| line.trim().strip_prefix("///").map(str::to_owned);
        let mut before = None;
        let mut lines = file.text.lines().enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            let next = lines.peek().and_then(|(_, next)| doc(next));
            let first = doc(line).filter(|_| before.is_none());
            if let (Some(first), Some(next)) = (first, next)
                && first.ends_with('.')
                && next
                    .trim()
                    .starts_with(|c: char| c.is_ascii_uppercase() || "`[".contains(c))
            {
                wrong.push(format!("{}:{}: {first}", file.path, number + 1));
            }
            before = doc(line);
        }
    }
    assert!(
        wrong.is_empty(),
        "an empty `///` is missing below:\n{}",
        wrong.join("\n")
    );
}

/// A file is one concept: short enough to read in one go.
#[test]
fn files_are_short() {
    let house = &*REPOSITORY;
    let mut lengths = Vec::new();
    let mut wrong = Vec::new();
    for file in house.files() {
        let lines = file.text.lines().count();
        if file.is_source() {
            lengths.push(lines);
        }
        let bound = bounds::LONG_FILES
            .iter()
            .find_map(|(path, lines)| (*path == file.path).then_some(*lines))
            .unwrap_or(bounds::LINES_OF_A_FILE);
        if lines > bound {
            wrong.push(format!("{}: {lines} lines, at most {bound}", file.path));
        }
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    println!(
        "source files: {}, median {median} lines (goal 220)",
        lengths.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        median <= bounds::MEDIAN_LINES,
        "the median file has {median} lines"
    );
}

/// clippy refuses functions of more than 100 lines; this finds who talks it out of that.
#[test]
fn no_function_is_excused_for_its_length() {
    let house = &*REPOSITORY;
    let mut excused: Vec<String> = Vec::new();
    for file in house.sources() {
        for (number, line) in file.code.lines().enumerate() {
            if line.contains("too_many_lines") {
                excused.push(format!("{}:{}", file.path, number + 1));
            }
        }
    }
    println!(
        "functions excused for more than 100 lines: {}",
        excused.len()
    );
    assert!(
        excused.is_empty(),
        "{}",
        excused.join(
            "
"
        )
    );
}

/// One name, one thing.
#[test]
fn each_type_name_is_defined_once() {
    let house = &*REPOSITORY;
    let mut twice = Vec::new();
    for krate in &house.crates {
        let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for file in krate.shipped() {
            for name in &file.types {
                places.entry(name).or_default().push(&file.path);
            }
        }
        for (name, paths) in places {
            if paths.len() > 1 {
                twice.push(format!("{name}: {}", paths.join(" ")));
            }
        }
    }
    println!("type names with several meanings: {} (goal 0)", twice.len());
    if twice.len() > bounds::NAMES_DEFINED_TWICE {
        panic!(
            "{}",
            twice.join(
                "
"
            )
        );
    }
}

/// Code that is hard to see through says why it is as it is.
#[test]
fn comments_say_why() {
    let house = &*REPOSITORY;
    let mut folders: BTreeMap<String, Ratio> = BTreeMap::new();
    let mut all = Ratio::default();
    for krate in &house.crates {
        for file in krate.shipped() {
            let own = figures::comments(file);
            all += own;
            *folders.entry(krate.place(file)).or_default() += own;
        }
    }
    println!("comment lines per line of code: {all} (goal 0.25)");
    let mut wrong = Vec::new();
    for (folder, ratio) in &folders {
        println!("  {folder}: {ratio}");
        let bound = bounds::COMMENTS
            .iter()
            .find_map(|(name, bound)| (name == folder).then_some(*bound))
            .unwrap_or(bounds::COMMENTS_PER_CODE);
        if ratio.hundredths() < bound {
            wrong.push(format!("{folder}: {ratio}, at least 0.{bound:02}"));
        }
    }
    if all.hundredths() < bounds::ALL_COMMENTS {
        wrong.push(format!(
            "everything: {all}, at least 0.{:02}",
            bounds::ALL_COMMENTS
        ));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The parts that decide have as many lines of test as of code.
#[test]
fn what_decides_is_tested_as_much_as_written() {
    let house = &*REPOSITORY;
    let mut wrong = Vec::new();
    for (folder, elsewhere, bound) in bounds::TESTED {
        let ratio = figures::tests(house, folder, elsewhere);
        println!("test code per code in {folder}: {ratio} (goal 1.00)");
        if ratio.hundredths() < *bound {
            wrong.push(format!("{folder}: {ratio}, at least {bound} hundredths"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Less code is better code.
#[test]
fn the_sources_do_not_grow() {
    let house = &*REPOSITORY;
    let mut all = 0;
    for krate in &house.crates {
        let lines: usize = krate
            .sources()
            .map(|file| figures::comments(file).code())
            .sum();
        println!("lines of code outside tests in {}: {lines}", krate.dir);
        all += lines;
    }
    println!(
        "lines of code outside tests: {all} (goal {})",
        bounds::LINES_OF_CODE_BEFORE
    );
    assert!(
        all <= bounds::LINES_OF_CODE,
        "{all} lines of code, at most {}",
        bounds::LINES_OF_CODE
    );
}

/// Names and sentences use the words of the field, in plain English.
#[test]
fn words_do_not_come_back() {
    let house = &*REPOSITORY;
    let mut wrong = Vec::new();
    for word in words::WORDS {
        let found = word.find(house);
        println!("{}: {} (goal 0)", word.name, found.len());
        let allowed = bounds::WORDS
            .iter()
            .find_map(|(name, most)| (*name == word.name).then_some(*most))
            .unwrap_or(0);
        if found.len() > allowed {
            wrong.push(format!(
                "{}: {}\n{}",
                word.name,
                word.instead,
                found.join("\n")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

impl Crate {
    /// The folders of the map in `lib.rs`, lowest first.
    fn order_of_folders(&self) -> Vec<String> {
        let map = self.file("lib.rs").unwrap();
        map.text
            .lines()
            .filter_map(|line| line.strip_prefix("//! * [`")?.split('`').next())
            .map(str::to_owned)
            .collect()
    }
}
