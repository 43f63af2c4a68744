//! Child processes: their output as a feed of lines, their end with the value that holds them.
use super::feed::{Feed, Mark};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How long a program may take for anything that it is asked: generous, since two cores may be busy with a build.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Lines of a program's output that a failed test shows.
const SHOWN: usize = 150;

/// A running program.
pub(crate) struct Process {
    name: String,
    child: Child,
    lines: Arc<Feed<String>>,
}

impl Process {
    /// Starts a program in a process group of its own, so that its children end with it.
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        Self::spawn(name, command.stdin(Stdio::null()))
    }

    /// As [`Process::start`], and writes to its standard input, which stays open as long as the program.
    pub(crate) fn start_with_input(name: &str, command: &mut Command, input: &[u8]) -> Self {
        let mut process = Self::spawn(name, command.stdin(Stdio::piped()));
        if let Some(stdin) = &mut process.child.stdin {
            // The program may be gone already: then its output tells why.
            let _written = stdin.write_all(input);
        }
        process
    }

    /// Writes to the standard input of a program that was started with one.
    pub(crate) fn write(&self, input: &[u8]) {
        if let Some(mut stdin) = self.child.stdin.as_ref() {
            stdin.write_all(input).unwrap();
        }
    }

    fn spawn(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let lines = Arc::new(Feed::new());
        let both = [
            child
                .stdout
                .take()
                .map(|out| Box::new(out) as Box<dyn Read + Send>),
            child
                .stderr
                .take()
                .map(|err| Box::new(err) as Box<dyn Read + Send>),
        ];
        let readers: Vec<_> = both
            .into_iter()
            .flatten()
            .map(|source| {
                let lines = Arc::clone(&lines);
                thread::spawn(move || read_lines(source, &lines))
            })
            .collect();
        let over = Arc::clone(&lines);
        thread::spawn(move || {
            for reader in readers {
                let _ended = reader.join();
            }
            over.close();
        });
        Self {
            name: name.to_owned(),
            child,
            lines,
        }
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The end of its output as of now.
    pub(crate) fn mark(&self) -> Mark {
        self.lines.mark()
    }

    /// Waits for a line since a mark that `pick` makes something of.
    pub(crate) fn wait<R>(
        &self,
        since: Mark,
        what: &str,
        pick: impl FnMut(&String) -> Option<R>,
    ) -> R {
        self.wait_for(PATIENCE, since, what, pick)
    }

    /// As [`Process::wait`], for so long at most.
    pub(crate) fn wait_for<R>(
        &self,
        limit: Duration,
        since: Mark,
        what: &str,
        pick: impl FnMut(&String) -> Option<R>,
    ) -> R {
        self.lines
            .wait(since, limit, pick)
            .unwrap_or_else(|| panic!("{}: {what} did not come", self.name))
    }

    /// Has it end by itself, and waits until it has and all that it wrote was read.
    pub(crate) fn end(&self) {
        signal_group("TERM", self.child.id());
        assert!(self.lines.wait_over(PATIENCE), "{} does not end", self.name);
    }

    /// Waits for a line since a mark that holds a text.
    pub(crate) fn wait_text(&self, since: Mark, text: &str) -> String {
        self.wait(since, text, |line| {
            line.contains(text).then(|| line.clone())
        })
    }

    /// Looks at the lines since a mark.
    pub(crate) fn read<R>(&self, since: Mark, look: impl FnOnce(&[String]) -> R) -> R {
        self.lines.read(since, look)
    }

    /// Ends it at once, with its children.
    pub(crate) fn kill(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            signal_group("KILL", self.child.id());
        }
        let _status = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            self.lines.read(Mark::START, |lines| {
                let skipped = lines.len().saturating_sub(SHOWN);
                eprintln!("--- {} ({skipped} lines before) ---", self.name);
                for line in lines.iter().skip(skipped) {
                    eprintln!("{line}");
                }
            });
        }
    }
}

/// Signals the group that a child of ours leads (the standard library knows SIGKILL to one process only).
fn signal_group(signal: &str, leader: u32) {
    let _status = Command::new("sh")
        .args([
            "-c",
            "kill -s \"$1\" -- \"-$2\"",
            "sh",
            signal,
            &leader.to_string(),
        ])
        .stderr(Stdio::null())
        .status();
}

fn read_lines(source: impl Read, lines: &Feed<String>) {
    let mut source = BufReader::new(source);
    let mut line = Vec::new();
    while matches!(source.read_until(b'\n', &mut line), Ok(1..)) {
        lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
}

/// What a program that ended by itself has said.
#[derive(Debug)]
pub(crate) struct Output {
    /// Its exit status.
    pub(crate) status: ExitStatus,
    /// Standard output and then standard error.
    pub(crate) text: String,
}

impl Output {
    /// Fails unless a text is in it.
    #[track_caller]
    pub(crate) fn assert_has(&self, text: &str) {
        assert!(
            self.text.contains(text),
            "no {text:?} ({}) in:\n{}",
            self.status,
            self.text
        );
    }
}

/// Runs a program that ends by itself (its input is empty), under a time limit.
pub(crate) fn finish(command: &Command) -> Output {
    let mut limited = Command::new("timeout");
    limited
        .args(["-k", "1", "40"])
        .arg(command.get_program())
        .args(command.get_args());
    let output = limited
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Output {
        status: output.status,
        text,
    }
}
