//! What the timer of CRLs remembers between two looks, and the looks themselves.
use super::fetched_contents::FetchedContents;
use super::reports::{AgeReport, log_age, log_updated};
use crate::daemon::clock::now;
use crate::daemon::crl_fetch::Fetched;
use crate::daemon::crl_state::{self, NotStored, Store};
use crate::daemon::node::Daemon;
use crate::daemon::warnings::{crl_refused, line};
use crate::observe::Event;
use crate::topology::{
    CrlFile, CrlReason, CrlSource, Fault, IdentityRef, Revocation, Topology, TrustRef, TrustSet,
    open_regular, read_crls,
};
use crate::trust::{Generation, Ledger, Read, Refreshed, RefusedCrl};
use rustls_pki_types::UnixTime;
use std::collections::{HashMap, HashSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often OCSP responses are read when no CRL is: their files change every few hours.
const STAPLE_REFRESH: Duration = Duration::from_secs(300);
/// The longest sleep: the clock of the system may be set, and what is due is reckoned by it.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// The longest sleep while CRLs wait for their issuer's key: a handshake may show it, and it is to be kept soon.
const WHILE_WAITING: Duration = Duration::from_secs(2);

/// What was refused, by digest and reason.
type Refusals = HashSet<([u8; 32], CrlReason)>;

/// What the timer remembers between two looks.
#[derive(Default)]
pub(super) struct Timer {
    /// When the files of each set were read last.
    read: HashMap<String, Instant>,
    /// Which ages of which CRL of which set were logged.
    logged: HashSet<(String, [u8; 32], AgeReport)>,
    /// What was refused last in each file of a set, so that it is logged once.
    refused: HashMap<(String, Arc<Path>), Refusals>,
    /// What was fetched last; offered beside the files.
    pub(super) fetched: FetchedContents,
    /// When the OCSP responses were read last.
    stapled: Option<Instant>,
    /// The notes on them that were logged last.
    pub(super) unstapled: Vec<Fault>,
    /// When the CRLs in force were looked at last, Unix seconds.
    looked: u64,
    /// The state directory, what it was last made to hold, and what hindered.
    pub(super) store: Store,
    kept: Option<Arc<Ledger>>,
    hindered: Option<NotStored>,
}

impl Timer {
    /// Of a daemon that starts now.
    pub(super) fn new(at: UnixTime) -> Self {
        Self {
            looked: at.as_secs(),
            ..Self::default()
        }
    }

    /// How long until something is due: a turn of the generation, files to be read, or an age of a CRL to be logged.
    pub(super) fn pause(&self, generation: &Generation, now: Instant, at: u64) -> Duration {
        let mut pause = LONGEST_SLEEP;
        // A CRL whose issuer no chain has shown yet is in force for nobody.
        if generation.ledger().waits().0 {
            pause = WHILE_WAITING;
        }
        // At the generation's next turn a decision may change, and with it what is kept.
        if let Some(turn) =
            generation.next_turn(UnixTime::since_unix_epoch(Duration::from_secs(at)))
        {
            pause = pause.min(Duration::from_secs(turn.saturating_sub(at)));
        }
        if let Some(due) = self.staples_due(generation.topology()) {
            pause = pause.min(due.saturating_duration_since(now));
        }
        for set in generation.topology().trusts() {
            if let Some(due) = self.due(set) {
                pause = pause.min(due.saturating_duration_since(now));
            }
            // Ages that were logged already are no reason to wake up.
            for crl in &set.crls {
                let moments = AgeReport::ALL.into_iter().filter_map(|age| {
                    let logged = (set.name.clone(), *crl.digest(), age);
                    age.at(crl, set).filter(|_| !self.logged.contains(&logged))
                });
                for moment in moments {
                    pause = pause.min(Duration::from_secs(moment.saturating_sub(at)));
                }
            }
        }
        pause
    }

    /// When the files of a set are to be read again: never, or from the first look on every `crl_refresh`.
    fn due(&self, set: &TrustSet) -> Option<Instant> {
        if set.revocation == Revocation::Off || set.crl_sources.is_empty() {
            return None;
        }
        // Not read yet: the first look notes it, since loading has just read the files.
        let read = self.read.get(&set.name)?;
        Some(*read + set.crl_refresh?)
    }

    /// When the OCSP responses are to be read again: as often as the CRLs that are read most often.
    fn staples_due(&self, topology: &Topology) -> Option<Instant> {
        topology
            .identities()
            .iter()
            .find_map(|i| i.staple.as_ref())?;
        // The most frequent of the sets' intervals: a response may expire between two reads of CRLs.
        let every = topology.trusts().iter().filter_map(|set| set.crl_refresh);
        Some(self.stapled? + every.min().unwrap_or(STAPLE_REFRESH))
    }

    /// Reads what is due, and makes what changed the next generation. What came by fetch is offered beside the files, by the
    /// same rules.
    pub(super) async fn refresh(&mut self, daemon: &Daemon, came: Vec<Fetched>) {
        let now = now();
        // A reload makes generations too: each must build on the one before.
        let _one_at_a_time = daemon.reloading.lock().await;
        let generation = daemon.generation();
        let trusts = generation.topology().trusts();
        // Sets that a reload has removed are forgotten, and read at once if they come back.
        self.read
            .retain(|name, _| trusts.iter().any(|set| set.name == *name));
        let news: HashSet<String> = came.iter().map(|fetched| fetched.trust.clone()).collect();
        self.fetched.keep(came, trusts);
        let mut due = Vec::new();
        let mut asked = HashSet::new();
        for (reference, set) in (0u32..).map(TrustRef).zip(trusts) {
            let fetched = set.crl_fetch && news.contains(&set.name);
            // Something fetched makes its set due at once: a revocation must not wait for the interval.
            if fetched || self.due(set).is_some_and(|due| due <= now) {
                due.push((reference, set.crl_sources.clone(), self.fetched.of_set(set)));
                asked.insert(set.name.clone());
                self.read.insert(set.name.clone(), now);
            } else {
                // Loading has read the files of a set that is new.
                self.read.entry(set.name.clone()).or_insert(now);
            }
        }
        let topology = generation.topology();
        // OCSP responses of this node's own certificates, on the same timer: they expire as CRLs do.
        let mut staples: Vec<(IdentityRef, PathBuf)> = Vec::new();
        if self.staples_due(topology).is_some_and(|due| due <= now) {
            // Only identities with a response to read.
            let files = (0u32..).map(IdentityRef).zip(topology.identities());
            staples.extend(files.filter_map(|(r, i)| Some((r, i.staple.as_ref()?.file.clone()))));
            self.stapled = Some(now);
        }
        // Loading has read them once.
        self.stapled.get_or_insert(now);
        self.seed_refused(&generation);
        let at = UnixTime::now().as_secs();
        // One that is stale goes, if no file holds it any more; one whose issuer's key was seen comes into its series.
        self.looked = self.looked.min(at);
        let turned = generation
            .next_turn(UnixTime::since_unix_epoch(Duration::from_secs(self.looked)))
            .is_some_and(|turn| turn <= at);
        let (_, seen) = generation.ledger().waits();
        // Nothing to read and nothing that time has changed: the usual case.
        if due.is_empty() && staples.is_empty() && !turned && !seen {
            return;
        }
        self.looked = at;
        // Parsing and checking signatures takes a while: not in the thread that serves commands and the
        // watchdog.
        let previous = Arc::clone(&generation);
        // Numbered as a reload would be: each generation has one number.
        let number = generation.number() + 1;
        let looked = tokio::task::spawn_blocking(move || {
            let staples = staples.into_iter();
            let read = Read {
                crls: read_all(due),
                staples: staples
                    .map(|(identity, file)| (identity, response(&file)))
                    .collect(),
            };
            previous.refresh(number, read, UnixTime::now())
        });
        if let Ok(refreshed) = looked.await {
            self.apply(refreshed, &asked, daemon).await;
        }
    }

    /// Makes what a look has found the next generation, and logs it.
    pub(super) async fn apply(
        &mut self,
        refreshed: Refreshed,
        asked: &HashSet<String>,
        daemon: &Daemon,
    ) {
        let Refreshed {
            generation,
            refused,
            updated,
            notes,
        } = refreshed;
        // Logged once until they change: the timer looks every few minutes.
        if notes != self.unstapled {
            for note in &notes {
                daemon.log.record(Event::Warning {
                    reason: note.code,
                    detail: line(note),
                });
            }
            self.unstapled = notes;
        }
        self.log_refused(refused, asked, daemon);
        // Nothing has changed but what was logged above.
        let Some(generation) = generation.map(Arc::new) else {
            return;
        };
        let number = generation.number();
        // Only what serves is reported as in force, and only what a restart would find: who reads the event may end the
        // process at once.
        if daemon.install(generation).await.is_ok() {
            self.save(daemon).await;
            log_updated(updated, number, daemon);
        }
    }

    /// Makes the state directory hold what is in force, if that is new, or if it could not be done before.
    pub(super) async fn save(&mut self, daemon: &Daemon) {
        // The process that has the listeners knows no less, and two must not write there.
        if daemon.retired.load(Ordering::Relaxed) {
            return;
        }
        let generation = daemon.generation();
        let ledger = Arc::clone(generation.ledger());
        // A ledger is never changed, only replaced: the same pointer means the same content.
        let same = |kept: &Arc<Ledger>| Arc::ptr_eq(kept, &ledger);
        if self.kept.as_ref().is_some_and(same) && self.hindered.is_none() {
            return;
        }
        // A reload may have moved it.
        let directory = crl_state::directory(generation.topology());
        let mut store = std::mem::take(&mut self.store);
        let held = Arc::clone(&ledger);
        // The disk may be slow, or a network's.
        let kept = tokio::task::spawn_blocking(move || {
            let hindered = store.keep(directory, &held);
            (store, hindered)
        });
        // The task has panicked or the process ends: the next look tries again with an empty store.
        let Ok((store, hindered)) = kept.await else {
            return;
        };
        self.store = store;
        self.kept = Some(ledger);
        // The same hindrance is logged once, not at each look.
        if hindered != self.hindered
            && let Some(NotStored {
                path,
                reason,
                detail,
            }) = &hindered
        {
            daemon.log.record(Event::CrlStateFailed {
                file: path.clone(),
                reason: *reason,
                detail: detail.clone(),
            });
        }
        self.hindered = hindered;
    }

    /// Notes what a reload has logged, so that it is not logged again.
    fn seed_refused(&mut self, generation: &Generation) {
        for refused in generation.refused_crls() {
            let key = (refused.trust.clone(), Arc::clone(&refused.file));
            let logged = self.refused.entry(key).or_default();
            logged.insert((refused.digest, refused.refusal));
        }
    }

    /// Logs each refusal once, until a look at its set finds the file good again.
    fn log_refused(&mut self, refused: Vec<RefusedCrl>, asked: &HashSet<String>, daemon: &Daemon) {
        let key = |r: &RefusedCrl| (r.trust.clone(), Arc::clone(&r.file));
        // What is still refused stays logged; what became good may be logged anew when it turns bad again.
        let mut still: HashMap<_, HashSet<_>> = HashMap::new();
        for refusal in &refused {
            let what = (refusal.digest, refusal.refusal);
            still.entry(key(refusal)).or_default().insert(what);
        }
        for refusal in refused {
            let what = (refusal.digest, refusal.refusal);
            let logged = self.refused.entry(key(&refusal)).or_default();
            if logged.insert(what) {
                daemon.log.record(crl_refused(&refusal));
            }
        }
        self.refused.retain(|file, logged| {
            if asked.contains(&file.0) {
                let still = still.get(file);
                logged.retain(|what| still.is_some_and(|still| still.contains(what)));
            }
            !logged.is_empty()
        });
    }

    /// Logs CRLs that come of age. The shards decide on their connections again by calendars of their own.
    pub(super) fn grow_old(&mut self, daemon: &Daemon) {
        let generation = daemon.generation();
        let at = UnixTime::now().as_secs();
        // The ages that hold now; what is logged of others is forgotten at the end.
        let mut current = HashSet::new();
        for set in generation.topology().trusts() {
            for crl in &set.crls {
                for age in AgeReport::ALL {
                    let key = (set.name.clone(), *crl.digest(), age);
                    if age.at(crl, set).is_none_or(|moment| moment > at) {
                        // What was logged before the clock was set back is still to come.
                        continue;
                    }
                    // Still of that age: not logged again while it lasts.
                    current.insert(key.clone());
                    if self.logged.insert(key) {
                        log_age(age, crl, set, at, daemon);
                    }
                }
            }
        }
        self.logged.retain(|key| current.contains(key));
    }
}

/// Reads the files of the sets that are due; what was fetched for them is offered beside these.
pub(super) fn read_all(
    due: Vec<(TrustRef, Vec<CrlSource>, Vec<CrlFile>)>,
) -> Vec<(TrustRef, Vec<CrlFile>)> {
    let read = due.into_iter().map(|(set, sources, mut files)| {
        files.extend(read_crls(&sources));
        (set, files)
    });
    read.collect()
}

/// An OCSP response, of at most 64 KiB.
fn response(file: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    // A missing or odd file is no response; the generation keeps the one that it has.
    let file = open_regular(file).ok()?;
    file.take(64 * 1024).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
