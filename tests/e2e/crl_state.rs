//! What was proven of CRLs outlives the process: the state directory, `sipward crls`, and the way back.
use crate::crl_fetch::{NOT_FOUND, Web, named};
use crate::harness::{Edge, LOOK, Lab, SOON, World};
use serde_json::Value;
use sipward_lab::Server;
use sipward_lab::pki::{Authority, CrlSpec, Issued};
use sipward_lab::site::EDGE;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const FE02: &str = "fe02.contoso.test";

fn put(lab: &Lab, name: &str, ca: &Authority, number: u64, revoked: &[&Issued]) {
    let spec = CrlSpec {
        number,
        revoked: revoked.iter().map(|i| i.serial.clone()).collect(),
        ..CrlSpec::default()
    };
    let pem = ca.crl_as_pem(&spec).unwrap();
    let fresh = lab.site.path().join(format!("{name}.tmp"));
    std::fs::write(&fresh, pem).unwrap();
    std::fs::rename(fresh, lab.site.path().join(name)).unwrap();
}

async fn world(lab: Lab) -> World {
    World::in_lab(lab, |t| {
        t.section("[node]").text("state", "state");
        for name in ["enterprise-ca", "fabrikam-ca"] {
            let set = t.find("[[trust]]", "name", name).unwrap();
            set.text("crl_refresh", "1s");
        }
        t.section("[limits]").text("drain", "1s");
    })
    .await
}

/// The same daemon after a stop.
async fn restarted(world: World, between: impl FnOnce(&Lab)) -> World {
    let World {
        lab,
        edge,
        fe01,
        fe02,
        partner,
        topology,
    } = world;
    edge.stop().await;
    between(&lab);
    let edge = Edge::start(&lab.site.path().join("topology.toml")).await;
    World {
        lab,
        edge,
        fe01,
        fe02,
        partner,
        topology,
    }
}

fn state(world: &World) -> PathBuf {
    world.lab.site.path().join("state")
}

/// The files of a state directory with what they hold.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let listed = std::fs::read_dir(directory).unwrap();
    listed
        .map(|entry| {
            let path = entry.unwrap().path();
            let octets = std::fs::read(&path).unwrap_or_default();
            (path, octets)
        })
        .collect()
}

/// A second fe02 that connects with this certificate; whether it is let in.
async fn is_let_in(world: &World, identity: &Issued) -> bool {
    let log = &world.edge.log;
    let mark = log.mark();
    let server = server(world, identity).await;
    match server.dial(world.edge.address, EDGE).await {
        Ok(wire) => {
            // A refused one is closed after the handshake of TLS 1.3. Others may connect meanwhile.
            let here = wire.local().to_string();
            let ours = |e: &Value| e["remote"] == *here;
            let accepted = log.wait_after(mark, "handshake_accepted", ours);
            let refused = log.wait_after(mark, "handshake_refused", ours);
            tokio::select! {
                accepted = accepted => {
                    drop(wire);
                    assert_eq!(accepted.unwrap()["peer"], FE02);
                    true
                }
                refused = refused => {
                    assert_eq!(refused.unwrap()["reason"], "revoked");
                    false
                }
            }
        }
        Err(_) => {
            log.wait_after(mark, "handshake_refused", |e| e["reason"] == "revoked")
                .await
                .unwrap();
            false
        }
    }
}

async fn server(world: &World, identity: &Issued) -> Server {
    let aor = format!("sip:{FE02}");
    world.lab.server("twin", FE02, &aor, identity).await
}

/// The series of an issuer, when there is one with this number and the state directory holds it.
async fn held(world: &World, issuer: &str, number: &str) -> Value {
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        let (code, listed) = world.edge.command(&["crls"]).await;
        assert_eq!(code, Some(0));
        let all = listed.as_array().unwrap();
        let found = all
            .iter()
            .find(|s| s["issuer"].as_str().unwrap().contains(issuer) && s["number"] == number);
        if let Some(found) = found {
            let id = found["id"].as_str().unwrap();
            if state(world).join(format!("{id}.crls")).exists() {
                return found.clone();
            }
        }
        assert!(tokio::time::Instant::now() < deadline, "{listed}");
        tokio::time::sleep(LOOK).await;
    }
}

fn sipward(arguments: &[&str]) -> (Option<i32>, String) {
    // No daemon is asked that somebody else runs on this machine.
    let nowhere = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sipward"))
        .args(arguments)
        .env("RUNTIME_DIRECTORY", nowhere.path())
        .env_remove("STATE_DIRECTORY")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text)
}

#[tokio::test]
pub(crate) async fn a_rollback_over_a_restart_is_refused_until_an_operator_has_it_forgotten() {
    let lab = Lab::new();
    let ca = lab.site.enterprise.clone();
    let twin = ca.server(FE02).unwrap();
    put(&lab, "enterprise-ca.crl.pem", &ca, 20, &[&twin]);
    let world = world(lab).await;
    assert!(!is_let_in(&world, &twin).await);
    let series = held(&world, "Contoso", "20").await;
    // The files are written one after the other, in the order of ids that no two runs share.
    held(&world, "Fabrikam", "1").await;
    assert_eq!(series["sets"], serde_json::json!(["enterprise-ca"]));
    assert_eq!(series["revoked"], 1);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&state(&world)), 0o700);
    let kept = files(&state(&world));
    assert_eq!(kept.len(), 2);
    assert!(
        kept.keys().all(|path| mode(path) == 0o600),
        "{:?}",
        kept.keys()
    );
    // The older one is put in place while nobody looks.
    let world = restarted(world, |lab| {
        put(lab, "enterprise-ca.crl.pem", &ca, 19, &[]);
        // Commands read what is kept, and never write it.
        let file = lab.site.path().join("topology.toml");
        let file = file.to_str().unwrap();
        let before = files(&lab.site.path().join("state"));
        let (code, page) = sipward(&["check", file]);
        assert_eq!(code, Some(0), "{page}");
        assert!(
            page.contains("crl_older") && !page.contains("state_missing"),
            "{page}"
        );
        let certificate = lab.site.path().join("twin.pem");
        std::fs::write(&certificate, &twin.chain_pem).unwrap();
        let certificate = certificate.to_str().unwrap();
        let (code, page) = sipward(&["explain", "--cert", certificate, "--config", file]);
        assert_eq!(code, Some(1), "{page}");
        assert!(page.contains("revoked"), "{page}");
        let (code, _) = sipward(&["plan", file, file]);
        assert_eq!(code, Some(0));
        let (code, listed) = sipward(&["crls", "--config", file, "--json"]);
        assert_eq!(code, Some(0));
        assert!(listed.contains("\"number\": \"20\""), "{listed}");
        assert_eq!(files(&lab.site.path().join("state")), before);
    })
    .await;
    let refused = world.logged("crl_refused", |_| true).await;
    assert_eq!(refused["reason"], "crl_older", "{refused}");
    assert!(!is_let_in(&world, &twin).await);
    // What is not there cannot be forgotten.
    let unknown = ["crls", "forget", "0123456789abcdef0123456789abcdef"];
    assert_eq!(world.edge.command(&unknown).await.0, Some(1));
    let id = series["id"].as_str().unwrap();
    assert_eq!(
        world.edge.command(&["crls", "forget", &id[..4]]).await.0,
        Some(1)
    );
    let (code, forgotten) = world.edge.command(&["crls", "forget", &id[..12]]).await;
    assert_eq!(code, Some(0), "{forgotten}");
    assert_eq!(forgotten["id"], id);
    let told = world.logged("crl_forgotten", |_| true).await;
    assert_eq!(
        (&told["series"], &told["number"]),
        (&id.into(), &"20".into())
    );
    assert!(told["uid"].is_u64() && told["pid"].is_u64(), "{told}");
    assert!(is_let_in(&world, &twin).await);
    held(&world, "Contoso", "19").await;
    let world = restarted(world, |_| {}).await;
    assert!(is_let_in(&world, &twin).await);
    assert!(world.stop().await.named("crl_refused").is_empty());
}

#[tokio::test]
pub(crate) async fn what_was_fetched_outlives_the_process_and_a_file_that_was_taken_away() {
    let (lab, web) = (Lab::new(), Web::start());
    let ca = lab.site.enterprise.clone();
    let twin = ca.issue(&named(web.uri("/enterprise.crl"))).unwrap();
    let revoking = CrlSpec {
        revoked: vec![twin.serial.clone()],
        number: 7,
        ..CrlSpec::default()
    };
    put(&lab, "enterprise-ca.crl.pem", &ca, 5, &[]);
    let mut world = world(lab).await;
    let event = world
        .reload_with(|t| {
            let set = t.find("[[trust]]", "name", "enterprise-ca").unwrap();
            set.raw("crl_fetch", "true")
                .list("crl_fetch_local", &["127.0.0.1"]);
        })
        .await;
    assert_eq!(event["result"], "ok", "{event}");
    assert!(is_let_in(&world, &twin).await);
    web.give(&ca.crl(&revoking).unwrap());
    world.logged("crl_updated", |e| e["revoked"] == 1).await;
    let series = held(&world, "Contoso", "7").await;
    assert_eq!(series["origins"][0], web.uri("/enterprise.crl"));
    web.say(NOT_FOUND);
    let world = restarted(world, |_| {}).await;
    assert!(!is_let_in(&world, &twin).await);
    // A file with a lower number beside it, and none at all, change nothing.
    put(&world.lab, "enterprise-ca.crl.pem", &ca, 6, &[]);
    world
        .logged("crl_refused", |e| e["reason"] == "crl_older")
        .await;
    std::fs::remove_file(world.lab.site.path().join("enterprise-ca.crl.pem")).unwrap();
    world
        .logged("crl_refused", |e| e["reason"] == "crl_unreadable")
        .await;
    assert!(!is_let_in(&world, &twin).await);
    world.stop().await;
}

#[tokio::test]
async fn the_crl_of_an_issuing_ca_is_kept_once_a_peer_has_shown_its_key() {
    let lab = Lab::new();
    let root = lab.site.enterprise.clone();
    let issuing = root.subordinate("Contoso Issuing").unwrap();
    let (good, bad) = (issuing.server(FE02).unwrap(), issuing.server(FE02).unwrap());
    let of_issuing = |number: u64, revoked: &[&Issued]| {
        let spec = CrlSpec {
            number,
            revoked: revoked.iter().map(|i| i.serial.clone()).collect(),
            ..CrlSpec::default()
        };
        issuing.crl_as_pem(&spec).unwrap()
    };
    let glued = |lab: &Lab, pem: &str| {
        let of_root = root.crl_as_pem(&CrlSpec::default()).unwrap();
        let text = format!("{of_root}{pem}");
        lab.site.write("enterprise-ca.crl.pem", &text).unwrap();
    };
    glued(&lab, &of_issuing(7, &[&bad]));
    let world = world(lab).await;
    assert!(is_let_in(&world, &good).await);
    held(&world, "Contoso Issuing", "7").await;
    let world = restarted(world, |lab| glued(lab, &of_issuing(6, &[]))).await;
    world
        .logged("crl_refused", |e| e["reason"] == "crl_older")
        .await;
    assert!(!is_let_in(&world, &bad).await);
    assert!(is_let_in(&world, &good).await);
    world.stop().await;
}

/// How many files of the state directory the daemon called damaged before it was ready.
async fn damaged_at_start(world: &World) -> usize {
    let start = world.edge.log.up_to("ready", |_| true).await.unwrap();
    let warned = start.named("warning").into_iter();
    warned.filter(|e| e["reason"] == "state_damaged").count()
}

#[tokio::test]
pub(crate) async fn what_is_damaged_in_the_state_directory_is_told_and_never_in_the_way() {
    let lab = Lab::new();
    let ca = lab.site.enterprise.clone();
    let twin = ca.server(FE02).unwrap();
    put(&lab, "enterprise-ca.crl.pem", &ca, 20, &[&twin]);
    let world = world(lab).await;
    let series = held(&world, "Contoso", "20").await;
    held(&world, "Fabrikam", "1").await;
    let id = series["id"].as_str().unwrap().to_owned();
    let record = state(&world).join(format!("{id}.crls"));
    let whole = std::fs::read(&record).unwrap();
    let world = restarted(world, |lab| {
        let directory = lab.site.path().join("state");
        let file = directory.join(format!("{id}.crls"));
        let mut octets = std::fs::read(&file).unwrap();
        let middle = octets.len() / 2;
        octets[middle] ^= 1;
        std::fs::write(&file, octets).unwrap();
        // Another series' name, a FIFO, a link, and what is none of ours.
        let name = |digit: char| directory.join(format!("{}.crls", String::from(digit).repeat(32)));
        let other = files(&directory)
            .into_keys()
            .find(|path| *path != file)
            .unwrap();
        std::fs::copy(&other, name('a')).unwrap();
        let fifo = Command::new("mkfifo").arg(name('b')).status().unwrap();
        assert!(fifo.success());
        std::os::unix::fs::symlink(&other, name('c')).unwrap();
        std::fs::write(directory.join("notes"), "mine").unwrap();
    })
    .await;
    assert_eq!(damaged_at_start(&world).await, 4);
    // The file of the topology holds the same CRL, and it is kept again.
    assert!(!is_let_in(&world, &twin).await);
    held(&world, "Contoso", "20").await;
    // It is written beside everything else: a restart before that would find the damaged one again.
    for _ in 0..500 {
        if std::fs::read(&record).unwrap() == whole {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let world = restarted(world, |_| {}).await;
    assert_eq!(damaged_at_start(&world).await, 3);
    assert!(state(&world).join("notes").exists());
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn a_state_directory_that_cannot_be_written_is_told_of_once() {
    let world = World::with(|t| {
        t.section("[node]").text("state", "enterprise-ca.pem/state");
        let set = t.find("[[trust]]", "name", "enterprise-ca").unwrap();
        set.text("crl_refresh", "1s");
        t.section("[limits]").text("drain", "1s");
    })
    .await;
    let failed = world.logged("crl_state_failed", |_| true).await;
    assert_eq!(failed["reason"], "state_unwritable", "{failed}");
    // It could not be read at the start either.
    world
        .logged("warning", |e| e["reason"] == "state_unreadable")
        .await;
    let twin = world.lab.site.enterprise.server(FE02).unwrap();
    assert!(is_let_in(&world, &twin).await);
    put(
        &world.lab,
        "enterprise-ca.crl.pem",
        &world.lab.site.enterprise,
        2,
        &[&twin],
    );
    world.logged("crl_updated", |_| true).await;
    let log = world.stop().await;
    assert_eq!(log.named("crl_state_failed").len(), 1);
}
