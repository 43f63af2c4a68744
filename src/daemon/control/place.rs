//! Where the control socket is, and taking that place: one that a dead daemon left is replaced, a live one is not.
use crate::observe::Event;
use crate::reason::{DaemonReason, Reason};
use crate::topology::Topology;
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The variable in which systemd names the service's runtime directory.
pub const ENV_RUNTIME: &str = "RUNTIME_DIRECTORY";
/// The socket's name in a runtime directory.
pub const SOCKET_NAME: &str = "control.sock";
/// Where runtime directories are when systemd names none.
const RUN: &str = "/run/sipward";

/// The places where a socket may be that no topology names, the likeliest first.
pub fn candidates() -> Vec<PathBuf> {
    if let Some(given) = std::env::var_os(ENV_RUNTIME) {
        // Several directories are separated by colons; the first is the service's own.
        return std::env::split_paths(&given)
            .take(1)
            .map(|directory| directory.join(SOCKET_NAME))
            .collect();
    }
    let user = std::env::var_os("XDG_RUNTIME_DIR").map(|base| Path::new(&base).join("sipward"));
    std::iter::once(PathBuf::from(RUN))
        .chain(user)
        .map(|directory| directory.join(SOCKET_NAME))
        .collect()
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
#[error("control socket {}: {what}", path.display())]
pub struct Unavailable {
    /// The path.
    pub path: PathBuf,
    /// [`DaemonReason::SocketInUse`] or [`DaemonReason::SocketUnusable`].
    pub reason: Reason,
    /// What hinders, and what to do.
    pub what: String,
}

impl Unavailable {
    /// For the log, where the daemon serves without one.
    pub(in crate::daemon) fn event(self) -> Event {
        Event::ControlUnavailable {
            path: self.path,
            reason: self.reason,
            detail: self.what,
        }
    }
}

/// A bound control socket; its file goes when this does.
pub(in crate::daemon) struct ControlPlace {
    path: PathBuf,
    listener: UnixListener,
    /// The file that this process made: device and inode.
    file: (u64, u64),
    /// Another process serves there now: the file is its own.
    left: AtomicBool,
    /// Its owner: the user that this process runs as.
    pub(super) owner: u32,
}

impl ControlPlace {
    /// Takes the place that the topology names, or else the first of [`candidates`] that can be had.
    ///
    /// # Errors
    /// Why there is none.
    pub(in crate::daemon) fn take(topology: &Topology) -> Result<Self, Unavailable> {
        if let Some(path) = &topology.admin().socket {
            return Self::at(path);
        }
        let mut last = None;
        for path in candidates() {
            match make_directory(&path).and_then(|()| Self::at(&path)) {
                Ok(place) => return Ok(place),
                // A daemon that is there already is the one that commands without a path reach.
                Err(in_use) if in_use.reason == DaemonReason::SocketInUse => return Err(in_use),
                Err(error) => last = last.or(Some(error)),
            }
        }
        Err(last.unwrap_or_else(|| unusable(Path::new(RUN), "no runtime directory is known")))
    }

    /// The directories in which [`Self::take`] would bind; those that it would make are made.
    pub(in crate::daemon) fn directories(topology: &Topology) -> Vec<PathBuf> {
        let paths = match &topology.admin().socket {
            Some(path) => vec![path.clone()],
            None => candidates().into_iter().collect(),
        };
        let made =
            |path: &PathBuf| topology.admin().socket.is_some() || make_directory(path).is_ok();
        let paths = paths.iter().filter(|path| made(path));
        paths
            .filter_map(|path| Some(path.parent()?.to_owned()))
            .collect()
    }

    /// Binds at this path, mode 0600.
    ///
    /// # Errors
    /// A daemon that answers there, a file that is no socket, a directory that this user may not write to.
    pub(super) fn at(path: &Path) -> Result<Self, Unavailable> {
        let failed = |error: io::Error| unusable(path, &error.to_string());
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(unusable(path, "there is a file that is no socket"));
            }
            Ok(_) => match UnixStream::connect(path) {
                // Nobody listens: what a daemon left that had no time to tidy up.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    std::fs::remove_file(path).map_err(failed)?;
                }
                Ok(_) => return Err(in_use(path)),
                Err(error) => return Err(failed(error)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        // Another daemon may be as fast: then this fails, since bind(2) never takes over a file.
        let listener = UnixListener::bind(path).map_err(|error| {
            if error.kind() == io::ErrorKind::AddrInUse {
                in_use(path)
            } else {
                failed(error)
            }
        })?;
        // Until here the mode is the umask's; who connects meanwhile is still asked for his user.
        let file = close_to_others(path).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            listener,
            file: (file.dev(), file.ino()),
            left: AtomicBool::new(false),
            owner: file.uid(),
        })
    }

    /// A socket that the former process of this node has bound. Until this one [`leaves`](Self::leave) it or ends, its file stays.
    ///
    /// # Errors
    /// The descriptor is no socket with a path.
    pub(in crate::daemon) fn inherited(listener: UnixListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let path = address.as_pathname().ok_or(io::ErrorKind::InvalidInput)?;
        let file = std::fs::symlink_metadata(path)?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            path: path.to_owned(),
            listener,
            file: (file.dev(), file.ino()),
            left: AtomicBool::new(true),
            owner: file.uid(),
        })
    }

    /// Whether a topology means this place.
    pub(in crate::daemon) fn is_of(&self, topology: &Topology) -> bool {
        let named = &topology.admin().socket;
        named.as_ref().is_none_or(|named| *named == self.path)
    }

    /// Another process has the place from now on, or no longer: who has it removes the file at its end.
    pub(in crate::daemon) fn leave(&self, left: bool) {
        self.left.store(left, Ordering::Relaxed);
    }

    /// The same socket for another process.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(in crate::daemon) fn copy(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }

    /// The path.
    pub(in crate::daemon) fn path(&self) -> &Path {
        &self.path
    }

    /// The socket, for the runtime that is entered.
    ///
    /// # Errors
    /// No descriptor is left for it.
    pub(in crate::daemon) fn listener(&self) -> Result<tokio::net::UnixListener, Unavailable> {
        let listener = self.listener.try_clone();
        let listener = listener.and_then(tokio::net::UnixListener::from_std);
        listener.map_err(|error| unusable(&self.path, &error.to_string()))
    }
}

impl Drop for ControlPlace {
    fn drop(&mut self) {
        if self.left.load(Ordering::Relaxed) {
            return;
        }
        // Only its own: a successor may have its own there by now.
        let still_there = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.file);
        if still_there {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Makes the directory of a default place, for this user alone.
fn make_directory(path: &Path) -> Result<(), Unavailable> {
    let Some(directory) = path.parent() else {
        return Ok(());
    };
    let made = std::fs::DirBuilder::new().mode(0o700).create(directory);
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(unusable(path, &error.to_string()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Has a socket's file be for this user alone, and returns what it is.
///
/// By a descriptor of the file and not by its name: where others can write to the directory, the name may lead to another file
/// by now. The umask, which would do it at once, is that of all threads.
fn close_to_others(path: &Path) -> io::Result<std::fs::Metadata> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let found = file.metadata()?;
    if !found.file_type().is_socket() {
        return Err(io::Error::other("its file is no socket"));
    }
    let by_descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    std::fs::set_permissions(by_descriptor, std::fs::Permissions::from_mode(0o600))?;
    Ok(found)
}

/// A live daemon answers there.
fn in_use(path: &Path) -> Unavailable {
    Unavailable {
        path: path.to_owned(),
        reason: DaemonReason::SocketInUse.into(),
        what: "another daemon answers there; give this one a socket of its own in [admin] socket"
            .to_owned(),
    }
}

/// The path cannot be had.
fn unusable(path: &Path, what: &str) -> Unavailable {
    Unavailable {
        path: path.to_owned(),
        reason: DaemonReason::SocketUnusable.into(),
        what: format!(
            "{what}; name a path in [admin] socket whose directory this user may write to"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_taken_the_place_of_a_socket_keeps_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name);
        let (link, victim) = (path("link"), path("file"));
        std::fs::write(&victim, "").unwrap();
        std::fs::set_permissions(&victim, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        assert!(close_to_others(&link).is_err() && close_to_others(&victim).is_err());
        let mode = std::fs::metadata(&victim).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }

    #[test]
    fn a_socket_is_for_its_user_alone_and_goes_with_its_daemon() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(SOCKET_NAME);
        let place = ControlPlace::at(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            place.owner,
            std::fs::metadata(directory.path()).unwrap().uid()
        );
        drop(place);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_dead_daemon_left_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(SOCKET_NAME);
        // The standard library leaves the file behind when the listener goes.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let live = ControlPlace::at(&path).unwrap();
        let second = ControlPlace::at(&path).err().unwrap();
        assert_eq!(second.reason, DaemonReason::SocketInUse);
        assert!(UnixStream::connect(live.path()).is_ok());
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("precious");
        std::fs::write(&path, "x").unwrap();
        assert_eq!(
            ControlPlace::at(&path).err().unwrap().reason,
            DaemonReason::SocketUnusable
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"x");
        let nowhere = directory.path().join("none/control.sock");
        assert_eq!(
            ControlPlace::at(&nowhere).err().unwrap().reason,
            DaemonReason::SocketUnusable
        );
    }

    #[test]
    fn a_successors_socket_is_not_taken_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(SOCKET_NAME);
        let first = ControlPlace::at(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let _second = ControlPlace::at(&path).unwrap();
        drop(first);
        assert!(path.exists());
    }
}
