//! A rate of calls, or of calls and texts over one connection, held by the clock for minutes: what is refused, and whether
//! the memory stays where it is once the first answered calls leave (32 seconds, RFC 6026 §7).
use super::phases::{self, Figures};
use super::target::Target;
use super::tls::{self, Dialler, Hello};
use super::traffic::{self, Pace, Scenario};
use super::{Options, Outcome, home};
use sipward_lab::site::Site;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// Each has a line of figures.
const PART: Duration = Duration::from_secs(10);
/// By then as many answered calls are kept as ever will be, and tables have the size that they keep.
const WARM: usize = 5;

/// Runs it and prints a row for each part.
pub(crate) async fn sustained(options: &Options, scenario: Scenario) -> Outcome<Figures> {
    let site = Site::new()?;
    let fe01 = tls::home_identity(&site)?;
    let home = home::start(&site)?;
    let mut target = Target::start(options.target, &site, home, options)?;
    let full = Dialler::new(&site, Hello::Full, &fe01)?;
    let mut clients = phases::connect(&target, &full, options.clients).await?;
    let pace = Pace::Open { rate: options.rate };
    let (mut held, mut refused, mut lost, mut answered) = (Vec::new(), 0, 0, 0);
    let (first_cpu, first) = (target.cpu(), super::now());
    println!("second  resident MB  CPU cores  answered a second  p99 ms  refused  lost");
    while first.elapsed() < options.time {
        let (cpu, began) = (target.cpu(), super::now());
        let rest = options.time.saturating_sub(first.elapsed());
        let (back, seen) = traffic::run(clients, scenario, pace, PART.min(rest)).await?;
        clients = back;
        let seconds = began.elapsed().as_secs_f64();
        let resident = target.resident();
        println!(
            "{:>6.0} {:>12.0} {:>10.2} {:>18.0} {:>7.1} {:>8} {:>5}",
            first.elapsed().as_secs_f64(),
            resident as f64 / 1e6,
            (target.cpu() - cpu) / seconds,
            seen.latencies.len() as f64 / seconds,
            seen.latencies.value_at_quantile(0.99) as f64 / 1e6,
            seen.errors,
            seen.lost,
        );
        held.push(resident);
        refused += seen.errors;
        lost += seen.lost;
        answered += seen.latencies.len();
    }
    // A bound of the daemon, or a home server that did not get to read: that is another matter.
    let log = fs::read_to_string(site.path().join("sipward.log"))?;
    let events = log
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let reached = events.filter(|event| event.get("event").is_some_and(|it| it == "bound_reached"));
    let reasons: BTreeSet<String> = reached
        .filter_map(|event| Some(event.get("reason")?.as_str()?.to_owned()))
        .collect();
    println!("bounds that refused something: {reasons:?}");
    if !target.alive() {
        return Err("it has died under load".into());
    }
    let seconds = first.elapsed().as_secs_f64();
    let warm = held.get(WARM..).filter(|held| !held.is_empty());
    let warm = warm.unwrap_or(&held);
    let at = |bytes: Option<&u64>| bytes.map_or(0.0, |bytes| *bytes as f64);
    Ok(Figures::from([
        ("sustained_seconds", seconds),
        ("sustained_per_s", answered as f64 / seconds),
        ("sustained_cpu_cores", (target.cpu() - first_cpu) / seconds),
        ("sustained_refused", refused as f64),
        ("sustained_lost", lost as f64),
        ("sustained_resident_warm", at(warm.first())),
        ("sustained_resident_most", at(warm.iter().max())),
        ("sustained_resident_end", at(warm.last())),
    ]))
}
