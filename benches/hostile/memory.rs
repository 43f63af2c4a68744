//! What one source, or many, can make the daemon keep: floods of large requests, halves of messages and answers that nobody
//! reads, with the resident memory at its highest and half a minute after the end.
use super::daemon::Daemon;
use super::ends::{self, Ends, Tls};
use super::home::SilentHome;
use super::honest::ask_home;
use super::{Options, Outcome, now};
use sipward_lab::site::EDGE;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

/// Nearly the largest body that the defaults admit.
const LARGE: usize = 255 * 1024;
/// Where most floods come from.
const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 9, 1);
/// Who means well.
const HONEST: Ipv4Addr = Ipv4Addr::new(127, 0, 7, 1);
/// How long a handshake of the flood may take, and an answer to who means well.
const PATIENCE: Duration = Duration::from_secs(10);
/// What one client may make the daemon keep at most, whatever it does.
const MOST: u64 = 400_000_000;
/// What a daemon keeps for its next requests, in each shard: spare buffers and contexts.
const SPARE: u64 = 4 * 1024 * 1024;

/// The part of the highest figure that the allocator's index of pages takes, which it never returns: a word for each page, in
/// two tables.
const INDEX: u64 = 128;

/// What a flood does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flood {
    /// Large INVITEs that the home server refuses with 407, and that nobody acknowledges.
    Refused,
    /// Large requests that nobody answers, by one source that leaves and comes again.
    ComesAgain,
    /// All but the last byte of a large message, on many connections of one source.
    Halves,
    /// The same of many sources.
    HalvesOfMany,
    /// Large questions to the edge itself, whose answers nobody reads.
    Unread,
}

/// Every flood, one after the other; returns how many goals were missed.
pub(crate) async fn all(options: &Options) -> Outcome<usize> {
    let mut missed = 0;
    for flood in [
        Flood::Refused,
        Flood::ComesAgain,
        Flood::Halves,
        Flood::HalvesOfMany,
        Flood::Unread,
    ] {
        missed += one(options, flood).await?;
    }
    Ok(missed)
}

async fn one(options: &Options, flood: Flood) -> Outcome<usize> {
    let home = SilentHome::bind()?;
    let daemon = Arc::new(Daemon::start(&options.binary, home.address, |_| ())?);
    home.serve(&daemon)?;
    let ends = Ends::new(&daemon)?;
    let came = ends::come_in(ends.client(), HONEST.into(), daemon.address, PATIENCE);
    let (mut honest, _) = came.await?;
    // The first request makes the connection to the home server.
    ask_home(&mut honest, 0, 0).await?;
    let idle = daemon.memory();
    let (peak, over) = (
        Arc::new(AtomicU64::new(idle)),
        Arc::new(AtomicBool::new(false)),
    );
    let watch = tokio::spawn(watch(
        Arc::clone(&daemon),
        Arc::clone(&peak),
        Arc::clone(&over),
    ));
    let (mut asked, mut answered, mut slowest) = (0, 0, Duration::ZERO);
    let mut floods = JoinSet::new();
    let flooded = std::thread::spawn({
        let (options, config, to) = (options.clone(), ends.client(), daemon.address);
        move || -> Outcome<()> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let end = now() + options.time;
            runtime.block_on(async {
                let count = match flood {
                    Flood::Refused | Flood::ComesAgain => 4,
                    Flood::Halves | Flood::HalvesOfMany => options.halves,
                    Flood::Unread => options.halves / 8,
                };
                for number in 0..count as u32 {
                    let [_, _, high, low] = number.to_be_bytes();
                    let source = match flood {
                        Flood::HalvesOfMany => Ipv4Addr::new(127, 64, high, low),
                        Flood::Refused | Flood::ComesAgain | Flood::Halves | Flood::Unread => ONE,
                    };
                    let config = Arc::clone(&config);
                    floods.spawn(async move {
                        while now() < end {
                            let came = ends::come_in(config.clone(), source.into(), to, PATIENCE);
                            if let Ok((tls, _)) = came.await {
                                let rest = end.saturating_duration_since(now());
                                let _ = tokio::time::timeout(rest, send(flood, tls, number)).await;
                            }
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    });
                }
                while floods.join_next().await.is_some() {}
            });
            Ok(())
        }
    });
    while !flooded.is_finished() {
        asked += 1;
        let sent = now();
        match tokio::time::timeout(PATIENCE, ask_home(&mut honest, 0, asked)).await {
            Ok(Ok(())) => answered += 1,
            // The connection is in the middle of something: a new one, as a phone would make.
            Ok(Err(_)) | Err(_) => {
                let came = ends::come_in(ends.client(), HONEST.into(), daemon.address, PATIENCE);
                if let Ok((tls, _)) = came.await {
                    honest = tls;
                }
            }
        }
        slowest = slowest.max(sent.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    flooded.join().map_err(|_| "the flood's thread")??;
    tokio::time::sleep(options.after).await;
    over.store(true, Ordering::Relaxed);
    watch.await?;
    let (peak, after) = (peak.load(Ordering::Relaxed), daemon.memory());
    let closed = daemon.events()?.into_iter().filter(|event| {
        let reason = event.get("reason").and_then(|reason| reason.as_str());
        matches!(
            reason,
            Some("too_much_held" | "memory_full" | "source_budget")
        )
    });
    let within = goal(idle, peak)?;
    let missed = usize::from(peak - idle > MOST && flood != Flood::HalvesOfMany)
        + usize::from(after > within && !options.after.is_zero())
        + (asked - answered);
    let mib = |bytes: u64| bytes / (1024 * 1024);
    println!(
        "memory: {flood:?}: resident {} MiB before, {} MiB at most, {} MiB {:?} after its end (goal {}); {} lines about bounds; who means well: {answered} of {asked} answered, {} ms at most; {missed} missed",
        mib(idle),
        mib(peak),
        mib(after),
        options.after,
        mib(within),
        closed.count(),
        slowest.as_millis(),
    );
    Ok(missed)
}

/// What may be resident half a minute after a flood.
fn goal(idle: u64, peak: u64) -> Outcome<u64> {
    let shards = std::thread::available_parallelism()?.get() as u64;
    Ok(idle + idle / 5 + SPARE * shards + peak / INDEX)
}

/// Notes the highest resident memory.
async fn watch(daemon: Arc<Daemon>, peak: Arc<AtomicU64>, over: Arc<AtomicBool>) {
    while !over.load(Ordering::Relaxed) {
        peak.fetch_max(daemon.memory(), Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One connection of a flood, until it is closed or has done what it came for.
async fn send(flood: Flood, tls: Tls, number: u32) -> Outcome<()> {
    let (mut reader, mut writer) = tokio::io::split(tls);
    let text = |method: &str, to: &str, serial: u32, body: usize| {
        let head = format!(
            "{method} sip:{to} SIP/2.0\r\nVia: SIP/2.0/TLS c.test;branch=z9hG4bK{number}n{serial}\r\nMax-Forwards: 70\r\nFrom: <sip:flood@contoso.test>;tag={number}\r\nTo: <sip:{to}>\r\nCall-ID: flood{number}n{serial}\r\nCSeq: 1 {method}\r\nContent-Length: {body}\r\n\r\n"
        );
        head + &"x".repeat(body)
    };
    match flood {
        Flood::Refused | Flood::ComesAgain => {
            let method = if flood == Flood::Refused {
                "INVITE"
            } else {
                "MESSAGE"
            };
            // Answers are read, so that nothing but requests is kept.
            let reads = async {
                let mut sink = vec![0; 16_384];
                while reader.read(&mut sink).await.is_ok_and(|came| came > 0) {}
            };
            let sends = async {
                let most = if flood == Flood::Refused {
                    u32::MAX
                } else {
                    200
                };
                for serial in 0..most {
                    let whole = text(method, "bob@contoso.test", serial, LARGE);
                    if writer.write_all(whole.as_bytes()).await.is_err() {
                        break;
                    }
                }
                let _ = writer.shutdown().await;
            };
            tokio::join!(reads, sends);
        }
        Flood::Halves | Flood::HalvesOfMany => {
            let whole = text("MESSAGE", "bob@contoso.test", 0, LARGE);
            let half = whole.as_bytes().split_last().map(|(_, half)| half);
            writer.write_all(half.unwrap_or_default()).await?;
            writer.flush().await?;
            // Until it is closed.
            reader.read_u8().await?;
        }
        Flood::Unread => loop {
            let long = format!("Call-ID: {}", "x".repeat(30_000));
            let ping = text("OPTIONS", EDGE, 0, 0).replace("Call-ID: ", &long);
            writer.write_all(ping.as_bytes()).await?;
        },
    }
    Ok(())
}
