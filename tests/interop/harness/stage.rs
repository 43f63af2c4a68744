//! Whether a test can run here, and that only one scenario runs at a time.
use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// One scenario at a time: several SIP programs each, on machines with two cores.
static STAGE: Mutex<()> = Mutex::new(());

/// A foreign program that a test needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// The home server, with its TLS module.
    Kamailio,
    /// The softphone.
    Baresip,
    /// A SIP client for the command line.
    Sipsak,
    /// `openssl s_client`.
    Openssl,
    /// The TLS scanner.
    Sslscan,
    /// The other softphone.
    Linphone,
    /// The dissector.
    Tshark,
    /// The other dissector, which takes HEP.
    Sngrep,
    /// The name server.
    Dnsmasq,
    /// The layer-4 balancer.
    Haproxy,
    /// VRRP for an address that two machines share; it needs to be root, for network namespaces.
    Keepalived,
    /// What its check asks the daemon with.
    Curl,
    /// A parser of YAML.
    PythonYaml,
    /// The home server that comes from Debian's unstable.
    Asterisk,
    /// The reader of logs that bans.
    Fail2ban,
}

impl Program {
    /// The Debian package that brings it.
    fn package(self) -> &'static str {
        match self {
            Self::Kamailio => "kamailio-tls-modules",
            Self::Baresip => "baresip-core",
            Self::Sipsak => "sipsak",
            Self::Openssl => "openssl",
            Self::Sslscan => "sslscan",
            Self::Linphone => "linphone-cli",
            Self::Tshark => "tshark",
            Self::Sngrep => "sngrep",
            Self::Dnsmasq => "dnsmasq-base",
            Self::Haproxy => "haproxy",
            Self::Keepalived => "keepalived (as root)",
            Self::Curl => "curl",
            Self::PythonYaml => "python3-yaml",
            Self::Asterisk => "asterisk (unpacked by mmdebstrap)",
            Self::Fail2ban => "fail2ban",
        }
    }

    fn installed(self) -> bool {
        match self {
            Self::Kamailio => {
                Self::executable("kamailio").is_some() && kamailio_modules().is_some()
            }
            Self::Baresip => Self::executable("baresip").is_some() && baresip_modules().is_some(),
            Self::Sipsak => Self::executable("sipsak").is_some(),
            Self::Openssl => Self::executable("openssl").is_some(),
            Self::Sslscan => Self::executable("sslscan").is_some(),
            // It runs in a mount namespace; where those are not allowed it cannot.
            Self::Linphone => Self::executable("linphone-daemon").is_some() && may_unshare(),
            Self::Tshark => Self::executable("tshark").is_some(),
            Self::Sngrep => Self::executable("sngrep").is_some(),
            Self::Dnsmasq => Self::executable("dnsmasq").is_some(),
            Self::Haproxy => Self::executable("haproxy").is_some(),
            Self::Keepalived => Self::executable("keepalived").is_some() && has_namespaces(),
            Self::Curl => Self::executable("curl").is_some(),
            Self::PythonYaml => succeeds(Command::new("python3").args(["-c", "import yaml"])),
            Self::Asterisk => super::asterisk::root().is_some(),
            Self::Fail2ban => Self::executable("fail2ban-regex").is_some(),
        }
    }

    /// Where an executable lies: PATH, and the system directories that a user's PATH leaves out.
    pub(crate) fn executable(name: &str) -> Option<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path)
            .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from))
            .map(|directory| directory.join(name))
            .find(|file| file.is_file())
    }
}

/// Whether a process may have a mount namespace of its own.
fn may_unshare() -> bool {
    succeeds(Command::new("unshare").args(["--map-root-user", "--mount", "true"]))
}

/// Whether this is root, with network namespaces: keepalived changes its user, which needs more than a mapped one.
fn has_namespaces() -> bool {
    succeeds(Command::new("unshare").args(["--net", "true"]))
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// The directory of Kamailio's modules.
pub(crate) fn kamailio_modules() -> Option<PathBuf> {
    module_directory("kamailio/modules", "tls.so")
}

/// The directory of baresip's modules.
pub(crate) fn baresip_modules() -> Option<PathBuf> {
    module_directory("baresip/modules", "ctrl_tcp.so")
}

fn module_directory(below: &str, with: &str) -> Option<PathBuf> {
    let architecture = format!("/usr/lib/{}-linux-gnu", env::consts::ARCH);
    [
        architecture.as_str(),
        "/usr/lib",
        "/usr/lib64",
        "/usr/local/lib",
        "/usr/local/lib64",
    ]
    .map(|library| PathBuf::from(library).join(below))
    .into_iter()
    .find(|directory| directory.join(with).is_file())
}

/// The right to run a scenario.
pub(crate) struct Stage {
    _turn: MutexGuard<'static, ()>,
}

impl Stage {
    /// Waits for the turn; `None` when a program is missing: said loudly, or a failure where all must run.
    pub(crate) fn enter(needs: &[Program]) -> Option<Self> {
        let missing: Vec<_> = needs
            .iter()
            .filter(|program| !program.installed())
            .collect();
        if missing.is_empty() {
            return Some(Self {
                _turn: STAGE.lock().unwrap_or_else(PoisonError::into_inner),
            });
        }
        let thread = thread::current();
        let test = thread.name().unwrap_or("a test");
        for program in missing {
            let line = format!("SKIPPED {test}: {} is not installed", program.package());
            assert!(
                env::var("SIPWARD_INTEROP").as_deref() != Ok("require"),
                "{line}"
            );
            // Not `eprintln!`: the test runner would keep that for itself.
            let _written = writeln!(io::stderr(), "{line}");
        }
        None
    }
}
