//! What this process drops before it serves: writing outside of its own directories, executing programs, and binding other
//! ports than its listeners' (Landlock, landlock(7)).
//!
//! Reading stays with the file modes and the unit: a reload may name files that nobody knows of now. Landlock binds a thread and
//! those that it starts, so [`Outside`] is a thread from before: an upgrade starts the new program there, and a reload has
//! a new address of `[http]` bound there.
use super::control::ControlPlace;
use super::crl_state;
use crate::observe::Event;
use crate::topology::{Confinement, Topology};
use landlock::{
    ABI, AccessFs, AccessNet, CompatLevel, Compatible as _, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use tokio::sync::oneshot;

/// What is asked for: files from version 1 on (Linux 5.13), TCP ports from 4 on (6.7). A kernel that has less does what it
/// can, and the event says so.
const ASKED: ABI = ABI::V5;

/// What is to be done there; its result goes back by a channel of its own, whatever its type.
type Task = Box<dyn FnOnce() + Send>;

/// A thread to which nothing is forbidden, for the few things that the others dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct Outside {
    /// `None`: nothing was dropped, and the work is done where it is asked for.
    work: Option<Sender<Task>>,
}

impl Outside {
    /// Starts the thread, which must be before anything is forbidden.
    fn start() -> io::Result<Self> {
        let (work, asked) = mpsc::channel::<Task>();
        // It ends with the last sender.
        std::thread::Builder::new()
            .name("sipward-outside".to_owned())
            .spawn(move || asked.into_iter().for_each(|work| work()))?;
        Ok(Self { work: Some(work) })
    }

    /// Does the work there.
    ///
    /// # Errors
    /// The thread is gone.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let Some(thread) = &self.work else {
            return Ok(work());
        };
        let (answer, done) = oneshot::channel();
        let work = Box::new(move || {
            // Who asked may have gone.
            let _ = answer.send(work());
        });
        let gone = |_| io::Error::other("the thread outside of the confinement is gone");
        thread.send(work).map_err(|_| gone(()))?;
        done.await.map_err(|_| gone(()))
    }
}

/// Confines this thread, and with it all that it starts, as the topology asks; the event says what that has come to.
pub(super) fn confine(topology: &Topology) -> (Outside, Option<Event>) {
    if topology.node().confinement == Confinement::Off {
        return (Outside::default(), None);
    }
    // What crashes must not leave keys in a file. It is not missed where it cannot be set: a limit may only be lowered.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
    let writable = writable(topology);
    let outcome = Outside::start()
        .map_err(|error| error.to_string())
        .and_then(|outside| {
            let status = restrict(topology, &writable).map_err(|error| error.to_string())?;
            Ok((outside, status))
        });
    // Whatever is missing, the daemon serves: this is one more wall, and not the one that the policy stands on.
    let (outside, missing) = match outcome {
        Ok((outside, RulesetStatus::FullyEnforced)) => (outside, None),
        Ok((outside, RulesetStatus::PartiallyEnforced)) => (
            outside,
            Some("this kernel has an older Landlock, which forbids a part only".to_owned()),
        ),
        Ok((outside, RulesetStatus::NotEnforced)) => {
            (outside, Some("this kernel has no Landlock".to_owned()))
        }
        Err(error) => (Outside::default(), Some(error)),
    };
    let writable = writable.iter().map(|path| path.display().to_string());
    let event = Event::Confined {
        writable: writable.collect(),
        detail: missing,
    };
    (outside, Some(event))
}

/// Forbids it for good: neither this thread nor a child of it can take it back.
fn restrict(topology: &Topology, writable: &[PathBuf]) -> Result<RulesetStatus, RulesetError> {
    let write = AccessFs::from_write(ASKED);
    // What is handled is forbidden, except where a rule below allows it.
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(write | AccessFs::Execute)?
        .handle_access(AccessNet::BindTcp)?;
    let mut rules = ruleset.create()?;
    for directory in writable {
        // One that is not there cannot be opened later either, and says so then.
        if let Ok(directory) = PathFd::new(directory) {
            rules = rules.add_rule(PathBeneath::new(directory, write))?;
        }
    }
    // A port that the system chooses is nobody's: the daemon shakes hands with itself there.
    let ports = topology.listeners().iter().map(|it| it.address.port());
    let ports: BTreeSet<u16> = ports.chain([0]).collect();
    for port in ports {
        rules = rules.add_rule(NetPort::new(port, AccessNet::BindTcp))?;
    }
    Ok(rules.restrict_self()?.ruleset)
}

/// The directories of the state, the log and the control socket. Those that the daemon would make are made now.
fn writable(topology: &Topology) -> Vec<PathBuf> {
    let state = crl_state::directory(topology).inspect(|directory| {
        // It is reported when it is used.
        let _ = DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(directory);
    });
    // The directory and not the file: a program that rotates it has the file made anew.
    let log = topology.log().file.as_deref().and_then(Path::parent);
    let log = log.map(Path::to_owned);
    let directories = state.into_iter().chain(log);
    let directories = directories.chain(ControlPlace::directories(topology));
    directories.filter(|path| path.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a thread of its own, since it cannot be undone.
    fn apart(test: impl FnOnce() + Send + 'static) {
        std::thread::spawn(test).join().unwrap();
    }

    fn topology(dir: &Path, more: &str) -> Topology {
        let site = sipward_lab::site::Site::new().unwrap();
        let text = site.topology(&[("fe01.contoso.test", ([127, 0, 0, 1], 9).into())], None);
        let text = text.to_toml();
        let node = format!(
            "[node]\nstate = \"{}\"\n{more}",
            dir.join("state").display()
        );
        let text = text.replacen("[node]\n", &node, 1);
        let file = site.write("topology.toml", &text).unwrap();
        crate::topology::load(&file, sipward_lab::pki::now()).unwrap()
    }

    #[test]
    fn what_is_confined_writes_executes_and_binds_nothing_but_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().to_owned();
        let topology = topology(dir.path(), "");
        apart(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let (outside, event) = confine(&topology);
            let Some(Event::Confined { detail, writable }) = event else {
                panic!("{event:?}");
            };
            if let Some(why) = detail {
                eprintln!("SKIPPED: {why}");
                return;
            }
            assert!(writable.contains(&at.join("state").display().to_string()));
            let own = at.join("state/crl");
            std::fs::write(&own, "1").unwrap();
            std::fs::rename(&own, at.join("state/crl.new")).unwrap();
            let denied = |error: io::Error| error.kind() == io::ErrorKind::PermissionDenied;
            assert!(std::fs::write(at.join("elsewhere"), "1").is_err_and(denied));
            let run = || std::process::Command::new("true").status();
            assert!(run().is_err_and(denied));
            // Another thread of it as well.
            std::thread::scope(|scope| {
                let bound = scope.spawn(|| std::net::TcpListener::bind("127.0.0.1:1"));
                assert!(bound.join().unwrap().is_err_and(denied));
            });
            std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            // And the one that was there before may.
            let ran = runtime.unwrap().block_on(outside.run(run));
            assert!(ran.unwrap().unwrap().success());
        });
    }

    #[test]
    fn what_the_topology_leaves_alone_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().to_owned();
        let topology = topology(dir.path(), "confinement = \"off\"\n");
        apart(move || {
            let (_, event) = confine(&topology);
            assert!(event.is_none());
            std::fs::write(at.join("elsewhere"), "1").unwrap();
        });
    }
}
