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
    /// What is not as it should be.
    pub odd: Vec<Odd>,
}

/// What is not as it should be in a state directory, in one line.
pub enum Odd {
    /// A file that is not used.
    Damaged(String),
    /// The directory cannot be read.
    Unreadable(String),
    /// Others can write there, or it holds too much.
    Unsafe(String),
}

impl Odd {
    fn parts(&self) -> (&'static str, &str, &'static str) {
        match self {
            Self::Damaged(what) => (
                "state_damaged",
                what,
                "remove the file if nobody knows what it is; its CRL is kept again when it is next proven",
            ),
            Self::Unreadable(what) => (
                "state_unreadable",
                what,
                "let the user sipward runs as read it; older CRLs than those in it would be taken",
            ),
            Self::Unsafe(what) => (
                "state_unsafe",
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
                code,
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
    let files = files_of(listed);
    if files.len() > MOST_FILES {
        kept.odd.push(Odd::Unsafe(format!(
            "the state directory {} has {} files, {MOST_FILES} are read",
            directory.display(),
            files.len()
        )));
    }
    let mut left = LARGEST;
    for (id, path) in files.into_iter().take(MOST_FILES) {
        match read_file(&path, id, &mut left) {
            Ok(series) => kept.ledger.restore(series),
            Err(what) => kept.odd.push(Odd::Damaged(format!(
                "what {} holds is not used: {what}",
                path.display()
            ))),
        }
    }
    kept
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

fn read_file(path: &Path, id: SeriesId, left: &mut u64) -> Result<Series, String> {
    let file = open(path).map_err(|error| error.to_string())?;
    let octets = whole(file, left).map_err(|error| error.to_string())?;
    let series = Series::from_record(&octets).map_err(|error| error.to_string())?;
    if series.id() != id {
        return Err("it is another series' file".to_owned());
    }
    Ok(series)
}

/// All octets of a file, if there is room for them.
fn whole(file: File, left: &mut u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let length = file.take(*left + 1).read_to_end(&mut octets)? as u64;
    *left = left
        .checked_sub(length)
        .ok_or_else(|| io::Error::other("the directory holds more than 1 GiB"))?;
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
                ..Self::default()
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
        if !std::mem::replace(&mut self.tidied, true) {
            tidy(&directory, ledger);
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
            match write(&directory, &path, series) {
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

/// What a temporary file's name begins and ends with.
const FRESH: (&str, &str) = (".crls-", ".tmp");

/// Puts a file in place at once; one that is there with the same content, or with something newer that another process has
/// put there, stays.
fn write(directory: &Path, path: &Path, series: &Series) -> io::Result<()> {
    let record = series.to_record();
    let mut room = LARGEST;
    let there = open(path).and_then(|file| whole(file, &mut room));
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
    let mut fresh = tempfile::Builder::new()
        .prefix(prefix)
        .suffix(suffix)
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .tempfile_in(directory)?;
    fresh.write_all(&record)?;
    fresh.as_file().sync_all()?;
    fresh.persist(path).map_err(|failed| failed.error)?;
    File::open(directory)?.sync_all()
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
    let mut left = LARGEST;
    for (id, path) in files {
        // What is damaged is an operator's to look at.
        if ledger.get(id).is_none() && read_file(&path, id, &mut left).is_ok() {
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
mod tests {
    use super::*;
    use crate::lab::pki::{self, CrlSpec};
    use crate::lab::site::Site;
    use crate::trust::Generation;
    use std::os::unix::fs::PermissionsExt as _;

    /// What a daemon holds whose file has a CRL of this number.
    fn ledger(site: &Site, number: u64) -> Arc<Ledger> {
        let spec = CrlSpec {
            number,
            ..CrlSpec::default()
        };
        let pem = site.enterprise.crl_as_pem(&spec).unwrap();
        site.write("enterprise-ca.crl.pem", &pem).unwrap();
        let peer = ("fe01.contoso.test", "127.0.0.1:5061".parse().unwrap());
        let text = site.topology(&[peer], None).to_toml();
        let path = site.path().join("topology.toml");
        let topology = crate::topology::load_text(&text, &path, pki::now()).unwrap();
        let generation = Generation::build(1, topology, pki::now()).unwrap();
        Arc::clone(generation.ledger())
    }

    fn of_enterprise(ledger: &Ledger) -> Option<Arc<Series>> {
        let mut all = ledger.all().into_iter();
        all.find(|series| series.issuer().contains("Contoso"))
            .map(Arc::clone)
    }

    #[test]
    fn a_newer_record_of_another_process_stays_and_what_was_left_behind_goes() {
        let site = Site::new().unwrap();
        let directory = site.path().join("state");
        let (old, new) = (ledger(&site, 19), ledger(&site, 20));
        let number = || {
            let kept = read(&directory);
            assert!(kept.odd.is_empty());
            of_enterprise(&kept.ledger)?.number_text()
        };
        let place = Some(directory.clone());
        assert_eq!(Store::default().keep(place.clone(), &new), None);
        assert_eq!(number().as_deref(), Some("20"));
        fs::write(directory.join(".crls-abc.tmp"), "half").unwrap();
        // A process that was started before, and knows less.
        let mut store = Store::default();
        assert_eq!(store.keep(place.clone(), &old), None);
        assert_eq!(number().as_deref(), Some("20"));
        assert!(!directory.join(".crls-abc.tmp").exists());
        // An operator's wish counts.
        let id = of_enterprise(&old).unwrap().id();
        store.forget(place.as_deref(), id).unwrap();
        assert_eq!(store.keep(place.clone(), &old), None);
        assert_eq!(number().as_deref(), Some("19"));
        // What goes from the ledger goes from the disk.
        assert_eq!(store.keep(place, &Ledger::default()), None);
        assert_eq!(number(), None);
    }

    #[test]
    fn a_directory_that_others_can_write_is_told_of() {
        let directory = tempfile::tempdir().unwrap();
        let codes = |mode| {
            fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
            let odd = read(directory.path()).odd;
            odd.iter().map(|odd| odd.parts().0).collect::<Vec<_>>()
        };
        assert_eq!(codes(0o700), [""; 0]);
        assert_eq!(codes(0o770), ["state_unsafe"]);
        assert!(read(&directory.path().join("none")).odd.is_empty());
    }
}
