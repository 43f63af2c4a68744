//! How a generation is read: whole, from the topology, the files that it names and the CRLs in the state directory.
use super::crl_state;
use crate::topology::{self, Fault, Topology};
use crate::trust::{Before, Generation};
use rustls_pki_types::UnixTime;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads the generation with which a process starts whole, with the CRLs that the state directory holds; nothing is written
/// there.
///
/// # Errors
/// Every fault at once.
pub fn load(path: &Path, number: u64) -> Result<Arc<Generation>, Vec<Fault>> {
    let at = UnixTime::now();
    let build =
        |before: Before<'_>, topology| Generation::build_at_start(before, number, topology, at);
    noted(path, at, crl_state::directory, build).map(Arc::new)
}

/// As [`load`], for a command that looks at a file without serving it.
///
/// # Errors
/// Every fault at once.
pub fn look_at(path: &Path, at: UnixTime) -> Result<Generation, Vec<Fault>> {
    let build = |before: Before<'_>, topology| Generation::build_after(before, 1, topology, at);
    noted(path, at, crl_state::readable_directory, build)
}

/// As [`look_at`] without running the expectations: only for asking what would be decided.
///
/// # Errors
/// Every fault at once.
pub fn prepare(path: &Path, at: UnixTime) -> Result<Generation, Vec<Fault>> {
    let build = |before: Before<'_>, topology| Generation::prepare_after(before, 1, topology, at);
    noted(path, at, crl_state::readable_directory, build)
}

/// As [`prepare`], for the file with further sections at its end.
///
/// # Errors
/// Every fault at once; of the sections too.
pub fn prepare_with(path: &Path, more: &str, at: UnixTime) -> Result<Generation, Vec<Fault>> {
    // What is wrong with the file itself is reported as if it stood alone.
    let Ok(text) = topology::read_topology(path) else {
        return prepare(path, at);
    };
    let topology = topology::load_text(&format!("{text}\n{more}"), path, at)?;
    let build = |before: Before<'_>, topology| Generation::prepare_after(before, 1, topology, at);
    upon(topology, crl_state::readable_directory, build)
}

/// A generation upon what the state directory holds, with notes on what is wrong there.
fn noted(
    path: &Path,
    at: UnixTime,
    directory: impl FnOnce(&Topology) -> Option<PathBuf>,
    build: impl FnOnce(Before<'_>, Topology) -> Result<Generation, Vec<Fault>>,
) -> Result<Generation, Vec<Fault>> {
    upon(topology::load(path, at)?, directory, build)
}

/// As [`noted`], of a topology that has been read.
fn upon(
    topology: Topology,
    directory: impl FnOnce(&Topology) -> Option<PathBuf>,
    build: impl FnOnce(Before<'_>, Topology) -> Result<Generation, Vec<Fault>>,
) -> Result<Generation, Vec<Fault>> {
    let kept = directory(&topology).as_deref().map(crl_state::read);
    // Without a place the next start begins without what this one has proven.
    let notes = match &kept {
        Some(kept) => kept.notes(&topology),
        None => crl_state::missing(&topology).into_iter().collect(),
    };
    let kept = kept.unwrap_or_default();
    let before = Before {
        ledger: Some(&kept.ledger),
        ..Before::default()
    };
    Ok(build(before, topology)?.with_notes(notes))
}

/// Reads a generation whole that takes the place of `previous`: no CRL of it is replaced by a worse one.
///
/// # Errors
/// Every fault at once.
pub fn load_after(path: &Path, previous: &Generation) -> Result<Arc<Generation>, Vec<Fault>> {
    let at = UnixTime::now();
    let topology = topology::load(path, at)?;
    let before = Before {
        previous: Some(previous),
        ..Before::default()
    };
    Generation::build_after(before, previous.number() + 1, topology, at).map(Arc::new)
}
