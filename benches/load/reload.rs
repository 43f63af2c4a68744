//! How long a reload holds up a shard: the CPU time that its thread takes for one, beside many partners, of which some are
//! connected and have their certificates judged anew, and many clients. And how late the control socket answers meanwhile.
//!
//! Nothing else asks anything of the shards meanwhile, so that no pause can be longer than the CPU time; unlike the time on
//! a clock it is the same on a busy machine.
use super::phases::Figures;
use super::target::{Target, partner};
use super::tls::{self, Dialler, Hello};
use super::traffic::Client;
use super::{Options, Outcome, crowd, home};
use sipward::daemon::control::{Request, ask};
use sipward_lab::site::Site;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Reloads that are measured; the shortest counts, since everything that disturbs only makes it longer.
const TIMES: usize = 5;
/// What a thread does without being asked falls into this time, too, and is subtracted.
const QUIET: Duration = Duration::from_secs(1);

/// How often the control socket is asked.
const EVERY: Duration = Duration::from_millis(5);
/// How long its answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// CPU milliseconds of the busiest shard in a reload, and the longest time in which the control socket has answered.
pub(crate) async fn reload(options: &Options) -> Outcome<Figures> {
    let site = Site::new()?;
    let fe01 = tls::home_identity(&site)?;
    let home = home::start(&site)?;
    let target = Target::start(options.target, &site, home, options)?;
    let dialler = Dialler::new(&site, Hello::Full, &fe01)?;
    let clients = crowd::idle(&target, &dialler, options.idle).await?;
    let mut peers = Vec::new();
    for number in 0..options.live.min(options.partners) {
        let own = site.fabrikam.server(&partner(number))?;
        let dialler = Dialler::new(&site, Hello::Mutual, &own)?;
        let mut peer = Client::connect(&dialler, target.address, number).await?;
        peer.ping().await?;
        peers.push(peer);
    }
    let mut waits = Vec::new();
    for number in 0..TIMES {
        let (socket, stop) = (
            site.path().join("control.sock"),
            Arc::<AtomicBool>::default(),
        );
        let asked = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || longest_answer(&socket, &stop)
        });
        target.reload(&site, number)?;
        stop.store(true, Ordering::Relaxed);
        waits.push(asked.join().map_err(|_| "the thread that asks")??);
    }
    // Apart from them: what the shards do for an answer would be counted as theirs.
    let mut pauses = Vec::new();
    for number in TIMES..2 * TIMES {
        tokio::time::sleep(QUIET).await;
        let before = target.cpu_of_threads("sipward-shard");
        target.reload(&site, number)?;
        let after = target.cpu_of_threads("sipward-shard");
        if before.is_empty() || before.len() != after.len() {
            return Err(format!("{} threads of shards, then {}", before.len(), after.len()).into());
        }
        let spent = before.iter().zip(&after).map(|(from, to)| to - from);
        pauses.push(spent.fold(0.0, f64::max));
    }
    // As often as not the longest answer is one of a busy machine: the median of the longest is what counts.
    waits.sort();
    let wait = waits.get(waits.len() / 2).copied().unwrap_or_default();
    let shortest = pauses.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(Figures::from([
        ("partners", options.partners as f64),
        ("clients", clients.len() as f64),
        ("live_peers", peers.len() as f64),
        ("reload_shard_ms", shortest * 1e3),
        ("reload_control_ms", wait.as_secs_f64() * 1e3),
    ]))
}

/// The longest time that an answer of the control socket takes until then.
fn longest_answer(socket: &Path, stop: &AtomicBool) -> Result<Duration, String> {
    let mut longest = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let began = super::now();
        ask(socket, &Request::Status {}, PATIENCE).map_err(|e| e.to_string())?;
        longest = longest.max(began.elapsed());
        std::thread::sleep(EVERY);
    }
    Ok(longest)
}
