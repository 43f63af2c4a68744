//! The tasks that fetch: one for each trust set, a few fetches at once in all.
use super::failure::FetchFailure;
use super::get::get;
use super::points::FetchPoints;
use crate::daemon::clock::now;
use crate::daemon::node::Daemon;
use crate::reason::FetchReason;
use crate::topology::{CrlFile, TrustRef, TrustSet, fetched_crls, room};
use crate::trust::DistributionPoint;
use rustls_pki_types::UnixTime;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;

/// From the lookup of the name to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest sleep, and the one when nothing is to be fetched.
const LONGEST_SLEEP: Duration = Duration::from_secs(600);
/// Fetches at once, over all sets: each may hold a body of 64 MiB.
const AT_ONCE: usize = 4;

/// What a distribution point has sent.
pub(in crate::daemon) struct Fetched {
    /// The trust set.
    pub(in crate::daemon) trust: String,
    /// As if it were a file.
    pub(in crate::daemon) file: CrlFile,
    /// Given back once the timer has taken it in: what waits for the timer counts as being fetched.
    _slot: OwnedSemaphorePermit,
}

/// What the sets share.
///
/// No set waits for another one's server, however many points that one has; what they share is only this machine.
struct FetchSlots {
    /// First come, first served: a set waits at most for one fetch of each of the others.
    fetches: Arc<Semaphore>,
    /// Finding points reads every chain that was seen lately: one set at a time, so that the shards keep their cores.
    looks: Semaphore,
    /// Held while what has come is read, which takes more memory than its bytes if it is PEM.
    reading: Arc<Mutex<()>>,
}

/// What is asked for a set.
struct FetchTask {
    trust: String,
    line: u32,
    local: Vec<String>,
    every: Duration,
    /// In order.
    places: Vec<DistributionPoint>,
    held: HeldBytes,
}

/// Bytes of a set's fetched CRLs by the URI that they came from: all of them, and the largest.
#[derive(Default)]
struct HeldBytes(HashMap<String, (u64, u64)>);

impl HeldBytes {
    /// Of what is in force.
    fn of(set: &TrustSet) -> Self {
        let mut held = Self::default();
        for crl in set.crls.iter().filter(|crl| crl.fetched) {
            let uri = crl.file.to_string_lossy().into_owned();
            let (all, largest) = held.0.entry(uri).or_default();
            *all += crl.size();
            *largest = crl.size().max(*largest);
        }
        held
    }

    /// What a point may send: all fetched CRLs of a set together have a bound, and it gets what the others leave. Of its own
    /// one may be replaced.
    fn room(&self, uri: &str) -> u64 {
        let all: u64 = self.0.values().map(|(all, _)| all).sum();
        let own = self.0.get(uri).map_or(0, |(_, largest)| *largest);
        room(all.saturating_sub(own))
    }

    /// A point has sent so much, which is not in force yet.
    // Without it every point of one round would get the room that was left when the round began.
    fn came(&mut self, file: &CrlFile) {
        let size = file
            .content
            .iter()
            .flatten()
            .map(|crl| crl.size())
            .sum::<u64>();
        let uri = file.file.to_string_lossy().into_owned();
        let (all, largest) = self.0.entry(uri).or_default();
        *all = size.max(*all);
        *largest = size.max(*largest);
    }
}

/// Runs until the daemon's runtime ends.
pub(in crate::daemon) async fn run(daemon: Arc<Daemon>, timer: mpsc::Sender<Fetched>) {
    let slots = Arc::new(FetchSlots {
        fetches: Arc::new(Semaphore::new(AT_ONCE)),
        looks: Semaphore::new(1),
        reading: Arc::default(),
    });
    let mut serving = daemon.serving();
    let mut tasks: HashMap<String, AbortOnDropHandle<()>> = HashMap::new();
    loop {
        let generation = daemon.generation();
        let fetching = generation.topology().trusts().iter();
        let fetching = fetching.filter(|set| interval(set).is_some());
        let fetching: HashSet<String> = fetching.map(|set| set.name.clone()).collect();
        // Not kept while the task sleeps: a generation may be large.
        drop(generation);
        // A set that a reload has taken away ends at once; a fetch of it that is under way keeps its slot until it is through.
        tasks.retain(|trust, task| fetching.contains(trust) && !task.is_finished());
        // Sets that go on keep what they know of their points: a reload is no reason to ask a server again.
        for trust in fetching {
            tasks.entry(trust.clone()).or_insert_with(|| {
                let set = of_set(
                    trust,
                    Arc::clone(&daemon),
                    timer.clone(),
                    Arc::clone(&slots),
                );
                AbortOnDropHandle::new(tokio::spawn(set))
            });
        }
        if serving.changed().await.is_err() {
            return;
        }
    }
}

/// How often a set's CRLs are fetched, if it asks for it: fetching shows a CA which of its certificates are in use.
fn interval(set: &TrustSet) -> Option<Duration> {
    set.crl_refresh.filter(|_| set.crl_fetch)
}

/// Fetches for one set, until the set is gone.
async fn of_set(
    trust: String,
    daemon: Arc<Daemon>,
    timer: mpsc::Sender<Fetched>,
    slots: Arc<FetchSlots>,
) {
    let mut points = FetchPoints::default();
    let mut serving = daemon.serving();
    loop {
        // Found anew for each round: peers come with other points, and what came into force leaves less room.
        let pause = match find(&mut points, &trust, &daemon, &slots).await {
            Some(task) => round(&mut points, task, &daemon, &timer, &slots).await,
            None => LONGEST_SLEEP,
        };
        tokio::select! {
            changed = serving.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// What is to be asked for a set now.
async fn find(
    points: &mut FetchPoints,
    trust: &str,
    daemon: &Daemon,
    slots: &FetchSlots,
) -> Option<FetchTask> {
    let _one_at_a_time = slots.looks.acquire().await.ok()?;
    // By name: numbers of sets change with each reload. The generation is let go before anything is fetched, since a slow
    // server must not keep an old one in memory.
    let generation = daemon.generation();
    let mut sets = (0u32..).map(TrustRef).zip(generation.topology().trusts());
    let (reference, set) = sets.find(|(_, set)| set.name == trust)?;
    let every = interval(set)?;
    let (asked, seen) = (Arc::clone(&generation), daemon.edge.seen().all());
    let look = move || asked.fetchable(reference, &seen, UnixTime::now());
    // Signatures of those chains are checked: on a thread of its own.
    let found = tokio::task::spawn_blocking(look).await.unwrap_or_default();
    // Reported once each, since an operator may wonder why a CRL never comes.
    points.pass_over(found.unasked, trust, daemon);
    Some(FetchTask {
        trust: trust.to_owned(),
        line: set.line,
        local: set.crl_fetch_local.clone(),
        every,
        places: points.pass(found.points, now()),
        held: HeldBytes::of(set),
    })
}

/// Fetches what a task names, one after the other, which bounds the load on a CA's server; returns how long nothing is due.
async fn round(
    points: &mut FetchPoints,
    mut task: FetchTask,
    daemon: &Daemon,
    timer: &mpsc::Sender<Fetched>,
    slots: &FetchSlots,
) -> Duration {
    let every = task.every;
    for place in task.places {
        // Held until the timer has what came: a timer that is slow slows the fetches, and nothing piles up between them.
        let Ok(slot) = Arc::clone(&slots.fetches).acquire_owned().await else {
            return LONGEST_SLEEP;
        };
        let uri = place.uri.clone();
        let most = task.held.room(&uri);
        let (line, local, reading) = (task.line, task.local.clone(), Arc::clone(&slots.reading));
        // On a thread of its own: it blocks. The slot goes with it, since a thread ends later than a task that is given up.
        let got =
            tokio::task::spawn_blocking(move || (fetch(&place, most, line, local, &reading), slot));
        // From the end of the fetch, so that a slow server is not asked again at once.
        match got.await {
            Ok((Ok(file), slot)) => {
                points.answered(&file, every, (now(), UnixTime::now().as_secs()));
                task.held.came(&file);
                let fetched = Fetched {
                    trust: task.trust.clone(),
                    file,
                    _slot: slot,
                };
                // The timer ends only with the daemon.
                let _ = timer.send(fetched).await;
            }
            Ok((Err(failure), _)) => fail(points, &task.trust, uri, failure, every, daemon),
            // The thread has panicked, or the process ends.
            Err(error) => {
                let failure = FetchReason::Unreachable.because(error.to_string());
                fail(points, &task.trust, uri, failure, every, daemon);
            }
        }
    }
    // Peers that are accepted meanwhile may bring other points.
    points
        .pause(now())
        .unwrap_or(every)
        .min(every)
        .min(LONGEST_SLEEP)
}

fn fail(
    points: &mut FetchPoints,
    trust: &str,
    uri: String,
    failure: FetchFailure,
    every: Duration,
    daemon: &Daemon,
) {
    if points.failed(&uri, &failure, every, now()) {
        failure.log(trust.to_owned(), uri, daemon);
    }
}

/// Fetches and reads what a point has. What cannot be used is a failure as what does not come is.
fn fetch(
    place: &DistributionPoint,
    most: u64,
    line: u32,
    local: Vec<String>,
    reading: &Mutex<()>,
) -> Result<CrlFile, FetchFailure> {
    // Beside the others: waiting for a server costs no memory but its bytes.
    let octets = get(&place.uri, most, local, PATIENCE)?;
    let _one_at_a_time = reading.lock().unwrap_or_else(PoisonError::into_inner);
    // Nothing that came is trusted for where it came from: before anything is read of it, or kept, a key of the point must
    // have signed it.
    let signer = |crl: &[u8], proven: Option<&[u8]>| place.signer(crl, proven);
    let unusable = |(reason, detail)| FetchFailure { reason, detail };
    fetched_crls(&place.uri, line, octets, signer).map_err(unusable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::parse_crls;
    use sipward_lab::pki::{Authority, CrlSpec};
    use std::path::Path;

    #[test]
    fn what_came_in_a_round_leaves_the_others_less_room() {
        let ca = Authority::root("Contoso Root").unwrap();
        let content = parse_crls(ca.crl(&CrlSpec::default()).unwrap().to_vec());
        let size = content.as_ref().unwrap()[0].size();
        let (full, largest) = (256 * 1024 * 1024, 64 * 1024 * 1024);
        let in_force = ("a".to_owned(), (full - 10, 100));
        let mut held = HeldBytes(HashMap::from([in_force]));
        // Its own largest may be replaced.
        assert_eq!((held.room("a"), held.room("b")), (110, 10));
        held.came(&CrlFile {
            file: Path::new("b").into(),
            fetched: true,
            line: 1,
            digest: [0; 32],
            content,
        });
        assert!(size > 110);
        assert_eq!((held.room("a"), held.room("c")), (0, 0));
        assert_eq!(HeldBytes::default().room("a"), largest);
    }
}
