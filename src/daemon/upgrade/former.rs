//! The new process's side: it hears what it inherits, says that it is ready, and hands on what operators ask.
use super::conversation::Conversation;
use super::inquirers::{Inquirer, Inquirers, LineSink, TracedLine};
use super::words::Word;
use crate::daemon::log_level_list::RunningLevel;
use crate::edge::{Denial, Inheritance};
use crate::observe::{Event, Log};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// What the former process may take to say the next word before it has handed over.
const FOR_WORD: Duration = Duration::from_secs(10);
/// What it may take to answer a question of an operator: a little longer than its shards may.
const FOR_ANSWER: Duration = Duration::from_secs(8);
/// The same of a reload, or what else reads files.
const FOR_FILES: Duration = Duration::from_secs(100);
/// How often is looked whether the reader of a trace is still there.
const LOOK: Duration = Duration::from_secs(1);
/// Questions that may wait.
const QUESTIONS: usize = 64;

/// The former process, before it has handed over.
pub(in crate::daemon) struct Former {
    conversation: Conversation,
    pid: u32,
    version: String,
    key: [u8; 32],
    has_odd_numbers: bool,
}

/// The former process while it lets its clients go.
#[derive(Clone)]
pub(in crate::daemon) struct FormerHandle {
    questions: mpsc::Sender<AskedFormer>,
    /// The process.
    pub(in crate::daemon) pid: u32,
}

/// A request of the control socket, and who waits for what comes of it.
type AskedFormer = (Value, Inquirer);

/// The lines of a trace of the former process; it ends when this is dropped.
pub(in crate::daemon) struct FormerTrace {
    lines: mpsc::Receiver<TracedLine>,
    /// How many were lost, as the last line says.
    lost: u64,
    /// The process.
    pub(in crate::daemon) pid: u32,
}

/// Tells the former process why this one ends, whatever has become of everything else.
pub(in crate::daemon) fn tell_failure(mut end: &UnixStream, what: String) {
    if let Ok(mut line) = serde_json::to_vec(&Word::Failed { what }) {
        line.push(b'\n');
        // It hears of the end itself, at least.
        let _ = end.write_all(&line);
    }
}

impl Former {
    /// Hears what the former process has to say first.
    ///
    /// # Errors
    /// It says nothing, or what this version does not understand.
    pub(in crate::daemon) async fn meet(end: UnixStream) -> io::Result<Self> {
        let mut conversation = Conversation::over(end)?;
        let word = timeout(FOR_WORD, conversation.heard.recv()).await;
        let Ok(Some(Word::Hello {
            version,
            pid,
            key,
            odd_numbers,
        })) = word
        else {
            return Err(io::Error::other("the former process does not say hello"));
        };
        // Another length is another version's, whose routes this one could not read either.
        let key = STANDARD.decode(key).map_err(io::Error::other)?;
        let key = key
            .try_into()
            .map_err(|_| io::Error::other("the former process's key has another length"))?;
        Ok(Self {
            conversation,
            pid,
            version,
            key,
            has_odd_numbers: odd_numbers,
        })
    }

    /// What it leaves to the edge, with so many connections between the two.
    pub(in crate::daemon) fn inheritance(&self, links: usize) -> Inheritance {
        Inheritance {
            random_key: self.key,
            odd_numbers: !self.has_odd_numbers,
            links,
        }
    }

    /// This process is ready; returns when the former one has stopped accepting, with whom operators have it refuse, and whose
    /// requests they have it log.
    ///
    /// # Errors
    /// It is gone, or has changed its mind.
    pub(in crate::daemon) async fn ready(
        &mut self,
    ) -> io::Result<(Option<Vec<Denial>>, Vec<RunningLevel>)> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        self.conversation
            .speaker
            .say(&Word::Ready { version })
            .await?;
        match timeout(FOR_WORD, self.conversation.heard.recv()).await {
            Ok(Some(Word::Go { denials, levels })) => Ok((denials, levels)),
            _ => Err(io::Error::other("the former process does not hand over")),
        }
    }

    /// Hands on questions from now on, until the former process ends.
    pub(in crate::daemon) fn attend(self, log: Log) -> FormerHandle {
        log.record(Event::TookOver {
            version: self.version.clone(),
            pid: self.pid,
        });
        // Both ends of it end with the former process, which is how everybody learns of that.
        let (questions, asked) = mpsc::channel(QUESTIONS);
        let pid = self.pid;
        tokio::spawn(async move {
            self.hand_on(asked).await;
            log.record(Event::FormerGone { pid });
        });
        FormerHandle { questions, pid }
    }

    async fn hand_on(mut self, mut asked: mpsc::Receiver<AskedFormer>) {
        let mut waiting = Inquirers::default();
        let mut look = tokio::time::interval(LOOK);
        let speaker = self.conversation.speaker.clone();
        for number in 0.. {
            for number in waiting.tidy() {
                // One that does not read ends it by its time.
                let _ = speaker.try_say(&Word::Enough { number });
            }
            tokio::select! {
                question = asked.recv() => {
                    // The handle stays as long as the daemon: its end is that of this task, too.
                    let Some((request, inquirer)) = question else {
                        return;
                    };
                    // Before it is said: the answer may be there at once.
                    waiting.enter(number, inquirer);
                    match speaker.try_say(&Word::Ask { number, request }) {
                        Ok(true) => {}
                        // It has not read for long, and answers nothing.
                        Ok(false) => waiting.remove(number),
                        Err(_) => return,
                    }
                }
                word = self.conversation.heard.recv() => match word {
                    Some(word) => waiting.hear(word),
                    None => return,
                },
                // Nothing may pass for long after the reader of a trace has gone.
                _ = look.tick(), if waiting.has_traces() => {}
            }
        }
    }
}

impl FormerTrace {
    /// The next line; `None`: it is over.
    pub(in crate::daemon) async fn next(&mut self) -> Option<Value> {
        let (line, lost) = self.lines.recv().await?;
        self.lost = lost;
        Some(line)
    }

    /// How many were lost since they were not read in time.
    pub(in crate::daemon) fn lost(&self) -> u64 {
        self.lost
    }
}

impl FormerHandle {
    /// Asks it what an operator has asked; `None`: it is gone, or does not answer in time. Requests and replies are those of the
    /// control socket (`asking` has them as such).
    pub(in crate::daemon) async fn ask(&self, request: Value, reads_files: bool) -> Option<Value> {
        // Somebody waits at a terminal, and has what this process knows even if the other one is stopped.
        let patience = if reads_files { FOR_FILES } else { FOR_ANSWER };
        let asked = async {
            let (reply, answer) = oneshot::channel();
            // Entered first: what waits for an answer is known before the question leaves.
            self.questions
                .send((request, Inquirer::Once(reply)))
                .await
                .ok()?;
            answer.await.ok()
        };
        timeout(patience, asked).await.ok()?
    }

    /// Has it trace as well, and returns when it does; `None`: it is gone, or does not answer, or knows no such thing.
    pub(in crate::daemon) async fn trace(&self, request: Value) -> Option<FormerTrace> {
        let (sink, lines) = LineSink::new();
        let mut trace = FormerTrace {
            lines,
            lost: 0,
            pid: self.pid,
        };
        let begun = async {
            let asked = (request, Inquirer::Lines(sink));
            self.questions.send(asked).await.ok()?;
            // The first says that it has begun, and the new process has said so itself.
            trace.next().await
        };
        timeout(FOR_ANSWER, begun).await.ok()??;
        Some(trace)
    }

    /// Has it open its log's file anew, as the service manager's signal does that reaches this process alone.
    pub(in crate::daemon) fn reopen_log(&self) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        // By a signal, which every version of it heeds, and not by a word that an earlier one does not know.
        // It is this process's own parent, or was; while it is there, nobody else has its number.
        if let Some(pid) = pid.filter(|_| self.lives()) {
            let _ = kill_process(pid, Signal::USR1);
        }
    }

    /// Whether it is still there.
    pub(in crate::daemon) fn lives(&self) -> bool {
        !self.questions.is_closed()
    }

    /// Returns when it has ended.
    pub(in crate::daemon) async fn ended(&self) {
        self.questions.closed().await;
    }
}
