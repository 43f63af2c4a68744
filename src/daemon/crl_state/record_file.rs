//! One file of the state directory: the record of a series of CRLs, and how much of such files is read.
use crate::trust::{Series, SeriesId};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// What the files' names end with.
pub(super) const ENDING: &str = ".crls";
/// Files that are read or written, and their bytes together.
pub(super) const MOST_FILES: usize = 65_536;
pub(super) const LARGEST: u64 = 1024 * 1024 * 1024;
/// No record is larger: a series has four CRLs of one age at most, of 64 MiB each, and a head.
const LARGEST_RECORD: u64 = 384 * 1024 * 1024;

/// What may still be read of a directory.
pub(super) struct ReadBudget {
    /// Records that may still be read.
    pub(super) files: usize,
    /// Their bytes together.
    pub(super) bytes: u64,
    /// Bytes of records that turn out to be damaged: they take nothing from the others.
    pub(super) damaged: u64,
}

impl Default for ReadBudget {
    fn default() -> Self {
        Self {
            files: MOST_FILES,
            bytes: LARGEST,
            damaged: LARGEST,
        }
    }
}

/// The files of series, in the order of their ids.
pub(super) fn files_of(listed: fs::ReadDir) -> Vec<(SeriesId, PathBuf)> {
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

/// Reads one record, and charges it to the budget. Its id must be that of its name: a file under another name
/// could stand for a series that it does not hold.
pub(super) fn read_file(
    path: &Path,
    id: SeriesId,
    budget: &mut ReadBudget,
) -> Result<Series, String> {
    let io_text = |error: io::Error| error.to_string();
    let (file, length) = open_record(path).map_err(io_text)?;
    if budget.files == 0 || length > budget.bytes {
        return Err(format!(
            "the directory holds more than {MOST_FILES} files or 1 GiB"
        ));
    }
    if length > budget.damaged {
        return Err("the directory holds more than 1 GiB that is damaged".to_owned());
    }
    let series = whole(file, length)
        .map_err(io_text)
        .and_then(|bytes| Series::from_record(&bytes).map_err(|error| error.to_string()))
        .and_then(|series| {
            let same = series.id() == id;
            same.then_some(series)
                .ok_or_else(|| "it is another series' file".to_owned())
        });
    // Good and damaged records have budgets of their own: a directory full of junk must not push a good one
    // out.
    if series.is_ok() {
        budget.files -= 1;
        budget.bytes -= length;
    } else {
        budget.damaged -= length;
    }
    series
}

/// Opens a file that may be a record, and returns its length: of one that is longer than any, or begins otherwise, no more
/// is read.
pub(super) fn open_record(path: &Path) -> io::Result<(File, u64)> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    // Before anything is read of it.
    if length > LARGEST_RECORD {
        return Err(io::Error::other("it is larger than any record"));
    }
    // A file that begins otherwise is not a record, however it is named.
    let mut mark = Vec::new();
    (&file)
        .take(Series::RECORD_MARK.len() as u64)
        .read_to_end(&mut mark)?;
    if mark != Series::RECORD_MARK.as_bytes() {
        return Err(io::Error::other("it is no record of a series of CRLs"));
    }
    Ok((file, length))
}

/// All bytes of a file whose mark has been read.
pub(super) fn whole(file: File, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Series::RECORD_MARK.as_bytes().to_vec();
    // One that grows meanwhile is cut, and then its digest is wrong.
    let rest = length.saturating_sub(bytes.len() as u64);
    file.take(rest).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a regular file, and follows no link: whoever can write to the directory must not make the daemon read others. A
/// FIFO would block for ever without the second flag.
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

/// The file of a series.
pub(super) fn path_of(directory: &Path, id: SeriesId) -> PathBuf {
    directory.join(format!("{id}{ENDING}"))
}
