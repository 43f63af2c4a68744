//! The phases of a run: which load, how long, and what is computed from it.
use super::target::{Kind, Target};
use super::tls::{self, Dialler, Hello};
use super::traffic::{self, Client, Pace, Scenario, Tally};
use super::{Options, Outcome, crowd, home};
use sipward_lab::pki::Issued;
use sipward_lab::site::Site;
use std::collections::BTreeMap;
use std::time::Duration;

/// Figures by name.
pub(crate) type Figures = BTreeMap<&'static str, f64>;

/// Connections that only stay, of which the `idle` phase takes the mean.
const IDLE: usize = 200;
/// Requests that each client leaves unanswered, to see what one holds.
const HELD: usize = 1_000;
/// The most clients that do so: with more a bound would be reached.
const HOLDERS: usize = 20;
/// Time for buffers to be given back before memory is counted.
const SETTLE: Duration = Duration::from_secs(1);

/// A part of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// MESSAGE by the clock.
    Message,
    /// MESSAGE, so many unanswered.
    Closed,
    Keepalive,
    Register,
    Call,
    Handshake,
    Idle,
}

impl Phase {
    /// In the order of a run. Idle connections come first: later ones would take what the load before them has left.
    const ALL: [(&'static str, Self); 7] = [
        ("idle", Self::Idle),
        ("message", Self::Message),
        ("closed", Self::Closed),
        ("keepalive", Self::Keepalive),
        ("register", Self::Register),
        ("call", Self::Call),
        ("handshake", Self::Handshake),
    ];

    pub(crate) fn named(name: &str) -> Outcome<Self> {
        Self::ALL
            .into_iter()
            .find_map(|(known, phase)| (known == name).then_some(phase))
            .ok_or_else(|| format!("no phase {name}").into())
    }
}

/// A fresh start of one program and every phase of it that is wanted. What was measured before an error stays in `figures`.
pub(crate) async fn all(options: &Options, kind: Kind, figures: &mut Figures) -> Outcome<()> {
    let site = Site::new()?;
    let fe01 = tls::home_identity(&site)?;
    let home = home::start(&site)?;
    let mut target = Target::start(kind, &site, home, options)?;
    let full = Dialler::new(&site, Hello::Full, &fe01)?;
    let wanted = |phase| options.only.is_none_or(|only| only == phase);
    let mut clients = connect(&target, &full, options.clients).await?;
    for (_, phase) in Phase::ALL.into_iter().filter(|(_, phase)| wanted(*phase)) {
        clients = match phase {
            Phase::Handshake => {
                handshakes(&target, &site, &fe01, options, figures).await?;
                clients
            }
            Phase::Idle => {
                let count = options.idle.min(IDLE);
                let before = settled(&target).await;
                let idle = crowd::idle(&target, &full, count).await?;
                let after = settled(&target).await;
                figures.insert("idle_bytes", (after - before) / count.max(1) as f64);
                drop(idle);
                clients
            }
            Phase::Message | Phase::Closed | Phase::Keepalive | Phase::Register | Phase::Call => {
                traffic(&target, clients, phase, options, figures).await?
            }
        };
    }
    if !target.alive() {
        return Err("it has died under load".into());
    }
    Ok(())
}

pub(crate) async fn connect(
    target: &Target,
    dialler: &Dialler,
    count: usize,
) -> Outcome<Vec<Client>> {
    let mut clients = Vec::new();
    for number in 0..count {
        clients.push(Client::connect(dialler, target.address, number).await?);
    }
    // Connections to the home server are up and caches are warm before anything counts.
    let pace = Pace::Open { rate: 200.0 };
    Ok(
        traffic::run(clients, Scenario::Message, pace, Duration::from_secs(1))
            .await?
            .0,
    )
}

/// One phase of requests or keep-alives.
async fn traffic(
    target: &Target,
    clients: Vec<Client>,
    phase: Phase,
    options: &Options,
    figures: &mut Figures,
) -> Outcome<Vec<Client>> {
    let open = Pace::Open { rate: options.rate };
    let closed = Pace::Closed {
        outstanding: options.outstanding,
    };
    let (scenario, pace, time) = match phase {
        Phase::Message => (Scenario::Message, open, options.time),
        Phase::Keepalive => (Scenario::KeepAlive, open, options.time),
        Phase::Register => (Scenario::Register, closed, options.time / 3),
        Phase::Call => (Scenario::Call, closed, options.time),
        Phase::Closed | Phase::Handshake | Phase::Idle => (Scenario::Message, closed, options.time),
    };
    let (clients, seen) = under_load(target, clients, scenario, pace, time).await?;
    match phase {
        Phase::Message => {
            figures.insert("message_cpu_us", seen.per(2.0));
            figures.insert("message_p50_us", seen.latency(0.5));
            figures.insert("message_p99_us", seen.latency(0.99));
        }
        Phase::Keepalive => {
            figures.insert("keepalives_cpu_us", seen.per(0.001));
        }
        Phase::Register => {
            figures.insert("registers_per_s", seen.rate());
            figures.insert("register_p50_us", seen.latency(0.5));
            figures.insert("register_cpu_us", seen.per(2.0));
            figures.insert("register_pss_bytes", target.pss() as f64);
        }
        Phase::Call => {
            figures.insert("calls_per_s", seen.rate());
            figures.insert("call_p50_us", seen.latency(0.5));
            figures.insert("call_cpu_us", seen.per(1.0));
            figures.insert("call_pss_bytes", target.pss() as f64);
        }
        Phase::Closed | Phase::Handshake | Phase::Idle => {
            figures.insert("closed_per_s", seen.rate());
            figures.insert("closed_p50_us", seen.latency(0.5));
            figures.insert("closed_cpu_us", seen.per(2.0));
            figures.insert("closed_pss_bytes", target.pss() as f64);
        }
    }
    seen.faults(figures);
    Ok(clients)
}

/// What each kind of handshake costs.
async fn handshakes(
    target: &Target,
    site: &Site,
    fe01: &Issued,
    options: &Options,
    figures: &mut Figures,
) -> Outcome<()> {
    for (name, hello) in [
        ("handshake_cpu_us", Hello::Full),
        ("handshake_hybrid_cpu_us", Hello::Hybrid),
        ("handshake_again_cpu_us", Hello::Resumed),
        ("handshake_mtls_cpu_us", Hello::Mutual),
    ] {
        // Debian's Kamailio dies after some hundreds of them.
        let count = match target.kind {
            Kind::Kamailio => options.handshakes.min(100),
            Kind::Haproxy | Kind::Sipward => options.handshakes,
        };
        // The others know no hybrid and take no peer; they are compared by the full handshake.
        if hello == Hello::Full || target.kind == Kind::Sipward {
            let dialler = Dialler::new(site, hello, fe01)?;
            let seen = crowd::handshakes(target, &dialler, count).await?;
            figures.insert(name, seen.cpu_us);
            if hello == Hello::Resumed {
                figures.insert("handshakes_resumed", seen.resumed as f64);
            }
        }
    }
    Ok(())
}

/// What each idle connection costs in the first and in the second half of all, what a message costs beside few and beside
/// all of them, and what a transaction holds that waits for its answer.
pub(crate) async fn memory(options: &Options) -> Outcome<Figures> {
    let site = Site::new()?;
    let fe01 = tls::home_identity(&site)?;
    let home = home::start(&site)?;
    let target = Target::start(options.target, &site, home, options)?;
    let full = Dialler::new(&site, Hello::Full, &fe01)?;
    let mut figures = Figures::new();
    let clients = connect(&target, &full, options.clients).await?;
    let (few, half) = (100.min(options.idle), options.idle / 2);
    let mut idle = crowd::idle(&target, &full, few).await?;
    let before = settled(&target).await;
    let (clients, first) = beside(&target, clients, options).await?;
    idle.extend(crowd::idle(&target, &full, half.saturating_sub(few)).await?);
    let middle = settled(&target).await;
    idle.extend(crowd::idle(&target, &full, options.idle.saturating_sub(half)).await?);
    let after = settled(&target).await;
    let (clients, all) = beside(&target, clients, options).await?;
    figures.insert("idle_connections", idle.len() as f64);
    // Before and behind: what the machine does meanwhile is in both.
    idle.truncate(few);
    settled(&target).await;
    let (clients, last) = beside(&target, clients, options).await?;
    figures.insert("message_cpu_us_beside_all", all.by_clock);
    figures.insert("closed_cpu_us_beside_all", all.in_loop);
    figures.insert(
        "message_cpu_us_beside_100",
        f64::midpoint(first.by_clock, last.by_clock),
    );
    figures.insert(
        "closed_cpu_us_beside_100",
        f64::midpoint(first.in_loop, last.in_loop),
    );
    figures.insert(
        "idle_bytes_first_half",
        (middle - before) / half.saturating_sub(few).max(1) as f64,
    );
    figures.insert(
        "idle_bytes_second_half",
        (after - middle) / options.idle.saturating_sub(half).max(1) as f64,
    );
    figures.insert("pss_bytes", after);
    drop((clients, idle, target));
    // A fresh start: what closed connections have left would be used again and not be seen.
    let target = Target::start(options.target, &site, home, options)?;
    let mut clients = connect(&target, &full, options.clients.min(HOLDERS)).await?;
    let before = settled(&target).await;
    let mut request = 0;
    for client in &mut clients {
        request = client.hold(HELD).await?;
    }
    let each = (settled(&target).await - before) / (clients.len() * HELD).max(1) as f64;
    figures.insert("transaction_bytes", each);
    figures.insert("transaction_bytes_above_message", each - request as f64);
    Ok(figures)
}

/// What a message costs: CPU microseconds.
struct Cost {
    /// By the clock.
    by_clock: f64,
    /// In the closed loop.
    in_loop: f64,
}

/// A message's cost, over twice the time of a phase, since two of them are compared that lie far apart.
async fn beside(
    target: &Target,
    clients: Vec<Client>,
    options: &Options,
) -> Outcome<(Vec<Client>, Cost)> {
    let time = options.time * 2;
    let open = Pace::Open { rate: options.rate };
    let (clients, seen) = under_load(target, clients, Scenario::Message, open, time).await?;
    let by_clock = seen.per(2.0);
    let closed = Pace::Closed {
        outstanding: options.outstanding,
    };
    let (clients, seen) = under_load(target, clients, Scenario::Message, closed, time).await?;
    let in_loop = seen.per(2.0);
    Ok((clients, Cost { by_clock, in_loop }))
}

async fn settled(target: &Target) -> f64 {
    tokio::time::sleep(SETTLE).await;
    target.pss() as f64
}

/// One phase's load and what it took.
pub(crate) struct Seen {
    tally: Tally,
    cpu: f64,
    seconds: f64,
}

/// Runs a scenario and counts what it took.
pub(crate) async fn under_load(
    target: &Target,
    clients: Vec<Client>,
    scenario: Scenario,
    pace: Pace,
    how_long: Duration,
) -> Outcome<(Vec<Client>, Seen)> {
    let (cpu, began) = (target.cpu(), super::now());
    let (clients, tally) = traffic::run(clients, scenario, pace, how_long).await?;
    let seen = Seen {
        tally,
        cpu: target.cpu() - cpu,
        seconds: began.elapsed().as_secs_f64(),
    };
    Ok((clients, seen))
}

impl Seen {
    pub(crate) fn count(&self) -> f64 {
        self.tally.latencies.len() as f64
    }

    /// CPU microseconds for each of so many parts of a transaction.
    pub(crate) fn per(&self, parts: f64) -> f64 {
        self.cpu * 1e6 / (self.count() * parts).max(f64::MIN_POSITIVE)
    }

    fn rate(&self) -> f64 {
        self.count() / self.seconds
    }

    fn latency(&self, share: f64) -> f64 {
        self.tally.latencies.value_at_quantile(share) as f64 / 1e3
    }

    /// Fails if a request was refused or lost, or none was sent.
    pub(crate) fn faultless(&self) -> Outcome<()> {
        let (refused, lost) = (self.tally.errors, self.tally.lost);
        if refused + lost > 0 || self.tally.latencies.is_empty() {
            return Err(format!("{refused} refused, {lost} lost").into());
        }
        Ok(())
    }

    fn faults(&self, figures: &mut Figures) {
        *figures.entry("errors").or_default() += self.tally.errors as f64;
        *figures.entry("lost").or_default() += self.tally.lost as f64;
        if self.tally.latencies.is_empty() {
            *figures.entry("lost").or_default() += 1.0;
        }
    }
}
