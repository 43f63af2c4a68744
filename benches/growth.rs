//! What a topology costs as it grows: CPU and memory of load, check, plan, start and reload with many partners.
//!
//! `cargo bench --bench growth -- [PARTNERS ...]` prints a row for each number of partners (1,000, 5,000, 20,000 and
//! 60,000 unless told otherwise); each partner has two domains. Every figure is of a process of its own: user and system
//! time of all its threads, and the most memory that it held. `smoke` keeps this program alive in tests.

use rustls_pki_types::UnixTime;
use sipward::cli::check::CheckCommand;
use sipward::cli::plan::PlanCommand;
use sipward::cli::target::Target;
use sipward::daemon::Daemon;
use sipward::observe::Log;
use sipward_lab::site::Site;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What is measured, in the order of the table.
const PHASES: [&str; 5] = ["load", "check", "plan", "start", "reload"];
/// Of so many partners one is changed, one added and one removed by the second file.
const CHANGED: usize = 100;

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
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
        ["smoke"] => table(&[50]),
        rest => {
            let chosen = rest.iter().filter(|arg| !arg.starts_with("--"));
            let chosen = chosen.map(|arg| arg.replace(',', "").parse());
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
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name, which may hold blanks, ends with the last bracket; utime and stime are fields 14 and 15.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok());
    let (user, system) = ticks(11)
        .zip(ticks(12))
        .ok_or("no times in /proc/self/stat")?;
    Ok((user + system) * 10)
}

/// The most memory that this process held.
fn peak_kib() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let word = line.and_then(|line| line.split_whitespace().next());
    Ok(word.ok_or("no VmHWM in /proc/self/status")?.parse()?)
}
