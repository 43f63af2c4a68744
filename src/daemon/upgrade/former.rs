//! The new process's side: it hears what it inherits, says that it is ready, and hands on what operators ask.
use super::conversation::Conversation;
use super::words::Word;
use crate::edge::{Denial, Inheritance};
use crate::observe::{Event, Log};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::HashMap;
use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// What the former process may take to say the next word before it has handed over.
const FOR_WORD: Duration = Duration::from_secs(10);
/// What it may take to answer a question of an operator; a reload reads files.
const FOR_ANSWER: Duration = Duration::from_secs(100);
/// Questions that may wait.
const QUESTIONS: usize = 64;

/// The former process, before it has handed over.
pub(in crate::daemon) struct Former {
    conversation: Conversation,
    pid: u32,
    version: String,
    key: [u8; 32],
}

/// The former process while it lets its clients go.
#[derive(Clone)]
pub(in crate::daemon) struct FormerHandle {
    questions: mpsc::Sender<AskedFormer>,
    /// The process.
    pub(in crate::daemon) pid: u32,
}

/// A request of the control socket, and who waits for the reply.
type AskedFormer = (Value, oneshot::Sender<Value>);

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
        let Ok(Some(Word::Hello { version, pid, key })) = word else {
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
        })
    }

    /// What it leaves to the edge, with so many connections between the two.
    pub(in crate::daemon) fn inheritance(&self, links: usize) -> Inheritance {
        Inheritance {
            random_key: self.key,
            links,
        }
    }

    /// This process is ready; returns when the former one has stopped accepting, with whom operators have it refuse.
    ///
    /// # Errors
    /// It is gone, or has changed its mind.
    pub(in crate::daemon) async fn ready(&mut self) -> io::Result<Option<Vec<Denial>>> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        self.conversation.say(&Word::Ready { version }).await?;
        match timeout(FOR_WORD, self.conversation.heard.recv()).await {
            Ok(Some(Word::Go { denials })) => Ok(denials),
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
        let mut waiting: HashMap<u64, oneshot::Sender<Value>> = HashMap::new();
        for number in 0.. {
            // Who has lost patience is no longer waited for.
            waiting.retain(|_, who| !who.is_closed());
            tokio::select! {
                question = asked.recv() => {
                    // The handle stays as long as the daemon: its end is that of this task, too.
                    let Some((request, reply)) = question else {
                        return;
                    };
                    // Before it is said: the answer may be there at once.
                    waiting.insert(number, reply);
                    if self.conversation.say(&Word::Ask { number, request }).await.is_err() {
                        return;
                    }
                }
                word = self.conversation.heard.recv() => match word {
                    Some(Word::Answer { number, reply }) => {
                        if let Some(who) = waiting.remove(&number) {
                            let _ = who.send(reply);
                        }
                    }
                    // Said once, before it has handed over.
                    Some(_) => {}
                    None => return,
                },
            }
        }
    }
}

impl FormerHandle {
    /// Asks it what an operator has asked; `None`: it is gone, or does not answer.
    pub(in crate::daemon) async fn ask(&self, request: Value) -> Option<Value> {
        let (reply, answer) = oneshot::channel();
        self.questions.send((request, reply)).await.ok()?;
        timeout(FOR_ANSWER, answer).await.ok()?.ok()
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
