//! `log_level`: which requests of one peer or client have a line for a while.
//!
//! The levels are the words of `[log] requests`. A reload leaves them alone, a restart ends them: they are for the hour in
//! which somebody looks at one partner. The limits of the log hold for these lines too.
use super::context::{ControlContext, FOR_SHARDS};
use super::peer_word::user;
use super::refusal::{ControlRefusal, busy, no_answer};
use crate::daemon::Daemon;
use crate::daemon::log_level_list::{LogLevelList, RunningLevel};
use crate::observe::Event;
use crate::proxy::{LogLevel, NamedParty};
use crate::reason::DaemonReason;
use crate::topology::{LogRequests, network};
use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

/// The longest time: who needs more writes `[log] requests`.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// A level that was set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLevelSet {
    /// Whose requests.
    pub selected: String,
    /// Which of them have a line.
    pub requests: String,
    /// Its end, Unix seconds.
    pub until: u64,
}

impl ControlContext {
    /// Carries out `log_level`: for a peer by its FQDN, or a client by its address, network or user.
    pub(super) async fn log_level(
        &self,
        word: &str,
        (peer, client): (Option<&str>, Option<&str>),
        time: Duration,
        uid: Option<u32>,
    ) -> Result<LogLevelSet, ControlRefusal> {
        let malformed = |what: String| Err(DaemonReason::MalformedCommand.because(what));
        let Some(requests) = LogRequests::from_word(word) else {
            let words = LogRequests::WORDS.join(", ");
            return malformed(format!("a level is one of {words}"));
        };
        let party = match (peer, client) {
            (Some(peer), None) => NamedParty::Peer(self.listed_peer(peer)?),
            (None, Some(client)) => match network(client) {
                Some(network) => NamedParty::Network(network),
                None => NamedParty::User(user(client)?),
            },
            _ => return malformed("name a peer or a client".to_owned()),
        };
        if time.is_zero() || time > LONGEST {
            return malformed("a level lasts at least a second, and a week at most".to_owned());
        }
        let level = LogLevel { party, requests };
        let selected = level.party.to_string();
        let until = UnixTime::now().as_secs().saturating_add(time.as_secs());
        self.daemon
            .set_log_level(level, until, uid.is_some())
            .await?;
        if let Some(uid) = uid {
            self.daemon.log.record(Event::LogLevelSet {
                selected: selected.clone(),
                requests: requests.word(),
                until,
                uid,
            });
        }
        Ok(LogLevelSet {
            selected,
            requests: requests.word().to_owned(),
            until,
        })
    }
}

impl Daemon {
    /// Sets a level until this time, in Unix seconds. `logs`: its end is logged here.
    async fn set_log_level(
        self: &Arc<Self>,
        level: LogLevel,
        until: u64,
        logs: bool,
    ) -> Result<(), ControlRefusal> {
        // Entered before the shards hear of it: of two commands at once the later one's list has both.
        let set = self.log_level_list().set(level, until);
        let number = set.ok_or_else(busy)?;
        // Its end needs nobody: it ends with the process at the latest.
        let daemon = Arc::clone(self);
        // By the calendar, as it is shown: the process that set it may be another one.
        let left = until.saturating_sub(UnixTime::now().as_secs());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(left)).await;
            daemon.end_log_level(number, logs).await;
        });
        match self.spread_log_levels().await {
            true => Ok(()),
            false => Err(no_answer()),
        }
    }

    /// Those of the process before this one, for the time that they have left; this one logs their end.
    pub(in crate::daemon) async fn take_over_log_levels(
        self: &Arc<Self>,
        levels: Vec<RunningLevel>,
    ) {
        for running in levels {
            if let Some(level) = running.level() {
                // There are no more than there is room for, and a shard that is late has them later.
                let _ = self.set_log_level(level, running.until, true).await;
            }
        }
    }

    /// Those in force, for the process that takes over.
    pub(in crate::daemon) fn running_log_levels(&self) -> Vec<RunningLevel> {
        self.log_level_list().running()
    }

    /// Those in force.
    fn log_level_list(&self) -> MutexGuard<'_, LogLevelList> {
        let levels = self.log_levels.lock();
        levels.unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the shards take them over; `false`: one of them does so later.
    async fn spread_log_levels(&self) -> bool {
        let all = self.log_level_list().all();
        self.edge.set_log_levels(all, FOR_SHARDS).await
    }

    /// The time of one is over.
    async fn end_log_level(&self, number: u64, logs: bool) {
        let Some(level) = self.log_level_list().end(number) else {
            return;
        };
        self.spread_log_levels().await;
        // Of two processes the one that accepts writes the line.
        if logs && !self.retired.load(Ordering::Relaxed) {
            self.log.record(Event::LogLevelEnded {
                selected: level.party.to_string(),
                requests: level.requests.word(),
            });
        }
    }
}
