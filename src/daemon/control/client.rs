//! The operator's side: asks a running daemon and waits for its answer.
use super::protocol::{LONGEST_REPLY, Reply, Request};
use super::trace::TraceLine;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens there, or not for this user.
    #[error("no daemon answers at {}: {source}{}", path.display(), who_may_ask(source))]
    NoDaemon {
        /// The socket.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The connection ended, or the patience did.
    #[error("the daemon at {} does not answer: {source}", path.display())]
    NoAnswer {
        /// The socket.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// An answer that this version does not know.
    #[error("the daemon answers what this version does not understand: {0}")]
    Unknown(#[source] serde_json::Error),
}

/// What helps an operator whom the system has kept from the socket: another user's, which is no sign of a daemon that is down.
fn who_may_ask(error: &io::Error) -> &'static str {
    match error.kind() == io::ErrorKind::PermissionDenied {
        true => "; only the user that the daemon runs as, and root, may ask it",
        false => "",
    }
}

/// Sends one request to the daemon at `socket` and reads its reply. Blocks for at most `patience` at each step.
///
/// # Errors
/// Nobody there, no answer in time, an answer of another version.
pub fn ask(socket: &Path, request: &Request, patience: Duration) -> Result<Reply, AskError> {
    let no_answer = |source| AskError::NoAnswer {
        path: socket.to_owned(),
        source,
    };
    let mut stream = UnixStream::connect(socket).map_err(|source| AskError::NoDaemon {
        path: socket.to_owned(),
        source,
    })?;
    let line = converse(&mut stream, request, patience).map_err(no_answer)?;
    if line.is_empty() {
        return Err(no_answer(io::ErrorKind::UnexpectedEof.into()));
    }
    serde_json::from_slice(&line).map_err(AskError::Unknown)
}

/// Sends one request and hands over each line of the reply, until the end or until `each` returns false. Blocks for at
/// most `patience` between two lines.
///
/// # Errors
/// Nobody there, an answer of another version.
pub fn follow(
    socket: &Path,
    request: &Request,
    patience: Duration,
    mut each: impl FnMut(TraceLine) -> bool,
) -> Result<(), AskError> {
    let no_answer = |source| AskError::NoAnswer {
        path: socket.to_owned(),
        source,
    };
    let mut stream = UnixStream::connect(socket).map_err(|source| AskError::NoDaemon {
        path: socket.to_owned(),
        source,
    })?;
    let begin = |stream: &mut UnixStream| {
        stream.set_read_timeout(Some(patience))?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line)
    };
    begin(&mut stream).map_err(no_answer)?;
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        // As much as a whole reply: a line with a body is long, and still has a bound.
        let mut bounded = reader.by_ref().take(LONGEST_REPLY as u64);
        bounded.read_until(b'\n', &mut line).map_err(no_answer)?;
        // The daemon has closed behind the last line.
        if line.is_empty() || !each(serde_json::from_slice(&line).map_err(AskError::Unknown)?) {
            return Ok(());
        }
    }
}

/// One line there, one line back.
fn converse(stream: &mut UnixStream, request: &Request, patience: Duration) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    let written = stream.write_all(&line);
    // A user who may not command is answered before the request is read: the daemon may have closed the socket by then,
    // and the reply still lies in it.
    let mut reply = Vec::new();
    let read = BufReader::new(stream.take(LONGEST_REPLY as u64 + 1)).read_until(b'\n', &mut reply);
    if reply.last() != Some(&b'\n') {
        written?;
        read?;
    }
    Ok(reply)
}
