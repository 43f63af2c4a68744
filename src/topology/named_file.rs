//! A file that the topology names, with what it held when it was read: so that a later look can tell whether it changed.
use aws_lc_rs::digest::{SHA256, digest};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// No certificate, key or CRL file is larger; the largest public CRLs have some ten million bytes.
pub(crate) const LARGEST_FILE: u64 = 64 * 1024 * 1024;

/// Opens a regular file for reading, links followed. A FIFO would wait for its other end, and with it whoever reads: a
/// refresh, a reload, the watch; a device may never end.
///
/// # Errors
/// What the system reports; [`ErrorKind::InvalidInput`] for what is no regular file.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let regular = |data: std::fs::Metadata| {
        let odd = || io::Error::new(ErrorKind::InvalidInput, "it is no regular file");
        data.is_file().then_some(()).ok_or_else(odd)
    };
    regular(std::fs::metadata(path)?)?;
    // Between the two looks it may have become a FIFO: then opening must not wait either.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    regular(file.metadata()?)?;
    Ok(file)
}

/// The whole of a regular file, as [`open_regular`] opens it.
///
/// # Errors
/// What the system reports; [`ErrorKind::InvalidInput`] for what is no regular file, [`ErrorKind::FileTooLarge`] for what
/// has more bytes than `most`.
pub(crate) fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than is allowed: a file can grow while it is read.
    open_regular(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let what = format!("it is larger than {} MiB", most >> 20);
        return Err(io::Error::new(ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

/// The first directory on the way to a file that this process may not search: then nobody can tell whether the file is there.
pub(crate) fn closed_directory(path: &Path) -> Option<&Path> {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    // From the root down; of a relative path the last is empty, and means the working directory.
    above.reverse();
    above.into_iter().find(|directory| {
        // To look something up in it is to search it.
        let inside = std::fs::metadata(directory.join("."));
        inside.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    })
}

/// A file and a digest of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    path: PathBuf,
    /// `None`: it cannot be read.
    content: Option<[u8; 32]>,
}

impl NamedFile {
    /// With the content at hand.
    pub(crate) fn holding(path: PathBuf, bytes: &[u8]) -> Self {
        Self {
            path,
            content: digest(&SHA256, bytes).as_ref().try_into().ok(),
        }
    }

    /// As it is on disk now, links followed; of one that is larger than any that would be loaded, the beginning. `None`
    /// when the system does not know, for want of descriptors for instance: that is no fact about the file.
    pub fn read(path: &Path) -> Option<Self> {
        let mut bytes = Vec::new();
        let read =
            open_regular(path).and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes));
        match read {
            Ok(_) => Some(Self::holding(path.to_owned(), &bytes)),
            Err(error) if is_about_the_file(&error) => Some(Self {
                path: path.to_owned(),
                content: None,
            }),
            Err(_) => None,
        }
    }

    /// The same file as it is now; `None` when that cannot be found out.
    pub fn again(&self) -> Option<Self> {
        Self::read(&self.path)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether an error is about the file, and will be true until somebody changes it.
fn is_about_the_file(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput
    ) || error.raw_os_error() == Some(libc::ELOOP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn what_is_no_regular_file_is_refused_without_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        assert!(
            Command::new("mkfifo")
                .arg(&fifo)
                .status()
                .unwrap()
                .success()
        );
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&fifo, &link).unwrap();
        let _socket =
            std::os::unix::net::UnixListener::bind(directory.path().join("socket")).unwrap();
        let socket = directory.path().join("socket");
        for path in [
            fifo.as_path(),
            &link,
            &socket,
            Path::new("/dev/zero"),
            directory.path(),
        ] {
            let error = open_regular(path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{}", path.display());
            assert_eq!(NamedFile::read(path).unwrap().content, None);
        }
    }

    #[test]
    fn an_error_of_the_system_is_not_about_the_file() {
        for number in [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EIO] {
            assert!(!is_about_the_file(&io::Error::from_raw_os_error(number)));
        }
        for number in [libc::ENOENT, libc::EACCES, libc::ENOTDIR, libc::ELOOP] {
            assert!(is_about_the_file(&io::Error::from_raw_os_error(number)));
        }
    }
}
