//! What a topology costs as it grows: CPU and memory of load, check, plan, start and reload with many partners.
//!
//! `cargo bench --bench growth -- [PARTNERS ...]` prints a row for each number of partners (1,000, 5,000, 20,000 and
//! 60,000 unless told otherwise); each partner has two domains. Every figure is of a process of its own: user and system
//! time of all its threads, and the most memory that it held.
//!
//! `cargo bench --bench growth -- ready [PROGRAM]` takes the time from the start of the program to its `ready` event, with
//! 20,000 partners and a CRL of 100,000 entries, and fails if it is more than 2 seconds. `smoke` keeps this program alive in
//! tests.

use rustls_pki_types::UnixTime;
use sipward::cli::check::CheckCommand;
use sipward::cli::plan::PlanCommand;
use sipward::cli::target::Target;
use sipward::daemon::Daemon;
use sipward::observe::Log;
use sipward_lab::pki::{CrlSpec, Serial};
use sipward_lab::site::Site;
use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What is measured, in the order of the table.
const PHASES: [&str; 5] = ["load", "check", "plan", "start", "reload"];
/// Of so many partners one is changed, one added and one removed by the second file.
const CHANGED: usize = 100;

/// Starts of which the median counts.
const STARTS: usize = 5;
/// The daemon of the largest topology that is promised serves after this time.
const READY: Duration = Duration::from_secs(2);

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // Cargo itself passes --bench.
    let args = args.iter().map(String::as_str);
    let args: Vec<&str> = args.filter(|arg| *arg != "--bench").collect();
    match args.as_slice() {
        ["measure", phase, old, new, times] => {
            let times: u32 = times.parse()?;
            let mut spent = 0;
            for _ in 0..times {
                spent += run(phase, Path::new(old), Path::new(new))?;
            }
            println!("{:.1} {}", spent as f64 / f64::from(times), peak_kib()?);
            Ok(())
        }
        ["ready", program @ ..] => {
            let program = program.first().unwrap_or(&env!("CARGO_BIN_EXE_sipward"));
            let took = ready(program, 20_000, 100_000)?;
            match took <= READY {
                true => Ok(()),
                false => Err(format!("{took:?} until it serves, at most {READY:?}").into()),
            }
        }
        ["smoke"] => {
            ready(env!("CARGO_BIN_EXE_sipward"), 50, 50)?;
            table(&[50])
        }
        rest => {
            let chosen = rest.iter().map(|arg| arg.replace(',', "").parse());
            let chosen: Vec<usize> = chosen.collect::<Result<_, _>>()?;
            table(if chosen.is_empty() {
                &[1_000, 5_000, 20_000, 60_000]
            } else {
                &chosen
            })
        }
    }
}

/// One row for each number of partners.
fn table(sizes: &[usize]) -> Outcome<()> {
    let site = Site::new()?;
    print!("{:>9} {:>9}", "partners", "MiB file");
    for phase in PHASES {
        print!(" {:>9} {:>5}", format!("{phase} ms"), "MiB");
    }
    println!();
    for &size in sizes {
        let old = site.write("old.toml", &topology(&site, size, 0))?;
        let new = site.write("new.toml", &topology(&site, size, CHANGED))?;
        let file = std::fs::metadata(&old)?.len() as f64 / f64::from(1 << 20);
        print!("{size:>9} {file:>9.1}");
        // The kernel counts time in hundredths of a second: what is short is done often.
        let times = (10_000 / size.max(1)).clamp(1, 10);
        for phase in PHASES {
            let (ms, kib) = measure(phase, &old, &new, times)?;
            print!(" {ms:>9.1} {:>5}", kib / 1024);
        }
        println!();
    }
    Ok(())
}

/// Runs a phase in a process of its own; gives CPU milliseconds for one time, and the most KiB that it held.
fn measure(phase: &str, old: &Path, new: &Path, times: usize) -> Outcome<(f64, u64)> {
    let output = Command::new(std::env::current_exe()?)
        .args(["measure", phase])
        .args([old, new])
        .arg(times.to_string())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut words = text.split_whitespace();
    let failed = || {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("{phase}: {said}")
    };
    let ms = words.next().ok_or_else(failed)?.parse()?;
    let kib = words.next().ok_or_else(failed)?.parse()?;
    Ok((ms, kib))
}

/// Does it once; gives the CPU milliseconds that it took.
fn run(phase: &str, old: &Path, new: &Path) -> Outcome<u64> {
    let at = UnixTime::now();
    let before = cpu_ms()?;
    match phase {
        "load" => {
            sipward::daemon::load(old, 1).map_err(|faults| format!("{faults:?}"))?;
        }
        "check" => {
            let check = CheckCommand {
                file: old.to_owned(),
                ..CheckCommand::default()
            };
            let good = check.run(at, &mut std::io::sink())?;
            assert!(good, "the topology is good");
        }
        "plan" => {
            let plan = PlanCommand {
                files: vec![old.to_owned(), new.to_owned()],
                target: Target::default(),
                json: false,
            };
            // Partners are removed: that is harmful.
            let harm = plan.run(&mut std::io::sink());
            assert!(harm.is_err(), "the plan sees the difference");
        }
        "start" => {
            serve(old.to_owned(), None)?;
        }
        "reload" => {
            let reloaded = tempfile::NamedTempFile::new_in(old.parent().unwrap_or(old))?;
            std::fs::copy(old, reloaded.path())?;
            return serve(reloaded.path().to_owned(), Some(new));
        }
        _ => return Err(format!("unknown phase {phase}").into()),
    }
    Ok(cpu_ms()?.saturating_sub(before))
}

/// Starts a daemon, reloads it with another file if there is one, and ends it; gives what the reload took.
fn serve(path: PathBuf, reload: Option<&Path>) -> Outcome<u64> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let (log, _memory) = Log::memory();
    let daemon = Daemon::start(&path, &log)?;
    runtime.block_on(async {
        let before = cpu_ms()?;
        if let Some(new) = reload {
            std::fs::copy(new, &path)?;
            let report = daemon.reload("bench").await;
            assert!(report.faults.is_empty(), "{:?}", report.faults);
        }
        let spent = cpu_ms()?.saturating_sub(before);
        daemon.stop().await;
        Ok(spent)
    })
}

/// Starts a program several times with so many partners and so many entries in the home authority's CRL, and prints a row for
/// each; gives the median time from its start to its `ready` event, without that in which it waited for a core: another busy
/// program is not its own.
fn ready(program: &str, partners: usize, entries: u64) -> Outcome<Duration> {
    let site = Site::new()?;
    let file = site.write("topology.toml", &topology(&site, partners, 0))?;
    let crl = site.enterprise.crl_as_pem(&CrlSpec {
        revoked: (0..entries).map(Serial::filler).collect(),
        ..CrlSpec::default()
    })?;
    site.write("enterprise-ca.crl.pem", &crl)?;
    println!(
        "{partners} partners, {entries} entries: ready after ms, waiting for a core ms, CPU ms, MiB"
    );
    let mut all = Vec::new();
    for _ in 0..STARTS {
        let began = now();
        let mut child = Command::new(program)
            .arg("run")
            .arg(&file)
            // Its control socket is its own: the default place is a service's.
            .env("RUNTIME_DIRECTORY", site.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stderr.take().ok_or("no standard error")?);
        let mut said = Vec::new();
        let is_ready = lines.lines().map_while(Result::ok).any(|line| {
            let is_it = line.contains("\"event\":\"ready\"");
            said.push(line);
            is_it
        });
        let took = began.elapsed();
        let process = format!("/proc/{}", child.id());
        let spent = cpu_ms_of(&process).and_then(|cpu| Ok((cpu, peak_kib_of(&process)?)));
        let waited = waited(&process);
        child.kill()?;
        child.wait()?;
        if !is_ready {
            return Err(said.join("\n").into());
        }
        let ((cpu, kib), waited) = (spent?, waited?);
        println!(
            "{:>8} {:>8} {cpu:>8} {:>8}",
            took.as_millis(),
            waited.as_millis(),
            kib / 1024
        );
        all.push(took.saturating_sub(waited));
    }
    all.sort();
    Ok(all.get(all.len() / 2).copied().unwrap_or_default())
}

/// A bench has a clock.
#[expect(
    clippy::disallowed_methods,
    reason = "time is what this program measures"
)]
fn now() -> Instant {
    Instant::now()
}

/// A home server and so many partners with two domains each; of every `changed` of them (0: of none) one is left out, one
/// has other domains, and one comes new.
fn topology(site: &Site, partners: usize, changed: usize) -> String {
    site.with_partners((0..partners).filter_map(|number| {
        let known = format!("partner{number}");
        match number.checked_rem(changed) {
            Some(0) => None,
            Some(1) => Some((format!("{known}.new"), "voice")),
            Some(2) => Some((known, "video")),
            Some(_) | None => Some((known, "voice")),
        }
    }))
}

/// User and system time of this process so far.
fn cpu_ms() -> Outcome<u64> {
    cpu_ms_of("/proc/self")
}

/// The same of the process of this directory.
fn cpu_ms_of(process: &str) -> Outcome<u64> {
    let stat = std::fs::read_to_string(format!("{process}/stat"))?;
    // The name, which may hold blanks, ends with the last bracket; utime and stime are fields 14 and 15.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).ok_or("no times in /proc")?;
    Ok((user + system) * 10)
}

/// For how long the main thread of the process of this directory could have run and had no core.
fn waited(process: &str) -> Outcome<Duration> {
    let text = std::fs::read_to_string(format!("{process}/schedstat"))?;
    let word = text.split_whitespace().nth(1);
    let nanoseconds = word.ok_or("no delay in /proc")?.parse()?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// The most memory that this process held.
fn peak_kib() -> Outcome<u64> {
    peak_kib_of("/proc/self")
}

/// The same of the process of this directory.
fn peak_kib_of(process: &str) -> Outcome<u64> {
    let status = std::fs::read_to_string(format!("{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let word = line.and_then(|line| line.split_whitespace().next());
    Ok(word.ok_or("no VmHWM in /proc")?.parse()?)
}
