//! The demo, which the README promises to everybody who has Rust and a C compiler.
use std::process::Command;

#[test]
fn every_scenario_of_the_demo_goes_as_it_must() {
    let output = Command::new(env!("CARGO_BIN_EXE_sipward"))
        .arg("demo")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("14 scenarios, 0 failed"), "{text}");
    // One ladder and one line of the summary for each title.
    assert_eq!(text.matches("Two clients register").count(), 2, "{text}");
}
