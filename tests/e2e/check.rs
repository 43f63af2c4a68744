//! `sipward check` beside a running daemon: what peers have shown to it is judged by the file that is checked.
use crate::harness::{Edge, Lab};
use serde_json::{Value, json};
use sipward_lab::pki::{LeafSpec, Usage};
use sipward_lab::site::{EDGE, PARTNER_EDGE};
use std::path::Path;
use std::process::Command;

const FE01: &str = "fe01.contoso.test";

/// Runs the check without a daemon's help to find it; gives its exit code and what it printed.
async fn check(socket: &Path, file: &Path, more: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sipward"));
    command.arg("check").arg(file).args(more);
    command.arg("--socket").arg(socket);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

async fn seen(edge: &Edge, file: &Path) -> Value {
    let (code, mut found) = edge.command(&["check", file.to_str().unwrap()]).await;
    assert_eq!((code, &found["good"]), (Some(0), &json!(true)), "{found}");
    found["peers_seen"].take()
}

#[tokio::test]
async fn check_names_what_peers_showed_that_ends_soon_or_rests_on_a_relaxed_purpose() {
    let lab = Lab::new();
    let nine_days = LeafSpec {
        not_after: 9 * 86_400 + 3_600,
        ..LeafSpec::server(FE01)
    };
    let fe01 = lab.site.enterprise.issue(&nine_days).unwrap();
    let fe01 = lab.server("fe01", FE01, "sip:fe01", &fe01).await;
    let server_only = LeafSpec {
        usages: vec![Usage::Server],
        ..LeafSpec::server(PARTNER_EDGE)
    };
    let partner = lab.site.fabrikam.issue(&server_only).unwrap();
    let partner = lab
        .server("partner", PARTNER_EDGE, "sip:c@fabrikam.test", &partner)
        .await;
    let mut topology = lab
        .site
        .topology(&[(FE01, fe01.address())], Some(partner.address()));
    let edge = lab.edge(&topology).await;
    let file = lab.site.path().join("topology.toml");
    let before = seen(&edge, &file).await;
    assert_eq!(
        (&before["seen"]["ends"], &before["seen"]["relaxed"]),
        (&json!([]), &json!([]))
    );
    let mut wires = Vec::new();
    for server in [&fe01, &partner] {
        let mark = edge.log.mark();
        wires.push(server.dial(edge.address, EDGE).await.unwrap());
        let inbound = |e: &Value| e["direction"] == "inbound" && e["decision"].is_string();
        let accepted = edge.log.wait_after(mark, "handshake_accepted", inbound);
        accepted.await.unwrap();
    }
    // As the file stands.
    let after = seen(&edge, &file).await;
    let held = &after["seen"];
    assert_eq!(held["relaxed"], json!([PARTNER_EDGE]), "{after}");
    assert_eq!(held["refused"], json!([]));
    let first = held["ends"][0]["what"].as_str().unwrap();
    assert!(first.contains(FE01), "the next end is told first: {after}");
    assert_eq!(held["ends"].as_array().unwrap().len(), 2, "{after}");
    let (code, page) = edge.command_text(&["check", file.to_str().unwrap()]).await;
    assert_eq!(code, Some(0));
    for part in [
        format!("(in 9 days)  what peer {FE01} showed last"),
        format!("relaxed purpose:  peer {PARTNER_EDGE} gets in only because its purpose"),
        format!("(generation 1 of {}), judged by this file", file.display()),
        "by 2 requests in a row without any answer (an INVITE: 8s each), for 30s".to_owned(),
    ] {
        assert!(page.contains(&part), "{part} is missing: {page}");
    }
    // By another file, which the daemon does not serve: it is the file's own decision that counts.
    let entry = topology.find("[[peer]]", "fqdn", PARTNER_EDGE).unwrap();
    entry.text("purpose", "strict");
    let entry = topology.find("[[peer]]", "fqdn", FE01).unwrap();
    entry.text("fqdn", "fe02.contoso.test");
    let pool = topology.section("[[pool]]");
    pool.list("peers", &["fe02.contoso.test"]);
    let stricter = lab.site.write("new.toml", &topology.to_toml()).unwrap();
    let (_, page) = edge
        .command_text(&["check", stricter.to_str().unwrap()])
        .await;
    let told = format!("what peer {PARTNER_EDGE} showed last (inbound): eku_unsuitable");
    assert!(page.contains(&told), "{page}");
    assert!(!page.contains(FE01), "it names no such peer: {page}");
    // Without a daemon: the same verdict on the file, and why nothing was looked at.
    let socket = edge.socket.clone();
    edge.stop().await;
    let (code, page) = check(&socket, &file, &[]).await;
    assert_eq!(code, Some(0), "{page}");
    assert!(
        page.contains("not looked at:  no daemon answers at"),
        "{page}"
    );
    assert!(
        page.contains("only a running daemon knows them") && !page.contains("relaxed purpose"),
        "{page}"
    );
    let (code, found) = check(&socket, &file, &["--json"]).await;
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(
        (code, &found["peers_seen"]["seen"]),
        (Some(0), &Value::Null)
    );
    let why = found["peers_seen"]["not_looked_at"].as_str().unwrap();
    assert!(why.contains("no daemon answers"), "{why}");
    assert_eq!(found["forecast"][0]["kind"], "crl", "{found}");
}

#[tokio::test]
async fn a_file_with_faults_is_told_as_json_too() {
    let lab = Lab::new();
    let file = lab.site.write("bad.toml", "[node]\nfqnd = \"a.test\"\n");
    let nobody = lab.site.path().join("nobody.sock");
    let (code, found) = check(&nobody, &file.unwrap(), &["--json"]).await;
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!((code, &found["good"]), (Some(1), &json!(false)), "{found}");
    let faults = found["faults"].as_array().unwrap();
    let unknown = faults.iter().find(|fault| fault["code"] == "unknown_key");
    assert_eq!(unknown.unwrap()["line"], 2, "{found}");
    assert_eq!(found["peers_seen"], Value::Null);
}
