//! Handshakes that are held in each of their phases, while partners and clients come in.
use super::arrivals::Arrivals;
use super::daemon::Daemon;
use super::ends::{self, Ends};
use super::{Options, Outcome};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

/// How long a partner's server waits for a connection, and a phone.
const PARTNERS_PATIENCE: Duration = Duration::from_secs(5);
const CLIENTS_PATIENCE: Duration = Duration::from_secs(10);
/// Who was turned away comes back after this.
const BACK: Duration = Duration::from_millis(100);

/// How far a stalled handshake goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stall {
    Silent,
    HalfHello,
    /// The answer is read, and not answered.
    WholeHello,
    /// The answer is not even read.
    Unread,
}

/// Where those come from who stall.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum From {
    OneSource,
    /// All of one /24.
    ManySources,
}

/// Every phase from one source and from many; returns how many of those who mean well were turned away.
pub(crate) async fn all(options: &Options) -> Outcome<usize> {
    let mut hurt = 0;
    for from in [From::OneSource, From::ManySources] {
        for stall in [
            Stall::Silent,
            Stall::HalfHello,
            Stall::WholeHello,
            Stall::Unread,
        ] {
            hurt += one(options, stall, from).await?;
        }
    }
    Ok(hurt)
}

async fn one(options: &Options, stall: Stall, from: From) -> Outcome<usize> {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let daemon = Daemon::start(&options.binary, nobody, |_| ())?;
    let ends = Ends::new(&daemon)?;
    let idle = daemon.memory();
    let hello: Arc<[u8]> = ends.hello()?.into();
    let connected = Arc::new(AtomicUsize::new(0));
    let mut stalled = JoinSet::new();
    for number in 0..options.stalled {
        let source = match from {
            From::OneSource => Ipv4Addr::new(127, 0, 0, 9),
            From::ManySources => Ipv4Addr::new(127, 0, 0, 10 + (number % 240) as u8),
        };
        let (hello, connected) = (Arc::clone(&hello), Arc::clone(&connected));
        stalled.spawn(hold(stall, source.into(), daemon.address, hello, connected));
    }
    let began = super::now();
    while connected.load(Ordering::Relaxed) < options.stalled && began.elapsed().as_secs() < 30 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let held = daemon.memory().saturating_sub(idle) / options.stalled.max(1) as u64;
    let patience = (PARTNERS_PATIENCE, CLIENTS_PATIENCE);
    let mut came = Arrivals::of(&daemon, &ends, options.honest, patience).await?;
    println!(
        "slots: {} {stall:?} from {from:?} (came {} times, {held} bytes each): {}",
        options.stalled,
        connected.load(Ordering::Relaxed),
        came.shown(),
    );
    Ok(came.turned_away())
}

/// One that stalls, and comes back whenever it is turned away.
async fn hold(
    stall: Stall,
    source: IpAddr,
    to: SocketAddr,
    hello: Arc<[u8]>,
    connected: Arc<AtomicUsize>,
) {
    let part = match stall {
        Stall::Silent => 0,
        Stall::HalfHello => hello.len() / 2,
        Stall::WholeHello | Stall::Unread => hello.len(),
    };
    loop {
        if let Ok(mut tcp) = ends::connect(source, to).await {
            connected.fetch_add(1, Ordering::Relaxed);
            if tcp
                .write_all(hello.get(..part).unwrap_or_default())
                .await
                .is_ok()
            {
                let mut sink = [0; 4096];
                if stall == Stall::Unread {
                    while let Ok(ready) = tcp.ready(tokio::io::Interest::READABLE).await
                        && !ready.is_read_closed()
                    {
                        // What has come stays where it is.
                        tokio::time::sleep(BACK).await;
                    }
                } else {
                    while tcp.read(&mut sink).await.is_ok_and(|came| came > 0) {}
                }
            }
        }
        tokio::time::sleep(BACK).await;
    }
}
