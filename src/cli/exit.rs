//! How a command ends: the exit codes that scripts and service managers rely on.
//!
//! The numbers are documented in the README and do not change. 69 and 70 are of sysexits.h, where service managers expect
//! them; 1 to 4 are answers of a command and no failures.
use std::io::Write as _;
use std::process::ExitCode;

/// How a command ends when it does not end well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// A topology is refused, a check or the demo failed: 1.
    Refused,
    /// The question makes no sense, or cannot be asked: 2, which is also what clap exits with for a wrong command line.
    Usage,
    /// A listener's address cannot be bound: 3.
    CannotListen,
    /// A plan finds that something which works now would stop working: 4.
    Harmful,
    /// No running daemon answers: 69 (EX_UNAVAILABLE).
    NoDaemon,
    /// Something that should not happen: 70 (EX_SOFTWARE).
    Internal,
    /// The reader of the output has closed it (`sipward status | head`): that is no failure, 0.
    Unread,
}

impl From<std::io::Error> for Exit {
    /// For `?` on whatever writes the output of a command. A closed pipe is kept apart, because it is the usual end of a
    /// pipeline.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::Unread;
        }
        // Standard error may be the same terminal that is gone.
        let _ = writeln!(std::io::stderr(), "sipward: cannot write: {error}");
        Self::Internal
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Refused => 1,
            Exit::Usage => 2,
            Exit::CannotListen => 3,
            Exit::Harmful => 4,
            Exit::NoDaemon => 69,
            Exit::Internal => 70,
            Exit::Unread => 0,
        })
    }
}
