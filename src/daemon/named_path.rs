//! A path that a topology names, read without loading the topology.
use crate::topology::read_topology;
use std::path::{Path, PathBuf};

/// The path under `[table] key`, relative to the file. Nothing else of it is looked at: a file with faults elsewhere must not lock
/// the operator out of the daemon that still serves.
pub fn named_path(topology: &Path, table: &str, key: &str) -> Option<PathBuf> {
    let text = read_topology(topology).ok()?;
    let file: toml::Table = text.parse().ok()?;
    let named = file.get(table)?.get(key)?.as_str()?;
    Some(topology.parent().unwrap_or(Path::new("")).join(named))
}
