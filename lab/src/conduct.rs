//! How a server that answers by itself behaves towards what it receives: well, late, not at all, or with what is no answer.
use super::shared::lock;
use super::{Received, Server};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// What a server does with each message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conduct {
    /// Answers it.
    #[default]
    Well,
    /// Answers it after this time; one that came before is answered before.
    Late(Duration),
    /// Reads it, and that is all.
    Silent,
    /// Sends something else than an answer: see [`garbage`].
    Garbage,
}

/// The switch of one server's [`Conduct`], and what waits for its time.
#[derive(Default)]
pub(super) struct Conductor {
    switch: Arc<Mutex<Conduct>>,
    /// In order of time, since each waits as long as the others or longer.
    late: VecDeque<(Instant, Received)>,
    /// How much garbage was sent: each piece is another one.
    sent: usize,
}

impl Conductor {
    /// The switch, for who changes it.
    pub(super) fn switch(&self) -> Arc<Mutex<Conduct>> {
        Arc::clone(&self.switch)
    }

    /// The next message that is to be served now; `None` once the server is stopped.
    pub(super) async fn next(&mut self, server: &Server) -> Option<Received> {
        loop {
            let due = self.late.front().map(|(due, _)| *due);
            let received = tokio::select! {
                received = server.next() => received?,
                () = until(due) => return self.late.pop_front().map(|(_, late)| late),
            };
            let conduct = *lock(&self.switch);
            match conduct {
                // Behind what still waits, as from one queue.
                Conduct::Well if self.late.is_empty() => return Some(received),
                Conduct::Well => self.late.push_back((soon(Duration::ZERO), received)),
                Conduct::Late(by) => self.late.push_back((soon(by), received)),
                Conduct::Silent => {}
                Conduct::Garbage => {
                    let piece = garbage(self.sent, &received);
                    self.sent = self.sent.wrapping_add(1);
                    // Whoever got the last piece may have hung up.
                    let _ = received.wire.send_raw(&piece).await;
                }
            }
        }
    }
}

/// So far from now.
fn soon(by: Duration) -> Instant {
    Instant::now() + by
}

/// Waits for a time, or for ever.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// What is sent instead of an answer, in turn: no SIP at all, answers that break a rule of RFC 3261 §7 or §8.2.6, answers to
/// something else, and one that never ends.
pub fn garbage(number: usize, received: &Received) -> Vec<u8> {
    let answer = received.message.answer(200, "garbage");
    let text = answer.to_string();
    match number % 8 {
        0 => vec![
            0, 0xff, b'\r', b'\n', 0x80, 0x16, 3, 1, b'\r', b'\n', b'\r', b'\n',
        ],
        1 => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(),
        2 => text
            .replace("branch=z9hG4bK", "branch=z9hG4bKx")
            .into_bytes(),
        3 => text.replace("\r\nCSeq: ", "\r\nCSeq: 9").into_bytes(),
        4 => text.replace("SIP/2.0 200", "SIP/2.0 2000").into_bytes(),
        5 => text
            .replace("Content-Length: 0", "Content-Length: 99999999999")
            .into_bytes(),
        6 => text
            .replace("\r\nCall-ID: ", "\r\nNo-Call-ID: ")
            .into_bytes(),
        // The half of one: what comes next is read as its rest.
        _ => text
            .as_bytes()
            .get(..text.len() / 2)
            .unwrap_or_default()
            .to_vec(),
    }
}
