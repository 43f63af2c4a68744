//! A run of faults under calls, drawn from a seed, with a ledger: what was offered was answered, or refused or lost by a fault.
//!
//! `cargo bench --bench chaos -- [run|smoke] [--seconds 1800] [--seed 1] [--rate 100] [--phones 40] [--threads 2]
//! [--only NAME] [--binary PATH]`
//!
//! Phones call each other and two partners through the daemon and three home servers. Two lanes of faults run meanwhile: one
//! harms home servers and partners and the lines to them, one strains the node and what it needs (certificates, trust, CRLs,
//! DNS, clock, disk, log, signals, upgrades). When each is over, who was hit must serve again within a bound, without a restart.
//! In the end every call must be accounted for: answered, or refused or lost by a fault that hit one of its parties at the time;
//! each request has one final answer, whatever happened. If not, the seed, the faults and the messages of the calls are shown.
//! `--only` makes those faults alone that have this in their names, to look for the cause.
//!
//! Clock and disk are the daemon's own: the clock is stepped by libfaketime where that is installed, and the disk is a small
//! file system in a mount namespace where this user may make one. What is not there is left out, and said.

mod call;
mod dice;
mod fault;
mod ledger;
mod node;
mod phone;
mod report;
mod schedule;
mod server;
mod world;

use call::{Call, Callee};
use dice::Dice;
use ledger::Ledger;
use phone::Phone;
use sipward_lab::site::EDGE;
use sipward_lab::{EdgeTarget, Transcript, trust_only};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use world::World;

/// What any step may end with.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Longer than any run: ends that wait for whatever comes.
pub(crate) const FOREVER: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a call is up at least, and at most.
const HOLD: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(8));
/// Calls that go on without a fault at the end.
const CALM: Duration = Duration::from_secs(5);

/// What may be chosen on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) time: Duration,
    pub(crate) seed: u64,
    /// Calls a second.
    pub(crate) rate: u64,
    pub(crate) phones: usize,
    /// Of this program: its ends may not be what limits the calls.
    threads: usize,
    /// How long a fault lasts, and how long it is quiet before the next.
    pub(crate) lasts: (Duration, Duration),
    pub(crate) quiet: (Duration, Duration),
    /// A part of the names of the faults that are made; empty: all.
    pub(crate) only: String,
    /// The daemon's program.
    pub(crate) binary: String,
}

impl Options {
    fn from_args() -> Outcome<Self> {
        let mut options = Self {
            time: Duration::from_secs(1800),
            seed: 1,
            rate: 100,
            phones: 40,
            threads: 2,
            lasts: (Duration::from_secs(2), Duration::from_secs(12)),
            quiet: (Duration::from_secs(1), Duration::from_secs(5)),
            only: String::new(),
            binary: env!("CARGO_BIN_EXE_sipward").to_owned(),
        };
        // Cargo itself passes --bench.
        let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
        while let Some(arg) = args.next() {
            let Some(name) = arg.strip_prefix("--") else {
                match arg.as_str() {
                    "run" => {}
                    // As short as shows every kind of fault, in a build without optimisation.
                    "smoke" => {
                        options.time = Duration::from_secs(60);
                        options.rate = 15;
                        options.phones = 12;
                        options.lasts = (Duration::from_millis(500), Duration::from_millis(1500));
                        options.quiet = (Duration::from_millis(50), Duration::from_millis(300));
                    }
                    _ => return Err(format!("unknown command {arg}: run or smoke").into()),
                }
                continue;
            };
            let value = args
                .next()
                .ok_or_else(|| format!("--{name} wants a value"))?;
            match name {
                "seconds" => options.time = Duration::from_secs(value.parse()?),
                "seed" => options.seed = value.parse()?,
                "rate" => options.rate = value.parse::<u64>()?.clamp(1, 1000),
                "phones" => options.phones = value.parse::<usize>()?.max(2),
                "threads" => options.threads = value.parse()?,
                "only" => options.only = value,
                "binary" => options.binary = value,
                _ => return Err(format!("unknown option --{name}").into()),
            }
        }
        Ok(options)
    }
}

fn main() -> Outcome<()> {
    let options = Options::from_args()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.threads)
        .enable_all()
        .build()?;
    runtime.block_on(run(&options))
}

async fn run(options: &Options) -> Outcome<()> {
    let ledger = Arc::new(Ledger::new());
    let world = Arc::new(World::start(options, &ledger).await?);
    if !world.has_clock {
        println!("left out: steps of the clock (libfaketime is not installed)");
    }
    if !world.has_disk {
        println!("left out: a full disk (this user may mount nothing)");
    }
    let face = EdgeTarget {
        address: world.node.lock().await.address()?,
        name: EDGE.to_owned(),
        roots: trust_only(&[&world.site.enterprise])?,
        transcript: Transcript::blank(),
    };
    let phones: Vec<Arc<Phone>> = (0..options.phones)
        .map(|number| Phone::new(format!("phone{number}"), &face, &ledger))
        .collect();
    for phone in &phones {
        tokio::spawn(Arc::clone(phone).live());
    }
    for phone in &phones {
        let ready = phone.ready(Duration::from_secs(60)).await;
        ready.ok_or_else(|| format!("{} does not come up", phone.user))?;
    }
    let began = ledger.now();
    let lanes = [schedule::servers, schedule::strains].map(|deck| {
        let (world, options) = (Arc::clone(&world), options.clone());
        tokio::spawn(async move { schedule::lane(&world, &options, deck, began).await })
    });
    let calls = tokio::spawn(offer(
        Arc::clone(&world),
        phones.clone(),
        options.clone(),
        began,
    ));
    for lane in lanes {
        if let Err(error) = lane.await? {
            ledger.wrong(format!("a fault could not be made or undone: {error}"));
        }
    }
    calls.await??;
    let mut node = world.node.lock().await;
    let back = phones.iter().filter(|phone| phone.is_ready()).count();
    if back < phones.len() {
        ledger.wrong(format!("{back} of {} phones are there", phones.len()));
    }
    if let Some(how) = node.has_ended() {
        ledger.wrong(how);
    } else {
        println!(
            "resident {} MiB, descriptors {}",
            node.memory(),
            node.descriptors()
        );
        ledger.close();
        let status = node.end(rustix::process::Signal::TERM).await?;
        if status.is_some_and(|status| !status.success()) {
            ledger.wrong(format!("SIGTERM ended it with {status:?}"));
        }
    }
    for stray in node.log.strays() {
        ledger.wrong(format!("a line of the log that is no event: {stray}"));
    }
    report::report(options, &ledger, &node.log)
}

/// Offers calls by the clock until the time is over, and waits for the last one.
async fn offer(
    world: Arc<World>,
    phones: Vec<Arc<Phone>>,
    options: Options,
    began: Duration,
) -> Outcome<()> {
    let mut dice = Dice::new(options.seed, 3);
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / options.rate));
    // A machine that is held up for a while is not flooded afterwards.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut running = tokio::task::JoinSet::new();
    let mut shown = world.ledger.now();
    while world.ledger.now() < began + options.time + CALM {
        ticks.tick().await;
        // Nobody calls itself.
        let one = dice.below(phones.len());
        let two = (one + 1 + dice.below(phones.len() - 1)) % phones.len();
        let (Some(caller), Some(other)) = (phones.get(one).cloned(), phones.get(two).cloned())
        else {
            break;
        };
        let domains = World::domains();
        let callee = match dice.below(10) {
            number @ 0..2 => domains
                .get(number)
                .map(|it| Callee::Partner(number, (*it).to_owned())),
            _ => None,
        };
        let call = Call {
            ledger: Arc::clone(&world.ledger),
            caller,
            callee: callee.unwrap_or(Callee::Phone(other)),
            hold: dice.between(HOLD.0, HOLD.1),
            callee_hangs_up: dice.below(2) == 0,
            members: Arc::clone(&world.members),
        };
        running.spawn(call.run());
        while running.try_join_next().is_some() {}
        if world.ledger.now() > shown + Duration::from_secs(30) {
            shown = world.ledger.now();
            let node = world.node.try_lock();
            let memory = node.map_or(0, |node| node.memory());
            eprintln!(
                "{:.0} s: {} calls are there, {memory} MiB resident",
                shown.as_secs_f64(),
                running.len()
            );
        }
    }
    while let Some(ended) = running.join_next().await {
        ended?;
    }
    Ok(())
}

/// A run has a clock.
#[expect(
    clippy::disallowed_methods,
    reason = "time is what this program measures"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
