//! The state directory: the newest CRLs that were ever proven, a file for each series, so that no restart forgets one.
//!
//! Files are exchanged whole (written beside, synced, renamed). What is read is checked as if a stranger had written it: its
//! form, its digest, and that the key in it signed the CRLs.
use crate::reason::{DaemonReason, Reason};
use crate::topology::{Fault, Revocation, Topology};
use crate::trust::{Ledger, Series, SeriesId};
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The variable in which systemd names the service's state directory.
const ENV_STATE: &str = "STATE_DIRECTORY";
/// The state directory of the service, for commands that systemd does not start.
const OF_SERVICE: &str = "/var/lib/sipward";
/// What the files' names end with.
const ENDING: &str = ".crls";
/// Files that are read or written, and their octets together.
const MOST_FILES: usize = 65_536;
const LARGEST: u64 = 1024 * 1024 * 1024;
/// No record is larger: a series has four CRLs of one age at most, of 64 MiB each, and a head.
const LARGEST_RECORD: u64 = 384 * 1024 * 1024;
/// Files that are no good and told of one by one.
const MOST_TOLD: usize = 100;

/// Where the daemon of a topology keeps its state; `None`: nowhere.
pub fn directory(topology: &Topology) -> Option<PathBuf> {
    if let Some(named) = &topology.node().state {
        return Some(named.clone());
    }
    given()
}

/// As [`directory`], for a command that only reads: the service's own is tried as well.
pub fn readable_directory(topology: &Topology) -> Option<PathBuf> {
    directory(topology).or_else(of_service)
}

fn given() -> Option<PathBuf> {
    // Several directories are separated by colons; the first is the one with our name.
    std::env::split_paths(&std::env::var_os(ENV_STATE)?).next()
}

fn of_service() -> Option<PathBuf> {
    let path = PathBuf::from(OF_SERVICE);
    path.is_dir().then_some(path)
}

/// As [`readable_directory`], of a topology file that may have faults.
pub fn directory_of(topology: &Path) -> Option<PathBuf> {
    #[derive(serde::Deserialize)]
    struct OnlyNode {
        node: Option<OnlyState>,
    }
    #[derive(serde::Deserialize)]
    struct OnlyState {
        state: Option<PathBuf>,
    }
    let named = || {
        let text = fs::read_to_string(topology).ok()?;
        let state = toml::from_str::<OnlyNode>(&text).ok()?.node?.state?;
        Some(topology.parent().unwrap_or(Path::new("")).join(state))
    };
    named().or_else(given).or_else(of_service)
}

/// What a state directory holds.
#[derive(Default)]
pub struct Kept {
    /// The CRLs that are genuine.
    pub ledger: Ledger,
    /// What is not as it should be.
    pub odd: Vec<Odd>,
}

/// What is not as it should be in a state directory, in one line.
pub enum Odd {
    /// A file that is not used.
    Damaged(String),
    /// The directory cannot be read.
    Unreadable(String),
    /// Others can write there.
    Unsafe(String),
}

impl Odd {
    fn parts(&self) -> (DaemonReason, &str, &'static str) {
        match self {
            Self::Damaged(what) => (
                DaemonReason::StateDamaged,
                what,
                "remove the file if nobody knows what it is; its CRL is kept again when it is next proven",
            ),
            Self::Unreadable(what) => (
                DaemonReason::StateUnreadable,
                what,
                "let the user sipward runs as read it; older CRLs than those in it would be taken",
            ),
            Self::Unsafe(what) => (
                DaemonReason::StateUnsafe,
                what,
                "chmod 700 the directory, and keep nothing else in it",
            ),
        }
    }
}

impl std::fmt::Display for Odd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.parts().1)
    }
}

impl Kept {
    /// What an operator is told, as faults that keep nothing from working.
    pub fn notes(&self, topology: &Topology) -> Vec<Fault> {
        let note = |odd: &Odd| {
            let (code, what, remedy) = odd.parts();
            Fault {
                file: topology.path().to_owned(),
                line: None,
                code: code.into(),
                what: what.to_owned(),
                remedy: remedy.to_owned(),
            }
        };
        self.odd.iter().map(note).collect()
    }
}

/// The note of a topology that asks for CRLs and has no place to keep them.
pub fn missing(topology: &Topology) -> Option<Fault> {
    let asks = topology.trusts().iter();
    let mut asks = asks.filter(|set| set.revocation != Revocation::Off);
    let set = asks.next()?;
    Some(Fault {
        file: topology.path().to_owned(),
        line: None,
        code: DaemonReason::StateMissing.into(),
        what: format!(
            "no state directory is known: after a restart an older CRL of trust set {} would be taken for the newest",
            set.name
        ),
        remedy: "run under a unit with StateDirectory=sipward, or name a directory in [node] state"
            .to_owned(),
    })
}

/// Reads a state directory; one that is not there holds nothing.
pub fn read(directory: &Path) -> Kept {
    read_within(directory, &mut Room::default())
}

fn read_within(directory: &Path, room: &mut Room) -> Kept {
    let mut kept = Kept::default();
    let listed = match fs::read_dir(directory) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return kept,
        Err(error) => {
            let shown = directory.display();
            let what = format!("the state directory {shown} cannot be read: {error}");
            kept.odd.push(Odd::Unreadable(what));
            return kept;
        }
    };
    if let Ok(data) = fs::metadata(directory)
        && data.mode() & 0o022 != 0
    {
        kept.odd.push(Odd::Unsafe(format!(
            "the state directory {} can be written by others (mode {:04o}): they can take CRLs away",
            directory.display(),
            data.mode() & 0o7777
        )));
    }
    let mut files = files_of(listed);
    // The small ones first: whatever a large file turns out to be, it takes no room from them.
    let length = |path: &Path| fs::symlink_metadata(path).map_or(0, |data| data.len());
    files.sort_by_cached_key(|(id, path)| (length(path), *id));
    let mut damaged = 0_usize;
    for (id, path) in files {
        match read_file(&path, id, room) {
            Ok(series) => kept.ledger.restore(series),
            Err(what) => {
                damaged += 1;
                if damaged <= MOST_TOLD {
                    kept.odd.push(Odd::Damaged(format!(
                        "what {} holds is not used: {what}",
                        path.display()
                    )));
                }
            }
        }
    }
    if damaged > MOST_TOLD {
        kept.odd.push(Odd::Damaged(format!(
            "what {} more files of the state directory {} hold is not used",
            damaged - MOST_TOLD,
            directory.display()
        )));
    }
    kept
}

/// What may still be read of a directory.
struct Room {
    files: usize,
    octets: u64,
    /// Octets of records that turn out to be damaged: they take nothing from the others.
    damaged: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            files: MOST_FILES,
            octets: LARGEST,
            damaged: LARGEST,
        }
    }
}

/// The files of series, in the order of their ids.
fn files_of(listed: fs::ReadDir) -> Vec<(SeriesId, PathBuf)> {
    let paths = listed.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<(SeriesId, PathBuf)> = paths
        .filter_map(|path| Some((id_of(&path)?, path)))
        .collect();
    files.sort();
    files
}

/// The id that a file is named after.
fn id_of(path: &Path) -> Option<SeriesId> {
    SeriesId::parse(path.file_name()?.to_str()?.strip_suffix(ENDING)?)
}

fn read_file(path: &Path, id: SeriesId, room: &mut Room) -> Result<Series, String> {
    let said = |error: io::Error| error.to_string();
    let (file, length) = open_record(path).map_err(said)?;
    if room.files == 0 || length > room.octets {
        return Err(format!(
            "the directory holds more than {MOST_FILES} files or 1 GiB"
        ));
    }
    if length > room.damaged {
        return Err("the directory holds more than 1 GiB that is damaged".to_owned());
    }
    let series = whole(file, length)
        .map_err(said)
        .and_then(|octets| Series::from_record(&octets).map_err(|error| error.to_string()))
        .and_then(|series| {
            let same = series.id() == id;
            same.then_some(series)
                .ok_or_else(|| "it is another series' file".to_owned())
        });
    if series.is_ok() {
        room.files -= 1;
        room.octets -= length;
    } else {
        room.damaged -= length;
    }
    series
}

/// Opens a file that may be a record, and gives its length: of one that is longer than any, or begins otherwise, no more
/// is read.
fn open_record(path: &Path) -> io::Result<(File, u64)> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    if length > LARGEST_RECORD {
        return Err(io::Error::other("it is larger than any record"));
    }
    let mut mark = Vec::new();
    (&file)
        .take(Series::RECORD_MARK.len() as u64)
        .read_to_end(&mut mark)?;
    if mark != Series::RECORD_MARK.as_bytes() {
        return Err(io::Error::other("it is no record of a series of CRLs"));
    }
    Ok((file, length))
}

/// All octets of a file whose mark has been read.
fn whole(file: File, length: u64) -> io::Result<Vec<u8>> {
    let mut octets = Series::RECORD_MARK.as_bytes().to_vec();
    // One that grows meanwhile is cut, and then its digest is wrong.
    let rest = length.saturating_sub(octets.len() as u64);
    file.take(rest).read_to_end(&mut octets)?;
    Ok(octets)
}

/// Opens a regular file, and follows no link.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file",
        ))
    }
}

/// What was written to a state directory.
#[derive(Default)]
pub(super) struct Store {
    directory: Option<PathBuf>,
    written: HashMap<SeriesId, Arc<Series>>,
    /// Whether what nobody needs any more was removed.
    tidied: bool,
}

/// Why something is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unkept {
    /// The file or the directory.
    pub(super) path: PathBuf,
    /// `unwritable` or `full`.
    pub(super) reason: Reason,
    /// What the system says.
    pub(super) detail: String,
}

impl Store {
    /// Makes the directory hold what the ledger does; the first thing that hinders is told, and the rest done as far as
    /// possible.
    pub(super) fn keep(&mut self, directory: Option<PathBuf>, ledger: &Ledger) -> Option<Unkept> {
        if self.directory != directory {
            *self = Self {
                directory,
                ..Self::default()
            };
        }
        let directory = self.directory.clone()?;
        let mut hindered = None;
        let mut hinder = |path: &Path, reason, detail: String| {
            hindered.get_or_insert_with(|| Unkept {
                path: path.to_owned(),
                reason: Reason::from(reason),
                detail,
            });
        };
        if let Err(error) = make(&directory) {
            hinder(&directory, DaemonReason::StateUnwritable, error.to_string());
            return hindered;
        }
        if !std::mem::replace(&mut self.tidied, true) {
            tidy(&directory, ledger);
        }
        let gone: Vec<SeriesId> = self.written.keys().copied().collect();
        for id in gone.into_iter().filter(|id| ledger.get(*id).is_none()) {
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
        let mut left = LARGEST;
        for (series, count) in ledger.all().into_iter().zip(1..) {
            let path = path_of(&directory, series.id());
            let size = series.size();
            if count > MOST_FILES || size > left {
                let detail = format!("more than {MOST_FILES} files or 1 GiB");
                hinder(&path, DaemonReason::StateFull, detail);
                continue;
            }
            left -= size;
            let written = self.written.get(&series.id());
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
    /// What the system says; a file that is not there is none.
    pub(super) fn forget(&mut self, directory: Option<&Path>, id: SeriesId) -> io::Result<()> {
        self.written.remove(&id);
        directory.map_or(Ok(()), |directory| remove(directory, id))
    }
}

fn path_of(directory: &Path, id: SeriesId) -> PathBuf {
    directory.join(format!("{id}{ENDING}"))
}

/// Makes the directory, for us alone; those above it must be there.
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
    let record = series.to_record();
    let there = open_record(path).and_then(|(file, length)| whole(file, length));
    if let Ok(there) = there {
        if there == record {
            return Ok(());
        }
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
    for entry in listed.flatten() {
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        if name.starts_with(prefix) && name.ends_with(suffix) {
            let _ = fs::remove_file(entry.path());
        }
    }
    let files = fs::read_dir(directory).map(files_of).unwrap_or_default();
    if files.len() < MOST_FILES / 2 {
        return;
    }
    let mut room = Room::default();
    for (id, path) in files {
        // What is damaged is an operator's to look at.
        if ledger.get(id).is_none() && read_file(&path, id, &mut room).is_ok() {
            let _ = fs::remove_file(path);
        }
    }
}

fn remove(directory: &Path, id: SeriesId) -> io::Result<()> {
    match fs::remove_file(path_of(directory, id)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        removed => removed?,
    }
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests;
