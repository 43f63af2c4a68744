//! What a message costs beside few and beside many: idle clients, peers of the topology, running calls, registered clients.
//!
//! Two daemons run side by side, one with few of them and one with many, and carry the same messages. Counted are instructions
//! in user space, by callgrind, which are the same on a busy machine; what they do not show, tables that the caches no longer
//! hold above all, is in CPU time, measured of both in turn.
use super::beside::{Beside, Crowd};
use super::callgrind::{self, Counter};
use super::{Options, Outcome};
use serde_json::json;
use std::path::Path;

/// What the cost beside many may be of that beside few.
const BOUND: f64 = 1.15;
/// Requests in the shorter and in the longer count, of which the difference counts.
const COUNTED: [u64; 2] = [200, 2_200];

/// Into so many turns the time of each is divided in which CPU time is measured: short ones, so that both daemons meet the same
/// moments of a busy machine.
const TURNS: u32 = 31;

/// What is measured of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cost {
    /// Instructions in user space.
    Instructions,
    /// CPU microseconds, system calls included.
    Time,
}

impl Cost {
    fn unit(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::Time => "CPU us",
        }
    }
}

/// Prints a row for each kind of messages, and one line of JSON.
///
/// # Errors
/// A message costs more beside many than the bound allows, or was refused or lost.
pub(crate) async fn growth(options: &Options, cost: Cost) -> Outcome<()> {
    let missed = measured(options, cost).await?;
    match missed.is_empty() {
        true => Ok(()),
        false => Err(format!("more than {BOUND} of the cost beside few: {missed:?}").into()),
    }
}

/// The same; gives what the bound does not allow.
pub(crate) async fn measured(options: &Options, cost: Cost) -> Outcome<Vec<String>> {
    println!(
        "{:<9} {:<23} {:>7} {:>9}  {:>10} {:>10}  of each {}",
        "beside",
        "message",
        "few",
        "many",
        "few",
        "many",
        cost.unit()
    );
    let (mut rows, mut missed) = (Vec::new(), Vec::new());
    for (name, crowd) in Crowd::ALL {
        if options.crowd.is_some_and(|only| only != crowd) {
            continue;
        }
        let sizes = crowd.sizes(options);
        let counted = cost == Cost::Instructions;
        let under = match cost {
            Cost::Instructions => callgrind::words,
            Cost::Time => |_: &Path| Vec::new(),
        };
        let mut few = crowd.start(sizes[0], under, options).await?;
        let mut many = crowd.start(sizes[1], under, options).await?;
        let found = match cost {
            Cost::Instructions => {
                let few = instructions(&mut few).await?;
                let many = instructions(&mut many).await?;
                few.into_iter().zip(many).collect()
            }
            Cost::Time => times(&mut few, &mut many, options).await?,
        };
        for (lane, (small, large)) in many.lanes.iter().zip(found) {
            let ratio = large / small;
            println!(
                "{name:<9} {:<23} {:>7} {:>9}  {small:>10.1} {large:>10.1}  {ratio:.3}",
                lane.name, sizes[0], sizes[1]
            );
            rows.push(json!({
                "beside": name, "message": lane.name, "few": sizes[0], "many": sizes[1],
                "cost_beside_few": small, "cost_beside_many": large, "ratio": ratio,
            }));
            if ratio > BOUND {
                missed.push(format!("{} beside {name}: {ratio:.2}", lane.name));
            }
        }
        if !counted && crowd != Crowd::Peers {
            println!("{name:<9} one takes {:.0} bytes", many.each);
        }
    }
    println!(
        "{}",
        json!({ "bench": "growth", "unit": cost.unit(), "rows": rows })
    );
    Ok(missed)
}

/// Of each kind of messages.
async fn instructions(beside: &mut Beside) -> Outcome<Vec<f64>> {
    let mut counter = Counter::start(beside.target.pid(), beside.site.path())?;
    let [short, long] = COUNTED;
    let mut all = Vec::new();
    for lane in &mut beside.lanes {
        // Tables grow and caches fill before anything counts.
        lane.send(short).await?;
        counter.count()?;
        lane.send(short).await?;
        let few = counter.count()?;
        lane.send(long).await?;
        let many = counter.count()?;
        all.push(many.saturating_sub(few) as f64 / (long - short) as f64);
    }
    Ok(all)
}

/// Of each kind of messages beside few and beside many, in turn, so that a noisy moment meets both; the medians.
async fn times(few: &mut Beside, many: &mut Beside, options: &Options) -> Outcome<Vec<(f64, f64)>> {
    let mut all = Vec::new();
    for at in 0..few.lanes.len() {
        // Tables grow and caches fill before anything counts.
        time(few, at, options).await?;
        time(many, at, options).await?;
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            small.push(time(few, at, options).await?);
            large.push(time(many, at, options).await?);
        }
        all.push((median(small), median(large)));
    }
    Ok(all)
}

async fn time(beside: &mut Beside, at: usize, options: &Options) -> Outcome<f64> {
    let lane = beside.lanes.get_mut(at).ok_or("no such lane")?;
    let before = beside.target.cpu();
    let count = lane.run(None, options.time / TURNS).await?;
    Ok((beside.target.cpu() - before) * 1e6 / count)
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}
