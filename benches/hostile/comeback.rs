//! A home server that is gone for a while, under requests, and comes back: how long it takes until one is answered.
use super::daemon::Daemon;
use super::ends::{self, Ends};
use super::home::SilentHome;
use super::{Options, Outcome, honest, now};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How often somebody asks.
const EVERY: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(5);
/// So soon one is answered, of those that are asked from the moment on at which it is there.
const GOAL: Duration = Duration::from_millis(500);

/// Returns 1 if that took too long.
pub(crate) async fn run(options: &Options) -> Outcome<usize> {
    // The port is its own, and nobody listens there.
    let address = SilentHome::bind()?.address;
    let daemon = Daemon::start(&options.binary, address, |_| ())?;
    let ends = Ends::new(&daemon)?;
    let own = IpAddr::from([127, 0, 7, 1]);
    let (mut tls, _) = ends::come_in(ends.client(), own, daemon.address, PATIENCE).await?;
    let (began, mut refused) = (now(), 0);
    // The pause between connects doubles meanwhile, up to half a minute.
    while began.elapsed() < options.time {
        refused += usize::from(honest::ask_home(&mut tls, 0, refused).await.is_err());
        tokio::time::sleep(EVERY).await;
    }
    let home = SilentHome::bind_to(SocketAddr::new(address.ip(), address.port()))?;
    home.serve(&daemon)?;
    let back = now();
    let mut tries = 0;
    while honest::ask_home(&mut tls, 1, tries).await.is_err() {
        tries += 1;
        if back.elapsed() > 60 * GOAL {
            break;
        }
        tokio::time::sleep(EVERY).await;
    }
    let took = back.elapsed();
    println!(
        "comeback: gone for {:?}, {refused} refused; {tries} more refused, the first answer {} ms after it was back",
        options.time,
        took.as_millis(),
    );
    Ok(usize::from(took > GOAL))
}
