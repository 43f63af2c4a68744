//! Asterisk (chan_pjsip) as the home server behind the edge, from Debian's unstable: Debian 12 has none.
//!
//! Its packages are unpacked into `target/` once, by mmdebstrap from the mirror that apt's sources name, and nothing of them
//! is installed: the unpacked dynamic loader starts the unpacked program with the unpacked libraries, which takes no
//! root directory and no privilege. Its resolver (libunbound) reads a file of hosts that knows the edge, and asks
//! no name server; one on loopback it would not ask.
//!
//! What real runs of 22.10.1 have shown:
//! - A REGISTER with Path but without `Supported: path` is answered 420 where the AOR has `support_path = yes`.
//! - Without `max_contacts` every REGISTER is answered 403.
//! - It connects to the edge itself, as a server with its certificate, although the edge's connection is there: it
//!   compares addresses and ports. Both are one peer.
use super::certificates::{Certificates, EDGE, Pair};
use super::feed::Mark;
use super::process::Process;
use super::stage::Program;
use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// Where nobody says which mirror to take.
const FALLBACK: &str = "http://deb.debian.org/debian";
/// The suite that has it.
const SUITE: &str = "unstable";

/// Its configuration, file by file; those that it only complains about when they are missing are empty.
const FILES: [(&str, &str); 15] = [
    ("hosts", "127.0.0.1 localhost @EDGE@\n"),
    ("nobody", ""),
    ("asterisk.conf", include_str!("asterisk/asterisk.conf")),
    ("modules.conf", include_str!("asterisk/modules.conf")),
    ("pjsip.conf", include_str!("asterisk/pjsip.conf")),
    ("extensions.conf", include_str!("asterisk/extensions.conf")),
    (
        "logger.conf",
        "[logfiles]\nconsole => notice,warning,error,verbose\n",
    ),
    (
        "resolver_unbound.conf",
        "[general]\nhosts = @DIRECTORY@/etc/hosts\nresolv = @DIRECTORY@/etc/nobody\n",
    ),
    ("rtp.conf", "[general]\nrtpstart=30000\nrtpend=31999\n"),
    ("acl.conf", ""),
    ("cdr.conf", ""),
    ("cel.conf", ""),
    ("features.conf", ""),
    ("pjproject.conf", ""),
    ("udptl.conf", ""),
];

/// A running Asterisk.
pub(crate) struct Asterisk {
    process: Process,
    _directory: TempDir,
}

impl Asterisk {
    /// Starts it on a port of loopback, in front of it an edge on another, and waits until it serves.
    pub(crate) fn start(
        certificates: &Certificates,
        pair: &Pair,
        port: u16,
        edge_port: u16,
    ) -> Self {
        let root = root().expect("it was looked for before");
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        for name in ["etc", "var", "run", "spool", "log", "keys"] {
            fs::create_dir(at.join(name)).unwrap();
        }
        for (name, text) in FILES {
            let text = text
                .replace("@ROOT@", &root.display().to_string())
                .replace("@ARCHITECTURE@", env::consts::ARCH)
                .replace("@DIRECTORY@", &at.display().to_string())
                .replace("@PORT@", &port.to_string())
                .replace("@EDGE_PORT@", &edge_port.to_string())
                .replace("@EDGE@", EDGE)
                .replace("@CHAIN@", &pair.chain.display().to_string())
                .replace("@KEY@", &pair.key.display().to_string())
                .replace("@CA@", &certificates.enterprise_ca().display().to_string());
            fs::write(at.join("etc").join(name), text).unwrap();
        }
        let mut command = Command::new(loader(root).unwrap());
        command.arg("--library-path").arg(libraries(root));
        command.arg(executable(root));
        command
            .args(["-f", "-vvv", "-C"])
            .arg(at.join("etc/asterisk.conf"));
        let asterisk = Self {
            process: Process::start("asterisk", &mut command),
            _directory: directory,
        };
        asterisk.process.wait_text(Mark::START, "Asterisk Ready.");
        asterisk
    }

    /// Waits for a line of its log with a text.
    pub(crate) fn wait_text(&self, since: Mark, text: &str) -> String {
        self.process.wait_text(since, text)
    }
}

fn libraries(root: &Path) -> PathBuf {
    root.join(format!("usr/lib/{}-linux-gnu", env::consts::ARCH))
}

fn executable(root: &Path) -> PathBuf {
    root.join("usr/sbin/asterisk")
}

/// The dynamic loader that belongs to the libraries.
fn loader(root: &Path) -> Option<PathBuf> {
    fs::read_dir(libraries(root))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("ld-linux") && name.contains(".so")
        })
}

/// The directory with its packages, made when it is first asked for; `None` where it cannot be made, which is told.
pub(crate) fn root() -> Option<&'static Path> {
    static ROOT: OnceLock<Option<PathBuf>> = OnceLock::new();
    ROOT.get_or_init(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("asterisk-{SUITE}"));
        if executable(&root).is_file() {
            return Some(root);
        }
        make(&root).then_some(root)
    })
    .as_deref()
}

/// Unpacks it beside its place and moves it there when it is whole.
fn make(root: &Path) -> bool {
    if Program::executable("mmdebstrap").is_none() {
        return false;
    }
    let parent = root.parent().unwrap();
    fs::create_dir_all(parent).unwrap();
    let scratch = parent.join(format!("asterisk-{}.new", std::process::id()));
    // Packages are unpacked, and none of their scripts run. The mirror may be one that is kept still for a while; what comes
    // from it is used by tests on loopback alone.
    let output = Command::new("mmdebstrap")
        .args(["--variant=extract", "--include=asterisk,base-files"])
        .arg("--aptopt=Apt::Install-Recommends \"false\"")
        .arg("--aptopt=Acquire::Languages \"none\"")
        .arg("--aptopt=Acquire::Check-Valid-Until \"false\"")
        .args([SUITE.as_ref(), scratch.as_os_str(), mirror().as_ref()])
        .output();
    let made = match output {
        Ok(output) if output.status.success() => fs::rename(&scratch, root).is_ok(),
        Ok(output) => {
            // Not `eprintln!`: the test runner would keep that for itself.
            let _written = io::stderr().write_all(&output.stderr);
            false
        }
        Err(_) => false,
    };
    if !made {
        let _gone = fs::remove_dir_all(&scratch);
    }
    made
}

/// Where apt gets Debian itself from.
fn mirror() -> String {
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", "$(ORIGIN) $(LABEL) $(SITE)"])
        .output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
    text.unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("Debian Debian "))
        .unwrap_or(FALLBACK)
        .to_owned()
}
