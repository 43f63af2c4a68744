//! The thread that asks the daemon again and again, so that no key and no redraw waits for an answer.
//!
//! A daemon may take seconds for one: a shard that stands still is waited for, and a socket that nobody reads takes the whole
//! patience. The view goes on meanwhile with what it has.
use super::reading::{ReadingAnswer, WatchedDaemon};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;

/// A thread that asks. It ends when this is dropped, at the latest after the answer that it waits for.
pub(super) struct Asking {
    /// What it has found, one at most: an old one helps nobody.
    pub(super) answers: Receiver<ReadingAnswer>,
    /// Dropped, it ends the pause between two questions.
    _stop: SyncSender<()>,
}

impl Asking {
    /// Begins, with a pause before the first question.
    pub(super) fn begin(daemon: WatchedDaemon) -> Self {
        let (tell, answers) = sync_channel(1);
        let (stop, stopped) = sync_channel(0);
        // Detached: a daemon that hangs must not hold up who quits.
        thread::spawn(move || {
            // The sender is never used: the only other outcome is that it was dropped.
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(daemon.interval) {
                let answer = daemon.read();
                // As text: the error is shown, and nothing is decided by it.
                let answer = answer.map(Box::new).map_err(|why| why.to_string());
                // It waits while the view has not taken the last one: no queue grows.
                if tell.send(answer).is_err() {
                    break;
                }
            }
        });
        Self {
            answers,
            _stop: stop,
        }
    }
}
