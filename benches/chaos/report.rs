//! What a run has shown: the ledger in figures, each kind of fault in a row, and what does not add up with its messages.
use super::ledger::{Failed, FaultEntry, Ledger};
use super::node::NodeLog;
use super::{Options, Outcome};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Calls that are shown with their messages.
const SHOWN: usize = 10;

/// What is summed up of the faults of one kind.
#[derive(Default)]
struct Row {
    times: usize,
    refused: usize,
    lost: usize,
    recovered: Duration,
}

/// Prints the ledger; an error if it does not add up.
pub(crate) fn report(options: &Options, ledger: &Ledger, log: &NodeLog) -> Outcome<()> {
    let of = |counter: &AtomicU64| counter.load(Relaxed);
    let counts = &ledger.counts;
    let (faults, judged) = (ledger.faults(), ledger.judged());
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    for fault in &faults {
        let row = rows.entry(fault.kind).or_default();
        row.times += 1;
        row.recovered = row.recovered.max(fault.recovered.unwrap_or_default());
    }
    let mut refusals: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unexplained = Vec::new();
    let (mut refused, mut lost) = (0_u64, 0_u64);
    for (failed, fault) in &judged {
        if let Some(reason) = &failed.refused {
            *refusals.entry(reason).or_default() += 1;
        }
        let Some(fault) = fault else {
            unexplained.push(failed);
            continue;
        };
        let row = rows.entry(fault.kind).or_default();
        match failed.refused {
            Some(_) => (row.refused, refused) = (row.refused + 1, refused + 1),
            None => (row.lost, lost) = (row.lost + 1, lost + 1),
        }
    }
    let (offered, answered) = (of(&counts.offered), of(&counts.answered));
    println!(
        "seed {}, {} s at {} calls a second, {} phones",
        options.seed,
        options.time.as_secs(),
        options.rate,
        options.phones
    );
    println!(
        "calls     {offered} offered = {answered} answered + {refused} refused + {lost} lost, each by a fault, + {} that none explains",
        unexplained.len()
    );
    println!(
        "requests  {}, final answers {}; {} on the phone's next connection, {} sent again, {} closed on",
        of(&counts.requests),
        of(&counts.finals),
        of(&counts.elsewhere),
        of(&counts.repeated),
        of(&counts.closed)
    );
    println!("phones    came back {} times", of(&counts.reconnects));
    let beside = ledger.lost_beside();
    println!(
        "{:<26} {:>5} {:>8} {:>5} {:>10} {:>11} {:>5}",
        "fault", "times", "refused", "lost", "up beside", "of them lost", "well after"
    );
    for (kind, row) in &rows {
        let (up, up_lost) = beside.get(kind).copied().unwrap_or_default();
        println!(
            "{kind:<26} {:>5} {:>8} {:>5} {up:>10} {up_lost:>11} {:>6} ms",
            row.times,
            row.refused,
            row.lost,
            row.recovered.as_millis()
        );
    }
    for (reason, count) in refusals {
        println!("  {count} times {reason}");
    }
    for (event, count) in log.counts() {
        println!("  logged {count} times: {event}");
    }
    let wrongs = ledger.wrongs();
    let adds_up = offered == answered + refused + lost;
    if adds_up && unexplained.is_empty() && wrongs.is_empty() && answered > 0 {
        println!("the ledger adds up");
        return Ok(());
    }
    complain(options, &faults, &unexplained, &wrongs, log);
    Err(format!("the ledger of seed {} does not add up", options.seed).into())
}

/// Shows what it takes to find out why.
fn complain(
    options: &Options,
    faults: &[FaultEntry],
    unexplained: &[&Failed],
    wrongs: &[String],
    log: &NodeLog,
) {
    eprintln!("--- seed {}; the faults", options.seed);
    for fault in faults {
        let ended = fault.ended.unwrap_or_default().as_secs_f64();
        eprintln!(
            "{:.3} to {ended:.3}: {} {}",
            fault.began.as_secs_f64(),
            fault.kind,
            fault.label
        );
    }
    for wrong in wrongs {
        eprintln!("--- {wrong}");
    }
    let mut kinds: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for failed in unexplained {
        let refused = failed.refused.as_deref().unwrap_or("lost");
        let kind = format!("{}, {refused}, {}", failed.step, failed.why);
        kinds.entry(kind).or_default().push(failed.to.as_secs_f64());
    }
    for (kind, times) in kinds {
        eprintln!("--- {} times {kind}, at {times:.1?}", times.len());
    }
    for failed in unexplained.iter().take(SHOWN) {
        let Failed {
            call, step, why, ..
        } = failed;
        eprintln!(
            "--- call {call}, {step}, {:.3} to {:.3}: {why} {}; {:?}",
            failed.from.as_secs_f64(),
            failed.to.as_secs_f64(),
            failed.refused.as_deref().unwrap_or_default(),
            failed.parties
        );
        for message in &failed.messages {
            eprintln!("    {message}");
        }
    }
    eprintln!("--- the last warnings");
    for line in log.last_lines() {
        eprintln!("{line}");
    }
}
