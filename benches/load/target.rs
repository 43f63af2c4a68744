//! The program under load: sipward, HAProxy or Kamailio, started afresh, with its CPU time and memory from /proc.
use super::{Options, Outcome};
use sipward_lab::pki::Issued;
use sipward_lab::site::{EDGE, HOME, Site};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A home server in no pool, which dials and is not dialled.
pub(crate) const CALLING_HOME: &str = "fe02.contoso.test";
/// The kernel's USER_HZ, the unit of /proc/PID/stat: 100 on every Linux that Rust runs on.
const TICK: f64 = 0.01;
/// How long a program may take to listen, under valgrind on a busy machine, too.
const PATIENCE: Duration = Duration::from_secs(120);

/// Which program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Sipward,
    Haproxy,
    Kamailio,
}

/// A running program; it and what it forked are ended by their process ids when it is dropped.
pub(crate) struct Target {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    /// Where a connection goes no further than this program: HAProxy dials the home server for each connection
    /// otherwise.
    pub(crate) handshakes: SocketAddr,
    child: Child,
}

/// The program, under the one that it is to run under if there is one.
fn under(options: &Options, program: &str) -> Outcome<Command> {
    let mut words = options.under.iter().map(String::as_str).chain([program]);
    let mut command = Command::new(words.next().ok_or("no program")?);
    command.args(words);
    Ok(command)
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Haproxy, Self::Kamailio, Self::Sipward];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sipward => "sipward",
            Self::Haproxy => "haproxy",
            Self::Kamailio => "kamailio",
        }
    }

    pub(crate) fn named(name: &str) -> Outcome<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| format!("no target {name}: sipward, haproxy or kamailio").into())
    }
}

impl Target {
    /// Starts the program between clients and a home server, and waits until it listens.
    pub(crate) fn start(
        kind: Kind,
        site: &Site,
        home: SocketAddr,
        options: &Options,
    ) -> Outcome<Self> {
        match kind {
            Kind::Sipward => Self::sipward(site, home, options),
            Kind::Haproxy => Self::haproxy(site, home, options),
            Kind::Kamailio => Self::kamailio(site, home, options),
        }
    }

    fn sipward(site: &Site, home: SocketAddr, options: &Options) -> Outcome<Self> {
        let mut topology = site.topology(&[(&format!("fe01.{HOME}"), home)], None);
        topology.section("[log]").text("requests", "calls");
        // All clients of the load are one source, and each carries as much as a hundred phones.
        topology
            .section("[limits]")
            .raw("transactions_per_client", "10000")
            .raw("invites_per_client", "5000")
            .raw("transactions_per_source", "100000")
            .raw("connections", "70000")
            .raw("connections_per_source", "70000")
            .raw("connects_per_source", "100000")
            .raw("calls", "1000000")
            .raw("calls_per_client", "1000000")
            .text("answered_per_client", "200MiB")
            .text("answered_per_source", "1GiB")
            .raw("client_rate", "1000000")
            .raw("client_burst", "1000000")
            .text("memory_per_source", "512MiB")
            .text("first_message", "1h");
        if let Some(gather) = options.gather {
            topology
                .section("[limits]")
                .raw("gather", &gather.to_string());
        }
        // It only calls: what nobody reads must not wait for it.
        topology.peer(CALLING_HOME, "home", "enterprise-ca");
        for number in 0..options.partners {
            topology
                .peer(&partner(number), "federated", "fabrikam-ca")
                .list("domains", &[&format!("partner{number}.test")]);
        }
        topology.section("[http]").text("address", "127.0.0.1:0");
        if options.shards > 0 {
            topology
                .section("[node]")
                .raw("shards", &options.shards.to_string());
        }
        let file = site.write("topology.toml", &topology.to_toml())?;
        let log = site.path().join("sipward.log");
        let child = under(options, &options.binary)?
            .arg("run")
            .arg(file)
            // Its control socket is its own: the default place is a service's.
            .env("RUNTIME_DIRECTORY", site.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?)
            .spawn()?;
        let mut target = Self {
            kind: Kind::Sipward,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            handshakes: SocketAddr::from(([127, 0, 0, 1], 0)),
            child,
        };
        let began = super::now();
        loop {
            let text = fs::read_to_string(&log)?;
            let events = || {
                text.lines()
                    .filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok())
            };
            if events().any(|e| e.get("event").is_some_and(|name| name == "ready")) {
                target.address = events()
                    .filter(|e| e.get("event").is_some_and(|name| name == "listening"))
                    .find_map(|e| e.get("address")?.as_str()?.parse().ok())
                    .ok_or("no address in sipward's log")?;
                target.handshakes = target.address;
                return Ok(target);
            }
            target.check(began, &log)?;
        }
    }

    fn haproxy(site: &Site, home: SocketAddr, options: &Options) -> Outcome<Self> {
        let (port, bare) = (free_port()?, free_port()?);
        let both = |issued: &Issued| format!("{}{}", issued.chain_pem, issued.key_pem);
        site.write("edge.pem", &both(&site.edge))?;
        let file = fill(
            site,
            include_str!("../peers/haproxy.cfg"),
            "haproxy.cfg",
            port,
            bare,
            home,
        )?;
        let child = quiet(
            under(options, "haproxy")?.arg("-db").arg("-f").arg(file),
            site,
            "haproxy.log",
        )?;
        Self::listening(
            Kind::Haproxy,
            child,
            port,
            bare,
            &site.path().join("haproxy.log"),
        )
    }

    fn kamailio(site: &Site, home: SocketAddr, options: &Options) -> Outcome<Self> {
        let port = free_port()?;
        let file = fill(
            site,
            include_str!("../peers/kamailio.cfg"),
            "kamailio.cfg",
            port,
            port,
            home,
        )?;
        fill(
            site,
            include_str!("../peers/kamailio-tls.cfg"),
            "kamailio-tls.cfg",
            port,
            port,
            home,
        )?;
        let child = quiet(
            under(options, "kamailio")?
                .args(["-DD", "-E", "-m", "256", "-M", "16", "-f"])
                .arg(file)
                .arg("-Y")
                .arg(site.path()),
            site,
            "kamailio.log",
        )?;
        Self::listening(
            Kind::Kamailio,
            child,
            port,
            port,
            &site.path().join("kamailio.log"),
        )
    }

    fn listening(kind: Kind, child: Child, port: u16, bare: u16, log: &Path) -> Outcome<Self> {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let mut target = Self {
            kind,
            address: at(port),
            handshakes: at(bare),
            child,
        };
        let began = super::now();
        while TcpStream::connect(target.address).is_err() {
            target.check(began, log)?;
        }
        Ok(target)
    }

    /// Fails when the program has ended or takes too long; else waits a little.
    fn check(&mut self, began: Instant, log: &Path) -> Outcome<()> {
        if self.child.try_wait()?.is_some() || began.elapsed() > PATIENCE {
            let text = fs::read_to_string(log).unwrap_or_default();
            let name = self.kind.name();
            return Err(format!("{name} does not listen; its log:\n{text}").into());
        }
        std::thread::sleep(Duration::from_millis(20));
        Ok(())
    }

    /// Whether it still runs: Debian's Kamailio dies by itself after some hundreds of handshakes.
    pub(crate) fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end as an operator does, and waits until it has: what counts it writes only then.
    pub(crate) fn end(&mut self) -> Outcome<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").arg("-TERM").arg(pid).status()?;
        self.child.wait()?;
        Ok(())
    }

    /// Has it load its topology again, with one more partner, and waits until it says that it has.
    pub(crate) fn reload(&self, site: &Site, number: usize) -> Outcome<()> {
        let file = site.path().join("topology.toml");
        let log = site.path().join("sipward.log");
        let mut text = fs::read_to_string(&file)?;
        text.push_str(&format!(
            "\n[[peer]]\nfqdn = \"sip.reload{number}.test\"\nkind = \"federated\"\ntrust = [\"fabrikam-ca\"]\ndomains = [\"reload{number}.test\"]\n"
        ));
        fs::write(&file, text)?;
        let done = |log: &str| log.matches("\"event\":\"reload\"").count();
        let before = done(&fs::read_to_string(&log)?);
        let pid = self.child.id().to_string();
        Command::new("kill").arg("-HUP").arg(pid).status()?;
        let began = super::now();
        while done(&fs::read_to_string(&log)?) == before {
            if began.elapsed() > PATIENCE {
                return Err("no reload".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// CPU seconds so far of each thread whose name begins so.
    pub(crate) fn cpu_of_threads(&self, name: &str) -> Vec<f64> {
        let pid = self.child.id();
        let threads = fs::read_dir(format!("/proc/{pid}/task"));
        let threads = threads.into_iter().flatten().flatten();
        let is_meant = |path: &Path| {
            let found = fs::read_to_string(path.join("comm"));
            found.is_ok_and(|found| found.starts_with(name))
        };
        let mut paths: Vec<PathBuf> = threads.map(|thread| thread.path()).collect();
        paths.retain(|path| is_meant(path));
        paths.sort();
        let nanoseconds = |path: &PathBuf| {
            let text = fs::read_to_string(path.join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<f64>().ok()
        };
        let all = paths.iter().map(|path| nanoseconds(path).unwrap_or(0.0));
        all.map(|nanoseconds| nanoseconds / 1e9).collect()
    }

    /// CPU seconds so far, user and system, of all its processes and their living threads.
    pub(crate) fn cpu(&self) -> f64 {
        self.processes().iter().map(|pid| cpu_of(*pid)).sum()
    }

    /// A figure of sipward's metrics that has no labels.
    pub(crate) fn metric(&self, site: &Site, name: &str) -> Outcome<u64> {
        // The page is there a little later than the daemon is ready.
        let log = fs::read_to_string(site.path().join("sipward.log"))?;
        let address = log
            .lines()
            .filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok())
            .filter(|e| e.get("event").is_some_and(|name| name == "http_listening"))
            .find_map(|e| e.get("address")?.as_str()?.parse::<SocketAddr>().ok());
        let mut stream = TcpStream::connect(address.ok_or("no metrics")?)?;
        write!(
            stream,
            "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let found = lines.find(|(series, _)| *series == name);
        let (_, value) = found.ok_or_else(|| format!("no metric {name}"))?;
        Ok(value.trim().parse()?)
    }

    /// Open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).map_or(0, Iterator::count)
    }

    /// Resident octets, as `top` shows them: of a moment, where to add up what is shared would hold the program up.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let line = |status: String| {
            let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        };
        let kib = status.ok().and_then(line);
        kib.unwrap_or_default().saturating_mul(1024)
    }

    /// Proportional set size of all its processes in octets.
    pub(crate) fn pss(&self) -> u64 {
        self.processes().iter().map(|pid| pss_of(*pid)).sum()
    }

    /// It and its descendants.
    fn processes(&self) -> Vec<u32> {
        let mut family = vec![self.child.id()];
        if self.kind == Kind::Kamailio {
            let all: Vec<(u32, u32)> = fs::read_dir("/proc")
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
                .filter_map(|pid| Some((pid, parent_of(pid)?)))
                .collect();
            let mut seen = 0;
            while let Some(parent) = family.get(seen).copied() {
                family.extend(
                    all.iter()
                        .filter(|(_, p)| *p == parent)
                        .map(|(pid, _)| *pid),
                );
                seen += 1;
            }
        }
        family
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let family = self.processes();
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in family.iter().skip(1) {
            let _ = Command::new("kill")
                .arg("-9")
                .arg(pid.to_string())
                .stderr(Stdio::null())
                .status();
        }
    }
}

/// A partner of the topology.
pub(crate) fn partner(number: usize) -> String {
    format!("sip.partner{number}.test")
}

fn stat(pid: u32) -> Option<Vec<u64>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields = stat.rsplit(')').next()?.split_whitespace().skip(1);
    Some(fields.map(|f| f.parse().unwrap_or(0)).collect())
}

/// proc(5): field 4 of stat.
fn parent_of(pid: u32) -> Option<u32> {
    stat(pid)?.first().and_then(|p| u32::try_from(*p).ok())
}

/// The scheduler's nanoseconds of each thread where the kernel counts them, else ticks (fields 14 and 15 of stat).
fn cpu_of(pid: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let exact: Option<u64> = threads
        .map(|thread| {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        })
        .sum();
    match exact {
        Some(nanoseconds) if nanoseconds > 0 => nanoseconds as f64 / 1e9,
        Some(_) | None => stat(pid)
            .map(|fields| fields.iter().skip(10).take(2).sum::<u64>() as f64 * TICK)
            .unwrap_or_default(),
    }
}

fn pss_of(pid: u32) -> u64 {
    fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .ok()
        .and_then(|text| {
            let line = text.lines().find_map(|l| l.strip_prefix("Pss:"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        })
        .unwrap_or_default()
        .saturating_mul(1024)
}

fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn fill(
    site: &Site,
    template: &str,
    name: &str,
    port: u16,
    bare: u16,
    home: SocketAddr,
) -> Outcome<PathBuf> {
    let text = template
        .replace("@DIRECTORY@", &site.path().display().to_string())
        .replace("@PORT@", &port.to_string())
        .replace("@BARE_PORT@", &bare.to_string())
        .replace("@HOME@", &home.to_string())
        .replace("@HOME_PORT@", &home.port().to_string())
        .replace("@EDGE@", EDGE);
    Ok(site.write(name, &text)?)
}

fn quiet(command: &mut Command, site: &Site, log: &str) -> Outcome<Child> {
    let log = fs::File::create(site.path().join(log))?;
    Ok(command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?)
}
