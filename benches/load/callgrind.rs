//! A daemon under callgrind that is counted between two moments, and not from its start: what comes before, thousands of
//! handshakes say, runs without instrumentation, ten times as fast.
use super::Outcome;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Valgrind, counting nothing until it is asked to.
const WORDS: [&str; 4] = [
    "valgrind",
    "--quiet",
    "--tool=callgrind",
    "--instr-atstart=no",
];

/// Counts the instructions of a running daemon.
pub(crate) struct Counter {
    pid: u32,
    file: PathBuf,
    dumps: usize,
}

/// The words to start a daemon under, so that a [`Counter`] of this directory can be asked about it.
pub(crate) fn words(directory: &Path) -> Vec<String> {
    let out = format!("--callgrind-out-file={}", file(directory).display());
    let words = WORDS.into_iter().map(str::to_owned);
    words.chain([out]).collect()
}

fn file(directory: &Path) -> PathBuf {
    directory.join("callgrind.out")
}

impl Counter {
    /// Begins to count.
    ///
    /// # Errors
    /// As [`Self::count`].
    pub(crate) fn start(pid: u32, directory: &Path) -> Outcome<Self> {
        let counter = Self {
            pid,
            file: file(directory),
            dumps: 0,
        };
        counter.control("--instr=on")?;
        Ok(counter)
    }

    /// Instructions in user space since it was asked last.
    ///
    /// # Errors
    /// `callgrind_control` is missing, or the daemon does not run under callgrind.
    pub(crate) fn count(&mut self) -> Outcome<u64> {
        self.control("--dump")?;
        self.dumps += 1;
        let mut name = self.file.clone().into_os_string();
        name.push(format!(".{}", self.dumps));
        let text = fs::read_to_string(&name)?;
        text.lines()
            .find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok())
            .ok_or_else(|| "callgrind wrote no total".into())
    }

    fn control(&self, what: &str) -> Outcome<()> {
        let mut command = Command::new("callgrind_control");
        let out = command.arg(what).arg(self.pid.to_string()).output()?;
        match String::from_utf8_lossy(&out.stdout).contains("OK.") {
            true => Ok(()),
            false => {
                let said = String::from_utf8_lossy(&out.stderr);
                Err(format!("callgrind_control {what}: {said}").into())
            }
        }
    }
}
