//! Fetches CRLs from http:// distribution points for the trust sets that want it: in the background, within bounds.
//!
//! What comes goes to the timer of CRLs, which holds it to the same rules as a file. No handshake waits for any of it.
use super::address_guard::{Forbidden, Guard};
use super::clock::now;
use super::node::Daemon;
use crate::observe::Event;
use crate::reason::{FetchReason, Reason};
use crate::topology::{CrlFile, TrustRef, TrustSet, fetched_crls, room};
use crate::trust::{DistributionPoint, Generation};
use rustls_pki_types::UnixTime;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinError;

/// From the lookup of the name to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest pause after a failure, unless `crl_refresh` is longer.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(3_600);
/// The shortest pause before a fetch that comes early because nextUpdate is near.
const SHORTEST_EARLY: Duration = Duration::from_secs(60);
/// The longest sleep, and the one when nothing is to be fetched.
const LONGEST_SLEEP: Duration = Duration::from_secs(600);

/// What a distribution point has sent.
pub(super) struct Fetched {
    /// The trust set.
    pub(super) trust: String,
    /// As if it were a file.
    pub(super) file: CrlFile,
}

/// What is known of one distribution point of one set.
struct Point {
    /// When it is asked next.
    due: Instant,
    /// In a row.
    failures: u32,
    /// The failure that was logged last: the same one is not logged again.
    logged: Option<Reason>,
}

/// What is known of the points.
#[derive(Default)]
struct FetchPoints {
    /// By set and URI.
    asked: HashMap<(String, String), Point>,
    /// Those that are not asked, by set and URI, each logged once.
    passed_over: HashSet<(String, String)>,
}

/// Why a point has sent nothing that can be used.
struct FetchFailure {
    /// For the log.
    reason: Reason,
    /// The library's or the system's error.
    detail: String,
}

impl FetchFailure {
    fn log(self, set: &TrustSet, uri: String, daemon: &Daemon) {
        daemon.log.record(Event::CrlFetchFailed {
            trust: set.name.clone(),
            uri,
            reason: self.reason,
            detail: self.detail,
        });
    }
}

impl FetchReason {
    /// A failure for this reason.
    fn because(self, detail: String) -> FetchFailure {
        FetchFailure {
            reason: self.into(),
            detail,
        }
    }
}

/// Runs until the daemon's runtime ends.
pub(super) async fn run(daemon: Arc<Daemon>, timer: mpsc::Sender<Fetched>) {
    let mut points = FetchPoints::default();
    let mut serving = daemon.serving();
    loop {
        let pause = round(&mut points, &daemon, &timer).await;
        tokio::select! {
            changed = serving.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Fetches what is due, one after the other; returns how long nothing is due. One at a time bounds memory and the load on
/// a CA's server, and nothing waits for it.
async fn round(
    points: &mut FetchPoints,
    daemon: &Daemon,
    timer: &mpsc::Sender<Fetched>,
) -> Duration {
    let generation = daemon.generation();
    let mut pause = LONGEST_SLEEP;
    // What certificates name now, over all sets; points that are not among them are forgotten below.
    let mut wanted = Vec::new();
    for (reference, set) in (0u32..).map(TrustRef).zip(generation.topology().trusts()) {
        // Only sets that ask for it: fetching shows a CA which of its certificates are in use.
        let Some(every) = set.crl_refresh.filter(|_| set.crl_fetch) else {
            continue;
        };
        // Peers that are accepted meanwhile may bring other points.
        pause = pause.min(every);
        let (asked, seen) = (Arc::clone(&generation), daemon.edge.seen().all());
        let find = move || asked.fetchable(reference, &seen, UnixTime::now());
        // It reads every chain that was seen lately.
        let found = tokio::task::spawn_blocking(find).await;
        let found = found.unwrap_or_default();
        // Reported once each, since an operator may wonder why a CRL never comes.
        points.pass_over(found.unasked, set, daemon);
        let found = found.points.into_iter();
        wanted.extend(found.map(|point| (reference, every, point)));
    }
    // By name: numbers of sets change with each reload.
    let name = |reference: TrustRef| generation.topology().trust(reference).name.clone();
    // FetchPoints that no certificate names any more are forgotten, with their failures.
    points.asked.retain(|(trust, uri), _| {
        let mut wanted = wanted.iter();
        wanted.any(|(reference, _, other)| other.uri == *uri && name(*reference) == *trust)
    });
    for (reference, every, place) in wanted {
        let at = now();
        let set = generation.topology().trust(reference);
        let key = (set.name.clone(), place.uri.clone());
        let point = points.asked.entry(key).or_insert(Point {
            due: at,
            failures: 0,
            logged: None,
        });
        if point.due <= at {
            let uri = place.uri.clone();
            // The whole list waits for it: at most `PATIENCE`.
            let outcome = fetch(place, set).await;
            // From the end of the fetch, so that a slow server is not asked again at once.
            point.due = now() + point.next(&outcome, every);
            match outcome {
                Ok(file) => {
                    let trust = set.name.clone();
                    // The timer ends only with the daemon.
                    let _ = timer.send(Fetched { trust, file }).await;
                }
                Err(failure) => point.log(failure, set, uri, daemon),
            }
        }
        // Woken for the next of them.
        pause = pause.min(point.due.saturating_duration_since(now()));
    }
    // Not kept while the task sleeps: a generation may be large.
    drop::<Arc<Generation>>(generation);
    pause
}

impl FetchPoints {
    /// Logs once what a set's certificates name and nobody asks.
    fn pass_over(&mut self, uris: Vec<String>, set: &TrustSet, daemon: &Daemon) {
        let there = |known: &(String, String)| known.0 != set.name || uris.contains(&known.1);
        self.passed_over.retain(there);
        for uri in uris {
            if self.passed_over.insert((set.name.clone(), uri.clone())) {
                let what = "only http:// URIs of at most 1024 bytes are asked, and a certificate names none";
                FetchReason::NotHttp
                    .because(what.to_owned())
                    .log(set, uri, daemon);
            }
        }
    }
}

impl Point {
    /// The pause before the point is asked again.
    fn next(&mut self, outcome: &Result<CrlFile, FetchFailure>, every: Duration) -> Duration {
        let Ok(file) = outcome else {
            // Doubled with each failure, like every back-off here.
            let factor = 1 << self.failures.min(16);
            self.failures += 1;
            return (every * factor).min(LONGEST_BACK_OFF.max(every));
        };
        self.failures = 0;
        self.logged = None;
        let lists = file.content.iter().flatten();
        let Some(next) = lists.map(|crl| crl.next_update()).min() else {
            return every;
        };
        // Half of what is left of its validity: the second try still comes in time.
        let left = Duration::from_secs(next.saturating_sub(UnixTime::now().as_secs()));
        every.min((left / 2).max(SHORTEST_EARLY))
    }

    /// Logs a failure once, until it is another one.
    fn log(&mut self, failure: FetchFailure, set: &TrustSet, uri: String, daemon: &Daemon) {
        let reason = failure.reason;
        if self.logged.replace(reason) != Some(reason) {
            failure.log(set, uri, daemon);
        }
    }
}

/// Fetches and parses on a thread of its own: both block. What cannot be used is a failure as what does not come is.
async fn fetch(place: DistributionPoint, set: &TrustSet) -> Result<CrlFile, FetchFailure> {
    let uri = place.uri.as_str();
    // All fetched CRLs of a set together have a bound: this one gets what the others leave.
    let others = set.crls.iter().filter(|crl| crl.fetched);
    let others = others.filter(|crl| crl.file.to_str() != Some(uri));
    let most = room(others.map(|crl| crl.size()).sum());
    let line = set.line;
    let local = set.crl_fetch_local.clone();
    let got = tokio::task::spawn_blocking(move || {
        let octets = get(&place.uri, most, local, PATIENCE)?;
        // Nothing that came is trusted for where it came from: before anything is read of it, or kept, a key of the point
        // must have signed it.
        let signer = |crl: &[u8], proven: Option<&[u8]>| place.signer(crl, proven);
        let unusable = |(reason, detail)| FetchFailure { reason, detail };
        fetched_crls(&place.uri, line, octets, signer).map_err(unusable)
    });
    let failed = |error: JoinError| FetchReason::Unreachable.because(error.to_string());
    got.await.unwrap_or_else(|error| Err(failed(error)))
}

/// One GET: plain HTTP, no redirect, no proxy, no more than `most` bytes, and no special address unless the host is among
/// `local`.
fn get(
    uri: &str,
    most: u64,
    local: Vec<String>,
    patience: Duration,
) -> Result<Vec<u8>, FetchFailure> {
    // What a certificate names is a stranger's choice: no redirect to another address, no proxy that would do what the
    // guard forbids, no connection kept.
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(patience))
        .max_redirects(0)
        .proxy(None)
        .http_status_as_error(false)
        .max_idle_connections(0)
        .user_agent("sipward")
        .build();
    let connector = ureq::unversioned::transport::DefaultConnector::default();
    let agent = ureq::Agent::with_parts(config, connector, Guard { local });
    // The guard looks at every address that the name has, before the connect.
    let mut response = agent.get(uri).call().map_err(failure)?;
    // A redirect is refused with any other status: it would lead to an address that nobody has looked at.
    let status = response.status();
    if status != ureq::http::StatusCode::OK {
        let status = format!("HTTP status {}", status.as_u16());
        return Err(FetchReason::HttpStatus.because(status));
    }
    let body = response.body_mut();
    // A length that is announced too large saves the transfer; without one the limit cuts it.
    if body.content_length().is_some_and(|length| length > most) {
        return Err(failure(ureq::Error::BodyExceedsLimit(most)));
    }
    body.with_config()
        .limit(most)
        .read_to_vec()
        .map_err(failure)
}

/// What an error of the HTTP library means to an operator.
fn failure(error: ureq::Error) -> FetchFailure {
    use ureq::Error;
    let reason = if matches!(error, Error::Timeout(_)) {
        FetchReason::FetchTimeout
    } else if matches!(error, Error::BodyExceedsLimit(_)) {
        FetchReason::FetchTooLarge
    } else if matches!(
        error,
        Error::Io(_) | Error::HostNotFound | Error::ConnectionFailed
    ) {
        FetchReason::Unreachable
    } else if matches!(&error, Error::Other(why) if why.is::<Forbidden>()) {
        FetchReason::SpecialAddress
    } else {
        FetchReason::NotHttp
    };
    reason.because(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    /// What comes of a server that sends `answer` and waits for the client to go.
    fn ask(answer: &'static str) -> Result<Vec<u8>, &'static str> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}/ca.crl", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).unwrap();
            assert!(request[..read].starts_with(b"GET /ca.crl HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).unwrap();
            // Until the client has closed.
            let _ = stream.read(&mut request);
        });
        let got = get(&uri, 8, local(), Duration::from_secs(5));
        let got = got.map_err(|failure| failure.reason.code());
        server.join().unwrap();
        got
    }

    #[test]
    fn a_get_is_plain_and_bounded() {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n12345678";
        assert_eq!(ask(whole), Ok(b"12345678".to_vec()));
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n";
        assert_eq!(ask(chunked), Err("fetch_too_large"));
        let announced = "HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n";
        assert_eq!(ask(announced), Err("fetch_too_large"));
        let elsewhere =
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(ask(elsewhere), Err("http_status"));
        assert_eq!(ask("SIP/2.0 200 OK\r\n\r\n"), Err("not_http"));
        assert_eq!(
            ask("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n123"),
            Err("fetch_timeout")
        );
        assert!(get("https://127.0.0.1:1/", 8, local(), PATIENCE).is_err());
    }

    fn local() -> Vec<String> {
        vec!["127.0.0.1".to_owned()]
    }

    #[test]
    fn no_form_of_a_special_address_is_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "0",
            "localhost",
            "LOCALHOST.",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "169.254.169.254",
            "user@127.0.0.1",
        ] {
            let uri = format!("http://{host}:{port}/ca.crl");
            let failure = get(&uri, 8, Vec::new(), PATIENCE).unwrap_err();
            // Some of them only some systems resolve.
            assert!(
                ["special_address", "unreachable", "not_http"].contains(&failure.reason.code()),
                "{host}: {} ({})",
                failure.reason,
                failure.detail
            );
        }
        assert!(listener.accept().is_err());
        let failure = get("http://127.0.0.1:1/", 8, Vec::new(), PATIENCE).unwrap_err();
        assert_eq!(failure.reason, "special_address");
        // What is listed is another host's name, not the address that this one has.
        let failure = get("http://localhost:1/", 8, local(), PATIENCE).unwrap_err();
        assert_eq!(failure.reason, "special_address");
    }

    #[test]
    fn pauses_grow_with_failures_up_to_an_hour() {
        let mut point = Point {
            due: now(),
            failures: 0,
            logged: None,
        };
        let failed = || Err(FetchReason::FetchTimeout.because(String::new()));
        let every = Duration::from_secs(300);
        let pauses: Vec<u64> = (0..6)
            .map(|_| point.next(&failed(), every).as_secs())
            .collect();
        assert_eq!(pauses, [300, 600, 1200, 2400, 3600, 3600]);
        let day = Duration::from_secs(86_400);
        assert_eq!(point.next(&failed(), day), day);
    }
}
