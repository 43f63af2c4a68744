//! A clock and a disk that one process has for itself, so that the one can be set and the other be full while everybody else
//! goes on.
//!
//! Either needs something of the machine that need not be there: libfaketime, or the right to mount. Who asks for one that
//! cannot be had gets `None`, and leaves the fault out.
use super::LabError;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// libfaketime, where Debian has it.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
/// What is mounted: small, so that it is soon full.
const MOUNT: &str = "mount -t tmpfs -o size=2m,mode=700 none \"$0\"";
/// The file that takes all room.
const FILLER: &str = ".filler";

/// The calendar clock of processes that are started with it; the monotonic one stays, as it does when a machine's clock is set.
#[derive(Clone, Debug)]
pub struct OwnClock {
    file: PathBuf,
}

impl OwnClock {
    /// As it stands in a file of this directory; `None`: libfaketime is not installed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn new(directory: &Path) -> Result<Option<Self>, LabError> {
        if !Path::new(LIBRARY).exists() {
            return Ok(None);
        }
        let clock = Self {
            file: directory.join("clock"),
        };
        clock.set(0)?;
        Ok(Some(clock))
    }

    /// A process that is started by this command goes by it.
    pub fn enter(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", LIBRARY)
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            // Looked at once a second.
            .env("FAKETIME_CACHE_DURATION", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }

    /// From now on, a second later at most, it is so many seconds ahead of the machine's.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set(&self, ahead: i64) -> Result<(), LabError> {
        // Exchanged whole: it may be read at any moment.
        let next = self.file.with_extension("next");
        let written = fs::write(&next, format!("{ahead:+}\n"));
        let written = written.and_then(|()| fs::rename(next, &self.file));
        written.map_err(LabError::io("the clock", "be set"))
    }
}

/// A file system of two megabytes in the mount namespace of one process, which nobody else sees.
#[derive(Clone, Debug)]
pub struct OwnDisk {
    path: PathBuf,
}

impl OwnDisk {
    /// On a new directory of this one; `None`: this user may mount nothing.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn new(directory: &Path) -> Result<Option<Self>, LabError> {
        let path = directory.join("disk");
        fs::create_dir_all(&path).map_err(LabError::io("the disk", "be made"))?;
        let disk = Self { path };
        let tried = disk.command("true").stderr(Stdio::null()).status();
        Ok(tried.is_ok_and(|status| status.success()).then_some(disk))
    }

    /// Where it is for the process that is started with it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Starts this program with the disk, empty. What is started becomes the program, whose number is so that of the child.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("unshare");
        // Root needs no user namespace, which may be forbidden where a mount is not.
        if !fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
            command.arg("--map-root-user");
        }
        let script = format!("{MOUNT} && exec \"$@\"");
        command.args(["--mount", "sh", "-c", &script]);
        command.arg(&self.path).arg(program);
        command
    }

    /// A file on it, by the way that leads there from outside of the process with this number.
    pub fn seen_through(&self, process: u32, file: &str) -> PathBuf {
        let root = Path::new("/proc").join(process.to_string()).join("root");
        let inside = self.path.strip_prefix("/").unwrap_or(&self.path);
        root.join(inside).join(file)
    }

    /// Fills it to the last byte.
    ///
    /// # Errors
    /// The process is gone, or something else than a full disk ends it.
    pub fn fill(&self, process: u32) -> Result<(), LabError> {
        let filled = File::create(self.seen_through(process, FILLER)).and_then(|mut file| {
            let piece = vec![0; 64 * 1024];
            loop {
                match file.write_all(&piece) {
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(()),
                    written => written?,
                }
            }
        });
        filled.map_err(LabError::io("the disk", "be filled"))
    }

    /// There is room again.
    ///
    /// # Errors
    /// The process is gone, or has filled it itself.
    pub fn free(&self, process: u32) -> Result<(), LabError> {
        let freed = fs::remove_file(self.seen_through(process, FILLER));
        freed.map_err(LabError::io("the disk", "be freed"))
    }
}
