//! A daemon that may have few descriptors, and strangers who take all that they get: partners and clients come in all the
//! same, and the control socket answers.
use super::daemon::{Daemon, PARTNER_ADDRESS};
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
    let (mut partners, mut clients) = (Vec::new(), Vec::new());
    for number in 0..options.honest {
        let own = IpAddr::from([127, 0, 7, number as u8 + 1]);
        let (partner, client) = tokio::join!(
            ends::come_in(
                ends.partner(),
                PARTNER_ADDRESS.parse()?,
                daemon.address,
                PATIENCE
            ),
            ends::come_in(ends.client(), own, daemon.address, PATIENCE),
        );
        partners.extend(partner.map(|(_, time)| time));
        clients.extend(client.map(|(_, time)| time));
    }
    let lowered = daemon.events()?.into_iter().any(|event| {
        let reason = event.get("reason").and_then(|reason| reason.as_str());
        reason == Some("descriptors_short")
    });
    let wanted = options.honest;
    println!(
        "descriptors: {} of them, {} strangers came in, {} are open (lowered bound in the log: {lowered}): partners {} of {wanted} ({}), clients {} of {wanted} ({})",
        options.descriptors,
        strangers.len(),
        daemon.descriptors(),
        partners.len(),
        ends::shown(&mut partners),
        clients.len(),
        ends::shown(&mut clients),
    );
    Ok(2 * wanted - partners.len() - clients.len())
}
