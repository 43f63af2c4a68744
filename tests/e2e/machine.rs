//! What breaks in the machine beneath the daemon: its clock is set, its disk is full, nobody reads its log. Calls go on, the
//! operator hears of it, and when it is over nothing has to be restarted.
use crate::faults::is_up;
use crate::harness::{LOOK, Lab, World, hangs_up, left_out, message_passes};
use rustls_pki_types::UnixTime;
use sipward_lab::pki::CrlSpec;
use sipward_lab::{Client, OwnClock, OwnDisk};
use std::path::Path;
use std::process::Command;

const SIPWARD: &str = env!("CARGO_BIN_EXE_sipward");
const FE01: &str = "fe01.contoso.test";
const NO_CLOCK: &str = "libfaketime is not installed";
const NO_DISK: &str = "this user may mount nothing";
/// Writes a log file to standard error as it grows, and becomes the daemon.
const FOLLOWED: &str = "tail -n +1 -s 0.1 -F --pid=$$ \"$0\" >&2 2>/dev/null & exec \"$@\"";

/// A registered phone, its Path, and the way in which its server calls it.
struct Phone {
    client: Client,
    path: String,
}

impl Phone {
    async fn new(world: &World) -> Self {
        let (client, path) = world.registered("alice").await;
        Self { client, path }
    }

    /// A MESSAGE of its server reaches it: no registration is lost, and of a server's requests each has its line in the log.
    async fn is_reached(&self, world: &World) {
        let wire = world.fe01.wire().unwrap();
        let draft = world.fe01.message(self.client.contact(), "hi");
        let sent = draft.header("Route", &self.path).on(&wire).send().await;
        let got = self.client.expect("MESSAGE").await.unwrap();
        self.client.reply(&got, 200).await.unwrap();
        world.fe01.answer(&sent.unwrap(), 200).await.unwrap();
    }
}

/// Lines that nobody will read, as the operator is shown them.
async fn lost(world: &World) -> u64 {
    let status = world
        .status_once(|status| status["log_lost"].is_u64())
        .await;
    status["log_lost"].as_u64().unwrap()
}

/// Sends until lines are lost: more than what lies between the daemon and who reads its log can hold.
async fn until_lines_are_lost(world: &World, phone: &Phone) {
    while lost(world).await == 0 {
        for _ in 0..50 {
            phone.is_reached(world).await;
        }
    }
}

/// A call that was up ends, and another one is made and ends.
async fn calls_go_on(world: &World, phone: &Phone, up: &mut sipward_lab::Dialog) {
    hangs_up(&phone.client, up, &world.fe01).await;
    *up = is_up(&phone.client, &world.fe01).await.0;
}

/// How many seconds the daemon's clock is ahead of this machine's, by its last line.
fn ahead(line: &serde_json::Value) -> i64 {
    const DAY: i64 = 86_400;
    let time = line["ts"].as_str().unwrap();
    let part = |at: usize| time[at..at + 2].parse::<i64>().unwrap();
    // `2026-11-29T04:07:01.123Z`: the time of day is enough for a clock that is hours off.
    let shown = (part(11) * 60 + part(14)) * 60 + part(17);
    let now = i64::try_from(UnixTime::now().as_secs()).unwrap();
    (shown - now + DAY / 2).rem_euclid(DAY) - DAY / 2
}

/// Sets the clock, and sends until the daemon goes by it.
async fn is_set(clock: &OwnClock, seconds: i64, world: &World, phone: &Phone) {
    clock.set(seconds).unwrap();
    loop {
        let mark = world.edge.log.mark();
        phone.is_reached(world).await;
        let relayed = world.edge.log.wait_after(mark, "request_relayed", |_| true);
        if (ahead(&relayed.await.unwrap()) - seconds).abs() < 30 {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test]
async fn a_clock_that_is_set_loses_no_call_and_what_was_stale_by_it_serves_when_it_is_right() {
    let lab = Lab::new();
    let Some(clock) = OwnClock::new(lab.site.path()).unwrap() else {
        return left_out(NO_CLOCK);
    };
    // Valid for an hour.
    lab.site.revoke(&[], &[]).unwrap();
    let mut command = Command::new(SIPWARD);
    clock.enter(&mut command);
    let world = World::by(command, lab, |t| {
        let set = t.find("[[trust]]", "name", "enterprise-ca").unwrap();
        // Looks at its CRLs as often: the operator hears of a stale one then.
        set.text("crl_refresh", "1s");
        t.section("[limits]").text("backoff_max", "500ms");
    })
    .await;
    let phone = Phone::new(&world).await;
    let (mut up, _) = is_up(&phone.client, &world.fe01).await;
    for seconds in [-120, 120, 0] {
        is_set(&clock, seconds, &world, &phone).await;
        message_passes(&phone.client, &world.fe01).await;
    }
    // By hours: every CRL of the site is stale.
    clock.set(2 * 3600).unwrap();
    let stale = world.logged("crl_stale", |_| true).await;
    assert_eq!(stale["trust"], "enterprise-ca", "{stale}");
    // Nobody is let in whose certificate cannot be looked up.
    world.fe01.wire().unwrap().cut();
    assert_eq!(world.asks(&phone.client).await.err(), Some(503));
    world
        .logged("handshake_refused", |e| {
            e["reason"] == "crl_stale" && e["peer"] == FE01
        })
        .await;
    clock.set(0).unwrap();
    world.serves_again(&phone.client).await;
    calls_go_on(&world, &phone, &mut up).await;
    phone.is_reached(&world).await;
    world.stop().await;
}

#[tokio::test]
async fn a_log_that_nobody_reads_costs_lines_and_no_call_and_says_how_many() {
    let world = World::with(|t| {
        t.section("[limits]").raw("log_queue", "16");
    })
    .await;
    let phone = Phone::new(&world).await;
    let (mut up, _) = is_up(&phone.client, &world.fe01).await;
    world.edge.read_log(false);
    until_lines_are_lost(&world, &phone).await;
    calls_go_on(&world, &phone, &mut up).await;
    world.edge.read_log(true);
    world.logged("log_dropped", |_| true).await;
    // What is recorded from now on is read.
    let mark = world.edge.log.mark();
    phone.is_reached(&world).await;
    let relayed = world.edge.log.wait_after(mark, "request_relayed", |_| true);
    relayed.await.unwrap();
    let lost = lost(&world).await;
    let log = world.stop().await;
    let said = log.named("log_dropped").into_iter();
    let said: u64 = said.map(|e| e["lines"].as_u64().unwrap()).sum();
    assert_eq!(said, lost);
}

#[tokio::test]
async fn a_log_file_on_a_full_disk_loses_lines_and_no_call_and_goes_on_when_there_is_room() {
    let lab = Lab::new();
    let Some(disk) = OwnDisk::new(lab.site.path()).unwrap() else {
        return left_out(NO_DISK);
    };
    let file = disk.path().join("sipward.log");
    let mut command = disk.command("sh");
    command.args(["-c", FOLLOWED]).arg(&file).arg(SIPWARD);
    let world = World::by(command, lab, |t| {
        let file = file.to_string_lossy();
        t.section("[log]").text("file", &file);
    })
    .await;
    let phone = Phone::new(&world).await;
    let (mut up, _) = is_up(&phone.client, &world.fe01).await;
    let process = world.edge.pid();
    disk.fill(process).unwrap();
    until_lines_are_lost(&world, &phone).await;
    calls_go_on(&world, &phone, &mut up).await;
    disk.free(process).unwrap();
    // The first line that finds room comes behind the number of those that did not.
    phone.is_reached(&world).await;
    world.logged("log_dropped", |_| true).await;
    let lost = lost(&world).await;
    let mut edge = world.edge;
    edge.signal("TERM");
    // Who follows the file ends with the daemon, and the log with that.
    assert!(edge.main_ended().await.success());
    let (_, log) = edge.exited().await;
    let said = log.named("log_dropped").into_iter();
    let said: u64 = said.map(|e| e["lines"].as_u64().unwrap()).sum();
    assert_eq!(said, lost);
    // Of the line in which the room ended there may be the half.
    assert!(log.other_lines().len() <= 1, "{:?}", log.other_lines());
}

#[tokio::test]
async fn what_a_full_disk_could_not_take_is_kept_as_soon_as_there_is_room() {
    let lab = Lab::new();
    let Some(disk) = OwnDisk::new(lab.site.path()).unwrap() else {
        return left_out(NO_DISK);
    };
    let world = World::by(disk.command(SIPWARD), lab, |t| {
        let state = disk.path().to_string_lossy();
        t.section("[node]").text("state", &state);
        let set = t.find("[[trust]]", "name", "enterprise-ca").unwrap();
        set.text("crl_refresh", "1s");
    })
    .await;
    let phone = Phone::new(&world).await;
    let (mut up, _) = is_up(&phone.client, &world.fe01).await;
    let process = world.edge.pid();
    let kept = |file: &str| std::fs::read(disk.seen_through(process, file)).unwrap_or_default();
    let crl = record(&world).await;
    let before = kept(&crl);
    assert!(!before.is_empty());
    disk.fill(process).unwrap();
    let spec = CrlSpec {
        number: 2,
        ..CrlSpec::default()
    };
    let pem = world.lab.site.enterprise.crl_as_pem(&spec).unwrap();
    replace(&world.lab.site.path().join("enterprise-ca.crl.pem"), &pem);
    // It is in force, and the operator hears that a restart would not find it.
    world.logged("crl_updated", |_| true).await;
    let failed = world.logged("crl_state_failed", |_| true).await;
    assert_eq!(failed["reason"], "state_unwritable", "{failed}");
    let deny = ["deny", "add", "192.0.2.0/24", "--for", "1h"];
    assert_eq!(world.edge.command(&deny).await.0, Some(0));
    let of_denials = |e: &serde_json::Value| e["reason"] == "state_unwritable";
    world.logged("warning", of_denials).await;
    // What was kept before is whole.
    assert_eq!(kept(&crl), before);
    calls_go_on(&world, &phone, &mut up).await;
    disk.free(process).unwrap();
    let denied = |text: &[u8]| String::from_utf8_lossy(text).contains("192.0.2.0/24");
    while kept(&crl) == before || !denied(&kept("denials.json")) {
        tokio::time::sleep(LOOK).await;
    }
    calls_go_on(&world, &phone, &mut up).await;
    world.stop().await;
}

/// The file in which the CRL of the enterprise's CA is kept.
async fn record(world: &World) -> String {
    let (code, listed) = world.edge.command(&["crls"]).await;
    assert_eq!(code, Some(0));
    let listed = listed.as_array().unwrap();
    let is_it = |crl: &&serde_json::Value| crl["issuer"].as_str().unwrap().contains("Contoso");
    let id = listed.iter().find(is_it).unwrap()["id"].as_str().unwrap();
    format!("{id}.crls")
}

/// Exchanges a file that may be read at any moment.
fn replace(path: &Path, text: &str) {
    let next = path.with_extension("next");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(next, path).unwrap();
}
