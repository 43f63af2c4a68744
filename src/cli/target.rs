//! Which running daemon a command is for, and asking it.
//!
//! A command finds the daemon without arguments on a host with one daemon: the topology names the socket, or it is at one of
//! the default places (docs/control.md).
use super::Exit;
use super::complaint::complain;
use crate::daemon::{
    control::{self, AskError, ControlRefusal, Reply, Request, TraceLine, TraceRequest},
    named_path,
};
use crate::reason::DaemonReason;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The topology that `run` serves when none is named.
pub(super) const DEFAULT_TOPOLOGY: &str = "/etc/sipward/topology.toml";

/// How long the daemon may take to say which file it serves.
const FOR_TOPOLOGY: Duration = Duration::from_secs(5);

/// How the daemon is found.
#[derive(Args, Clone, Debug, Default)]
pub struct Target {
    /// The daemon's control socket
    #[arg(long, value_name = "PATH", global = true)]
    pub socket: Option<PathBuf>,
    /// The topology that the daemon serves, whose [admin] socket is used if it has one
    #[arg(long, value_name = "FILE", conflicts_with = "socket", global = true)]
    pub config: Option<PathBuf>,
    /// Whatever the daemon serves that is found: `check` shows it, and judges what that has seen by a file that may be new
    #[arg(skip)]
    pub any_topology: bool,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    /// Nobody answers, or not in the protocol that this version knows.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Nobody answers where a daemon is looked for that no argument names.
    #[error("{0}; --config FILE finds the socket of [admin]")]
    NotThere(AskError),
    /// The topology that is named cannot be read: the daemon at a default place would be a guess.
    #[error("{}: {source}", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The one that answers at a default place is not the file's.
    #[error(
        "the daemon at {} serves {}, not {}; --socket PATH, or [admin] socket in the file, names the right one",
        socket.display(), served.display(), asked.display()
    )]
    OtherTopology {
        /// Where it was found.
        socket: PathBuf,
        /// What it serves.
        served: PathBuf,
        /// For which file it was looked for.
        asked: PathBuf,
    },
    /// The daemon refuses.
    #[error("{code}: {what}")]
    Refused {
        /// The refusal's identifier.
        code: DaemonReason,
        /// What is wrong.
        what: String,
    },
    /// A reply to another question.
    #[error("the daemon answers something else than it was asked")]
    Unexpected,
}

impl Unanswered {
    /// Prints why, and returns the exit code: a script must be able to separate a refusal from a daemon that does not run.
    pub(super) fn print(&self) -> Exit {
        complain(self);
        match self {
            Self::NoFile { .. } => Exit::Usage,
            // What was typed, or a command that an earlier version does not know: nothing is wrong with the daemon.
            Self::Refused {
                code: DaemonReason::MalformedCommand,
                ..
            } => Exit::Usage,
            Self::Ask(AskError::NoDaemon { .. } | AskError::NoAnswer { .. })
            | Self::NotThere(_)
            | Self::OtherTopology { .. } => Exit::NoDaemon,
            Self::Ask(AskError::Unknown(_)) | Self::Refused { .. } | Self::Unexpected => {
                Exit::Internal
            }
        }
    }
}

impl Target {
    /// Sends a request and returns the reply; a failure is printed.
    ///
    /// # Errors
    /// [`Exit::NoDaemon`] when nobody answers, [`Exit::Usage`] when it cannot read what was asked, [`Exit::Internal`] when it
    /// refuses otherwise or cannot be understood.
    pub(super) fn ask(&self, request: &Request, patience: Duration) -> Result<Reply, Exit> {
        self.try_ask(request, patience).map_err(|why| why.print())
    }

    /// Traces, and hands over each line until the end or until `each` returns false; a failure is printed. `patience` is for
    /// the time between two lines.
    ///
    /// # Errors
    /// [`Exit::NoDaemon`] when nobody answers.
    pub(super) fn follow(
        &self,
        request: TraceRequest,
        patience: Duration,
        each: impl FnMut(TraceLine) -> bool,
    ) -> Result<(), Exit> {
        // A line may come late: nothing passes while nobody calls.
        let request = Request::Trace(request);
        let socket = self.checked_socket().map_err(|why| why.print())?;
        let followed = control::follow(&socket, &request, patience, each);
        followed.map_err(|error| Unanswered::Ask(error).print())
    }

    /// Sends a request and returns the reply.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn try_ask(
        &self,
        request: &Request,
        patience: Duration,
    ) -> Result<Reply, Unanswered> {
        // Without either the place is a guess, and the answer should show how to name it.
        let is_named = self.socket.is_some() || self.config.is_some();
        let unanswered = |error| match !is_named && matches!(error, AskError::NoDaemon { .. }) {
            true => Unanswered::NotThere(error),
            false => Unanswered::Ask(error),
        };
        let reply = control::ask(&self.checked_socket()?, request, patience).map_err(unanswered)?;
        if let Reply::Error(ControlRefusal { code, what }) = reply {
            return Err(Unanswered::Refused { code, what });
        }
        Ok(reply)
    }

    /// The socket that is named, or the one that the topology names, or the first default place that exists.
    pub(super) fn socket(&self) -> PathBuf {
        self.named_socket().unwrap_or_else(default_socket)
    }

    /// The same, unless it is a default place for a file that is named, and the daemon there serves another file: a `kick` that is
    /// meant for a lab must not reach the node of a company.
    fn checked_socket(&self) -> Result<PathBuf, Unanswered> {
        if let Some(named) = self.named_socket() {
            return Ok(named);
        }
        let socket = default_socket();
        let asked = self.config.as_ref().filter(|_| !self.any_topology);
        let Some(asked) = asked else {
            return Ok(socket);
        };
        // A slip of the pen in its name must not lead to whoever is there.
        if let Err(source) = std::fs::File::open(asked) {
            let path = asked.clone();
            return Err(Unanswered::NoFile { path, source });
        }
        // Whatever else comes of it shows in the answer to the command itself; an earlier version does not say what it serves.
        match control::ask(&socket, &Request::Topology {}, FOR_TOPOLOGY) {
            Ok(Reply::Topology(it)) if !is_same(&it.path, asked) => {
                Err(Unanswered::OtherTopology {
                    socket,
                    served: it.path,
                    asked: asked.clone(),
                })
            }
            Ok(_) | Err(_) => Ok(socket),
        }
    }

    /// The socket that is named, here or in the topology.
    fn named_socket(&self) -> Option<PathBuf> {
        // What is named on the command line counts, also where nothing listens: a guess could reach another daemon.
        if let Some(socket) = &self.socket {
            return Some(socket.clone());
        }
        let config = self.config.as_deref();
        let config = config.unwrap_or(Path::new(DEFAULT_TOPOLOGY));
        named_path(config, "admin", "socket")
    }
}

/// Where a daemon listens that names no place.
fn default_socket() -> PathBuf {
    // Of several default places the first that exists; if none does, the error names the likeliest one.
    let mut places = control::candidates();
    let there = places.iter().position(|path| path.exists()).unwrap_or(0);
    if places.is_empty() {
        return PathBuf::from(control::SOCKET_NAME);
    }
    places.swap_remove(there)
}

/// Whether two paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        // One that is gone, or out of reach, still has a name.
        _ => std::path::absolute(one).ok() == std::path::absolute(other).ok(),
    }
}

/// A reply to another question than the one that was asked.
pub(super) fn unexpected() -> Exit {
    complain(Unanswered::Unexpected);
    Exit::Internal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_of_a_topology_is_found_whatever_else_is_wrong_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("topology.toml");
        std::fs::write(&file, "[node]\nfqnd = 1\n[admin]\nsocket = \"run/s\"\n").unwrap();
        let target = Target {
            config: Some(file),
            ..Target::default()
        };
        assert_eq!(target.socket(), directory.path().join("run/s"));
        let named = Target {
            socket: Some("/x".into()),
            ..Target::default()
        };
        assert_eq!(named.socket(), Path::new("/x"));
    }
}
