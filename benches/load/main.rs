//! The project's load generator: what relaying costs, in sipward and in the programs that it is compared with.
//!
//! `cargo bench --bench load -- [run|compare|memory|soak|calls|mixed|cores|instructions|growth|growth-time|reload|train|smoke] [--target sipward] [--seconds 3] [--starts 3] ...`
//!
//! * `run` measures one program and prints a table and one line of JSON,
//! * `compare` does so for HAProxy, Kamailio and sipward in turn, and prints the ratios (see benches/compare.sh),
//! * `memory` holds `--idle` connections and measures what each costs, and what a message costs beside them
//!   and what a transaction holds,
//! * `soak` keeps messages, calls and handshakes going by the clock for `--seconds` and shows what the daemon holds,
//! * `calls` begins `--rate` calls a second by the clock for `--seconds` and shows what is refused and what the daemon holds,
//!   `mixed` so many requests of which each fourth is a call and the others are texts; `--clients 1`: over one connection,
//! * `cores` shows what a call costs with one shard and with several, at `--rate`, and what one from a home server costs that crosses
//!   from one shard to another,
//! * `instructions` counts what a MESSAGE with its answer and what a call cost the `--target` in user space (see benches/instructions.sh);
//!   with `--against FILE` it fails when a figure is higher than the file allows, with `--keep DIR` the
//!   profiles stay there for `callgrind_annotate`,
//! * `growth` counts the instructions of messages beside few and beside many idle clients (`--idle`), peers (`--partners`), running
//!   calls (`--running`) and registered clients (`--bindings`), `growth-time` their CPU time, with what a call and a binding hold;
//!   both fail when one costs more beside many than 1.15 of what it costs beside few; `--crowd idle` leaves out every other crowd,
//! * `reload` shows for how long a reload holds up a shard at most, and how late the control socket answers, beside `--partners`, of
//!   which `--live` are connected, and `--idle` clients,
//! * `train` has a build that counts where it goes (`-Cprofile-generate`) carry all kinds of messages, and keeps its counts in
//!   `--keep DIR` (see packaging/program),
//! * `smoke` is a short `run` and `memory` against sipward that fails on the first error: it keeps this program alive in tests.
//!
//! `--only PHASE` leaves out every other phase of a run, e.g. for a profiler: message, closed, keepalive, register, call,
//! handshake or idle.

mod atomics;
mod beside;
mod callgrind;
mod cores;
mod crowd;
mod growth;
mod home;
mod instructions;
mod phases;
mod reload;
mod report;
mod scene;
mod soak;
mod sustained;
mod target;
mod tls;
mod traffic;
mod training;

use beside::Crowd;
use growth::Cost;
use phases::Phase;
use std::error::Error;
use std::time::{Duration, Instant};
use target::Kind;

/// What any step of the load may end with.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// What may be chosen on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) target: Kind,
    /// Length of each phase.
    pub(crate) time: Duration,
    /// Requests a second in the open loop.
    pub(crate) rate: f64,
    /// Requests unanswered in the closed loop.
    pub(crate) outstanding: usize,
    /// Client connections that send.
    pub(crate) clients: usize,
    /// Handshakes counted.
    pub(crate) handshakes: usize,
    /// Connections that only stay.
    pub(crate) idle: usize,
    /// Fresh starts of each program, of which the median counts.
    pub(crate) starts: usize,
    /// 0: the daemon's default.
    pub(crate) shards: usize,
    /// `limits.gather`; the daemon's default without it.
    pub(crate) gather: Option<usize>,
    /// The daemon's program; another build may be named to compare with.
    pub(crate) binary: String,
    /// A program, with its arguments, under which the daemon is started, e.g. valgrind.
    pub(crate) under: Vec<String>,
    /// The file with the figures that instructions are compared with.
    pub(crate) against: Option<String>,
    /// Where the profiles of `instructions` stay, for `callgrind_annotate`, and the counts of `train`.
    pub(crate) keep: Option<String>,
    /// Partners in the topology besides the home server.
    pub(crate) partners: usize,
    /// Calls that are up.
    pub(crate) running: usize,
    /// Registered clients.
    pub(crate) bindings: usize,
    /// The only crowd beside which messages are measured; all are without it.
    pub(crate) crowd: Option<Crowd>,
    /// Those of them that are connected.
    pub(crate) live: usize,
    /// The only phase that runs; all do without it.
    pub(crate) only: Option<Phase>,
}

fn main() -> Outcome<()> {
    let (command, options) = Options::from_args()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match command.as_str() {
            "run" => {
                let mut figures = phases::Figures::new();
                phases::all(&options, options.target, &mut figures).await?;
                report::show(options.target, &figures);
                Ok(())
            }
            "compare" => compare(&options).await,
            "memory" => {
                let figures = phases::memory(&options).await?;
                report::show(options.target, &figures);
                Ok(())
            }
            "soak" => {
                let figures = soak::soak(&options).await?;
                report::show(options.target, &figures);
                Ok(())
            }
            "calls" | "mixed" => {
                let scenario = match command.as_str() {
                    "mixed" => traffic::Scenario::Mixed,
                    _ => traffic::Scenario::Call,
                };
                let figures = sustained::sustained(&options, scenario).await?;
                report::show(options.target, &figures);
                report::faultless(&figures)
            }
            "cores" => {
                let figures = cores::cores(&options).await?;
                report::show(options.target, &figures);
                Ok(())
            }
            "instructions" => instructions::count(&options).await,
            "growth" => growth::growth(&options.crowded(), Cost::Instructions).await,
            "growth-time" => growth::growth(&options.crowded(), Cost::Time).await,
            "reload" => {
                let figures = reload::reload(&options).await?;
                println!("{}", serde_json::to_string(&figures)?);
                Ok(())
            }
            "train" => training::train(&options).await,
            "smoke" => {
                let options = options.short();
                let mut figures = phases::Figures::new();
                phases::all(&options, Kind::Sipward, &mut figures).await?;
                report::faultless(&figures)?;
                figures.extend(phases::memory(&options).await?);
                report::show(Kind::Sipward, &figures);
                // So few cost what they cost: no bound is asked of that.
                growth::measured(&options.crowded(), Cost::Time).await?;
                Ok(())
            }
            _ => Err(format!(
                "unknown command {command}: run, compare, memory, soak, calls, mixed, cores, instructions, growth, growth-time, reload, train or smoke"
            )
            .into()),
        }
    })
}

/// Every program in turn, so that a noisy minute meets them all.
async fn compare(options: &Options) -> Outcome<()> {
    let mut all = report::Comparison::default();
    for start in 1..=options.starts {
        for kind in Kind::ALL {
            eprintln!("start {start} of {}: {}", options.starts, kind.name());
            let mut figures = phases::Figures::new();
            if let Err(error) = phases::all(options, kind, &mut figures).await {
                eprintln!("{}: {error}; what came before it counts", kind.name());
            }
            all.add(kind, figures);
        }
        if options.only.is_none() {
            eprintln!(
                "start {start} of {}: sipward beside idle clients",
                options.starts
            );
            match phases::memory(options).await {
                Ok(figures) => all.add(Kind::Sipward, figures),
                Err(error) => eprintln!("sipward: {error}"),
            }
        }
    }
    all.show();
    Ok(())
}

/// A load generator has a clock.
#[expect(
    clippy::disallowed_methods,
    reason = "time is what this program measures"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

impl Options {
    fn from_args() -> Outcome<(String, Self)> {
        let mut options = Self {
            target: Kind::Sipward,
            time: Duration::from_secs(3),
            rate: 2_000.0,
            outstanding: 100,
            clients: 20,
            handshakes: 600,
            idle: 15_000,
            starts: 3,
            shards: 0,
            gather: None,
            binary: env!("CARGO_BIN_EXE_sipward").to_owned(),
            under: Vec::new(),
            against: None,
            keep: None,
            partners: 0,
            running: 200_000,
            bindings: 50_000,
            crowd: None,
            live: 0,
            only: None,
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
                "target" => options.target = Kind::named(&value)?,
                "seconds" => options.time = Duration::from_secs_f64(value.parse()?),
                "rate" => options.rate = value.parse()?,
                "outstanding" => options.outstanding = value.parse()?,
                "clients" => options.clients = value.parse()?,
                "handshakes" => options.handshakes = value.parse()?,
                "idle" => options.idle = value.parse()?,
                "starts" => options.starts = value.parse()?,
                "shards" => options.shards = value.parse()?,
                "gather" => options.gather = Some(value.parse()?),
                "binary" => options.binary = value,
                "against" => options.against = Some(value),
                "partners" => options.partners = value.parse()?,
                "running" => options.running = value.parse()?,
                "bindings" => options.bindings = value.parse()?,
                "crowd" => options.crowd = Some(Crowd::named(&value)?),
                "live" => options.live = value.parse()?,
                "keep" => options.keep = Some(value),
                "only" => options.only = Some(Phase::named(&value)?),
                _ => return Err(format!("unknown option --{name}").into()),
            }
        }
        Ok((command.unwrap_or_else(|| "run".to_owned()), options))
    }

    /// With the partners of a large topology, unless others were asked for.
    fn crowded(&self) -> Self {
        Self {
            partners: match self.partners {
                0 => 20_000,
                partners => partners,
            },
            ..self.clone()
        }
    }

    /// As little as shows that everything works.
    fn short(&self) -> Self {
        Self {
            time: Duration::from_millis(300),
            rate: 100.0,
            outstanding: 4,
            clients: 2,
            handshakes: 3,
            idle: 4,
            partners: 4,
            running: 20,
            bindings: 20,
            starts: 1,
            ..self.clone()
        }
    }
}
