//! Instructions in user space that a MESSAGE with its answer and a call cost the daemon, log lines included.
//!
//! Callgrind counts the whole run of a daemon. Two runs that differ only in how many requests they carried differ by the
//! requests alone, so start-up, handshakes and shutdown fall out. The same binary gives the same figures in any hour, to
//! about one in a hundred, which no clock does on a shared machine. `--target haproxy` counts a relay that reads nothing.
use super::target::Target;
use super::tls::{self, Dialler, Hello};
use super::traffic::{self, Pace, Scenario};
use super::{Options, Outcome, home, phases};
use sipward_lab::site::Site;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Requests in the shorter run: tables have grown and caches have filled by then.
const FEW: u64 = 200;
/// Requests in the longer run: so many more that what differs between two starts, the entropy that is gathered above all, is
/// lost among them.
const MANY: u64 = 3_000;
/// Sent at once, when all before are answered: enough that messages share reads and records, as they do under load. Were one
/// sent for each that is answered, then two halves that were once read apart would stay apart, and a message would cost 4 %
/// more in one run than in the next.
const TOGETHER: usize = 10;
/// The part of a figure, in hundredths, by which a run may lie above the figure of the file: the spread of runs is a third
/// of it.
const TOLERANCE: u64 = 3;
/// Longer than any of these runs takes under valgrind.
const PATIENCE: Duration = Duration::from_secs(300);

/// Prints one line of JSON with both figures.
///
/// # Errors
/// A figure lies above the file's by more than the tolerance, a request was lost, or a program does not start.
pub(crate) async fn count(options: &Options) -> Outcome<()> {
    let mut figures = Vec::new();
    for (name, scenario) in [("message", Scenario::Message), ("call", Scenario::Call)] {
        let few = total(options, scenario, FEW).await?;
        let many = total(options, scenario, MANY).await?;
        figures.push((name, many.saturating_sub(few) / (MANY - FEW)));
    }
    let object = figures
        .iter()
        .map(|&(name, each)| (name.to_owned(), each.into()));
    println!("{}", serde_json::Value::Object(object.collect()));
    match &options.against {
        Some(file) => compare(&figures, &fs::read_to_string(file)?, file),
        None => Ok(()),
    }
}

/// Fails if a figure is higher than the file's by more than the tolerance. One that is lower by as much is told: the file
/// would let a later change spend what was won.
fn compare(figures: &[(&str, u64)], file: &str, path: &str) -> Outcome<()> {
    let written = |name: &str| {
        let mut lines = file.lines().filter_map(|line| line.split_once(' '));
        let figure = lines.find(|(found, _)| *found == name)?.1;
        figure.trim().parse::<u64>().ok()
    };
    let mut faults = Vec::new();
    for &(name, counted) in figures {
        let expected = written(name).ok_or_else(|| format!("{path} has no figure for {name}"))?;
        if counted * 100 > expected * (100 + TOLERANCE) {
            faults.push(format!(
                "{name}: {counted} instructions, {path} has {expected}: make it cheaper, or raise the figure and say why"
            ));
        } else if counted * 100 < expected * (100 - TOLERANCE) {
            println!("{name}: {counted} instructions, {path} has {expected}: it can be lowered");
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(faults.join("; ").into())
}

/// Instructions of a daemon's whole run in which one client sends so many requests.
async fn total(options: &Options, scenario: Scenario, requests: u64) -> Outcome<u64> {
    let site = Site::new()?;
    let counts = site.path().join("callgrind.out");
    let options = Options {
        // One shard: which connection lies where would decide what a message costs.
        shards: 1,
        clients: 1,
        under: vec![
            "valgrind".to_owned(),
            "--quiet".to_owned(),
            "--tool=callgrind".to_owned(),
            format!("--callgrind-out-file={}", counts.display()),
        ],
        ..options.clone()
    };
    let fe01 = tls::home_identity(&site)?;
    let home = home::start(&site)?;
    let mut target = Target::start(options.target, &site, home, &options)?;
    let dialler = Dialler::new(&site, Hello::Full, &fe01)?;
    let clients = phases::connect(&target, &dialler, options.clients).await?;
    let pace = Pace::Rounds {
        together: TOGETHER,
        each: requests,
    };
    let (clients, tally) = traffic::run(clients, scenario, pace, PATIENCE).await?;
    if tally.errors + tally.lost > 0 {
        return Err(format!("{} refused, {} lost", tally.errors, tally.lost).into());
    }
    drop(clients);
    target.end()?;
    if let Some(directory) = &options.keep {
        fs::create_dir_all(directory)?;
        let name = format!("{scenario:?}-{requests}.callgrind");
        fs::copy(&counts, Path::new(directory).join(name))?;
    }
    let text = fs::read_to_string(&counts)?;
    text.lines()
        .find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok())
        .ok_or_else(|| "callgrind wrote no total".into())
}
