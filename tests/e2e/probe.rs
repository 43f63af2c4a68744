//! `sipward probe`: who refuses whom, address by address, and what came of the OPTIONS.
use crate::harness::tls::{VERSIONS, refusing, server_config, silent_server};
use crate::harness::{Lab, automatic};
use serde_json::Value;
use sipward_lab::site::TopologyText;
use sipward_lab::{Registrar, trust_only};
use std::net::SocketAddr;
use std::process::Command;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const FE01: &str = "fe01.contoso.test";

/// A topology with fe01 at this address.
fn with_fe01(lab: &Lab, address: SocketAddr) -> TopologyText {
    lab.site.topology(&[(FE01, address)], None)
}

/// Runs the command; gives its exit code and what it printed.
async fn run(lab: &Lab, topology: &TopologyText, more: &[&str]) -> (Option<i32>, String) {
    let file = lab
        .site
        .write("topology.toml", &topology.to_toml())
        .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sipward"));
    command.arg("probe").arg("--config").arg(file).args(more);
    // Who waits in vain says for how long, and nobody else is to be given up.
    if !more.contains(&"--timeout") {
        command.args(["--timeout", "60"]);
    }
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text)
}

/// Probes fe01 as JSON; gives the exit code and the only address's report.
async fn probe(lab: &Lab, topology: &TopologyText, more: &[&str]) -> (Option<i32>, Value) {
    let mut arguments = vec![FE01, "--json"];
    arguments.extend(more);
    let (code, text) = run(lab, topology, &arguments).await;
    let mut report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["peer"], FE01);
    assert_eq!(report["addresses"].as_array().unwrap().len(), 1, "{report}");
    (code, report["addresses"][0].take())
}

#[tokio::test]
async fn a_good_peer_is_shown_with_both_chains_and_the_answer() {
    let lab = Lab::new();
    let fe01 = lab.home("fe01").await;
    let topology = with_fe01(&lab, fe01.address());
    let edge = lab.edge(&topology).await;
    let _fe01 = automatic(fe01, &Registrar::default(), &edge);
    let (code, at) = probe(&lab, &topology, &[]).await;
    assert_eq!(code, Some(0), "{at}");
    assert_eq!(at["verdict"], "good");
    assert_eq!(at["version"], "TLSv1.3");
    assert_eq!(at["group"], "X25519MLKEM768");
    assert_eq!(at["decision"]["reason"], "accepted");
    assert_eq!(at["they_showed"]["names"][0], FE01);
    assert_eq!(at["we_showed"]["identity"], "edge");
    let ours = sipward::trust::fingerprint(&lab.site.edge.chain[0]);
    assert_eq!(at["we_showed"]["fingerprints"][0], ours);
    assert!(at["options"]["status"].is_u64());
    let (code, text) = run(&lab, &topology, &[FE01]).await;
    assert_eq!(code, Some(0), "{text}");
    for part in ["good", "TLSv1.3", FE01, "this node's", "OPTIONS"] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

#[tokio::test]
async fn what_we_refuse_is_told_with_the_decisions_reason() {
    let lab = Lab::new();
    let fabrikam = &lab.site.fabrikam;
    let enterprise = &lab.site.enterprise;
    let revoked = enterprise.server(FE01).unwrap();
    lab.site.revoke(&[&revoked], &[]).unwrap();
    for (identity, reason) in [
        (fabrikam.server(FE01).unwrap(), "anchor_not_for_peer"),
        (
            enterprise.server("fe09.contoso.test").unwrap(),
            "name_mismatch",
        ),
        (revoked, "revoked"),
    ] {
        let server = lab
            .server("fe01", FE01, "sip:x@contoso.test", &identity)
            .await;
        let (code, at) = probe(&lab, &with_fe01(&lab, server.address()), &[]).await;
        assert_eq!(code, Some(1), "{at}");
        assert_eq!(at["verdict"], "refused_by_us");
        assert_eq!(at["reason"], reason);
        assert_eq!(at["decision"]["reason"], reason);
        assert_eq!(at["explanation"]["reason"], reason);
        assert!(!at["explanation"]["steps"].as_array().unwrap().is_empty());
        let shown = sipward::trust::fingerprint(&identity.chain[0]);
        assert_eq!(at["they_showed"]["fingerprints"][0], shown);
        assert!(at["we_showed"].is_null() || at["we_showed"]["identity"] == "edge");
    }
}

#[tokio::test]
async fn their_refusal_is_told_in_both_versions_of_tls_the_late_one_too() {
    let lab = Lab::new();
    let identity = lab.site.enterprise.server(FE01).unwrap();
    let others = trust_only(&[&lab.site.fabrikam]).unwrap();
    for (version, late) in VERSIONS.into_iter().zip([false, true]) {
        let server = silent_server(server_config(version, &others, &identity)).await;
        let (code, at) = probe(&lab, &with_fe01(&lab, server), &[]).await;
        assert_eq!(code, Some(1), "{at}");
        assert_eq!(at["verdict"], "refused_by_them", "{at}");
        assert_eq!(at["reason"], "alert_unknown_ca");
        assert_eq!((&at["alert"], &at["late"]), (&48.into(), &late.into()));
        assert_eq!(at["decision"]["reason"], "accepted", "ours about them");
        assert_eq!(at["we_showed"]["identity"], "edge");
    }
}

#[tokio::test]
async fn a_peer_that_is_not_there_or_does_not_answer_is_a_failure() {
    let lab = Lab::new();
    let (_held, address) = refusing();
    let (code, at) = probe(&lab, &with_fe01(&lab, address), &[]).await;
    assert_eq!((code, &at["verdict"]), (Some(1), &"failed".into()));
    assert_eq!(at["reason"], "connection_refused");
    assert!(at["remedy"].as_str().is_some_and(|text| !text.is_empty()));
    let (_, text) = run(&lab, &with_fe01(&lab, address), &[FE01]).await;
    assert!(text.contains("what to do"), "{text}");

    // The port of another service, which speaks no TLS.
    let web = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = web.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = web.accept().await.unwrap();
        let answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        let _ = stream.read(&mut [0; 2_048]).await;
    });
    let (code, at) = probe(&lab, &with_fe01(&lab, address), &[]).await;
    assert_eq!((code, &at["reason"]), (Some(1), &"not_tls".into()), "{at}");

    let identity = lab.site.enterprise.server(FE01).unwrap();
    let silent = silent_server(server_config(VERSIONS[1], &lab.roots, &identity)).await;
    let topology = with_fe01(&lab, silent);
    let (code, at) = probe(&lab, &topology, &["--timeout", "8"]).await;
    assert_eq!((code, &at["verdict"]), (Some(1), &"failed".into()));
    assert_eq!(at["reason"], "no_answer");
    assert_eq!(at["version"], "TLSv1.3");
}

#[tokio::test]
async fn what_cannot_be_tried_ends_with_code_2() {
    let lab = Lab::new();
    let topology = with_fe01(&lab, ([127, 0, 0, 1], 1).into());
    let (code, text) = run(&lab, &topology, &["fe99.contoso.test"]).await;
    assert_eq!((code, text.as_str()), (Some(2), ""));
    let mut broken = topology.clone();
    broken.section("[node]").text("fqnd", "x");
    let (code, _) = run(&lab, &broken, &[FE01]).await;
    assert_eq!(code, Some(2));
    let (code, _) = run(&lab, &topology, &[FE01, "--timeout", "0"]).await;
    assert_eq!(code, Some(2));
}
