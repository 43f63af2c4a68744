//! The faults: what each does to whom, how it is undone, whom it may hurt, and how soon all must be well again.
use super::Outcome;
use super::dice::Dice;
use super::ledger::Party;
use super::world::World;
use rustix::process::Signal;
use sipward_lab::site::PARTNER_EDGE;
use sipward_lab::{Conduct, Line};
use std::time::Duration;

/// How soon a server is used again after it is back.
const SERVER_BOUND: Duration = Duration::from_secs(8);
/// How soon after a start phones are back, and calls go.
const NODE_BOUND: Duration = Duration::from_secs(10);
/// Between two signals of a storm.
const STORM: Duration = Duration::from_millis(20);
/// For how long the honest answers of DNS may be kept.
const TTL: Duration = Duration::from_secs(1);
/// So far forward all CRLs of the site are stale.
const FAR: i64 = 2 * 3600;

/// What is done to a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Harm {
    Killed,
    Frozen,
    Reset,
    HalfClosed,
    Closing,
    Garbage,
    Late,
    Silent,
    Dead,
    Slow,
    Lossy,
}

/// What is done to the node and to what it needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Strain {
    Certificates,
    Withdrawn,
    Crl,
    Poisoned,
    NamesDead,
    ClockStepped,
    ClockFar,
    DiskFull,
    LogFull,
    HangUps,
    Restarted,
    Killed,
    Upgraded,
}

/// One fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    Server(Party, Harm),
    Node(Strain),
}

impl Harm {
    pub(crate) const ALL: [Self; 11] = [
        Self::Killed,
        Self::Frozen,
        Self::Reset,
        Self::HalfClosed,
        Self::Closing,
        Self::Garbage,
        Self::Late,
        Self::Silent,
        Self::Dead,
        Self::Slow,
        Self::Lossy,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Killed => "server killed",
            Self::Frozen => "server frozen",
            Self::Reset => "connections reset",
            Self::HalfClosed => "connections half closed",
            Self::Closing => "TLS closed, TCP half open",
            Self::Garbage => "garbage for answers",
            Self::Late => "late answers",
            Self::Silent => "no answers",
            Self::Dead => "line dead",
            Self::Slow => "line slow",
            Self::Lossy => "line lossy",
        }
    }
}

impl Strain {
    pub(crate) const ALL: [Self; 13] = [
        Self::Certificates,
        Self::Withdrawn,
        Self::Crl,
        Self::Poisoned,
        Self::NamesDead,
        Self::ClockStepped,
        Self::ClockFar,
        Self::DiskFull,
        Self::LogFull,
        Self::HangUps,
        Self::Restarted,
        Self::Killed,
        Self::Upgraded,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Certificates => "certificate replaced",
            Self::Withdrawn => "trust withdrawn",
            Self::Crl => "CRLs replaced",
            Self::Poisoned => "DNS poisoned",
            Self::NamesDead => "DNS dead",
            Self::ClockStepped => "clock stepped by minutes",
            Self::ClockFar => "clock stepped by hours",
            Self::DiskFull => "disk full",
            Self::LogFull => "log not read",
            Self::HangUps => "SIGHUP storm",
            Self::Restarted => "SIGTERM and start",
            Self::Killed => "SIGKILL and start",
            Self::Upgraded => "upgrade",
        }
    }
}

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Server(_, harm) => harm.name(),
            Self::Node(strain) => strain.name(),
        }
    }

    /// Whom, for the list of faults.
    pub(crate) fn label(self, world: &World) -> String {
        match self {
            Self::Server(party, _) => world.server(party).map_or("", |it| &it.fqdn).to_owned(),
            Self::Node(_) => String::new(),
        }
    }

    /// Whom it may hurt; nobody: it excuses no call that fails.
    pub(crate) fn hits(self, world: &World) -> Vec<Party> {
        match self {
            Self::Server(_, Harm::Slow | Harm::Lossy) => Vec::new(),
            Self::Server(party, _) => vec![party],
            Self::Node(strain) => match strain {
                Strain::Withdrawn => vec![Party::Partner(0)],
                Strain::Poisoned | Strain::NamesDead => vec![Party::Partner(1)],
                Strain::Restarted | Strain::Killed => vec![Party::Node],
                Strain::ClockFar if world.has_clock => world.servers(),
                Strain::Certificates
                | Strain::Crl
                | Strain::ClockStepped
                | Strain::ClockFar
                | Strain::DiskFull
                | Strain::LogFull
                | Strain::HangUps
                | Strain::Upgraded => Vec::new(),
            },
        }
    }

    /// How soon after its end calls go again with whom it has hit.
    pub(crate) fn bound(self) -> Duration {
        match self {
            Self::Server(..) => SERVER_BOUND,
            Self::Node(_) => NODE_BOUND,
        }
    }

    /// Waits until it can be made: none of these is made while a process from before an upgrade is there.
    pub(crate) async fn can_begin(self, world: &World) -> Outcome<()> {
        if let Self::Node(Strain::Restarted | Strain::Killed | Strain::Upgraded) = self {
            world.node.lock().await.alone().await?;
        }
        Ok(())
    }

    /// Does it; false where this machine cannot.
    pub(crate) async fn begin(
        self,
        world: &World,
        dice: &mut Dice,
        lasts: Duration,
    ) -> Outcome<bool> {
        match self {
            Self::Server(party, harm) => harm.begin(world, party, lasts).await,
            Self::Node(strain) => strain.begin(world, dice, lasts).await,
        }
    }

    /// Undoes it.
    pub(crate) async fn end(self, world: &World) -> Outcome<()> {
        match self {
            Self::Server(party, harm) => harm.end(world, party).await,
            Self::Node(strain) => strain.end(world).await,
        }
    }
}

impl Harm {
    async fn begin(self, world: &World, party: Party, lasts: Duration) -> Outcome<bool> {
        let server = world.server(party).ok_or("no such server")?;
        match self {
            Self::Killed => server.kill().await?,
            Self::Frozen => server.freeze().await?,
            Self::Reset => server.relay.set(Line::Reset),
            Self::HalfClosed => server.relay.set(Line::HalfClosed),
            Self::Dead => server.relay.set(Line::Dead),
            Self::Slow => server.relay.set(Line::Slow(Duration::from_millis(100))),
            Self::Lossy => server
                .relay
                .set(Line::Lossy(20, Duration::from_millis(300))),
            Self::Garbage => server.behave(Conduct::Garbage).await?,
            Self::Silent => server.behave(Conduct::Silent).await?,
            Self::Late => server.behave(Conduct::Late(Duration::from_secs(3))).await?,
            Self::Closing => {
                // As often as it is connected to again.
                let end = super::now() + lasts;
                while super::now() < end {
                    server.close().await?;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                return Ok(true);
            }
        }
        tokio::time::sleep(lasts).await;
        Ok(true)
    }

    async fn end(self, world: &World, party: Party) -> Outcome<()> {
        let server = world.server(party).ok_or("no such server")?;
        match self {
            Self::Killed => server.start_again().await,
            Self::Frozen => {
                server.thaw();
                Ok(())
            }
            Self::Reset | Self::HalfClosed | Self::Dead | Self::Slow | Self::Lossy => {
                server.relay.set(Line::Open);
                Ok(())
            }
            Self::Garbage | Self::Silent | Self::Late => server.behave(Conduct::Well).await,
            Self::Closing => Ok(()),
        }
    }
}

impl Strain {
    async fn begin(self, world: &World, dice: &mut Dice, lasts: Duration) -> Outcome<bool> {
        match self {
            Self::Certificates => {
                world.renew_certificate()?;
                world.node.lock().await.reload().await?;
            }
            Self::Withdrawn => {
                world.write_topology(|t| {
                    t.remove("[[peer]]", "fqdn", PARTNER_EDGE);
                })?;
                world.node.lock().await.reload().await?;
            }
            Self::Crl => {
                world.site.revoke(&[&world.stranger], &[])?;
                world.node.lock().await.reload().await?;
            }
            Self::Poisoned => {
                // Whoever keeps it for its time to live is misled for an hour. What was kept of before is over first.
                world.name_partner(3600, 0)?;
                tokio::time::sleep(TTL + Duration::from_millis(200)).await;
                world.cut_partner(1).await?;
            }
            Self::NamesDead => {
                world.names.set_silent(true);
                world.cut_partner(1).await?;
            }
            Self::ClockStepped => {
                let by = 30 + dice.below(270) as i64;
                let by = if dice.below(2) == 0 { by } else { -by };
                if !world.node.lock().await.step_clock(by)? {
                    return Ok(false);
                }
            }
            Self::ClockFar => {
                if !world.node.lock().await.step_clock(FAR)? {
                    return Ok(false);
                }
            }
            Self::DiskFull => {
                if !world.node.lock().await.fill_disk(true)? {
                    return Ok(false);
                }
                world.site.revoke(&[], &[])?;
                world.node.lock().await.reload().await?;
            }
            Self::LogFull => world.node.lock().await.log.pause(true),
            Self::HangUps => {
                let end = super::now() + lasts;
                while super::now() < end {
                    world.node.lock().await.signal(Signal::HUP)?;
                    tokio::time::sleep(STORM).await;
                }
                return Ok(true);
            }
            Self::Restarted => {
                let mut node = world.node.lock().await;
                let status = node.end(Signal::TERM).await?;
                if status.is_some_and(|status| !status.success()) {
                    return Err(format!("SIGTERM ended it with {status:?}").into());
                }
                return Ok(true);
            }
            Self::Killed => {
                world.node.lock().await.end(Signal::KILL).await?;
                return Ok(true);
            }
            Self::Upgraded => {
                world.node.lock().await.upgrade().await?;
                return Ok(true);
            }
        }
        tokio::time::sleep(lasts).await;
        Ok(true)
    }

    async fn end(self, world: &World) -> Outcome<()> {
        match self {
            Self::Certificates | Self::Upgraded => Ok(()),
            Self::Withdrawn => {
                world.write_topology(|_| {})?;
                world.node.lock().await.reload().await
            }
            Self::Crl => {
                world.site.revoke(&[], &[])?;
                world.node.lock().await.reload().await
            }
            Self::Poisoned => world.name_partner(1, 1),
            Self::NamesDead => {
                world.names.set_silent(false);
                Ok(())
            }
            Self::ClockStepped | Self::ClockFar => {
                world.node.lock().await.step_clock(0)?;
                Ok(())
            }
            Self::DiskFull => {
                let node = world.node.lock().await;
                node.fill_disk(false)?;
                world.site.revoke(&[], &[])?;
                node.reload().await
            }
            Self::LogFull => {
                world.node.lock().await.log.pause(false);
                Ok(())
            }
            // One that is asked for behind all of them is carried out.
            Self::HangUps => world.node.lock().await.reload().await,
            Self::Restarted | Self::Killed => world.node.lock().await.start_again().await,
        }
    }
}
