//! The timer's task: looks at what is due, keeps the state directory up to date, and sleeps until the next moment.
use super::forget_request::Forget;
use super::timer::Timer;
use crate::daemon::clock::now;
use crate::daemon::crl_fetch::Fetched;
use crate::daemon::node::Daemon;
use rustls_pki_types::UnixTime;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Runs until `end`. What is in force by then is in the state directory when it returns.
pub(in crate::daemon) async fn run(
    daemon: Arc<Daemon>,
    mut fetched: mpsc::Receiver<Fetched>,
    mut forgets: mpsc::Receiver<Forget>,
    end: CancellationToken,
) {
    let mut timer = Timer::new(UnixTime::now());
    let mut serving = daemon.serving();
    let mut came = Vec::new();
    loop {
        // In this order: what is new first, then what has aged, then the state directory, which holds what is in force.
        timer.refresh(&daemon, std::mem::take(&mut came)).await;
        timer.grow_old(&daemon);
        timer.save(&daemon).await;
        // In the same directory, and as seldom: what it had no room for.
        daemon.keep_denials_again().await;
        let generation = daemon.generation();
        let pause = timer.pause(&generation, now(), UnixTime::now().as_secs());
        // A generation that comes by a reload has other files and other moments. Not kept while the
        // task sleeps: a generation may be large.
        drop(generation);
        tokio::select! {
            // A reload may have come since the last look.
            () = end.cancelled() => return timer.save(&daemon).await,
            changed = serving.changed() => if changed.is_err() { return },
            // Taken into the next look, with whatever else is due.
            Some(file) = fetched.recv() => came.push(file),
            Some(Forget { id, reply }) = forgets.recv() => {
                let outcome = timer.forget(&daemon, &id).await;
                // Who asked may have gone.
                let _ = reply.send(outcome);
            }
            () = tokio::time::sleep(pause) => {}
        }
    }
}
