//! What strangers and faults can do to the others: each case attacks a daemon of its own and prints how those fare who mean well.
//!
//! `cargo bench --bench hostile -- [slots|herd|memory|smoke] [--stalled 450] [--phones 15000] [--halves 4800] [--seconds 8]
//! [--after 30] [--binary PATH]`
//!
//! * `slots` holds `--stalled` handshakes in each of their phases, from one source and from many, and has 49 partners and
//!   49 clients come in meanwhile,
//! * `herd` has `--phones` phones come back at once, and a partner come in and send while they do,
//! * `memory` floods for `--seconds` with what the daemon has to keep, `--halves` half-sent messages among it, and shows its
//!   resident memory at its highest and `--after` seconds after the end,
//! * `smoke` is a little of each, and fails where somebody is hurt: it keeps this program alive in tests.
//!
//! Both ends take a descriptor for each connection, so that 20,000 descriptors are enough for 15,000 phones.

mod daemon;
mod ends;
mod herd;
mod home;
mod memory;
mod slots;

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
            Some("smoke") => smoke(&options).await,
            _ => Err("a case is wanted: slots, herd, memory or smoke".into()),
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
        time: Duration::from_secs(1),
        after: Duration::from_secs(1),
        ..options.clone()
    };
    let hurt = slots::all(&options).await? + herd::run(&options).await?;
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
