//! What is known of the distribution points of one trust set, and which of them are asked next.
use super::failure::FetchFailure;
use crate::daemon::node::Daemon;
use crate::reason::{FetchReason, Reason};
use crate::topology::CrlFile;
use crate::trust::DistributionPoint;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// The longest pause after a failure, unless `crl_refresh` is longer.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(3_600);
/// The shortest pause before a fetch that comes early because nextUpdate is near.
const SHORTEST_EARLY: Duration = Duration::from_secs(60);

/// What is known of the points of one set.
#[derive(Default)]
pub(super) struct FetchPoints {
    /// By URI.
    asked: HashMap<String, Point>,
    /// URIs of those that are not asked, each logged once.
    passed_over: HashSet<String>,
}

/// What is known of one distribution point.
struct Point {
    /// With the keys of its issuers when it was asked last.
    place: DistributionPoint,
    /// When it is asked next.
    due: Instant,
    /// In a row.
    failures: u32,
    /// The earliest nextUpdate of what it sent last, Unix seconds; `None`: it failed then, or was never asked.
    good_until: Option<u64>,
    /// The failure that was logged last: the same one is not logged again.
    logged: Option<Reason>,
}

impl FetchPoints {
    /// What is asked now of the points that certificates name, in this order: those that are due and answered last time, the
    /// one whose CRL ends first before the others, then a single one that did not. So no number of points that fail, slowly or
    /// at once, keeps the others waiting for more than one of them; and each comes in its turn.
    pub(super) fn pass(
        &mut self,
        named: Vec<DistributionPoint>,
        now: Instant,
    ) -> Vec<DistributionPoint> {
        // What no certificate names any more is forgotten, with its failures.
        let uris: HashSet<&String> = named.iter().map(|place| &place.uri).collect();
        self.asked.retain(|uri, _| uris.contains(uri));
        for place in named {
            let point = self.asked.entry(place.uri.clone());
            // What is new is asked at once, in its turn: a CRL may be missing until then.
            let point = point.or_insert_with(|| Point::new(place.clone(), now));
            if point.place != place {
                // What nobody known had signed may be signed by the key that came by meanwhile.
                if point.logged == Some(FetchReason::NotSigned.into()) {
                    point.due = now;
                }
                point.place = place;
            }
        }
        let due = self.asked.values().filter(|point| point.due <= now);
        // A point counts as good as long as it answers with what can be used; one failure puts it behind those that do.
        let (mut good, other): (Vec<_>, Vec<_>) = due.partition(|point| point.good_until.is_some());
        good.sort_unstable_by_key(|point| (point.good_until, &point.place.uri));
        // What never failed before what did, then what has waited longest.
        let first = other
            .into_iter()
            .min_by_key(|point| (point.failures > 0, point.due, &point.place.uri));
        let pass = good.into_iter().chain(first);
        pass.map(|point| point.place.clone()).collect()
    }

    /// How long none of them is due.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        let due = self.asked.values().map(|point| point.due).min();
        due.map(|due| due.saturating_duration_since(now))
    }

    /// A point has sent a CRL: it is asked again after `every`, or sooner when nextUpdate is near. `at` is the time in Unix
    /// seconds.
    pub(super) fn answered(&mut self, file: &CrlFile, every: Duration, (now, at): (Instant, u64)) {
        let uri = file.file.to_str().unwrap_or_default();
        if let Some(point) = self.asked.get_mut(uri) {
            let lists = file.content.iter().flatten();
            let next = lists.map(|crl| crl.next_update()).min();
            // It has recovered: the next failure is news again.
            point.failures = 0;
            point.logged = None;
            point.good_until = next;
            // Half of what is left of its validity: the second try still comes in time.
            let left = Duration::from_secs(next.unwrap_or_default().saturating_sub(at));
            point.due = now + every.min((left / 2).max(SHORTEST_EARLY));
        }
    }

    /// A point has sent nothing that can be used. It is asked again after `every`, and after twice as long with each further
    /// failure. Returns whether that is to be logged.
    pub(super) fn failed(
        &mut self,
        uri: &str,
        failure: &FetchFailure,
        every: Duration,
        now: Instant,
    ) -> bool {
        let Some(point) = self.asked.get_mut(uri) else {
            return false;
        };
        // Doubled with each failure, like every back-off here.
        let factor = 1 << point.failures.min(16);
        point.failures = point.failures.saturating_add(1);
        point.good_until = None;
        point.due = now + (every * factor).min(LONGEST_BACK_OFF.max(every));
        point.logged.replace(failure.reason) != Some(failure.reason)
    }

    /// Logs once what a set's certificates name and nobody asks.
    pub(super) fn pass_over(&mut self, uris: Vec<String>, trust: &str, daemon: &Daemon) {
        self.passed_over.retain(|known| uris.contains(known));
        for uri in uris {
            if self.passed_over.insert(uri.clone()) {
                let what = "only http:// URIs of at most 1024 bytes are asked, and a certificate names none";
                FetchReason::NotHttp
                    .because(what.to_owned())
                    .log(trust.to_owned(), uri, daemon);
            }
        }
    }
}

impl Point {
    fn new(place: DistributionPoint, now: Instant) -> Self {
        Self {
            place,
            due: now,
            failures: 0,
            good_until: None,
            logged: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::clock::now;
    use crate::topology::parse_crls;
    use sipward_lab::pki::{Authority, CrlSpec};
    use std::path::Path;

    const EVERY: Duration = Duration::from_secs(300);

    fn places(uris: &[&str]) -> Vec<DistributionPoint> {
        let place = |uri: &&str| DistributionPoint::of((*uri).to_owned(), Vec::new());
        uris.iter().map(place).collect()
    }

    fn uris(pass: Vec<DistributionPoint>) -> Vec<String> {
        pass.into_iter().map(|place| place.uri).collect()
    }

    fn late() -> FetchFailure {
        FetchReason::FetchTimeout.because(String::new())
    }

    #[test]
    fn pauses_grow_with_failures_up_to_an_hour() {
        let mut points = FetchPoints::default();
        let start = now();
        points.pass(places(&["a"]), start);
        let day = Duration::from_secs(86_400);
        let mut pauses = Vec::new();
        for every in [EVERY; 6].into_iter().chain([day]) {
            let logged = points.failed("a", &late(), every, start);
            pauses.push((points.pause(start).unwrap().as_secs(), logged));
        }
        let wanted = [300, 600, 1_200, 2_400, 3_600, 3_600, 86_400];
        let wanted: Vec<_> = wanted
            .into_iter()
            .zip([true].into_iter().chain([false; 6]))
            .collect();
        assert_eq!(pauses, wanted);
    }

    #[test]
    fn what_answers_comes_first_and_of_what_fails_one_in_a_pass() {
        let ca = Authority::root("Contoso Root").unwrap();
        let start = now();
        let answer = |points: &mut FetchPoints, uri: &str, hours: i64| {
            let spec = CrlSpec {
                next_update: hours * 3_600,
                ..CrlSpec::default()
            };
            let file = CrlFile {
                file: Path::new(uri).into(),
                fetched: true,
                line: 1,
                digest: [0; 32],
                content: parse_crls(ca.crl(&spec).unwrap().to_vec()),
            };
            let at = rustls_pki_types::UnixTime::now().as_secs();
            points.answered(&file, EVERY, (start, at));
        };
        let named = || places(&["a", "b", "c", "d", "e"]);
        let mut points = FetchPoints::default();
        // One new one at a time.
        assert_eq!(uris(points.pass(named(), start)), ["a"]);
        answer(&mut points, "a", 9);
        assert_eq!(uris(points.pass(named(), start)), ["b"]);
        points.failed("b", &late(), EVERY, start);
        assert_eq!(uris(points.pass(named(), start)), ["c"]);
        answer(&mut points, "c", 5);
        assert_eq!(uris(points.pass(named(), start)), ["d"]);
        points.failed("d", &late(), EVERY, start);
        // A new one before those that have failed; what answers before both, by what ends first.
        let later = start + EVERY;
        assert_eq!(uris(points.pass(named(), later)), ["c", "a", "e"]);
        points.failed("e", &late(), EVERY, later);
        assert_eq!(uris(points.pass(named(), later)), ["c", "a", "b"]);
        points.failed("b", &late(), EVERY, later);
        assert_eq!(uris(points.pass(named(), later)), ["c", "a", "d"]);
        // What is named no more is forgotten, with its failures.
        assert_eq!(uris(points.pass(places(&["a"]), later)), ["a"]);
        assert_eq!(uris(points.pass(places(&["a", "d"]), later)), ["a", "d"]);
    }

    #[test]
    fn a_new_key_is_reason_to_ask_again_for_what_nobody_had_signed() {
        let named = |keys: &[&[u8]]| {
            let keys = keys.iter().map(|key| key.to_vec()).collect();
            vec![DistributionPoint::of("a".to_owned(), keys)]
        };
        let start = now();
        let mut points = FetchPoints::default();
        points.pass(named(&[b"1"]), start);
        let unsigned = FetchReason::NotSigned.because(String::new());
        points.failed("a", &unsigned, EVERY, start);
        assert!(points.pass(named(&[b"1"]), start).is_empty());
        assert_eq!(uris(points.pass(named(&[b"1", b"2"]), start)), ["a"]);
        points.failed("a", &late(), EVERY, start);
        assert!(points.pass(named(&[b"1"]), start).is_empty());
    }
}
