//! What a state directory holds, and what in it is not as it should be.
use super::record_file::{ReadBudget, files_of, read_file};
use crate::reason::{DaemonReason, Reason};
use crate::topology::{Fault, Topology};
use crate::trust::Ledger;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Damaged files that are named one by one; the rest is a number.
pub(super) const MOST_NAMED: usize = 100;

/// What a state directory holds.
#[derive(Default)]
pub struct StoredCrls {
    /// The CRLs that are genuine.
    pub ledger: Ledger,
    /// What is not as it should be.
    pub problems: Vec<StateProblem>,
}

/// What is not as it should be in a state directory, in one line.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StateProblem {
    pub(super) reason: DaemonReason,
    pub(super) what: String,
}

impl StoredCrls {
    /// The problems as faults that keep nothing from working.
    pub fn notes(&self, topology: &Topology) -> Vec<Fault> {
        let note = |StateProblem { reason, what }: &StateProblem| Fault {
            file: topology.path().to_owned(),
            line: None,
            code: (*reason).into(),
            what: what.clone(),
            remedy: Reason::from(*reason).remedy().to_owned(),
        };
        self.problems.iter().map(note).collect()
    }

    fn note(&mut self, reason: DaemonReason, what: String) {
        self.problems.push(StateProblem { reason, what });
    }
}

/// Reads a state directory; one that is not there holds nothing. A file that is no good keeps no other from being used.
pub fn read(directory: &Path) -> StoredCrls {
    read_within(directory, &mut ReadBudget::default())
}

/// As [`read`], within a budget.
pub(super) fn read_within(directory: &Path, budget: &mut ReadBudget) -> StoredCrls {
    let mut kept = StoredCrls::default();
    // A directory that is not there is that of a first start; one that cannot be read is a problem, since
    // older CRLs than those in it would be taken.
    let listed = match fs::read_dir(directory) {
        Ok(listed) => listed,
        // The usual first start.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return kept,
        Err(error) => {
            let shown = directory.display();
            let what = format!("the state directory {shown} cannot be read: {error}");
            kept.note(DaemonReason::StateUnreadable, what);
            return kept;
        }
    };
    // What others can write they can remove: a CRL that is gone lets a revoked certificate in.
    if let Ok(data) = fs::metadata(directory)
        && data.mode() & 0o022 != 0
    {
        let (shown, mode) = (directory.display(), data.mode() & 0o7777);
        let what = format!(
            "the state directory {shown} can be written by others (mode {mode:04o}): they can take CRLs away"
        );
        kept.note(DaemonReason::StateUnsafe, what);
    }
    let mut files = files_of(listed);
    // The small ones first: whatever a large file turns out to be, it takes no budget from them.
    let length = |path: &Path| fs::symlink_metadata(path).map_or(0, |data| data.len());
    files.sort_by_cached_key(|(id, path)| (length(path), *id));
    // Named one by one up to a bound, so that a directory full of other files does not fill the log.
    let mut damaged = 0_usize;
    for (id, path) in files {
        match read_file(&path, id, budget) {
            // Its signature was checked while it was read.
            Ok(series) => kept.ledger.restore(series),
            Err(what) => {
                damaged += 1;
                if damaged <= MOST_NAMED {
                    let what = format!("what {} holds is not used: {what}", path.display());
                    kept.note(DaemonReason::StateDamaged, what);
                }
            }
        }
    }
    // The rest as one number, so that nothing goes unreported.
    if damaged > MOST_NAMED {
        let (more, shown) = (damaged - MOST_NAMED, directory.display());
        let what =
            format!("what {more} more files of the state directory {shown} hold is not used");
        kept.note(DaemonReason::StateDamaged, what);
    }
    kept
}
