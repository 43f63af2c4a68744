//! The old process's side: it starts the new one, and waits until that is ready.
use super::conversation::Conversation;
use super::words::Word;
use crate::daemon::control::{ControlPlace, ControlRefusal};
use crate::daemon::log_level_list::RunningLevel;
use crate::daemon::node::Daemon;
use crate::edge::{CONTROL, CONVERSATION, Denial, HTTP, LINK};
use crate::reason::DaemonReason;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use command_fds::{CommandFdExt as _, FdMapping};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::time::timeout;

/// From the start of the new process to its readiness: it loads the topology with all CRLs and shakes hands with itself.
const FOR_READINESS: Duration = Duration::from_secs(60);
/// Where inherited descriptors begin (sd_listen_fds(3)).
const FIRST: i32 = 3;

/// A new process that is ready, or has taken over.
pub(in crate::daemon) struct Successor {
    /// The process.
    pub(in crate::daemon) pid: u32,
    /// Its version.
    pub(in crate::daemon) version: String,
    pub(super) conversation: Conversation,
    /// This process's ends of the connections for SIP, until they are entered.
    pub(in crate::daemon) links: Vec<UnixStream>,
    child: Child,
}

/// Starts the program and returns when it is ready.
///
/// # Errors
/// Why it is not; then it has ended, and nothing has changed.
pub(in crate::daemon) async fn start(
    daemon: &Daemon,
    place: &ControlPlace,
    program: &Path,
) -> Result<Successor, ControlRefusal> {
    let failed = |what: String| ControlRefusal {
        code: DaemonReason::UpgradeFailed,
        what,
    };
    let no_start =
        |error: io::Error| failed(format!("cannot start {}: {error}", program.display()));
    // Copies: whatever becomes of the new process, this one keeps its own.
    let handed = daemon.edge.handed().map_err(no_start)?;
    // As many as either process has shards: one of each, at least.
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let count = daemon.edge.shards().max(cores);
    let pairs: io::Result<Vec<_>> = (0..count).map(|_| UnixStream::pair()).collect();
    let (links, far_links): (Vec<_>, Vec<_>) = pairs.map_err(no_start)?.into_iter().unzip();
    let (near_end, far_end) = UnixStream::pair().map_err(no_start)?;
    // In any order: each is known by its name.
    let mut descriptors = vec![(CONVERSATION.to_owned(), OwnedFd::from(far_end))];
    let control = place.copy().map_err(no_start)?;
    descriptors.push((CONTROL.to_owned(), OwnedFd::from(control)));
    descriptors.extend(
        far_links
            .into_iter()
            .map(|end| (LINK.to_owned(), OwnedFd::from(end))),
    );
    descriptors.extend(handed.sockets);
    if let Some(http) = daemon.http.copy().map_err(no_start)? {
        descriptors.push((HTTP.to_owned(), OwnedFd::from(http)));
    }
    let own_end = near_end.try_clone().map_err(no_start)?;
    let paths = (program.to_owned(), daemon.path.clone());
    // What is started there is not bound by what this process dropped: it does that itself.
    let spawned = daemon
        .outside
        .run(move || spawn(&paths.0, &paths.1, descriptors, &own_end));
    let child = spawned.await.and_then(|child| child).map_err(no_start)?;
    // The far ends are gone from this process with the command: when the new one ends, the conversation does.
    let conversation = Conversation::over(near_end).map_err(no_start)?;
    let mut successor = Successor {
        pid: child.id(),
        version: String::new(),
        conversation,
        links,
        child,
    };
    let hello = Word::Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        key: STANDARD.encode(handed.random_key),
        odd_numbers: handed.odd_numbers,
    };
    // The key is said and not put on the command line or in the environment, which others could read. Who has ended already
    // says so below.
    let _ = successor.conversation.speaker.say(&hello).await;
    let why = match timeout(FOR_READINESS, successor.conversation.heard.recv()).await {
        Ok(Some(Word::Ready { version })) => {
            successor.version = version;
            return Ok(successor);
        }
        Ok(Some(Word::Failed { what })) => what,
        Ok(Some(_)) => "it answers what this version does not understand".to_owned(),
        Ok(None) => String::new(),
        Err(_) => format!("it was not ready within {} s", FOR_READINESS.as_secs()),
    };
    // Not before it is gone: what it has bound is free again when the command returns.
    let ended = successor.end().await;
    Err(failed(match why.as_str() {
        "" => format!(
            "{} has ended before it was ready: {ended}",
            program.display()
        ),
        why => format!("{} does not take over: {why}", program.display()),
    }))
}

impl Successor {
    /// Tells it to accept, and what operators have had this process do: whom to refuse, and whose requests to log.
    ///
    /// # Errors
    /// It is gone.
    pub(in crate::daemon) async fn go(
        &self,
        mut denials: Vec<Denial>,
        levels: Vec<RunningLevel>,
    ) -> io::Result<()> {
        // Those of the topology file the new process has read.
        denials.retain(|denial| denial.until.is_some());
        let denials = Some(denials);
        let go = Word::Go { denials, levels };
        self.conversation.speaker.say(&go).await
    }

    /// Ends it, if it has not ended, and tells how it did.
    pub(in crate::daemon) async fn end(self) -> String {
        let mut child = self.child;
        // It closes its end of the conversation a moment before it is gone.
        let wait = move || {
            for _ in 0..100 {
                if let Ok(Some(status)) = child.try_wait() {
                    return Ok(status);
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            let _ = child.kill();
            child.wait()
        };
        let ended: io::Result<ExitStatus> = match tokio::task::spawn_blocking(wait).await {
            Ok(ended) => ended,
            Err(error) => Err(error.into()),
        };
        ended.map_or_else(|error| error.to_string(), |status| status.to_string())
    }
}

/// Starts the program with these descriptors, as systemd would.
fn spawn(
    program: &Path,
    topology: &Path,
    descriptors: Vec<(String, OwnedFd)>,
    any: &UnixStream,
) -> io::Result<Child> {
    // Bounded by the number of shards and listeners.
    let count = i32::try_from(descriptors.len()).unwrap_or(i32::MAX);
    let names: Vec<_> = descriptors.iter().map(|(name, _)| name.as_str()).collect();
    let mut command = Command::new(program);
    command
        .arg("run")
        .arg(topology)
        .stdin(Stdio::null())
        .env("LISTEN_FDS", count.to_string())
        .env("LISTEN_FDNAMES", names.join(":"))
        // Not known before it runs, and without it the descriptors are for whoever has the variables.
        .env_remove("LISTEN_PID")
        // Its own: this process's number would keep the new one from sending pulses.
        .env_remove("WATCHDOG_PID");
    // The crate moves each to its number in the child, between fork and exec.
    let mappings = (FIRST..).zip(descriptors);
    let mappings = mappings.map(|(child_fd, (_, parent_fd))| FdMapping {
        parent_fd,
        child_fd,
    });
    command
        .fd_mappings(mappings.collect())
        .map_err(io::Error::other)?;
    // The standard library opens a pipe by which the child reports that it cannot run the program. It must not lie where the
    // descriptors go: so every number there is taken.
    let mut taken: Vec<UnixStream> = Vec::new();
    while taken
        .last()
        .is_none_or(|last| last.as_raw_fd() < FIRST + count)
    {
        taken.push(any.try_clone()?);
    }
    command.spawn()
}
