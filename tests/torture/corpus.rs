//! Reads the torture messages and what their indexes say of them.
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Index {
    message: Vec<Row>,
}

/// One row of an index; the words are explained at the top of `INDEX.toml`.
#[derive(Deserialize)]
pub(crate) struct Row {
    pub(crate) file: String,
    pub(crate) kind: String,
    pub(crate) method: Option<String>,
    pub(crate) valid: bool,
    pub(crate) action: String,
    pub(crate) status: Vec<u16>,
    pub(crate) stream: String,
    size: usize,
    wire_size: Option<usize>,
}

/// A row with its octets.
pub(crate) struct Case {
    pub(crate) row: Row,
    pub(crate) octets: Vec<u8>,
}

/// One corpus; `wire` is the folder with the octets as they are sent.
pub(crate) fn corpus(name: &str, wire: &str) -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/torture")
        .join(name);
    let text = std::fs::read_to_string(folder.join("INDEX.toml")).unwrap();
    let index: Index = toml::from_str(&text).unwrap();
    index
        .message
        .into_iter()
        .map(|row| {
            let octets = std::fs::read(folder.join(wire).join(&row.file)).unwrap();
            let size = row.wire_size.filter(|_| !wire.is_empty());
            assert_eq!(octets.len(), size.unwrap_or(row.size), "{}", row.file);
            Case { row, octets }
        })
        .collect()
}

/// Every message of both.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = corpus("rfc4475", "");
    cases.extend(corpus("rfc5118", "wire"));
    cases
}
