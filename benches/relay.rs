//! What relaying costs: starts the daemon, 20 client connections and one home server, and prints the daemon's CPU time
//! for each relayed MESSAGE transaction (request and 200) and for each message (half of it).
//!
//! `cargo bench --bench relay [-- --seconds 10 --rate 2000 --outstanding 100 --shards 0]`

#![expect(
    clippy::disallowed_methods,
    reason = "a load generator has a clock and dials the daemon"
)]

mod load;

use load::{Client, Load, Tally};
use serde_json::json;
use sipward::lab::site::{EDGE, HOME, Site};
use sipward::lab::{EventLog, trust_only};
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Connections of the figure.
const CLIENTS: usize = 20;
/// The kernel's USER_HZ, the unit of /proc/PID/stat: 100 on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What may be chosen on the command line.
struct Options {
    seconds: u64,
    rate: u64,
    outstanding: usize,
    /// 0: the daemon's default.
    shards: u64,
}

/// The daemon under load; ended by its process id when dropped.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One phase's figures.
struct Figures {
    phase: &'static str,
    transactions: u64,
    per_second: f64,
    cpu: f64,
    elapsed: f64,
    tally: Tally,
}

fn main() -> Outcome<()> {
    let options = Options::from_args()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(&options))
}

async fn run(options: &Options) -> Outcome<()> {
    let site = Site::new()?;
    let fqdn = format!("fe01.{HOME}");
    let identity = site.enterprise.server(&fqdn)?;
    let roots = trust_only(&[&site.enterprise])?;
    let home = load::start_home(&identity, &roots)?;
    let mut topology = site.topology(&[(&fqdn, home)], None);
    topology.section("[log]").text("requests", "calls");
    topology
        .section("[limits]")
        .raw("transactions_per_client", "10000");
    if options.shards > 0 {
        topology
            .section("[node]")
            .raw("shards", &options.shards.to_string());
    }
    let file = site.write("topology.toml", &topology.to_toml())?;
    let (daemon, address) = start_daemon(&file).await?;
    let load = Load::new();
    let mut clients = Vec::new();
    for n in 0..CLIENTS {
        clients.push(Client::connect(address, EDGE, &roots, n, &load).await?);
    }
    // Connections to the home server are up and caches are warm before anything counts.
    load::open_loop(&clients, &load, options.rate, Duration::from_secs(1)).await?;
    load.settled().await;

    let mut all = Vec::new();
    let wanted = Duration::from_secs(options.seconds);
    all.push(
        measure("open loop", &daemon, &load, async {
            load::open_loop(&clients, &load, options.rate, wanted).await
        })
        .await?,
    );
    all.push(
        measure("closed loop", &daemon, &load, async {
            load::closed_loop(&clients, &load, options.outstanding, wanted).await
        })
        .await?,
    );
    show(options, &all, memory(&daemon)?);
    Ok(())
}

async fn measure(
    phase: &'static str,
    daemon: &Daemon,
    load: &Load,
    work: impl Future<Output = Result<(), load::LoadError>>,
) -> Outcome<Figures> {
    load.reset();
    let (cpu, began) = (cpu_seconds(daemon)?, Instant::now());
    work.await?;
    load.settled().await;
    let elapsed = began.elapsed().as_secs_f64();
    let cpu = cpu_seconds(daemon)? - cpu;
    let tally = load.take();
    let transactions = tally.latencies.len() as u64;
    Ok(Figures {
        phase,
        transactions,
        per_second: transactions as f64 / elapsed,
        cpu,
        elapsed,
        tally,
    })
}

async fn start_daemon(topology: &std::path::Path) -> Outcome<(Daemon, SocketAddr)> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sipward"))
        .arg("run")
        .arg(topology)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let stderr = child.stderr.take().ok_or("no standard error")?;
    let log = EventLog::default();
    let lines = log.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            lines.push(&line);
        }
    });
    let daemon = Daemon(child);
    log.wait("ready", |_| true).await?;
    let listening = log.wait("listening", |_| true).await?;
    let address = listening
        .get("address")
        .and_then(serde_json::Value::as_str)
        .ok_or("no address in the log")?
        .parse()?;
    Ok((daemon, address))
}

/// User and system time of the daemon so far (proc(5), fields 14 and 15 of stat).
fn cpu_seconds(daemon: &Daemon) -> Outcome<f64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.0.id()))?;
    let after_name = stat.rsplit(')').next().ok_or("odd /proc/PID/stat")?;
    let ticks = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<f64>)
        .sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS)
}

/// Resident memory in kB.
fn memory(daemon: &Daemon) -> Outcome<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.0.id()))?;
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

impl Figures {
    fn per_transaction(&self) -> f64 {
        self.cpu * 1e6 / self.transactions.max(1) as f64
    }

    fn latency(&self, share: f64) -> f64 {
        let all = &self.tally.latencies;
        let last = all.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        all.get(at).map_or(0.0, |d| d.as_secs_f64() * 1e6)
    }
}

fn show(options: &Options, all: &[Figures], memory_kb: u64) {
    println!(
        "\n{:<12} {:>12} {:>9} {:>14} {:>14} {:>9} {:>9} {:>7} {:>7}",
        "phase",
        "transactions",
        "per s",
        "CPU us/trans.",
        "CPU us/message",
        "p50 us",
        "p99 us",
        "errors",
        "lost"
    );
    for f in all {
        println!(
            "{:<12} {:>12} {:>9.0} {:>14.1} {:>14.1} {:>9.0} {:>9.0} {:>7} {:>7}",
            f.phase,
            f.transactions,
            f.per_second,
            f.per_transaction(),
            f.per_transaction() / 2.0,
            f.latency(0.5),
            f.latency(0.99),
            f.tally.errors,
            f.tally.lost,
        );
    }
    println!(
        "a transaction is a MESSAGE and its 200: two relayed messages; resident memory {memory_kb} kB\n"
    );
    let phases: Vec<_> = all
        .iter()
        .map(|f| {
            json!({
                "phase": f.phase,
                "transactions": f.transactions,
                "transactions_per_second": f.per_second,
                "seconds": f.elapsed,
                "cpu_seconds": f.cpu,
                "cpu_us_per_transaction": f.per_transaction(),
                "cpu_us_per_message": f.per_transaction() / 2.0,
                "p50_us": f.latency(0.5),
                "p99_us": f.latency(0.99),
                "errors": f.tally.errors,
                "lost": f.tally.lost,
            })
        })
        .collect();
    let report = json!({
        "bench": "relay",
        "clients": CLIENTS,
        "rate": options.rate,
        "outstanding": options.outstanding,
        "resident_kb": memory_kb,
        "phases": phases,
    });
    println!("{report}");
}

impl Options {
    fn from_args() -> Outcome<Self> {
        let mut options = Self {
            seconds: 10,
            rate: 2_000,
            outstanding: 100,
            shards: 0,
        };
        let mut args = std::env::args().skip(1);
        while let Some(name) = args.next() {
            // Cargo itself passes --bench.
            if name == "--bench" {
                continue;
            }
            let value = args
                .next()
                .ok_or_else(|| format!("{name} wants a number"))?;
            match name.as_str() {
                "--seconds" => options.seconds = value.parse()?,
                "--rate" => options.rate = value.parse()?,
                "--outstanding" => options.outstanding = value.parse()?,
                "--shards" => options.shards = value.parse()?,
                _ => return Err(format!("unknown option {name}").into()),
            }
        }
        Ok(options)
    }
}
