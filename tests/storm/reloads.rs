//! The reload storm: reloads with a large CRL while calls go on. It prints failed calls and the daemon's resident memory
//! after the warm-up and at the end. The suite runs a short one; the long one is
//! `SIPWARD_STORM=10000 cargo test --release --test storm -- --nocapture`.
use sipward::daemon::control::{ReloadResult, Reply, Request, ask};
use sipward_lab::pki::{CrlSpec, Serial};
use sipward_lab::site::{EDGE, HOME, Site};
use sipward_lab::{
    Client, EdgeTarget, LabError, LiveLog, Server, ServerSpec, Transcript, trust_only,
};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Longer than any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Octets of an entry in the CRL, roughly.
const ENTRY: usize = 49;

/// How much storm.
struct Size {
    reloads: u64,
    crl: usize,
}

impl Size {
    fn of_this_run() -> Self {
        match std::env::var("SIPWARD_STORM") {
            Ok(reloads) => Self {
                reloads: reloads.parse().unwrap(),
                crl: 5_000_000,
            },
            Err(_) => Self {
                reloads: 30,
                crl: 200_000,
            },
        }
    }
}

/// The daemon as a process of its own, so that its memory is its own too.
struct Daemon {
    child: Child,
    log: LiveLog,
    socket: PathBuf,
}

impl Daemon {
    async fn start(topology: &Path) -> Self {
        let directory = topology.parent().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_sipward"))
            .arg("run")
            .arg(topology)
            .env("RUNTIME_DIRECTORY", directory)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let log = LiveLog::default();
        let lines = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // What a long storm says over and over would fill the test's own memory.
                if !line.contains("\"request_relayed\"") && !line.contains("\"handshake_") {
                    lines.push(&line);
                }
            }
        });
        let daemon = Self {
            child,
            log,
            socket: directory.join("control.sock"),
        };
        daemon
            .log
            .wait("control_listening", |_| true)
            .await
            .unwrap();
        daemon
    }

    /// Resident memory in KiB.
    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.unwrap().parse().unwrap()
    }

    async fn reload(&self) {
        let socket = self.socket.clone();
        let reply = tokio::task::spawn_blocking(move || {
            ask(&socket, &Request::Reload {}, PATIENCE).unwrap()
        });
        let reply = reply.await.unwrap();
        let Reply::Reload(report) = &reply else {
            panic!("{reply:?}");
        };
        assert_eq!(report.result, ReloadResult::Ok, "{report:?}");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A whole call: INVITE, 200, ACK, BYE, 200.
async fn call(alice: &Client, fe01: &Server) -> Result<(), LabError> {
    let call = alice.invite("sip:bob@contoso.test").send().await?;
    let invite = fe01.expect("INVITE").await?;
    fe01.accept(&invite).await?;
    let ok = alice.answer(&call, 200).await?;
    let mut dialog = alice.ack(&call, &ok).await?;
    fe01.expect("ACK").await?;
    let bye = alice.bye(&mut dialog).await?;
    let got = fe01.expect("BYE").await?;
    fe01.reply(&got, 200).await?;
    alice.answer(&bye, 200).await?;
    Ok(())
}

/// Two CRLs of the same size and number that differ in one entry, so that each reload finds another content.
fn crls(site: &Site, octets: usize) -> [PathBuf; 2] {
    [1u64, 2].map(|first| {
        let entries = (octets / ENTRY) as u64;
        let revoked = (0..entries).map(|n| Serial::filler(n * 2 + first));
        let revoked = revoked.collect();
        let spec = CrlSpec {
            revoked,
            ..CrlSpec::default()
        };
        let path = site.path().join(format!("large-{first}.crl"));
        std::fs::write(&path, site.enterprise.crl(&spec).unwrap()).unwrap();
        path
    })
}

#[tokio::test]
async fn a_reload_storm_under_calls_fails_no_call_and_keeps_memory_flat() {
    let size = Size::of_this_run();
    let site = Site::new().unwrap();
    let roots = trust_only(&[&site.enterprise]).unwrap();
    let identity = site.enterprise.server("fe01.contoso.test").unwrap();
    let fe01 = Server::start(&ServerSpec {
        party: "fe01",
        fqdn: "fe01.contoso.test",
        aor: "sip:bob@contoso.test",
        identity: &identity,
        roots: &roots,
        transcript: &Transcript::new(),
        listen: None,
    })
    .await
    .unwrap();
    let large = crls(&site, size.crl);
    let link = site.path().join("enterprise-ca.crl.pem");
    let exchange = |to: &Path| {
        let next = site.path().join("next");
        std::os::unix::fs::symlink(to, &next).unwrap();
        std::fs::rename(&next, &link).unwrap();
    };
    exchange(&large[0]);
    let text = site.topology(&[("fe01.contoso.test", fe01.address())], None);
    let file = site.write("topology.toml", &text.to_toml()).unwrap();
    let daemon = Daemon::start(&file).await;
    let listening = daemon.log.wait("listening", |_| true).await.unwrap();
    let face = EdgeTarget {
        address: listening["address"].as_str().unwrap().parse().unwrap(),
        name: EDGE.to_owned(),
        roots,
        transcript: Transcript::new(),
    };
    let alice = Client::connect(&face, "alice", &format!("sip:alice@{HOME}"))
        .await
        .unwrap();
    let (stop, done, failed) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicU64::new(0)),
    );
    let calls = {
        let (stop, done, failed) = (stop.clone(), done.clone(), failed.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let outcome = call(&alice, &fe01).await;
                if let Err(error) = &outcome {
                    eprintln!("a call failed: {error}");
                    failed.fetch_add(1, Ordering::Relaxed);
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    #[expect(clippy::disallowed_methods, reason = "a test's own clock")]
    let started = Instant::now();
    let warm = size.reloads / 3;
    let mut after_warm_up = 0;
    for round in 0..size.reloads {
        exchange(&large[usize::from(round % 2 == 0)]);
        daemon.reload().await;
        if round + 1 == warm {
            after_warm_up = daemon.resident();
        }
        if (round + 1).is_multiple_of(500) {
            let (calls, resident) = (done.load(Ordering::Relaxed), daemon.resident());
            println!(
                "{} reloads, {calls} calls, {resident} KiB resident",
                round + 1
            );
        }
    }
    let at_the_end = daemon.resident();
    let took = started.elapsed();
    stop.store(true, Ordering::Relaxed);
    calls.await.unwrap();
    let (calls, failed) = (done.load(Ordering::Relaxed), failed.load(Ordering::Relaxed));
    println!(
        "{} reloads with a CRL of {} octets in {:.1} s: {calls} calls, {failed} failed; resident {after_warm_up} KiB after \
         {warm} reloads, {at_the_end} KiB at the end",
        size.reloads,
        std::fs::metadata(&large[0]).unwrap().len(),
        took.as_secs_f64(),
    );
    assert_eq!(failed, 0);
    assert!(calls > 0);
    let room = after_warm_up / 4 + 8 * 1024;
    assert!(
        at_the_end < after_warm_up + room,
        "{after_warm_up} KiB became {at_the_end} KiB"
    );
}
