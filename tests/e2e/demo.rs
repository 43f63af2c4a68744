//! The demo, which the README promises to everybody who has Rust and a C compiler.
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

#[test]
fn every_scenario_of_the_demo_goes_as_it_must_and_sigterm_leaves_no_keys_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_sipward"))
        .args(["demo", "--stay"])
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let files = || std::fs::read_dir(temporary.path()).unwrap().count();
    let mut text = String::new();
    for line in BufReader::new(demo.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        text.push_str(&line);
        text.push('\n');
        // Everything has run, and it waits: its keys are there for other programs.
        if line.starts_with("The edge listens on") {
            assert_eq!(files(), 1);
            let pid = demo.id().to_string();
            let sent = Command::new("kill").args(["-TERM", &pid]).status();
            assert!(sent.unwrap().success());
        }
    }
    assert!(demo.wait().unwrap().success(), "{text}");
    assert_eq!(files(), 0);
    assert!(text.contains("14 scenarios, 0 failed"), "{text}");
    // One ladder and one line of the summary for each title.
    assert_eq!(text.matches("Two clients register").count(), 2, "{text}");
}
