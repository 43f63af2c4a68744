//! All phones come back at once, as after a restart, while a partner comes in again and again and sends on a connection that
//! it has.
use super::daemon::{Daemon, PARTNER_ADDRESS};
use super::ends::{self, Ends, Phone};
use super::{Options, Outcome, now};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::task::JoinSet;

/// So long a phone waits here: the point is how long it must.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often the partner sends, and comes in anew.
const EVERY: Duration = Duration::from_millis(200);

/// Returns how many phones were cut off, and how often the partner waited for more than a second.
pub(crate) async fn run(options: &Options) -> Outcome<usize> {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let daemon = Daemon::start(&options.binary, nobody, |topology| {
        topology
            .section("[limits]")
            .raw("connections", "20000")
            .text("first_message", "1h");
    })?;
    let ends = Ends::new(&daemon)?;
    let partner: IpAddr = PARTNER_ADDRESS.parse()?;
    let (mut stays, _) = ends::come_in(ends.partner(), partner, daemon.address, PATIENCE).await?;
    let mut crowd = Vec::new();
    for _ in 0..options.phones {
        crowd.push(Phone::new(&ends)?);
    }
    let (began, cpu, idle) = (now(), daemon.cpu(), daemon.memory());
    let mut phones = JoinSet::new();
    for (number, phone) in (0_u32..).zip(crowd) {
        let [_, _, high, low] = number.to_be_bytes();
        let source = IpAddr::from([127, 64 + (high >> 4), high, low]);
        phones.spawn(phone.come_in(source, daemon.address, PATIENCE));
    }
    // On a thread of its own, so that what it measures is not the crowd's own queue.
    let (config, address) = (ends.partner(), daemon.address);
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let measured = std::thread::spawn(move || -> Outcome<_> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let (mut came, mut refused) = (Vec::new(), 0_usize);
            while stopped.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
                match ends::come_in(config.clone(), partner, address, PATIENCE).await {
                    Ok((_, time)) => came.push(time),
                    Err(_) => refused += 1,
                }
                tokio::time::sleep(EVERY).await;
            }
            Ok((came, refused))
        })
    });
    let (mut there, mut times, mut cut_off, mut pongs) = (Vec::new(), Vec::new(), 0, Vec::new());
    let mut tick = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            phone = phones.join_next() => match phone {
                None => break,
                Some(Ok(Ok((tls, time)))) => {
                    there.push(tls);
                    times.push(time);
                }
                Some(Ok(Err(_)) | Err(_)) => cut_off += 1,
            },
            _ = tick.tick() => {
                let sent = now();
                ends::ping(&mut stays).await?;
                pongs.push(sent.elapsed());
            }
        }
    }
    let (took, used) = (began.elapsed(), daemon.cpu() - cpu);
    let _ = stop.send(());
    let (mut came, refused) = measured.join().map_err(|_| "the partner's thread")??;
    let each = daemon.memory().saturating_sub(idle) / there.len().max(1) as u64;
    println!(
        "herd: {} phones, {cut_off} cut off, all there after {:.1} s ({:.2} ms of CPU and {each} bytes each); phones waited {}; partner came in {} times ({}), {refused} refused; its keep-alives {}",
        options.phones,
        took.as_secs_f64(),
        used * 1e3 / options.phones.max(1) as f64,
        ends::shown(&mut times),
        came.len(),
        ends::shown(&mut came),
        ends::shown(&mut pongs),
    );
    let mut reasons = BTreeMap::new();
    for event in daemon.events()? {
        let field = |name: &str| event.get(name).and_then(|value| value.as_str());
        if matches!(
            field("event"),
            Some("handshake_refused" | "handshake_aborted")
        ) {
            let reason = field("reason").unwrap_or_default().to_owned();
            *reasons.entry(reason).or_insert(0) += 1;
        }
    }
    if !reasons.is_empty() {
        println!("herd: handshakes that failed, by the log: {reasons:?}");
    }
    let slow = came.iter().filter(|time| time.as_secs() >= 1).count();
    Ok(cut_off + refused + slow)
}
