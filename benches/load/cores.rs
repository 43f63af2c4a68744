//! What a second core costs: calls that are carried by one shard and by several, and calls from a home server to a client of
//! its own shard and of another one.
//!
//! Calls per second say little where the generator shares the cores, so it is the daemon's CPU time for each call that is
//! compared, at one rate. All is measured in turn, several times, and the medians count: a noisy minute meets all rows.
//! Beside it stands what does not depend on the machine: messages between shards, and atomic instructions, for each call.
use super::phases::{self, Figures};
use super::scene::{Running, Scene};
use super::traffic::{self, Pace, Scenario};
use super::{Options, Outcome, atomics};
use std::time::Duration;

/// The rows, in the order in which they are measured.
const ROWS: [(&str, Scene); 6] = [
    ("call_1_shard", Scene::ToHome { shards: 1 }),
    ("call_2_shards", Scene::ToHome { shards: 2 }),
    ("call_4_shards", Scene::ToHome { shards: 4 }),
    ("call_8_shards", Scene::ToHome { shards: 8 }),
    ("home_call_same_shard", Scene::FromHome { same_shard: true }),
    (
        "home_call_other_shard",
        Scene::FromHome { same_shard: false },
    ),
];
/// Which rows are compared, and what the second may be of the first.
const COMPARED: [(&str, &str); 4] = [
    ("call_1_shard", "call_2_shards"),
    ("call_1_shard", "call_4_shards"),
    ("call_1_shard", "call_8_shards"),
    ("home_call_same_shard", "home_call_other_shard"),
];
/// What one shard hands to another.
const CROSSINGS: &str = "sipward_shard_messages_total";
/// Calls in the shorter and in the longer run under callgrind.
const COUNTED: [u64; 2] = [200, 1_200];
/// Longer than any of these runs takes under valgrind.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a call took.
#[derive(Clone, Copy)]
struct Cost {
    /// CPU microseconds of the daemon.
    cpu_us: f64,
    /// What its messages handed from shard to shard.
    crossings: f64,
}

/// Runs it and prints a row for each.
pub(crate) async fn cores(options: &Options) -> Outcome<Figures> {
    // More shards than cores would be another matter.
    let cores = std::thread::available_parallelism()?.get();
    let rows = ROWS.iter().filter(|(_, scene)| scene.shards() <= cores);
    let rows: Vec<&(&'static str, Scene)> = rows.collect();
    let mut runs = Vec::new();
    for _ in 0..options.starts {
        for (name, scene) in &rows {
            runs.push((*name, cost(options, *scene).await?));
        }
    }
    let mut figures = Figures::new();
    println!(
        "row                     CPU us  messages between shards  atomic instructions, each of a call"
    );
    for (name, scene) in rows {
        let of_it = runs.iter().filter(|(other, _)| other == name);
        let mut each: Vec<Cost> = of_it.map(|(_, cost)| *cost).collect();
        each.sort_by(|one, other| one.cpu_us.total_cmp(&other.cpu_us));
        let Some(middle) = each.get(each.len() / 2) else {
            continue;
        };
        let atomics = atomics_of(options, *scene).await?;
        println!(
            "{name:<22} {:>7.1} {:>24.2} {atomics:>20.1}",
            middle.cpu_us, middle.crossings
        );
        figures.insert(name, middle.cpu_us);
    }
    for (one, other) in COMPARED {
        if let Some((small, large)) = figures.get(one).zip(figures.get(other)) {
            println!("{other}: {:.2} of {one}", large / small);
        }
    }
    Ok(figures)
}

/// A call by the clock.
async fn cost(options: &Options, scene: Scene) -> Outcome<Cost> {
    let Running {
        target,
        clients,
        answering,
        site,
        others: _others,
    } = scene.start(options, None).await?;
    let pace = Pace::Open { rate: options.rate };
    // Connections between the shards and the server come up, and tables grow, before anything counts.
    let warm = options.time / 3;
    let (clients, _) = traffic::run(clients, Scenario::Call, pace, warm).await?;
    let before = target.metric(&site, CROSSINGS)?;
    let (_, seen) =
        phases::under_load(&target, clients, Scenario::Call, pace, options.time).await?;
    seen.faultless()?;
    let crossings = target.metric(&site, CROSSINGS)?.saturating_sub(before);
    answering.iter().for_each(|task| task.abort());
    Ok(Cost {
        cpu_us: seen.per(1.0),
        crossings: crossings as f64 / seen.count(),
    })
}

/// Atomic instructions of a call: those of a longer run under callgrind, less those of a shorter one.
async fn atomics_of(options: &Options, scene: Scene) -> Outcome<f64> {
    let mut found = [0; 2];
    for (found, requests) in found.iter_mut().zip(COUNTED) {
        // Few connections: each costs a handshake, and valgrind is slow.
        let options = Options {
            clients: 2,
            ..options.clone()
        };
        let running = scene.start(&options, Some(atomics::CALLGRIND)).await?;
        let pace = Pace::Counted {
            outstanding: 10,
            each: requests / running.clients.len().max(1) as u64,
        };
        let Running {
            mut target,
            clients,
            answering,
            site,
            others,
        } = running;
        let (clients, tally) = traffic::run(clients, Scenario::Call, pace, PATIENCE).await?;
        if tally.errors + tally.lost > 0 {
            return Err(format!("{} refused, {} lost", tally.errors, tally.lost).into());
        }
        answering.iter().for_each(|task| task.abort());
        drop((clients, others));
        target.end()?;
        *found = atomics::executed(&options.binary, &site.path().join("callgrind.out"))?;
    }
    let [few, many] = found;
    let [short, long] = COUNTED;
    Ok(many.saturating_sub(few) as f64 / (long - short) as f64)
}
