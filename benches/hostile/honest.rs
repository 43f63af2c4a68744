//! Those who mean well while somebody else floods: clients that send a text now and then, on a thread of their own, and what
//! became of each.
use super::ends::{self, Tls};
use super::{Outcome, now};
use rustls::ClientConfig;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How often each sends.
const EVERY: Duration = Duration::from_millis(250);
/// How long each waits for an answer, and to come in.
const PATIENCE: Duration = Duration::from_secs(5);

/// Some clients, each from a source of its own, until they are stopped.
pub(crate) struct HonestCrowd {
    stop: watch::Sender<bool>,
    thread: JoinHandle<Outcome<Fared>>,
}

/// How they fared.
#[derive(Default)]
pub(crate) struct Fared {
    pub(crate) asked: usize,
    pub(crate) answered: usize,
    times: Vec<Duration>,
}

impl HonestCrowd {
    /// They come in one after the other, and are there when this returns.
    pub(crate) async fn start(
        config: Arc<ClientConfig>,
        to: SocketAddr,
        count: usize,
    ) -> Outcome<Self> {
        let (stop, stopped) = watch::channel(false);
        let (there, all_there) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let mut all = JoinSet::new();
                for number in 0..count {
                    let source = IpAddr::from([127, 0, 7, number as u8 + 1]);
                    let (tls, _) = ends::come_in(config.clone(), source, to, PATIENCE).await?;
                    all.spawn(text(tls, number, stopped.clone()));
                }
                let _ = there.send(());
                let mut sum = Fared::default();
                while let Some(one) = all.join_next().await {
                    let one = one?;
                    sum.asked += one.asked;
                    sum.answered += one.answered;
                    sum.times.extend(one.times);
                }
                Ok(sum)
            })
        });
        // An error is told by the thread's end.
        let _ = all_there.await;
        Ok(Self { stop, thread })
    }

    /// Ends it.
    pub(crate) fn stop(self) -> Outcome<Fared> {
        self.stop.send_replace(true);
        let joined = self.thread.join();
        joined.map_err(|_| "the thread of those who mean well")?
    }
}

impl Fared {
    /// How many were not answered.
    pub(crate) fn hurt(&self) -> usize {
        self.asked - self.answered
    }

    /// In words.
    pub(crate) fn shown(&mut self) -> String {
        let (answered, asked) = (self.answered, self.asked);
        format!(
            "who means well: {answered} of {asked} answered ({})",
            ends::shown(&mut self.times)
        )
    }
}

async fn text(mut tls: Tls, client: usize, stopped: watch::Receiver<bool>) -> Fared {
    let mut fared = Fared::default();
    while !*stopped.borrow() {
        fared.asked += 1;
        let began = now();
        let asked = ask_home(&mut tls, client, fared.asked);
        // One that was answered otherwise, or not in time, is hurt for good.
        let Ok(Ok(())) = tokio::time::timeout(PATIENCE, asked).await else {
            break;
        };
        fared.answered += 1;
        fared.times.push(began.elapsed());
        tokio::time::sleep(EVERY).await;
    }
    fared
}

/// A MESSAGE that the home server answers.
pub(crate) async fn ask_home(tls: &mut Tls, client: usize, number: usize) -> Outcome<()> {
    let text = format!(
        "MESSAGE sip:bob@contoso.test SIP/2.0\r\nVia: SIP/2.0/TLS h.test;branch=z9hG4bKh{client}n{number}\r\nMax-Forwards: 70\r\nFrom: <sip:honest@contoso.test>;tag=h{client}\r\nTo: <sip:bob@contoso.test>\r\nCall-ID: honest{client}n{number}\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
    );
    tls.write_all(text.as_bytes()).await?;
    tls.flush().await?;
    let mut answer: Vec<u8> = Vec::new();
    loop {
        let head = answer.windows(4).position(|end| end == b"\r\n\r\n");
        match head {
            // RFC 4320 §4.1: so it is answered first if the home server takes seconds, as it may on a busy machine.
            Some(end) if answer.starts_with(b"SIP/2.0 100") => drop(answer.drain(..end + 4)),
            Some(_) => break,
            None if tls.read_buf(&mut answer).await? == 0 => return Err("closed".into()),
            None => {}
        }
    }
    match answer.starts_with(b"SIP/2.0 200") {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&answer).into()),
    }
}
