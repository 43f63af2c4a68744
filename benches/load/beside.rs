//! A daemon with few or many of something, and those who send beside them: idle clients, peers of the topology, running
//! calls, registered clients.
use super::target::{CALLING_HOME, Kind, Target, partner};
use super::tls::{self, Dialler, Hello};
use super::traffic::{self, Aim, Client, Pace, Scenario, Tally};
use super::{Options, Outcome, crowd, home, phases};
use sipward_lab::pki::Issued;
use sipward_lab::site::Site;
use std::io;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Registrations of one connection of those that only stay, which is what one connection may have by default.
const BINDINGS_EACH: usize = 16;
/// For so long an answered request is remembered (RFC 6026 §7), and a little: calls that have just begun must not stand for
/// running ones.
const REMEMBERED: Duration = Duration::from_secs(36);
/// Fewer answered requests than this are not waited for.
const NOTEWORTHY: usize = 1_000;
/// Time for buffers to be given back before memory is counted.
const SETTLE: Duration = Duration::from_secs(1);
/// Longer than any count takes under valgrind.
const PATIENCE: Duration = Duration::from_secs(600);
/// Unanswered at any time: enough that messages share reads and records, as they do under load.
const OUTSTANDING: usize = 10;

/// The same while CPU time is measured.
const GATHERED: usize = 100;

/// What there is few or many of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Crowd {
    /// Clients that are connected and silent.
    Idle,
    /// Partners in the topology.
    Peers,
    /// Calls that are up.
    Calls,
    /// Clients that are registered.
    Bindings,
}

/// One kind of messages, and who sends them.
pub(crate) struct Lane {
    pub(crate) name: &'static str,
    scenario: Scenario,
    client: Option<Client>,
}

/// A daemon with its crowd.
pub(crate) struct Beside {
    pub(crate) target: Target,
    pub(crate) lanes: Vec<Lane>,
    /// What one of the crowd takes, in bytes.
    pub(crate) each: f64,
    /// Its files stay as long as this does.
    pub(crate) site: Site,
    /// Who takes what is sent to clients and partners.
    answering: Vec<JoinHandle<io::Result<()>>>,
    /// Who only stays.
    others: Vec<Client>,
}

impl Crowd {
    pub(crate) const ALL: [(&'static str, Self); 4] = [
        ("idle", Self::Idle),
        ("peers", Self::Peers),
        ("calls", Self::Calls),
        ("bindings", Self::Bindings),
    ];

    pub(crate) fn named(name: &str) -> Outcome<Self> {
        let mut all = Self::ALL.into_iter();
        all.find_map(|(known, crowd)| (known == name).then_some(crowd))
            .ok_or_else(|| format!("no crowd {name}: idle, peers, calls or bindings").into())
    }

    /// How few and how many are compared.
    pub(crate) fn sizes(self, options: &Options) -> [usize; 2] {
        let (few, many) = match self {
            Self::Idle => (100, options.idle),
            Self::Peers => (100, options.partners),
            Self::Calls => (1, options.running),
            Self::Bindings => (1, options.bindings),
        };
        [few.min(many), many]
    }

    /// Starts a daemon with so many of them, under the words for a program that writes into the daemon's directory.
    pub(crate) async fn start(
        self,
        count: usize,
        under: fn(&Path) -> Vec<String>,
        options: &Options,
    ) -> Outcome<Beside> {
        let site = Site::new()?;
        let (home, paths) = home::start_registrar(&site)?;
        let options = Options {
            // One shard: which connection lies where would decide what a message costs.
            shards: 1,
            // Two of them speak.
            partners: if self == Self::Peers { count.max(2) } else { 0 },
            under: under(site.path()),
            ..options.clone()
        };
        let target = Target::start(Kind::Sipward, &site, home, &options)?;
        let fe01 = tls::home_identity(&site)?;
        let mut makes = Making {
            phone: Dialler::new(&site, Hello::Full, &fe01)?,
            lanes: Vec::new(),
            answering: Vec::new(),
            others: Vec::new(),
            each: 0.0,
            target,
            site,
        };
        // Two of a name would use a Call-ID twice.
        let mut clients = phases::connect(&makes.target, &makes.phone, 3).await?;
        makes.lane("MESSAGE", Scenario::Message, clients.pop());
        // A call of theirs would be no other than beside any crowd.
        if self != Self::Bindings {
            makes.lane("call", Scenario::Call, clients.pop());
        }
        match self {
            Self::Idle => makes.idle(count).await?,
            Self::Peers => makes.peers(options.partners).await?,
            Self::Calls => makes.calls(clients, count).await?,
            // A path is good for the server that was asked for it.
            Self::Bindings => makes.bindings(&paths, &fe01, count).await?,
        }
        Ok(Beside {
            target: makes.target,
            lanes: makes.lanes,
            each: makes.each,
            site: makes.site,
            answering: makes.answering,
            others: makes.others,
        })
    }
}

/// A [`Beside`] that comes into being.
struct Making {
    target: Target,
    site: Site,
    phone: Dialler,
    lanes: Vec<Lane>,
    answering: Vec<JoinHandle<io::Result<()>>>,
    others: Vec<Client>,
    each: f64,
}

impl Making {
    fn lane(&mut self, name: &'static str, scenario: Scenario, client: Option<Client>) {
        self.lanes.push(Lane {
            name,
            scenario,
            client,
        });
    }

    async fn settled(&self) -> f64 {
        tokio::time::sleep(SETTLE).await;
        self.target.pss() as f64
    }

    fn takes(&mut self, before: f64, after: f64, count: usize) {
        self.each = (after - before) / count.max(1) as f64;
    }

    async fn idle(&mut self, count: usize) -> Outcome<()> {
        let before = self.settled().await;
        self.others = crowd::idle(&self.target, &self.phone, count).await?;
        let after = self.settled().await;
        self.takes(before, after, count);
        Ok(())
    }

    /// A home server calls the last partner, and one in the middle calls the home server.
    async fn peers(&mut self, count: usize) -> Outcome<()> {
        let (last, middle) = (count.saturating_sub(1), count.saturating_sub(1) / 2);
        let called = self.partner(last).await?;
        self.answering.push(tokio::spawn(called.answers_calls()));
        let identity = self.site.enterprise.server(CALLING_HOME)?;
        let mut home = self.server(&identity, 5).await?;
        home.aim(Aim {
            uri: format!("sip:bob@partner{last}.test"),
            route: String::new(),
        });
        let calling = self.partner(middle).await?;
        self.lane("MESSAGE to a partner", Scenario::Message, Some(home));
        self.lane("MESSAGE from a partner", Scenario::Message, Some(calling));
        Ok(())
    }

    async fn partner(&self, number: usize) -> Outcome<Client> {
        let identity = self.site.fabrikam.server(&partner(number))?;
        let mut partner = self.server(&identity, number).await?;
        partner.of_domain(format!("partner{number}.test"));
        Ok(partner)
    }

    /// A server's connection, as it dials.
    async fn server(&self, identity: &Issued, number: usize) -> Outcome<Client> {
        let dialler = Dialler::new(&self.site, Hello::Mutual, identity)?;
        Client::connect(&dialler, self.target.address, number).await
    }

    async fn calls(&mut self, callers: Vec<Client>, count: usize) -> Outcome<()> {
        let before = self.settled().await;
        let pace = Pace::Counted {
            outstanding: OUTSTANDING.min(count),
            each: count as u64,
        };
        let (mut callers, tally) = traffic::run(callers, Scenario::Hold, pace, PATIENCE).await?;
        faultless(&tally)?;
        if count > NOTEWORTHY {
            tokio::time::sleep(REMEMBERED).await;
        }
        let after = self.settled().await;
        self.takes(before, after, count);
        self.lane("UPDATE in a call", Scenario::Update, callers.pop());
        Ok(())
    }

    /// One that is asked, and others that only stay.
    async fn bindings(
        &mut self,
        paths: &Receiver<String>,
        fe01: &Issued,
        count: usize,
    ) -> Outcome<()> {
        let mut asked = Client::connect(&self.phone, self.target.address, 0).await?;
        asked.register().await?;
        let aim = Aim {
            uri: asked.contact(),
            route: paths.recv_timeout(home::PATIENCE)?,
        };
        self.answering.push(tokio::spawn(asked.answers_calls()));
        let mut home = self.server(fe01, 1).await?;
        home.aim(aim);
        self.lane("MESSAGE to a client", Scenario::Message, Some(home));
        let mut own = Client::connect(&self.phone, self.target.address, 4).await?;
        own.register().await?;
        self.lane("REGISTER", Scenario::Register, Some(own));
        let others = count.saturating_sub(1);
        let connections = others.div_ceil(BINDINGS_EACH);
        self.others = crowd::idle(&self.target, &self.phone, connections).await?;
        let before = self.settled().await;
        let mut left = others;
        for (at, client) in self.others.iter_mut().enumerate() {
            let users = (0..left.min(BINDINGS_EACH)).map(|n| format!("user{at}-{n}"));
            let users: Vec<String> = users.collect();
            client.register_as(&users).await?;
            left -= users.len();
        }
        if count > NOTEWORTHY {
            tokio::time::sleep(REMEMBERED).await;
        }
        let after = self.settled().await;
        self.takes(before, after, others);
        Ok(())
    }
}

impl Lane {
    /// Sends; fails if anything is refused or lost.
    pub(crate) async fn run(&mut self, requests: Option<u64>, time: Duration) -> Outcome<f64> {
        let pace = match requests {
            Some(each) => Pace::Counted {
                outstanding: OUTSTANDING,
                each,
            },
            // Always as many at once: how many a busy machine lets gather must not decide what each costs.
            None => Pace::Closed {
                outstanding: GATHERED,
            },
        };
        let clients = self.client.take().into_iter().collect();
        let (mut clients, tally) = traffic::run(clients, self.scenario, pace, time).await?;
        self.client = clients.pop();
        faultless(&tally)?;
        Ok(tally.latencies.len() as f64)
    }

    /// Sends so many.
    pub(crate) async fn send(&mut self, requests: u64) -> Outcome<()> {
        self.run(Some(requests), PATIENCE).await?;
        Ok(())
    }
}

impl Beside {
    /// Ends all connections, and the daemon as an operator does.
    pub(crate) fn end(&mut self) -> Outcome<()> {
        self.answering.iter().for_each(|task| task.abort());
        self.lanes.clear();
        self.others.clear();
        self.target.end()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.answering.iter().for_each(|task| task.abort());
    }
}

fn faultless(tally: &Tally) -> Outcome<()> {
    match (tally.errors, tally.lost, tally.latencies.is_empty()) {
        (0, 0, false) => Ok(()),
        (refused, lost, _) => Err(format!("{refused} refused, {lost} lost").into()),
    }
}
