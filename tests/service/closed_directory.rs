//! A directory on the way to a file that the user of the daemon may not search: named with its remedy by `check`, and by a
//! reload, which then changes nothing.
use crate::systemd::{Service, site};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program as somebody whom the modes of files bind: root without its capabilities, or whoever runs the test.
fn bound_by_modes() -> Command {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !is_root {
        return Command::new(env!("CARGO_BIN_EXE_sipward"));
    }
    let mut command = Command::new("setpriv");
    command.args(["--inh-caps=-all", "--bounding-set=-all", "--"]);
    command.arg(env!("CARGO_BIN_EXE_sipward"));
    command
}

/// A site whose anchors and CRLs lie in a directory of their own.
fn site_with_directory() -> (sipward_lab::site::Site, PathBuf, PathBuf) {
    let (site, file) = site();
    let directory = site.path().join("authority");
    std::fs::create_dir(&directory).unwrap();
    let mut text = std::fs::read_to_string(&file).unwrap();
    for name in ["enterprise-ca.pem", "enterprise-ca.crl.pem"] {
        std::fs::rename(site.path().join(name), directory.join(name)).unwrap();
        text = text.replace(&format!("\"{name}\""), &format!("\"authority/{name}\""));
    }
    std::fs::write(&file, text).unwrap();
    (site, file, directory)
}

fn set_mode(directory: &Path, mode: u32) {
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn check_and_reload_name_a_directory_that_cannot_be_searched_and_how_to_open_it() {
    let (_site, file, directory) = site_with_directory();
    let check = || {
        let mut check = bound_by_modes();
        let output = check.arg("check").arg(&file).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let closed = format!("the directory {} cannot be searched", directory.display());
    let remedy = format!("chmod g+x {}", directory.display());
    let (code, said) = check();
    assert_eq!(code, Some(0), "{said}");
    let mut command = bound_by_modes();
    command.arg("run").arg(&file);
    let service = Service::spawn(command, &[]);
    service.event("ready");

    // Readable and not searchable: the names in it can be listed, and nothing behind them opened.
    for mode in [0o000, 0o600] {
        set_mode(&directory, mode);
        let (code, said) = check();
        assert_eq!(code, Some(1), "{mode:o}: {said}");
        assert!(said.contains(&closed), "{mode:o}: {said}");
        assert!(said.contains(&remedy), "{mode:o}: {said}");
        service.signal("HUP");
        let reload = service.event("reload");
        assert_eq!(reload["result"], "refused", "{reload}");
        let told = reload["details"].to_string();
        assert!(told.contains(&closed) && told.contains(&remedy), "{told}");
        assert_eq!(reload["generation"], 1, "{reload}");
    }
    set_mode(&directory, 0o700);
    service.signal("HUP");
    let reload = service.event("reload");
    assert_eq!(reload["result"], "ok", "{reload}");
    service.signal("TERM");
    assert_eq!(service.ended().0, Some(0));
}
