//! docs/conformance.md, docs/profiles.md and docs/threats.md are true: every row is there, and every file, function and test that it names exists.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// Requirements of the notes that the table began with; further rows may follow.
const ROWS: u32 = 53;

struct Row {
    number: u32,
    place: String,
    tests: String,
    line: usize,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(root().join("docs/conformance.md")).unwrap();
    let rows: Vec<Row> = text
        .lines()
        .enumerate()
        .filter_map(|(line, text)| {
            let cells: Vec<&str> = text.strip_prefix("| ")?.split(" | ").collect();
            let number = cells.first()?.parse().ok()?;
            assert_eq!(cells.len(), 5, "line {}: five columns", line + 1);
            Some(Row {
                number,
                place: cells[3].to_owned(),
                tests: cells[4].trim_end_matches(" |").to_owned(),
                line: line + 1,
            })
        })
        .collect();
    assert!(!rows.is_empty());
    rows
}

/// What stands in backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn sources(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let name = path
                .strip_prefix(root())
                .unwrap()
                .to_string_lossy()
                .into_owned();
            found.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// Every source file by its path in the project.
fn all_sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for folder in ["src", "tests", "benches"] {
        sources(&root().join(folder), &mut found);
    }
    found
}

/// Whether the text defines this name.
fn defines(text: &str, name: &str) -> bool {
    ["fn ", "struct ", "enum ", "const ", "static "]
        .iter()
        .any(|kind| {
            let wanted = format!("{kind}{name}");
            text.match_indices(&wanted).any(|(at, _)| {
                !text[at + wanted.len()..]
                    .starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            })
        })
}

/// The names of all functions.
fn functions(sources: &BTreeMap<String, String>) -> HashSet<&str> {
    sources
        .values()
        .flat_map(|text| text.split("fn ").skip(1))
        .map(|rest| {
            rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .next()
                .unwrap()
        })
        .collect()
}

#[test]
fn every_threat_has_an_answer_and_tests_that_exist() {
    let sources = all_sources();
    let tests = functions(&sources);
    let text = std::fs::read_to_string(root().join("docs/threats.md")).unwrap();
    let mut threats = 0;
    for (line, text) in (1..).zip(text.lines()) {
        let Some(row) = text.strip_prefix("| ") else {
            continue;
        };
        let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
        assert_eq!(cells.len(), 3, "line {line}: threat, answer, tests");
        if cells[0] == "threat" {
            continue;
        }
        threats += 1;
        let names = quoted(cells[2]);
        assert!(!names.is_empty(), "line {line}: which test?");
        for name in names {
            assert!(tests.contains(name), "line {line}: no test {name}");
        }
    }
    assert!(threats > 10);
}

#[test]
fn every_profile_says_what_is_proven_of_it_by_tests_that_exist() {
    let sources = all_sources();
    let tests = functions(&sources);
    let text = std::fs::read_to_string(root().join("docs/profiles.md")).unwrap();
    let rows: BTreeMap<&str, Vec<&str>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|row| {
            let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
            assert_eq!(cells.len(), 3, "profile, what is proven, tests: {row}");
            (cells[0].trim_end_matches('`'), quoted(cells[2]))
        })
        .collect();
    for entry in std::fs::read_dir(root().join("config")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".toml") {
            let named = rows.get(name.as_str());
            let named = named.unwrap_or_else(|| panic!("no row for {name}"));
            assert!(!named.is_empty(), "{name}: which test?");
            for test in named {
                assert!(tests.contains(test), "{name}: no test {test}");
            }
        }
    }
}

#[test]
fn every_requirement_has_its_row_once_and_in_order() {
    let numbers: Vec<u32> = rows().iter().map(|r| r.number).collect();
    let wanted: Vec<u32> = (1..=numbers.len() as u32).collect();
    assert_eq!(numbers, wanted);
    assert!(numbers.len() as u32 >= ROWS);
}

#[test]
fn every_place_that_is_named_exists() {
    let sources = all_sources();
    for Row { place, line, .. } in rows() {
        let names = quoted(&place);
        if place.starts_with("Does not apply: ") {
            assert!(place.len() > 60, "line {line}: why not?");
        } else {
            assert!(
                names.len() >= 2,
                "line {line}: a file and what stands in it"
            );
        }
        let mut file = None;
        for name in names {
            if name.contains('/') {
                file = sources.get(name);
                let exists = file.is_some() || root().join(name).exists();
                assert!(exists, "line {line}: no file {name}");
            } else {
                let text = file.unwrap_or_else(|| panic!("line {line}: in which file is {name}?"));
                assert!(defines(text, name), "line {line}: {name} is not there");
            }
        }
    }
}

#[test]
fn every_test_that_is_named_exists_and_every_row_names_one_or_says_why_not() {
    let sources = all_sources();
    let tests = functions(&sources);
    for Row {
        place,
        tests: named,
        line,
        ..
    } in rows()
    {
        let names = quoted(&named);
        assert!(
            !names.is_empty() || place.starts_with("Does not apply: "),
            "line {line}: which test?"
        );
        for name in names {
            assert!(tests.contains(name), "line {line}: no test {name}");
        }
    }
}
