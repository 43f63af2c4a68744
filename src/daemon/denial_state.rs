//! The denials that operators have made, kept in the state directory: a restart admits nobody before their time.
use crate::edge::Denial;
use crate::topology::read_regular;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The file's name.
///
/// CRLs in the same directory end with `.crls`, so that neither takes the other's for its own.
const NAME: &str = "denials.json";
/// Bytes of the largest file: ten thousand denials, each with its reason.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The file in a state directory.
pub(super) fn path_in(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

/// What is kept there; nothing where nothing was ever denied.
///
/// # Errors
/// It cannot be read, or is no list of denials.
pub(super) fn read(directory: &Path) -> io::Result<Vec<Denial>> {
    // Bounded: whoever can write there must not make the daemon read without end.
    let bytes = match read_regular(&path_in(directory), LARGEST) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    serde_json::from_slice(&bytes).map_err(io::Error::from)
}

/// Keeps these, for the daemon's user alone. The new file is whole before it takes the place of the old one.
///
/// # Errors
/// The system's.
pub(super) fn write(directory: &Path, denials: &[Denial]) -> io::Result<()> {
    let path = path_in(directory);
    let fresh = directory.join(format!(".{NAME}.{}", std::process::id()));
    // What a process of this number left behind when it was killed.
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    let written = file
        .write_all(&serde_json::to_vec(denials)?)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&fresh, &path));
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written?;
    // The rename itself must reach the disk, or a power failure brings the older file back.
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::NamedParty;

    #[test]
    fn what_is_written_is_read_and_what_is_damaged_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        assert!(read(directory.path()).unwrap().is_empty());
        let denials = [
            Denial {
                party: NamedParty::Network("203.0.113.0/24".parse().unwrap()),
                until: Some(7),
                reason: Some("scans".to_owned()),
            },
            Denial {
                party: NamedParty::User("alice".to_owned()),
                until: Some(8),
                reason: None,
            },
        ];
        write(directory.path(), &denials).unwrap();
        write(directory.path(), &denials).unwrap();
        assert_eq!(read(directory.path()).unwrap(), denials);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        fs::write(path_in(directory.path()), b"[{\"network\":\"x\"}]").unwrap();
        assert!(read(directory.path()).is_err());
    }
}
