//! Who is answered at the control socket when the file system lets everybody in: the daemon's own user and root alone.
use crate::systemd::{Service, site};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Neither root nor the daemon's user.
const STRANGER: &str = "65534";

fn open_to_all(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// `setpriv` as another user, before the program and its arguments.
fn as_stranger(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args([
        &format!("--reuid={STRANGER}"),
        &format!("--regid={STRANGER}"),
        "--clear-groups",
        "--",
    ]);
    command.arg(program);
    command
}

/// Says loudly that the test does not run. Where every test must run, a missing program is a failure.
fn skip(why: &str, program_missing: bool) {
    let thread = std::thread::current();
    let line = format!("SKIPPED {}: {why}", thread.name().unwrap_or("a test"));
    let all_must_run = std::env::var("SIPWARD_INTEROP").as_deref() == Ok("require");
    assert!(!(program_missing && all_must_run), "{line}");
    // Not `eprintln!`: the test runner would keep that for itself.
    let _written = writeln!(std::io::stderr(), "{line}");
}

#[test]
fn another_user_is_refused_whatever_the_files_modes_say_and_root_is_served() {
    if std::fs::metadata("/proc/self").map(|own| own.uid()).ok() != Some(0) {
        return skip("only root can become another user", false);
    }
    if let Err(error) = Command::new("setpriv").arg("--version").output() {
        return skip(
            &format!("setpriv (util-linux) is not installed: {error}"),
            true,
        );
    }
    if !as_stranger(Path::new("true"))
        .status()
        .is_ok_and(|s| s.success())
    {
        return skip("root may not become another user here", false);
    }
    let (site, file) = site();
    let socket = site.path().join("open.sock");
    let mut text = std::fs::read_to_string(&file).unwrap();
    text.push_str(&format!("[admin]\nsocket = \"{}\"\n", socket.display()));
    std::fs::write(&file, text).unwrap();
    // A copy, since the other user need not be able to reach the place of the build.
    let program: PathBuf = site.path().join("sipward");
    std::fs::copy(env!("CARGO_BIN_EXE_sipward"), &program).unwrap();
    open_to_all(&program, 0o755);
    let service = Service::start(&file, &[]);
    service.event("control_listening");
    open_to_all(site.path(), 0o755);
    let said = |output: &Output| {
        let (out, error) = (&output.stdout, &output.stderr);
        String::from_utf8_lossy(&[&out[..], error].concat()).into_owned()
    };
    // As the daemon makes it, the system keeps others out, and the command says that this is why nobody answers.
    let mut asked = as_stranger(&program);
    let output = asked.arg("status").arg("--socket").arg(&socket).output();
    let output = output.unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(69), "{text}");
    assert!(
        text.contains("only the user that the daemon runs as, and root"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
    open_to_all(&socket, 0o666);
    for command in [&["status"][..], &["reload"], &["kick", "1"], &["drain"]] {
        let mut asked = as_stranger(&program);
        let output = asked.args(command).arg("--socket").arg(&socket).output();
        let output = output.unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(70), "{command:?}: {text}");
        assert!(text.contains("not_permitted"), "{command:?}: {text}");
        let event = service.event("control_refused");
        assert_eq!(event["reason"], "not_permitted");
        assert_eq!(event["uid"], 65_534, "{event}");
    }
    // Root is served, and finds everything as it was.
    let mut asked = Command::new(env!("CARGO_BIN_EXE_sipward"));
    let output = asked
        .arg("status")
        .arg("--json")
        .arg("--socket")
        .arg(&socket);
    let output = output.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["generation"], 1);
    assert_eq!(status["last_reload"], serde_json::Value::Null);
    service.signal("TERM");
    assert_eq!(service.ended().0, Some(0));
}
