//! The conversation of the two processes: lines of JSON over the pair of sockets, each within a bound.
use super::words::Word;
use std::io;
use std::os::unix::net::UnixStream;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

/// Bytes of a line: the longest reply of the control socket, and what is around it.
const LONGEST: u64 = 65 * 1024 * 1024;
/// Lines that wait to be heard.
const WAITING: usize = 64;

/// This process's end: what the other says, and a way to say something.
pub(super) struct Conversation {
    /// Ends when the other process does.
    pub(super) heard: mpsc::Receiver<Word>,
    writer: OwnedWriteHalf,
}

impl Conversation {
    /// Over this end; within a runtime.
    ///
    /// # Errors
    /// The socket cannot be used.
    pub(super) fn over(end: UnixStream) -> io::Result<Self> {
        end.set_nonblocking(true)?;
        let (reader, writer) = tokio::net::UnixStream::from_std(end)?.into_split();
        // Who says more than is heard waits in the socket.
        let (sender, heard) = mpsc::channel(WAITING);
        // A task of its own: half a line is kept whatever else is waited for.
        tokio::spawn(listen(reader, sender));
        Ok(Self { heard, writer })
    }

    /// Says something.
    ///
    /// # Errors
    /// The other process is gone.
    pub(super) async fn say(&mut self, word: &Word) -> io::Result<()> {
        let mut line = serde_json::to_vec(word)?;
        line.push(b'\n');
        self.writer.write_all(&line).await
    }
}

/// Until the other process ends, or says what is no word.
async fn listen(reader: OwnedReadHalf, heard: mpsc::Sender<Word>) {
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut reader).take(LONGEST);
        let read = bounded.read_until(b'\n', &mut line).await;
        if read.is_err() || line.last() != Some(&b'\n') {
            return;
        }
        let Ok(word) = serde_json::from_slice(&line) else {
            return;
        };
        if heard.send(word).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_one_says_the_other_hears_and_an_end_is_an_end() {
        let (one, other) = UnixStream::pair().unwrap();
        let mut one = Conversation::over(one).unwrap();
        let mut other = Conversation::over(other).unwrap();
        let what = "x".repeat(200_000);
        for _ in 0..3 {
            let word = Word::Failed { what: what.clone() };
            one.say(&word).await.unwrap();
            let heard = other.heard.recv().await;
            assert!(matches!(heard, Some(Word::Failed { what: heard }) if heard == what));
        }
        one.say(&Word::Go { denials: None }).await.unwrap();
        let heard = other.heard.recv().await;
        assert!(matches!(heard, Some(Word::Go { denials: None })));
        // As an earlier version says it.
        let earlier: Word = serde_json::from_str(r#"{"go":{}}"#).unwrap();
        assert!(matches!(earlier, Word::Go { denials: None }));
        drop(one);
        assert!(other.heard.recv().await.is_none());
    }
}
