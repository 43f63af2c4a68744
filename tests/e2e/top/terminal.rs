//! A terminal that a program runs in: `script` of util-linux makes it, and what is written to it is kept as a screen.
use crate::harness::SOON;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// A program in a terminal.
pub(super) struct Terminal {
    child: Child,
    keys: Mutex<ChildStdin>,
    /// What has been written so far.
    written: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Starts `sipward top` in a terminal of this size, with a reading each second.
    pub(super) fn start(socket: &Path, rows: u16, columns: u16) -> Self {
        let program = env!("CARGO_BIN_EXE_sipward");
        let socket = socket.display();
        // Its first two lines name the terminal and the program's process.
        let command = format!(
            "stty rows {rows} cols {columns}; tty; echo $$; exec {program} top --interval 1s --socket {socket}"
        );
        let mut child = Command::new("script")
            .args(["-qfec", &command, "/dev/null"])
            .env("TERM", "xterm-256color")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("script, of util-linux");
        let keys = Mutex::new(child.stdin.take().unwrap());
        let mut out = child.stdout.take().unwrap();
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let kept = Arc::clone(&written);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = out.read(&mut buffer) {
                kept.lock().unwrap().extend(&buffer[..read]);
            }
        });
        Self {
            child,
            keys,
            written,
        }
    }

    /// Presses keys.
    pub(super) fn keys(&self, text: &str) {
        let mut keys = self.keys.lock().unwrap();
        keys.write_all(text.as_bytes()).unwrap();
        keys.flush().unwrap();
    }

    /// A line that was written before the program took the terminal over.
    fn line(&self, at: usize) -> String {
        let written = String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned();
        written.lines().nth(at).unwrap().trim().to_owned()
    }

    /// Makes the window larger or smaller.
    pub(super) fn resize(&self, rows: u16, columns: u16) {
        let size = [rows.to_string(), columns.to_string()];
        let stty = Command::new("stty")
            .args(["-F", &self.line(0), "rows", &size[0], "cols", &size[1]])
            .status();
        assert!(stty.unwrap().success());
    }

    /// SIGTERM to the program.
    pub(super) fn terminate(&self) {
        let kill = Command::new("kill").arg(self.line(1)).status();
        assert!(kill.unwrap().success());
    }

    /// Waits until the screen is as it should be.
    pub(super) async fn shown(&self, what: &str, is: impl Fn(&str) -> bool) {
        let end = Instant::now() + SOON;
        loop {
            let screen = screen(&self.written.lock().unwrap());
            if is(&screen) {
                return;
            }
            assert!(Instant::now() < end, "{what} is not shown:\n{screen}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for the end of the program; its exit code. The terminal must have been given back.
    pub(super) async fn exited(mut self) -> Option<i32> {
        let (status, written) = tokio::task::spawn_blocking(move || {
            let status = self.child.wait().unwrap();
            (status, self.written)
        })
        .await
        .unwrap();
        let written = written.lock().unwrap().clone();
        let left = b"\x1b[?1049l";
        assert!(written.windows(left.len()).any(|it| it == left));
        status.code()
    }
}

/// What a terminal shows to which this was written: as much of one as the program uses.
fn screen(written: &[u8]) -> String {
    let text = String::from_utf8_lossy(written);
    let mut lines: Vec<Vec<char>> = Vec::new();
    let (mut row, mut column) = (0, 0);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\r' => column = 0,
            '\n' => row += 1,
            '\u{1b}' => {
                // CSI, parameters, and a letter that says what it does (ECMA-48 §5.4).
                if rest.next() != Some('[') {
                    continue;
                }
                let mut parameters = String::new();
                let letter = loop {
                    match rest.next() {
                        Some(c @ '@'..='~') => break c,
                        Some(c) => parameters.push(c),
                        None => break 'm',
                    }
                };
                let number = |at: usize| {
                    let of = parameters.split(';').nth(at);
                    of.and_then(|it| it.parse::<usize>().ok()).unwrap_or(1)
                };
                match letter {
                    'H' => (row, column) = (number(0) - 1, number(1) - 1),
                    'J' => lines.clear(),
                    _ => {}
                }
            }
            c => {
                if lines.len() <= row {
                    lines.resize(row + 1, Vec::new());
                }
                let line = &mut lines[row];
                if line.len() <= column {
                    line.resize(column + 1, ' ');
                }
                line[column] = c;
                column += 1;
            }
        }
    }
    let lines = lines.into_iter().map(String::from_iter);
    lines.collect::<Vec<String>>().join("\n")
}
