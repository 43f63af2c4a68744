//! The daemon under attack: started afresh with a site of its own, ended by its process id.
use super::Outcome;
use sipward_lab::site::{HOME, PARTNER, PARTNER_EDGE, Site, TopologyText};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where the partner has its server, by the topology; nothing listens there.
pub(crate) const PARTNER_ADDRESS: &str = "127.0.8.1";

/// A running daemon.
pub(crate) struct Daemon {
    pub(crate) site: Site,
    pub(crate) address: SocketAddr,
    log: PathBuf,
    child: Child,
}

impl Daemon {
    /// Starts it with a home server at `home` and whatever `change` makes of the usual topology.
    pub(crate) fn start(
        binary: &str,
        home: SocketAddr,
        change: impl FnOnce(&mut TopologyText),
    ) -> Outcome<Self> {
        Self::start_with(binary, None, home, change)
    }

    /// The same, with so many descriptors.
    pub(crate) fn start_with(
        binary: &str,
        descriptors: Option<usize>,
        home: SocketAddr,
        change: impl FnOnce(&mut TopologyText),
    ) -> Outcome<Self> {
        let site = Site::new()?;
        let fe01 = format!("fe01.{HOME}");
        let mut topology = site.topology(&[(&fe01, home)], None);
        topology
            .peer(PARTNER_EDGE, "federated", "fabrikam-ca")
            .list("domains", &[PARTNER])
            .list("address", &[&format!("{PARTNER_ADDRESS}:5061")]);
        topology.section("[log]").text("requests", "calls");
        change(&mut topology);
        let file = site.write("topology.toml", &topology.to_toml())?;
        let log = site.path().join("sipward.log");
        let mut command = match descriptors {
            None => Command::new(binary),
            Some(descriptors) => {
                let mut shell = Command::new("sh");
                let limited = format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"");
                shell.arg("-c").arg(limited).arg(binary);
                shell
            }
        };
        let child = command
            .arg("run")
            .arg(file)
            // Its control socket is its own: the default place is a service's.
            .env("RUNTIME_DIRECTORY", site.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?)
            .spawn()?;
        let mut daemon = Self {
            site,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            log,
            child,
        };
        let began = super::now();
        loop {
            let events = daemon.events()?;
            let named = |name: &str| {
                let is = |e: &&serde_json::Value| e.get("event").is_some_and(|event| event == name);
                events.iter().find(is)
            };
            if named("ready").is_some() {
                let address = named("listening").and_then(|e| e.get("address")?.as_str());
                daemon.address = address.ok_or("no address in the log")?.parse()?;
                return Ok(daemon);
            }
            if daemon.child.try_wait()?.is_some() || began.elapsed() > PATIENCE {
                return Err(format!("it does not listen: {events:?}").into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it has logged so far.
    pub(crate) fn events(&self) -> Outcome<Vec<serde_json::Value>> {
        let text = fs::read_to_string(&self.log)?;
        Ok(text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.unwrap_or_default().saturating_mul(1024)
    }

    /// Open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).map_or(0, Iterator::count)
    }

    /// CPU seconds so far, by the scheduler's count of each living thread.
    pub(crate) fn cpu(&self) -> f64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let threads = threads.into_iter().flatten().flatten();
        let nanoseconds = threads.filter_map(|thread| {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        nanoseconds.sum::<u64>() as f64 / 1e9
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
