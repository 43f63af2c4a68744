//! How long a reload holds up a shard: the CPU time that its thread takes for one, beside many partners and many clients.
//!
//! Nothing else asks anything of the shards meanwhile, so that no pause can be longer than the CPU time; unlike the time on
//! a clock it is the same on a busy machine.
use super::phases::Figures;
use super::target::Target;
use super::tls::{self, Dialler, Hello};
use super::{Options, Outcome, crowd, home};
use sipward_lab::site::Site;
use std::time::Duration;

/// Reloads that are measured; the shortest counts, since everything that disturbs only makes it longer.
const TIMES: usize = 5;
/// What a thread does without being asked falls into this time, too, and is subtracted.
const QUIET: Duration = Duration::from_secs(1);

/// CPU milliseconds of the busiest shard in a reload.
pub(crate) async fn reload(options: &Options) -> Outcome<Figures> {
    let site = Site::new()?;
    let fe01 = tls::home_identity(&site)?;
    let home = home::start(&site)?;
    let target = Target::start(options.target, &site, home, options)?;
    let dialler = Dialler::new(&site, Hello::Full, &fe01)?;
    let clients = crowd::idle(&target, &dialler, options.idle).await?;
    let mut pauses = Vec::new();
    for number in 0..TIMES {
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
    let shortest = pauses.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(Figures::from([
        ("partners", options.partners as f64),
        ("clients", clients.len() as f64),
        ("reload_shard_ms", shortest * 1e3),
    ]))
}
