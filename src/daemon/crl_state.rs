//! The state directory: the newest CRLs that were ever proven, a file for each series, so that no restart forgets one.
//!
//! Files are exchanged whole (written beside, synced, renamed). What is read is checked as if a stranger had written it: its
//! form, its digest, and that the key in it signed the CRLs.
use crate::topology::{Fault, Revocation, Topology};
use crate::trust::{Ledger, Series, SeriesId};
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
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
    /// What is not used, and why, one line each.
    pub damaged: Vec<String>,
}

impl Kept {
    /// What an operator is told, as faults that keep nothing from working.
    pub fn notes(&self, topology: &Topology) -> Vec<Fault> {
        let note = |what: &String| {
            Fault {
            file: topology.path().to_owned(),
            line: None,
            code: "state_damaged",
            what: what.clone(),
            remedy: "remove the file if nobody knows what it is; its CRL is kept again when it is next proven"
                .to_owned(),
        }
        };
        self.damaged.iter().map(note).collect()
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
        code: "state_missing",
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
    let mut kept = Kept::default();
    let listed = match fs::read_dir(directory) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return kept,
        Err(error) => {
            let shown = directory.display();
            kept.damaged.push(format!(
                "the state directory {shown} cannot be read: {error}"
            ));
            return kept;
        }
    };
    if let Ok(data) = fs::metadata(directory)
        && data.mode() & 0o022 != 0
    {
        kept.damaged.push(format!(
            "the state directory {} can be written by others (mode {:04o}): they can take CRLs away",
            directory.display(),
            data.mode() & 0o7777
        ));
    }
    let paths = listed.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<(SeriesId, PathBuf)> = paths
        .filter_map(|path| Some((id_of(&path)?, path)))
        .collect();
    files.sort();
    if files.len() > MOST_FILES {
        kept.damaged.push(format!(
            "the state directory {} has {} files, {MOST_FILES} are read",
            directory.display(),
            files.len()
        ));
    }
    let mut left = LARGEST;
    for (id, path) in files.into_iter().take(MOST_FILES) {
        match read_file(&path, id, &mut left) {
            Ok(series) => kept.ledger.restore(series),
            Err(what) => kept
                .damaged
                .push(format!("what {} holds is not used: {what}", path.display())),
        }
    }
    kept
}

/// The id that a file is named after.
fn id_of(path: &Path) -> Option<SeriesId> {
    SeriesId::parse(path.file_name()?.to_str()?.strip_suffix(ENDING)?)
}

fn read_file(path: &Path, id: SeriesId, left: &mut u64) -> Result<Series, String> {
    let file = open(path).map_err(|error| error.to_string())?;
    let mut octets = Vec::new();
    let length = file
        .take(*left + 1)
        .read_to_end(&mut octets)
        .map_err(|error| error.to_string())? as u64;
    *left = left
        .checked_sub(length)
        .ok_or("the directory holds more than 1 GiB")?;
    let series = Series::from_record(&octets).map_err(|error| error.to_string())?;
    if series.id() != id {
        return Err("it is another series' file".to_owned());
    }
    Ok(series)
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
}

/// Why something is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unkept {
    /// The file or the directory.
    pub(super) path: PathBuf,
    /// `unwritable` or `full`.
    pub(super) reason: &'static str,
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
                written: HashMap::new(),
            };
        }
        let directory = self.directory.clone()?;
        let mut hindered = None;
        let mut hinder = |path: &Path, reason, detail: String| {
            hindered.get_or_insert_with(|| Unkept {
                path: path.to_owned(),
                reason,
                detail,
            });
        };
        if let Err(error) = make(&directory) {
            hinder(&directory, "unwritable", error.to_string());
            return hindered;
        }
        let gone: Vec<SeriesId> = self.written.keys().copied().collect();
        for id in gone.into_iter().filter(|id| ledger.get(*id).is_none()) {
            match remove(&directory, id) {
                Ok(()) => {
                    self.written.remove(&id);
                }
                Err(error) => hinder(&path_of(&directory, id), "unwritable", error.to_string()),
            }
        }
        let mut left = LARGEST;
        for (series, count) in ledger.all().into_iter().zip(1..) {
            let path = path_of(&directory, series.id());
            let size = series.size();
            if count > MOST_FILES || size > left {
                let detail = format!("more than {MOST_FILES} files or 1 GiB");
                hinder(&path, "full", detail);
                continue;
            }
            left -= size;
            let written = self.written.get(&series.id());
            if written.is_some_and(|written| Arc::ptr_eq(written, series)) {
                continue;
            }
            match write(&directory, &path, &series.to_record()) {
                Ok(()) => {
                    self.written.insert(series.id(), Arc::clone(series));
                }
                Err(error) => hinder(&path, "unwritable", error.to_string()),
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

/// Puts a file in place at once; one that is there with the same content stays.
fn write(directory: &Path, path: &Path, record: &[u8]) -> io::Result<()> {
    if holds(path, record) {
        return Ok(());
    }
    // On a disk that is full what is there must stay: the new one is whole before it takes its place.
    let mut fresh = tempfile::Builder::new()
        .prefix(".")
        .suffix(".tmp")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .tempfile_in(directory)?;
    fresh.write_all(record)?;
    fresh.as_file().sync_all()?;
    fresh.persist(path).map_err(|failed| failed.error)?;
    File::open(directory)?.sync_all()
}

/// Whether a file is this record already.
fn holds(path: &Path, record: &[u8]) -> bool {
    let Ok(file) = open(path) else {
        return false;
    };
    if file
        .metadata()
        .is_ok_and(|data| data.len() != record.len() as u64)
    {
        return false;
    }
    let mut there = Vec::new();
    let read = file.take(record.len() as u64 + 1).read_to_end(&mut there);
    read.is_ok() && there == record
}

fn remove(directory: &Path, id: SeriesId) -> io::Result<()> {
    match fs::remove_file(path_of(directory, id)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        removed => removed?,
    }
    File::open(directory)?.sync_all()
}
