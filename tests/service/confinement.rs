//! What the service drops by itself, and what its unit leaves it.
use crate::systemd::{Service, site};
use sipward_lab::site::Site;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The most that the unit may be exposed, in tenths, by systemd's own count.
const EXPOSURE: u32 = 12;

#[test]
fn the_unit_is_exposed_at_most_so_much() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sipward.service");
    let analysed = Command::new("systemd-analyze")
        .args(["security", "--offline=yes", "--no-pager"])
        .arg(unit)
        .output();
    let Ok(analysed) = analysed else {
        assert_ne!(
            std::env::var("SIPWARD_INTEROP").as_deref(),
            Ok("require"),
            "systemd-analyze is not installed"
        );
        eprintln!("SKIPPED: systemd-analyze is not installed");
        return;
    };
    let text = String::from_utf8_lossy(&analysed.stdout).into_owned();
    let (_, overall) = text
        .split_once("exposure level for sipward.service: ")
        .expect(&text);
    println!("exposure: {}", overall.trim());
    let level = overall.split_whitespace().next().unwrap().replace('.', "");
    assert!(level.parse::<u32>().unwrap() <= EXPOSURE, "{overall}");
}

/// The lib's tests show what is forbidden then; here, that it is in the whole process, and that it serves all the same.
#[test]
fn a_service_gives_up_what_it_does_not_need_and_leaves_no_core() {
    let (site, file): (Site, _) = site();
    let service = Service::start(&file, &[]);
    let event = service.event("confined");
    let threads = fs::read_dir(format!("/proc/{}/task", service.pid())).unwrap();
    let bound = threads.filter(|thread| {
        let status = thread.as_ref().unwrap().path().join("status");
        // Whoever confines himself drops new privileges first.
        fs::read_to_string(status)
            .unwrap_or_default()
            .contains("NoNewPrivs:\t1")
    });
    let bound = bound.count();
    let limits = fs::read_to_string(format!("/proc/{}/limits", service.pid())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let core: Vec<&str> = core.unwrap().split_whitespace().collect();
    assert_eq!(core.get(4..6), Some(&["0", "0"][..]), "{core:?}");
    match event["detail"].as_str() {
        // All threads but the one for what the others dropped.
        None => {
            let all = fs::read_dir(format!("/proc/{}/task", service.pid()))
                .unwrap()
                .count();
            assert_eq!(bound + 1, all);
        }
        Some(why) => eprintln!("SKIPPED: {why}"),
    }
    service.signal("TERM");
    assert_eq!(service.ended().0, Some(0));
    drop(site);
}
