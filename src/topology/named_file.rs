//! A file that the topology names, with what it held when it was read: so that a later look can tell whether it changed.
use super::context::LARGEST_FILE;
use aws_lc_rs::digest::{SHA256, digest};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A file and a digest of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    path: PathBuf,
    /// `None`: it cannot be read.
    content: Option<[u8; 32]>,
}

impl NamedFile {
    /// With the content at hand.
    pub(super) fn holding(path: PathBuf, octets: &[u8]) -> Self {
        Self {
            path,
            content: digest(&SHA256, octets).as_ref().try_into().ok(),
        }
    }

    /// As it is on disk now, links followed; of one that is larger than any that would be loaded, the beginning.
    pub fn read(path: &Path) -> Self {
        let mut octets = Vec::new();
        let read = std::fs::File::open(path)
            .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut octets));
        match read {
            Ok(_) => Self::holding(path.to_owned(), &octets),
            Err(_) => Self {
                path: path.to_owned(),
                content: None,
            },
        }
    }

    /// The same file as it is now.
    pub fn again(&self) -> Self {
        Self::read(&self.path)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
