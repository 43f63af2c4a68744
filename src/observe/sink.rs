//! Where lines go: standard error, the journal of systemd, a file, or anything that can be written to.
use super::journal::Journal;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Who may read a log file: its owner and its group, since it says who calls whom.
const MODE: u32 = 0o640;

/// Where lines go.
pub enum Sink {
    /// Standard error.
    Stderr,
    /// The same, where it is a pipe, which another process may write to as well: that of an upgrade has inherited it.
    Pipe,
    /// The same, which the journal reads line by line: each begins with its level (sd-daemon(3)).
    Prefixed,
    /// The journal of systemd, an entry for each event.
    Journal(Journal),
    /// A file that lines are added to.
    File(File),
    /// Anything else that can be written to (tests, the demo).
    Writer(Box<dyn Write + Send>),
}

impl Sink {
    /// What standard error is: a stream of the journal gets entries with fields, if the journal takes them.
    pub fn standard() -> Self {
        let stream = std::env::var("JOURNAL_STREAM").ok();
        if !stream.is_some_and(|stream| is_stderr(&stream)) {
            return if is_pipe() { Self::Pipe } else { Self::Stderr };
        }
        Journal::connect(Path::new(super::journal::SOCKET)).map_or(Self::Prefixed, Self::Journal)
    }

    /// A file, made if there is none; what it holds stays.
    ///
    /// # Errors
    /// It cannot be made or written to.
    pub fn file(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let options = options.append(true).create(true).mode(MODE);
        Ok(Self::File(options.open(path)?))
    }

    /// Whether a person reads there: what `auto` goes by.
    pub(super) fn is_terminal(&self) -> bool {
        match self {
            Self::Stderr => io::stderr().is_terminal(),
            Self::Pipe | Self::Prefixed | Self::Journal(_) | Self::File(_) | Self::Writer(_) => {
                false
            }
        }
    }

    /// Writes all of it; returns how many bytes were taken before it failed, if it did.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            // Locked for each write only: another thread's panic message must come through between two batches.
            let taken = match self {
                Self::Stderr | Self::Prefixed => io::stderr().write(rest),
                Self::Pipe => io::stderr().write(lines_at_once(rest)),
                Self::File(file) => file.write(rest),
                Self::Writer(writer) => writer.write(rest),
                // It takes entries, one at a time.
                Self::Journal(_) => Ok(0),
            };
            // A signal is no failure. Everything else is: what is left is counted as lost, and the next flush tries again.
            match taken {
                Ok(taken) if taken > 0 => rest = rest.get(taken..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return bytes.len() - rest.len(),
            }
        }
        if let Self::Writer(writer) = self {
            // What a writer keeps after a failed flush it may still write: not counted as lost.
            let _ = writer.flush();
        }
        bytes.len()
    }
}

/// What goes into a pipe in one piece (pipe(7)): more than that may be cut by what another process writes.
const PIPE_BUF: usize = 4096;

/// As many whole lines as a pipe takes in one piece; of a line that is longer, what it takes.
fn lines_at_once(bytes: &[u8]) -> &[u8] {
    let Some(piece) = bytes.get(..PIPE_BUF) else {
        return bytes;
    };
    let end = memchr::memrchr(b'\n', piece).map_or(PIPE_BUF, |at| at + 1);
    piece.get(..end).unwrap_or(piece)
}

/// Whether standard error is a pipe.
fn is_pipe() -> bool {
    let own = std::fs::metadata("/proc/self/fd/2");
    own.is_ok_and(|own| own.file_type().is_fifo())
}

/// Whether standard error is the stream that systemd has named, `device:inode` (systemd.exec(5)): a process that was
/// started by a service with another standard error has inherited the variable.
fn is_stderr(stream: &str) -> bool {
    let named = stream.split_once(':');
    let named = named.and_then(|(device, inode)| Some((device.parse().ok()?, inode.parse().ok()?)));
    let own = std::fs::metadata("/proc/self/fd/2");
    own.is_ok_and(|own| named == Some((own.dev(), own.ino())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{Event, Log};
    use crate::topology::LogSettings;
    use std::process::Command;
    use std::time::Duration;

    /// Set for the process whose standard error is read.
    const CHOSEN: &str = "SIPWARD_TEST_PREFIXED";

    #[test]
    fn what_goes_into_a_pipe_at_once_ends_with_a_line() {
        let line = [b"x".repeat(1_499), b"\n".to_vec()].concat();
        let lines = line.repeat(5);
        let mut rest = &lines[..];
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let piece = lines_at_once(rest);
            assert!(piece.len() <= PIPE_BUF && piece.ends_with(b"\n"));
            pieces.push(piece.len());
            rest = &rest[piece.len()..];
        }
        assert_eq!(pieces, [3_000, 3_000, 1_500]);
        // A line that is longer goes on, in as many pieces as it takes.
        assert_eq!(lines_at_once(&b"x".repeat(5_000)).len(), PIPE_BUF);
    }

    /// Where the journal takes no entries of their own, it learns the level from what stands before a line.
    #[test]
    fn a_stream_of_the_journal_gets_each_line_behind_its_level() {
        if std::env::var_os(CHOSEN).is_some() {
            let stream = std::env::var("JOURNAL_STREAM").unwrap();
            assert!(is_stderr(&stream) && !is_stderr("1:1") && !is_stderr("journal"));
            let (log, _guard) = Log::start(&LogSettings::default(), 16, Sink::Prefixed);
            log.record(Event::Ready { generation: 1 });
            log.record(Event::Warning {
                reason: "log_file_failed".into(),
                detail: "a\n<0>b".to_owned(),
            });
            return log.record(Event::Reload {
                generation: 1,
                trigger: "signal",
                result: "refused",
                took: Duration::ZERO,
                details: vec![],
                served: vec![],
            });
        }
        let directory = tempfile::tempdir().unwrap();
        let stream = directory.path().join("stream");
        let file = File::create(&stream).unwrap();
        let data = file.metadata().unwrap();
        let name = "observe::sink::tests::a_stream_of_the_journal_gets_each_line_behind_its_level";
        let ended = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHOSEN, "1")
            .env("JOURNAL_STREAM", format!("{}:{}", data.dev(), data.ino()))
            .stderr(file)
            .output()
            .unwrap();
        let said = std::fs::read_to_string(&stream).unwrap();
        assert!(ended.status.success(), "{said}");
        let lines: Vec<(&str, serde_json::Value)> = said
            .lines()
            .filter_map(|line| line.split_at_checked(3))
            .map(|(level, line)| (level, serde_json::from_str(line).unwrap()))
            .collect();
        let levels: Vec<&str> = lines.iter().map(|(level, _)| *level).collect();
        assert_eq!(levels, ["<6>", "<4>", "<3>"], "{said}");
        assert_eq!(lines[2].1["event"], "reload", "{said}");
    }
}
