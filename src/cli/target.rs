//! Which running daemon a command is for, and asking it.
//!
//! A command finds the daemon without arguments on a host with one daemon: the topology names the socket, or it is at one of
//! the default places (docs/control.md).
use super::Exit;
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

/// How the daemon is found.
#[derive(Args, Clone, Debug, Default)]
pub struct Target {
    /// The daemon's control socket
    #[arg(long, value_name = "PATH", global = true)]
    pub socket: Option<PathBuf>,
    /// The topology that the daemon serves, whose [admin] socket is used if it has one
    #[arg(long, value_name = "FILE", conflicts_with = "socket", global = true)]
    pub config: Option<PathBuf>,
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
        eprintln!("sipward: {self}");
        match self {
            Self::Ask(AskError::NoDaemon { .. } | AskError::NoAnswer { .. })
            | Self::NotThere(_) => Exit::NoDaemon,
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
    /// [`Exit::NoDaemon`] when nobody answers, [`Exit::Internal`] when it refuses or cannot be understood.
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
        let followed = control::follow(&self.socket(), &request, patience, each);
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
        let reply = control::ask(&self.socket(), request, patience).map_err(unanswered)?;
        if let Reply::Error(ControlRefusal { code, what }) = reply {
            return Err(Unanswered::Refused { code, what });
        }
        Ok(reply)
    }

    /// The socket that is named, or the one that the topology names, or the first default place that exists.
    pub(super) fn socket(&self) -> PathBuf {
        // What is named on the command line counts, also where nothing listens: a guess could reach another daemon.
        if let Some(socket) = &self.socket {
            return socket.clone();
        }
        let config = self.config.as_deref();
        let config = config.unwrap_or(Path::new(DEFAULT_TOPOLOGY));
        if let Some(named) = named_path(config, "admin", "socket") {
            return named;
        }
        // Of several default places the first that exists; if none does, the error names the likeliest one.
        let mut places = control::candidates();
        let there = places.iter().position(|path| path.exists()).unwrap_or(0);
        if places.is_empty() {
            return PathBuf::from(control::SOCKET_NAME);
        }
        places.swap_remove(there)
    }
}

/// A reply to another question than the one that was asked.
pub(super) fn unexpected() -> Exit {
    eprintln!("sipward: {}", Unanswered::Unexpected);
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
