//! What strangers and faults can do to the others: each case attacks a daemon of its own and prints how those fare who mean well.
//!
//! `cargo bench --bench hostile -- [slots|herd|memory|rates|strays|descriptors|comeback|smoke] [--stalled 450] [--honest 49]
//! [--phones 15000] [--halves 4800] [--partners 60] [--descriptors 1000] [--seconds 8] [--after 30] [--binary PATH]`
//!
//! * `slots` holds `--stalled` handshakes in each of their phases, from one source and from many, and has 49 partners and
//!   49 clients come in meanwhile,
//! * `herd` has `--phones` phones come back at once, and a partner come in and send while they do,
//! * `memory` floods for `--seconds` with what the daemon has to keep, `--halves` half-sent messages among it, and shows its
//!   resident memory at its highest and `--after` seconds after the end (0: nobody looks),
//! * `rates` has one client send, call, guess and connect as fast as it can beside `--honest` others,
//! * `strays` has one client send what leads nowhere to two shards, and `--partners` partner connections come in meanwhile,
//! * `descriptors` starts the daemon with so many, has strangers take them, and partners and clients come in then,
//! * `comeback` takes the home server away for `--seconds` under requests, and shows how soon it is used again,
//! * `smoke` is a little of each, and fails where somebody is hurt: it keeps this program alive in tests.
//!
//! Both ends take a descriptor for each connection, so that 20,000 descriptors are enough for 15,000 phones.

mod arrivals;
mod comeback;
mod daemon;
mod descriptors;
mod ends;
mod herd;
mod home;
mod honest;
mod memory;
mod rates;
mod slots;
mod strays;

use std::error::Error;
use std::time::{Duration, Instant};

/// What any case may end with.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What may be chosen on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Handshakes that are held.
    pub(crate) stalled: usize,
    /// Partners, and clients, that come in meanwhile.
    pub(crate) honest: usize,
    /// Phones of the herd.
    pub(crate) phones: usize,
    /// Messages of which the last byte does not come.
    pub(crate) halves: usize,
    /// Connections of the partner beside stray messages.
    pub(crate) partners: usize,
    /// The daemon's descriptors, where they are to be few.
    pub(crate) descriptors: usize,
    /// How long a flood lasts, and how long after it the memory is looked at.
    pub(crate) time: Duration,
    pub(crate) after: Duration,
    /// The daemon's program; another build may be named to compare with.
    pub(crate) binary: String,
}

fn main() -> Outcome<()> {
    let mut options = Options {
        stalled: 450,
        honest: 49,
        phones: 15_000,
        halves: 4_800,
        partners: 60,
        descriptors: 1_000,
        time: Duration::from_secs(8),
        after: Duration::from_secs(30),
        binary: env!("CARGO_BIN_EXE_sipward").to_owned(),
    };
    let mut command = None;
    // Cargo itself passes --bench.
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(arg) = args.next() {
        let Some(name) = arg.strip_prefix("--") else {
            command = Some(arg);
            continue;
        };
        let value = args
            .next()
            .ok_or_else(|| format!("--{name} wants a value"))?;
        match name {
            "stalled" => options.stalled = value.parse()?,
            "honest" => options.honest = value.parse()?,
            "phones" => options.phones = value.parse()?,
            "halves" => options.halves = value.parse()?,
            "partners" => options.partners = value.parse()?,
            "descriptors" => options.descriptors = value.parse()?,
            "seconds" => options.time = Duration::from_secs(value.parse()?),
            "after" => options.after = Duration::from_secs(value.parse()?),
            "binary" => options.binary = value,
            _ => return Err(format!("unknown option --{name}").into()),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match command.as_deref() {
            Some("slots") => slots::all(&options).await.map(drop),
            Some("herd") => herd::run(&options).await.map(drop),
            Some("memory") => memory::all(&options).await.map(drop),
            Some("rates") => rates::all(&options).await.map(drop),
            Some("strays") => strays::all(&options).await.map(drop),
            Some("descriptors") => descriptors::run(&options).await.map(drop),
            Some("comeback") => comeback::run(&options).await.map(drop),
            Some("smoke") => smoke(&options).await,
            _ => Err("a case is wanted: slots, herd, memory, rates, strays, descriptors, comeback or smoke".into()),
        }
    })
}

/// As little as shows that everything works, and that nobody is hurt by as much.
async fn smoke(options: &Options) -> Outcome<()> {
    let options = Options {
        stalled: 40,
        honest: 3,
        phones: 50,
        halves: 64,
        partners: 5,
        descriptors: 120,
        time: Duration::from_secs(1),
        after: Duration::ZERO,
        ..options.clone()
    };
    // Too soon after a flood to look at the memory again: that is for the whole case.
    let hurt = slots::all(&options).await?
        + herd::run(&options).await?
        + memory::all(&options).await?
        + rates::all(&options).await?
        + strays::all(&options).await?
        + descriptors::run(&options).await?
        + comeback::run(&options).await?;
    match hurt {
        0 => Ok(()),
        hurt => Err(format!("{hurt} of those who mean well were turned away").into()),
    }
}

/// A load generator has a clock.
#[expect(
    clippy::disallowed_methods,
    reason = "time is what this program measures"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
