//! The conversation of the two processes: lines of JSON over the pair of sockets, each within a bound, and all that wait.
//!
//! Neither process ever waits for the other one's reading. What is said is queued, and a task of its own writes it; it is never
//! cut off, since half a line would be the end of the conversation, and that of the other process in its eyes. For the same
//! reason the socket is closed by nothing but the end of this process, or of all that speak in it.
use super::words::Word;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Bytes of a line: the longest reply of the control socket, and what is around it.
const LONGEST: usize = 65 * 1024 * 1024;
/// Bytes of all lines that wait to be written, and of all that wait to be heard: so that the longest has room.
const ROOM: usize = LONGEST;
/// The part of it that lines of traces may take: they are many, and answers must not wait behind them.
const ROOM_FOR_TRACES: usize = 4 * 1024 * 1024;
/// Words that wait to be heard.
const WAITING: usize = 64;
/// Lines that wait to be written: as many as the room for traces may hold, and all others.
const LINES: usize = 16_384;

/// A line or what it says, which keeps its room until it is taken away.
type Kept<T> = (T, OwnedSemaphorePermit);

/// A line that waits, and the room that it takes of that for traces.
type Line = (Kept<Vec<u8>>, Option<OwnedSemaphorePermit>);

/// This process's end: what the other says, and a way to say something.
pub(super) struct Conversation {
    /// Ends when the other process does.
    pub(super) heard: Heard,
    /// As long as one is left, the other process takes this one for alive.
    pub(super) speaker: Speaker,
}

/// What the other process says.
pub(super) struct Heard(mpsc::Receiver<Kept<Word>>);

/// Says something to the other process.
#[derive(Clone)]
pub(super) struct Speaker {
    lines: mpsc::Sender<Line>,
    /// As many permits as there are bytes of room; closed when the other process is gone.
    room: Arc<Semaphore>,
    for_traces: Arc<Semaphore>,
}

impl Conversation {
    /// Over this end; within a runtime.
    ///
    /// # Errors
    /// The socket cannot be used.
    pub(super) fn over(end: UnixStream) -> io::Result<Self> {
        end.set_nonblocking(true)?;
        let (reader, writer) = tokio::net::UnixStream::from_std(end)?.into_split();
        // Who says more than is heard waits in the socket, and then in its own queue.
        let (sender, heard) = mpsc::channel(WAITING);
        // A task of its own: half a line is kept whatever else is waited for.
        tokio::spawn(listen(reader, sender));
        let (lines, waiting) = mpsc::channel(LINES);
        let room = Arc::new(Semaphore::new(ROOM));
        tokio::spawn(write(writer, waiting, Arc::clone(&room)));
        Ok(Self {
            heard: Heard(heard),
            speaker: Speaker {
                lines,
                room,
                for_traces: Arc::new(Semaphore::new(ROOM_FOR_TRACES)),
            },
        })
    }
}

impl Heard {
    /// The next word; `None`: the other process has ended.
    pub(super) async fn recv(&mut self) -> Option<Word> {
        self.0.recv().await.map(|(word, _)| word)
    }
}

impl Speaker {
    /// Says something as soon as there is room for it: it is on its way then, and not yet heard.
    ///
    /// # Errors
    /// The other process is gone, or the word is too long for it (`InvalidInput`).
    pub(super) async fn say(&self, word: &Word) -> io::Result<()> {
        let (line, bytes) = line_of(word)?;
        // In the order of their coming: a long one is not overtaken for ever by short ones.
        let room = Arc::clone(&self.room).acquire_many_owned(bytes).await;
        let kept = room.map_err(|_| gone())?;
        let line = ((line, kept), None);
        self.lines.send(line).await.map_err(|_| gone())
    }

    /// The same of a line of a trace, which waits for the room that traces have.
    ///
    /// # Errors
    /// As for [`Self::say`]; what is longer than that room is too long.
    pub(super) async fn say_traced(&self, word: &Word) -> io::Result<()> {
        let (line, bytes) = line_of(word)?;
        if line.len() > ROOM_FOR_TRACES {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // First, so that what waits here holds nothing that others wait for.
        let room = Arc::clone(&self.for_traces).acquire_many_owned(bytes).await;
        let traced = room.map_err(|_| gone())?;
        let room = Arc::clone(&self.room).acquire_many_owned(bytes).await;
        let kept = room.map_err(|_| gone())?;
        let line = ((line, kept), Some(traced));
        self.lines.send(line).await.map_err(|_| gone())
    }

    /// The same if there is room now; `false`: there is none, since the other process does not read.
    ///
    /// # Errors
    /// As for [`Self::say`].
    pub(super) fn try_say(&self, word: &Word) -> io::Result<bool> {
        let (line, bytes) = line_of(word)?;
        // Asked first: without room the other process may be gone as well.
        if self.room.is_closed() {
            return Err(gone());
        }
        let Ok(kept) = Arc::clone(&self.room).try_acquire_many_owned(bytes) else {
            return Ok(false);
        };
        Ok(self.lines.try_send(((line, kept), None)).is_ok())
    }

    /// Returns when all that was said is in the socket, or the other process is gone.
    pub(super) async fn said(&self) {
        // The room of a line is free again when it is written.
        let _ = self.room.acquire_many(ROOM as u32).await;
    }
}

/// The line of a word, and how much room it takes.
fn line_of(word: &Word) -> io::Result<(Vec<u8>, u32)> {
    let mut line = serde_json::to_vec(word)?;
    line.push(b'\n');
    // The other side would take it for the end.
    if line.len() > LONGEST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // It fits, as was just seen.
    let bytes = u32::try_from(line.len()).unwrap_or(u32::MAX);
    Ok((line, bytes))
}

/// The other process is.
fn gone() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

/// Until nobody speaks any more, or the other process is gone.
async fn write(mut writer: OwnedWriteHalf, mut lines: mpsc::Receiver<Line>, room: Arc<Semaphore>) {
    // However long that takes: who reads no more goes on one day, or ends.
    while let Some(((line, kept), traced)) = lines.recv().await {
        if writer.write_all(&line).await.is_err() {
            break;
        }
        drop((kept, traced));
    }
    // Who waits for room learns of it.
    room.close();
}

/// Until the other process ends, or says what is no word.
async fn listen(reader: OwnedReadHalf, heard: mpsc::Sender<Kept<Word>>) {
    let room = Arc::new(Semaphore::new(ROOM));
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut reader).take(LONGEST as u64);
        let read = bounded.read_until(b'\n', &mut line).await;
        if read.is_err() || line.last() != Some(&b'\n') {
            return;
        }
        let Ok(word) = serde_json::from_slice(&line) else {
            return;
        };
        // No more is read until what was read before is taken.
        let bytes = u32::try_from(line.len()).unwrap_or(u32::MAX);
        drop(line);
        let Ok(kept) = Arc::clone(&room).acquire_many_owned(bytes).await else {
            return;
        };
        if heard.send((word, kept)).await.is_err() {
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
        let one = Conversation::over(one).unwrap();
        let mut other = Conversation::over(other).unwrap();
        let what = "x".repeat(200_000);
        for _ in 0..3 {
            let word = Word::Failed { what: what.clone() };
            one.speaker.say(&word).await.unwrap();
            let heard = other.heard.recv().await;
            assert!(matches!(heard, Some(Word::Failed { what: heard }) if heard == what));
        }
        let go = Word::Go {
            denials: None,
            levels: Vec::new(),
        };
        one.speaker.say(&go).await.unwrap();
        let heard = other.heard.recv().await;
        assert!(matches!(heard, Some(Word::Go { denials: None, .. })));
        // As an earlier version says it.
        let earlier: Word = serde_json::from_str(r#"{"go":{}}"#).unwrap();
        assert!(matches!(earlier, Word::Go { denials: None, .. }));
        drop(one);
        assert!(other.heard.recv().await.is_none());
        // The other one notices when it speaks.
        while other.speaker.say(&go).await.is_ok() {}
        assert!(other.speaker.try_say(&go).is_err());
        other.speaker.said().await;
    }

    /// Who is stopped reads nothing: nobody waits for it, what waits is bounded, and all of it arrives whole when it goes on.
    #[tokio::test]
    async fn nobody_waits_for_who_does_not_read_and_nothing_is_cut() {
        let (one, other) = UnixStream::pair().unwrap();
        let one = Conversation::over(one).unwrap();
        // Far more than a socket holds.
        let word = Word::Failed {
            what: "x".repeat(9 * 1024 * 1024),
        };
        let mut said = 0;
        while one.speaker.try_say(&word).unwrap() {
            said += 1;
        }
        assert_eq!(said, 7);
        let too_long = Word::Failed {
            what: "x".repeat(LONGEST),
        };
        let refused = one.speaker.say(&too_long).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
        let mut other = Conversation::over(other).unwrap();
        // Another one has its turn when there is room again.
        let last = Word::Enough { number: 7 };
        let speaker = one.speaker.clone();
        let late = tokio::spawn(async move {
            speaker.say(&word).await.unwrap();
            speaker.say(&last).await.unwrap();
            speaker.said().await;
        });
        for _ in 0..=said {
            let heard = other.heard.recv().await;
            assert!(matches!(heard, Some(Word::Failed { .. })));
        }
        let heard = other.heard.recv().await;
        assert!(matches!(heard, Some(Word::Enough { number: 7 })));
        late.await.unwrap();
    }
}
