//! `sipward upgrade` as the service manager sees it: the main process changes, and its sockets go on.
use crate::systemd::{Service, site};
use std::process::Command;

/// `sipward upgrade`; gives the number of the new process.
fn upgrade(service: &Service) -> u32 {
    let output = Command::new(env!("CARGO_BIN_EXE_sipward"))
        .args(["upgrade", "--json", "--socket"])
        .arg(service.directory().join("control.sock"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let upgraded: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    u32::try_from(upgraded["pid"].as_u64().unwrap()).unwrap()
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn the_new_process_becomes_the_main_one_and_feeds_the_watchdog() {
    let (_site, file) = site();
    let service = Service::start(&file, &[("WATCHDOG_USEC", "400000")]);
    service.told("READY=1");
    service.event("control_listening");
    let pid = upgrade(&service);
    assert_ne!(pid, service.pid());
    // First the old one names it, then it speaks itself.
    service.told(&format!("MAINPID={pid}"));
    let ready = service.told("READY=1");
    assert!(ready.contains("STATUS=serving generation 1 on "), "{ready}");
    service.told("WATCHDOG=1");
    // Without clients the old process is gone soon.
    service.event("former_gone");
    signal("TERM", pid);
    service.told("STOPPING=1");
    assert_eq!(service.ended().0, Some(0));
}

/// Ended the hard way while the old process would still serve: that is the main one again.
#[test]
fn a_new_process_that_dies_is_the_main_one_no_longer() {
    let (_site, file) = site();
    let service = Service::start(&file, &[]);
    let listening = service.event("listening");
    service.event("control_listening");
    // A connection that shakes hands keeps the old process.
    let address = listening["address"].as_str().unwrap().to_owned();
    let _held = std::net::TcpStream::connect(&address).unwrap();
    let pid = upgrade(&service);
    service.told(&format!("MAINPID={pid}"));
    signal("KILL", pid);
    service.told(&format!("MAINPID={}", service.pid()));
    service.event("upgrade_undone");
    service.signal("TERM");
    assert_eq!(service.ended().0, Some(0));
}
