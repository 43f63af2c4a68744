//! `sipward explain DECISION-ID` against the running daemon: what a decision was, and what it would be now.
use crate::harness::World;
use std::process::Command;

#[tokio::test]
async fn a_decision_of_the_log_is_explained_by_the_running_daemon() {
    let world = World::new().await;
    world.dial(&world.partner).await;
    let accepted = world
        .edge
        .log
        .wait("handshake_accepted", |e| e["peer"].is_string())
        .await
        .unwrap();
    let id = accepted["decision"].as_str().unwrap().to_owned();
    let socket = world
        .edge
        .log
        .wait("control_listening", |_| true)
        .await
        .unwrap();
    let socket = socket["path"].as_str().unwrap().to_owned();
    let explain = move |word: String| {
        Command::new(env!("CARGO_BIN_EXE_sipward"))
            .args(["explain", &word, "--socket", &socket])
            .output()
            .unwrap()
    };
    let output = tokio::task::spawn_blocking(move || explain(id))
        .await
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.starts_with("then: accepted in generation 1"), "{said}");
    assert!(said.contains("verdict   accepted\n"), "{said}");
    world.stop().await;
}
