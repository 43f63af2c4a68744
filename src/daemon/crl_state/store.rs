//! Writing the state directory: what is in force is put there, and what no longer is taken away.
use super::record_file::{
    LARGEST, MOST_FILES, ReadBudget, files_of, open_record, path_of, read_file, whole,
};
use crate::reason::{DaemonReason, Reason};
use crate::trust::{Ledger, Series, SeriesId};
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was written to a state directory by this process: what is unchanged since is not written again.
#[derive(Default)]
pub(in crate::daemon) struct Store {
    /// Where it was written; `None`: nowhere yet.
    directory: Option<PathBuf>,
    /// What each file holds.
    written: HashMap<SeriesId, Arc<Series>>,
    /// Whether what nobody needs any more was removed.
    tidied: bool,
}

/// Why something is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::daemon) struct NotStored {
    /// The file or the directory.
    pub(in crate::daemon) path: PathBuf,
    /// It cannot be written, or is full.
    pub(in crate::daemon) reason: Reason,
    /// The system's error.
    pub(in crate::daemon) detail: String,
}

impl Store {
    /// Makes the directory hold what the ledger does; the first thing that hinders is returned, and the rest is done
    /// as far as possible.
    pub(in crate::daemon) fn keep(
        &mut self,
        directory: Option<PathBuf>,
        ledger: &Ledger,
    ) -> Option<NotStored> {
        // A reload may name another directory: nothing of what was written is there.
        if self.directory != directory {
            *self = Self {
                directory,
                ..Self::default()
            };
        }
        let directory = self.directory.clone()?;
        let mut hindered = None;
        // The first hindrance is the one to look at; those after it mostly follow.
        let mut hinder = |path: &Path, reason, detail: String| {
            hindered.get_or_insert_with(|| NotStored {
                path: path.to_owned(),
                reason: Reason::from(reason),
                detail,
            });
        };
        // Without the directory nothing else can be done.
        if let Err(error) = make(&directory) {
            hinder(&directory, DaemonReason::StateUnwritable, error.to_string());
            return hindered;
        }
        // Once for each start: what a crash left behind does not come again.
        if !std::mem::replace(&mut self.tidied, true) {
            tidy(&directory, ledger);
        }
        // Series that are no longer in force, such as one that an operator has dropped.
        let gone: Vec<SeriesId> = self.written.keys().copied().collect();
        for id in gone.into_iter().filter(|id| ledger.get(*id).is_none()) {
            // What cannot be removed is tried again at the next look.
            match remove(&directory, id) {
                Ok(()) => {
                    self.written.remove(&id);
                }
                Err(error) => hinder(
                    &path_of(&directory, id),
                    DaemonReason::StateUnwritable,
                    error.to_string(),
                ),
            }
        }
        // The same bounds as for reading: what is written beyond them would not be read.
        let (mut files, mut left) = (MOST_FILES, LARGEST);
        for series in ledger.all_by_share(MOST_FILES, LARGEST) {
            let path = path_of(&directory, series.id());
            let size = series.size();
            if files == 0 || size > left {
                let detail = format!("more than {MOST_FILES} files or 1 GiB");
                hinder(&path, DaemonReason::StateFull, detail);
                // What has its place there now needs the room that this one had.
                let removed = remove(&directory, series.id());
                self.written.remove(&series.id());
                if let Err(error) = removed {
                    hinder(&path, DaemonReason::StateUnwritable, error.to_string());
                }
                continue;
            }
            (files, left) = (files - 1, left - size);
            let written = self.written.get(&series.id());
            // Unchanged since this process wrote it: no need to read the file back.
            if written.is_some_and(|written| Arc::ptr_eq(written, series)) {
                continue;
            }
            match write(&directory, &path, series) {
                Ok(()) => {
                    self.written.insert(series.id(), Arc::clone(series));
                }
                Err(error) => hinder(&path, DaemonReason::StateUnwritable, error.to_string()),
            }
        }
        hindered
    }

    /// Removes what is kept of a series.
    ///
    /// # Errors
    /// The system's; a file that is not there is none.
    pub(in crate::daemon) fn forget(
        &mut self,
        directory: Option<&Path>,
        id: SeriesId,
    ) -> io::Result<()> {
        self.written.remove(&id);
        directory.map_or(Ok(()), |directory| remove(directory, id))
    }
}

/// Makes the directory, for this user alone; those above it must be there.
fn make(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// What a temporary file's name begins and ends with.
const FRESH: (&str, &str) = (".crls-", ".tmp");

/// Puts a file in place at once; one that is there with the same content, or with something newer that another process has
/// put there, stays.
fn write(directory: &Path, path: &Path, series: &Series) -> io::Result<()> {
    // Digest included, by which a torn write is found.
    let record = series.to_record();
    let there = open_record(path).and_then(|(file, length)| whole(file, length));
    if let Ok(there) = there {
        if there == record {
            return Ok(());
        }
        // Two daemons may share a directory during a restart.
        if Series::from_record(&there).is_ok_and(|there| series.is_older_than(&there)) {
            return Ok(());
        }
    }
    // On a disk that is full what is there must stay: the new one is whole before it takes its place.
    let (prefix, suffix) = FRESH;
    // Random, so that neither another process nor what a crash left behind holds the name.
    let number = RandomState::new().hash_one(path);
    let fresh = directory.join(format!("{prefix}{number:016x}{suffix}"));
    let placed = write_new(&fresh, &record).and_then(|()| fs::rename(&fresh, path));
    if placed.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    placed?;
    // The rename itself must reach the disk, or a power failure brings the older file back.
    File::open(directory)?.sync_all()
}

/// Writes a file that must not be there yet, for its owner only, down to the disk.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes what a process left behind that ended while it wrote, and, once there are many, the files of series that are
/// not held any more; what cannot be removed does no harm.
fn tidy(directory: &Path, ledger: &Ledger) {
    let Ok(listed) = fs::read_dir(directory) else {
        return;
    };
    let (prefix, suffix) = FRESH;
    // Temporary files of a process that died while it wrote.
    for entry in listed.flatten() {
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        if name.starts_with(prefix) && name.ends_with(suffix) {
            let _ = fs::remove_file(entry.path());
        }
    }
    let files = fs::read_dir(directory).map(files_of).unwrap_or_default();
    let length = |path: &PathBuf| fs::symlink_metadata(path).map_or(0, |data| data.len());
    let bytes: u64 = files.iter().map(|(_, path)| length(path)).sum();
    // Far from the bounds they do no harm, and a topology that comes back finds its CRLs.
    if files.len() < MOST_FILES / 2 && bytes < LARGEST / 2 {
        return;
    }
    let mut budget = ReadBudget::default();
    for (id, path) in files {
        // What is damaged is an operator's to look at.
        if ledger.get(id).is_none() && read_file(&path, id, &mut budget).is_ok() {
            let _ = fs::remove_file(path);
        }
    }
}

/// Removes a series' file, down to the disk.
fn remove(directory: &Path, id: SeriesId) -> io::Result<()> {
    match fs::remove_file(path_of(directory, id)) {
        // Somebody else has removed it; nothing was changed that would have to reach the disk.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        removed => removed?,
    }
    File::open(directory)?.sync_all()
}
