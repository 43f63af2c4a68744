//! The soak: messages, calls and handshakes by the clock for a long time, and what the daemon holds after each part of it.
use super::target::Target;
use super::tls::{self, Dialler, Hello};
use super::traffic::{self, Pace, Scenario};
use super::{Options, Outcome, crowd, home, phases};
use phases::Figures;
use sipward_lab::site::Site;

/// Parts of the whole time, each with a line of figures.
const PARTS: u32 = 30;
/// Calls a second, as a share of the messages.
const CALLS: f64 = 0.1;
/// Handshakes in each part, one after the other.
const HANDSHAKES: usize = 200;
/// Parts after which buffers, pools and answered calls (32 s each) are as many as they get.
const WARM: usize = 3;

/// Runs it and prints a row for each part.
pub(crate) async fn soak(options: &Options) -> Outcome<Figures> {
    let site = Site::new()?;
    let fe01 = tls::home_identity(&site)?;
    let home = home::start(&site)?;
    let mut target = Target::start(options.target, &site, home, options)?;
    let full = Dialler::new(&site, Hello::Full, &fe01)?;
    let mut texting = phases::connect(&target, &full, options.clients).await?;
    let mut calling = phases::connect(&target, &full, options.clients).await?;
    let part = options.time / PARTS;
    let (messages, calls) = (
        Pace::Open { rate: options.rate },
        Pace::Open {
            rate: options.rate * CALLS,
        },
    );
    let (mut held, mut faults, mut sent) = (Vec::new(), 0, 0);
    println!("part  PSS bytes  descriptors  CPU cores  transactions  errors or lost");
    for number in 1..=PARTS {
        let (cpu, began) = (target.cpu(), super::now());
        let (texted, called, shaken) = tokio::join!(
            traffic::run(texting, Scenario::Message, messages, part),
            traffic::run(calling, Scenario::Call, calls, part),
            crowd::handshakes(&target, &full, HANDSHAKES),
        );
        let cores = (target.cpu() - cpu) / began.elapsed().as_secs_f64();
        shaken?;
        let ((back, texts), (again, talks)) = (texted?, called?);
        (texting, calling) = (back, again);
        let wrong = texts.errors + texts.lost + talks.errors + talks.lost;
        let right = texts.latencies.len() + talks.latencies.len();
        faults += wrong;
        sent += right;
        let pss = target.pss();
        held.push(pss);
        println!(
            "{number:>4} {pss:>10} {:>12} {cores:>10.2} {right:>13} {wrong:>15}",
            target.descriptors()
        );
    }
    if !target.alive() {
        return Err("it has died under load".into());
    }
    let warm = held.get(WARM..).unwrap_or(&held);
    let at = |pss: Option<&u64>| pss.map_or(0.0, |bytes| *bytes as f64);
    Ok(Figures::from([
        ("soak_seconds", options.time.as_secs_f64()),
        ("soak_transactions", sent as f64),
        ("soak_errors_or_lost", faults as f64),
        ("soak_pss_warm", at(warm.first())),
        ("soak_pss_most", at(warm.iter().max())),
        ("soak_pss_end", at(warm.last())),
    ]))
}
