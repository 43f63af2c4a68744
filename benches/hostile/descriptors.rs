//! A daemon that may have few descriptors, and strangers who take all that they get: partners and clients come in all the
//! same, and the control socket answers.
use super::arrivals::Arrivals;
use super::daemon::Daemon;
use super::ends::{self, Ends};
use super::{Options, Outcome};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// After so long without a message a stranger makes room for others, and a little more.
const IDLE: Duration = Duration::from_secs(6);
/// How long a stranger waits for a place, and who means well.
const PATIENCE: Duration = Duration::from_secs(5);

/// Returns how many of those who mean well were turned away.
pub(crate) async fn run(options: &Options) -> Outcome<usize> {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let daemon = Daemon::start_with(&options.binary, Some(options.descriptors), nobody, |_| ())?;
    let ends = Ends::new(&daemon)?;
    let mut strangers = Vec::new();
    // More than fit, and each from a source of its own.
    for number in 0..options.descriptors as u32 {
        let [_, _, high, low] = number.to_be_bytes();
        let source = IpAddr::from([127, 80, high, low]);
        let came = ends::come_in(ends.client(), source, daemon.address, PATIENCE).await;
        strangers.extend(came.map(|(tls, _)| tls));
    }
    // Who has just come is nobody's stranger yet.
    tokio::time::sleep(IDLE).await;
    let patience = (PATIENCE, PATIENCE);
    let mut came = Arrivals::of(&daemon, &ends, options.honest, patience).await?;
    let lowered = daemon.events()?.into_iter().any(|event| {
        let reason = event.get("reason").and_then(|reason| reason.as_str());
        reason == Some("descriptors_short")
    });
    println!(
        "descriptors: {} of them, {} strangers came in, {} are open (lowered bound in the log: {lowered}): {}",
        options.descriptors,
        strangers.len(),
        daemon.descriptors(),
        came.shown(),
    );
    Ok(came.turned_away())
}
